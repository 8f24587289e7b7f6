"""The figure of one release."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from tutordex_analysis.sink.deploy_plot import deploy


def test_it_draws_the_release_the_band_and_says_the_answer():
    ds = pd.date_range("2026-10-01T06:00Z", periods=10, freq="D")
    expected = np.where(np.arange(10) < 5, np.nan, 100.0)
    frame = pd.DataFrame(
        {"ds": ds, "y": np.arange(90.0, 100.0), "expected": expected, "lower": expected - 20, "upper": expected + 20}
    )
    facts = {"change": "worker released as $v2$", "at": ds[4], "title": "Jobs", "unit": "jobs", "frame": frame}
    case = SimpleNamespace(**facts, sentence="No change shown.")
    got = deploy(case)
    assert "Dotted line: worker released as $v2$ at 5 Oct 2026 14:00." in got.alt
    assert got.alt.endswith("No change shown.")
    first = got.png()
    assert first[:4] == b"\x89PNG"
    assert first == deploy(case).png()
