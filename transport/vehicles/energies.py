"""Energy of every vehicle class by powertrain and carrier."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fleets import energy as formula
from fleets import vehicles as fleet
from transport.distribution import zone_mix
from transport.freight_costs import truck_load_t
from transport.layout import BASE_YEAR, YEARS, EnergyKey, EnergyUse, WorkKey, WorkUse, year_index
from transport.vehicles.groups import of_member
from transport.vehicles.work import gross_tkm, road_distance_km, ship_tkm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleets.stock import StockPath
    from transport.params import Params
    from transport.vehicles.tables import Activity, Array, Climate, VehicleClass

_SPEED_BANDS = ("urban", "expressway")
#: Speed bands of the road, the trunk road last: the others are relative to it.
SPEED_BANDS = (*_SPEED_BANDS, "trunk")
_KG_PER_T = 1000.0
#: Powertrains without an engine to heat the cabin.
BATTERY_ALONE = frozenset({"battery_electric", "battery_swap"})
_DIESEL, _GASOLINE, _GAS, _POWER = "diesel", "gasoline", "natural_gas", "electricity"
#: Service of the classes whose distance follows a turnover; all others drive for their own sake.
_SERVICE_OF = {"truck_tkm": "freight", "coach_pkm": "coach"}


class EnergyBook:
    """Energy by key, and the work behind it, while they are collected."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.rows: dict[tuple[str, str, str], Array] = {}
        self.moved: dict[WorkKey, tuple[str, Array, Array]] = {}
        self.spent: dict[tuple[WorkKey, str], Array] = {}

    def move(self, keys: Sequence[WorkKey], unit: str, quantities: Sequence[Array], *, load_ratio: Array | float = 1.0) -> None:
        """Add work ``[draw, year]`` by key; energy that is added for these keys is split over them by it."""
        ratio = np.broadcast_to(np.asarray(load_ratio), self.shape)
        for key, quantity in zip(keys, quantities, strict=True):
            self.moved[key] = (unit, np.broadcast_to(quantity, self.shape), ratio)

    def add(self, vehicle_class: str, powertrain: str, carrier: str, quantity: Array, work: Sequence[WorkKey] = ()) -> None:
        """Add a quantity ``[draw, year]`` in the carrier's native unit, for work that has been added before."""
        key = (vehicle_class, powertrain, carrier)
        amount = np.broadcast_to(quantity, self.shape)
        self.rows[key] = self.rows.get(key, 0.0) + amount
        total = sum((self.moved[w][1] for w in work), np.zeros(self.shape))
        for w in work:
            share = 1.0 if len(work) == 1 else self.moved[w][1] / np.where(total > 0, total, 1.0)
            self.spent[w, carrier] = self.spent.get((w, carrier), 0.0) + amount * share

    def energy(self) -> EnergyUse:
        """Return the collected energy, sorted by key."""
        keys = sorted(self.rows)
        return EnergyUse(tuple(EnergyKey(*key) for key in keys), np.stack([self.rows[key] for key in keys]))

    def work(self) -> WorkUse:
        """Return the collected work, sorted by key."""
        keys = sorted(self.moved, key=lambda k: (k.vehicle_class, k.powertrain, k.service, k.drive))
        at = {key: i for i, key in enumerate(keys)}
        units = tuple(self.moved[key][0] for key in keys)
        quantity, ratio = (np.stack([self.moved[key][i] for key in keys]) for i in (1, 2))
        return WorkUse(tuple(keys), units, quantity, ratio, {(at[key], c): a for (key, c), a in self.spent.items()})


def _fuel_index(params: Params, name: str, n_age: int) -> dict[str, Array]:
    """Return energy of each vintage relative to a new vehicle of the first year, by kind of engine."""
    older = params.get("older_vintage_penalty")[:, 0]
    known = [p for p in ("new_truck_fuel_index", "new_vehicle_fuel_index", "new_ship_fuel_index") if params.has(p, name)]
    return {
        "combustion": fleet.vintage_index(params.get(known[0], name), older, n_age),
        "electric": fleet.vintage_index(params.get("new_electric_index"), older, n_age),
    }


