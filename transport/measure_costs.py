"""What measures outside the vehicles cost and save: freight and its sidings, city travel, ground and shore power, plugs, paving.

A measure is compared with the same run without it, first draw, in yuan of 2023. Measures that meet are taken away one after the other, in the
order of the tables, so that each pays and earns once: freight moves with the fleets of the base year, city modes one measure at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from fleets import tco
from fleets.vehicles import hold_after
from transport import accounts
from transport.cities.layout import ROAD_MODES
from transport.cities.segments import prefectures
from transport.city_costs import planned_metro_km, without_planned_lines
from transport.city_scale import city_scales
from transport.city_works import WORKS, Outlay, lines_outlay
from transport.freight_outlay import STATES
from transport.infrastructure import berth_energy, paving_co2, paving_mix, turnaround_energy
from transport.layout import BASE_YEAR, SCOPES, EnergyKey, EnergyUse, year_index
from transport.params import EVERYWHERE
from transport.travel import model_travel
from transport.vehicles.ownership import diesel_price_t

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.accounts import CarbonFactors
    from transport.city_works import Works
    from transport.freight import FreightOutcome
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.travel import TravelOutcome

    Array = NDArray[np.float64]
    Key = tuple[str, str]

#: Scope of the CO2 that a measure avoids: at the exhaust and in the power plants, at the grid factor of the year.
SCOPE = SCOPES.index("direct_power")
_BASE = year_index(BASE_YEAR)
_KG_PER_T = 1000.0
#: Vehicle class -> mode of city travel whose km it drives.
ON_ROAD: dict[str, str] = {"private_car": "car", "taxi": "taxi", "ride_hailing": "ride_hailing"}
#: Measures of freight in the order of the states they stand between, and where their works are counted.
FREIGHT: tuple[tuple[str, str, str], ...] = (
    ("pipeline_connections", "pipe_connection", "pipeline"),
    ("new_sidings", "siding", "rail"),
    ("freight_shift", "", ""),
)
#: Departures that levers add: the cost of one, and departures a year per unit (trains a day and direction, sailings a week).
DEPARTURES: dict[str, tuple[str, float]] = {
    "sea_rail_window_trains": ("window_train_cost", 2.0 * 365.0),
    "coastal_sailings_added": ("coastal_sailing_cost", 365.0 / 7.0),
}
_NEW_SHARE = {"pipe_connection": "new_pipeline_connection_share", "siding": "new_siding_share"}


@dataclass(frozen=True)
class YearlyCost:
    """Yearly cost by component, arrays ``[draw, year]`` [CNY/yr], and its CO2 [t/yr].

    Attributes
    ----------
    capital
        Vehicles and second batteries.
    energy, maintenance
        Fuel and power; upkeep with insurance and operation.
    infrastructure
        Works and equipment that stand still.
    service
        What is paid for transport (freight charges), and the value of payload that batteries take.
    co2_t
        Direct and power.
    """

    capital: Array
    energy: Array
    maintenance: Array
    infrastructure: Array
    service: Array
    co2_t: Array

    def less(self, other: YearlyCost) -> YearlyCost:
        """Return this cost less another."""
        return YearlyCost(
            self.capital - other.capital,
            self.energy - other.energy,
            self.maintenance - other.maintenance,
            self.infrastructure - other.infrastructure,
            self.service - other.service,
            self.co2_t - other.co2_t,
        )

    def total(self) -> Array:
        """Return the sum of the components [CNY/yr]."""
        return np.asarray(self.capital + self.energy + self.maintenance + self.infrastructure + self.service)


def spread(params: Params, what: str) -> Array:
    """Return the annuity of an infrastructure at the social rate ``[draw, year]`` [1/yr]."""
    return tco.annuity(params.get("discount_rate", "social"), params.get("infrastructure_life", what))


@dataclass(frozen=True)
class Rows:
    """The parameters of a run without its levers.

    Attributes
    ----------
    plain
        First draw of the rows as they stand.
    hold_year
        Year whose rows the run keeps afterwards; None where nothing is held.
    """

    plain: Params
    hold_year: int | None

    def value(self, params: Params, key: Key) -> Array:
        """Return the rows of a key ``[1, year]``: as they stand, or held as the run holds them."""
        parameter, subject = key
        # an area that a lever is set for may have no row of its own
        plain = self.plain.get(parameter, subject if self.plain.has(parameter, subject) else EVERYWHERE)
        if self.hold_year is None or np.array_equal(plain[0], params.get(*key)[0]):
            return plain
        return hold_after(plain, year_index(self.hold_year))

    def without(self, params: Params, keys: Sequence[Key]) -> Params:
        """Return parameters with the levers on some keys taken back; exact for the first draw, the others keep their distance to it."""
        for parameter, subject in keys:
            now = params.get(parameter, subject)
            params = params.replace(parameter, subject, now - (now[:1] - self.value(params, (parameter, subject))))
        return params

    def moved(self, params: Params, keys: Sequence[Key]) -> tuple[Key, ...]:
        """Return the keys whose first draw differs from the rows without levers."""
        return tuple(key for key in keys if not np.array_equal(params.get(*key)[:1], self.value(params, key)))


# --- freight ------------------------------------------------------------------------------------------------------------------------


def freight_costs(params: Params, freight: FreightOutcome, co2_t: Mapping[str, Mapping[str, Array]]) -> dict[Key, YearlyCost]:
    """Return (measure, main mode) -> cost of sidings, pipe connections and the shift of modes.

    Parameters
    ----------
    params
        Of the run.
    freight
        With the outlay of all states of freight.
    co2_t
        State -> mode -> CO2 of the fleets of the base year that carry it ``[draw, year]`` [t/yr].

    Notes
    -----
    service = outlay of the chains of a mode in one state less that in the next. Works = open ends x share joined x km x cost per km x annuity;
    the yearly fee of a siding stands in the outlay, so that only connections have upkeep.
    """
    made: dict[Key, YearlyCost] = {}
    for (measure, works, place), now, then in zip(FREIGHT, STATES, STATES[1:], strict=False):
        for i, mode in enumerate(("road", "rail", "water", "pipeline")):
            zero = np.zeros((1, freight.state_outlay[now].shape[1]))
            built, upkeep = new_ends(params, freight, works) if works and mode == place else (zero, zero)
            made[measure, mode] = YearlyCost(
                capital=zero,
                energy=zero,
                maintenance=upkeep[:1],
                infrastructure=built[:1],
                service=(freight.state_outlay[now][i] - freight.state_outlay[then][i])[None],
                co2_t=(co2_t[now][mode] - co2_t[then][mode])[:1],
            )
    return made


def departures_cost(rows: Rows, params: Params, keys: Sequence[Key]) -> YearlyCost:
    """Return what further window trains and sailings cost beside the freight they earn; what they move stands under the shift of modes.

    Parameters
    ----------
    rows, params
        Of the run.
    keys
        Parameters of :data:`DEPARTURES` and ports that levers add departures to.
    """
    cost = np.zeros((1, 1))
    for parameter, port in keys:
        price, per_year = DEPARTURES[parameter]
        added = params.get(parameter, port) - rows.value(params, (parameter, port))
        cost = cost + added * per_year * params.get(price)
    zero = np.zeros_like(cost)
    return YearlyCost(zero, zero, zero, zero, cost, zero)


def new_ends(params: Params, freight: FreightOutcome, works: str) -> tuple[Array, Array]:
    """Return yearly capital and upkeep of the sidings or connections that are new since the base year."""
    share = params.get(_NEW_SHARE[works])
    km = freight.open_ends[works] * np.maximum(share - share[:, _BASE : _BASE + 1], 0.0) * params.get(f"{works}_length")
    worth = km * params.get(f"{works}_cost")
    upkeep = params.get("works_upkeep_share", works) if params.has("works_upkeep_share", works) else np.zeros_like(worth)
    return np.asarray(worth * spread(params, works)), np.asarray(worth * upkeep)


# --- airports, berths, plugs, paving ------------------------------------------------------------------------------------------------


def shore_cost(params: Params, factors: CarbonFactors) -> YearlyCost:
    """Return what shore power beyond the base year's costs and saves: berth sets and refits of ships."""
    held = _holding(params, ("shore_power_compliance", "shore_power_ships", "shore_power_berths"))
    keys = (EnergyKey("ship_at_berth", "marine_diesel", "diesel"), EnergyKey("ship_at_berth", "shore_power", "electricity"))
    more, co2 = _difference(keys, [np.stack(berth_energy(p)[3:]) for p in (params, held)], factors)
    fuel = diesel_price_t(params) * params.get("marine_fuel_price_ratio", "diesel")
    sets = _grown(params, "shore_power_berths", "ro_pax") * params.get("ro_pax_berths") * params.get("shore_power_set_price")
    ships = _grown(params, "shore_power_ships", "ro_pax") * params.get("vehicle_stock", "ro_pax_ship")
    worth = sets + ships * params.get("shore_power_refit_price")
    return _works(
        worth * spread(params, "shore_power"),
        worth * params.get("works_upkeep_share", "shore_power"),
        more[0] * fuel + more[1] * params.get("charging_electricity_price", "flat"),
        co2,
    )


