"""The split decoder against `json` and `float`, bit for bit."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.source.fake_prometheus import text
from tutordex_analysis.errors import SourceError
from tutordex_analysis.source import matrix
from tutordex_analysis.source.matrix import Grid

LONG = Grid(start=1_700_000_000_000, step=1000, n=1_000)
GRID = Grid(start=1_699_999_999_250, step=250, n=40)
NASTY = [
    '"values":[[',
    '"]]',
    'a"values":[[1,"2"]]',
    "]]}",
    "\\",
    '\\"',
    "\n\t\x00",
    "é世界🎓",
    "",
    '{"metric":{}}',
    ',"warnings":[',
]

values = (
    st.floats(allow_nan=True, allow_infinity=True) | st.integers(0, 10**17).map(float) | st.sampled_from([-0.0, 5e-324])
)
labels = st.dictionaries(
    st.sampled_from(["__name__", "job", "a", "values", "metric"]),
    st.sampled_from(NASTY) | st.text(max_size=12),
)
series = st.tuples(labels, st.dictionaries(st.integers(0, GRID.n - 1), values, max_size=GRID.n))


def moment(index, grid=GRID):
    """A time as Prometheus writes it: seconds, milliseconds where there are any."""
    seconds, rest = divmod(grid.start + index * grid.step, 1000)
    return f"{seconds}.{rest:03}" if rest else str(seconds)


def body(all_series, *, separators=(",", ":"), ascii_only=False, extra=""):
    """The answer's text, made by hand where a JSON library would write the times in another way."""
    comma, colon = separators
    parts = []
    for labels, samples in all_series:
        pairs = comma.join(f'[{moment(i)}{comma}"{text(v)}"]' for i, v in sorted(samples.items()))
        metric = json.dumps(labels, ensure_ascii=ascii_only, separators=separators)
        parts.append(f'{{"metric"{colon}{metric}{comma}"values"{colon}[{pairs}]}}')
    result = comma.join(parts)
    return f'{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}{extra}}}'.encode()


def decoded(raw, *, grid=GRID):
    answer = matrix.read(raw, asked="http://fake (query: x)")
    out = np.full((len(answer.label_sets), grid.n), np.nan)
    answer.place(out, list(range(len(answer.label_sets))), grid)
    return answer.label_sets, out


def by_json(raw, *, grid=GRID):
    """The slow, obvious way."""
    result = json.loads(raw)["data"]["result"]
    out = np.full((len(result), grid.n), np.nan)
    for row, one in zip(out, result, strict=True):
        for when, value in one["values"]:
            row[(round(when * 1000) - grid.start) // grid.step] = float(value)
    return [one["metric"] for one in result], out


@given(st.lists(series, max_size=4), st.booleans())
def test_any_answer_is_decoded_as_json_and_float_would(all_series, ascii_only):
    raw = body(all_series, ascii_only=ascii_only)
    expected_labels, expected = by_json(raw)
    found_labels, found = decoded(raw)
    assert found_labels == expected_labels
    assert found.tobytes() == expected.tobytes()


@given(st.lists(series, max_size=3))
def test_an_answer_with_blanks_is_decoded_too(all_series):
    raw = body(all_series, separators=(", ", ": "))
    assert decoded(raw)[1].tobytes() == by_json(raw)[1].tobytes()


@given(st.lists(series, min_size=1, max_size=2), st.data())
def test_a_cut_answer_is_never_taken_for_a_whole_one(all_series, data):
    raw = body(all_series)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    with pytest.raises(SourceError, match="not whole JSON"):
        matrix.read(cut, asked="http://fake")


@given(st.integers(0, 2**32))
def test_long_series_too(seed):
    any_bits = np.random.default_rng(seed).integers(0, 2**64, LONG.n, dtype=np.uint64).view(np.float64)
    numbers = [*any_bits[~np.isnan(any_bits)].tolist(), math.nan, math.inf, -math.inf]
    pairs = ",".join(f'[{1_700_000_000 + i},"{text(value)}"]' for i, value in enumerate(numbers[-LONG.n :]))
    result = f'[{{"metric":{{}},"values":[{pairs}]}}]'
    raw = f'{{"status":"success","data":{{"resultType":"matrix","result":{result}}}}}'.encode()
    assert decoded(raw, grid=LONG)[1].tobytes() == by_json(raw, grid=LONG)[1].tobytes()


def test_seventeen_digits_survive():
    numbers = [0.1 + 0.2, 1 / 3, 2**53 + 1.0, 1.7976931348623157e308, 2.2250738585072014e-308, 5e-324]
    _, found = decoded(body([({"a": "1"}, dict(enumerate(numbers)))]))
    assert found[0, :6].tolist() == numbers


@pytest.mark.parametrize("extra", [',"warnings":["store 7 is unreachable"]', ',"isPartial":true'])
def test_a_partial_answer_is_an_error(extra):
    with pytest.raises(SourceError, match="part of the data may be missing"):
        matrix.read(body([({}, {1: 1.0})], extra=extra), asked="http://fake")


def test_remarks_of_prometheus_3_are_kept():
    assert matrix.read(body([], extra=',"infos":["not a counter"]'), asked="http://fake").infos == ("not a counter",)


def test_native_histograms_are_refused():
    raw = (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[[1,{"count":"3"}]]}]}}'
    )
    with pytest.raises(SourceError, match=r"native histograms; ask for numbers, e\.g\. histogram_quantile"):
        matrix.read(raw, asked="http://fake")


def test_another_result_type_is_refused():
    with pytest.raises(SourceError, match="answered with vector where a range of numbers"):
        matrix.read(b'{"status":"success","data":{"resultType":"vector","result":[]}}', asked="http://fake")


@pytest.mark.parametrize(
    "data",
    [
        '"result":null',
        '"other":[]',
        '"result":[5]',
        '"result":[{"values":[[1,"2"]]}]',
        '"result":[{"metric":{},"values":0}]',
        '"result":[{"metric":null,"values":[[1,"2"]]}]',
    ],
)
def test_what_only_looks_like_a_matrix_is_one_sentence(data):
    raw = f'{{"status":"success","data":{{"resultType":"matrix",{data}}}}}'
    with pytest.raises(SourceError, match="did not answer as Prometheus does"):
        matrix.read(raw.encode(), asked="http://fake")


@pytest.mark.parametrize(
    "pairs",
    [
        '[1699999999.251,"1"]',  # between two instants
        '[1699999998,"1"]',  # before the first
        '[1700000099,"1"]',  # after the last
        '[1699999999.250,"1"],[1699999999.250,"3"]',  # twice the same
        '[1699999999.250,"high"]',
        '[yesterday,"1"]',
    ],
)
def test_an_answer_that_was_not_asked_for_is_an_error(pairs):
    raw = f'{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{pairs}]}}]}}}}'
    with pytest.raises(SourceError, match="numbers or times that were not asked for"):
        decoded(raw.encode())
