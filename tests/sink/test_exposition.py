"""Exposition text: what Prometheus would read is what was meant, and what may not be published is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.sink.results import breach, forecast
from tutordex_analysis.errors import NotWritten, PublishRefused
from tutordex_analysis.frame import series_id
from tutordex_analysis.model.scorecard import Demotion
from tutordex_analysis.sink import exposition, textfile
from tutordex_analysis.sink.exposition import Family, Sample
from tutordex_analysis.sink.exposition_ledger import from_scorecard
from tutordex_analysis.sink.series_name import labels_of, own_labels

NOW = pd.Timestamp("2026-03-02T00:10Z")
CHANNELS = ('{channel="t.me/lion_city_tutors"}', '{channel="t.me/$5 \\"a level\\"",job="collector"}')
GOLDEN = Path(__file__).parent.parent / "golden" / "exposition.prom"


SCORES = pd.DataFrame(
    {
        "signal": ["queue_pending", "posts_seen"],
        "step": ["1h", "1d"],
        "unique_id": ["queue_pending", CHANNELS[0]],
        "hindsight": [False, True],
        "mase": [0.75, 1.25],
        "bias": [-0.125, 0.0],
        "coverage_80": [0.8125, 0.5],
        "coverage_95": [0.9375, float("nan")],
    }
)
LOST = [
    Demotion(
        signal="queue_pending",
        unique_id="queue_pending",
        model="structural",
        weeks=(NOW,) * 3,
        until=NOW + pd.Timedelta(days=28),
        hindsight=False,
    )
]


def all_families():
    return [
        *exposition.from_forecast("posts_seen", forecast(CHANNELS), now=NOW, unit="posts"),
        *exposition.from_forecast("queue_pending", forecast(), now=NOW, unit="jobs"),
        *exposition.from_breach("queue_pending", breach(), limit="hard"),
        *exposition.from_limits("queue_pending", {"hard": 112.0, "physical": 120.0, "soft": 90.0}),
        *from_scorecard(SCORES, LOST),
    ]


def render(families, **options):
    return exposition.render(families, **{"data_end": "2026-03-01T23:00Z", "validity": "1d", "now": NOW, **options})


def parsed(text):
    """Name and sorted labels → value, by the official parser."""
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def gauge(*samples, name="tutordex_x"):
    return Family(name=name, help="x", samples=tuple(Sample(labels=labels, value=value) for labels, value in samples))


def test_text_is_the_golden_one(update_golden):
    text = render(all_families(), as_of="2026-03-02T00:10Z")
    if update_golden:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_order_of_families_and_samples_does_not_matter():
    families = all_families()
    turned = [Family(name=f.name, help=f.help, samples=f.samples[::-1]) for f in families[::-1]]
    assert render(turned) == render(families)


def test_a_lead_counts_from_now_not_from_the_last_data():
    # Data end 23:00, now is 00:10: the row nearest to 01:10 is 01:00, the second of the forecast, 102.
    values = parsed(render(exposition.from_forecast("s", forecast(), now=NOW, horizons=["1h"], quantiles=[0.5])))
    assert values["tutordex_forecast", ("horizon", "1h"), ("quantile", "0.5"), ("signal", "s")] == 102.0


def test_leads_shorter_than_a_step_or_past_the_end_are_left_out():
    families = exposition.from_forecast("s", forecast(n=26), now=NOW, horizons=["5m", "1h", "24h", "30d"])
    assert {sample.labels["horizon"] for sample in families[0].samples} == {"1h", "1d"}
    with pytest.raises(PublishRefused, match="none of the horizons 30d of s"):
        exposition.from_forecast("s", forecast(), now=NOW, horizons=["30d"])


def test_a_forecast_that_starts_long_after_now_plus_lead_has_no_row_for_it():
    with pytest.raises(PublishRefused, match="none of the horizons"):
        exposition.from_forecast("s", forecast(start="2026-03-05T00:00Z"), now=NOW, horizons=["1h"])


def test_a_quantile_that_was_not_forecast_is_refused():
    with pytest.raises(PublishRefused, match=r"no quantile 0.3 to publish; it has q0.025, q0.1"):
        exposition.from_forecast("s", forecast(), now=NOW, quantiles=[0.3])


def test_the_median_comes_from_yhat_where_there_is_no_column_for_it():
    bare = forecast()
    object.__setattr__(bare, "frame", bare.frame.drop(columns="q0.5"))
    families = exposition.from_forecast("s", bare, now=NOW, horizons=["1h"], quantiles=[0.5])
    assert [one.value for one in families[0].samples] == [102.0]


def test_a_date_that_is_not_reached_is_left_out_and_counted():
    text = render(exposition.from_breach("s", breach(), limit="hard"))
    assert 'quantile="0.9"' not in text
    assert text.endswith("# Left out, since they are not finite: 1 samples.\n")
    noon = pd.Timestamp("2026-03-02T12:00Z").timestamp()
    key = "tutordex_breach_timestamp_seconds", ("limit", "hard"), ("quantile", "0.5"), ("signal", "s")
    assert parsed(text)[key] == noon


def test_each_family_says_when_it_was_made():
    values = parsed(render(all_families()))
    families = {labels[0][1] for name, *labels in values if name == exposition.GENERATED}
    assert families == {name for name, *_ in values} - {exposition.GENERATED}
    assert values[exposition.GENERATED, ("family", "tutordex_forecast")] == NOW.timestamp()


def test_no_sample_carries_a_time():
    for line in render(all_families()).splitlines():
        assert line.startswith("#") or re.fullmatch(r'\w+\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\} \S+', line)


@pytest.mark.parametrize(
    ("unique_id", "wanted"),
    [
        ('{quantile="x",horizon="y"}', {"label_quantile": "x", "label_horizon": "y"}),
        ('{job="a",label_job="b"}', {"label_job": "a", "label_label_job": "b"}),
        ('up{a="1"}', {"metric": "up", "a": "1"}),
        ('up{metric="1"}', {"metric": "up", "label_metric": "1"}),
        ('{a.b="1",a_b="2",__x="3",2x="4"}', {"a_b": "1", "label_a_b": "2", "label___x": "3", "label_2x": "4"}),
        ("{}", {}),
        ("any text {at all", {"series": "any text {at all"}),
        ('{series="x"}', {"label_series": "x"}),
    ],
)
def test_own_labels_never_collide_with_ours(unique_id, wanted):
    assert own_labels(unique_id) == wanted


@given(
    st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True), st.text(min_size=1), max_size=4),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_label_value_and_number_parse_back(labels, value):
    labels = {key: text.replace("\r", "") or "x" for key, text in labels.items()}
    values = parsed(render([gauge((labels, value))]))
    assert values["tutordex_x", *sorted(labels.items())] == value


@given(st.dictionaries(st.sampled_from(["a", "job", "quantile", "channel"]), st.text(min_size=1)))
@example({"a": 'two\nlines, \\n no line, "quoted"'})
def test_labels_go_through_a_series_id_and_back(labels):
    assert labels_of(series_id(labels)) == labels


def test_what_is_not_finite_is_left_out():
    text = render([gauge(({"a": "1"}, 1.5), ({"a": "2"}, float("nan")), ({"a": "3"}, float("-inf")))])
    assert [line for line in text.splitlines() if line.startswith("tutordex_x{")] == ['tutordex_x{a="1"} 1.5']
    assert "not finite: 2 samples" in text


def test_nothing_finite_is_refused():
    with pytest.raises(PublishRefused, match="not one finite value"):
        render([gauge(({}, float("nan")))])


def test_too_many_series_are_refused_before_anything_else_and_the_biggest_are_named():
    many = [gauge(*[({"signal": "posts", "i": str(i)}, 1.0) for i in range(30)]), gauge(({}, 1.0), name="tutordex_y")]
    with pytest.raises(PublishRefused, match=r"33 series are more than the 32 .* tutordex_x of posts \(30\)"):
        render(many, most_series=32, data_end="2020-01-01T00:00Z")
    assert len(parsed(render(many, most_series=33))) == 33


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"data_end": "2026-02-28T00:00Z"}, "more than 1d before 2026-03-02 00:10 UTC; pull newer data"),
        ({"data_end": "2026-03-02T01:00Z"}, "check the clocks"),
        ({"as_of": "2026-03-02T00:20Z"}, "has not come yet"),
        ({"as_of": "2026-02-20T00:00Z"}, "choose a later as-of"),
    ],
)
def test_old_and_future_data_are_refused(options, sentence):
    with pytest.raises(PublishRefused, match=sentence):
        render([gauge(({}, 1.0))], **options)


def test_a_demonstration_says_so_on_top_and_bears_the_time_it_plays():
    text = render([gauge(({}, 1.0))], as_of="2026-03-02T00:00Z", now="2026-12-01T00:00Z")
    assert text.splitlines()[0] == "# DEMONSTRATION as of 2026-03-02 00:00 UTC: not the present."
    assert parsed(text)[exposition.GENERATED, ("family", "tutordex_x")] == pd.Timestamp("2026-03-02T00:00Z").timestamp()
    assert "DEMONSTRATION" not in render([gauge(({}, 1.0))])


@pytest.mark.parametrize(
    ("families", "sentence"),
    [
        ([gauge(({"a": "1"}, 1.0), ({"a": "1"}, 2.0))], "two samples of tutordex_x have the same labels"),
        ([gauge(({"a-b": "1"}, 1.0))], "'a-b' cannot be a label"),
        ([gauge(({}, 1.0), name="tutordex forecast")], "cannot be the name"),
        ([gauge(({}, 1.0), name=exposition.GENERATED)], "cannot be the name"),
        ([gauge(({}, 1.0)), Family(name="tutordex_x", help="y", samples=())], "described in two ways"),
    ],
)
def test_what_prometheus_would_not_take_is_refused(families, sentence):
    with pytest.raises(PublishRefused, match=re.escape(sentence)):
        render(families)


def test_summary_counts_series_and_what_is_left_out():
    table = exposition.summary(exposition.from_breach("s", breach(), limit="hard"))
    assert table.to_numpy().tolist() == [
        ["tutordex_breach_probability", 2, 0],
        ["tutordex_breach_timestamp_seconds", 2, 1],
    ]


@pytest.mark.server("promtool")
def test_promtool_finds_nothing_but_our_label_quantile():
    def check(text):
        return subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)

    remarks = check(render(all_families())).stderr.splitlines()
    allowed = 'metrics should not have "quantile" label'  # docs/design.md fixes this name
    assert [one for one in remarks if not one.endswith(allowed)] == []
    assert "error while linting" in check("a{ 1\n").stderr


def test_the_file_is_replaced_whole_and_readable_by_others(tmp_path):
    path = textfile.write("old\n", tmp_path / "metrics.prom")
    reader = path.open()
    textfile.write("new\n", path)
    assert (reader.read(), path.read_text()) == ("old\n", "new\n")
    reader.close()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["metrics.prom"]


def test_textfile_has_its_fixed_name_and_wants_its_folder(tmp_path):
    assert textfile.write_textfile("x 1\n", tmp_path).name == "tutordex.prom"
    with pytest.raises(PublishRefused, match=r"no folder .*absent.*textfile\.directory"):
        textfile.write_textfile("x 1\n", tmp_path / "absent")
    with pytest.raises(NotWritten, match=r"could not write .*x.prom: "):
        textfile.write("x 1\n", tmp_path / "tutordex.prom" / "x.prom")  # a file, not a folder


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path):
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not here to limit the size of a file")
    path = textfile.write("old\n", tmp_path / "m.prom")
    code = (
        "import signal,resource,sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from tutordex_analysis.sink import textfile; textfile.write('x' * 1000, sys.argv[1])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], text=True, capture_output=True)
    assert "NotWritten: could not write" in run.stderr
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("old\n", 1)


def test_ten_thousand_samples_cost_little():
    """The quickest of five: a full process collects garbage in between, and other work slows a core."""
    samples = tuple(Sample(labels={"signal": f"s{i}", "channel": f't.me/"{i}"'}, value=i / 7) for i in range(10_000))
    took = []
    for _ in range(5):
        start = time.process_time()
        text = render([Family(name="tutordex_expected", help="Expected.", samples=samples)], most_series=20_000)
        took.append(time.process_time() - start)
        assert text.count("\ntutordex_expected{") == 10_000
    assert min(took) < 0.2
