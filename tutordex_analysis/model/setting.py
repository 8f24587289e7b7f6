"""The settings that a series of the structural model chooses from: which noise, which prior; each factored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.basis import Basis
from tutordex_analysis.model.noise import Noise
from tutordex_analysis.model.prior import Prior

MEMORY = (0.0, 0.5, 0.8, 0.9, 0.96, 0.995)
ECHO = (0.3, 0.6, 0.9)
COARSE = tuple((memory, echo) for memory in (0.0, 0.5, 0.8, 0.96) for echo in (0.0, 0.6))  # first; then what is beside


@dataclass(frozen=True, kw_only=True, eq=False)
class Factors:
    """The settings that share one noise, factored; the first axis is the prior.

    Attributes:
        turned: What makes the moments of a series of it, shape (p, n).
        inverse: Covariance of the coefficients in squared innovations, shape (n_priors, p, p).
        log_density: Terms of the marginal likelihood that are the same for all series, shape (n_priors, 1).
    """

    turned: Floats
    inverse: Floats
    log_density: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Every setting of one basis, factored once, when it is first asked for.

    Attributes:
        basis: Columns.
        noises: Which errors there may be.
        priors: Which sizes of coefficients.
    """

    basis: Basis
    noises: Sequence[Noise]
    priors: Sequence[Prior]
    _known: dict[int, Factors] = field(default_factory=dict)

    def factors(self, place: int) -> Factors:
        """All priors under the noise at `place`."""
        if place not in self._known:
            self._known[place] = _factors(self.noises[place], self.basis, self.priors)
        return self._known[place]


def noises_of(lags: Sequence[int]) -> list[Noise]:
    """The table of noises: every memory with no echo and with each echo of each season."""
    echoes = [(0.0, 0), *((echo, lag) for lag in lags for echo in ECHO)]
    return [Noise(memory, echo, lag) for memory in MEMORY for echo, lag in echoes]


def near(noises: Sequence[Noise]) -> npt.NDArray[np.bool_]:
    """Which noises differ from which by one step of memory and one of the echo, shape (n_noises, n_noises)."""
    memory = np.array([MEMORY.index(one.memory) for one in noises])
    echo = np.array([(0.0, *ECHO).index(one.echo) for one in noises])
    lag = np.array([one.lag for one in noises])
    one_season = (lag[:, None] == lag) | (lag[:, None] == 0) | (lag == 0)
    result: npt.NDArray[np.bool_] = (
        (np.abs(memory[:, None] - memory) <= 1) & (np.abs(echo[:, None] - echo) <= 1) & one_season
    )
    return result


def _factors(noise: Noise, basis: Basis, priors: Sequence[Prior]) -> Factors:
    white = noise.whiten(basis.history)
    turned = np.ascontiguousarray(noise.whiten_transposed(white).T)
    gram = white.T @ white
    inverses, densities = [], []
    for prior in priors:
        size = noise.spread * basis.size * prior.sizes(basis.family)
        matrix = gram + np.diag(size**-2)
        inverse = np.linalg.inv(matrix)
        inverses.append((inverse + inverse.T) / 2)
        densities.append(noise.log_density - np.log(np.diag(np.linalg.cholesky(matrix))).sum() - np.log(size).sum())
    return Factors(turned=turned, inverse=np.stack(inverses), log_density=np.array(densities)[:, None])
