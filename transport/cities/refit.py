"""Fit of what service does not explain about ridership since 2020; offline, its result stands in the rows ``travel_preference_recovery``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport.cities.choice import nest_coefficients
from transport.cities.demand import city_demand
from transport.cities.flows import city_flows
from transport.cities.layout import MODES
from transport.cities.metro import metro_length_km
from transport.cities.roads import city_roads
from transport.cities.service import service_terms
from transport.layout import NORMAL_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.cities.layout import Array
    from transport.params import Params
    from transport.passengers import TableSource

#: Table of the ridership that the rows are fitted to, and the parameter that they are rows of.
TABLE, PREFERENCE = "demand/ridership_targets", "travel_preference_recovery"
TOLERANCE = 1e-6
MOST_ITERATIONS = 200
#: Part of the gap, as a logarithm, that one step closes: riders of a nest follow a preference more than in proportion.
_STEP = 0.5
_AGAINST = "against_"


class _Target(NamedTuple):
    """What the trips of a mode in some cities are to be in a year."""

    areas: tuple[str, ...]
    measure: str
    value: float


def refit_preferences(inputs: TableSource, params: Params) -> pl.DataFrame:
    """Return the preferences with which the model gives the ridership that they are fitted to.

    Parameters
    ----------
    inputs
        Table ``demand/ridership_targets`` and those of :func:`transport.cities.demand.city_demand` and
        :func:`transport.cities.metro.metro_length_km`.
    params
        Parameters without levers; the first draw counts. Rows between the years of the targets are linear, those of 2019 are 1.

    Returns
    -------
    frame
        Columns mode, year, areas, measure, target (trips of the year by the table [trip/yr]), row (of ``params``), fitted [dimensionless].

    Raises
    ------
    ValueError
        If a target has an unknown mode or measure, or is relative to a year that has none.
    ArithmeticError
        If no preferences give the ridership.

    Notes
    -----
    Measures: ``boardings`` of the cities [boarding/yr]; ``against_Y``, trips against those of the year Y; ``per_length``, ridership of a network
    against 2019 where its length is the same, times the length against 2019 to the power of the elasticity of ``metro_length``. The
    targets of all modes are met together, as bus, metro and taxis take riders from each other.
    """
    targets = _targets(inputs)
    areas = tuple(dict.fromkeys(area for target in targets.values() for area in target.areas))
    first = params.first()
    theta = nest_coefficients(first)
    fixed = [(city_demand(inputs, first, area), city_roads(inputs, first, area)) for area in areas]
    length = {area: metro_length_km(inputs, first, area)[0] for area in areas}
    found = {key: float(first.get(PREFERENCE, key[0])[0, year_index(key[1])]) for key in targets}
    rows = dict(found)
    for _ in range(MOST_ITERATIONS):
        moved = _with(first, found)
        made = [city_flows(d, service_terms(inputs, moved, d.area), roads, theta) for d, roads in fixed]
        trips = {flows.travel.area: flows.travel.trips[:, 0] for flows in made}
        wanted = {key: _wanted(key, targets, trips, length, first) for key in targets}
        gaps = {key: float(np.log(wanted[key] / _made(key, target, trips))) for key, target in targets.items()}
        if max(abs(gap) for gap in gaps.values()) < TOLERANCE:
            break
        found = {key: value * float(np.exp(_STEP * gaps[key])) for key, value in found.items()}
    else:
        mode, year = max(gaps, key=lambda key: abs(gaps[key]))
        msg = f"{TABLE}: no {PREFERENCE} gives the ridership of {mode} in {year}: {gaps[mode, year]:+.2e} left after {MOST_ITERATIONS} steps"
        raise ArithmeticError(msg)
    return pl.DataFrame(
        [
            {
                "mode": mode,
                "year": year,
                "areas": " ".join(target.areas),
                "measure": target.measure,
                "target": wanted[mode, year],
                "row": rows[mode, year],
                "fitted": found[mode, year],
            }
            for (mode, year), target in targets.items()
        ]
    )


def _targets(inputs: TableSource) -> dict[tuple[str, int], _Target]:
    """Return (mode, year) -> target, in the order of the table."""
    found = {}
    for row in inputs.table(TABLE).iter_rows(named=True):
        key = (row["mode"], int(row["year"]))
        known = row["measure"] in ("boardings", "per_length") or row["measure"].startswith(_AGAINST)
        if row["mode"] not in MODES or not known:
            msg = f"{TABLE}: {key[0]} in {key[1]} has the measure {row['measure']!r}; use boardings, per_length or against_YEAR of {', '.join(MODES)}"
            raise ValueError(msg)
        found[key] = _Target(tuple(row["areas"].split()), row["measure"], float(row["value"]))
    return found


def _with(params: Params, preferences: Mapping[tuple[str, int], float]) -> Params:
    """Return the parameters with other preferences: 1 in 2019, linear between the years, flat after them."""
    for mode in dict.fromkeys(mode for mode, _ in preferences):
        years = sorted(year for of, year in preferences if of == mode)
        path = np.interp(YEARS, [NORMAL_YEAR, *years], [1.0, *(preferences[mode, year] for year in years)])
        params = params.replace(PREFERENCE, mode, path[None])
    return params


def _made(key: tuple[str, int], target: _Target, trips: Mapping[str, Array]) -> float:
    """Return the trips of a mode in the cities of a target [trip/yr]."""
    mode, year = key
    return float(sum(trips[area][MODES.index(mode), year_index(year)] for area in target.areas))


def _wanted(
    key: tuple[str, int],
    targets: Mapping[tuple[str, int], _Target],
    trips: Mapping[str, Array],
    length: Mapping[str, Array],
    params: Params,
) -> float:
    """Return the trips that a target asks for [trip/yr]."""
    (mode, year), target = key, targets[key]
    if target.measure == "boardings":
        per_trip = params.get("boardings_per_trip", mode)[0, year_index(year)] if params.has("boardings_per_trip", mode) else 1.0
        return target.value / float(per_trip)
    if target.measure == "per_length":
        at, then = year_index(year), year_index(NORMAL_YEAR)
        power = params.get("travel_elasticity", "metro_length")[0, then]
        grown = {area: (length[area][at] / length[area][then]) ** power for area in target.areas}
        return float(sum(target.value * grown[area] * trips[area][MODES.index(mode), then] for area in target.areas))
    base = int(target.measure.removeprefix(_AGAINST))
    if base == NORMAL_YEAR:
        return target.value * _made((mode, base), target, trips)
    if (mode, base) not in targets or targets[mode, base].areas != target.areas:
        msg = f"{TABLE}: {mode} in {year} is relative to {base}, for which the same cities have no target"
        raise ValueError(msg)
    return target.value * _wanted((mode, base), targets, trips, length, params)
