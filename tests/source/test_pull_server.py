"""Pull, archive and doctor on a real Prometheus, with data that end now."""

import math

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.doctor import doctor
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.pull import pull

pytestmark = pytest.mark.server

MINUTES = 3 * 24 * 60
ODD = [0.1 + 0.2, math.inf, -math.inf, -0.0, 1e300, 5e-324, 123456789012345.67]
SAID = ['say "hi"', "back\\slash", "two\nlines", "世界 🎓"]
CATALOGUE = Catalogue(
    signals={
        "queue": Signal(
            name="queue", title="Queue", area="queue", kind="gauge", unit="jobs", metric="jobs_waiting", combine="mean"
        ),
        "odd": Signal(name="odd", title="Odd", area="queue", kind="gauge", unit="jobs", promql="odd"),
        "stopped": Signal(name="stopped", title="Stopped", area="queue", kind="gauge", unit="jobs", promql="stopped"),
        "seen": Signal(
            name="seen",
            title="Seen",
            area="collector",
            kind="count",
            unit="messages",
            counter="seen_total",
            by=("channel",),
        ),
        "absent": Signal(name="absent", title="Absent", area="dm", kind="gauge", unit="jobs", promql="absent_jobs"),
    }
)


def text(end):
    """OpenMetrics of the three days before `end`, a sample a minute."""
    rng = np.random.default_rng(3)
    first = end - 60 * (MINUTES - 1)

    def lines(series, values, stop=MINUTES):
        for i, value in enumerate(values[:stop]):
            number = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, value)
            yield f"{series} {number!s} {first + 60 * i:.3f}\n"

    yield "# TYPE jobs_waiting gauge\n"
    for target in range(3):
        yield from lines(f'jobs_waiting{{instance="{target}"}}', rng.poisson(9, MINUTES).astype(float).tolist())
    yield "# TYPE odd gauge\n"
    for i, label in enumerate(SAID):
        yield from lines(f'odd{{text="{frames.escape(label)}"}}', [ODD[(i + k) % len(ODD)] for k in range(MINUTES)])
    yield "# TYPE stopped gauge\n"
    yield from lines("stopped", [1.0] * MINUTES, stop=MINUTES - 180)
    yield "# TYPE seen counter\n"
    for channel in range(4):
        total = np.cumsum(rng.poisson(2, MINUTES)).astype(float)
        total[2000:] -= total[2000]
        yield from lines(f'seen_total{{channel="t.me/lion_city_{channel}"}}', total.tolist())
    yield "# EOF\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    end = int(pd.Timestamp.now("UTC").timestamp()) // 60 * 60
    (folder / "samples.txt").write_text("".join(text(end)), encoding="utf-8")
    with LocalPrometheus(folder / "prometheus", openmetrics=[folder / "samples.txt"]) as server:
        yield PrometheusSource(server.url, catalogue=CATALOGUE)


@pytest.fixture(scope="module")
def archive(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "prod"
    now = source.now()
    parts = {name: spec.parts for name, spec in CATALOGUE.signals.items()}
    for step in ("5m", "1h"):  # an hour apart, so that the second one appends
        for moment in (now - pd.Timedelta("1h"), now):
            result = pull(source, folder, parts, step=step, since="2d", now=moment)
            assert result.table["error"].tolist() == [""] * len(parts)
    return ArchiveSource(folder, catalogue=CATALOGUE)


@pytest.mark.parametrize("step", ["5m", "1h"])
def test_what_is_held_is_what_the_server_answers_bit_for_bit(source, archive, step):
    time_range = archive.last("40h", step=step)
    for spec in CATALOGUE.signals.values():
        for part in spec.parts:
            held, answered = archive.fetch(part, time_range), source.query(part.at(step), time_range)
            pd.testing.assert_frame_equal(held, answered, check_exact=True)
            assert held["y"].to_numpy().tobytes() == answered["y"].to_numpy().tobytes()


@pytest.mark.parametrize("signal", ["queue", "seen"])
def test_a_signal_reads_alike_from_both(source, archive, signal):
    time_range = archive.last("30h", step="5m")
    pd.testing.assert_frame_equal(archive.read(signal, time_range), source.read(signal, time_range))
    hourly = archive.last("30h", step="1h")
    pd.testing.assert_frame_equal(archive.read(signal, hourly), source.read(signal, hourly))


def test_a_range_before_the_first_sample_is_an_answer_without_samples(source, tmp_path):
    parts = {"odd": CATALOGUE.signal("odd").parts}
    long_ago = TimeRange("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "1h")
    result = pull(source, tmp_path, parts, step="1h", refill=(long_ago.start, long_ago.end), now=source.now())
    assert result.table[["series", "samples", "error"]].iloc[0].tolist() == [0, 0, ""]
    (held,) = ArchiveSource(tmp_path, catalogue=CATALOGUE).manifest.held.values()
    assert held.covered == held.empty == ((long_ago.start.value // 10**6, long_ago.end.value // 10**6),)


def test_the_doctor_says_what_is_stale_and_missing(source, archive):
    checkup = doctor(source, archive, CATALOGUE, pd.Timestamp.now("UTC"))
    assert dict(zip(checkup.signals["signal"], checkup.signals["state"], strict=True)) == {
        "queue": "ok",
        "odd": "ok",
        "stopped": "stale",
        "seen": "ok",
        "absent": "missing",
    }
    rows = {row["signal"]: row for row in checkup.signals.to_dict("records")}
    assert "its newest sample is 3h" in rows["stopped"]["sentence"]
    assert (rows["queue"]["series"], rows["queue"]["gaps"]) == (1, 0)
    facts = dict(zip(checkup.facts["what"], checkup.facts["found"], strict=True))
    assert facts["version"][0] in "23"
    assert facts["retention"] == "10y"
    assert facts["clock"] == "as ours"
    assert checkup.healthy
