"""Travel of residents in the central cities: trips by segment, nested choice of mode around base shares, congestion.

All shares are of all trips of residents, all day. Trips are conserved: a lever moves trips between modes, never makes or kills them.
The parts stand in ``transport/cities``; this module puts the cities together and makes the indicators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from transport.cities.base_shares import base_shares, over, seed_shares
from transport.cities.break_even import break_even_shares, green_of
from transport.cities.calibrate import target_cities
from transport.cities.choice import nest_coefficients
from transport.cities.demand import based_demand, demand_anchors
from transport.cities.elasticities import elasticity_frame, no_elasticities
from transport.cities.flows import city_flows
from transport.cities.layout import GREEN, MODES, MOTORISED, SEGMENTS
from transport.cities.roads import city_roads
from transport.cities.segments import city_residents, prefectures
from transport.cities.service import service_terms
from transport.cities.traffic import car_time_index
from transport.layout import BASE_YEAR, NORMAL_YEAR, PROVINCE, year_index
from transport.passengers import Anchor, fit_table
from transport.targets import CITY_TARGET, with_cities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.cities.demand import BaseShares
    from transport.cities.elasticities import CaseSource
    from transport.cities.flows import CityFlows
    from transport.cities.layout import CityDemand
    from transport.cities.traffic import CityTravel
    from transport.inputs import Inputs, Target
    from transport.params import Params

__all__ = [
    "GREEN",
    "MODES",
    "MOTORISED",
    "TARGET_YEAR",
    "TravelOutcome",
    "base_shares",
    "car_time_index",
    "city_residents",
    "model_travel",
    "plan_targets",
    "prefectures",
]

TARGET_YEAR = 2030
#: Years of the trips by segment.
SEGMENT_YEARS = (2020, 2025, 2030, 2035)
#: Years that the break-even share is solved for.
_BREAK_EVEN_YEARS = (NORMAL_YEAR, BASE_YEAR, TARGET_YEAR)

_NORMAL = year_index(NORMAL_YEAR)


@dataclass(frozen=True, slots=True)
class TravelOutcome:
    """City travel of one run.

    Attributes
    ----------
    areas
        Prefecture codes; the figures are those of the central city of each.
    modes
        Order of the mode axis.
    share
        Share of all trips of residents [dimensionless], array [area, mode, draw, year].
    trips
        Trips of residents [trip/yr], array [area, mode, draw, year].
    pkm
        Passenger-km of residents [pkm/yr], array [area, mode, draw, year].
    vehicle_km
        Vehicle-km that follow from the trips, empty running counted [veh-km/yr], array [area, mode of ROAD_MODES, draw, year].
    green_share
        Green travel share [dimensionless], array [area, draw, year]; with e-bikes if their parameter row says so.
    green_share_without_e_bike
        The same without e-bikes, array [area, draw, year].
    peak_green_share
        The same of the trips in the peak hours only, array [area, draw, year].
    season_green_share
        The same by season, array [area, season, draw, year]; cold before warm.
    transit_share_of_motorised
        Bus and metro among motorised trips [dimensionless], array [area, draw, year].
    break_even_base_share
        Green share of 2020 with which the green share of 2030 would be exactly the target, everything else equal, array [area, draw].
    break_even_normal_share
        The same share as of 2019, the year of the base shares and the last before the pandemic, array [area, draw].
    has_target
        Whether the central city has more residents than the plan's threshold, by area.
    car_time_index
        Travel time by car against 2019 [dimensionless], array [area, draw, year].
    fit
        Ridership and trip lengths observed against modelled.
    segments
        Trips [trip/yr] and passenger-km [pkm/yr] of the first draw by area, purpose, person group, length band and mode, in some years.
    elasticities
        Elasticities that the model implies beside those of the literature, and published cases; no rows if only some areas were asked for
        or no city has a target.
    """

    areas: tuple[str, ...]
    modes: tuple[str, ...]
    share: NDArray[np.float64]
    trips: NDArray[np.float64]
    pkm: NDArray[np.float64]
    vehicle_km: NDArray[np.float64]
    green_share: NDArray[np.float64]
    green_share_without_e_bike: NDArray[np.float64]
    peak_green_share: NDArray[np.float64]
    season_green_share: NDArray[np.float64]
    transit_share_of_motorised: NDArray[np.float64]
    break_even_base_share: NDArray[np.float64]
    break_even_normal_share: NDArray[np.float64]
    has_target: Mapping[str, bool]
    car_time_index: NDArray[np.float64]
    fit: pl.DataFrame
    segments: pl.DataFrame
    elasticities: pl.DataFrame


#: City by city: what its travel was made of and what came of it.
TravelMemory: TypeAlias = "dict[str, tuple[BaseShares, CityFlows]]"


def model_travel(
    inputs: CaseSource,
    params: Params,
    areas: Sequence[str] | None = None,
    *,
    light: bool = False,
    break_even: bool = True,
    memory: TravelMemory | None = None,
) -> TravelOutcome:
    """Model the mode shares of all trips of residents in the central cities.

    Parameters
    ----------
    inputs
        Tables ``codes``, ``demand/population``, ``demand/metro_lines`` and ``observed/climate``; ``observed/passengers`` and
        ``observed/cities`` for the fit; the parameter rows and ``demand/travel_cases`` for the elasticities.
    params
        Parameters with the levers of the run applied.
    areas
        Prefecture codes; all by default. The figures of a city do not depend on which others are asked for.
    light
        Whether to leave out what only the tables of a run need: its segments, fit and elasticities, and the break-even shares of cities
        without a target, which are then not a number.
    break_even
        Whether to look for the break-even shares at all.
    memory
        Cities modelled before, with as many draws; draws and years that are alike are taken from there. What is modelled is put in.

    Returns
    -------
    TravelOutcome
        Shares, trips and kilometres [area, mode, draw, year] with the indicators made of them.

    Raises
    ------
    ValueError
        If an area is not a prefecture of the province, the census lacks it, or a parameter leaves its range.
    ArithmeticError
        If congestion reaches no fixed point or no base share leads to the target.

    Notes
    -----
    Trips by purpose, person group and length (:mod:`transport.cities.demand`), changes of utility against 2019
    (:mod:`transport.cities.service`), shares by an incremental nested logit (:func:`transport.cities.choice.nested_shares`) and car time at
    the fixed point of congestion (:func:`transport.cities.flows.city_flows`), city by city.
    """
    known = prefectures(inputs.table("codes"))
    chosen = known if areas is None else tuple(areas)
    if unknown := [a for a in chosen if a not in known]:
        msg = f"no prefecture {', '.join(unknown)}; the codes are {', '.join(known)}"
        raise ValueError(msg)
    theta = nest_coefficients(params)
    e_bike = params.get("e_bike_counts_as_cycling")
    bound = target_cities(inputs, params, chosen)
    has_target = {area: area in bound for area in chosen}
    seed, memory = seed_shares(params), {} if memory is None else memory
    demands, flows = [], []
    for area in chosen:
        based, before = memory.get(area, (None, None))
        demand, based = based_demand(inputs, params, area, seed=seed, known=based)
        made = city_flows(demand, service_terms(inputs, params, area), city_roads(inputs, params, area), theta, before)
        demands.append(demand)
        flows.append(made)
        memory[area] = based, made
    indicators = [_indicators(city.travel, e_bike) for city in flows]
    joined = {name: np.stack([city[name] for city in indicators]) for name in indicators[0]}
    goal = params.get("green_travel_target_share")[:, year_index(TARGET_YEAR)]
    counts = e_bike[:, [year_index(y) for y in _BREAK_EVEN_YEARS]]
    normal, base = np.full((2, len(chosen), params.draws), np.nan)
    if asked := [k for k, area in enumerate(chosen) if break_even and (has_target[area] or not light)]:
        normal[asked], base[asked] = break_even_shares([flows[k] for k in asked], counts, goal, TARGET_YEAR)
    outcome = TravelOutcome(
        areas=chosen,
        modes=MODES,
        **joined,
        break_even_base_share=base,
        break_even_normal_share=normal,
        has_target=has_target,
        fit=fit_table([], inputs),
        segments=_no_segments(),
        elasticities=no_elasticities(),
    )
    return outcome if light else _with_tables(outcome, inputs, params, demands, flows, whole=areas is None)


def _with_tables(
    outcome: TravelOutcome,
    inputs: CaseSource,
    params: Params,
    demands: Sequence[CityDemand],
    flows: Sequence[CityFlows],
    *,
    whole: bool,
) -> TravelOutcome:
    """Return an outcome with the tables of its first draw; the elasticities only for the whole province."""
    anchors = _anchors(params, outcome.areas, outcome.trips)
    anchors += [anchor for demand in demands for anchor in demand_anchors(inputs, params, demand)]
    elasticities = outcome.elasticities
    # nothing to hold against the literature where the plan's promise reaches no city
    if whole and any(outcome.has_target.values()):
        kept = [(d, f.running) for d, f in zip(demands, flows, strict=True) if outcome.has_target[d.area]]
        elasticities = elasticity_frame(inputs, params, [d for d, _ in kept], [r for _, r in kept])
    return replace(
        outcome,
        fit=fit_table(anchors, inputs),
        segments=pl.concat([_segments(f.travel, d) for f, d in zip(flows, demands, strict=True)]).sort(
            "year", "area", maintain_order=True
        ),
        elasticities=elasticities,
    )


def plan_targets(inputs: Inputs) -> tuple[Target, ...]:
    """Return the targets of the data with one green travel target for every city above the plan's number of residents.

    Parameters
    ----------
    inputs
        Targets, parameter rows, tables ``codes`` and ``demand/population``.
    """
    if all(target.id != CITY_TARGET for target in inputs.targets):
        return inputs.targets
    return with_cities(inputs.targets, target_cities(inputs, inputs.params()))


def _segments(city: CityTravel, demand: CityDemand) -> pl.DataFrame:
    """Return the trips of the first draw by segment and mode in the years of the table; rows without trips are left out."""
    years = [year_index(y) for y in SEGMENT_YEARS]
    # season by season, in order, as everywhere
    trips = over(demand.season_share[:, None, None, :1, None] * city.share[:, :, :, :1, years], 0)[:, :, 0]
    trips = np.moveaxis(trips * demand.trips[:, None, 0, years], -1, 0)
    n_mode, n_year = len(MODES), len(years)
    keys = {
        name: np.tile(np.repeat([segment[k] for segment in SEGMENTS], n_mode), n_year)
        for k, name in enumerate(("purpose", "person_group", "length_band"))
    }
    made = pl.DataFrame(
        {
            "year": np.repeat(SEGMENT_YEARS, len(SEGMENTS) * n_mode),
            "area": [city.area] * trips.size,
            **keys,
            "mode": np.tile(MODES, len(SEGMENTS) * n_year),
            "trips": trips.ravel(),
            "pkm": (trips * demand.length_km[None, :, :1]).ravel(),
        }
    )
    return made.filter(pl.col("trips") > 0)


def _no_segments() -> pl.DataFrame:
    """Return the table of segments without rows."""
    texts = dict.fromkeys(("area", "purpose", "person_group", "length_band", "mode"), pl.String)
    return pl.DataFrame(schema={"year": pl.Int64, **texts, "trips": pl.Float64, "pkm": pl.Float64})


def _indicators(city: CityTravel, e_bike: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the figures of one city by field of the outcome."""
    total, peak, seasons = over(city.trips, 0), over(city.peak_trips, 0), over(city.season_trips, 1)
    motorised = over(city.trips[[MODES.index(m) for m in MOTORISED]], 0)
    transit = city.trips[MODES.index("bus")] + city.trips[MODES.index("metro")]
    return {
        "share": city.trips / total,
        "trips": city.trips,
        "pkm": city.pkm,
        "vehicle_km": city.vehicle_km,
        "green_share": green_of(city.trips, e_bike) / total,
        "green_share_without_e_bike": green_of(city.trips, np.zeros_like(e_bike)) / total,
        "peak_green_share": green_of(city.peak_trips, e_bike) / peak,
        "season_green_share": np.stack([green_of(s, e_bike) / n for s, n in zip(city.season_trips, seasons, strict=True)]),
        "transit_share_of_motorised": transit / motorised,
        "car_time_index": city.car_time_index,
    }


