"""The forecasts that would have been issued in past weeks, made from what was known then and labelled hindsight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tutordex_analysis import issued
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.civil import from_civil
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.question import capacity, issue
from tutordex_analysis.source.connect import Source, settled

VIA = "replay"
WEEK = pd.Timedelta(days=7)
MOST_WEEKS = 520
HORIZON = "14d"  # growth is told for two weeks or more; a week is scored
WINDOW = "120d"
STEP = "1h"
_PATHS = 20  # limits are not replayed, and dates need no accuracy

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """What a replay made.

    Attributes:
        rows: Of the ledger, stamped as hindsight; those of each moment when it was done.
        moments: One row a moment: `moment`, `rows`, `said` (why there are none, "" where there are).
    """

    rows: pd.DataFrame
    moments: pd.DataFrame


def moments(newest: pd.Timestamp, *, weeks: int, tz: str) -> list[pd.Timestamp]:
    """The latest ends of civil weeks after which a whole week has passed, oldest first, UTC.

    Example:
        >>> [str(one) for one in moments(pd.Timestamp("2026-11-15T16:00Z"), weeks=2, tz="Asia/Singapore")]
        ['2026-11-01 16:00:00+00:00', '2026-11-08 16:00:00+00:00']
    """
    local = (newest - WEEK).tz_convert(tz).tz_localize(None).normalize()
    monday = local - pd.Timedelta(days=local.day_of_week)
    return [from_civil(monday - i * WEEK, tz=tz).tz_convert("UTC") for i in reversed(range(weeks))]


def replay(
    source: Source,
    held: pd.DataFrame,
    *,
    weeks: int = 6,
    signals: Sequence[str] = (),
    window: Span = WINDOW,
    seed: int = 0,
    keep: Callable[[pd.DataFrame], object] = lambda rows: None,
    progress: Progress = lambda done, total, name: None,
) -> Replay:
    """Runs the capacity question as of past Mondays and keeps what it would have said.

    A week and signal that a report spoke of already, real or replayed, is left out. Masks and demotions are not
    applied: which there were at the time is not known.

    Args:
        source: Where the history is read, up to each moment and no further.
        held: Rows of the ledger.
        weeks: How many moments.
        signals: Names; none for all that are forecast by the capacity page.
        window: History before each moment.
        seed: As of a report.
        keep: Called with the rows of each moment, so that a kill loses one at most.
        progress: Called with the moments done, how many there are and the one that starts.

    Raises:
        CatalogueError: There is no such signal.
        NotEnoughData: No week was asked for, or more than `MOST_WEEKS`.
        SourceError: The source failed.
    """
    if not 1 <= weeks <= MOST_WEEKS:
        raise NotEnoughData(f"a replay is of 1 to {MOST_WEEKS} weeks, got {weeks}")
    catalogue = _only(source.catalogue, signals)
    newest = source.last("1d", step=STEP)
    when = moments(newest.end - newest.step, weeks=weeks, tz=catalogue.calendar.timezone)
    facts, made = [], []
    for i, moment in enumerate(when):
        progress(i, len(when), f"{moment.tz_convert(catalogue.calendar.timezone):%Y-%m-%d}")
        left = _left(catalogue, held, moment)
        try:
            rows = _said(source, left, moment, window=window, seed=seed)
            said = "" if len(rows) else "held already"
        except NotEnoughData as error:
            rows, said = issued.no_rows(), str(error)
        if len(rows):
            keep(rows)
            made.append(rows)
        facts.append({"moment": moment, "rows": len(rows), "said": said})
    return Replay(
        rows=pd.concat(made, ignore_index=True) if made else issued.no_rows(),
        moments=pd.DataFrame(facts, columns=["moment", "rows", "said"]),
    )


def _said(source: Source, catalogue: Catalogue, moment: pd.Timestamp, *, window: Span, seed: int) -> pd.DataFrame:
    """What a report of that moment would have said, as rows."""
    if not catalogue.signals:
        return issued.no_rows()
    time_range = settled(source, window, step=STEP, as_of=moment)
    histories = capacity.gather(source, catalogue, time_range)
    outlook = capacity.outlook(histories, catalogue, horizon=HORIZON, seed=seed, n_paths=_PATHS)
    rows = issue.rows(outlook.answers, catalogue.calendar, seed=seed)
    return issued.stamped(rows, issued=moment, via=VIA, hindsight=True)


def _only(catalogue: Catalogue, names: Iterable[str]) -> Catalogue:
    """The catalogue with some of its signals; all for no names."""
    chosen = [catalogue.signal(name).name for name in names]
    return _with(catalogue, chosen) if chosen else catalogue


def _left(catalogue: Catalogue, held: pd.DataFrame, moment: pd.Timestamp) -> Catalogue:
    """The signals of the capacity page without an issue in the week that ends at the moment, give or take a day."""
    day = duration("1d")
    near = held[(held["issued"] > moment - WEEK + day) & (held["issued"] < moment + day) & (held["via"] != "publish")]
    done = set(near["signal"])
    asked = [
        name
        for name, one in catalogue.signals.items()
        if one.events is None and (catalogue.limits_of(name) or (one.forecast and one.kind == "count" and not one.by))
    ]
    return _with(catalogue, [name for name in asked if name not in done])


def _with(catalogue: Catalogue, names: Iterable[str]) -> Catalogue:
    kept = {name: catalogue.signals[name] for name in names}
    limits = {name: one for name, one in catalogue.limits.items() if one.signal in kept}
    return replace(catalogue, signals=kept, limits=limits)
