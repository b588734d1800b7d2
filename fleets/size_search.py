"""A search over whole numbers: the smallest size that meets limits, where every size sees the same demand.

More plugs never hurt where everybody sees the same random numbers, so the answer is found by doubling and halving. The search trusts nobody: it
checks the order of what it has seen, says so where more is worse, and a limit that no size meets is an answer with the gap that stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import polars as pl

from fleets.errors import FleetError
from fleets.replications import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Statistics that rise with the size: their limit is the least value. All others fall, and theirs is the largest.
RISING = frozenset({"served_share", "served", "ground_power_share"})
#: Differences that rounding may leave between two sizes that serve alike.
_ROUNDING = 1e-9


class Reading(NamedTuple):
    """A statistic of one size: its mean over the replications and the interval of the mean; ends are missing with one replication."""

    value: float
    low: float | None = None
    high: float | None = None


#: What a size gives: one statistic, or several by name.
Evaluate: TypeAlias = "Callable[[int], float | Reading]"
EvaluateAll: TypeAlias = "Callable[[int], Mapping[str, float | Reading]]"

CURVE_SCHEMA: dict[str, Any] = {
    "size": pl.Int64,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "limit": pl.Float64,
    "meets": pl.Boolean,
}


@dataclass(frozen=True)
class Sizing:
    """The answer of a search.

    Attributes
    ----------
    size
        Fewest that meet every limit; where none does, the fewest that miss them as little as the best one seen.
    feasible
        Whether the limits are met.
    misses
        By how much the size misses each limit, in the unit of the statistic; 0 where it is met.
    evaluations
        Sizes that were simulated.
    monotone
        Whether no larger size that was seen is worse than a smaller one.
    broken
        Pairs (smaller, larger) of neighbouring sizes seen where the larger is worse.
    curve
        Columns size, metric, value, low, high, limit, meets: everything that was seen, by size.
    """

    size: int
    feasible: bool
    misses: Mapping[str, float]
    evaluations: int
    monotone: bool
    broken: tuple[tuple[int, int], ...]
    curve: pl.DataFrame

    def value(self, metric: str, size: int | None = None) -> float:
        """Return a statistic at a size that was seen, by default at the answer.

        Raises
        ------
        KeyError
            If that size was not simulated or the statistic has no limit.
        """
        asked = self.size if size is None else size
        row = self.curve.filter((pl.col("size") == asked) & (pl.col("metric") == metric))
        if row.is_empty():
            msg = f"{metric!r} was not looked at for size {asked}; sizes: {self.curve['size'].unique().sort().to_list()}"
            raise KeyError(msg)
        return float(row["value"].item())


def smallest(
    evaluate: Evaluate,
    *,
    low: int,
    high: int,
    limit: float,
    direction: str = "falls",
    start: int | None = None,
    around: int = 0,
    surely: bool = False,
) -> Sizing:
    """Return the smallest whole number whose statistic meets a limit.

    Parameters
    ----------
    evaluate
        Size -> statistic, or its :class:`Reading`; it must see the same random numbers at every size.
    low, high
        Range of the search, both ends included.
    limit
        Largest value allowed (``falls``) or least value (``rises``).
    direction
        Whether the statistic ``falls`` or ``rises`` with the size.
    start
        Where the search begins; a good guess saves simulations.
    around
        Neighbours on either side of the answer that are looked at too.
    surely
        Whether the worse end of the interval must meet the limit and not only the mean.

    Returns
    -------
    Sizing
        The size meets the limit and the one below does not, or is below ``low``; the statistic is called ``value``.

    Raises
    ------
    FleetError
        If the range is empty, the limit is no number or the direction is not known.

    Notes
    -----
    Steps double from the start until the limit lies between two sizes, then the gap is halved: about 2 log2(high - low) simulations. If a larger
    size that was seen fails although a smaller one passes, the search goes on above the largest that failed.

    Examples
    --------
    >>> found = smallest(lambda n: 100 / n, low=1, high=1000, limit=8)
    >>> found.size, found.feasible, found.value("value", 12) > 8
    (13, True, True)
    """
    if direction not in {"falls", "rises"}:
        msg = f"direction={direction!r} is not known; there are falls, rises"
        raise FleetError(msg)
    rising = frozenset({"value"}) if direction == "rises" else frozenset()
    return fewest(
        lambda n: {"value": evaluate(n)},
        {"value": limit},
        low=low,
        high=high,
        start=start,
        around=around,
        surely=surely,
        rising=rising,
    )


def fewest(
    evaluate: EvaluateAll,
    limits: Mapping[str, float],
    *,
    low: int,
    high: int,
    start: int | None = None,
    around: int = 0,
    surely: bool = False,
    rising: frozenset[str] = RISING,
) -> Sizing:
    """Return the fewest that meet several limits at once.

    Parameters
    ----------
    evaluate
        Size -> statistics by name, at least those that have a limit.
    limits
        Limit of each statistic; the least value for those that rise with the size, the largest for all others.
    low, high, start, around, surely
        As in :func:`smallest`.
    rising
        Statistics that rise with the size.

    Raises
    ------
    FleetError
        If the range is empty, there is no limit, or a statistic is missing; the message lists those that exist.
    """
    if not 0 <= low <= high:
        msg = f"low={low} and high={high} must satisfy 0 <= low <= high"
        raise FleetError(msg)
    if not limits or any(math.isnan(v) for v in limits.values()):
        msg = f"limits={dict(limits)} must hold at least one number"
        raise FleetError(msg)
    search = _Search(evaluate, dict(limits), rising, surely=surely)
    first = low if start is None else min(max(start, low), high)
    bottom = low
    while True:
        found = search.between(bottom, high, first)
        if found is None:
            found = search.as_good_as_it_gets(low)
            search.look(found, low, high, around)
            break
        search.look(found, low, high, around)
        failed = [n for n in search.seen if n > found and not search.meets(n)]
        if not failed:
            break
        # more is worse here: the answer must hold for everything above it that was seen
        bottom = first = max(failed) + 1
    return search.answer(found)


class _Search:
    """What a search has seen."""

    def __init__(self, evaluate: EvaluateAll, limits: dict[str, float], rising: frozenset[str], *, surely: bool) -> None:
        self.evaluate, self.limits, self.rising, self.surely = evaluate, limits, rising, surely
        self.seen: dict[int, dict[str, Reading]] = {}

    def misses(self, size: int) -> dict[str, float]:
        """Return by how much a size misses each limit; negative where it has room."""
        if size not in self.seen:
            found = self.evaluate(size)
            lacking = [name for name in self.limits if name not in found]
            if lacking:
                msg = f"there is no statistic {lacking[0]!r}; there are {', '.join(sorted(found))}"
                raise FleetError(msg)
            self.seen[size] = {name: _reading(found[name]) for name in self.limits}
        return {name: self._miss(name, reading) for name, reading in self.seen[size].items()}

    def _miss(self, name: str, reading: Reading) -> float:
        sign = -1.0 if name in self.rising else 1.0
        worse = (reading.low if name in self.rising else reading.high) if self.surely else None
        value = reading.value if worse is None else worse
        miss = sign * (value - self.limits[name])
        return math.inf if math.isnan(miss) else miss

    def excess(self, size: int) -> float:
        """Return the largest miss relative to its limit; at most 0 where all limits are met."""
        return max(miss / max(abs(self.limits[name]), 1.0) for name, miss in self.misses(size).items())

    def meets(self, size: int) -> bool:
        """Return whether a size meets all limits."""
        return self.excess(size) <= _ROUNDING

    def look(self, size: int, low: int, high: int, around: int) -> None:
        """Simulate the neighbours of a size."""
        for n in range(max(low, size - around), min(high, size + around) + 1):
            self.excess(n)

    def between(self, low: int, high: int, start: int) -> int | None:
        """Return a size that meets the limits while the one below does not; None if none does up to the end."""
        if low > high:
            return None
        step = 1
        if self.meets(start):
            good, bad = start, start - 1
            while bad >= low and self.meets(bad):
                good, step = bad, 2 * step
                bad = max(low, good - step) if good > low else low - 1
            if bad < low:
                return good
        else:
            bad, good = start, min(high, start + 1)
            while bad < high and not self.meets(good):
                bad, step = good, 2 * step
                good = min(high, good + step)
            if bad >= high:
                return None
        while good - bad > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.meets(middle) else (good, middle)
        return good

    def best(self) -> int:
        """Return the size that misses least, the smaller of equal ones."""
        return min(sorted(self.seen), key=lambda n: (self.excess(n), n))

    def as_good_as_it_gets(self, low: int) -> int:
        """Return the smallest size that misses no more than the best one seen: beyond it more does not help."""
        good = self.best()
        reached, bad = self.excess(good) + _ROUNDING, low - 1
        while good - bad > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self.excess(middle) <= reached else (good, middle)
        return good

    def answer(self, size: int) -> Sizing:
        order = sorted(self.seen)
        broken = tuple((a, b) for a, b in pairwise(order) if self._worse(a, b))
        rows = [
            (n, name, *reading, self.limits[name], self._miss(name, reading) / max(abs(self.limits[name]), 1.0) <= _ROUNDING)
            for n in order
            for name, reading in self.seen[n].items()
        ]
        return Sizing(
            size=size,
            feasible=self.meets(size),
            misses={name: max(0.0, miss) for name, miss in self.misses(size).items()},
            evaluations=len(order),
            monotone=not broken,
            broken=broken,
            curve=pl.DataFrame(rows, schema=CURVE_SCHEMA, orient="row"),
        )

    def _worse(self, smaller: int, larger: int) -> bool:
        few, many = self.misses(smaller), self.misses(larger)
        return any(many[name] > few[name] + _ROUNDING * max(1.0, abs(few[name])) for name in self.limits)


def _reading(found: float | Reading) -> Reading:
    return found if isinstance(found, Reading) else Reading(float(found))


def readings(replications: Sequence[Mapping[str, float]], confidence: float = 0.95) -> dict[str, Reading]:
    """Return statistics of replications as readings.

    Parameters
    ----------
    replications
        Statistics by name, one mapping per replication.
    confidence
        Level of the intervals.
    """
    if not replications:
        return {}
    found = {}
    for name in replications[0]:
        values = [one[name] for one in replications]
        if not all(math.isfinite(v) for v in values):
            found[name] = Reading(math.inf)
            continue
        mean, low, high = interval(values, confidence)
        found[name] = Reading(mean, None if math.isnan(low) else low, None if math.isnan(high) else high)
    return found
