"""What an alert says: summary, and a description that survives a bridge that shows nothing else.

The description holds the value, the limit with the reason for it, likely causes and three links, in at most 350
characters. Every piece is made twice: as a template, and as what Prometheus will make of it for a given alert.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tutordex_analysis.rule import Rule, Threshold
from tutordex_analysis.rulebook import IN_FORCE, LEARNT
from tutordex_analysis.sink import rule_words as words
from tutordex_analysis.sink.rule_rails import fresh

MOST = 350
RUNBOOK = "alerts.md"
_PLACE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")
_MEASURED = ("seconds", "ratio", "bytes", "")
_AGE = 'time() - max(tutordex_generated_timestamp_seconds{family="tutordex_threshold"})'


@dataclass(frozen=True, kw_only=True)
class Links:
    """Where people reach what alerts point at.

    Attributes:
        grafana: URL, without a slash at the end.
        alertmanager: URL of its pages, without a slash at the end.
        runbooks: URL or path of the folder of runbooks.
    """

    grafana: str
    alertmanager: str
    runbooks: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """One alert at one moment, for the words that a test expects.

    Attributes:
        value: Of the rule.
        labels: Of the rule's `by`.
        limit: In force; None: the human one.
        age_seconds: Of the learnt limit; None where the human value is in force.
        usual: The band of the signal, where it is published.
    """

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: float | None = None
    age_seconds: float | None = None
    usual: tuple[float, float] | None = None


@dataclass(frozen=True)
class Piece:
    """A template and, for one alert, its outcome."""

    template: str
    text: str

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.template + other.template, self.text + other.text)


def templates(rule: Rule, links: Links) -> dict[str, str]:
    """The templates of a rule's annotations."""
    return {name: piece.template for name, piece in _pieces(rule, links, _widest(rule)).items()}


def rendered(rule: Rule, links: Links, told: Told) -> dict[str, str]:
    """What Prometheus will make of them for one alert."""
    return {name: piece.text for name, piece in _pieces(rule, links, told).items()}


def anchor(rule: Rule) -> str:
    """The part of a runbook's address behind #."""
    return rule.name.lower()


def _pieces(rule: Rule, links: Links, told: Told) -> dict[str, Piece]:
    made = {
        "summary": _summary(rule, told),
        "description": _sum(part for _, part in _kept(rule, links, told)),
        "runbook": _fixed(f"{links.runbooks}/{RUNBOOK}#{anchor(rule)}"),
        "current_value": _value(rule, told),
    }
    return made if rule.dashboard is None else made | {"dashboard": _board(rule, links, told)}


def _kept(rule: Rule, links: Links, told: Told) -> list[tuple[str, Piece]]:
    """The parts of a description that fit; what matters least goes first, causes one by one."""
    causes = [one.strip() for one in rule.causes.split(",") if one.strip()]
    attempts: list[tuple[tuple[str, ...], list[str]]] = [
        ((), causes),
        (("meaning",), causes),
        (("meaning", "usual"), causes),
    ]
    attempts += [(("meaning", "usual"), causes[:n]) for n in range(len(causes) - 1, -1, -1)]
    attempts += [(("meaning", "usual", *gone), []) for gone in (("board",), ("board", "runbook"))]
    for gone, some in attempts:
        widest = _parts(rule, links, _widest(rule), some)
        if sum(len(piece.text) for name, piece in widest if name not in gone) <= MOST:
            break
    kept = [(name, piece) for name, piece in _parts(rule, links, told, some) if name not in gone]
    at = next(i for i, (_, piece) in enumerate(kept) if piece.text)
    name, first = kept[at]
    return [(name, Piece(first.template.lstrip(), first.text.lstrip())), *kept[at + 1 :]]


def _parts(rule: Rule, links: Links, told: Told, causes: list[str]) -> list[tuple[str, Piece]]:
    limit = rule.threshold
    parts = [("value", _value(rule, told)), ("limit", _limit(rule, limit, told))] if limit else []
    if limit and rule.usual is not None:
        parts.append(("usual", _usual(rule, rule.usual, told)))
    parts.append(("end", _fixed("." if limit else "")))
    if not limit and rule.meaning:
        parts.append(("meaning", _fixed(f"{rule.meaning.split('. ')[0].split(': ')[0].rstrip('.')}.")))
    if causes:
        parts.append(("causes", _fixed(f" Likely: {', '.join(causes)}.")))
    if rule.dashboard is not None:
        parts.append(("board", _fixed(f" Board {links.grafana}/d/{rule.dashboard}")))
    parts.append(("runbook", _fixed(f" Runbook {links.runbooks}/{RUNBOOK}#{anchor(rule)}")))
    parts.append(("silence", _fixed(" Silence ") + _silence(rule, links, told)))
    return parts


