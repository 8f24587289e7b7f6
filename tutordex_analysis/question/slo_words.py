"""What is said of one promise: what is left, how long it lasts, what spent it."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.measure import chance_text, day_text, number_text, share_text
from tutordex_analysis.model.slo import Budget
from tutordex_analysis.model.slo_ahead import Ahead
from tutordex_analysis.question.slo_history import Kept
from tutordex_analysis.question.wording import span
from tutordex_analysis.slo import Slo

_WHOLE = 0.95  # a period of which less is known is said to be


def sentences(
    slo: Slo, budget: Budget, to_come: Ahead, worst: pd.DataFrame, kept: Kept, zone: ZoneInfo
) -> Iterator[str]:
    """Everything that is said of it, one sentence each."""
    promised = f"promised {share_text(slo.objective)}, kept {_kept_text(budget.kept, slo.objective)}"
    counts = f"{_number(budget.bad)} of {budget.total:,.0f} {slo.noun} were bad, {_number(budget.allowed)} may be"
    if budget.remaining <= 0:
        yield f"{slo.title}: broken ({promised}): {counts}."
    else:
        yield f"{slo.title}: {left(budget)} of the budget is left ({promised}): {counts}."
    if budget.known < _WHOLE:
        yield f"It is counted over {spoken(budget)}, which is what is known of {span(slo.period)}."
    if to_come.lacks:
        yield f"Nobody can tell how long it lasts: {to_come.lacks}."
    elif budget.remaining > 0:
        yield _lasts(to_come, slo, zone)
    else:
        yield _returns(to_come, slo, zone)
    if len(worst):
        first = worst.iloc[0]
        name = f" ({first['name']})" if first["name"] else ""
        begin = first["start"].tz_convert(zone)
        again = " and goes on" if first["ongoing"] else ""
        yield (
            f"What went wrong on {begin:%A}, {day_text(first['start'], zone, clock=True)}{name}, took "
            f"{share_text(first['spent'])} of the budget{again}."
        )
    if kept.late >= 1:
        yield f"{kept.late:,.0f} {slo.noun} count as bad since others waited too long meanwhile."


def _lasts(to_come: Ahead, slo: Slo, zone: ZoneInfo) -> str:
    early, likely, late = (to_come.dates[p] for p in (0.1, 0.5, 0.9))
    if early is None:
        return f"As things go it lasts ({chance_text(to_come.survives)} that it survives the next {span(slo.period)})."
    until = f"not before {day_text(early, zone)}"
    if late is not None:
        until = f"between {day_text(early, zone)} and {day_text(late, zone)}"
    if likely is None:
        return (
            f"As things go it more likely lasts ({chance_text(to_come.survives)} that it survives the next "
            f"{span(slo.period)}), and is gone {until} where it does not."
        )
    return (
        f"As things go it is gone about {day_text(likely, zone)}, {until} ({chance_text(to_come.survives)} that it "
        f"survives the next {span(slo.period)})."
    )


def _returns(to_come: Ahead, slo: Slo, zone: ZoneInfo) -> str:
    moments = (to_come.back[p] for p in (0.1, 0.5, 0.9))
    early, likely, late = (None if one is None else day_text(one, zone) for one in moments)
    ahead = f"the next {span(slo.period)}"
    if early is None:
        return f"As things go none of it is left for {ahead}."
    if likely is None:
        return f"As things go it more likely stays broken for {ahead}; before {early} nothing of it is left."
    about = f"As things go some of the budget is left again from about {likely} on"
    if late is None:
        return f"{about}; the chance that it stays broken for {ahead} is over 10 %."
    return f"{about}." if early == late else f"{about} (between {early} and {late})."


def _kept_text(kept: float, objective: float) -> str:
    """The kept share, told apart from the promised one."""
    text = share_text(kept)
    return f"{100 * kept:.4f} %" if text == share_text(objective) and kept < objective else text


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else number_text(float(f"{value:.2g}"))


def spoken(budget: Budget) -> str:
    """How much of the period is known, in days or hours."""
    days = budget.lasting / pd.Timedelta("1D")
    return f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} hours"


def left(budget: Budget) -> str:
    """What is left of it, in percent."""
    return share_text(budget.remaining)
