"""What vehicles cost their owners, and what the measures of a run cost and save: tables ``tco`` and ``costs``.

Money is in constant yuan of 2023. A measure is compared with the same run without it. Measures are taken away one after the other, each from the
run without those before it, so that their sum is the whole and nothing is counted twice: first the sales mix, the electrified railway and
the shore power at the turnover of the run, then early scrappage and bus service, last the freight, carried by the fleets that are left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import gamma

from fleets import tco
from fleets.vehicles import hold_after
from transport import accounts
from transport.freight_outlay import STATES
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.measure_costs import (
    DEPARTURES,
    FREIGHT,
    ON_ROAD,
    SCOPE,
    PerKm,
    Rows,
    YearlyCost,
    city_costs,
    departures_cost,
    freight_costs,
    ground_power_cost,
    paving_cost,
    plugs_cost,
    shore_cost,
    spread,
)
from transport.parts import activity_of
from transport.vehicles import model_vehicles
from transport.vehicles.ownership import (
    energy_price,
    fixed_per_year,
    is_priced,
    list_price,
    lost_payload,
    own_chargers,
    ownership_cost,
    upkeep_per_km,
    upkeep_per_year,
)
from transport.vehicles.sales import cost_shares, path_shares, split_of
from transport.vehicles.tables import find_class, parents, read_classes, read_climates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.accounts import CarbonFactors
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.vehicles import Activity, VehicleOutcome
    from transport.vehicles.tables import VehicleClass

    Array = NDArray[np.float64]
    Key = tuple[str, str]

#: Avoided CO2 below this is rounding, and no cost is divided by it [t/yr].
_LEAST_AVOIDED_T = 1.0
_RAIL = ("locomotive_freight", "locomotive_conventional_passenger")
_BASE = year_index(BASE_YEAR)
_SHOWN = YEARS[_BASE:]
#: Measures on the vehicles after the sales mix: measure, parameters of its levers, group of the subject (None = any).
_LATER: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    ("early_scrappage", ("truck_early_scrap_rate", "early_scrap_rate"), None),
    ("bus_service", ("vehicle_stock", "share_in_group"), "urban_bus"),
)
#: Measures whose CO2 stands beside the accounts: the side account of paving.
_BESIDE = frozenset({"paving_recycling"})
#: Measures whose rows are main modes.
_BY_MODE = frozenset(measure for measure, *_ in FREIGHT)
#: A lever that the table of measures does not name is one whose cost nobody knows.
_UNNAMED = "other"
_KNOWN, _OUTSIDE, _UNKNOWN = "known", "beside_accounts", "no_cost_known"
#: Columns of money in the table of measures.
_MONEY = ("capital", "energy", "maintenance", "infrastructure", "service", "total", "discounted")


def cost_tables(parts: Parts) -> dict[str, pl.DataFrame]:
    """Return the tables ``tco`` and ``costs`` of a run (first draw).

    Parameters
    ----------
    parts
        Parts of the run.
    """
    activity = activity_of(parts.inputs, parts.params, parts.freight, parts.passengers, parts.urban)
    found = all_measures(parts, activity)
    without_cost = unknown_measures(parts.inputs, parts.params, Rows(parts.inputs.params(), parts.hold_year))
    return {
        "tco": tco_table(parts.inputs, parts.params, activity),
        "costs": costs_table(found, parts.params.get("discount_rate", "social"), without_cost),
    }


def tco_table(inputs: Inputs, params: Params, activity: Activity) -> pl.DataFrame:
    """Return the cost of ownership of new vehicles and the sales shares of rows and of costs, from the base year on (first draw).

    Parameters
    ----------
    inputs, params, activity
        Of the run.

    Returns
    -------
    DataFrame
        Columns year, vehicle_class, powertrain, unit (of work), sales_split (what can split the sales: ``logit``, ``traction`` or ``single``),
        capital, energy, maintenance, fixed, infrastructure, battery, payload and total (each ``_cny2023_per_unit``), path_share, tco_share
        (null where the sales follow the traction that lines need).
    """
    params, classes = inherited(inputs, params)
    climate = read_climates(inputs, params)
    frames = []
    for spec in priced_classes(classes, params):
        cost, unit = ownership_cost(spec, params, activity, climate)
        split = split_of(spec, params)
        shape = (params.draws, len(YEARS))
        # the sales of locomotives are no split: each traction follows its own work
        path = by_cost = path_shares(params, spec, shape) if split != "traction" else np.full((*shape, len(spec.pairs)), np.nan)
        if split == "logit":
            by_cost = cost_shares(params, spec, path, cost)
        for k, pair in enumerate(spec.pairs):
            shown = {
                "capital": cost.capital,
                "energy": cost.energy,
                "maintenance": cost.maintenance,
                "fixed": cost.fixed,
                "infrastructure": cost.infrastructure,
                "battery": cost.battery,
                "payload": cost.payload,
                "total": cost.total(),
            }
            frames.append(
                pl.DataFrame(
                    {
                        "year": list(_SHOWN),
                        "vehicle_class": [spec.name] * len(_SHOWN),
                        "powertrain": [pair.powertrain] * len(_SHOWN),
                        "unit": [unit] * len(_SHOWN),
                        "sales_split": [split] * len(_SHOWN),
                        **{f"{name}_cny2023_per_unit": array[0, _BASE:, k] for name, array in shown.items()},
                        "path_share": path[0, _BASE:, k],
                        "tco_share": by_cost[0, _BASE:, k],
                    }
                ).with_columns(pl.col("path_share", "tco_share").fill_nan(None))
            )
    return pl.concat(frames).sort("year", "vehicle_class", maintain_order=True)


def costs_table(found: Mapping[Key, YearlyCost], rate: Array, without_cost: Sequence[str] = ()) -> pl.DataFrame:
    """Return yearly cost, discounted cost and avoided CO2 of the measures of a run against the run without them (first draw).

    Parameters
    ----------
    found
        Result of :func:`all_measures`.
    rate
        Social discount rate ``[draw, year]`` [1/yr].
    without_cost
        Measures of the run for which no cost is known.

    Returns
    -------
    DataFrame
        Columns year, measure, vehicle_class (main mode for freight measures), status, capital_cny2023, energy_cny2023, maintenance_cny2023,
        infrastructure_cny2023, service_cny2023, total_cny2023, discounted_cny2023, avoided_tco2, cny2023_per_tco2 (null where no CO2 is
        avoided, and for the single modes of a freight measure). Status ``known``, ``beside_accounts`` (the CO2 is an estimate beside the accounts) or ``no_cost_known`` (all nulls).

    Notes
    -----
    discounted = total (1 + r)^-(t - 2020) with the social rate r. Capital is charged as an annuity over the service life, at list prices:
    purchase tax and subsidy only move money and are left out, taxes inside energy prices are not. A second battery counts as capital in the
    year of the exchange, at the pack price of that year. Vehicles that leave the province bring nothing.
    """
    factor = (1.0 + rate[0, _BASE:]) ** -np.arange(len(_SHOWN), dtype=np.float64)
    frames = []
    for (measure, name), cost in found.items():
        shape = np.broadcast_shapes(cost.total().shape, rate.shape)
        total, avoided = (np.broadcast_to(array, shape)[0, _BASE:] for array in (cost.total(), -cost.co2_t))
        money = {
            "capital": cost.capital,
            "energy": cost.energy,
            "maintenance": cost.maintenance,
            "infrastructure": cost.infrastructure,
            "service": cost.service,
        }
        frames.append(
            pl.DataFrame(
                {
                    "year": list(_SHOWN),
                    "measure": [measure] * len(_SHOWN),
                    "vehicle_class": [name] * len(_SHOWN),
                    "status": [_OUTSIDE if measure in _BESIDE else _KNOWN] * len(_SHOWN),
                    **{f"{key}_cny2023": np.broadcast_to(array, shape)[0, _BASE:] for key, array in money.items()},
                    "total_cny2023": total,
                    "discounted_cny2023": total * factor,
                    "avoided_tco2": avoided,
                    # the modes of a freight measure pay for each other: only their sum has a price per tonne
                    "cny2023_per_tco2": pl.Series(
                        [None] * len(_SHOWN) if measure in _BY_MODE else abatement_cost(total, avoided), dtype=pl.Float64
                    ),
                }
            )
        )
    nothing = dict.fromkeys((*(f"{key}_cny2023" for key in _MONEY), "avoided_tco2", "cny2023_per_tco2"))
    for measure in without_cost:
        row = pl.DataFrame({"year": list(_SHOWN), "measure": measure, "vehicle_class": "", "status": _UNKNOWN})
        frames.append(row.with_columns(pl.lit(value, dtype=pl.Float64).alias(name) for name, value in nothing.items()))
    return pl.concat(frames).sort("year", maintain_order=True)


def abatement_cost(cost: Array, avoided_t: Array) -> list[float | None]:
    """Return cost per tonne of CO2 avoided [CNY/t], None where a measure avoids nothing: a ratio to zero or to more CO2 has no meaning."""
    return [float(c / a) if a > _LEAST_AVOIDED_T else None for c, a in zip(cost, avoided_t, strict=True)]


def all_measures(parts: Parts, activity: Activity) -> dict[Key, YearlyCost]:
    """Return (measure, vehicle class or main mode) -> cost of the run less the cost without the measure.

    Parameters
    ----------
    parts
        Parts of the run.
    activity
        Turnover of the run.
    """
    inputs, params, rows = parts.inputs, parts.params, Rows(parts.inputs.params(), parts.hold_year)
    steps = vehicle_steps(inputs, params, activity, parts.vehicles, rows)
    made = measure_costs(inputs, params, parts.factors, steps)
    left = steps[-1]
    states = freight_fleets(inputs, left, activity, parts)
    made |= freight_costs(params, parts.freight, states)
    departures = rows.moved(params, [(p, port) for p in DEPARTURES for port in params.subjects(p)])
    if departures:
        made["extra_departures", ""] = departures_cost(rows, params, departures)
    made["ground_power", "aircraft_apu"] = ground_power_cost(params, parts.factors)
    made |= city_costs(inputs, params, rows, _per_km(inputs, left, parts), parts.grid)
    plugs = plugged(inputs, params, left.fleet, parts.vehicles)
    if rows.moved(params, [(parameter, "all") for parameter in plugs]):
        made["charging_plugs", ""] = plugs_cost(rows, params, plugs)
    made["paving_recycling", ""] = paving_cost(params)
    return made


@dataclass(frozen=True)
class Step:
    """The fleets after some measures have been taken away: the measures of this step, parameters and outcome."""

    measures: tuple[str, ...]
    params: Params
    fleet: VehicleOutcome
    hold_year: int | None


def vehicle_steps(inputs: Inputs, params: Params, activity: Activity, vehicles: VehicleOutcome, rows: Rows) -> tuple[Step, ...]:
    """Return the run, then the run without one more measure on the vehicles at each step.

    Parameters
    ----------
    inputs, params, activity, vehicles
        Of the run.
    rows
        Its parameters without levers.

    Notes
    -----
    First the sales mix beyond the base year's and the electrified lines: they touch different classes. Then early scrappage, then bus service,
    where levers move them.
    """
    hold = rows.hold_year
    steps = [Step((), params, vehicles, hold)]
    now = params.replace("rail_electrified_share", "all", hold_after(params.get("rail_electrified_share"), _BASE))
    fleet = model_vehicles(inputs, now, activity, hold_composition_after=hold, sales="held")
    steps.append(Step(("clean_sales", "rail_electrification"), now, fleet, hold))
    _, classes = inherited(inputs, params)
    for measure, parameters, group in _LATER:
        mine = {spec.group for spec in classes} | {spec.name for spec in classes} if group is None else _family(classes, group)
        changed = rows.moved(now, [(p, s) for p in parameters for s in params.subjects(p) if s in mine])
        if changed:
            now = rows.without(now, changed)
            fleet = model_vehicles(inputs, now, activity, hold_composition_after=hold, sales="held")
            steps.append(Step((measure,), now, fleet, hold))
    return tuple(steps)


def measure_costs(inputs: Inputs, params: Params, factors: CarbonFactors, steps: Sequence[Step]) -> dict[Key, YearlyCost]:
    """Return (measure, vehicle class) -> cost of the run less the cost without the measure, of the measures on vehicles and of shore power.

    Parameters
    ----------
    inputs, params
        Of the run.
    factors
        Carbon factors of the run.
    steps
        From :func:`vehicle_steps`.

    Returns
    -------
    dict
        ``clean_sales`` (sales mix beyond the base year's, by class), ``rail_electrification`` (by kind of train), ``early_scrappage`` and
        ``bus_service`` where levers move them, and ``shore_power``.
    """
    params, classes = inherited(inputs, params)
    carbon = [accounts.account(step.fleet.energy, factors)[SCOPE] for step in steps]

    def change(spec: VehicleClass, k: int) -> YearlyCost:
        now, then = (class_cost(params, spec, steps[i].fleet, carbon[i]) for i in (k - 1, k))
        return now.less(then)

    many = [spec for spec in classes if split_of(spec, params) == "logit"]
    made = {("clean_sales", spec.name): change(spec, 1) for spec in many}
    first, second = steps[0].fleet, steps[1].fleet
    wires = wires_cost(params, first.rail_electrified_share - second.rail_electrified_share)
    gross = {n: _work(first, n, "gross_tkm") for n in _RAIL}
    hauled = sum(gross.values())
    for name in _RAIL:
        found = change(find_class(classes, name), 1)
        share = gross[name] / np.where(hauled > 0, hauled, 1.0)
        made["rail_electrification", name] = replace(found, infrastructure=found.infrastructure + wires * share)
    for k, step in enumerate(steps[2:], start=2):
        (measure,) = step.measures
        mine = classes if measure == "early_scrappage" else [spec for spec in classes if spec.group == "urban_bus"]
        for spec in mine:
            if is_priced(spec, params) and not np.array_equal(_stock_of(spec, steps[k - 1].fleet), _stock_of(spec, step.fleet)):
                made[measure, spec.name] = change(spec, k)
    made["shore_power", "ship_at_berth"] = shore_cost(params, factors)
    return made


def freight_fleets(inputs: Inputs, left: Step, activity: Activity, parts: Parts) -> dict[str, dict[str, Array]]:
    """Return state of freight -> mode -> CO2 of the fleets that carry it ``[draw, year]`` [t/yr].

    Parameters
    ----------
    inputs, activity, parts
        Of the run.
    left
        The fleets that all measures on vehicles have been taken from.

    Notes
    -----
    The turnover of a state is that of the run times the ratio of the two in the first draw.
    """
    found: dict[str, dict[str, Array]] = {}
    tkm = parts.freight.state_carrier_tkm
    fleet = left.fleet
    for before, name in zip((None, *STATES), STATES, strict=False):
        if before is not None and all(np.array_equal(tkm[name][c], tkm[before][c]) for c in tkm[name]):
            found[name] = found[before]
            continue
        if name != STATES[0]:
            ratio = {c: tkm[name][c] / np.where(tkm["run"][c] > 0, tkm["run"][c], 1.0) for c in tkm[name]}
            moved = replace(
                activity,
                road_freight_tkm=activity.road_freight_tkm * ratio["road"],
                rail_freight_tkm=activity.rail_freight_tkm * ratio["rail"],
                coastal_tkm=activity.coastal_tkm * ratio["coastal"],
                ocean_tkm=activity.ocean_tkm * ratio["ocean"],
                pipeline_tkm={kind: amount * ratio[f"pipeline_{kind}"] for kind, amount in activity.pipeline_tkm.items()},
            )
            fleet = model_vehicles(inputs, left.params, moved, hold_composition_after=left.hold_year, sales="held")
        carbon = accounts.account(fleet.energy, parts.factors)[SCOPE]
        by_mode = {mode: np.zeros(carbon.shape[1:]) for mode in ("road", "rail", "water", "pipeline")}
        for k, key in enumerate(fleet.energy.keys):
            mode = fleet.mode[key.vehicle_class]
            if mode in by_mode:
                by_mode[mode] += carbon[k]
        found[name] = by_mode
    return found


def unknown_measures(inputs: Inputs, params: Params, rows: Rows) -> tuple[str, ...]:
    """Return the measures of a run whose cost no row knows, by the parameters that levers have moved.

    Parameters
    ----------
    inputs
        With the tables ``levers`` and ``accounts/measures``.
    params
        Of the run.
    rows
        Its parameters without levers.
    """
    named = {
        (p, s): (m, b)
        for m, p, s, b in inputs.table("accounts/measures").select("measure", "parameter", "subject", "basis").iter_rows()
    }
    found: list[str] = []
    for parameter, subject in inputs.table("levers").select("parameter", "subject").unique(maintain_order=True).iter_rows():
        keys = [(parameter, s) for s in (params.subjects(parameter) if subject == "*" else (subject,))]
        for key in rows.moved(params, keys):
            measure, basis = named.get(key, named.get((parameter, "*"), (_UNNAMED, _UNKNOWN)))
            if basis == _UNKNOWN and measure not in found:
                found.append(measure)
    return tuple(found)


def inherited(inputs: Inputs, params: Params) -> tuple[Params, tuple[VehicleClass, ...]]:
    """Return parameters in which members of a group inherit its rows, and the classes."""
    classes = read_classes(inputs)
    return params.inheriting(parents(classes)), classes


def priced_classes(classes: Sequence[VehicleClass], params: Params) -> list[VehicleClass]:
    """Return the classes whose powertrains all have prices."""
    return [spec for spec in classes if is_priced(spec, params)]


def _family(classes: Sequence[VehicleClass], group: str) -> set[str]:
    """Return a group and its members."""
    return {group} | {spec.name for spec in classes if spec.group == group}


def _stock_of(spec: VehicleClass, fleet: VehicleOutcome) -> Array:
    return np.asarray(fleet.stock[fleet.classes.index(spec.name)])


def wires_cost(params: Params, share: Array) -> Array:
    """Return the annuity of the wires over a share of the railway ``[draw, year]`` [CNY/yr]."""
    km = share * params.get("rail_operating_length")
    return np.asarray(km * params.get("rail_electrification_cost") * spread(params, "rail_electrification"))


def class_cost(params: Params, spec: VehicleClass, fleet: VehicleOutcome, carbon: Array) -> YearlyCost:
    """Return the yearly cost of one class in one outcome of the vehicle model, whose CO2 by key is ``carbon``."""
    i = fleet.classes.index(spec.name)
    trains = [p.powertrain for p in spec.pairs]
    at = [fleet.powertrains.index(train) for train in trains]
    stock, sales = (np.moveaxis(array[i, at], 0, -1) for array in (fleet.stock, fleet.sales))
    rate = params.get("discount_rate", "social")[:, 0]
    scale, shape = (params.get(name, spec.name)[:, 0] for name in ("survival_scale", "survival_shape"))
    life = scale * gamma(1.0 + 1.0 / shape)
    km = np.stack([_work(fleet, spec.name, "km", train) for train in trains], axis=-1)
    chargers = own_chargers(params, spec) * spread(params, "charger")[:, :, None]
    second = [k for k, (name, _) in enumerate(fleet.retired.keys) if name == spec.name]
    batteries = fleet.retired.replaced[second].sum(axis=0) * params.get("battery_pack_price")
    energy, co2 = np.zeros(stock.shape[:2]), np.zeros(stock.shape[:2])
    for k, key in enumerate(fleet.energy.keys):
        if key.vehicle_class == spec.name:
            energy += fleet.energy.quantity[k] * energy_price(params, spec, key.carrier)[..., trains.index(key.powertrain)]
            co2 += carbon[k]
    kept = upkeep_per_year(params, spec) + fixed_per_year(params, spec)
    return YearlyCost(
        capital=tco.charged_capital(sales, list_price(params, spec), rate, life).sum(axis=-1) + batteries,
        energy=energy,
        maintenance=(km * upkeep_per_km(params, spec) + stock * kept).sum(axis=-1),
        infrastructure=(stock * chargers).sum(axis=-1),
        service=(km * lost_payload(params, spec)).sum(axis=-1),
        co2_t=co2,
    )


def _per_km(inputs: Inputs, left: Step, parts: Parts) -> dict[str, PerKm]:
    """Return what a km of city vehicles costs and emits in the fleets that all measures on vehicles have been taken from."""
    params, classes = inherited(inputs, left.params)
    fleet = left.fleet
    carbon = accounts.account(fleet.energy, parts.factors)[SCOPE]
    made = {}
    for group in (*ON_ROAD, "urban_bus"):
        members = [spec for spec in classes if group in {spec.name, spec.group}]
        costs = [class_cost(params, spec, fleet, carbon) for spec in members]
        by_train = [np.stack([_work(fleet, spec.name, "km", p.powertrain) for p in spec.pairs], axis=-1) for spec in members]
        km = sum(driven.sum(axis=-1) for driven in by_train)
        upkeep = sum((driven * upkeep_per_km(params, spec)).sum(axis=-1) for driven, spec in zip(by_train, members, strict=True))
        one = np.ones_like(km)
        made[group] = PerKm(
            energy=sum(cost.energy for cost in costs) / km,
            maintenance=upkeep / km,
            co2_t=sum(cost.co2_t for cost in costs) / km,
            counted=parts.urban.reconciliation.get(group, one),
        )
    return made


def plugged(inputs: Inputs, params: Params, left: VehicleOutcome, run: VehicleOutcome) -> dict[str, Array]:
    """Return parameter of plugs -> vehicles that share them ``[draw, year]`` [veh].

    The plugs of the buses and apron units that clean sales bring stand among their chargers: what is left are those of the fleets without that
    measure. A taxi has no charger of its own, so that all taxis of the run count, but for those that exchange their battery.
    """
    params, classes = inherited(inputs, params)

    def charging(group: str, fleet: VehicleOutcome) -> Array:
        found = np.zeros(fleet.stock.shape[2:])
        for spec in classes:
            for pair in spec.pairs:
                plugs = params.has("electricity_use", f"{spec.name}:{pair.powertrain}") and pair.powertrain != "battery_swap"
                if spec.group == group and plugs:
                    found += fleet.stock[fleet.classes.index(spec.name), fleet.powertrains.index(pair.powertrain)]
        return found

    return {
        "depot_plugs_per_bus": charging("urban_bus", left),
        "taxi_plugs_per_taxi": charging("taxi", run),
        "apron_plugs_per_unit": charging("airside_equipment", left),
    }


def _work(fleet: VehicleOutcome, name: str, unit: str, powertrain: str | None = None) -> Array:
    """Return the work of a class in one unit ``[draw, year]``, of one powertrain or of all."""
    rows = [
        k
        for k, key in enumerate(fleet.work.keys)
        if key.vehicle_class == name and fleet.work.units[k] == unit and powertrain in {None, key.powertrain}
    ]
    return np.asarray(fleet.work.quantity[rows].sum(axis=0))
