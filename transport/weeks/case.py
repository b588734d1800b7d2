"""One system in one week, ready to be simulated anywhere, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from fleets.records import DAY_MIN
from fleets.replications import interval
from transport.params import seed_for

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    import polars as pl

    from fleets.records import FleetResult
    from fleets.tariff import Tariff


class Measure(NamedTuple):
    """A statistic with its interval over the replications; ends are missing where there is only one."""

    value: float
    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True)
class CaseResult:
    """What the simulation of a case gives.

    Attributes
    ----------
    result
        The replications of the system as it is planned.
    variants
        The same demand under another rule (common random numbers), by name; ``unmanaged`` = everybody charges at once.
    more
        Statistics beside those of the summary of the result, by name.
    tables
        Further tables by name, for example the Gantt table of a depot; first replication only where they list single vehicles. The columns
        system, week, area and place are put before theirs.
    """

    result: FleetResult
    variants: Mapping[str, FleetResult] = field(default_factory=dict)
    more: Mapping[str, Measure] = field(default_factory=dict)
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One system in one week, ready to run; it carries everything, so that any worker returns the same.

    Attributes
    ----------
    system, area, place, week
        Codes; ``place`` is the airport, station or port, empty where the system is the whole prefecture.
    simulate
        Top-level function that runs the case (it is sent to spawned processes).
    given
        What that function needs: plain numbers, arrays and frozen dataclasses.
    seed, replications, warmup_days, step_min, confidence
        Of the method.
    tariff, monday
        Tariff of the energy and the Monday the week begins on.
    represented
        Vehicles, ships or units of the year model that the case stands for.
    sites
        Sites (depots) that are simulated; each replication is one of them where this is more than 1.
    """

    system: str
    area: str
    place: str
    week: str
    simulate: Callable[[Case], CaseResult]
    given: Mapping[str, Any]
    seed: int
    replications: int
    warmup_days: int
    step_min: int
    confidence: float
    tariff: Tariff
    monday: datetime
    represented: float
    sites: int = 1
    more: Mapping[str, Measure] = field(default_factory=dict)

    def seeds(self) -> list[np.random.SeedSequence]:
        """Return one named seed per replication."""
        name = ":".join(part for part in ("simulate", self.system, self.area, self.place, self.week) if part)
        return [seed_for(self.seed, name, r) for r in range(self.replications)]

    def common(self) -> dict[str, Any]:
        """Return the arguments that every simulation of a week takes."""
        return {
            "seeds": self.seeds(),
            "warmup_min": self.warmup_days * DAY_MIN,
            "step_min": self.step_min,
            "confidence": self.confidence,
        }


Builder: TypeAlias = Callable[..., Case]


def measured(values: Sequence[float], unit: str, confidence: float) -> Measure:
    """Return the mean over the replications with the interval of the mean; both ends are missing for a single replication.

    Parameters
    ----------
    values
        One value per replication.
    unit
        Its unit.
    confidence
        Level of the interval.
    """
    if len(values) < 2:
        return Measure(float(values[0]), None, None, unit)
    mean, low, high = interval(values, confidence)
    # as in the summaries: what is never negative and a share that never exceeds 1 keep to that in their intervals
    if min(values) >= 0.0:
        low = max(low, 0.0)
    if unit == "dimensionless" and max(values) <= 1.0:
        high = min(high, 1.0)
    return Measure(mean, low, high, unit)


def exact(value: float, unit: str) -> Measure:
    """Return a number that does not vary between replications: both ends are the value."""
    return Measure(float(value), float(value), float(value), unit)