def _mix(spec: VehicleClass, params: Params, path: StockPath, hold: int | None) -> fleet.Mix:
    mix = fleet.fleet_mix(
        path, params.get("use_decline_with_age", spec.name)[:, 0], _fuel_index(params, spec.name, path.stock.shape[-1])
    )
    return mix if hold is None else mix.held(hold)


def speed_bands(params: Params, name: str, kind: str) -> tuple[Array, Array] | None:
    """Return share of the distance and energy per km relative to a trunk road, by speed band of :data:`SPEED_BANDS`.

    Parameters
    ----------
    name
        Vehicle class.
    kind
        ``combustion`` or ``electric``.

    Returns
    -------
    tuple of arrays ``[draw, year, band]``
        None where the class has no rows.
    """
    if not params.has("speed_band_share", f"{name}:{_SPEED_BANDS[0]}"):
        return None
    shares = [np.clip(params.get("speed_band_share", f"{name}:{band}"), 0.0, 1.0) for band in _SPEED_BANDS]
    if params.has("night_delivery_share", name):  # at night part of the urban km runs as on a trunk road
        shares[0] = shares[0] * (
            1.0 - np.clip(params.get("night_delivery_share", name), 0.0, 1.0) * params.get("night_congestion_relief")
        )
    ratios = [params.get("speed_band_ratio", f"{kind}:{band}") for band in _SPEED_BANDS]
    trunk = np.maximum(1.0 - sum(shares, np.zeros_like(shares[0])), 0.0)
    return np.stack([*shares, trunk], axis=-1), np.stack([*ratios, np.ones_like(trunk)], axis=-1)


def _speed(params: Params, name: str, kind: str) -> Array:
    """Return energy per km relative to the mix of speed bands in the base year."""
    bands = speed_bands(params, name, kind)
    if bands is None:
        return np.ones((params.draws, len(YEARS)))
    share, ratio = bands
    base = year_index(BASE_YEAR)
    return formula.band_multiplier(share, ratio, share[:, base : base + 1], ratio[:, base : base + 1])


def add_road(
    book: EnergyBook,
    spec: VehicleClass,
    params: Params,
    activity: Activity,
    path: StockPath,
    climate: Climate,
    hold: int | None,
    *,
    enters: Array | None = None,
    in_service: bool = True,
) -> None:
    """Add the energy of one road class; ``enters`` says which of its powertrains may drive in clean zones, None = there are no zones.

    What electric vehicles in service cannot drive for want of plugs the conventional ones do; a new vehicle by itself drives its distance.
    """
    name = spec.name
    distance = road_distance_km(spec, params, activity, path)
    served = _services(spec, params, activity, distance)
    mix = _mix(spec, params, path, hold)
    if enters is not None:
        share = zone_mix(mix.distance_share, enters, activity.clean_zone_share, params.get("clean_zone_use_limit"))
        mix = replace(mix, distance_share=share)
    if in_service:
        mix = replace(mix, distance_share=served_share(spec, params, mix.distance_share))
    load = np.ones(book.shape)
    if params.has("load_fuel_share", name):
        load = formula.load_multiplier(
            truck_load_t(name, params), params.get("truck_reference_load", name), params.get("load_fuel_share", name)
        )
    engine = load * _speed(params, name, "combustion") * climate.combustion
    motor = load * _speed(params, name, "electric")
    density: Callable[[str], Array] = lambda fuel: params.get("fuel_density", fuel) / _KG_PER_T  # noqa: E731
    rows: tuple[tuple[str, str, Callable[[], Array]], ...] = (
        ("gasoline_use", _GASOLINE, lambda: density(_GASOLINE)),
        ("diesel_use", _DIESEL, lambda: density(_DIESEL)),
        ("lpg_use", "lpg", lambda: density("lpg")),
        ("cng_use", _GAS, lambda: np.ones(1)),
        ("lng_use", "lng", lambda: np.full(1, 1.0 / _KG_PER_T)),
        ("hydrogen_use", "hydrogen", lambda: np.full(1, 1.0 / _KG_PER_T)),
    )
    for k, pair in enumerate(spec.pairs):
        train, key = pair.powertrain, f"{name}:{pair.powertrain}"
        km = distance * mix.distance_share[..., k]
        plug = np.clip(params.get("electric_km_share", key), 0.0, 1.0) if params.has("electric_km_share", key) else None
        dual = np.clip(params.get("gasoline_km_share", key), 0.0, 1.0) if params.has("gasoline_km_share", key) else None
        electric = [WorkKey(name, train, s, "electric") for s in served]
        fuelled = [WorkKey(name, train, s, "fuel") for s in served]
        if params.has("electricity_use", key):
            book.move(electric, "km", [km * part * (1.0 if plug is None else plug) for part in served.values()], load_ratio=load)
        if plug is not None or not params.has("electricity_use", key):
            book.move(
                fuelled, "km", [km * part * (1.0 if plug is None else 1.0 - plug) for part in served.values()], load_ratio=load
            )
        for parameter, carrier, to_native in rows:
            if not params.has(parameter, key):
                continue
            part = km if plug is None else km * (1.0 - plug)
            if dual is not None:
                part = part * (dual if carrier == _GASOLINE else 1.0 - dual)
            kind, conditions = ("electric", motor) if carrier == "hydrogen" else ("combustion", engine)
            used = part * of_member(spec, params, parameter, kind, train) * mix.index[kind][..., k] * conditions * to_native()
            book.add(name, train, carrier, used, fuelled)
        if params.has("electricity_use", key):
            driven = km if plug is None else km * plug
            _battery_energy(book, spec, params, electric, driven, motor * mix.index["electric"][..., k], climate)


