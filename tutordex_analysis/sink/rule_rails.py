"""The rails of a learnt limit in PromQL: what no number that arrives can pass, and the human value without one."""

from __future__ import annotations

from tutordex_analysis import rule_groups
from tutordex_analysis.rule import Rule, Threshold
from tutordex_analysis.rule_definition import digest
from tutordex_analysis.rulebook import IN_FORCE, IN_SHADOW, LEARNT, RAIL

THRESHOLD = "tutordex_threshold"
MOST_AGE_SECONDS = 90 * 60  # as far as a limit is made for (`question.thresholds.REACH`)
_SKEW_SECONDS = 300  # how far ahead of ours a publisher's clock may be


def fresh(family: str = THRESHOLD) -> str:
    """PromQL that is there, a publisher each, while it published a family lately; the future is not lately."""
    stamp = f'tutordex_generated_timestamp_seconds{{family="{family}"}}'
    return f"(time() - {stamp} < {MOST_AGE_SECONDS} > -{_SKEW_SECONDS})"


def learnt(rule: Rule, limit: Threshold) -> str:
    """The published limit between its rails, while it is fresh; nothing where it is absent, stale or no number.

    A publisher's own time stamp vouches for its limit and for no other's. Of several the one that fires least counts.
    """
    published = f'{THRESHOLD}{{alert="{rule.name}"}}'
    mildest = f"{'max' if rule.direction == 'above' else 'min'} by ({', '.join(limit.by)})"
    inside = f"{published} == {published}\nand on (job, instance) {fresh()}"
    return f"clamp({mildest} (\n{_inside(inside)}\n), {number(limit.floor)}, {number(limit.ceiling)})"


def in_force(rule: Rule, limit: Threshold) -> str:
    """The limit itself: what was learnt, otherwise the human value; it is always there.

    With labels there is a human value for each of those that the alert's value has now, so that a label of which
    nothing was learnt is watched too. `group` is 1 whatever the value is, NaN included.
    """
    if not limit.by:
        return f"{learnt(rule, limit)}\nor vector({number(limit.human)})"
    labels = ", ".join(limit.by)
    each = f"group by ({labels}) (\n{_inside(rule.value)}\n)"
    return f"{learnt(rule, limit)}\nor on ({labels})\n{each} * {number(limit.human)}"


def records(rule: Rule) -> list[dict[str, object]]:
    """The recording rules of a limit that may move: what was learnt, what is in force, and the rails themselves."""
    limit = rule.threshold
    if limit is None or not limit.moves:
        return []
    labels = {"alert": rule.name}
    made: list[dict[str, object]] = [
        {"record": LEARNT, "expr": learnt(rule, limit), "labels": labels},
        {"record": IN_FORCE, "expr": in_force(rule, limit), "labels": labels},
    ]
    for bound, value in (("floor", limit.floor), ("ceiling", limit.ceiling)):
        made.append({"record": RAIL, "expr": f"vector({number(value)})", "labels": {**labels, "bound": bound}})
    return made


def shadow(rule: Rule) -> list[dict[str, object]]:
    """The recording rule that tells, sample by sample, how long this very definition has been in shadow.

    `ALERTS` alone cannot tell it of an alert that never fires.
    """
    if not rule.shadow:
        return []
    return [{"record": IN_SHADOW, "expr": "vector(1)", "labels": {"alert": rule.name, "definition": definition(rule)}}]


def definition(rule: Rule) -> str:
    """The digest of what the rule fires on, as `rule_definition.definitions` reads it from the file."""
    hold, keep = (rule_groups.seconds(one or "0s", rule.name) for one in (rule.hold, rule.keep_firing))
    return digest(
        expression(rule),
        hold_seconds=hold,
        keep_seconds=keep,
        limits=[str(one["expr"]) for one in records(rule)],
    )


def expression(rule: Rule) -> str:
    """The alert's expression: value, limit, guard. It has no learnt number in it, so it stays while limits move."""
    text = rule.value.strip()
    if (limit := rule.threshold) is not None:
        sign = ">" if rule.direction == "above" else "<"
        text = f"(\n{_inside(text)}\n)\n{sign} {_compared(rule, limit)}"
    elif rule.guard is not None:
        text = f"(\n{_inside(text)}\n)"
    if rule.guard is not None:
        text += f"\nand on ({', '.join(rule.guard_by)})\n(\n{_inside(rule.guard)}\n)"
    return text


def number(value: float) -> str:
    """A number in PromQL, all of its digits."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _compared(rule: Rule, limit: Threshold) -> str:
    if not limit.moves:
        return number(limit.human)
    many = " group_left ()" if rule.by else ""
    return f'on ({", ".join(limit.by)}){many} {IN_FORCE}{{alert="{rule.name}"}}'


def _inside(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
