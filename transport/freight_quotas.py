"""Collection quotas of ports: the share of dry bulk that must come by rail or belt, the charge that brings it about, and what it falls short by."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.quotas import Collection, find_charges
from networks.solve import flow_at_cost, row_costs
from transport.freight_costs import BULK
from transport.freight_demand import COMMODITIES
from transport.layout import FIRST_YEAR, YEARS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from networks.solve import Costs, Rows
    from networks.wiring import Conditions
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Prepared
    from transport.params import Params

    Array = NDArray[np.float64]
    Adapt = Callable[[Rows, int], Rows]
    Charge = Callable[[int], Array | None]

SCHEMA = {
    "year": pl.Int64,
    "port": pl.String,
    "quota": pl.Float64,
    "share_without": pl.Float64,
    "share_with": pl.Float64,
    "charge_cny_per_t": pl.Float64,
    "collected_t": pl.Float64,
    "trucked_t": pl.Float64,
    "unmet_t": pl.Float64,
    "binds": pl.String,
    "no_access_t": pl.Float64,
    "scarcity_cny_per_t": pl.Float64,
}
#: A quota missed by less than this counts as met.
_MET = 1e-6
_ONE = slice(0, 1)


@dataclass(frozen=True)
class Quotas:
    """Quotas of a run, first draw.

    Attributes
    ----------
    share
        Share asked for ``[zone, year]`` [-]; zero = none.
    belt_t
        Cargo that never leaves a belt or a works railway at the port ``[zone, year]`` [t/yr].
    clean_trucks
        Share of clean trucks in the truck collection ``[year]`` [-].
    ceiling
        Highest charge ``[year]`` [CNY/t].
    collections
        Rows at stake by network state; filled when first asked for.
    """

    share: Array
    belt_t: Array
    clean_trucks: Array
    ceiling: Array
    collections: dict[int, Collection]

    @classmethod
    def read(cls, params: Params, prepared: Prepared, costs: Costs) -> Quotas | None:
        """Return the quotas of a run; ``None`` if no port has one in any year.

        Parameters
        ----------
        params, prepared, costs
            Of the run.
        """
        zones = prepared.zones
        share = np.zeros((len(zones.ids), len(YEARS)))
        for port in params.subjects("port_clean_quota"):
            if port in zones.position:
                share[zones.position[port]] = params.get("port_clean_quota", port)[0]
        if not share.any():
            return None
        captive, belts = prepared.captive, np.zeros_like(share)
        ends = prepared.demand.captive
        origin, destination = ends["origin"].to_numpy(), ends["destination"].to_numpy()
        bulk = [COMMODITIES.index(c) for c in BULK]
        for i in np.flatnonzero(captive.at_port & np.isin(captive.commodity, bulk)):
            level = costs.growth[captive.commodity[i], 0] * costs.group_level[captive.group[i], 0]
            belts[origin[i] if zones.port[origin[i]] else destination[i]] += captive.t_per_year[i] * level
        return cls(
            share,
            belts,
            params.get("clean_truck_share_at_ports")[0],
            params.get("port_quota_charge_ceiling")[0],
            {},
        )

    def collection(self, prepared: Prepared, state: int) -> Collection:
        """Return the rows at stake in a network state."""
        if state not in self.collections:
            self.collections[state] = Collection.of(prepared.states[state].rows)
        return self.collections[state]

    def shares(self, trucked: Array, railed: Array, year: int) -> Array:
        """Return the clean share of each port ``[zone]`` [-] from what comes by truck and by train [t/yr]; one where nothing comes at all."""
        clean = railed + self.belt_t[:, year]
        whole = clean + trucked
        share: Array = np.divide(clean + self.clean_trucks[year] * trucked, whole, out=np.ones_like(whole), where=whole > 0)
        return share

    def charges(
        self, prepared: Prepared, costs: Costs, cost: Array, constants: Array, year: int, start: Array | None = None
    ) -> Array:
        """Return the charge of each port in one year ``[zone]`` [CNY/t].

        Parameters
        ----------
        prepared, costs
            Of the run.
        cost
            Generalised cost of every row without the charge ``[1, row]`` [CNY/t].
        constants
            Constants of the first draw ``[1, constant]``.
        year
            Position on the year axis.
        start
            Charges to begin with ``[zone]`` [CNY/t].
        """
        share, zones = self.share[:, year], len(prepared.zones.ids)
        begin = np.zeros(zones) if start is None else start
        if not share.any():
            return np.zeros(zones)
        found = self.collection(prepared, prepared.state_of_year[year])
        free = cost[:, found.at]

        def clean(charge: Array) -> Array:
            return self.shares(*self.tonnes(prepared, costs, found, free, constants, year, charge), year)

        return find_charges(clean, share, ceiling=float(self.ceiling[year]), slope=float(costs.scale[0, year]), start=begin)

    @staticmethod
    def tonnes(
        prepared: Prepared, costs: Costs, found: Collection, free: Array, constants: Array, year: int, charge: Array
    ) -> tuple[Array, Array]:
        """Return what comes by truck and by train at each port at given charges ``[zone]`` [t/yr]."""
        now = free + np.append(charge, 0.0)[found.rows.trucked]
        flow = flow_at_cost(found.rows, prepared.demand.demand, costs, now, constants[:1], _ONE, year)[0]
        return found.tonnes(flow, charge.size)


def charged(quotas: Quotas | None, prepared: Prepared, costs: Costs, adapt: Adapt, constants: Array) -> tuple[Adapt, Charge]:
    """Return what gives the rows of a year their charges as well, and the charges of a year; without quotas the rows stay as they are.

    Parameters
    ----------
    quotas, prepared, costs
        Of the run.
    adapt
        Gives the rows of a state the delays and prices of a year.
    constants
        Fitted constants ``[draw, constant]``; the first draw decides.
    """
    if quotas is None:
        return adapt, no_charge
    asked = quotas

    @functools.cache
    def charge(year: int) -> Array | None:
        if not asked.share[:, year].any():
            return None
        rows = adapt(prepared.states[prepared.state_of_year[year]].rows, year)
        return asked.charges(prepared, costs, row_costs(rows, costs, _ONE, year), constants, year)

    def adapted(rows: Rows, year: int) -> Rows:
        now, found = adapt(rows, year), charge(year)
        if found is None:
            return now
        return replace(now, price=now.price + np.append(found, 0.0)[now.trucked])

    return adapted, charge


def no_charge(_: int) -> Array | None:
    """Return the charges of a year without quotas: none."""
    return None


# --- result table -------------------------------------------------------------------------------------------------------------------


def quota_frame(model: FreightModel) -> pl.DataFrame:
    """Return the table ``freight_quotas``: every port and year with a quota, at the delays and prices of the speed the results are made from.

    Parameters
    ----------
    model
        The solved model.

    Returns
    -------
    frame
        Columns of :data:`SCHEMA`. ``share_without`` is the share at the same delays and prices without the charge, ``unmet_t`` what the ceiling leaves
        missing [t/yr], ``binds`` what keeps it: ``access`` (more than half of the trucked tonnes have no train at all), ``capacity`` (trains are
        there, and what they pay for scarce lines and terminals is more than they would have to become cheaper) or ``cost``; ``no_access_t`` are
        the trucked tonnes without a train [t/yr], ``scarcity_cny_per_t`` is the mean scarcity price on the trains of the others [CNY/t].
    """
    quotas = model.quotas
    if quotas is None:
        return pl.DataFrame(schema=SCHEMA)
    records: list[Mapping[str, object]] = []
    for year in np.flatnonzero(quotas.share.any(axis=0)).tolist():
        charge = model.speed.charge(year)
        assert charge is not None  # noqa: S101  (the year has a quota)
        records += _records(model, quotas, year, charge)
    return pl.DataFrame(records, schema=SCHEMA, orient="row").sort("year", "port")


def _records(model: FreightModel, quotas: Quotas, year: int, charge: Array) -> list[Mapping[str, object]]:
    prepared, costs, constants = model.prepared, model.costs, model.speed.fitted.constants
    state = prepared.state_of_year[year]
    found = quotas.collection(prepared, state)
    rows = model.speed.adapt(prepared.states[state].rows, year)
    free = row_costs(rows, costs, _ONE, year)[:, found.at] - np.append(charge, 0.0)[found.rows.trucked]
    at = functools.partial(quotas.tonnes, prepared, costs, found, free, constants, year)
    none, now = at(np.zeros_like(charge)), at(charge)
    before, after = quotas.shares(*none, year), quotas.shares(*now, year)
    collected = now[0] + now[1] + quotas.belt_t[:, year]
    flow = flow_at_cost(
        found.rows,
        prepared.demand.demand,
        costs,
        free + np.append(charge, 0.0)[found.rows.trucked],
        constants[:1],
        _ONE,
        year,
    )[0]
    scarcity = rows.price[found.at] - np.append(charge, 0.0)[found.rows.trucked]
    made: list[Mapping[str, object]] = []
    for zone in np.flatnonzero(quotas.share[:, year] > 0).tolist():
        unmet = max(quotas.share[zone, year] - after[zone], 0.0) * collected[zone]
        missed = quotas.share[zone, year] - after[zone] > _MET
        lone, price, lead = _why(found, zone, flow, free[0], scarcity, float(charge[zone]))
        kind = "access" if lone > 0.5 * now[0][zone] else "capacity" if price > lead else "cost"
        made.append(
            {
                "year": FIRST_YEAR + year,
                "port": prepared.zones.ids[zone],
                "quota": quotas.share[zone, year],
                "share_without": before[zone],
                "share_with": after[zone],
                "charge_cny_per_t": charge[zone],
                "collected_t": collected[zone],
                "trucked_t": now[0][zone],
                "unmet_t": unmet if missed else 0.0,
                "binds": kind if missed else "",
                "no_access_t": lone,
                "scarcity_cny_per_t": price,
            }
        )
    return made


def _why(found: Collection, zone: int, flow: Array, free: Array, scarcity: Array, charge: float) -> tuple[float, float, float]:
    """Return trucked tonnes of a port without any train [t/yr], and of the others the scarcity price of their cheapest train and its lead in cost.

    Notes
    -----
    The lead is what the cheapest train costs more than the trucks do with their charge, weighted by the tonnes that still go by truck [CNY/t].
    """
    rows = found.rows
    truck, train = rows.trucked == zone, rows.railed == zone
    n = int(rows.demand.max(initial=-1)) + 1
    by_truck = np.bincount(rows.demand[truck], flow[truck], minlength=n)
    cheapest = np.full(n, np.inf)
    np.minimum.at(cheapest, rows.demand[train], free[train])
    has = np.isfinite(cheapest)
    lone = float(by_truck[~has].sum())
    best = np.flatnonzero(train)
    best = best[free[best] <= cheapest[rows.demand[best]]]
    price = np.zeros(n)
    price[rows.demand[best]] = scarcity[best]
    road = np.full(n, np.inf)
    np.minimum.at(road, rows.demand[truck], free[truck] + charge)
    weight = by_truck * (has & np.isfinite(road))
    total = float(weight.sum())
    if total <= 0:
        return lone, 0.0, 0.0
    lead = np.where(weight > 0, cheapest - np.where(np.isfinite(road), road, 0.0), 0.0)
    return lone, float(weight @ price / total), float(weight @ np.where(has, lead, 0.0) / total)


def with_charge(conditions: Conditions, charge: Array | None) -> Conditions:
    """Return conditions with the charges of a year."""
    return conditions if charge is None else replace(conditions, charge=charge)
