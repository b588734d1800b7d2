"""Sales by powertrain: as the data and the levers say, or as costs of ownership make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from fleets import tco
from fleets import vehicles as fleet
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.vehicles.ownership import is_priced, ownership_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.params import Params
    from transport.vehicles.tables import Activity, Array, Climate, VehicleClass

    #: Sales shares ``[draw, year, powertrain]`` of a class from the vehicles it needs.
    SalesRule = Callable[[VehicleClass, Array], Array]

#: How sales split over powertrains after the base year: rows and levers, cost of ownership, or as in the base year.
SalesModel: TypeAlias = Literal["path", "tco", "held"]
#: What can split the sales of a class: costs or the path, the traction that lines need, one powertrain only, or the path for want of prices.
Split: TypeAlias = Literal["logit", "traction", "single", "path"]
#: Row of the exponent of classes without weather: ships.
_SHIP = "ship"


def sales_rule(params: Params, activity: Activity, climate: Mapping[str, Climate], model: SalesModel) -> SalesRule:
    """Return the rule that splits the sales of a class over its powertrains.

    Parameters
    ----------
    params, activity, climate
        Of the run.
    model
        ``path`` takes rows and levers. ``tco`` takes them through the base year and the logit of costs afterwards, for classes with prices; the
        others keep the path. ``held`` keeps the shares of the base year. Locomotives follow the traction that electrified lines need.
    """

    def rule(spec: VehicleClass, required: Array) -> Array:
        path = path_shares(params, spec, (required.shape[0], required.shape[1]))
        if model == "held":
            return fleet.hold_after(path, year_index(BASE_YEAR))
        if model == "path" or split_of(spec, params) != "logit":
            return path
        return cost_shares(params, spec, path, ownership_cost(spec, params, activity, climate)[0])

    return rule


def split_of(spec: VehicleClass, params: Params) -> Split:
    """Return what can split the sales of a class: ``logit`` (costs or path), ``traction``, ``single`` or ``path`` (no prices)."""
    if len(spec.pairs) == 1:
        return "single"
    if spec.stock_driver == "locomotive":
        return "traction"
    return "logit" if is_priced(spec, params) else "path"


def path_shares(params: Params, spec: VehicleClass, shape: tuple[int, int]) -> Array:
    """Return sales by powertrain ``[draw, year, powertrain]`` from rows and levers."""
    if len(spec.pairs) == 1:
        return np.ones((*shape, 1))
    weights = {
        p.powertrain: params.get("split_in_group", f"{spec.name}:{p.powertrain}")
        for p in spec.pairs
        if not p.remainder and params.has("split_in_group", f"{spec.name}:{p.powertrain}")
    }
    clean = params.get("clean_sales_share", spec.name)
    named = params.has("new_energy_share_of_clean", spec.name)
    new_energy = params.get("new_energy_share_of_clean", spec.name) if named else np.ones(shape)
    return fleet.sales_shares(spec.pairs, clean, new_energy, weights)


def cost_shares(params: Params, spec: VehicleClass, path: Array, cost: tco.UnitCost) -> Array:
    """Return sales by powertrain as costs of ownership make them.

    Parameters
    ----------
    params
        Parameters of the run.
    spec
        Class with more than one powertrain.
    path
        Shares of rows and levers ``[draw, year, powertrain]``: those through the base year stay, the base year calibrates.
    cost
        Cost per km of a new vehicle.

    Returns
    -------
    array ``[draw, year, powertrain]``; sums to 1

    Raises
    ------
    TcoError
        If the class has no main conventional powertrain to measure newcomers against.

    Notes
    -----
    Relative-cost logit with the constants of the base year (:func:`fleets.tco.sales_constants`); what kept a group below its cost rank in the
    base year falls by ``sales_barrier_persistence``. Costs of ownership reach no freight cost: a lever on the diesel price moves the price of
    a tonne-km and the sales mix, each once, and neither moves the other.
    """
    base = year_index(BASE_YEAR)
    total = cost.total()
    groups = [p.group for p in spec.pairs]
    main = next((i for i, p in enumerate(spec.pairs) if p.remainder and p.group == fleet.CONVENTIONAL), None)
    if main is None:
        msg = f"{spec.name} has no main conventional powertrain; its sales cannot follow costs"
        raise tco.TcoError(msg)
    exponent = params.get("sales_cost_exponent", spec.climate or _SHIP)[:, base]
    entry = np.zeros((path.shape[0], len(groups)))
    weight = np.ones_like(path)
    for k, pair in enumerate(spec.pairs):
        key = f"{spec.name}:{pair.powertrain}"
        if params.has("sales_entry_weight", key):
            entry[:, k] = params.get("sales_entry_weight", key)[:, base]
            late = np.asarray(YEARS) < params.get("sales_entry_year", key)
            weight[..., k] = np.where(late & (path[:, [base], k] <= 0), 0.0, 1.0)
    constants = tco.sales_constants(total[:, base], path[:, base], exponent, entry, main)
    persistence = np.stack(
        [np.ones(path.shape[:2]) if g == fleet.CONVENTIONAL else _barrier(params, spec, g) for g in groups],
        axis=-1,
    )
    weight = weight * tco.barrier_factor(constants, groups, fleet.CONVENTIONAL, persistence)
    shares = tco.logit_shares(total, constants, exponent, weight)
    shares[:, : base + 1] = path[:, : base + 1]
    return shares


def _barrier(params: Params, spec: VehicleClass, group: str) -> Array:
    """Return the share of the barrier that is left: the row of the class where it has one, else that of all road vehicles."""
    own = f"{spec.name}:{group}"
    return params.get("sales_barrier_persistence", own if params.has("sales_barrier_persistence", own) else group)
