"""What errors remember: the step before and the same phase of the season before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats


@dataclass(frozen=True)
class Noise:
    """Errors e with (1 - memory B)(1 - echo B^lag) e = innovation, B the step back: a multiplicative seasonal AR.

    An echo lets a season change slowly: what the season missed yesterday at this hour is expected again, in part.

    Attributes:
        memory: Share of an error left one step later, 0 to below 1.
        echo: Share of an error left one season later, 0 to below 1.
        lag: Steps of that season; 0 without an echo.

    References:
        Box, Jenkins, Reinsel & Ljung (2015), Time Series Analysis, 5th ed., chapter 9.
    """

    memory: float
    echo: float = 0.0
    lag: int = 0

    @property
    def spread(self) -> float:
        """Standard deviation of an error over that of an innovation, for a lag of many steps."""
        return float(1 / np.sqrt((1 - self.memory**2) * (1 - self.echo**2)))

    @property
    def log_density(self) -> float:
        """Log-determinant of `whiten`."""
        return float(0.5 * np.log(1 - self.memory**2) + self.lag / 2 * np.log(1 - self.echo**2))

    def whiten(self, errors: Floats) -> Floats:
        """Innovations of equal variance, shape (n, k), time along the first axis.

        The first season has no echo of what came before it, so its innovations count by their larger variance there.
        """
        steps = errors.copy()
        steps[1:] -= self.memory * errors[:-1]
        steps[0] *= np.sqrt(1 - self.memory**2)
        if not self.echo:
            return steps
        result = steps.copy()
        result[self.lag :] -= self.echo * steps[: -self.lag]
        result[: self.lag] *= np.sqrt(1 - self.echo**2)
        return result

    def whiten_transposed(self, values: Floats) -> Floats:
        """The transpose of the linear map `whiten`, shape (n, k)."""
        steps = values
        if self.echo:
            steps = values.copy()
            steps[: self.lag] *= np.sqrt(1 - self.echo**2)
            steps[: -self.lag] -= self.echo * values[self.lag :]
        result = steps.copy()
        result[0] *= np.sqrt(1 - self.memory**2)
        result[:-1] -= self.memory * steps[1:]
        return result

    def expected(self, past: Floats, horizon: int) -> Floats:
        """Errors to expect after `past`, shape (horizon, k).

        Args:
            past: The last `lag + 1` errors or more, oldest first, shape (n, k).
            horizon: Steps ahead.
        """
        step = past[-1] - (self.echo * past[-1 - self.lag] if self.echo else 0.0)
        decay = self.memory ** np.arange(1, horizon + 1)
        return self._echoed(decay[:, None] * step, past[len(past) - self.lag :])

    def response(self, horizon: int) -> Floats:
        """What is left of one innovation after 0, 1, … steps, shape (horizon,)."""
        decay = self.memory ** np.arange(horizon)
        return self._echoed(decay[:, None], np.zeros((self.lag, 1)))[:, 0]

    def _echoed(self, steps: npt.NDArray[np.floating], before: Floats) -> Floats:
        """Solves e[k] = echo e[k - lag] + steps[k], a season at a time."""
        if not self.echo:
            return np.asarray(steps, dtype=np.float64)
        result = np.concatenate([before, steps])
        for start in range(self.lag, len(result), self.lag):
            stop = min(start + self.lag, len(result))
            result[start:stop] += self.echo * result[start - self.lag : stop - self.lag]
        return result[self.lag :]
