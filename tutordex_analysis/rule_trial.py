"""Rules on trial: those that are loaded beside ours, once with human limits and once with limits learnt walk-forward.

A Prometheus is asked; what came of it is kept beside the ledger of a source, where the page of its archive finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis import disk, rule_definition
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import FrameError, NotEnoughData, RulesRefused, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.measure import day_text
from tutordex_analysis.moment import Instant, Span, duration, floor, instant
from tutordex_analysis.question import backtest_rules, finding, rules_beside, threshold_walk, thresholds
from tutordex_analysis.question.backtest_rules import SCORE, Concerns, RuleBacktest
from tutordex_analysis.rule_groups import Group, parse
from tutordex_analysis.settings import load
from tutordex_analysis.sink import rule_store, rules
from tutordex_analysis.sink.rule_text import Links
from tutordex_analysis.source import rule_history
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import Source, same_host, settled
from tutordex_analysis.source.known_incidents import known_incidents
from tutordex_analysis.source.ledger import folders, home
from tutordex_analysis.source.loaded_rules import loaded
from tutordex_analysis.source.masks import read_masks
from tutordex_analysis.source.replay_paced import paced, swapped
from tutordex_analysis.source.replay_rules import THRESHOLD, Replay, Thresholds
from tutordex_analysis.source.through import ThroughSource

NAME = "backtest.json"  # in the folder of a source's ledger
OLD, HUMAN, LEARNT = rules_beside.SETS
OnAlert = Callable[[int, int, str], None]
# No history has what these read: they tell of our publisher.
_NO_HISTORY = {"AnalysisMetricsAbsent", "AnalysisMetricsStale", "LearntLimitRefused", "AnalysisReportFailed"}
_MOSTLY = 0.5
_COMMAND = "tutordex-analysis rules backtest RULES --old OLD_RULES --url http://… --save SOURCE"


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What a page can show.

    Attributes:
        result: Old rules beside new; None where nothing is known.
        note: Where it comes from, or why there is none and how to get it; a sentence.
    """

    result: RuleBacktest | None
    note: str

    @property
    def sentence(self) -> str:
        """The answer, or why there is none."""
        return self.note if self.result is None else rules_beside.sentence(self.result)

    @property
    def alerts(self) -> pd.DataFrame:
        """One row an alert, the sets of rules side by side; no row where nothing is known."""
        return pd.DataFrame(columns=["alert", "problem"]) if self.result is None else rules_beside.alerts(self.result)

    @property
    def incidents(self) -> pd.DataFrame:
        """One row a known incident; no row where nothing is known."""
        none = pd.DataFrame(columns=["start", "end", "reason"])
        return none if self.result is None else rules_beside.incidents(self.result)

    @property
    def findings(self) -> pd.DataFrame:
        """The answer, for the overview."""
        return finding.table([] if self.result is None else [rules_beside.finding_of(self.result)])


def of(source: Source, *, window: Span = "14d", as_of: Instant = "") -> Trial:
    """What was kept for a source; else a server is asked now, which takes a minute or two for two weeks.

    Args:
        source: Whose rules.
        window: How much history a server is asked for; "" for none.
        as_of: A past moment; "" for the newest settled sample.

    Raises:
        SourceError: The server failed.
    """
    for folder in folders(source):
        try:
            found = kept(folder / NAME)
        except SourceError as error:
            return Trial(result=None, note=str(error))
        if found is not None and (not as_of or found.range.end <= instant(as_of)):
            zone = ZoneInfo(source.catalogue.calendar.timezone)
            first, last = day_text(found.range.start, zone), day_text(found.range.end - found.range.step, zone)
            return Trial(result=found, note=f"A Prometheus was asked for {first} to {last}, and the result kept.")
    if isinstance(source, ArchiveSource):
        why = "An archive keeps what signals need and not what rules read, so rules cannot be replayed from it"
        return Trial(result=None, note=f"{why}; ask the Prometheus that has the history: {_COMMAND}.")
    if not window:
        return Trial(result=None, note=f"No result is kept, and no window is named to replay rules on: {_COMMAND}.")
    server = source.server if isinstance(source, ThroughSource) else source
    try:
        old = loaded(server)
    except SourceError as error:
        return Trial(result=None, note=f"Which rules are loaded cannot be told: {error}.")
    alerts = [rule for group in old for rule in group.rules if rule.kind == "alert"]
    if not alerts or any(THRESHOLD in rule.expr for group in old for rule in group.rules):
        why = "Ours are loaded there already" if alerts else "No alert rule is loaded there"
        return Trial(result=None, note=f"{why}, so which rules were before is not known; name them: {_COMMAND}.")
    catalogue = source.catalogue
    sets = {OLD: old, HUMAN: ours(catalogue)}
    try:
        span = rule_history.held(server, sets.values(), settled(source, window, step="60s", as_of=as_of))
    except NotEnoughData as error:
        return Trial(result=None, note=f"Rules cannot be replayed: {error}.")
    made = trial(
        sets,
        server,
        span,
        known=known_incidents(source, span),
        concerns=backtest_rules.by_signals(catalogue),
        limits=walked(source, span, capacity=False),
    )
    return Trial(result=made, note="The rules that are loaded there, beside ours.")


def ours(catalogue: Catalogue) -> tuple[Group, ...]:
    """The rules that `rules build` would write."""
    made = rules.files(catalogue, Links(grafana="", alertmanager="", runbooks=""))
    return tuple(
        group
        for name, text in made.items()
        if name in (rules.RECORDS, rules.ALERTS)
        for group in parse(text, Path(name).name)
    )


