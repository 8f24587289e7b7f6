"""What we said and what happened: past forecasts of the ledger against the history, as a table and in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis import issued
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError, NotEnoughData
from tutordex_analysis.measure import day_text
from tutordex_analysis.model import scorecard as scores
from tutordex_analysis.model.scorecard import Demotion
from tutordex_analysis.moment import Span, duration, duration_text
from tutordex_analysis.question.growth import daily
from tutordex_analysis.question.resource import newest

TABLE = (
    *("signal", "title", "where", "step", "unit", "model", "week_start", "week_end", "said", "said_lower"),
    *("said_upper", "happened", "miss", "naive_miss", "coverage_80", "hindsight"),
)

TELLS = pd.Timedelta(days=84)  # of how long a past the sentence speaks
SETTLED = pd.Timedelta(days=28)  # after the end of a week its score is not looked at again
_MOMENT = pd.Timedelta(seconds=1)  # a week ends with the day before its last midnight


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorecard:
    """Past forecasts, and what they were worth at one moment.

    Attributes:
        at: The newest instant of the histories; nothing later was looked at.
        rows: Of the ledger, issued from data no newer than that.
        scores: Of every week that was over (`issued.SCORE_COLUMNS`), those kept from before among them.
        actual: What happened, by signal and step text.
        demotions: Models that are not used now, and why.
        catalogue: Titles, units, civil time.
        within: How far after the end of its data a forecast was looked at.
    """

    at: pd.Timestamp
    rows: pd.DataFrame
    scores: pd.DataFrame
    actual: Mapping[tuple[str, str], pd.DataFrame]
    demotions: tuple[Demotion, ...]
    catalogue: Catalogue
    within: Span

    @property
    def demoted(self) -> dict[str, dict[str, frozenset[str]]]:
        """What `capacity.outlook(…, demoted=…)` takes."""
        return scores.away(self.demotions)

    @property
    def recent(self) -> pd.DataFrame:
        """One row a series and step: means over the last four weeks, as they are published."""
        return scores.recent(self.scores, at=self.at)

    @property
    def table(self) -> pd.DataFrame:
        """The newest scored week of each series and step (columns `TABLE`), those with a limit first."""
        mine = self._near.sort_values(["until", "hindsight"], ascending=[True, False], kind="stable")
        last = mine.drop_duplicates(["signal", "step", "unique_id"], keep="last")
        known = last[last["signal"].isin(set(self.catalogue.signals))]
        made = known.assign(
            title=[self._title(name, step) for name, step in zip(known["signal"], known["step"], strict=True)],
            where=[self.where(name, series) for name, series in zip(known["signal"], known["unique_id"], strict=True)],
            unit=[self.catalogue.signal(name).unit for name in known["signal"]],
            week_start=known["cutoff"],
            week_end=known["until"],
        )
        place = {name: i for i, name in enumerate(self.catalogue.signals)}
        order = [(not self.catalogue.limits_of(name), place[name]) for name in made["signal"]]
        return made.iloc[sorted(range(len(made)), key=order.__getitem__)].reset_index(drop=True)[list(TABLE)]

    def where(self, signal: str, unique_id: str) -> str:
        """A short name of a series: its label values, "" for the only one."""
        by = self.catalogue.signal(signal).by
        for (name, _), history in self.actual.items():
            table = frames.labels(history) if name == signal and len(history) else pd.DataFrame()
            if unique_id in table.index:
                return ", ".join(str(table.loc[unique_id].get(label, "")) for label in by)
        return ""

    @property
    def _near(self) -> pd.DataFrame:
        return scores.judged(self.scores, within=self.within)

    def sentences(self) -> tuple[str, ...]:
        """How past forecasts did, in one sentence, and one sentence for each model that is not used."""
        return (self._summary(), *(self._demotion(one) for one in self.demotions))

    def _summary(self) -> str:
        near = self._near
        near = near[near["until"] > self.at - TELLS]
        judged = near[near["miss"].notna() & near["naive_miss"].notna()]
        if judged.empty:
            return "No forecast of the ledger has come due yet; the first is scored a week after it was issued."
        real = judged[~judged["hindsight"].astype(bool)]
        shown = real if len(real) else judged
        weeks = shown["until"].dt.tz_convert(self.catalogue.calendar.timezone).dt.strftime("%G-%V").nunique()
        series = len(shown.drop_duplicates(["signal", "unique_id"]))
        how = "" if len(real) else " (in hindsight: made afterwards from what was known then)"
        return (
            f"In {weeks} past {'week' if weeks == 1 else 'weeks'}{how} the forecasts of {series} series typically "
            f"missed by {_percent(shown['miss'].median())}, repeating last week by "
            f"{_percent(shown['naive_miss'].median())}; {_percent(shown['coverage_80'].mean())} of the values lay in "
            "the range meant to hold 80 %."
        )

    def _demotion(self, one: Demotion) -> str:
        zone = ZoneInfo(self.catalogue.calendar.timezone)
        ends = ", ".join(day_text(week - _MOMENT, zone) for week in one.weeks)
        name = self._title(one.signal, "") if one.signal in self.catalogue.signals else one.signal
        where = self.where(one.signal, one.unique_id) if one.signal in self.catalogue.signals else ""
        return (
            f"{name}{f' ({where})' if where else ''}: {one.model} lost to repeating last week three times in a row "
            f"(weeks to {ends}) and is not used until {day_text(one.until, zone)}."
        )

    def _title(self, signal: str, step: str) -> str:
        spec = self.catalogue.signal(signal)
        return spec.title + (" a day" if step == "1d" and spec.kind == "count" else "")


def scorecard(
    rows: pd.DataFrame,
    kept: pd.DataFrame,
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    *,
    within: Span = scores.WITHIN,
) -> Scorecard:
    """Scores of past forecasts against the histories that a question reads anyway.

    The last four weeks are scored anew, since late samples may have come; older ones keep the score that was kept, if
    there is one, and so do those that the histories no longer cover. Nothing after the end of the histories is looked
    at, so a page of a past moment shows what was known.

    Args:
        rows: Of the ledger.
        kept: Scores of the ledger.
        histories: Frames by signal, as of `capacity.gather`.
        catalogue: Signals and civil time.
        within: How far after the end of its data a forecast is looked at; models are judged by a week.
    """
    at = newest(histories.values())
    known = rows[rows["cutoff"] <= at].reset_index(drop=True)
    actual = happened(known, histories, catalogue)
    kept = kept[kept["until"] <= at]
    fresh = scores.scored(_open(known, kept, at, duration(within)), actual, within=within)
    found = issued.latest_scores(kept, fresh)
    return Scorecard(
        at=at,
        rows=known,
        scores=found,
        actual=actual,
        demotions=scores.demotions(found, at=at),
        catalogue=catalogue,
        within=within,
    )


def _open(rows: pd.DataFrame, kept: pd.DataFrame, at: pd.Timestamp, within: pd.Timedelta) -> pd.DataFrame:
    """The rows whose score is not settled: it was not kept, or the week ended not long ago."""
    settled = kept[(kept["until"] <= at - SETTLED) & (kept["within"] == duration_text(within))]
    key = [name for name in issued.SCORE_KEY if name != "within"]
    mine = rows.assign(day=rows["cutoff"].dt.floor("D"))
    return rows[~issued.among(mine, settled, key)] if len(settled) else rows


def happened(
    rows: pd.DataFrame, histories: Mapping[str, pd.DataFrame], catalogue: Catalogue
) -> dict[tuple[str, str], pd.DataFrame]:
    """What happened on the grid of each forecast: the history itself, or sums of civil days for forecasts of days."""
    found: dict[tuple[str, str], pd.DataFrame] = {}
    for signal, step in sorted(set(zip(rows["signal"], rows["step"], strict=True))):
        history = histories.get(signal)
        if history is None or len(history) < 2:
            continue
        if duration_text(frames.step_of(history)) == step:
            found[signal, step] = history
        elif duration(step) == pd.Timedelta(days=1):
            try:
                if catalogue.signal(signal).kind == "count":
                    found[signal, step] = daily(history, tz=catalogue.calendar.timezone)
            except (NotEnoughData, CatalogueError):
                continue  # no whole day, or a signal that is no longer there: nothing to score with
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
