"""Opportunity charging: a block as round trips, with a short charge in the layovers at plugs of the termini.

The plugs of the termini have a queue of their own. A bus leaves them on time if it has what the next round trip needs; if not it stays until it
has, at most for the tolerance, and then gives up the rest of its block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleets.errors import BlockError
from fleets.station import ChargingSite, Plugs

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from fleets.battery import Battery

#: State of charge that rounding may leave open.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Terminus:
    """Charging at termini.

    Attributes
    ----------
    share
        Share of the buses that charge there.
    plugs
        Their plugs at all termini together.
    round_trip_min
        Time of one round trip with its layovers [min]; a block has a whole number of them.
    layover_share
        Part of it that the bus stands at the terminus with plugs.
    """

    share: float
    plugs: Plugs
    round_trip_min: float
    layover_share: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.share <= 1.0 and self.round_trip_min > 0.0 and 0.0 <= self.layover_share < 1.0):
            msg = (
                f"share={self.share} must lie in 0 to 1, round_trip_min={self.round_trip_min} be positive and "
                f"layover_share={self.layover_share} lie in 0 to below 1"
            )
            raise BlockError(msg)


class Route:
    """Termini of one depot inside a SimPy environment."""

    def __init__(
        self, env: simpy.Environment, terminus: Terminus, battery: Battery, socs: tuple[float, float], tolerance_min: float
    ) -> None:
        self.env, self.terminus, self.battery, self.tolerance_min = env, terminus, battery, tolerance_min
        self.target, self.reserve = socs
        self.site = ChargingSite(env, "terminus", terminus.plugs)
        #: Energy out of the batteries on round trips that have ended [kWh].
        self.driven_kwh = 0.0

    def trips(self, minutes: float) -> int:
        """Return the round trips of a block."""
        return max(1, round(minutes / self.terminus.round_trip_min))


def round_trips(
    route: Route, socs: list[float], log: list[tuple[Any, ...]], bus: int, block: tuple[float, float, float, float]
) -> Generator[simpy.Event, Any, None]:
    """Drive a block as round trips with charges in the layovers.

    Parameters
    ----------
    route
        Termini.
    socs
        State of charge by bus; it is kept up to date after every trip and charge.
    log
        Records of blocks; the row of this block is put in on departure, without an end, and set right on return.
    bus
        Number of the bus.
    block
        Planned start and end [min], distance [km] and energy [kWh].

    Yields
    ------
    event
        Trips, layovers and charges.

    Notes
    -----
    The timetable of the trips stands: a late bus has a shorter layover. The last trip ends at the depot. A block that is given up has two rows,
    what was driven (``served``) and what was not (``cut_short``).
    """
    env, battery, rule = route.env, route.battery, route.terminus
    start, end, km, kwh = block
    trips = route.trips(end - start)
    length = (end - start) / trips
    each, left = kwh / trips, float(env.now)
    row = len(log)
    log.append((bus, start, left, None, left - start, km, kwh, "served"))
    done = 0
    for trip in range(1, trips + 1):
        yield env.timeout(length * (1.0 - rule.layover_share))
        socs[bus] -= each / battery.capacity_kwh
        route.driven_kwh += each
        done = trip
        due = start + trip * length
        if trip < trips:
            need = route.reserve + each / battery.capacity_kwh
            if env.now < due:
                socs[bus] = yield from route.site.charge(bus, battery, socs[bus], route.target, leave_min=due)
            if socs[bus] < need and env.now < due + route.tolerance_min:
                # past its time it takes no more than the next trip needs
                patience = due + route.tolerance_min
                socs[bus] = yield from route.site.charge(bus, battery, socs[bus], need, leave_min=patience)
            if socs[bus] < need - _ROUNDING:
                break
        if env.now < due:
            yield env.timeout(due - env.now)
    now, share = float(env.now), done / trips
    delay = max(left - start, now - (start + done * length))
    log[row] = (bus, start, left, now, delay, km * share, kwh * share, "served")
    if done < trips:
        log.append(
            (
                bus,
                start + done * length,
                None,
                None,
                now - (start + done * length),
                km * (1.0 - share),
                kwh * (1.0 - share),
                "cut_short",
            )
        )