def trial(
    sets: Mapping[str, Sequence[Group]],
    source: Source,
    span: TimeRange,
    *,
    known: Iterable[Mask],
    concerns: Concerns,
    limits: Thresholds | None = None,
    on_alert: Callable[[str, int, int, str], None] | None = None,
) -> RuleBacktest:
    """Old rules, ours with human limits, and ours with learnt ones where any was learnt.

    Args:
        sets: By `OLD` and `HUMAN`, rules that are loaded together.
        source: Answers PromQL; it only reads.
        span: The stretch.
        known: What is known to have happened.
        concerns: Which alerts can tell of it.
        limits: As `walked` gives them; {} for none.
        on_alert: Progress: the set, alerts done, in all, name of the last.
    """
    result = backtest_rules.backtest(
        replays(sets, source, span, limits=limits or {}, on_alert=on_alert), known, concerns=concerns
    )
    defined = rule_definition.definitions(sets[HUMAN]) if HUMAN in sets else {}
    return replace(result, definitions=defined, learned=_learned(limits or {}))


def _learned(limits: Thresholds) -> tuple[str, ...]:
    """Alerts whose limit was learned, for some label, at half of the moments or more; a replay of others is human."""
    return tuple(
        name
        for name, one in sorted(limits.items())
        if one.assign(there=one["value"].notna()).groupby("ds")["there"].any().mean() >= _MOSTLY
    )


def replays(
    sets: Mapping[str, Sequence[Group]],
    source: Source,
    span: TimeRange,
    *,
    limits: Thresholds,
    on_alert: Callable[[str, int, int, str], None] | None = None,
) -> dict[str, Replay]:
    """When every alert of every set had something to say; of ours with learnt limits only what they move is new."""

    def told(name: str) -> OnAlert:
        return lambda done, total, alert: on_alert(name, done, total, alert) if on_alert else None

    gone = _NO_HISTORY if _scored(source, span) else _NO_HISTORY | _on_scores(sets)
    found = {
        name: paced(source, groups, span.start, span.end, human=True, without=gone, on_alert=told(name))
        for name, groups in sets.items()
    }
    if HUMAN not in found or not limits:
        return found
    every = {rule.name for group in sets[HUMAN] for rule in group.rules if rule.kind == "alert"}
    moved = paced(
        source,
        sets[HUMAN],
        span.start,
        span.end,
        limits=limits,
        human=True,
        without=every - {*limits},
        on_alert=told(LEARNT),
    )
    return {**found, LEARNT: swapped(found[HUMAN], moved)}


def _on_scores(sets: Mapping[str, Sequence[Group]]) -> set[str]:
    """Alerts that read how unusual a signal is."""
    rules = (rule for groups in sets.values() for group in groups for rule in group.rules)
    return {rule.name for rule in rules if rule.kind == "alert" and SCORE in rule.expr}


def _scored(source: Source, span: TimeRange) -> bool:
    """Whether scores were published for most of a stretch; where they were not, silence would prove nothing."""
    hours = TimeRange(span.start, span.end, "1h")
    there = source.query(f"count({SCORE})", hours)
    return bool((there["y"] > 0).sum() >= _MOSTLY * len(hours))


def walked(
    source: Source,
    span: TimeRange,
    *,
    masks: Masks | None = None,
    window: Span = "120d",
    capacity: bool = True,
    on_day: Callable[[int, int], None] | None = None,
) -> dict[str, pd.DataFrame]:
    """The limits of each hour of a stretch, each learnt from what was known then; {} where none was learnt.

    Args:
        source: Where history is read.
        span: The stretch.
        masks: What is not learnt from; what is known of the source when left out.
        window: How much history before the stretch is read.
        capacity: Whether those of capacity move too; they take a forecast a week and signal, three seconds each.
        on_day: Progress: days done, in all.

    Returns:
        By alert: ds, value (NaN: the human one is in force), and a column a label.
    """
    catalogue = source.catalogue
    hours = TimeRange(span.start - duration(window), span.end, "1h")
    moments = pd.date_range(floor(span.start, "1h"), hours.end, freq="1h")
    found = threshold_walk.over(
        thresholds.gather(source, catalogue, hours),
        catalogue,
        moments,
        masks=masks if masks is not None else read_masks(source, hours),
        capacity=capacity,
        on_day=on_day,
    )
    return {} if found.empty else rules_beside.limits(found, moments)


def pushed(source: Source) -> tuple[pd.Timestamp, ...]:
    """When rules of the source's catalogue were pushed from here and got in force; the store of the settings tells."""
    settings = load()
    url = source.manifest.url if isinstance(source, ArchiveSource) else source.uri
    if settings.prometheus_url is None or not same_host(url, settings.prometheus_url):
        return ()
    try:
        entries = [one for each in rule_store.all_targets(settings.rules).values() for one in each]
    except RulesRefused:
        return ()
    ours = {*source.catalogue.rules}
    return tuple(instant(one.at) for one in entries if one.result == "in force" and ours & {*one.added, *one.changed})


def keep(source: Source, result: RuleBacktest) -> Path:
    """Keeps a result for the page of a source; returns where.

    Raises:
        NotWritten: It cannot be written.
    """
    path = home(source) / NAME
    disk.put(path, rules_beside.text(result))
    return path


def kept(path: Path) -> RuleBacktest | None:
    """What was kept; None where there is no file.

    Raises:
        SourceError: It is damaged or of another version.
    """
    try:
        return rules_beside.parsed(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, UnicodeDecodeError, FrameError) as error:
        raise SourceError(f"{path} is damaged or of another version; make it again with: {_COMMAND}") from error