def ground_power_cost(params: Params, factors: CarbonFactors) -> YearlyCost:
    """Return what ground power at stands beyond the base year's costs and saves.

    Notes
    -----
    Sets = stands of a kind x growth of the share of turnarounds that use ground power.
    """
    held = _holding(params, ("bridge_power_use",))
    keys = (EnergyKey("aircraft_apu", "turbine", "kerosene"), EnergyKey("aircraft_apu", "ground_power", "electricity"))
    more, co2 = _difference(keys, [np.stack(turnaround_energy(p)[2:]) for p in (params, held)], factors)
    worth = np.zeros_like(more[0])
    for stand in params.subjects("bridge_power_use"):
        sets = _grown(params, "bridge_power_use", stand) * params.get("stand_count", stand)
        worth = worth + sets * params.get("ground_power_price", stand)
    return _works(
        worth * spread(params, "ground_power"),
        worth * params.get("works_upkeep_share", "ground_power"),
        more[0] * params.get("jet_fuel_price") + more[1] * params.get("charging_electricity_price", "flat"),
        co2,
    )


def plugs_cost(rows: Rows, params: Params, electric: Mapping[str, Array]) -> YearlyCost:
    """Return what plugs per vehicle beyond the rows cost.

    Parameters
    ----------
    rows, params
        Of the run.
    electric
        Parameter of the plugs -> vehicles that share them ``[draw, year]`` [veh].
    """
    total = np.zeros_like(params.get("charger_installation_ratio"))
    for parameter, vehicles in electric.items():
        more = params.get(parameter) - rows.value(params, (parameter, "all"))
        total = total + more * vehicles * params.get("charger_price", "depot") * params.get("charger_installation_ratio")
    zero = np.zeros_like(total)
    return _works(total * spread(params, "charger"), zero, zero, zero)


