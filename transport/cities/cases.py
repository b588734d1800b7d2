"""Published cases, none of them used in a calibration, put through the model of a city with their own inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport.cities.attributes import coefficient, damping, traveller_weights
from transport.cities.base_shares import over, rake
from transport.cities.choice import nest_coefficients
from transport.cities.demand import annual_base, city_demand
from transport.cities.layout import BANDS, MODES, SEGMENTS, TRAVELLERS
from transport.cities.roads import city_roads
from transport.cities.segments import of_area
from transport.cities.service import city_service
from transport.cities.traffic import Problem, car_time_index, fold, solve
from transport.layout import NORMAL_YEAR, QUALITY_ORDER, year_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transport.cities.layout import Array, CityDemand
    from transport.params import Params
    from transport.passengers import TableSource

#: Table of the cases and of elasticities that nothing was calibrated to.
TABLE = "demand/travel_cases"
#: City whose segments, roads and purposes stand in for those of a case.
STAND_IN = "210100"

_NORMAL = year_index(NORMAL_YEAR)
_PERCENT = 100.0
_WALK, _CYCLE, _E_BIKE, _BUS, _METRO = (MODES.index(m) for m in ("walk", "cycle", "e_bike", "bus", "metro"))
#: What was published -> the modes that it speaks of.
OUTCOMES: dict[str, tuple[str, ...]] = {
    "transit_share": ("bus", "metro"),
    "transit_trips": ("bus", "metro"),
    "bus_trips": ("bus",),
    "metro_trips": ("metro",),
    "e_bike_to_bus": ("bus",),
    "e_bike_to_car": ("taxi", "ride_hailing", "car"),
    "e_bike_to_cycle": ("cycle",),
    "road_traffic": ("taxi", "ride_hailing", "car"),
    "car_speed": ("car",),
}


def published_cases(inputs: TableSource, params: Params, demand: CityDemand | None = None) -> pl.DataFrame:
    """Return what the model says for the published cases beside what happened.

    Parameters
    ----------
    inputs
        Table ``demand/travel_cases`` and those of :func:`transport.cities.demand.city_demand`.
    params
        Parameters of the run; the first draw and the year 2019 count, so that no lever moves a case.
    demand
        Demand of the stand-in city, if it is known already.

    Returns
    -------
    frame
        Columns item (case and figure), modes, unit, modelled, published, low, high, source, quality (the weakest row of the case), note, in
        the order of the table.

    Raises
    ------
    ValueError
        If a case has an outcome that the model does not give, or a share for no mode.

    Notes
    -----
    The trips are those of the central city of Shenyang by purpose, group and length; its base shares are raked to those of the case, its
    roads stand in for the roads of the case. Then the measure of the case is applied: car trips barred, fares by length, or a mode taken away.
    """
    demand = city_demand(inputs, params, STAND_IN) if demand is None else demand
    table = inputs.table(TABLE).filter(pl.col("case") != "elasticity")
    made = []
    for case in table["case"].unique(maintain_order=True):
        rows = table.filter(pl.col("case") == case)
        values = {(kind, item): float(value) for kind, item, value in rows.select("kind", "item", "value").iter_rows()}
        outcome = _Outcome.of(_problem(inputs, params, demand, values))
        put_in = rows.filter(pl.col("kind") != "outcome")["quality"].to_list()
        for row in rows.filter(pl.col("kind") == "outcome").iter_rows(named=True):
            if row["item"] not in OUTCOMES:
                msg = f"{TABLE}: {case} has the outcome {row['item']!r}; the model gives {', '.join(sorted(OUTCOMES))}"
                raise ValueError(msg)
            made.append(
                {
                    "item": f"{case}.{row['item']}",
                    "modes": " ".join(OUTCOMES[row["item"]]),
                    "unit": row["unit"],
                    "modelled": outcome.figure(row["item"]),
                    "published": row["value"],
                    **{name: row[name] for name in ("low", "high", "source", "note")},
                    "quality": weakest([row["quality"], *put_in]),
                }
            )
    return pl.DataFrame(made)


def weakest(qualities: Iterable[str]) -> str:
    """Return the weakest of some qualities.

    >>> weakest(["literature", "recalled", "official"])
    'recalled'
    """
    return max(qualities, key=QUALITY_ORDER.index)


def _problem(inputs: TableSource, params: Params, demand: CityDemand, values: Mapping[tuple[str, str], float]) -> Problem:
    """Return the fixed point of a case: two years, before and after."""
    utility = np.zeros((len(SEGMENTS), len(MODES), 1, 2))
    utility[:, [_BUS, _METRO], 0, 1] += _fares(params, values)
    for mode in _modes_of(values, "unavailable"):
        utility[:, MODES.index(mode), 0, 1] = -np.inf
    base = _base(demand, values)
    service, roads = city_service(inputs, params, STAND_IN), city_roads(inputs, params, STAND_IN)

    def still(array: Array) -> Array:
        """Return the first draw of 2019, twice."""
        return np.repeat(array[..., :1, _NORMAL : _NORMAL + 1], 2, axis=-1)

    return Problem(
        base=np.stack([base, base]),
        season_share=demand.season_share[:, :1],
        length_km=demand.length_km[:, :1],
        peak_share=demand.peak_share[:, :1],
        trips=still(demand.trips),
        utility=np.stack([utility, utility]),
        traffic=still(service.traffic),
        vehicles_per_pkm=still(roads.vehicles_per_pkm),
        capacity=np.ones((1, 2)),
        volume_capacity=still(roads.volume_capacity),
        background=still(roads.background),
        delay=still(roads.delay),
        exponent=still(roads.exponent),
        barred=np.array([[0.0, _barred(params, values, "")]]),
        other_traffic=np.array([[0.0, -_barred(params, values, "_other_traffic")]]),
        theta={nest: values_[:1] for nest, values_ in nest_coefficients(params).items()},
        normal=0,
    )


def _base(demand: CityDemand, values: Mapping[tuple[str, str], float]) -> Array:
    """Return base shares by segment that make the mode shares of a case, array ``[segment, mode, 1]``."""
    given = {mode: values["share", mode] / _PERCENT for mode in _modes_of(values, "share")}
    seed = annual_base(demand)[..., :1]
    weight = demand.trips[:, :1, _NORMAL] / over(demand.trips[:, :1, _NORMAL], 0)
    # all trips: those on foot are a share of all, the others of the rest; bicycles of a case include e-bikes that it does not name
    target = np.array([given.get(mode, 0.0) * (1.0 if mode == "walk" else 1.0 - given["walk"]) for mode in MODES])
    if "e_bike" not in given:
        cycles = over(weight * seed[:, _CYCLE], 0) / over(weight * (seed[:, _CYCLE] + seed[:, _E_BIKE]), 0)
        target[[_CYCLE, _E_BIKE]] = target[_CYCLE] * np.array([cycles[0], 1.0 - cycles[0]])
    return rake(seed, weight, (target / target.sum())[:, None])[0]


def _modes_of(values: Mapping[tuple[str, str], float], kind: str) -> list[str]:
    """Return the modes that the rows of a kind are of."""
    named = [item for of, item in values if of == kind]
    if unknown := sorted(set(named) - set(MODES)):
        msg = f"{TABLE}: {kind} of {', '.join(unknown)}; the modes are {', '.join(MODES)}"
        raise ValueError(msg)
    return named


def _barred(params: Params, values: Mapping[tuple[str, str], float], of: str) -> float:
    """Return the share of the car trips, or of the other traffic, before that can no longer be made."""
    evaded = of_area(params, "car_restraint_evasion", STAND_IN)[0, _NORMAL]
    left = [1.0 - values.get(("restraint", f"{when}{of}"), 0.0) * (1.0 - evaded) for when in ("before", "after")]
    return float(1.0 - left[1] / left[0])


def _fares(params: Params, values: Mapping[tuple[str, str], float]) -> Array:
    """Return the change of utility of bus and metro for the change of their fares, array ``[segment, 2]``."""
    change = np.array(
        [
            [
                values.get(("fare_after", f"{mode}.{band}"), 0.0) - values.get(("fare_before", f"{mode}.{band}"), 0.0)
                for band in BANDS
            ]
            for mode in ("bus", "metro")
        ]
    )
    paid = np.array([params.get("transit_fare_paid_share", group)[0, _NORMAL] for _, group in TRAVELLERS])
    yuan = coefficient(params, "transit_fare")[0, 0] * traveller_weights(params, money=True)[:, 0, 0] * paid
    by_trip = yuan[:, None, None] * damping(params)[:, 0, 0][None, :, None] * change.T[None]
    found: Array = by_trip.reshape(len(SEGMENTS), 2)
    return found


class _Outcome(NamedTuple):
    """Trips by mode before and after [trip/yr], and road traffic and car time against before [dimensionless]."""

    before: Array
    after: Array
    volume: float
    time: float

    @classmethod
    def of(cls, problem: Problem) -> _Outcome:
        """Solve a case."""
        shares, volume = solve(problem)
        trips = problem.season_share[:, None, :, None] * problem.trips[None]
        before, after = np.stack([fold(trips * share)[0] for share in shares]).T
        time = car_time_index(volume, problem.volume_capacity, problem.delay, problem.exponent)[0, 1]
        return cls(before, after, float(volume[0, 1]), float(time))

    def figure(self, item: str) -> float:
        """Return a figure that cases publish [percent]."""
        if item == "road_traffic":
            return _PERCENT * (self.volume - 1.0)
        if item == "car_speed":
            return _PERCENT * (1.0 / self.time - 1.0)
        places = [MODES.index(mode) for mode in OUTCOMES[item]]
        was, made = float(self.before[places].sum()), float(self.after[places].sum())
        if item == "transit_share":
            return _PERCENT * made / float(self.after.sum() - self.after[_WALK])
        if item.startswith("e_bike_to_"):
            return _PERCENT * (made - was) / float(self.before[_E_BIKE])
        return _PERCENT * (made / was - 1.0)
