"""Real experiments of ASOS (public half), stream by stream; the data stay outside the project.

Liu, Cardoso, Couturier & McCoy (2021), DOI 10.17605/OSF.IO/64JSB, CC BY 4.0.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.model import means, sequential, srm
from tutordex_analysis.model.experiment import compare
from tutordex_analysis.model.summary import Summary

FOLDER = os.environ.get("TUTORDEX_BENCHMARKS", "")
KEYS = ["experiment_id", "variant_id", "metric_id"]
pytestmark = pytest.mark.skipif(
    not (Path(FOLDER) / "ab_asos.csv").is_file() or not FOLDER,
    reason="TUTORDEX_BENCHMARKS names no folder with ab_asos.csv",
)


@cache
def looks():
    table = pd.read_csv(Path(FOLDER) / "ab_asos.csv").dropna(subset=["variance_c", "variance_t"])
    table = table[
        (table["count_c"] > 1) & (table["count_t"] > 1) & (table[["variance_c", "variance_t"]].min(axis=1) > 0)
    ]
    return table.sort_values([*KEYS, "time_since_start"])


@cache
def expected():
    return pd.read_csv(Path(FOLDER) / "ab_asos_expected.csv").set_index(KEYS)


def arms(row):
    return tuple(
        Summary(n=row[f"count_{one}"], mean=row[f"mean_{one}"], variance=row[f"variance_{one}"]) for one in "ct"
    )


def test_every_stream_at_its_last_look():
    last = looks().groupby(KEYS).tail(1).set_index(KEYS)
    assert len(last) == len(expected()) == 188
    rows = []
    for key, row in last.iterrows():
        c, t = arms(row)
        fixed, share = means.welch(c, t), means.relative_delta(c, t)
        held = sequential.asymptotic(fixed, c.n + t.n).effect
        rows.append(
            {
                "key": key,
                "difference": fixed.estimate,
                "ci_low": fixed.ci_lo,
                "ci_high": fixed.ci_hi,
                "p": fixed.p_value,
                "relative": share.estimate,
                "rel_ci_low": share.ci_lo,
                "rel_ci_high": share.ci_hi,
                "seq_ci_low": held.ci_lo,
                "seq_ci_high": held.ci_hi,
                "srm_p_if_even": srm.chi_square([c.n, t.n], [1, 1]).p_value,
            }
        )
    ours = pd.DataFrame(rows).set_index("key")
    theirs = expected().loc[list(ours.index), ours.columns]
    # numbers are stored with ten digits, and the difference of two means loses some of them
    scale = np.maximum(theirs.abs(), 1e-3 * theirs[["ci_low", "ci_high"]].abs().max(axis=1).to_numpy()[:, None])
    apart = np.abs(ours.to_numpy() - theirs.to_numpy()) / np.maximum(scale.to_numpy(), 1e-12)
    p = ours.columns.get_indexer(["p", "srm_p_if_even"])
    assert np.delete(apart, p, axis=1).max() <= 1e-4
    assert np.abs(ours.to_numpy() - theirs.to_numpy())[:, p].max() <= 1e-5


def test_what_peeking_would_have_found_and_what_holds():
    found = []
    for key, stream in looks().groupby(KEYS):
        pairs = [arms(row) for _, row in stream.iterrows()]
        fixed = [means.welch(*pair) for pair in pairs]
        held = [sequential.asymptotic(one, c.n + t.n).effect for one, (c, t) in zip(fixed, pairs, strict=True)]
        z = np.array([one.statistic for one in fixed])
        crossed = any(one.ci_lo > 0 or one.ci_hi < 0 for one in held)
        found.append((key, bool((abs(z) > 1.96).any()), bool(abs(z[-1]) > 1.96), crossed))
    ours = pd.DataFrame(found, columns=["key", "any", "last", "sequence"]).set_index("key")
    theirs = expected().loc[list(ours.index)]
    assert (looks().groupby(KEYS).size().loc[list(ours.index)] == theirs["looks"]).all()
    assert (ours["any"].to_numpy() == theirs["z_crossed_any_look"].to_numpy()).all()
    assert (ours["last"].to_numpy() == theirs["z_crossed_last"].to_numpy()).all()
    assert (ours["sequence"].to_numpy() == theirs["cs5000_crossed"].to_numpy()).all()


def test_compare_agrees_with_itself_on_real_streams():
    last = looks().groupby(KEYS).tail(1)
    for _, row in last.iterrows():
        c, t = arms(row)
        verdict = compare(c, t, split=(c.n, t.n))
        assert verdict.effect.significant == (not verdict.effect.ci_lo <= 0 <= verdict.effect.ci_hi)
        assert verdict.effect.significant == (not verdict.lift.ci_lo <= 0 <= verdict.lift.ci_hi)
        held = compare(c, t, split=(c.n, t.n), looks="any")
        assert held.effect.ci_lo <= verdict.effect.ci_lo
        assert held.effect.ci_hi >= verdict.effect.ci_hi
