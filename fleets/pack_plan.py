"""Packs of a swap store that wait for a cheaper hour, as long as the charged ones cover what is expected until then.

A pack that is handed in waits at its charger while the stock (charged packs and those being charged) covers the vehicles in the queue, the swaps
expected until the next cheaper hour and one charge beyond it, and a reserve. Whatever the stock falls short of is charged at once, the packs that have
waited longest first. Decisions are made when a pack comes or goes and when the price changes; nothing is polled.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from fleets.errors import ChargingError

if TYPE_CHECKING:
    from collections.abc import Callable

    import simpy
    from numpy.typing import ArrayLike

    from fleets.plug_bank import Charge

_DAY_MIN, _WEEK_MIN, _HOUR_MIN = 1440.0, 10080.0, 60.0
_HOURS = 168


@dataclass(frozen=True, slots=True)
class PackPlan:
    """When the packs of a swap store wait.

    Attributes
    ----------
    share
        Share of the packs handed in that may wait; the others are charged at once.
    periods
        Begin [min of the day] and price [CNY/kWh] of the periods of a day, in their order; the first begins at 0.
    reserve
        Charged packs kept beside what is expected, share of the packs of the store.
    expected_per_h
        Swaps expected in each hour of the week; none if empty.
    """

    share: float
    periods: tuple[tuple[int, float], ...]
    reserve: float
    expected_per_h: tuple[float, ...] = ()
    #: Swaps expected from Monday 00:00 to each hour.
    _upto: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        begins = [begin for begin, _ in self.periods]
        if not begins or begins[0] != 0 or sorted(set(begins)) != begins or begins[-1] >= _DAY_MIN:
            msg = f"periods of a pack plan must begin at 0 and rise within a day, got begins at {begins}"
            raise ChargingError(msg)
        if not (0.0 <= self.share <= 1.0 and self.reserve >= 0.0):
            msg = f"share={self.share} of a pack plan must lie in 0 to 1 and reserve={self.reserve} must not be negative"
            raise ChargingError(msg)
        rates = self.expected_per_h
        if rates and (len(rates) != _HOURS or not all(0.0 <= rate < math.inf for rate in rates)):
            msg = f"expected_per_h needs {_HOURS} finite values that are not negative, got {len(rates)}"
            raise ChargingError(msg)
        object.__setattr__(self, "_upto", tuple(accumulate(rates, initial=0.0)))

    def cheaper_at(self, now: float) -> float | None:
        """Return the time from which a kWh costs less than now [min]; None where it never does.

        Parameters
        ----------
        now
            Time [min].

        Examples
        --------
        >>> plan = PackPlan(1.0, ((0, 0.3), (420, 0.6), (1020, 1.1), (1140, 0.6)), 0.0)
        >>> [plan.cheaper_at(at) for at in (60.0, 500.0, 1020.0, 1140.0)]
        [None, 1440.0, 1140.0, 1440.0]
        """
        at, first = self._period(now)
        price = self.periods[at][1]
        for step in range(1, len(self.periods)):
            days, k = divmod(at + step, len(self.periods))
            begin, other = self.periods[k]
            if other < price:
                return first + days * _DAY_MIN + begin
        return None

    def next_period(self, now: float) -> float:
        """Return the begin of the period after the present one [min].

        Parameters
        ----------
        now
            Time [min].
        """
        at, first = self._period(now)
        return first + (self.periods[at + 1][0] if at + 1 < len(self.periods) else _DAY_MIN)

    def expected(self, start_min: float, end_min: float) -> float:
        """Return the swaps expected between two times.

        Parameters
        ----------
        start_min, end_min
            Times from Monday 00:00 [min]; every week is like the other.
        """
        return self._until(end_min) - self._until(start_min) if self.expected_per_h else 0.0

    def _period(self, now: float) -> tuple[int, float]:
        """Return the index of the period and the begin of its day."""
        days = now // _DAY_MIN
        minute = now - days * _DAY_MIN
        return bisect_right(self.periods, minute, key=lambda period: period[0]) - 1, days * _DAY_MIN

    def _until(self, now: float) -> float:
        weeks, minute = divmod(now, _WEEK_MIN)
        hour = min(_HOURS - 1, int(minute // _HOUR_MIN))
        return weeks * self._upto[-1] + self._upto[hour] + self.expected_per_h[hour] * (minute / _HOUR_MIN - hour)


def price_periods(price_cny_per_kwh: ArrayLike) -> tuple[tuple[int, float], ...]:
    """Return begin and price of the periods of a day from its price by minute; neighbours of one price are one period.

    Parameters
    ----------
    price_cny_per_kwh
        Price of each minute of the day, array ``(1440,)`` [CNY/kWh].

    Raises
    ------
    ChargingError
        If there is not one finite price for each minute.

    Examples
    --------
    >>> price_periods([0.3] * 420 + [0.6] * 1020)
    ((0, 0.3), (420, 0.6))
    """
    price = np.asarray(price_cny_per_kwh, dtype=np.float64)
    if price.shape != (int(_DAY_MIN),) or not np.isfinite(price).all():
        msg = f"a day has {_DAY_MIN:.0f} finite prices, got an array of shape {price.shape}"
        raise ChargingError(msg)
    begins = np.flatnonzero(np.diff(price, prepend=np.nan) != 0.0)
    return tuple((int(begin), float(price[begin])) for begin in begins)


class PackGate:
    """Holds the packs that wait, inside a SimPy environment.

    Parameters
    ----------
    env
        SimPy environment.
    plan
        When packs wait.
    packs
        Packs of the store.
    charge_min
        Mean time of a charge [min].
    start
        Puts a pack on charge.
    stock
        Returns the packs charged or on charge, without those that wait, and the vehicles in the queue.
    """

    def __init__(
        self,
        env: simpy.Environment,
        plan: PackPlan,
        packs: int,
        charge_min: float,
        start: Callable[[Charge], None],
        stock: Callable[[], tuple[int, int]],
    ) -> None:
        self.env, self.plan, self.charge_min, self.start, self.stock = env, plan, charge_min, start, stock
        self.reserve = plan.reserve * packs
        self.held: deque[Charge] = deque()
        #: Packs that came in, and the begin of the period at which those that wait are looked at again.
        self._came, self._timer = 0, math.inf

    def offer(self, pack: Charge) -> None:
        """Let a pack wait if it is one of the plan and can be spared, else put it on charge.

        Parameters
        ----------
        pack
            The charge it needs.
        """
        self._came += 1
        # every so many-th pack: no random numbers, so that all else of a run stays
        share, now = self.plan.share, float(self.env.now)
        if math.floor(self._came * share) == math.floor((self._came - 1) * share):
            self.start(pack)
            return
        self.held.append(pack)
        self._release(now)
        if self.held:
            self._wait(now)

    def review(self) -> None:
        """Put on charge what can no longer be spared."""
        self._release(float(self.env.now))

    def _short(self, now: float) -> bool:
        """Return whether the stock does not cover what is expected."""
        until = self.plan.cheaper_at(now)
        if until is None:
            return True
        stock, queue = self.stock()
        return stock < queue + self.reserve + self.plan.expected(now, until + self.charge_min)

    def _release(self, now: float) -> None:
        while self.held and self._short(now):
            self.start(self.held.popleft())

    def _wait(self, now: float) -> None:
        if self._timer == math.inf:
            self._timer = self.plan.next_period(now)
            self.env.timeout(self._timer - float(self.env.now)).callbacks.append(self._price_changes)

    def _price_changes(self, _: simpy.Event) -> None:
        # the time that was set, not the clock, which rounding may leave a hair before the new price
        now, self._timer = self._timer, math.inf
        self._release(now)
        if self.held:
            self._wait(now)