def _summary(rule: Rule, told: Told) -> Piece:
    """The summary; a name in braces that is a label of the alert stands for its value."""
    made = []
    for i, part in enumerate(_PLACE.split(" ".join(rule.summary.split()))):
        if i % 2 and part in rule.by:
            made.append(Piece(words.label(part), words.label_shown(told.labels.get(part, ""))))
        else:
            made.append(_fixed(f"{{{part}}}" if i % 2 else part))
    return _sum(made)


def _value(rule: Rule, told: Told) -> Piece:
    if rule.unit in _MEASURED:
        pipe = words.format_of(rule.unit)
        return Piece(f"{{{{ $value | {pipe} }}}}", words.formatted(told.value, rule.unit))
    return Piece('{{ printf "%.0f" $value }} ', f"{told.value:.0f} ") + _fixed(rule.unit)


def _limit(rule: Rule, limit: Threshold, told: Told) -> Piece:
    if not limit.moves:
        return _fixed(f"; limit {words.formatted(limit.human, rule.unit)}, fixed")
    pipe = words.format_of(rule.unit)
    human = words.formatted(limit.human, rule.unit)
    number = _queried(words.selector(IN_FORCE, {"alert": rule.name}, limit.by), f". | first | value | {pipe}")
    where = words.selector(LEARNT, {"alert": rule.name}, limit.by)
    age = _queried(f"`{_AGE}`", f". | first | value | {words.format_of('seconds')}")
    template = (
        f"; limit {number}, {{{{ with {where} | query }}}}learned {age} ago (human {human})"
        "{{ else }}human{{ end }}"
    )
    shown = words.formatted(limit.human if told.limit is None else told.limit, rule.unit)
    if told.age_seconds is None:
        return Piece(template, f"; limit {shown}, human")
    return Piece(
        template, f"; limit {shown}, learned {words.formatted(told.age_seconds, 'seconds')} ago (human {human})"
    )


def _usual(rule: Rule, signal: str, told: Told) -> Piece:
    pipe = words.format_of(rule.unit)
    low, high = (
        f"`tutordex_expected{{signal='{signal}',bound='{bound}'}} and on () {fresh('tutordex_expected')}` | query"
        for bound in ("lower", "upper")
    )
    template = (
        f"{{{{ with {low} }}}}{{{{ $low := . | first | value }}}}{{{{ with {high} }}}}, usual {{{{ $low | {pipe} }}}}–"
        f"{{{{ . | first | value | {pipe} }}}}{{{{ end }}}}{{{{ end }}}}"
    )
    if told.usual is None:
        return Piece(template, "")
    return Piece(template, ", usual " + "–".join(words.formatted(one, rule.unit) for one in told.usual))


def _board(rule: Rule, links: Links, told: Told) -> Piece:
    made = _fixed(f"{links.grafana}/d/{rule.dashboard}")
    if "channel" in rule.by:
        made += Piece("?var-channel=" + words.argument("channel"), "?var-channel=")
        made += Piece("", words.argument_shown(told.labels.get("channel", "")))
    return made


def _silence(rule: Rule, links: Links, told: Told) -> Piece:
    made = _fixed(f"{links.alertmanager}/#/silences/new?filter=%7Balertname%3D%22{rule.name}%22")
    for name in rule.by[:1]:  # the label that tells most; a link must be short
        made += Piece(words.matcher(name), words.matcher_shown(name, told.labels.get(name, "")))
    return made + _fixed("%7D")


def _queried(where: str, pipe: str) -> str:
    return f"{{{{ with {where} | query }}}}{{{{ {pipe} }}}}{{{{ end }}}}"


def _fixed(text: str) -> Piece:
    return Piece(words.literal(text), words.shown(text))


def _sum(parts: Iterable[Piece]) -> Piece:
    total = Piece("", "")
    for part in parts:
        total += part
    return total


def _widest(rule: Rule) -> Told:
    """An alert with long labels and numbers, for what must fit."""
    limit = rule.threshold.ceiling if rule.threshold else 0.0
    wide = 86_400.0 * 3 + 14 * 3600 + 25 * 60 if rule.unit == "seconds" else 0.9876
    value = wide if rule.unit in _MEASURED else 123_456.0
    labels = dict.fromkeys(rule.by, "t.me/" + "x" * 27)
    return Told(value=value, labels=labels, limit=limit, age_seconds=5400.0, usual=(value, value))
