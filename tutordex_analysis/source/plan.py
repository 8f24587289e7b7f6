"""How a range is cut into requests: disjoint pieces under the server's limits, sized by how many series answer.

Every point of a range query looks back by itself, so pieces that share no point equal one request exactly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

MAX_POINTS = 11_000  # Prometheus refuses more a series; its own test lets 11,001 pass
SAMPLES_A_PIECE = 100_000  # about 3 MB of JSON: large enough to be quick, small enough to hold a few
MOST_SAMPLES = 400_000  # of a piece of many series, which costs the server the more the fewer points it has …
POINTS_A_ROW = 200  # … and the decoder too: a row of so many numbers is read by Arrow at its best
PROBE_POINTS = 60  # the first piece, which tells the number of series
_GROWTH = 4  # of the next piece while no series has been seen


@dataclass(frozen=True, order=True)
class Piece:
    """Some neighbouring instants of a grid.

    Attributes:
        first: Index of the first instant.
        n: How many, at least 1.
    """

    first: int
    n: int

    def split(self, most: int) -> list[Piece]:
        """The same instants in even pieces of at most `most`."""
        count = -(-self.n // most)
        edges = [self.first + self.n * i // count for i in range(count + 1)]
        return [Piece(a, b - a) for a, b in pairwise(edges)]


class Plan:
    """The pieces still to be asked for, newest first, since there the series are that exist today.

    The first piece is small. What it answers sizes the others; while nothing has answered they grow slowly and go one
    by one. A piece that proved too heavy comes back in halves and caps all that follow.

    Args:
        n: Instants of the range, at least 1.
    """

    def __init__(self, n: int) -> None:
        self._left = n  # instants not yet handed out in any piece
        self._ready: deque[Piece] = deque()
        self._most = MAX_POINTS
        self._probe = n if n <= 2 * PROBE_POINTS else PROBE_POINTS
        self._n_series = 0

    def __bool__(self) -> bool:
        return bool(self._ready) or self._left > 0

    @property
    def one_by_one(self) -> bool:
        """Whether to wait for an answer before the next piece."""
        return not self._n_series

    def learn(self, n_series: int) -> None:
        """How many series have been seen so far."""
        self._n_series = max(n_series, self._n_series)

    def next(self) -> Piece:
        """The next piece to ask for."""
        if not self._ready:
            self._cut()
        piece = self._ready.popleft()
        most = self._size()
        if piece.n > 1.5 * most:
            piece, *rest = reversed(piece.split(most))
            self._ready.extendleft(reversed(rest))
        return piece

    def halve(self, piece: Piece) -> bool:
        """Takes back a piece that was too heavy; False when it is one instant and cannot be halved."""
        if piece.n == 1:
            return False
        self._most = min(self._most, -(-piece.n // 2))
        self._ready.extendleft(piece.split(self._most))
        return True

    def _size(self) -> int:
        if not self._n_series:
            return self._most
        samples = min(max(SAMPLES_A_PIECE, POINTS_A_ROW * self._n_series), MOST_SAMPLES)
        return min(max(samples // self._n_series, 1), self._most)

    def _cut(self) -> None:
        if self._n_series:
            cut = Piece(0, self._left).split(self._size())
        else:
            n = min(self._probe, self._most, self._left)
            self._probe *= _GROWTH
            cut = [Piece(self._left - n, n)]
        self._left -= sum(piece.n for piece in cut)
        self._ready.extend(reversed(cut))
