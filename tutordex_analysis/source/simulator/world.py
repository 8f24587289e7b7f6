"""The simulated world: how long, how big, who posts, and how often in every hour of Singapore's year.

No hourly or weekly profile of the real stack is published, so the day, the week and the seasons are assumptions: quiet
from 1 to 7, peaks late in the morning and from 19 to 22, Monday to Thursday strongest, a surge after the new year and
before examinations, a trough at year end and around Lunar New Year. Volumes and the channels' shares are facts.
"""

from __future__ import annotations

import datetime as dt
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.moment import Instant, Span, duration

Size: TypeAlias = Literal["sample", "test"]

DAY = 86_400.0
HOUR = 3_600.0
MONTH = 30.44 * DAY
SGT = 8 * HOUR  # Singapore is UTC+8 all year
_LONGEST_STEP = pd.Timedelta("4m")  # Prometheus forgets a sample after 5 minutes

_WEEK = np.array([1.12, 1.12, 1.10, 1.08, 0.98, 0.78, 0.82])  # Monday first
_NIGHT_AND_MORNING = (0.35, 0.15, 0.08, 0.06, 0.05, 0.06, 0.12, 0.30, 0.60, 1.00, 1.50, 1.70)
_AFTERNOON_AND_EVENING = (1.40, 1.30, 1.40, 1.45, 1.40, 1.35, 1.40, 1.80, 2.10, 2.00, 1.50, 0.80)
_HOURS = np.array([*_NIGHT_AND_MORNING, *_AFTERNOON_AND_EVENING])
_SEASON = {  # demand by (month, day), joined by straight lines
    (1, 2): 1.00,
    (1, 15): 1.22,
    (2, 10): 1.18,
    (3, 5): 1.00,
    (3, 25): 1.12,
    (4, 20): 1.00,
    (5, 20): 1.10,
    (6, 10): 0.95,
    (7, 5): 1.08,
    (8, 15): 1.18,
    (9, 20): 1.14,
    (10, 15): 1.02,
    (11, 10): 0.88,
    (11, 25): 0.72,
    (12, 24): 0.62,
}
_HOLIDAY, _NEAR_LUNAR_NEW_YEAR, _SCHOOL_BREAK = 0.5, 0.75, 0.92
_TERM_WEEKS = frozenset(
    [*range(1, 12), *range(13, 23), *range(27, 37), *range(38, 48)]
)  # ISO weeks, as in 2025 and 2026


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A Telegram channel of an agency, its name invented.

    Attributes:
        name: As collector and worker write it into the label.
        share: Of all messages at the start of the world.
        growth: A month, beside the growth of the whole; -0.1 loses a tenth.
        missing: How often its assignments lack a field, relative to the mean channel.
    """

    name: str
    share: float
    growth: float = 0.0
    missing: float = 1.0


_LARGE = (
    Channel(name="t.me/lion_city_tutors", share=0.367),
    Channel(name="t.me/KayaToastTuition", share=0.133, missing=0.7),
    Channel(name="t.me/orchid_row_homework", share=0.098, growth=0.04),
    Channel(name="t.me/durian_desk_tutors", share=0.092, growth=-0.08, missing=1.4),
    Channel(name="t.me/MerlionChalkboard", share=0.090),
)
_SMALL = {  # messages in a thousand
    "t.me/banyan_lane_lessons": 22,
    "t.me/hawker_hall_homework": 20,
    "t.me/TemasekTutorTable": 18,
    "t.me/pandan_leaf_tuition": 17,
    "t.me/satay_street_scholars": 16,
    "t.me/rambutan_revision": 15,
    "t.me/KopiAndCalculus": 14,
    "t.me/island_line_tutors": 13,
    "t.me/mangosteen_maths": 12,
    "t.me/otter_bay_lessons": 11,
    "t.me/five_foot_way_tuition": 10,
    "t.me/sunbird_study_jobs": 10,
    "t.me/LaksaLearners": 9,
    "t.me/quayside_questions": 8,
    "t.me/raintree_reading": 7,
    "t.me/hornbill_homework_desk": 7,
    "t.me/tembusu_tutor_jobs": 6,
    "t.me/jackfruit_jc_jobs": 5,
}
_CHANNELS = _LARGE + tuple(Channel(name=name, share=part / 1000) for name, part in _SMALL.items())
_FEW_CHANNELS = (*_LARGE, _CHANNELS[12])


@dataclass(frozen=True, kw_only=True)
class World:
    """What to simulate; the same world gives the same bytes.

    Attributes:
        start: First moment, floored to the step.
        end: First moment that is no longer in it.
        step: Scrape interval, at most 4 minutes.
        seed: Of all randomness.
        size: "sample" has 23 channels and up to 600 series at a time, "test" 6 channels and about 200 series.
        incidents: "default" spreads all kinds over the range; a tuple takes these kinds in this order; () is a world
            without incidents and deployments.
        calm: How long nothing goes wrong at first; "default" is a fifth of the world, two weeks at most.
        messages_per_day: Mean of new posts at the start, over a plain week; about 72 in 100 become assignments.
        growth_per_month: Of messages and API requests, compounding; 0.03 is 3 %.
    """

    start: Instant
    end: Instant
    step: Span = "120s"
    seed: int = 0
    size: Size = "test"
    incidents: Literal["default"] | tuple[str, ...] = "default"
    calm: Span = "default"
    messages_per_day: float = 520.0
    growth_per_month: float = 0.03

    def __post_init__(self) -> None:
        if self.range.step > _LONGEST_STEP:
            raise SourceError(f"a scrape interval of at most 4m is simulated, got {self.step!r}")
        if self.size not in ("sample", "test"):
            raise SourceError(f'a world is of size "sample" or "test", got {self.size!r}')
        if isinstance(self.incidents, str) and self.incidents != "default":
            raise SourceError(f'incidents are "default" or a tuple of kinds, got {self.incidents!r}')
        if not 0 <= self.calm_seconds < self.last - self.first:
            raise SourceError(f"the calm at the start is shorter than the world, got {self.calm!r}")

    @cached_property
    def range(self) -> TimeRange:
        """The grid of the scrapes before each target's own offset."""
        return TimeRange(self.start, self.end, self.step)

    @property
    def first(self) -> float:
        """The start in unix seconds."""
        return self.range.start.timestamp()

    @property
    def last(self) -> float:
        """The end in unix seconds."""
        return self.range.end.timestamp()

    @property
    def calm_seconds(self) -> float:
        """How long nothing goes wrong at first."""
        if self.calm == "default":
            return min(0.2 * (self.last - self.first), 14 * DAY)
        return duration(self.calm).total_seconds()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Who posts, largest first."""
        return _CHANNELS if self.size == "sample" else _FEW_CHANNELS

    @property
    def detailed(self) -> bool:
        """Whether the less important label values are exposed too."""
        return self.size == "sample"

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for every purpose, so that one more incident does not move the posts."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])


def demand(world: World, moments: Floats) -> Floats:
    """Messages a second that are to be expected at these unix seconds; the mean of a Poisson process."""
    months = (moments - world.first) / MONTH
    return world.messages_per_day / DAY * (1 + world.growth_per_month) ** months * rhythm(world, moments)


def rhythm(world: World, moments: Floats) -> Floats:
    """The shape of Singapore's day, week and year; 1 is the mean of a plain week, nothing grows here."""
    local = moments + SGT
    days = np.floor(local / DAY).astype(np.int64)
    low = int(days.min())
    each_day = day_factors(low, int(days.max()))
    luck = np.exp(0.07 * normals(world, "luck of the day", days))
    hours = np.interp(local % DAY / HOUR, np.arange(25), np.append(_HOURS, _HOURS[0]) / _HOURS.mean())
    return np.asarray(each_day[days - low] * luck * hours)


