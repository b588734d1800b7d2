"""What the vehicle model reads: activity, vehicle classes, clean powertrains and the weather."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleets import energy as formula
from fleets.vehicles import Pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs
    from transport.params import Params

Array = NDArray[np.float64]

#: Knots of the temperature curve, coldest first.
_KNOTS = ("cold", "freezing", "mild", "hot")


@dataclass(frozen=True)
class Activity:
    """What the vehicles have to move, arrays ``[draw, year]``.

    Attributes
    ----------
    road_freight_tkm
        Licensed carriers of the province [tkm/yr].
    rail_freight_tkm
        On the lines of the province [tkm/yr].
    coastal_tkm, ocean_tkm
        Ships registered in the province [tkm/yr].
    pipeline_tkm
        By kind: crude, product, gas [tkm/yr].
    air_freight_tkm
        Air freight and mail [tkm/yr].
    passenger_pkm
        By service: conventional, high_speed, coach, ro_pax, air [pkm/yr].
    passenger_load
        Share of seats that are taken, same keys.
    private_car_pkm
        Intercity travel in private cars [pkm/yr]; local distance comes from the stock of cars.
    light_trucks
        Light trucks that distribution needs [veh].
    clean_zone_share
        Share of their kilometres where only new-energy trucks may drive.
    city_shift_km
        Class -> what levers on city travel add to stock x annual distance [km/yr]; nothing where a class is not named.
    stock_growth
        Group of classes -> stock against its rows [dimensionless]; metro trains grow with the network. One where a group is not named.
    """

    road_freight_tkm: Array
    rail_freight_tkm: Array
    coastal_tkm: Array
    ocean_tkm: Array
    pipeline_tkm: Mapping[str, Array]
    air_freight_tkm: Array
    passenger_pkm: Mapping[str, Array]
    passenger_load: Mapping[str, Array]
    private_car_pkm: Array
    light_trucks: Array
    clean_zone_share: Array
    city_shift_km: Mapping[str, Array] = field(default_factory=dict)
    stock_growth: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VehicleClass:
    """One row of ``fleets/classes`` with its powertrains.

    ``group`` is the parent the class is a part of (the class itself if it has none), ``members`` are all classes of that group. Rows of
    the parent hold for its members unless a member has a row of its own.
    """

    name: str
    mode: str
    part: str
    is_operating: bool
    sector: str
    stock_driver: str
    distance_driver: str
    climate: str
    register_outflow: bool
    pairs: tuple[Pair, ...]
    group: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Climate:
    """Weather multipliers of one climate group, arrays ``[draw, year]``.

    Attributes
    ----------
    electric
        Of battery vehicles with a resistive cabin heater.
    electric_without_winter
        The same without what the cold adds.
    combustion
        Of engines.
    heater
        Use of a fuel-fired heater, 1 in the coldest weather.
    heat_pump_saving
        What a heat pump takes off ``electric``; little in deep cold.
    """

    electric: Array
    electric_without_winter: Array
    combustion: Array
    heater: Array
    heat_pump_saving: Array


def _true(value: object) -> bool:
    """Return the truth of a cell that may come as text or bool."""
    return value is True or value == "true"


def read_classes(inputs: Inputs) -> tuple[VehicleClass, ...]:
    """Return the vehicle classes with their powertrains, in file order."""
    pairs: dict[str, list[Pair]] = {}
    for row in inputs.table("fleets/powertrains").iter_rows(named=True):
        pair = Pair(row["powertrain"], row["powertrain_group"], _true(row["remainder"]))
        pairs.setdefault(row["vehicle_class"], []).append(pair)
    rows = inputs.table("fleets/classes").to_dicts()
    groups = {row["vehicle_class"]: row.get("parent") or row["vehicle_class"] for row in rows}
    return tuple(
        VehicleClass(
            row["vehicle_class"],
            row["mode"],
            row["part"],
            _true(row["is_operating"]),
            row["nbs_sector"],
            row["stock_driver"],
            row["distance_driver"],
            row["climate_group"] or "",
            _true(row["register_outflow"]),
            tuple(pairs.get(row["vehicle_class"]) or pairs.get(groups[row["vehicle_class"]], [])),
            groups[row["vehicle_class"]],
            tuple(name for name, group in groups.items() if group == groups[row["vehicle_class"]]),
        )
        for row in rows
    )


def parents(classes: Sequence[VehicleClass]) -> dict[str, str]:
    """Return class -> parent, of the classes that have one."""
    return {spec.name: spec.group for spec in classes if spec.group != spec.name}


def members(classes: Sequence[VehicleClass], name: str) -> tuple[str, ...]:
    """Return the classes of a group; a class without parts stands for itself.

    Raises
    ------
    ValueError
        If no class has this name or parent.
    """
    found = tuple(spec.name for spec in classes if name in {spec.name, spec.group})
    if not found:
        msg = f"no vehicle class or group {name!r} in fleets/classes"
        raise ValueError(msg)
    return found


def find_class(classes: Sequence[VehicleClass], name: str) -> VehicleClass:
    """Return a class by its code."""
    return next(spec for spec in classes if spec.name == name)


def read_clean(inputs: Inputs) -> dict[str, dict[tuple[str, str], bool]]:
    """Return definition -> (class, powertrain) -> counts as clean; parts of a group take the rows of the group."""
    table = inputs.table("fleets/clean_powertrains")
    made: dict[str, dict[tuple[str, str], bool]] = {}
    for definition in ("plan", "nev_only"):
        named = {(row["vehicle_class"], row["powertrain"]): _true(row[definition]) for row in table.iter_rows(named=True)}
        for spec in read_classes(inputs):
            for pair in spec.pairs:
                if (spec.group, pair.powertrain) in named:
                    named.setdefault((spec.name, pair.powertrain), named[spec.group, pair.powertrain])
        made[definition] = named
    return made


def _stations(inputs: Inputs) -> tuple[Array, Array]:
    """Return normal temperatures ``[station, month]`` [degC] and the residents each station stands for."""
    table = inputs.table("fleets/climate").sort("area", "month")
    areas = table["area"].unique(maintain_order=True)
    normal = table["temperature_c"].to_numpy().astype(np.float64).reshape(len(areas), -1)
    people = table["population"].to_numpy().astype(np.float64).reshape(len(areas), -1)[:, 0]
    return normal, people


def monthly_temperature(inputs: Inputs, params: Params) -> Array:
    """Return the mean temperature of the residents ``[month, draw, year]`` [degC]."""
    normal, people = _stations(inputs)
    return np.asarray((people @ normal / people.sum())[:, None, None] + params.get("temperature_offset"))


def read_monthly_climates(inputs: Inputs, params: Params) -> dict[str, Climate]:
    """Return weather multipliers by climate group and month, arrays ``[month, draw, year]``; their mean over months is that of the year."""
    normal, people = _stations(inputs)
    offset = params.get("temperature_offset")
    knots = np.asarray([params.get("temperature_knot", knot)[0, 0] for knot in _KNOTS])
    weights = formula.monthly_temperature_weights(offset[..., None, None] + normal, people, knots)
    return _climates(params, np.moveaxis(weights, -2, 0))


def read_climates(inputs: Inputs, params: Params) -> dict[str, Climate]:
    """Return weather multipliers by climate group from the monthly temperatures of the stations."""
    normal, people = _stations(inputs)
    offset = params.get("temperature_offset")
    knots = np.asarray([params.get("temperature_knot", knot)[0, 0] for knot in _KNOTS])
    # The offset may change over the years only by a data row; one evaluation serves when it does not.
    steady = bool(np.all(offset == offset[:, :1]))
    shifted = (offset[:, :1] if steady else offset)[..., None, None] + normal
    weights = formula.temperature_weights(shifted, people, knots)
    return _climates(params, np.broadcast_to(weights, (*offset.shape, len(_KNOTS))))


def _climates(params: Params, weights: Array) -> dict[str, Climate]:
    """Return weather multipliers by climate group from the weights of the knots ``[..., draw, year, knot]``."""
    cold, freezing, _, hot = (weights[..., k] for k in range(len(_KNOTS)))
    saving = {k: np.clip(params.get("heat_pump_saving", k), 0.0, 1.0) for k in ("cold", "freezing")}
    made: dict[str, Climate] = {}
    for group in ("bus", "car", "truck"):
        e_cold, e_freezing, e_hot = (
            params.get("electric_temperature_ratio", f"{group}:{k}") - 1.0 for k in ("cold", "freezing", "hot")
        )
        c_cold, c_freezing, c_hot = (
            params.get("combustion_temperature_ratio", f"{group}:{k}") - 1.0 for k in ("cold", "freezing", "hot")
        )
        summer = 1.0 + hot * e_hot
        made[group] = Climate(
            electric=summer + cold * e_cold + freezing * e_freezing,
            electric_without_winter=summer,
            combustion=1.0 + cold * c_cold + freezing * c_freezing + hot * c_hot,
            heater=cold + freezing * e_freezing / np.where(e_cold > 0, e_cold, 1.0),
            heat_pump_saving=cold * e_cold * saving["cold"] + freezing * e_freezing * saving["freezing"],
        )
    return made
