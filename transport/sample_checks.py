"""Values of a year from a scenario's models, and the self-checks of the weeks that every run samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from transport.self_check import SCHEMA, self_checks
from transport.simulations import SAMPLE
from transport.study import model_parts
from transport.week_values import WEEKS, week_tariff
from transport.weeks import airports, bus_depots, taxis
from transport.weeks.province import year_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.week_values import WeekValues
    from transport.weeks.case import Builder
    from transport.weeks.province import Progress

_CASES: dict[str, Builder] = {"bus_depot": bus_depots.case, "taxi_city": taxis.case, "airport": airports.case}


def values_of(inputs: Inputs, scenario: Scenario, year: int, systems: Sequence[str] = ()) -> tuple[Inputs, WeekValues]:
    """Return the tables of a scenario and what its weeks of a year read: fleets of the stock model, freight at the fixed speed.

    Parameters
    ----------
    inputs, scenario
        Data and scenario.
    year
        Year of the fleets.
    systems
        Systems whose weeks are wanted, for what they need of other models.
    """
    parts = model_parts(replace(scenario, simulate="none", capacity="fixed", draws=1), inputs, response=False)
    return parts.inputs, year_values(parts.inputs, parts.params, parts, year, systems)


def sample_checks(inputs: Inputs, scenario: Scenario, year: int, *, progress: Progress | None = None) -> pl.DataFrame:
    """Return the self-checks of the weeks that a run samples: one depot, one taxi city, one airport.

    Parameters
    ----------
    inputs, scenario
        Data and scenario.
    year
        Year of the fleets.
    progress
        Called with (weeks done, weeks, step) before every week.
    """
    tables, read = values_of(inputs, scenario, year)
    tariff = week_tariff(tables, read)
    found = [pl.DataFrame(schema=SCHEMA)]
    asked = [(place, week) for place in SAMPLE for week in WEEKS]
    for step, ((system, area, place), week) in enumerate(asked):
        if progress is not None:
            progress(step, len(asked), f"{system} {area} {week}")
        case = _CASES[system](read, area, place, week, level="sample", seed=scenario.seed, tariff=tariff)
        found.append(self_checks(case, case.simulate(case)))
    return pl.concat(found)
