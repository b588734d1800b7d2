"""How well the base year pins down the choice of the freight model, and how far its answers move within what is known of the base year.

Constants make the model meet the margins of 2020; what they carry, what only the prior decides, and how the response to a price depends on margins,
demand levels and the cost scale is shown here. Everything runs at the fixed speed: the delays and prices of the base year stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from networks.cost import COMPONENTS
from networks.measure import MEASURE, MEASURES, fold_sites
from networks.parts import LEG_MODES
from networks.solve import CONSTANTS, row_flow
from networks.wiring import expressway_territory_km
from transport.freight_calibration import MARGINS, fit_constants
from transport.freight_capacity import conditioned
from transport.freight_costs import make_costs
from transport.freight_prepare import central_value
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from networks.solve import Costs, Rows
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Tables
    from transport.params import Params

    Array = NDArray[np.float64]
    #: Parameter and subject -> ``low`` or ``high``.
    Moves = Mapping[tuple[str, str], str]

_BASE = year_index(BASE_YEAR)
#: Rise of the truck cost in the response table, and of each mode's cost in the elasticities.
ROAD_RISE, SMALL_RISE = 0.2, 0.01
#: First part of the names of the cost components of each mode; charges and subsidies of ports belong to none.
_COST_OF = {
    "road": ("road_",),
    "rail": ("rail_", "siding_", "drayage_", "site_drayage_"),
    "water": ("sea_", "roro_"),
    "pipeline": ("pipeline_", "last_mile_"),
}
#: A mode is called constant-driven when constants make up more than this share of it, that is: most of it.
_MOSTLY = 0.5
_RAIL_T, _RAIL_TKM = ("observed_rail_freight_t", "all"), ("observed_rail_territory_tkm", "all")
_SCALE = ("freight_cost_scale", "all")
#: Name of each quantity that a case moves.
MOVED: dict[tuple[str, str], str] = {
    _SCALE: "scale",
    _RAIL_T: "rail_t",
    _RAIL_TKM: "rail_tkm",
    ("flow_level", "transit"): "transit",
    ("flow_level", "inbound"): "inbound",
    ("flow_level", "known"): "known",
}
#: Elasticities of the literature: (responding mode, measure, mode whose cost rises) -> parameter, subject.
_LITERATURE = {
    ("road", "territory_tkm", "road"): ("ref_elasticity_tkm_price", "road_tonne_km_price_on_tkm"),
    ("rail", "territory_tkm", "road"): ("ref_elasticity_cross", "rail_tkm_to_road_price"),
}


@dataclass(frozen=True)
class Identification:
    """Report of the calibration of the base year, first draw, fixed speed.

    Attributes
    ----------
    margins
        ``item``, ``unit``, ``observed``, ``low``, ``high``, ``modelled``, ``at_prior`` (every constant at its prior), ``error_pct``.
    constants
        ``constant``, ``value``, ``prior``, ``prior_sd``, ``prior_share`` of its information.
    owed
        ``mode``, ``measure``, ``share_pct``, ``at_prior_pct``, ``owed_pct`` (of the share itself), ``mainly``.
    elasticities
        ``cost_of``, ``mode``, ``measure``, ``elasticity`` [%/%], literature value with range and quality where the data hold one.
    response
        From :func:`rail_response`.
    singular_values, rank, condition_number
        Of the scaled derivative of the margins by the constants.
    flags
        Remarks of the calibration.
    """

    margins: pl.DataFrame
    constants: pl.DataFrame
    owed: pl.DataFrame
    elasticities: pl.DataFrame
    response: pl.DataFrame
    singular_values: tuple[float, ...]
    rank: int
    condition_number: float
    flags: tuple[str, ...]


def identify(inputs: Tables, params: Params, model: FreightModel) -> Identification:
    """Return the report of the calibration.

    Parameters
    ----------
    inputs, params
        Of the run.
    model
        A solved model; of one with equilibrium the fixed speed is reported.
    """
    central = params if params.draws == 1 else inputs.params()
    fitted = model.fixed.fitted
    rows, _ = _base_rows(model)
    prior = np.array([central_value(central, "freight_constant_prior", name) for name in CONSTANTS])
    spread = [central_value(central, "freight_constant_sd", name) for name in CONSTANTS]
    constants = pl.DataFrame(
        {
            "constant": list(CONSTANTS),
            "value": fitted.constants[0, : len(CONSTANTS)],
            "prior": prior,
            "prior_sd": spread,
            "prior_share": fitted.prior_share,
        }
    )
    return Identification(
        _margins(inputs, central, model),
        constants,
        _owed(model, rows, prior),
        elasticities(inputs, model),
        rail_response(inputs, params, model),
        tuple(fitted.singular_values.tolist()),
        fitted.rank,
        fitted.condition_number,
        fitted.flags,
    )


def _base_rows(model: FreightModel) -> tuple[Rows, Array]:
    """Return the rows of the base year at its delays and prices, and the expressway km of the chains."""
    index = model.prepared.state_of_year[_BASE]
    state, conditions = model.prepared.states[index], model.frozen[index].conditions
    return conditioned(state.rows, state, conditions), expressway_territory_km(state.wiring, conditions)


def _margins(inputs: Tables, central: Params, model: FreightModel) -> pl.DataFrame:
    """Return observed and modelled margins."""
    fitted, found = model.fixed.fitted, []
    for k, (item, parameter) in enumerate(MARGINS):
        row = inputs.parameters.filter(pl.col("parameter") == parameter).row(0, named=True)
        seen, made = central_value(central, parameter), float(fitted.margins[0, k])
        found.append(
            {
                "item": item,
                "unit": row["unit"],
                "observed": seen,
                "low": row["low"],
                "high": row["high"],
                "modelled": made,
                "at_prior": float(fitted.margins_at_prior[0, k]),
                "error_pct": 100.0 * (made / seen - 1.0),
            }
        )
    return pl.DataFrame(found)


def _carried(model: FreightModel, rows: Rows, costs: Costs, constants: Array) -> dict[tuple[str, str], float]:
    """Return tonnes lifted and tkm in the province by mode, and tonnes loaded on trains in the province, of the base year (chosen chains)."""
    flow = row_flow(rows, model.prepared.demand.demand, costs, constants, slice(0, 1), _BASE)[0][0]
    totals = (flow @ rows.measure[:, : len(MEASURES)])[None, :, None, None]
    folded = fold_sites(totals, costs.siding_share[:1, [_BASE]], costs.pipe_share[:1, [_BASE]])[0, :, 0, 0]
    found = {(mode, "t"): float(folded[MEASURE[f"t_{mode}"]]) for mode in LEG_MODES}
    found |= {(mode, "territory_tkm"): float(folded[MEASURE[f"territory_km_{mode}"]]) for mode in LEG_MODES}
    return found | {("rail", "loaded_t"): float(folded[MEASURE["rail_loaded_t"]])}


def _owed(model: FreightModel, rows: Rows, prior: Array) -> pl.DataFrame:
    """Return what the constants of modes add to the share of each mode; those of the ports stay."""
    fitted, n_mode = model.fixed.fitted.constants[:1], len(CONSTANTS)
    now = _carried(model, rows, model.costs, fitted)
    before = _carried(model, rows, model.costs, np.concatenate([prior[None, :n_mode], fitted[:, n_mode:]], axis=1))
    found = []
    for measure in ("t", "territory_tkm"):
        whole, whole_before = (sum(c[mode, measure] for mode in LEG_MODES) for c in (now, before))
        for mode in LEG_MODES:
            share, at_prior = 100.0 * now[mode, measure] / whole, 100.0 * before[mode, measure] / whole_before
            owed = 100.0 * (share - at_prior) / share
            found.append((mode, measure, share, at_prior, owed, abs(owed) > 100.0 * _MOSTLY))
    columns = ["mode", "measure", "share_pct", "at_prior_pct", "owed_pct", "mainly"]
    return pl.DataFrame(found, schema=columns, orient="row")


def _dearer(costs: Costs, mode: str, rise: float) -> Costs:
    """Return the costs with every component of a mode dearer by a share."""
    factor = np.array([1.0 + rise if name.startswith(_COST_OF[mode]) else 1.0 for name in COMPONENTS])
    return replace(costs, coefficients=costs.coefficients * factor)


def elasticities(inputs: Tables, model: FreightModel) -> pl.DataFrame:
    """Return own and cross elasticities of tonnes and territory tkm by mode in the base year, beside those of the literature.

    Parameters
    ----------
    inputs
        Reference rows.
    model
        A solved model.

    Notes
    -----
    Arc elasticity of a rise of one per cent of every cost component of a mode (line haul, terminals and, with rail and pipelines, the trucks that
    feed them); demand by pair stays, so the answer is that of mode, route and terminal choice only.
    """
    rows, _ = _base_rows(model)
    constants = model.fixed.fitted.constants[:1]
    before = _carried(model, rows, model.costs, constants)
    known = {
        (r["parameter"], r["subject"]): r
        for r in inputs.parameters.filter(pl.col("parameter").str.starts_with("ref_elasticity_")).iter_rows(named=True)
    }
    found = []
    for cost_of in LEG_MODES:
        after = _carried(model, rows, _dearer(model.costs, cost_of, SMALL_RISE), constants)
        for mode in ("rail", "road"):
            for measure in ("t", "territory_tkm"):
                value = (after[mode, measure] / before[mode, measure] - 1.0) / SMALL_RISE
                row = known.get(_LITERATURE.get((mode, measure, cost_of), ("", "")), {})
                found.append(
                    {
                        "cost_of": cost_of,
                        "mode": mode,
                        "measure": measure,
                        "elasticity": value,
                        "literature": row.get("value"),
                        "literature_low": row.get("low"),
                        "literature_high": row.get("high"),
                        "quality": row.get("quality"),
                        "note": row.get("note"),
                    }
                )
    numbers = ("elasticity", "literature", "literature_low", "literature_high")
    return pl.DataFrame(found, schema_overrides=dict.fromkeys(numbers, pl.Float64) | {"quality": pl.String, "note": pl.String})


def rail_response(inputs: Tables, params: Params, model: FreightModel, *, only: Sequence[str] | None = None) -> pl.DataFrame:
    """Return what railways gain when trucks get a fifth dearer, over the ranges of what the calibration stands on.

    Parameters
    ----------
    inputs
        Rows with the ranges.
    params
        Of the run.
    model
        A solved model; networks, delays and prices of its base year are kept.
    only
        Cases to work out, by name (``central``, ``scale.low`` ...); all if not given.

    Returns
    -------
    polars.DataFrame
        One row per case: ``case``, the value of each quantity of :data:`MOVED` in it, ``rail_t_pct`` (tonnes loaded in the province),
        ``rail_tkm_pct`` (tkm in the province), ``road_t_pct`` (tonnes lifted), and ``fit_error_pct``, the largest gap between a margin and its
        observation after the refit.

    Notes
    -----
    In every case the constants are fitted again to the margins of that case; one quantity at a time goes to the ends of its range, then both rail
    margins together, then everything together; ``least`` and ``most`` put every quantity at the end that gave the smaller or the larger answer. The rise holds for line-haul trucks: kilometres, hours and loading; drayage stays.
    """
    central = params if params.draws == 1 else inputs.params()
    rows, expressway = _base_rows(model)
    start = model.fixed.fitted.constants[:1]

    def answer(name: str, moves: Moves) -> dict[str, Any]:
        moved = central
        for key, end in moves.items():
            moved = moved.replace(*key, np.array(_end_of(inputs, key, end)))
        costs = make_costs(moved, model.prepared)
        fitted = fit_constants(inputs, moved, model.prepared, costs, rows, expressway, start=start)
        before = _carried(model, rows, costs, fitted.constants)
        after = _carried(model, rows, _dearer(costs, "road", ROAD_RISE), fitted.constants)
        seen = np.array([central_value(moved, parameter) for _, parameter in MARGINS])
        return {
            "case": name,
            **{column: central_value(moved, *key) for key, column in MOVED.items()},
            "rail_t_pct": 100.0 * (after["rail", "loaded_t"] / before["rail", "loaded_t"] - 1.0),
            "rail_tkm_pct": 100.0 * (after["rail", "territory_tkm"] / before["rail", "territory_tkm"] - 1.0),
            "road_t_pct": 100.0 * (after["road", "t"] / before["road", "t"] - 1.0),
            "fit_error_pct": float(100.0 * np.abs(fitted.margins[0] / seen - 1.0).max()),
        }

    found = [answer(name, moves) for name, moves in _cases() if only is None or name in only]
    if only is None:
        by_case = {row["case"]: row["rail_tkm_pct"] for row in found}
        smaller = {k: "low" if by_case[f"{c}.low"] < by_case[f"{c}.high"] else "high" for k, c in MOVED.items()}
        larger = {key: "high" if end == "low" else "low" for key, end in smaller.items()}
        found += [answer("least", smaller), answer("most", larger)]
    return pl.DataFrame(found)


def _cases() -> Sequence[tuple[str, Moves]]:
    """Return the cases: the central one, one quantity at a time, both rail margins together, everything together."""
    cases: list[tuple[str, Moves]] = [("central", {})]
    cases += [(f"{column}.{end}", {key: end}) for key, column in MOVED.items() for end in ("low", "high")]
    cases += [(f"rail_margins.{end}", {_RAIL_T: end, _RAIL_TKM: end}) for end in ("low", "high")]
    return [*cases, *((f"all.{end}", dict.fromkeys(MOVED, end)) for end in ("low", "high"))]


def _end_of(inputs: Tables, key: tuple[str, str], end: str) -> float:
    """Return an end of the range of a parameter row."""
    row = inputs.parameters.filter((pl.col("parameter") == key[0]) & (pl.col("subject") == key[1])).row(0, named=True)
    return float(row[end] if row[end] is not None else row["value"])
