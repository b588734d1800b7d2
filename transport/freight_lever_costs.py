"""What the freight levers of a run cost, and who pays: table ``freight_lever_costs``.

A lever that moves a price costs the price difference times the modelled volumes; one that adds departures, capacity or speed costs those; a quota
costs its charge on what still comes by truck. The rules stand in ``data/lever_effects.csv``; a lever without a rule has no known cost, and the table says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import freight_works
from transport.freight_costs import mark_costs, unit_costs
from transport.layout import BASE_YEAR, FIRST_YEAR, YEARS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.freight_model import FreightModel
    from transport.freight_prepare import Tables
    from transport.params import Params

    Array = NDArray[np.float64]
    Key = tuple[str, str]

SCHEMA = {
    "lever": pl.String,
    "year": pl.Int64,
    "amount": pl.Float64,
    "unit": pl.String,
    "payer": pl.String,
    "basis": pl.String,
    "quality": pl.String,
}
_UNIT = "CNY/yr"
#: Basis of a lever whose cost no row tells.
NO_COST = "no_cost_known"
#: Departures a year per unit of the lever: trains a day in both directions, sailings a week.
_PER_YEAR = {"1/day": 2.0 * 365.0, "1/week": 365.0 / 7.0}
#: Payers that bear what shippers are spared.
_SPARE = ("carrier", "government")
_AFTER = np.asarray(YEARS) > BASE_YEAR


def lever_cost_frame(inputs: Tables, params: Params, model: FreightModel, quotas: pl.DataFrame) -> pl.DataFrame:
    """Return what every freight lever of a run costs a year (first draw, the years whose flows are kept).

    Parameters
    ----------
    inputs, params, model
        Of the run; a lever is what moves a parameter away from the data after the base year.
    quotas
        Table ``freight_quotas`` of the run.

    Returns
    -------
    frame
        Columns of :data:`SCHEMA`: ``amount`` is what the payer bears [CNY/yr], negative where it gains; empty where no cost is known (``basis``
        :data:`NO_COST`). ``quality`` is that of the row the cost is taken from.

    Notes
    -----
    ``amount = sum over goods and components of (unit cost with the lever - without it) x volume`` of the run's own flows, with its sign turned where
    carriers or the state bear what shippers are spared. Levers are taken out one by one, so of two that multiply each other each carries the
    product, and amounts need not add up.
    """
    central = inputs.params()
    moved = _moved_levers(inputs, params, central)
    if not moved:
        return pl.DataFrame(schema=SCHEMA)
    rules = {row["parameter"]: row for row in inputs.table("lever_effects").iter_rows(named=True)}
    run = central
    for name, subject in moved:
        run = run.replace(name, subject, params.get(name, subject)[:1])
    volumes = {year: _volumes(model, year) for year in sorted(model.speed.solution.flows) if _AFTER[year]}
    records: list[Mapping[str, object]] = []
    costs = unit_costs(run)[:, 0], _marks(run)
    for key, lever in moved.items():
        rule = rules.get(key[0])
        basis = str(rule["cost_rule"] or NO_COST) if rule is not None else NO_COST
        if basis == "price":
            amounts = _price_amounts(run.replace(*key, central.get(*key)), costs, volumes)
            if not any(amounts.values()):  # no price of a tonne hangs on this subject: that is no cost of zero
                basis, amounts = NO_COST, dict.fromkeys(volumes)
        elif basis in ("time", "works"):
            amounts = freight_works.amounts(inputs, run, run.replace(*key, central.get(*key)), key, volumes)
            if all(amount is None for amount in amounts.values()):
                basis = NO_COST
        elif basis == "departures":
            amounts = _departures(run, key, str(rule["cost_parameter"]) if rule is not None else "", volumes)
        elif basis == "quota":
            amounts = _quota_amounts(quotas, key[1], volumes)
        else:
            amounts = dict.fromkeys(volumes)
        payer = str(rule["payer"]) if rule is not None and rule["payer"] else ""
        turned = -1.0 if basis == "price" and payer in _SPARE else 1.0
        cost = str(rule["cost_parameter"]) if rule is not None and rule["cost_parameter"] else key[0]
        for year, amount in amounts.items():
            records.append(
                {
                    "lever": lever,
                    "year": FIRST_YEAR + year,
                    "amount": None if amount is None else turned * amount,
                    "unit": _UNIT,
                    "payer": payer,
                    "basis": basis,
                    "quality": "" if amount is None else _quality(inputs, cost),
                }
            )
    frame = pl.DataFrame(records, schema=SCHEMA, orient="row")
    # a lever on several subjects of one parameter is one lever
    keys = ["lever", "year", "unit", "payer", "basis", "quality"]
    whole = frame.group_by(keys).agg(pl.when(pl.col("amount").is_not_null().any()).then(pl.col("amount").sum()).alias("amount"))
    return whole.select(list(SCHEMA)).sort("lever", "year")


def _moved_levers(inputs: Tables, params: Params, central: Params) -> dict[Key, str]:
    """Return the lever of each parameter and subject that a run moves: the one on all subjects where all are moved, else that on the subject itself."""
    freight = inputs.table("lever_effects").filter(pl.col("domain") == "freight").select("parameter")
    table = inputs.table("levers").select("lever", "parameter", "subject").join(freight, on="parameter", how="semi")
    found: dict[Key, str] = {}
    named = {(p, s): lever for lever, p, s in table.iter_rows() if s != "*"}
    for lever, parameter, subject in table.iter_rows():
        subjects = central.subjects(parameter) if subject == "*" else (subject,)
        moved = [s for s in subjects if _moved(params, central, (parameter, s))]
        whole = subject == "*" and len(moved) == len(subjects)
        for one in moved:
            own = named.get((parameter, one), lever)
            found[parameter, one] = lever if whole else found.get((parameter, one), own)
    return found


def _moved(params: Params, central: Params, key: Key) -> bool:
    """Return whether the first draw of a run differs from the data after the base year."""
    return not np.array_equal(params.get(*key)[0, _AFTER], central.get(*key)[0, _AFTER])


def _volumes(model: FreightModel, year: int) -> tuple[Array, Array]:
    """Return flow times components ``[commodity, component]`` and times marks ``[commodity, mark]`` of one year position."""
    rows = model.speed.adapt(model.prepared.states[model.prepared.state_of_year[year]].rows, year)
    flow = model.speed.solution.flows[year]
    parts = [
        np.stack([flow[start:end] @ array[start:end] for start, end in rows.slices]) for array in (rows.components, rows.marks)
    ]
    return parts[0], parts[1]


def _marks(params: Params) -> Array | None:
    made = mark_costs(params)
    return None if made is None else made[:, 0]


def _price_amounts(
    without: Params, costs: tuple[Array, Array | None], volumes: Mapping[int, tuple[Array, Array]]
) -> dict[int, float | None]:
    """Return what shippers pay more with a lever than without it, by year position [CNY/yr]."""
    plain, marks = unit_costs(without)[:, 0], _marks(without)
    found: dict[int, float | None] = {}
    for year, (component, mark) in volumes.items():
        amount = float(((costs[0][:, year] - plain[:, year]) * component).sum())
        for sign, made in ((1.0, costs[1]), (-1.0, marks)):
            if made is not None:
                amount += sign * float((made[:, year] * mark).sum())
        found[year] = amount
    return found


def _departures(params: Params, key: Key, cost: str, volumes: Mapping[int, object]) -> dict[int, float | None]:
    """Return the cost of further departures by year position [CNY/yr]."""
    yearly = params.get(*key)[0] * params.get(cost)[0] * _PER_YEAR[params.unit(key[0])]
    return {year: float(yearly[year]) for year in volumes}


def _quota_amounts(quotas: pl.DataFrame, port: str, volumes: Mapping[int, object]) -> dict[int, float | None]:
    """Return the charge of a port's quota times the tonnes that still come by truck, by year position [CNY/yr]."""
    mine = quotas.filter(pl.col("port") == port).select("year", pl.col("charge_cny_per_t") * pl.col("trucked_t"))
    paid = dict(mine.iter_rows())
    return {year: float(paid.get(FIRST_YEAR + year, 0.0)) for year in volumes}


def _quality(inputs: Tables, parameter: str) -> str:
    """Return the quality of the first row of a parameter."""
    found = inputs.parameters.filter(pl.col("parameter") == parameter).get_column("quality")
    return str(found[0]) if found.len() else ""
