"""Pieces: disjoint, complete, small enough, and small first."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tutordex_analysis.source.plan import (
    MAX_POINTS,
    MOST_SAMPLES,
    POINTS_A_ROW,
    PROBE_POINTS,
    SAMPLES_A_PIECE,
    Piece,
    Plan,
)


def run(n, series_at, *, heavy=lambda piece: False):
    """All pieces that were answered, in order; `series_at(piece)` tells how many series a piece shows."""
    plan, seen, done = Plan(n), 0, []
    while plan:
        piece = plan.next()
        if heavy(piece):
            assert plan.halve(piece)
            continue
        seen = max(seen, series_at(piece))
        plan.learn(seen)
        done.append(piece)
    return done


@given(
    n=st.integers(1, 200_000),
    n_series=st.integers(0, 5_000),
    born=st.floats(0, 1),
    most=st.integers(1_000, 300_000),
)
def test_pieces_cover_each_instant_once_under_the_limits(n, n_series, born, most):
    def heavy(piece):
        return piece.n > 1 and piece.n * n_series > most

    done = run(n, lambda piece: n_series if piece.first + piece.n > born * n else 0, heavy=heavy)
    covered = sorted(done)
    assert covered[0].first == 0
    assert covered[-1].first + covered[-1].n == n
    assert all(a.first + a.n == b.first for a, b in pairwise(covered))
    assert all(1 <= piece.n <= MAX_POINTS and not heavy(piece) for piece in done)


def test_the_first_piece_is_small_and_the_newest():
    first, *rest = run(8640, lambda piece: 100)
    assert first == Piece(8640 - PROBE_POINTS, PROBE_POINTS)
    assert len(rest) == -(-(8640 - PROBE_POINTS) * 100 // SAMPLES_A_PIECE)
    assert max(piece.n for piece in rest) * 100 <= SAMPLES_A_PIECE
    assert max(piece.n for piece in rest) - min(piece.n for piece in rest) <= 1


def test_a_short_range_is_one_request():
    assert run(2 * PROBE_POINTS, lambda piece: 7) == [Piece(0, 2 * PROBE_POINTS)]


def test_one_series_is_cut_at_the_point_limit_only():
    assert len(run(PROBE_POINTS + 16 * MAX_POINTS, lambda piece: 1)) == 17


def test_pieces_grow_one_by_one_while_nothing_answers():
    plan = Plan(10_000)
    sizes = []
    while plan:
        assert plan.one_by_one
        sizes.append(plan.next().n)
    assert sizes == [60, 240, 960, 3840, 4900]


def test_pieces_shrink_when_more_series_appear():
    plan = Plan(50_000)
    plan.next()
    plan.learn(10)
    assert plan.next().n > 9_000
    plan.learn(1_000)
    assert plan.next().n <= max(SAMPLES_A_PIECE // 1_000, POINTS_A_ROW)


def test_pieces_of_many_series_keep_some_points():
    _, *rest = run(2_016, lambda piece: 2_000)
    assert all(POINTS_A_ROW - 10 <= piece.n <= MOST_SAMPLES // 2_000 for piece in rest)


def test_a_heavy_piece_comes_back_in_halves_and_caps_the_rest():
    plan = Plan(20_000)
    plan.next()
    plan.learn(1)
    heavy = plan.next()
    assert plan.halve(heavy)
    newer, older = plan.next(), plan.next()
    assert (newer.first + newer.n, older.first) == (heavy.first + heavy.n, heavy.first)
    assert newer.n + older.n == heavy.n
    assert plan.next().n <= -(-heavy.n // 2)


def test_one_instant_cannot_be_halved():
    assert not Plan(5).halve(Piece(3, 1))
