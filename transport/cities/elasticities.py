"""Elasticities that the model of a city implies, beside those of the literature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from transport.cities.attributes import ATTRIBUTES, coefficient, damping, traveller_weights
from transport.cities.cases import STAND_IN, TABLE, published_cases, weakest
from transport.cities.choice import nest_coefficients
from transport.cities.demand import annual_base, car_ownership_elasticity
from transport.cities.layout import BANDS, MODES, NESTS, SEGMENTS, TRAVELLERS
from transport.cities.segments import of_area
from transport.cities.service import service_levels
from transport.layout import NORMAL_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.cities.layout import Array, CityDemand
    from transport.params import Params

_MINUTES_PER_HOUR = 60.0
_NORMAL = year_index(NORMAL_YEAR)
_CAR = MODES.index("car")
#: Attributes whose elasticity is to how often vehicles run: the wait falls as much as they run more.
_PER_SERVICE = ("bus_service", "metro_service")
#: Attributes that car time moves, with the modes that each is of.
_ON_ROADS = {"car_time": ("car",), "taxi_time": ("taxi", "ride_hailing"), "bus_time": ("bus",)}
#: Logarithms that move several modes, the others by a share of the first.
_SPILLS = {"cycle_network": ("cycle", "e_bike", "cycle_network_e_bike_share")}


def attribute_response(params: Params, area: str, attribute: str) -> Array:
    """Return the change of utility in 2019 for a relative change of what an attribute's elasticity is to.

    Parameters
    ----------
    params
        Parameters of the run.
    area
        Prefecture code.
    attribute
        One of :data:`~transport.cities.attributes.ATTRIBUTES`.

    Returns
    -------
    array ``[segment, mode, draw]``
        ``dV / d ln x`` [dimensionless]: of the minutes or yuan themselves; of vehicle-km for ``bus_service`` and ``metro_service``, whose
        wait falls as they rise; of the index for logarithms.

    Raises
    ------
    KeyError
        If there is no such attribute.
    """
    modes = ATTRIBUTES[attribute]
    by_mode = dict.fromkeys(MODES, np.zeros((len(TRAVELLERS), len(BANDS), params.draws)))
    b = coefficient(params, attribute)
    sign = -1.0 if attribute in _PER_SERVICE else 1.0
    found = False
    for level in service_levels(params, area):
        part_of_it = level.attribute == attribute and not (attribute == "metro_time" and level.part == "access")
        on_road = level.mode in _ON_ROADS.get(attribute, ()) and level.part == "in_vehicle"
        if not (part_of_it or on_road):
            continue
        found = True
        weight = traveller_weights(params, money=level.part == "outlay")[:, None] * damping(params)[None]
        if level.paid is not None:
            weight = weight * level.paid[:, None]
        weight = weight * level.weight
        minutes = (sign * b * weight * level.level[..., _NORMAL : _NORMAL + 1][None])[..., 0]
        by_mode[level.mode] = by_mode[level.mode] + minutes
    if not found:
        first, *others = _SPILLS.get(attribute, modes)
        whole = np.broadcast_to(b[:, 0], by_mode[first].shape)
        by_mode[first] = whole
        if attribute in _SPILLS:
            other, share = others
            by_mode[other] = whole * of_area(params, share, area)[:, _NORMAL]
    return np.stack([by_mode[mode].reshape(len(SEGMENTS), params.draws) for mode in MODES], axis=1)


def trips_and_change(
    demand: CityDemand, running: NDArray[np.bool_], theta: Mapping[str, Array], response: Array
) -> tuple[Array, Array]:
    """Return the trips of 2019 by mode [trip/yr] and their change for a relative change of an attribute, arrays ``[mode, draw]``.

    Parameters
    ----------
    demand
        Trips and base shares of a city.
    running
        Whether a mode runs in 2019, array ``[mode, draw]``.
    theta
        Logsum coefficient by nest [dimensionless], array ``[draw]``.
    response
        ``dV / d ln x`` [dimensionless], array ``[segment, mode, draw]``.

    Notes
    -----
    Derivative of the nested logit at the base, at the road speed of 2019: with ``A_n`` the mean of ``dV`` over nest ``n`` and ``B`` that over
    all modes, ``d ln P[i] = dV[i] / theta_n + (1 - 1 / theta_n) A_n - B``.
    """
    shares = np.where(running, demand.base, 0.0)
    change = np.zeros_like(shares)
    mean = np.zeros_like(shares[:, :, 0])
    for nest, modes in NESTS.items():
        places = [MODES.index(m) for m in modes]
        total = sum((shares[:, :, i] for i in places), np.zeros_like(mean))
        inside = sum((shares[:, :, i] * response[None, :, i] for i in places), np.zeros_like(mean))
        average = np.divide(inside, total, out=np.zeros_like(mean), where=total > 0)
        mean += inside
        for i in places:
            change[:, :, i] = response[None, :, i] / theta[nest] + (1.0 - 1.0 / theta[nest]) * average
    change -= mean[:, :, None]
    trips = demand.season_share[:, None] * demand.trips[None, :, :, _NORMAL]
    made = trips[:, :, None] * shares
    return _over(made), _over(made * change)


def _over(array: Array) -> Array:
    """Return the sum over seasons and segments."""
    return np.asarray(array.sum(axis=(0, 1)))


def implied_elasticity(parts: Sequence[tuple[Array, Array]], modes: Sequence[str]) -> Array:
    """Return the elasticity of the trips of some modes over one or several cities, array ``[draw]``; nan where nobody makes them.

    Parameters
    ----------
    parts
        Trips and change of each city, as of :func:`trips_and_change`.
    modes
        Modes whose trips it is of.
    """
    places = [MODES.index(m) for m in modes]
    trips = sum(made[places].sum(axis=0) for made, _ in parts)
    change = sum(moved[places].sum(axis=0) for _, moved in parts)
    trips, change = np.asarray(trips), np.asarray(change)
    return np.asarray(np.divide(change, trips, out=np.full_like(change, np.nan), where=trips > 0))


# ---- the table ----

#: Columns of the result table ``travel_elasticities``.
SCHEMA: dict[str, type[pl.DataType]] = {
    "item": pl.String,
    "modes": pl.String,
    "area": pl.String,
    "unit": pl.String,
    "modelled": pl.Float64,
    "published": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "role": pl.String,
    "verdict": pl.String,
    "source": pl.String,
    "quality": pl.String,
    "note": pl.String,
}
#: Area of a figure that is of all cities with a target together.
TARGETS = "targets"
#: An elasticity further than this from the row that it was fitted to [share of the row] was not fitted to it: the data have changed since.
FITTED_WITHIN = 0.01
#: A value nearer than this to an end of its range [share of the width of the range] is at the edge.
EDGE = 0.05
#: Traveller whose implied value of time is shown.
_COMMUTER = ("commute", "adult_no_car")
#: Mode -> attributes of its minutes and of its yuan.
_VALUE_OF_TIME = {
    "bus": ("bus_time", "transit_fare"),
    "metro": ("metro_time", "transit_fare"),
    "car": ("car_time", "car_operating_cost"),
    "taxi": ("taxi_time", "taxi_fare"),
}
#: Mode -> attributes of its wait and of its minutes under way.
_WAIT = {"bus": ("bus_service", "bus_time"), "metro": ("metro_service", "metro_time")}
#: Elasticities that nothing was fitted to: item of ``demand/travel_cases`` -> attributes whose relative changes add up, modes of the trips.
_OTHERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "transit_access_time": ((), ("bus", "metro")),
    "car_operating_cost_short_run": (("car_operating_cost",), ("bus", "metro")),
    "car_operating_cost_long_run": (("car_operating_cost",), ("bus", "metro")),
    "transit_fare_short_run": (("transit_fare",), ("car",)),
    "transit_fare_long_run": (("transit_fare",), ("car",)),
}


class CaseSource(Protocol):
    """Tables and parameter rows of a run."""

    @property
    def parameters(self) -> pl.DataFrame:
        """All parameter rows."""
        ...

    def table(self, name: str) -> pl.DataFrame:
        """Return a table by name."""
        ...


def no_elasticities() -> pl.DataFrame:
    """Return the table without rows."""
    return pl.DataFrame(schema=SCHEMA)


def elasticity_frame(
    inputs: CaseSource, params: Params, demands: Sequence[CityDemand], running: Sequence[NDArray[np.bool_]]
) -> pl.DataFrame:
    """Return what the model implies beside what was published, the first draw as in every table.

    Parameters
    ----------
    inputs
        Parameter rows for the ranges of the literature, and table ``demand/travel_cases``.
    params
        Parameters of the run; only the year 2019 counts, so that no lever moves a row.
    demands
        Demand of the cities with a target; without one the table has no rows.
    running
        Whether a mode runs in 2019, by city, arrays ``[mode, draw]``.

    Returns
    -------
    frame
        Columns of :data:`SCHEMA`. ``role`` calibration: ``travel_sensitivity`` was fitted to it and the model still gives it to
        :data:`FITTED_WITHIN`; validation: published and used for nothing; context: by city, recalled, implied or no longer fitted, which
        validates nothing. ``verdict``: whether the modelled value lies within low and high, ``edge`` when it does so by less than
        :data:`EDGE` of the range. ``quality`` of a validation: the weakest of what was published, of what was put in, and of the base shares.
    """
    if not demands:
        return no_elasticities()
    theta = nest_coefficients(params)
    responses = {x: [attribute_response(params, d.area, x) for d in demands] for x in ATTRIBUTES}
    made = [
        *_fitted(inputs, demands, running, theta, responses),
        *_held_out(inputs, params, demands, running, theta, responses),
        *_implied_values(inputs, params),
    ]
    stand_in = [d for d in demands if d.area == STAND_IN]
    cases = published_cases(inputs, params, stand_in[0] if stand_in else None)
    stood_on = _base_qualities(inputs, [STAND_IN])
    made += [
        {**row, "area": STAND_IN, "role": "validation", "quality": weakest([row["quality"], *stood_on])}
        for row in cases.iter_rows(named=True)
    ]
    return pl.DataFrame([{**row, "verdict": _verdict(row)} for row in made], schema=SCHEMA)


def _verdict(row: Mapping[str, object]) -> str | None:
    """Return whether the modelled value lies in the published range; None where it cannot be said."""
    value, low, high = row["modelled"], row["low"], row["high"]
    if not isinstance(value, float) or not isinstance(low, float) or not isinstance(high, float) or np.isnan(value):
        return None
    if not low <= value <= high:
        return "outside"
    return "edge" if min(value - low, high - value) < EDGE * (high - low) else "within"


def _base_qualities(inputs: CaseSource, areas: Sequence[str]) -> list[str]:
    """Return the qualities of the base shares of some cities."""
    rows = inputs.parameters.filter(pl.col("parameter") == "travel_base_share")
    return rows.filter(pl.col("subject").str.split(".").list.first().is_in(areas))["quality"].unique().sort().to_list()


def _fitted(
    inputs: CaseSource,
    demands: Sequence[CityDemand],
    running: Sequence[NDArray[np.bool_]],
    theta: Mapping[str, Array],
    responses: Mapping[str, Sequence[Array]],
) -> list[dict[str, object]]:
    """Return the elasticities that the sensitivities were fitted to, over the cities and by city."""
    rows = inputs.parameters.filter(pl.col("parameter") == "travel_elasticity")
    known = {row["subject"]: row for row in rows.iter_rows(named=True)}
    made: list[dict[str, object]] = []
    for attribute, modes in ATTRIBUTES.items():
        row = known[attribute]
        parts = [trips_and_change(d, r, theta, v) for d, r, v in zip(demands, running, responses[attribute], strict=True)]
        areas = [(TARGETS, "calibration", parts)] + [(d.area, "context", [p]) for d, p in zip(demands, parts, strict=True)]
        for area, role, of in areas:
            value = float(implied_elasticity(of, modes)[0])
            if np.isnan(value):
                continue
            # base shares, fares or nests of other data: the strengths are still those of the fit, the elasticities no longer
            kept = role if abs(value - row["value"]) <= FITTED_WITHIN * abs(row["value"]) else "context"
            published = {"published": row["value"], **{name: row[name] for name in ("low", "high", "source", "quality", "note")}}
            names = {"item": attribute, "modes": " ".join(modes), "area": area, "unit": "dimensionless"}
            made.append({**names, "modelled": value, "role": kept, **published})
    return made


def _held_out(
    inputs: CaseSource,
    params: Params,
    demands: Sequence[CityDemand],
    running: Sequence[NDArray[np.bool_]],
    theta: Mapping[str, Array],
    responses: Mapping[str, Sequence[Array]],
) -> list[dict[str, object]]:
    """Return elasticities that nothing was fitted to; recalled ones are context, as memory validates nothing."""
    made: list[dict[str, object]] = []
    stood_on = _base_qualities(inputs, [d.area for d in demands])
    for row in inputs.table(TABLE).filter(pl.col("case") == "elasticity").iter_rows(named=True):
        attributes, modes = _OTHERS[row["item"]]
        parts = []
        for k, (demand, runs) in enumerate(zip(demands, running, strict=True)):
            response = sum((responses[x][k] for x in attributes), np.zeros_like(responses["bus_time"][k]))
            if not attributes:
                response = outside_time_response(params, demand.area)
            parts.append(trips_and_change(demand, runs, theta, response))
        made.append(
            {
                "item": f"{row['kind']}.{row['item']}",
                "modes": " ".join(modes),
                "area": TARGETS,
                "unit": row["unit"],
                "modelled": float(implied_elasticity(parts, modes)[0]),
                "published": row["value"],
                **{name: row[name] for name in ("low", "high", "source", "note")},
                "role": "context" if row["quality"] == "recalled" else "validation",
                "quality": weakest([row["quality"], *stood_on]),
            }
        )
    made.append(_car_ownership(inputs, params, demands))
    return made


def outside_time_response(params: Params, area: str) -> Array:
    """Return the change of utility for a relative change of the time spent outside buses and trains, array ``[segment, mode, draw]``.

    Parameters
    ----------
    params
        Parameters of the run.
    area
        Prefecture code.

    Notes
    -----
    Waits, and the walk into and out of stations; the walk to bus stops has no minutes of its own in the model (``bus_coverage``).
    """
    found = np.zeros((len(SEGMENTS), len(MODES), params.draws))
    for level in service_levels(params, area):
        if level.mode not in ("bus", "metro") or level.part not in ("wait", "access") or not level.attribute:
            continue
        weight = traveller_weights(params, money=False)[:, None] * damping(params)[None] * level.weight
        minutes = (coefficient(params, level.attribute) * weight * level.level[..., _NORMAL : _NORMAL + 1][None])[..., 0]
        found[:, MODES.index(level.mode)] += minutes.reshape(len(SEGMENTS), params.draws)
    return found


def _car_ownership(inputs: CaseSource, params: Params, demands: Sequence[CityDemand]) -> dict[str, object]:
    """Return the elasticity of car trips to cars per resident, which follows from the groups with and without a car."""
    row = inputs.parameters.filter(pl.col("parameter") == "travel_elasticity", pl.col("subject") == "car_ownership").row(
        0, named=True
    )
    cars = np.array([annual_base(d)[:, _CAR, 0] @ d.trips[:, 0, _NORMAL] for d in demands])
    values = np.array([car_ownership_elasticity(inputs, params, d.area)[0] for d in demands])
    return {
        "item": "car_ownership",
        "modes": "car",
        "area": TARGETS,
        "unit": "dimensionless",
        "modelled": float((cars * values).sum() / cars.sum()),
        "published": float(params.get("travel_elasticity", "car_ownership")[0, _NORMAL]),
        **{name: row[name] for name in ("low", "high", "source", "quality", "note")},
        "role": "context",
    }


def _implied_values(inputs: CaseSource, params: Params) -> list[dict[str, object]]:
    """Return value of time and weight of waiting that the strengths of minutes and yuan imply.

    Each attribute is fitted to an elasticity of its own, so that nothing holds the two sides of a trade-off together: the rows
    ``travel_value_of_time`` say how they differ between travellers, not how high they are.
    """
    rows = inputs.parameters.filter(pl.col("parameter") == "travel_value_of_time", pl.col("subject") == _COMMUTER[0])
    row, at = rows.row(0, named=True), TRAVELLERS.index(_COMMUTER)
    minute, yuan = (float(traveller_weights(params, money=money)[at, 0, 0]) for money in (False, True))
    of = {x: float(coefficient(params, x)[0, 0]) for pair in (*_VALUE_OF_TIME.values(), *_WAIT.values()) for x in pair}
    factor = params.get("travel_value_of_time_factor", _COMMUTER[1])[0, 0]
    made: list[dict[str, object]] = [
        {
            "item": f"implied_value_of_time.{mode}",
            "modes": mode,
            "unit": "CNY/h",
            "modelled": _ratio(_MINUTES_PER_HOUR * of[time] * minute, of[money] * yuan),
            "published": float(params.get("travel_value_of_time", _COMMUTER[0])[0, 0] * factor),
            "source": row["source"],
            "quality": row["quality"],
            "note": f"of a commuter without a car, from {time} and {money}; beside it the row travel_value_of_time, a weight between travellers",
        }
        for mode, (time, money) in _VALUE_OF_TIME.items()
    ]
    made += [
        {
            "item": f"implied_wait_weight.{mode}",
            "modes": mode,
            "unit": "dimensionless",
            "modelled": _ratio(of[wait], of[time]),
            "published": None,
            "source": "derived_rows",
            "quality": "assumption",
            "note": f"a minute of wait against one under way, from {wait} and {time}",
        }
        for mode, (wait, time) in _WAIT.items()
    ]
    return [{**known, "area": TARGETS, "low": None, "high": None, "role": "context"} for known in made]


def _ratio(top: float, bottom: float) -> float:
    """Return the quotient; nan where what divides counts nothing."""
    return top / bottom if bottom else float("nan")
