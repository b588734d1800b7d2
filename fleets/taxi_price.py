"""Taxi drivers who keep away from the dear hours: they charge before them or drive on until they are over, as far as the battery lets them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleets.errors import ChargingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_DAY_MIN = 1440.0


@dataclass(frozen=True, slots=True)
class PriceReaction:
    """How some drivers at plugs answer the price.

    Attributes
    ----------
    share
        Share of the drivers at plugs who do.
    windows
        Dear hours of every day (begin, end) [min]; one over midnight ends after 1440.
    floor_soc
        State of charge above which they put a charge off.
    ceiling_soc
        State of charge up to which they charge ahead of the dear hours.
    """

    share: float
    windows: tuple[tuple[float, float], ...]
    floor_soc: float
    ceiling_soc: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.share <= 1.0 and 0.0 <= self.floor_soc <= self.ceiling_soc <= 1.0):
            msg = (
                f"a reaction to prices needs a share from 0 to 1 and 0 <= floor_soc <= ceiling_soc <= 1, "
                f"got {self.share}, {self.floor_soc}, {self.ceiling_soc}"
            )
            raise ChargingError(msg)
        if any(not 0.0 <= begin < end <= begin + _DAY_MIN for begin, end in self.windows):
            msg = f"dear hours must begin at or after 0 and end within a day, got {self.windows}"
            raise ChargingError(msg)

    def window(self, start_min: float, end_min: float) -> tuple[float, float] | None:
        """Return the first dear hours that a charge touches [min]; None if it touches none.

        Parameters
        ----------
        start_min, end_min
            Begin and end of the charge [min].
        """
        day = (start_min // _DAY_MIN - 1.0) * _DAY_MIN
        found = [
            (day + shift + begin, day + shift + end) for shift in (0.0, _DAY_MIN, 2.0 * _DAY_MIN) for begin, end in self.windows
        ]
        touched = [(begin, end) for begin, end in found if begin < end_min and end > start_min]
        return min(touched, default=None)

    def moved_end(
        self, now: float, end: float, soc_at: Callable[[float], float], charge_min: Callable[[float], float], way_min: float
    ) -> float:
        """Return when a driver leaves the road for a charge, planned or moved by the least that keeps it out of the dear hours [min].

        Parameters
        ----------
        now
            Begin of the stretch [min].
        end
            Planned end of the stretch [min].
        soc_at
            State of charge of the taxi at a time of the stretch if it drives on.
        charge_min
            Minutes of a charge from a state of charge.
        way_min
            Minutes from the road to the plug.

        Notes
        -----
        Later: the driver is at the plug when the dear hours end, if the state of charge is not below the floor when he leaves the road. Earlier: the
        charge has ended when they begin (its time as planned, which is too long for the fuller battery), if the state of charge is not above the
        ceiling. Where neither is possible he charges as planned.
        """
        need = charge_min(soc_at(end))
        dear = self.window(end + way_min, end + way_min + need)
        if dear is None:
            return end
        earlier, later = dear[0] - need - way_min, dear[1] - way_min
        before = end - earlier if earlier > now and soc_at(earlier) <= self.ceiling_soc else math.inf
        after = later - end if soc_at(later) >= self.floor_soc else math.inf
        if before == after == math.inf:
            return end
        return earlier if before < after else later


def who_reacts(reaction: PriceReaction | None, at_plugs: NDArray[np.bool_], rng: np.random.Generator) -> list[bool]:
    """Return which taxis react to the price: the share of those at plugs, rounded; a larger share holds those of a smaller one.

    Parameters
    ----------
    reaction
        How they react; nobody does if None.
    at_plugs
        Whether each taxi charges at plugs, array ``(taxi,)``.
    rng
        Random numbers of the choice.
    """
    found = np.zeros(at_plugs.size, dtype=np.bool_)
    if reaction is not None and reaction.windows:
        drivers = np.flatnonzero(at_plugs)
        found[rng.permutation(drivers)[: round(reaction.share * drivers.size)]] = True
    chosen: list[bool] = found.tolist()
    return chosen