def served_share(spec: VehicleClass, params: Params, share: Array) -> Array:
    """Return the share of each powertrain in the distance after what battery vehicles cannot serve has gone to the conventional ones.

    Parameters
    ----------
    spec
        A road class; without a row of ``unserved_service_share`` everything stays.
    params
        Parameters of the run.
    share
        ``[draw, year, powertrain]``, sums to 1 before and after.
    """
    if not params.has("unserved_service_share", spec.name):
        return share
    lost = np.clip(params.get("unserved_service_share", spec.name), 0.0, 1.0)[..., None]
    away = share * np.array([float(p.powertrain in BATTERY_ALONE) for p in spec.pairs]) * lost
    main = [k for k, p in enumerate(spec.pairs) if p.group == "conventional" and p.remainder]
    if len(main) != 1:
        msg = f"{spec.name}: unserved_service_share needs one main conventional powertrain, found {len(main)}"
        raise ValueError(msg)
    kept = share - away
    kept[..., main[0]] += away.sum(axis=-1)
    return np.asarray(kept)


def _services(spec: VehicleClass, params: Params, activity: Activity, distance: Array) -> dict[str, Array | float]:
    """Return the share of each service in the distance of a road class; only private cars have two."""
    if spec.distance_driver != "car_pkm":
        return {_SERVICE_OF.get(spec.distance_driver, "own"): 1.0}
    away = activity.private_car_pkm / params.get("persons_per_car", spec.name) / distance
    return {"private_car": away, "own": 1.0 - away}


def electric_weather(name: str, train: str, params: Params, climate: Climate) -> tuple[Array, Array | None]:
    """Return the weather multiplier of battery energy of a class and powertrain, and the share with a fuel-fired heater.

    Parameters
    ----------
    name, train
        Vehicle class and powertrain.
    climate
        Of the year or of its months ``[month, draw, year]``.

    Returns
    -------
    tuple
        Multiplier in the shape of the climate; share ``[draw, year]``, None where no vehicle of the class has such a heater.
    """
    weather = climate.electric
    heated = train in BATTERY_ALONE
    fired: Array | None = None
    if params.has("fuel_heater_share", name) and heated:
        fired = np.clip(params.get("fuel_heater_share", name), 0.0, 1.0)
        weather = weather - fired * params.get("fuel_heater_saving") * (climate.electric - climate.electric_without_winter)
    if params.has("heat_pump_share", name) and heated:
        # what has neither a burner nor a heat pump has a resistive heater, for which the temperature rows hold
        most = 1.0 if fired is None else 1.0 - fired
        weather = weather - np.clip(params.get("heat_pump_share", name), 0.0, most) * climate.heat_pump_saving
    return weather, fired


