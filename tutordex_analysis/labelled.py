"""How a catalogue's alerts are really labelled, and so which of them a silence would reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.moment import duration
from tutordex_analysis.silence import Matchers, fit, matchers_of, text_of

WATCHDOG = "Watchdog"
LOUD = "critical"
# Of the stack's own rules, beside which ours may be loaded.
_OTHER_WATCHDOG = {"alertname": WATCHDOG, "severity": "warning", "component": "observability"}
_NARROW = "narrow it down to what is worked on"
_NAMED = 5  # alerts in a sentence


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One alert rule.

    Attributes:
        fixed: Labels with the value that they always have, alertname among them.
        open: Labels that it has with any value, such as channel.
        hold: How long it is so before the alert fires.
        muted_by: Selectors of the alerts that explain it: while they fire, silenced or not, it reaches nobody.
    """

    fixed: Mapping[str, str]
    open: frozenset[str]
    hold: pd.Timedelta
    muted_by: tuple[Matchers, ...] = ()

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.fixed["alertname"]

    def reached_by(self, matchers: Matchers) -> bool:
        """Whether the matchers fit an alert of this rule, for some values of its open labels."""
        return fit(tuple(one for one in matchers if one.label not in self.open), self.fixed)


def alerts_of(catalogue: Catalogue) -> tuple[Labelled, ...]:
    """Every alert of a catalogue's rules."""
    return tuple(
        Labelled(
            fixed={"alertname": rule.name, **rule.labels},
            open=frozenset(rule.by),
            hold=duration(rule.hold) if rule.hold != "0s" else pd.Timedelta(0),
            muted_by=tuple(matchers_of(one) for one in rule.muted_by),
        )
        for rule in catalogue.rules.values()
    )


def reached(matchers: Matchers, alerts: Iterable[Labelled]) -> tuple[Labelled, ...]:
    """The alerts that these matchers would silence."""
    return tuple(one for one in alerts if one.reached_by(matchers))


def still_muted(silences: Iterable[Matchers], alerts: Iterable[Labelled]) -> dict[str, tuple[Labelled, ...]]:
    """Alerts that no silence reaches and that a silenced one keeps from everybody while it fires, by its name.

    Alertmanager inhibits with silenced alerts too, so a silence can hide more than it says.
    """
    known, asked = tuple(alerts), tuple(silences)
    loud = [one for one in known if not any(one.reached_by(each) for each in asked)]
    found: dict[str, tuple[Labelled, ...]] = {}
    for cause in known:
        mine = [one for one in asked if cause.reached_by(one)]
        if muted := tuple(one for one in loud if any(_explains(cause, how, mine) for how in one.muted_by)):
            found[cause.name] = muted
    return found


def _explains(cause: Labelled, how: Matchers, silences: Iterable[Matchers]) -> bool:
    """Whether an alert of the cause that one of these silences reaches can be the one that a selector names."""
    if not cause.reached_by(how):
        return False
    named = {**cause.fixed, **{one.label: one.value for one in how if one.equal and not one.regex}}
    return any(
        fit(tuple(one for one in each if one.label not in cause.open or one.label in named), named) for each in silences
    )


def unfit(matchers: Matchers, alerts: Iterable[Labelled]) -> str:
    """Why these matchers may not become a silence, in a sentence; "" where they may.

    Args:
        matchers: Of the silence, with what keeps critical alerts out of it.
        alerts: Every alert that is known.
    """
    known, text = tuple(alerts), text_of(matchers)
    found = reached(matchers, known)
    if any(one.name == WATCHDOG for one in found) or fit(matchers, _OTHER_WATCHDOG):
        return f"{text} would silence {WATCHDOG}, which tells that alerts arrive at all; {_NARROW}"
    others = [one for one in known if one.name != WATCHDOG]
    loud = [one for one in others if one.fixed.get("severity") == LOUD]
    quiet = [one for one in others if one not in loud]
    components = {one.fixed.get("component") for one in found}
    if len(components) > 1 and {one.name for one in found} >= {one.name for one in quiet}:
        return f"{text} would silence every alert ({len(found)}); {_NARROW}"
    if found:
        return ""
    freed = tuple(one for one in matchers if (one.label, one.value, one.equal) != ("severity", LOUD, False))
    if len(freed) < len(matchers) and (only := reached(freed, known)):
        return f"{text_of(freed)} fits critical alerts only ({names_of(only)}); say critical: true to silence those too"
    labels = {label for one in known for label in (*one.fixed, *one.open)}
    strange = sorted({one.label for one in matchers} - labels)
    told = f"no alert has a label {strange[0]}" if strange else "no alert has these labels together"
    return f"{text} would silence nothing that is known: {told}; see: tutordex-analysis silence templates"


def names_of(alerts: Iterable[Labelled], *, most: int = _NAMED) -> str:
    """Their names in a sentence."""
    names = sorted({one.name for one in alerts})
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
