"""How much equipment and how many plugs an airport needs: fewest units of each kind, then fewest plugs, for the same week."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from fleets.errors import FleetError
from fleets.sizing import smallest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleets.airport import AirportResult, Equipment
    from fleets.station import Plugs

#: What a fleet and its plugs give in a week that is the same for all.
Run: TypeAlias = "Callable[[Sequence[Equipment], Plugs], AirportResult]"
_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What is called enough.

    Attributes
    ----------
    missed_share
        Largest share of turnarounds with a task missed by the fleet.
    delay_mean_min
        Largest mean delay of a departure by missing equipment [min].
    """

    missed_share: float
    delay_mean_min: float

    def __post_init__(self) -> None:
        if not (self.missed_share > 0.0 and self.delay_mean_min > 0.0):
            msg = f"missed_share={self.missed_share} and delay_mean_min={self.delay_mean_min} must be positive"
            raise FleetError(msg)

    def excess(self, found: AirportResult) -> float:
        """Return the largest statistic over its limit; 1 or less is enough."""
        result = found.result
        return max(result.value("missed_share") / self.missed_share, result.value("delay_mean_min") / self.delay_mean_min)


@dataclass(frozen=True)
class Required:
    """What an airport needs.

    Attributes
    ----------
    equipment, plugs
        Fewest units by kind, and fewest plugs with them.
    feasible
        Whether the limits are met.
    found
        The week with them.
    evaluations
        Weeks that were simulated.
    """

    equipment: tuple[Equipment, ...]
    plugs: Plugs
    feasible: bool
    found: AirportResult
    evaluations: int

    @property
    def units(self) -> int:
        """Return the units of all kinds."""
        return sum(e.units for e in self.equipment)


def required_equipment(run: Run, equipment: Sequence[Equipment], plugs: Plugs, limits: ServiceLimits) -> Required:
    """Return the fewest units of each kind, all electric, and the fewest plugs with them that keep service limits.

    Parameters
    ----------
    run
        Fleet and plugs -> week; it must see the same random numbers every time.
    equipment
        Kinds and batteries; their units are where the search begins.
    plugs
        Power and losses of a plug; the number is searched for.
    limits
        What is called enough.

    Returns
    -------
    Required
        One unit less of any kind, or one plug less, breaks a limit (unless a kind has none left to take away); a fleet has at least one plug.

    Raises
    ------
    FleetError
        If there is no equipment.

    Notes
    -----
    First with a plug for every unit. Kinds are brought near their need together, each with its part of the limits; then each in turn is taken
    down as far as the limits of the whole allow. What was small enough before stays so when another kind becomes scarcer, so one round is
    enough. Plugs come last: with the fewest units there is hardly any slack for waiting at plugs.
    """
    if not equipment:
        msg = "there is no equipment to size"
        raise FleetError(msg)
    fleet = [replace(e, units=max(1, e.units), electric=None) for e in equipment]
    count = 0

    def week(units: Sequence[int], number: int | None = None) -> AirportResult:
        nonlocal count
        count += 1
        own = [replace(e, units=n) for e, n in zip(fleet, units, strict=True)]
        return run(own, replace(plugs, count=sum(units) if number is None else number))

    parts = len(fleet)
    high, low, enough = [e.units for e in fleet], [-1] * parts, [False] * parts
    for _ in range(_DOUBLINGS):
        enough = _enough(week(high), fleet, limits)
        if all(enough):
            break
        low = [n if not e else b for n, e, b in zip(high, enough, low, strict=True)]
        high = [n if e else 2 * n for n, e in zip(high, enough, strict=True)]
    while any(h - b > 1 for h, b in zip(high, low, strict=True)) and all(enough):
        middle = [(h + b) // 2 if h - b > 1 else h for h, b in zip(high, low, strict=True)]
        fine = _enough(week(middle), fleet, limits)
        high = [m if f else h for m, f, h in zip(middle, fine, high, strict=True)]
        low = [m if not f and h - b > 1 else b for m, f, h, b in zip(middle, fine, high, low, strict=True)]
    units = high
    # what was enough beside plenty of the others may be a little short beside the fewest
    for _ in range(_DOUBLINGS):
        if limits.excess(week(units)) <= 1.0:
            break
        units = [n + max(1, n // 10) for n in units]
    for k in range(parts):
        least = smallest(
            lambda n, k=k: limits.excess(week([*units[:k], n, *units[k + 1 :]])),  # type: ignore[misc]
            low=0,
            high=units[k],
            limit=1.0,
            start=max(0, units[k] - 1),
        )
        if least.feasible:
            units[k] = least.size
    most = sum(units)
    # full batteries may last a week: without a plug they would not last the next
    fewest = min(1, most)
    at_plugs = smallest(lambda n: limits.excess(week(units, n)), low=fewest, high=most, limit=1.0, start=max(1, most // 3))
    number = at_plugs.size if at_plugs.feasible else most
    found = week(units, number)
    return Required(
        equipment=tuple(replace(e, units=n) for e, n in zip(fleet, units, strict=True)),
        plugs=replace(plugs, count=number),
        feasible=limits.excess(found) <= 1.0,
        found=found,
        evaluations=count,
    )


def _enough(found: AirportResult, fleet: Sequence[Equipment], limits: ServiceLimits) -> list[bool]:
    """Return for each kind whether it keeps its part of the limits."""
    result, parts = found.result, len(fleet)
    tasks = result.blocks.filter(pl.col("asked_min") >= 0)
    turnarounds = max(1, tasks.select("replication", "turnaround").n_unique())
    missed = tasks.filter(pl.col("state") == "missed").group_by("kind").agg(pl.struct("replication", "turnaround").n_unique())
    missing = dict(missed.iter_rows())
    departures = max(1.0, result.value("turnarounds"))
    return [
        missing.get(e.kind, 0) / turnarounds <= limits.missed_share / parts
        and result.value(f"delay_{e.kind}_min") / departures <= limits.delay_mean_min / parts
        for e in fleet
    ]