def _battery_energy(
    book: EnergyBook,
    spec: VehicleClass,
    params: Params,
    work: Sequence[WorkKey],
    km: Array,
    conditions: Array,
    climate: Climate,
) -> None:
    """Add grid electricity of battery vehicles, and the diesel of their cabin heaters."""
    name, train = spec.name, work[0].powertrain
    weather, fired = electric_weather(name, train, params, climate)
    if fired is not None:
        litres = km * fired * climate.heater * of_member(spec, params, "fuel_heater_diesel_use", "electric")
        book.add(name, train, _DIESEL, formula.litres_to_t(litres, params.get("fuel_density", _DIESEL)), work)
    use = of_member(spec, params, "electricity_use", "electric", train) * conditions * weather
    book.add(name, train, _POWER, formula.grid_energy_kwh(km, use, params.get("charging_loss", name)), work)


def add_ships(
    book: EnergyBook, spec: VehicleClass, params: Params, activity: Activity, path: StockPath, hold: int | None
) -> None:
    """Add the energy of one class of ships: cargo ships by tonne-km, ro-pax ships by seat-km."""
    name = spec.name
    mix = _mix(spec, params, path, hold)
    if name == "ro_pax_ship":
        work = activity.passenger_pkm["ro_pax"] / activity.passenger_load["ro_pax"]
        service, unit, speed = "ro_pax", "seat_km", np.ones(book.shape)
        fuel_use, electricity_use = "ro_pax_fuel_use", "ro_pax_electricity_use"
    else:
        work = ship_tkm(spec, params, activity)
        service, unit = "freight", "tkm"
        ways = ("ship_speed_ratio", name), ("ship_speed_exponent", "all"), ("ship_auxiliary_share", name)
        speed = formula.speed_multiplier(*(params.get(parameter, subject) for parameter, subject in ways))
        fuel_use, electricity_use = "ship_fuel_use", "ship_electricity_use"
    carriers = {"heavy_fuel_oil": "fuel_oil", "marine_diesel": _DIESEL, "lng_ship": "lng", "methanol_ship": "methanol"}
    for k, pair in enumerate(spec.pairs):
        key = f"{name}:{pair.powertrain}"
        part = work * mix.distance_share[..., k]
        moved = [WorkKey(name, pair.powertrain, service, "electric" if params.has(electricity_use, key) else "fuel")]
        book.move(moved, unit, [part])
        if params.has(fuel_use, key):
            per_unit = of_member(spec, params, fuel_use, "combustion", pair.powertrain) * speed
            tonnes = part * per_unit * mix.index["combustion"][..., k] / _KG_PER_T
            book.add(name, pair.powertrain, carriers[pair.powertrain], tonnes, moved)
        if params.has(electricity_use, key):
            per_unit = of_member(spec, params, electricity_use, "combustion", pair.powertrain) * speed
            use = per_unit * mix.index["electric"][..., k]
            book.add(name, pair.powertrain, _POWER, formula.grid_energy_kwh(part, use, params.get("charging_loss", name)), moved)


