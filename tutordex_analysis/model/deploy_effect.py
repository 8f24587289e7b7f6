"""How one series differs from what was expected of it after a change, with the band that earlier dates give."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special

from tutordex_analysis.model.placebo import LEAST, MOST_ALARMS, Placebo


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One series in one window after a change; in the unit of the series, for counts a day.

    Attributes:
        series: Its name.
        window: Days asked for.
        days: Days compared: those that are there and not left out.
        seen: Mean of them; NaN where too few of them can be compared.
        expected: Mean of the forecast for the same days; NaN where there is none.
        spread: Standard deviation of that, as the forecast itself has it.
        counted: Whether it is a count, which no band takes below 0.
        p_value: See `Placebo.p_value`; NaN without enough earlier dates.
        rank: See `Placebo.rank`; NaN likewise.
        dates: Earlier dates that were asked the same.
        alarms: On how many of them the answer would have been a change.
        yardstick: Their errors; None where they are too few.
    """

    series: str
    window: int
    days: int
    seen: float
    expected: float
    spread: float
    counted: bool = False
    p_value: float = float("nan")
    rank: float = float("nan")
    dates: int = 0
    alarms: int = 0
    yardstick: Placebo | None = None

    @property
    def effect(self) -> float:
        """`seen` less `expected`."""
        return self.seen - self.expected

    @property
    def total(self) -> float:
        """The effect over all days compared; of counts."""
        return self.effect * self.days

    @property
    def relative(self) -> float:
        """The effect over what was expected; NaN where nothing was."""
        return _over(self.seen, self.expected)

    @property
    def alarm_rate(self) -> float:
        """Share of the earlier dates on which the answer would have been a change; NaN without any."""
        return self.alarms / self.dates if self.dates else float("nan")

    @property
    def doubtful(self) -> bool:
        """Whether earlier dates without a change were called one so often that this answer is worth nothing."""
        return self.dates >= LEAST and self.alarm_rate > MOST_ALARMS

    def band(self, alpha: float) -> tuple[float, float]:
        """Between which values 1 - alpha of such windows lie without a change.

        Without a yardstick it is the model's own, which nothing has checked.
        """
        reach = self.yardstick.half_width(alpha) if self.yardstick else float(-special.ndtri(alpha / 2))
        lower = self.expected - reach * self.spread
        return max(lower, 0.0) if self.counted else lower, self.expected + reach * self.spread

    def interval(self, alpha: float) -> tuple[float, float]:
        """Of the effect, which leaves out 0 where the p-value is at most alpha: what was seen less the band."""
        lower, upper = self.band(alpha)
        return self.seen - upper, self.seen - lower

    def relative_interval(self, alpha: float) -> tuple[float, float]:
        """Of the relative effect; its upper end is infinite where the band reaches 0."""
        lower, upper = self.band(alpha)
        return _over(self.seen, upper), _over(self.seen, lower) if lower > 0 else float("inf")


def _over(seen: float, expected: float) -> float:
    return seen / expected - 1 if expected > 0 else float("nan")