def paving_cost(params: Params) -> YearlyCost:
    """Return what reclaimed asphalt beyond the base year's costs and saves; its CO2 stands in the side account of the infrastructure."""
    held = _holding(params, ("recycled_paving_share",))
    mix = sum(paving_mix(params), np.zeros((1, 1)))
    shares = [np.clip(p.get("recycled_paving_share"), 0.0, 1.0) for p in (params, held)]
    zero = np.zeros_like(mix)
    cost = mix * (shares[0] - shares[1]) * params.get("recycled_mix_cost")
    return _works(cost, zero, zero, paving_co2(params) - paving_co2(held))


def _works(infrastructure: Array, maintenance: Array, energy: Array, co2_t: Array) -> YearlyCost:
    zero = np.zeros_like(infrastructure)
    return YearlyCost(zero, energy, maintenance, infrastructure, zero, co2_t)


def _holding(params: Params, parameters: Sequence[str]) -> Params:
    """Return parameters some of which stay as in the base year."""
    held = params
    for parameter in parameters:
        for subject in params.subjects(parameter):
            held = held.replace(parameter, subject, hold_after(params.get(parameter, subject), _BASE))
    return held


def _grown(params: Params, parameter: str, subject: str) -> Array:
    """Return by how much a share of equipment has grown since the base year, never below zero."""
    share = params.get(parameter, subject)
    return np.maximum(share - hold_after(share, _BASE), 0.0)


def _difference(keys: tuple[EnergyKey, ...], used: Sequence[Array], factors: CarbonFactors) -> tuple[Array, Array]:
    """Return energy by key and CO2 of the first use less those of the second."""
    co2 = [accounts.account(EnergyUse(keys, quantity), factors)[SCOPE].sum(axis=0) for quantity in used]
    return np.asarray(used[0] - used[1]), np.asarray(co2[0] - co2[1])