def day_factors(first: int, last: int) -> Floats:
    """Week, season, school and holidays in one factor for each local day.

    Args:
        first: Local days since 1970.
        last: The last one wanted.

    Returns:
        Shape (last - first + 1,).
    """
    dates = [dt.date.fromordinal(_EPOCH + day) for day in range(first, last + 1)]
    public = public_holidays(dates[0], dates[-1])
    lunar = [day.toordinal() for day, name in public.items() if "Chinese New Year" in name]
    factors = _WEEK[[date.weekday() for date in dates]] * _season(dates)
    for i, date in enumerate(dates):
        if not in_term(date):
            factors[i] *= _SCHOOL_BREAK
        if date in public:
            factors[i] *= _HOLIDAY
        elif any(abs(date.toordinal() - day) <= 3 for day in lunar):
            factors[i] *= _NEAR_LUNAR_NEW_YEAR
    return factors


_EPOCH = dt.date(1970, 1, 1).toordinal()


def in_term(date: dt.date) -> bool:
    """Whether primary and secondary schools teach in this week (Ministry of Education; exact for 2025 and 2026)."""
    return date.isocalendar().week in _TERM_WEEKS and (date.month, date.day) != (1, 1)


def public_holidays(first: dt.date, last: dt.date) -> dict[dt.date, str]:
    """Singapore's public holidays from three days before the first to three days after the last date, by name."""
    import holidays  # late: half a second that --help must not pay

    near = dt.timedelta(days=3)
    first, last = first - near, last + near
    calendar = holidays.country_holidays("SG", years=range(first.year, last.year + 1))
    return {day: str(name) for day, name in sorted(calendar.items()) if first <= day <= last}


def normals(world: World, key: str, index: npt.NDArray[np.int64]) -> Floats:
    """Standard normal numbers that depend on the key, the index and the seed alone, in any order and any piece."""
    salt = np.uint64((zlib.crc32(key.encode()) << 32) + (world.seed & 0xFFFFFFFF))
    mixed = (index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + salt
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64's finish, twice over
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(ndtri(((mixed >> np.uint64(11)).astype(float) + 0.5) / 2**53))


def wobble(world: World, key: str, moments: Floats, period: float) -> Floats:
    """Smooth noise of mean 0 and standard deviation up to 1, with a knot every `period` seconds."""
    place = moments / period
    knot = np.floor(place).astype(np.int64)
    low = int(knot.min())
    heights = normals(world, key, np.arange(low, int(knot.max()) + 2))
    weight = place - knot
    return np.asarray(heights[knot - low] * (1 - weight) + heights[knot - low + 1] * weight)


def _season(dates: list[dt.date]) -> Floats:
    knots = [dt.date(2001, month, day).timetuple().tm_yday for month, day in _SEASON]
    days = [date.timetuple().tm_yday for date in dates]
    return np.asarray(np.interp(days, knots, list(_SEASON.values()), period=365.25))
