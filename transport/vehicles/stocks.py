"""Stock of every vehicle class: the need of each year, the first stock, sales by powertrain, cohorts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fleets import energy as formula
from fleets import vehicles as fleet
from fleets.stock import StockPath, UsedTrade, adjusted_stock, conditional_survival, turn_over
from transport.vehicles.groups import of_member, share_in_group
from transport.vehicles.work import gross_tkm, ship_tkm, truck_distance_km

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.params import Params
    from transport.vehicles.sales import SalesRule
    from transport.vehicles.tables import Activity, Array, VehicleClass

    #: Need and shares in sales of a class, and the cohorts that follow.
    KnownPath = tuple[Array, Array, StockPath]

#: Ages are followed up to this multiple of the upper end of the Weibull scale, where hardly anything is left; the last bin is open.
_AGES_PER_SCALE = 2.2


def _survival(params: Params, name: str) -> Array:
    """Return conditional survival ``[draw, 1, age]`` of a class; the first year's draw holds for all vintages.

    The number of ages follows from the ranges of the rows, so that no draw depends on another.
    """
    scale = params.get("survival_scale", name)[:, 0]
    shape = params.get("survival_shape", name)[:, 0]
    limit = params.get("mandatory_age", name)[:, 0] if params.has("mandatory_age", name) else None
    longest = params.highest("survival_scale", name) * _AGES_PER_SCALE if limit is None else params.highest("mandatory_age", name)
    return conditional_survival(scale, shape, int(np.ceil(longest)), mandatory_years=limit)[:, None, :]


def _growth(params: Params, spec: VehicleClass) -> Array:
    """Return past growth of sales by powertrain ``[draw, powertrain]``."""
    by_group = {
        fleet.CONVENTIONAL: params.get("prior_sales_growth", spec.name)[:, 0],
        fleet.GAS: params.get("prior_sales_growth", "gas")[:, 0],
        fleet.NEW_ENERGY: params.get("prior_sales_growth", "new_energy")[:, 0],
    }
    if fleet.CONVENTIONAL not in {p.group for p in spec.pairs}:
        by_group[fleet.NEW_ENERGY] = by_group[fleet.CONVENTIONAL]
    return np.stack([by_group[p.group] for p in spec.pairs], axis=-1)


def _initial_share(params: Params, spec: VehicleClass, n_draw: int) -> Array:
    """Return the powertrains of the first stock ``[draw, powertrain]``; the main conventional one takes the remainder."""
    keys = [f"{spec.name}:{p.powertrain}" for p in spec.pairs]
    share = np.zeros((n_draw, len(keys)))
    main = next((i for i, p in enumerate(spec.pairs) if p.remainder and p.group == fleet.CONVENTIONAL), 0)
    for i, key in enumerate(keys):
        if i != main and params.has("initial_share", key):
            share[:, i] = np.clip(params.get("initial_share", key)[:, 0], 0.0, 1.0)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1.0)
    share[:, main] = 1.0 - share.sum(axis=1)
    return share


def required_stock(spec: VehicleClass, params: Params, activity: Activity) -> Array:
    """Return the vehicles that are needed ``[draw, year]``."""
    if spec.stock_driver == "path":
        total = params.get("vehicle_stock", spec.name) * activity.stock_growth.get(spec.group, 1.0)
        return total if params.own("vehicle_stock", spec.name) else np.asarray(total * share_in_group(spec, params))
    if spec.stock_driver == "light_freight":
        return activity.light_trucks
    if spec.stock_driver == "truck_tkm":
        need = truck_distance_km(spec.name, params, activity) / params.get("annual_distance", spec.name)
        return adjusted_stock(need, params.get("fleet_adjustment_years", spec.name)[:, 0])
    if spec.stock_driver == "high_speed_pkm":
        distance = formula.passenger_distance_km(
            activity.passenger_pkm["high_speed"], params.get("seats", spec.name), activity.passenger_load["high_speed"]
        )
        return distance / params.get("annual_distance", spec.name)
    per_ship = of_member(spec, params, "ship_annual_tkm", "work", harmonic=True)
    slower = formula.speed_work_multiplier(
        params.get("ship_speed_ratio", spec.name), params.get("ship_sea_time_share", spec.name)
    )
    return ship_tkm(spec, params, activity) / (per_ship * slower)


def _early_scrap(spec: VehicleClass, params: Params, n_age: int) -> Array | None:
    """Return the extra share of old conventional vehicles scrapped ``[draw, year, powertrain, age]``, None where there is none."""
    for parameter, whose in (("truck_early_scrap_rate", "trucks"), ("early_scrap_rate", spec.name)):
        if not params.has(parameter, spec.name):
            continue
        rate = params.get(parameter, spec.name)
        old = np.arange(n_age) >= params.get("early_scrap_min_age", whose)[:, :1]
        if rate.any():
            conventional = np.asarray([p.group == fleet.CONVENTIONAL for p in spec.pairs], dtype=np.float64)
            return np.asarray(np.clip(rate, 0.0, 1.0)[:, :, None, None] * conventional[:, None] * old[:, None, None, :])
    return None


def _used_trade(spec: VehicleClass, params: Params) -> UsedTrade | None:
    """Return the used vehicles that move between registers, None where there are none."""
    if not params.has("used_inflow_share", spec.name):
        return None
    rate, age = params.get("used_inflow_share", spec.name), params.get("used_inflow_age", spec.mode)[:, 0]
    spread = params.get("used_inflow_age_spread")[:, 0]
    return UsedTrade(rate, age, spread) if rate.any() else None


def stock_path(
    spec: VehicleClass,
    params: Params,
    activity: Activity,
    hold: int | None,
    shares: SalesRule,
    known: dict[str, KnownPath] | None = None,
) -> StockPath:
    """Return the cohorts of a class that makes up for its missing vehicles with sales by ``shares``.

    Parameters
    ----------
    spec, params, activity, shares
        The class, and what decides about its stock.
    hold
        Position on the year axis of the year whose composition is kept.
    known
        Cohorts found before on the same parameters and ``hold``; those of a class with the same need and sales are taken from there.
    """
    required = required_stock(spec, params, activity)
    wanted = required, shares(spec, required)
    if known is not None and spec.name in known:
        *before, path = known[spec.name]
        if all(np.array_equal(a, b) for a, b in zip(wanted, before, strict=True)):
            return path
    path = _turned_over(spec, params, *wanted)
    path = path if hold is None else fleet.held_composition(path, hold)
    if known is not None:
        known[spec.name] = *wanted, path
    return path


def _turned_over(spec: VehicleClass, params: Params, required: Array, share: Array) -> StockPath:
    """Return the cohorts of a class from its need and the shares of the powertrains in its sales."""
    chance = _survival(params, spec.name)
    first = fleet.initial_stock(required[:, 0], _initial_share(params, spec, required.shape[0]), chance, _growth(params, spec))
    return turn_over(
        first,
        share,
        chance,
        required_stock=required,
        used=_used_trade(spec, params),
        early_scrap=_early_scrap(spec, params, chance.shape[-1]),
        register_outflow=spec.register_outflow,
    )


def locomotive_path(spec: VehicleClass, params: Params, activity: Activity, electrified: Array) -> StockPath:
    """Return locomotives by traction: each side follows its own gross tonne-km, sales make up for what is missing."""
    gross, electric = gross_tkm(spec.name, params, activity, electrified)
    chance = _survival(params, spec.name)
    paths = []
    early = _early_scrap(spec, params, chance.shape[-1])
    for k, pair in enumerate(spec.pairs):
        share = electric if pair.powertrain == "electric_traction" else 1.0 - electric
        required = gross * share / params.get("locomotive_annual_gross_tkm", f"{spec.name}:{pair.powertrain}")
        # The building of diesel locomotives passed its peak long before that of electric ones: a traction may have a row of its own.
        own = f"{spec.name}:{pair.powertrain}"
        growth = params.get("prior_sales_growth", own if params.has("prior_sales_growth", own) else spec.name)[:, :1]
        first = fleet.initial_stock(required[:, 0], np.ones((required.shape[0], 1)), chance, growth)
        # Locomotives move between the provinces of a railway bureau: what is not needed leaves.
        scrap = None if early is None else early[:, :, k : k + 1]
        all_of_it = np.ones((*required.shape, 1))
        paths.append(turn_over(first, all_of_it, chance, required_stock=required, early_scrap=scrap, register_outflow=True))
    return StockPath(
        np.concatenate([p.stock for p in paths], axis=2),
        np.concatenate([p.sales for p in paths], axis=2),
        np.concatenate([p.scrapped for p in paths], axis=2),
        np.concatenate([p.inflow for p in paths], axis=2),
    )


def old_diesel_share(classes: Sequence[VehicleClass], paths: Mapping[str, StockPath], params: Params) -> Array:
    """Return the share of old ones among the diesel locomotives ``[draw, year]``, 0 where there is none."""
    old: Array | float = 0.0
    every: Array | float = 0.0
    for spec in classes:
        if spec.stock_driver == "locomotive":
            diesel = [k for k, pair in enumerate(spec.pairs) if pair.group == fleet.CONVENTIONAL]
            held = paths[spec.name].stock[:, :, diesel].sum(axis=2)
            aged = np.arange(held.shape[-1]) >= params.get("old_locomotive_age")[:, :1]
            old, every = old + (held * aged[:, None]).sum(axis=-1), every + held.sum(axis=-1)
    return np.asarray(old / np.where(np.asarray(every) > 0, every, 1.0))


def stock_arrays(
    classes: Sequence[VehicleClass], powertrains: Sequence[str], paths: Mapping[str, StockPath], shape: tuple[int, int]
) -> tuple[Array, Array, Array, Array]:
    """Return stock, sales, scrapped vehicles and net inflow on the axes ``[class, powertrain, draw, year]``."""
    made = tuple(np.zeros((len(classes), len(powertrains), *shape)) for _ in range(4))
    for i, spec in enumerate(classes):
        if spec.name not in paths:
            continue
        path = paths[spec.name]
        held = path.by_powertrain()
        for k, pair in enumerate(spec.pairs):
            j = powertrains.index(pair.powertrain)
            made[0][i, j], made[1][i, j] = held[..., k], path.sales[..., k]
            made[2][i, j], made[3][i, j] = path.scrapped[..., k], path.inflow[..., k]
    return made[0], made[1], made[2], made[3]