# --- city travel --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PerKm:
    """What a km of a class of city vehicles costs and emits; arrays ``[draw, year]``.

    Attributes
    ----------
    energy, maintenance
        [CNY/km].
    co2_t
        [t/km].
    counted
        Part of the km of the travel model that the accounts hold [dimensionless].
    """

    energy: Array
    maintenance: Array
    co2_t: Array
    counted: Array


def city_costs(inputs: Inputs, params: Params, rows: Rows, per_km: Mapping[str, PerKm], grid: Array) -> dict[Key, YearlyCost]:
    """Return (measure, "") -> cost of the measures on city travel that levers move, all cities together, first draw.

    Parameters
    ----------
    inputs, params, rows
        Of the run.
    per_km
        Class -> its km in the fleets that all measures on vehicles have been taken from; classes of :data:`ON_ROAD`, and ``urban_bus``.
    grid
        Grid factor ``[draw, year]`` [kgCO2/kWh].

    Notes
    -----
    Works, vehicles and service: sum over the cities of :data:`transport.city_works.WORKS`. Of the buses that a lever on the fleet of the province adds
    only the crews count here: they stand among the vehicles themselves. Km of cars, taxis and ride-hailing that a measure takes
    away, as the accounts count them, save energy, upkeep and CO2 at the mean of their class; buses and trains that it adds emit theirs.
    """
    made: dict[Key, YearlyCost] = {}
    now, travel, lines = params.first(), None, planned_metro_km(inputs)
    areas = prefectures(inputs.table("codes"))  # named, so that no elasticities are worked out
    for works in WORKS:
        opened = lines if works.measure == "urban_rail" else {}
        changed = rows.moved(now, [key for parameter in works.parameters for key in _keys(now, parameter)])
        if not changed and not opened:
            continue
        travel = model_travel(inputs, now, areas) if travel is None else travel
        then = rows.without(now, changed)
        inputs = without_planned_lines(inputs) if opened else inputs
        less = model_travel(inputs, then, areas)
        outlay = _outlay(inputs, works, now, then, opened)
        energy, maintenance = outlay.energy, outlay.upkeep
        co2_t = outlay.traction_kwh * grid[:1] / _KG_PER_T
        if "urban_bus" in per_km:
            co2_t = co2_t + outlay.bus_km * per_km["urban_bus"].co2_t[:1]
        for name, mode in ON_ROAD.items():
            if name in per_km:
                rate = per_km[name]
                saved = (_road_km(less, mode) - _road_km(travel, mode)) * rate.counted[:1]
                energy, maintenance = energy - saved * rate.energy[:1], maintenance - saved * rate.maintenance[:1]
                co2_t = co2_t - saved * rate.co2_t[:1]
        made[works.measure, ""] = YearlyCost(outlay.vehicles, energy, maintenance, outlay.works, outlay.service, co2_t)
        now, travel = then, less
    return made


def _keys(params: Params, parameter: str | Key) -> list[Key]:
    return [parameter] if isinstance(parameter, tuple) else [(parameter, s) for s in params.subjects(parameter)]


def _outlay(inputs: Inputs, works: Works, now: Params, then: Params, opened: Mapping[str, Array]) -> Outlay:
    """Return the outlay of a measure, and of metro lines that open, in all cities; what stands among the vehicles of the run is left out."""
    by_area = city_scales(inputs, then)
    scales = by_area.values()
    outlays = [works.outlay(scale, now, then) for scale in scales]
    outlays += [lines_outlay(by_area[area], km, now) for area, km in opened.items()]
    fleet = [key for key in works.parameters if isinstance(key, tuple)]
    if fleet:
        # vehicles of the province, as the steps of the fleets take them away: with everything else of the run
        held = now
        for key in fleet:
            held = held.replace(*key, then.get(*key))
        outlays += [works.outlay(scale, now, held).without_crew().times(-1.0) for scale in scales]
    return reduce(Outlay.plus, outlays)


def _road_km(travel: TravelOutcome, mode: str) -> Array:
    """Return vehicle-km of a mode on trips of residents in the central cities, first draw ``[1, year]`` [km/yr]."""
    return np.asarray(travel.vehicle_km[:, ROAD_MODES.index(mode), :1].sum(axis=0))