def add_rail(book: EnergyBook, params: Params, activity: Activity, electrified: Array) -> Array:
    """Add the energy of the railway; return the electric share of the gross tonne-km with locomotives."""
    index = params.get("rail_energy_index")
    hauled = np.zeros(book.shape)
    total = np.zeros(book.shape)
    for name, service in (("locomotive_freight", "freight"), ("locomotive_conventional_passenger", "conventional")):
        gross, electric = gross_tkm(name, params, activity, electrified)
        power, diesel = formula.traction_energy(
            gross, electric, params.get("rail_traction_electricity", name), params.get("rail_traction_diesel", name), index
        )
        wired, fuelled = (
            WorkKey(name, "electric_traction", service, "electric"),
            WorkKey(name, "diesel_traction", service, "fuel"),
        )
        book.move([wired, fuelled], "gross_tkm", [gross * electric, gross * (1.0 - electric)])
        book.add(name, "electric_traction", _POWER, power, [wired])
        book.add(name, "diesel_traction", _DIESEL, diesel, [fuelled])
        hauled += gross * electric
        total += gross
    seat_km = activity.passenger_pkm["high_speed"] / activity.passenger_load["high_speed"]
    fast = [WorkKey("high_speed_train", "electric_traction", "high_speed", "electric")]
    book.move(fast, "seat_km", [seat_km])
    book.add("high_speed_train", "electric_traction", _POWER, seat_km * params.get("high_speed_electricity") * index, fast)
    other = params.get("rail_other_index")
    book.add("rail_other", "electric_drive", _POWER, params.get("rail_other_electricity") * other)
    book.add("rail_other", "diesel_traction", _DIESEL, params.get("rail_other_diesel") * other)
    book.add("rail_other", "fired_heater", _GAS, params.get("rail_other_gas") * other)
    return np.where(total > 0, hauled / np.where(total > 0, total, 1.0), 0.0)


def add_metro(book: EnergyBook, params: Params, path: StockPath) -> None:
    """Add the traction electricity of metro trains: train-km x kWh per train-km; the trains grow with the length of the network."""
    train_km = path.total() * params.get("annual_distance", "metro_train")
    key = [WorkKey("metro_train", "electric_traction", "own", "electric")]
    book.move(key, "km", [train_km])
    book.add("metro_train", "electric_traction", _POWER, train_km * params.get("metro_electricity"), key)


def add_pipelines(book: EnergyBook, params: Params, activity: Activity) -> None:
    """Add pumping power, compressor gas and the heating of waxy crude."""
    # pumps, compressors and heaters act on the same tonne-km: one key per kind of pipeline, for all powertrains
    keys = {kind: [WorkKey("pipeline_pump", "", f"pipeline_{kind}", "fuel")] for kind in activity.pipeline_tkm}
    for kind, turnover in activity.pipeline_tkm.items():
        book.move(keys[kind], "tkm", [turnover])
    for kind in params.subjects("pipeline_electricity"):
        turnover = activity.pipeline_tkm[kind]
        book.add("pipeline_pump", "electric_drive", _POWER, turnover * params.get("pipeline_electricity", kind), keys[kind])
    gas = activity.pipeline_tkm["gas"] * params.get("pipeline_gas_use", "gas")
    book.add("pipeline_pump", "gas_drive", _GAS, gas, keys["gas"])
    crude = activity.pipeline_tkm["crude"]
    heating_oil = crude * params.get("pipeline_heating_oil", "crude") / _KG_PER_T
    book.add("pipeline_pump", "fired_heater", "fuel_oil", heating_oil, keys["crude"])
    book.add("pipeline_pump", "fired_heater", _GAS, crude * params.get("pipeline_heating_gas", "crude"), keys["crude"])


def add_aircraft(book: EnergyBook, params: Params, activity: Activity) -> None:
    """Add jet fuel, which follows the seats that fly."""
    fuel = formula.aircraft_fuel_t(
        activity.air_freight_tkm,
        activity.passenger_pkm["air"],
        activity.passenger_load["air"],
        params.get("aircraft_reference_occupancy"),
        params.get("air_passenger_mass"),
        params.get("aviation_fuel_use"),
    )
    keys = [WorkKey("aircraft", "turbine", service, "fuel") for service in ("freight", "air")]
    ratio = params.get("aircraft_reference_occupancy") / activity.passenger_load["air"]
    seats = activity.passenger_pkm["air"] * params.get("air_passenger_mass") * ratio
    book.move(keys, "total_tkm", [activity.air_freight_tkm, seats])
    book.add("aircraft", "turbine", "kerosene", fuel, keys)
