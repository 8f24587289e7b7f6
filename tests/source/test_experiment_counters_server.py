"""Counters by arm, and a real metric in place of its substitute, on a real Prometheus and from its archive."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import compare
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.experiment import Experiment
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question.experiment_units import gather
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.experiments import read_tables
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.pull import pull

pytestmark = pytest.mark.server

DAYS, STEP = 8, 120
PLAN = Experiment(
    name="banner", title="Banner", unit="request", arms={"control": "a", "treatment": "b"}, assignment="request",
    start="2026-03-01T00:00Z", counters={},
    metrics={
        "sent": {"title": "Sent", "role": "goal", "counter": "sent_total", "trials": "asked_total"},
        "failed": {"title": "Failed", "counter": "failed_total"},
    },
)  # fmt: skip
TOKENS = Signal(
    name="llm_tokens", title="Tokens", area="llm", kind="count", unit="events", counter="calls_total",
    instead="llm_tokens_total", each=100,
)  # fmt: skip
KNOWN = Catalogue(signals={"llm_tokens": TOKENS}, experiments={"banner": PLAN})
SINCE = pd.Timestamp("2026-03-05T00:00Z")  # tokens are counted


@pytest.fixture(scope="module")
def truth():
    """Events of each bucket of an hour, by series."""
    random = np.random.default_rng(5)
    asked = random.poisson(60, (2, DAYS * 24))
    return {
        "asked": asked,
        "sent": random.binomial(asked, [[0.4], [0.5]]),
        "calls": random.poisson(9, DAYS * 24),
    }


@pytest.fixture(scope="module")
def server(truth, tmp_path_factory):
    folder, first = tmp_path_factory.mktemp("arms"), PLAN.start

    def lines(series, hourly, *, since=0, reset=None):
        total = 0.0
        for hour in range(since, DAYS * 24):
            total = 0.0 if hour == reset else total
            at = first.timestamp() + hour * 3600
            for k in range(3600 // STEP):  # all events of an hour by its first scrape but one
                total += float(hourly[hour]) if k == 1 else 0.0
                yield f"{series} {total} {at + k * STEP:.3f}\n"

    text = ""
    for name in ("asked", "sent"):
        text += f"# TYPE {name} counter\n"
        for i, arm in enumerate("ab"):
            reset = 50 if arm == "b" else None
            text += "".join(lines(f'{name}_total{{variant="{arm}"}}', truth[name][i], reset=reset))
    text += "# TYPE failed counter\n" + "".join(lines('failed_total{variant="a"}', truth["calls"]))
    text += "# TYPE calls counter\n" + "".join(lines("calls_total", truth["calls"]))
    since = round((SINCE - first) / pd.Timedelta("1h"))
    text += "# TYPE llm_tokens counter\n" + "".join(lines("llm_tokens_total", truth["calls"] * 7, since=since))
    (folder / "samples.txt").write_text(text + "# EOF\n")
    with LocalPrometheus(folder / "prometheus", openmetrics=[folder / "samples.txt"]) as running:
        yield PrometheusSource(running.url, catalogue=KNOWN)


@pytest.fixture(scope="module")
def archive(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "one"
    now = PLAN.start + pd.Timedelta(days=DAYS)
    parts = {name: KNOWN.parts_of(name) for name in KNOWN.pulled}
    assert {part.query for part in KNOWN.parts} >= {"sent_total", "asked_total", "failed_total", "llm_tokens_total"}
    assert not pull(server, folder, parts, step="5m", since="9d", now=now).failed
    return ArchiveSource(folder, catalogue=KNOWN)


@pytest.mark.parametrize("where", ["server", "archive"])
def test_whole_events_of_each_arm_and_bucket(where, truth, request):
    source = request.getfixturevalue(where)
    data = gather(read_tables(PLAN, events=None, source=source, now=PLAN.start + pd.Timedelta(days=7)))
    assert (data.lacks, set(data.series)) == ("", {"sent"})
    assert data.notes == ("failed: no sample of failed_total has variant 'b' in its time; there is a",)
    arms = data.series["sent"]
    for i, table in enumerate(arms):
        assert table["ds"].iloc[0] == PLAN.start
        np.testing.assert_array_equal(table["y"].iloc[1:], truth["sent"][i][1 : 7 * 24])
        np.testing.assert_array_equal(table["trials"].iloc[1:], truth["asked"][i][1 : 7 * 24])
    assert data.end == PLAN.start + pd.Timedelta(days=7)
    assert compare(*arms, metric="sent", assignment="request").status == "better"


@pytest.mark.parametrize("where", ["server", "archive"])
def test_the_real_metric_takes_over_when_it_appears(where, truth, request):
    source = request.getfixturevalue(where)
    days = TimeRange("2026-03-03T00:00Z", "2026-03-07T00:00Z", "1h")
    got = source.read("llm_tokens", days).set_index("ds")["y"]
    begun = round((SINCE - PLAN.start) / pd.Timedelta("1h"))
    calls = pd.Series(truth["calls"], index=PLAN.start + pd.to_timedelta(np.arange(1, DAYS * 24 + 1), unit="h"))
    before, after = got[got.index <= SINCE], got[got.index > SINCE + pd.Timedelta("1h")]
    np.testing.assert_array_equal(before, calls[before.index] * 100)
    np.testing.assert_array_equal(after, calls[after.index] * 7)
    note = source.read("llm_tokens", days).attrs["note"]
    assert note.startswith("llm_tokens_total is counted from 2026-03-05 00:0"), (note, begun)
    assert note.endswith("before, this is calls_total times 100 in its place")
    early = TimeRange("2026-03-02T00:00Z", "2026-03-03T00:00Z", "1h")
    assert "is not counted yet" in source.read("llm_tokens", early).attrs["note"]
    late = TimeRange("2026-03-06T00:00Z", "2026-03-07T00:00Z", "1h")
    assert "note" not in source.read("llm_tokens", late).attrs


def test_what_is_nowhere_is_a_sentence(archive):
    nowhere = PLAN.model_copy(update={"metrics": {"seen": PLAN.metrics["failed"].model_copy(update={"counter": "x"})}})
    for source, said in ((None, "name a server or an archive"), (archive, "does not hold banner; pull it with")):
        data = gather(read_tables(nowhere, events=None, source=source, now=PLAN.start + pd.Timedelta(days=7)))
        assert said in data.lacks