# ---- observed against modelled ----

#: Ridership: area, mode, year, series, period, how the model uses it. Rows that shaped a base share or a recovery are in sample.
_RIDERSHIP: tuple[tuple[str, str, int, str, str, str], ...] = (
    ("210100", "bus", 2020, "urban_ridership", "2020", "calibration"),
    ("210100", "bus", 2021, "urban_ridership", "2021", "calibration"),
    ("210100", "bus", 2022, "urban_ridership", "2022", "validation"),
    ("210100", "metro", 2019, "urban_ridership", "2019", "calibration"),
    ("210100", "metro", 2020, "urban_ridership", "2020", "calibration"),
    ("210100", "metro", 2021, "urban_ridership", "2021", "validation"),
    ("210100", "metro", 2022, "urban_ridership", "2022", "validation"),
    ("210100", "metro", 2024, "urban_ridership", "2024", "validation"),
    ("210100", "taxi", 2021, "urban_ridership", "2021", "calibration"),
    ("210100", "taxi", 2022, "urban_ridership", "2022", "validation"),
    ("210200", "bus", 2021, "urban_ridership", "2022", "calibration"),
    ("210200", "metro", 2019, "urban_ridership", "2019", "calibration"),
    ("210200", "metro", 2023, "urban_ridership", "2023", "validation"),
    (PROVINCE, "bus", 2025, "urban_ridership_annualised", "2025", "validation"),
)


def _anchors(params: Params, areas: tuple[str, ...], trips: NDArray[np.float64]) -> list[Anchor]:
    """Return the ridership comparisons (boardings) in the order of the fit table."""
    found = []
    for area, mode, year, series, period, used_for in _RIDERSHIP:
        if area != PROVINCE and area not in areas:
            continue
        made = trips[:, MODES.index(mode)].sum(axis=0) if area == PROVINCE else trips[areas.index(area), MODES.index(mode)]
        boardings = (made * params.get("boardings_per_trip", mode))[:, year_index(year)]
        keys = {"series": series, "area": area, "period": period, "item": mode}
        part = "rail" if mode == "metro" else "road"
        found.append(
            Anchor(f"ridership, {area} {mode}", part, year, "observed/passengers", keys, used_for, "territory", boardings)
        )
    return found
