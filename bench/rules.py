"""`python -m bench.rules`: alert rules on simulated worlds in a real Prometheus, the stack's old ones beside ours.

Nine weeks a world as in `bench.anomaly`; judged are the five after the calm ones. A world is loaded once, which takes
a minute or three, and found again in the folder afterwards (36 MB each). Our rules stand there twice: with their human
limits, and with limits learnt walk-forward (each day from what was known then), which takes another minute, once.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from bench import _replays, _verdict
from bench import _world_incidents as worlds
from bench._line import Line, told
from tutordex_analysis import catalogue_file, rule_groups
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.mask import Mask
from tutordex_analysis.moment import duration
from tutordex_analysis.question import backtest_rules, threshold_walk, thresholds
from tutordex_analysis.question.backtest_rules import ALL, RuleBacktest
from tutordex_analysis.rule_groups import Group
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.local_server import LocalPrometheus, load_world
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.replay_rules import Replay
from tutordex_analysis.source.simulator import Incident, Truth, World, read_truth

OLD, NEW = Path(__file__).parent / "rules_old.yml", Path("observability/prometheus")
_EXPIRES = pd.Timestamp("2100-01-01", tz="UTC")
# Metrics that show a kind beside those of its truth and of the signals that `_verdict` adds.
_MORE = {"database_refuses": {"probe_success", "container_start_time_seconds", "process_start_time_seconds"}}
_SECONDS = 60.0  # a world may take, once it is loaded
_DAY_ONE = duration("15d")  # what is known when limits begin to move from the human ones
_COUNTING = """\
A false alarm is an alert that begins to fire outside every incident and the 12 hours after it; what begins within 30
minutes of it, of any alert or label, is the same alarm. Inhibitions are not applied. Left out are the Watchdog, the
alert in shadow and those on the publisher. Rules with windows of over 35 minutes are evaluated every 2 minutes to 6
hours, others each minute. learnt: limits learnt walk-forward, incidents not masked; those of capacity stay human."""


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="worlds; the full table has 20")
    parser.add_argument("--first", type=int, default=0, help="the first of them; rules were tuned on world 0")
    parser.add_argument("--new", type=Path, nargs="*", default=[NEW], help="rule files, or folders of them")
    parser.add_argument("--old", type=Path, nargs="*", default=[OLD], help="the same, to compare with")
    parser.add_argument("--folder", type=Path, default=Path("data/bench"), help="keeps the worlds for the next time")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds is a count, got {options.seeds}")
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not on PATH; on Debian: apt-get install prometheus")
    sets = {name: found for name, paths in (("old", options.old), ("new", options.new)) if (found := _groups(paths))}
    if "new" not in sets:
        print(f"no rule files at {', '.join(map(str, options.new))}; make them with `tutordex-analysis rules build`")
    results, longest = [], 0.0
    for seed in range(options.first, options.first + options.seeds):
        one = worlds.world(seed)
        server, truth = _served(one, options.folder / f"rules-{seed:02}")
        learnt = _learnt(one, options.folder, seed) if "new" in sets else None
        began = time.monotonic()
        results.append(_judged(one, truth, _replayed(server, learnt, one, sets)))
        longest = max(longest, time.monotonic() - began)
        every = results[-1].alerts.query("alert == @ALL").itertuples()
        said = "; ".join(
            f"{one.rules} {one.found} of {one.known}, {one.false_a_week:.2f} false a week" for one in every
        )
        print(f"world {seed} took {time.monotonic() - began:.0f} s: {said}", flush=True)
    print(f"\n{_COUNTING}")
    shares = _told(results, truth_kinds=sorted(worlds.INCIDENTS))
    lines = [Line(case="rules", what="seconds a loaded world, the longest", value=longest, target=_SECONDS)]
    for name in shares:
        if name != "old":
            share, false = shares[name]
            lines.append(Line(case="rules", what=f"{name}: incidents found", value=share, target=0.9, at_most=False))
            lines.append(Line(case="rules", what=f"{name}: false alarms a week", value=false, target=2))
    return told(lines)


def _served(one: World, home: Path) -> tuple[LocalPrometheus, Truth]:
    """A server that is not started yet and holds a world; it is loaded once, then found again."""
    mark = home / "complete"
    server = LocalPrometheus(home)
    if not (mark.exists() and mark.read_text(encoding="utf-8") == repr(one)):
        shutil.rmtree(home, ignore_errors=True)
        began = time.monotonic()
        load_world(server, one)
        mark.write_text(repr(one), encoding="utf-8")
        print(f"loaded {home} in {time.monotonic() - began:.0f} s", flush=True)
    return server, read_truth(home / "truth.json")


def _learnt(one: World, folder: Path, seed: int) -> LocalPrometheus:
    """A copy of a world's server, not started, that also holds the limits `publish` would have exposed each hour.

    Limits of capacity stay human: they need a forecast each.
    """
    home, catalogue = folder / f"learnt-{seed:02}", catalogue_file.load()
    mark, wanted = home / "learnt", _made_of(one, catalogue, reach=thresholds.REACH)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return LocalPrometheus(home)
    loaded = folder / f"rules-{seed:02}"
    archive = ArchiveSource(worlds.made(one, folder / f"world-{seed:02}", loaded=loaded))
    histories = thresholds.gather(archive, catalogue, archive.last(worlds.LENGTH, step=duration("1h")))
    hours = pd.date_range(one.range.start + _DAY_ONE, one.range.end, freq="1h")
    limits = threshold_walk.over(histories, catalogue, hours, reach=thresholds.REACH, capacity=False)
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(loaded, home)
    server = LocalPrometheus(home)
    _replays.put(server, limits, one.range.start + worlds.WARM_UP - duration("1d"), one.range.end)
    mark.write_text(wanted, encoding="utf-8")
    return server


def _made_of(one: World, catalogue: Catalogue, *, reach: pd.Timedelta) -> str:
    """Everything that the limits of a world follow from, as text: with another one they are made again.

    A change of the code that learns is not seen; delete the folder then.
    """
    learners = thresholds.learners(catalogue)
    limits = [rule.threshold for rule in learners.values()]
    signals = {limit.signal: catalogue.signal(limit.signal) for limit in limits if limit and limit.signal}
    return repr((one, learners, signals, catalogue.calendar, reach, _DAY_ONE, _replays.EVERY))


def _replayed(
    server: LocalPrometheus, learnt: LocalPrometheus | None, one: World, sets: Mapping[str, Sequence[Group]]
) -> dict[str, Replay]:
    """Each set of rules from the end of the calm weeks on; ours once more where limits are learnt."""
    start, end = one.range.start + worlds.WARM_UP, one.range.end
    with server:
        source = PrometheusSource(server.url)
        found = {name: _replays.replayed(source, some, start, end, learnt=False) for name, some in sets.items()}
    if learnt is None:
        return found
    alerts = {rule.name for group in sets["new"] for rule in group.rules if rule.kind == "alert"}
    learners = {*thresholds.learners(catalogue_file.load())}
    with learnt:
        source = PrometheusSource(learnt.url)
        moved = _replays.replayed(source, sets["new"], start, end, learnt=True, without=alerts - learners)
    return {**found, "learnt": _replays.swapped(found["new"], moved)}


def _judged(one: World, truth: Truth, replays: Mapping[str, Replay]) -> RuleBacktest:
    """One world."""
    catalogue = catalogue_file.load()
    shown = {incident.start: shows(incident, catalogue) for incident in truth.incidents}

    def concerns(mask: Mask, metrics: tuple[str, ...]) -> bool:
        read = {backtest_rules.plain(name) for name in metrics}
        return bool((read - {"up"} or read) & shown[mask.start])  # `up` beside others is a guard

    masks = [
        Mask(start=each.start, end=each.end, reason=each.kind, origin="incident", expires=_EXPIRES)
        for each in truth.incidents
        if each.is_incident
    ]
    judge = partial(backtest_rules.backtest, before="1ms", grace=_verdict.GRACE, aftermath=_verdict.AFTERMATH)
    return judge(replays, masks, concerns=concerns, apart=_verdict.TOGETHER)


def shows(incident: Incident, catalogue: Catalogue) -> set[str]:
    """What shows an incident: its own metrics, and those of the signals by which a detector may find it."""
    signals = [catalogue.signal(name) for name in _verdict.shows(incident, catalogue)]
    found = {backtest_rules.plain(name) for name in incident.affected} | _MORE.get(incident.kind, set())
    return found.union(*(_verdict.metrics(signal) for signal in signals))


def _told(results: Iterable[RuleBacktest], *, truth_kinds: list[str]) -> dict[str, tuple[float, float]]:
    """Prints the tables; the share found and the false alarms a week, by set of rules."""
    alerts = pd.concat([one.alerts for one in results], ignore_index=True)
    incidents = pd.concat([one.incidents for one in results], ignore_index=True)
    incidents["minutes"] = incidents["delay"].dt.total_seconds() / 60
    kinds = pd.DataFrame(index=pd.Index(truth_kinds, name="kind"))
    for name, own in incidents.groupby("rules", sort=False):
        each = own.groupby("reason")
        kinds[f"{name} found"], kinds[f"{name} minutes"] = each["found"].mean(), each["minutes"].median()
    print(f"\nincidents, and the median minutes to the first alert\n{kinds.to_string(float_format='{:.3g}'.format)}")
    shares = {}
    for name, own in alerts.groupby("rules", sort=False):
        every = own.groupby("alert", sort=False)
        columns = {column: every[column].mean() for column in ("fired", "found", "false_a_week", "hours")}
        problems = own.loc[own["problem"] != "", ["alert", "problem"]].drop_duplicates()
        print(f"\n{name}, means of {len(own[own['alert'] == ALL])} worlds of five weeks")
        print(pd.DataFrame(columns).to_string(float_format="{:.3g}".format), flush=True)
        for alert, problem in zip(problems["alert"], problems["problem"], strict=True):
            print(f"{alert} could not be replayed: {problem}")
        shares[str(name)] = (
            float(incidents.loc[incidents["rules"] == name, "found"].mean()),
            float(own.loc[own["alert"] == ALL, "false_a_week"].mean()),
        )
    print(
        "\n"
        + "\n".join(f"{name}: {found:.0%} found, {false:.2f} false a week" for name, (found, false) in shares.items())
    )
    return shares


def _groups(paths: Iterable[Path]) -> tuple[Group, ...]:
    files = [one for path in paths for one in (sorted(path.glob("*.yml")) if path.is_dir() else [path])]
    return tuple(group for one in files if one.is_file() for group in rule_groups.parse(one.read_bytes(), one.name))


if __name__ == "__main__":
    sys.exit(main())
