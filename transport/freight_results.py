"""Result tables of the freight model: links, OD, port containers, fit against observations, checks, defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.measure import MEASURE
from networks.parts import ALTERNATIVES, LEG_MODES
from networks.solve import CONSTANTS
from transport.freight_demand import COMMODITIES
from transport.layout import BASE_YEAR, FIRST_YEAR, FIT_SCHEMA, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from networks.choice import Calibration
    from networks.solve import Costs, Solution
    from transport.freight import FreightOutcome
    from transport.freight_model import FreightModel
    from transport.freight_ports import PortBoxes
    from transport.freight_prepare import Prepared, Tables
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Numerical tolerance of balances, and the shares of demand that may go unserved or be lost in the distribution.
_TOLERANCE = 1e-9
_BALANCING_TOLERANCE = 1e-4
#: Margin whose target is judged below the observation.
_JUDGED = "observed_pipeline_t"
#: Distance of a port's share from its throughput that the gap of the equilibrium leaves open [percentage point].
_PORT_TOLERANCE = 0.1
_UNSERVED_LIMIT = 1e-3
#: Share of the draws whose constants may stand on the prior as much as on the margins.
_UNSETTLED_LIMIT = 0.05


def _check_frame(rows: Sequence[tuple[str, float, float]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "check": [r[0] for r in rows],
            "value": [float(r[1]) for r in rows],
            "limit": [float(r[2]) for r in rows],
            "passed": [bool(r[1] <= r[2]) for r in rows],
        }
    )


# --- OD and checks of the loading ---------------------------------------------------------------------------------------------------


def load_checks(imbalance: float, closed_t: float, port_error: float, model: FreightModel) -> pl.DataFrame:
    """Return the checks of the loading and of the equilibrium.

    Parameters
    ----------
    imbalance
        Largest imbalance at a vertex over the flow of its network.
    closed_t
        Flow on links that are not open [t/yr].
    port_error
        Largest distance of a port's share of the base year from the one its constant is fitted to [percentage point].
    model
        The solved model.
    """
    rows = [
        ("freight.node_imbalance", imbalance, _TOLERANCE),
        ("freight.flow_on_closed_links_t", closed_t, 0.0),
        ("freight.port_share_error", port_error, _PORT_TOLERANCE),
    ]
    if model.years is not None:
        years = model.years.years
        rows += [
            ("freight.choice_gap", max(e.gaps[-1] for e in years), model.limits.gap),
            ("freight.road_gap", max(e.road.relative_gap for e in years), model.limits.gap),
            ("freight.line_gap", max(e.lines.relative_gap for e in years), model.limits.gap),
        ]
    return _check_frame(rows)


def od_table(prepared: Prepared, solution: Solution) -> pl.DataFrame:
    """Return ``freight_od`` of draw 0: flows of at least one tonne by origin, destination, commodity and alternative."""
    zones = np.array(prepared.zones.ids)
    demand = prepared.demand.demand
    alternatives, commodities = np.array(ALTERNATIVES), np.array(COMMODITIES)
    frames = []
    for position in sorted(solution.flows):
        state = prepared.states[prepared.state_of_year[position]]
        rows, chains = state.rows, state.chains
        flow = solution.flows[position]
        keep = flow >= 1.0
        pair, case = chains.pair[rows.chain[keep]], rows.demand[keep]
        frames.append(
            pl.DataFrame(
                {
                    "year": np.full(int(keep.sum()), FIRST_YEAR + position),
                    "origin": zones[demand.origin[pair]],
                    "destination": zones[demand.destination[pair]],
                    "commodity": commodities[demand.commodity[case]],
                    "alternative": alternatives[rows.alternative[keep]],
                    "t": flow[keep],
                    "km": rows.measure[keep, MEASURE["used_km"]],
                    "cost_cny_per_t": solution.costs[position][keep],
                }
            )
        )
    keys = ["year", "origin", "destination", "commodity", "alternative"]
    # an alternative may use two terminal pairs
    weighted = [(pl.col(name) * pl.col("t")).sum() / pl.col("t").sum() for name in ("km", "cost_cny_per_t")]
    return (
        pl.concat(frames).group_by(keys).agg(pl.col("t").sum(), *weighted).select(*keys, "t", "km", "cost_cny_per_t").sort(keys)
    )


# --- ports --------------------------------------------------------------------------------------------------------------------------


def port_containers(boxes: PortBoxes) -> pl.DataFrame:
    """Return the table ``port_containers`` of draw 0: throughput = sea_rail + road + 2 x transhipped + residual, by port of the province.

    Parameters
    ----------
    boxes
        From :func:`transport.freight_ports.port_boxes`.
    """
    frames = [
        pl.DataFrame(
            {
                "year": np.asarray(YEARS, dtype=np.int64),
                "zone_id": [port] * len(YEARS),
                "teu_throughput": boxes.throughput[k, 0],
                "sea_rail_teu": boxes.sea_rail[k, 0],
                "road_teu": boxes.gateway[k, 0] - boxes.sea_rail[k, 0],
                "transhipped_teu": boxes.transhipped[k, 0],
                "residual_teu": boxes.residual[k, 0],
            }
        )
        for k, port in enumerate(boxes.ports[: boxes.n_inside])
    ]
    return pl.concat(frames).sort("year", "zone_id")


# --- fit and checks -----------------------------------------------------------------------------------------------------------------


def demand_checks(prepared: Prepared, solution: Solution, costs: Costs, fitted: Calibration) -> pl.DataFrame:
    """Return the checks of demand and choice."""
    demand = prepared.demand.demand
    report = prepared.demand.report
    level = costs.growth[demand.commodity] * costs.group_level[demand.group]
    asked = np.einsum("r,rdy->dy", demand.t_per_year, level)
    served, unserved = solution.served_t.sum(axis=0), solution.unserved_t.sum(axis=0)
    lost = float(report["lost_t"].abs().sum())
    rows = [
        ("freight.demand_conserved", float(np.abs(served + unserved - asked).max() / asked.max()), _TOLERANCE),
        ("freight.unserved_share", float((unserved / asked).max()), _UNSERVED_LIMIT),
        ("freight.gravity_margin_error", float(report["margin_error"].max()), _BALANCING_TOLERANCE),  # type: ignore[arg-type]
        ("freight.lost_in_distribution_share", lost / asked[0, _BASE], _UNSERVED_LIMIT),
        ("freight.gravity_at_bound", float(report["at_bound"].sum()), 0.0),
        ("freight.negative_flow", float(max(-solution.totals.min(), 0.0)), 0.0),
        ("freight.captive_without_path_share", _proxy_share(prepared), _UNSERVED_LIMIT * 100.0),
        ("freight.constants_prior_driven", float(fitted.prior_driven.sum()), 0.0),
        ("freight.draws_unsettled_share", float(fitted.unsettled.mean()), _UNSETTLED_LIMIT),
    ]
    return _check_frame(rows)


def _proxy_share(prepared: Prepared) -> float:
    found = prepared.captive
    on_mode = found.mode >= 0
    tkm = (found.t_per_year * found.km)[on_mode]
    return float(tkm[found.by_proxy[on_mode]].sum() / tkm.sum()) if tkm.sum() > 0 else 0.0


def fit_table(
    inputs: Tables,
    params: Params,
    outcome: FreightOutcome,
    fitted: Calibration,
    totals: Array,
    port_t: Array,
) -> pl.DataFrame:
    """Return observed against modelled: margins of the calibration, held-out totals of the base year and of later years."""
    modelled = fitted.margins[0]
    at_prior = fitted.margins_at_prior[0]
    singular = ", ".join(f"{v:.3g}" for v in fitted.singular_values)
    constants = ", ".join(f"{n} {v:.3f}" for n, v in zip(CONSTANTS, fitted.constants[0, : len(CONSTANTS)], strict=True))
    driven = ", ".join(n for n, p in zip(CONSTANTS, fitted.prior_driven, strict=True) if p) or "none"
    road, pipe = LEG_MODES.index("road"), LEG_MODES.index("pipeline")
    base = (0, _BASE)
    rows: list[dict[str, object]] = []
    observed_rows = {
        str(r["parameter"]): r
        for r in inputs.parameters.iter_rows(named=True)
        if str(r["parameter"]).startswith(("observed_", "expressway_share_"))
    }

    # fitted to what one-way pipes can carry; shown beside the figure as observed
    seen_t = inputs.table("observed/freight").filter(
        (pl.col("series") == "freight_volume") & (pl.col("mode") == "pipeline") & (pl.col("period") == str(BASE_YEAR))
    )
    if seen_t.height == 1:
        observed_rows[_JUDGED] |= {name: seen_t[name].item() for name in ("value", "low", "high")}
    target = float(params.get(_JUDGED)[0, _BASE])

    def from_margin(item: str, mode: str, parameter: str, value: float | None, used_for: str, principle: str, note: str) -> None:
        row = observed_rows[parameter]
        rows.append(
            _fit_row(
                item,
                mode,
                BASE_YEAR,
                params.unit(parameter),
                float(row["value"]) if parameter == _JUDGED else float(params.get(parameter)[0, _BASE]),
                row["low"],
                row["high"],
                value,
                used_for,
                principle,
                str(row["quality"]),
                note,
            )
        )

    zero = [f"{v:.4g} with all constants at their prior" for v in at_prior]
    cal = "calibration"
    from_margin(
        "freight_t",
        "rail",
        "observed_rail_freight_t",
        modelled[0],
        cal,
        "origin",
        f"loaded in the province, works railways left out; {zero[0]}",
    )
    from_margin(
        "territory_tkm", "rail", "observed_rail_territory_tkm", modelled[1], cal, "territory", f"{zero[1]}; constants {constants}"
    )
    from_margin("sea_rail_teu", "rail", "observed_sea_rail_teu", modelled[2], cal, "territory", f"{zero[2]}")
    from_margin("roro_truck_t", "water", "observed_roro_truck_t", modelled[3], cal, "territory", f"{zero[3]}")
    pipe_note = f"fitted to {target:.4g}, what one-way pipes can carry; {zero[4]}; captive lines in; singular values {singular}; prior-driven {driven}"
    from_margin("freight_t", "pipeline", "observed_pipeline_t", modelled[4], cal, "territory", pipe_note)
    split_note = f"truck tkm in the province on expressways; {zero[5]}"
    from_margin("expressway_share_of_tkm", "road", "expressway_share_of_road_tkm", modelled[5], cal, "territory", split_note)
    val = "validation"
    # demand rows were revised once with these figures in sight: neither fitted to nor held out
    seen, revised = (
        "context",
        "not held out: general cargo, port towns and coastal preference were revised with this figure in sight",
    )
    road_t = float(outcome.tonnes[base][road].sum())
    from_margin(
        "freight_t",
        "road",
        "observed_road_freight_t",
        road_t,
        seen,
        "carrier",
        f"modelled tonnes are on the territory, every truck leg counted; observed by carrier; {revised}",
    )
    carrier_road = float(outcome.carrier_tkm["road"][base])
    note = "territory tkm of 2020 are scaled to it; later years follow the modelled territory tkm"
    from_margin("carrier_tkm", "road", "observed_road_carrier_tkm", carrier_road, cal, "carrier", note)
    bridge = inputs.parameters.filter(pl.col("parameter") == "territory_share_of_carrier_tkm").row(0, named=True)
    share = float(outcome.territory_tkm[base][road].sum()) / carrier_road
    note = (
        "first judgement against the share the model implies; a gap means demand or hauls by road are off, or the judgement is; "
        + revised
    )
    rows.append(
        _fit_row(
            "territory_share_of_carrier",
            "road",
            BASE_YEAR,
            "dimensionless",
            float(params.get("territory_share_of_carrier_tkm", "road")[0, _BASE]),
            bridge["low"],
            bridge["high"],
            share,
            seen,
            "territory",
            str(bridge["quality"]),
            note,
        )
    )
    cargo = float(port_t[:, 0, _BASE].sum() + totals[:, MEASURE["t_water"], 0, _BASE].sum() + params.get("ship_to_ship_t")[base])
    from_margin(
        "port_cargo_t",
        "water",
        "observed_port_t",
        cargo,
        seen,
        "territory",
        f"land hauls at ports, modelled sea legs and ship-to-ship cargo; {revised}",
    )
    ships = float(outcome.carrier_tkm["coastal"][base] + outcome.carrier_tkm["ocean"][base])
    note = "the level of 2020 is a data row; later years follow port cargo and modelled voyages"
    from_margin("carrier_tkm", "water", "observed_water_carrier_tkm", ships, cal, "carrier", note)
    note = "not modelled: the network knows the cargo of the ports, not which ships of the province carry it; see port_cargo_t"
    from_margin("freight_t", "water", "observed_water_freight_t", None, seen, "carrier", note)
    rows.append(_water_haul(observed_rows, note))
    pipe_tkm = float(outcome.total_tkm[base][pipe].sum())
    from_margin(
        "total_tkm", "pipeline", "observed_pipeline_tkm", pipe_tkm, val, "territory", "whole lines, also outside the province"
    )
    rows += _mean_hauls(outcome, observed_rows, totals)
    rows += _later_rows(inputs, outcome)
    rows += _shares_at_prior(at_prior, modelled)
    return pl.DataFrame(rows, schema=FIT_SCHEMA).sort("used_for", "mode", "item", "year")


def _fit_row(  # noqa: PLR0917  (one argument per column, in the order of the table)
    item: str,
    mode: str,
    year: int,
    unit: str,
    observed: float | None,
    low: float | None,
    high: float | None,
    modelled: float | None,
    used_for: str,
    principle: str,
    quality: str | None,
    note: str,
) -> dict[str, object]:
    return {
        "item": item,
        "mode": mode,
        "year": year,
        "unit": unit,
        "observed": observed,
        "low": low,
        "high": high,
        "modelled": modelled,
        "error_pct": None if observed is None or modelled is None else 100.0 * (modelled / observed - 1.0),
        "used_for": used_for,
        "principle": principle,
        "quality": quality,
        "note": note,
    }


def _water_haul(observed: dict[str, dict[str, object]], note: str) -> dict[str, object]:
    """Return the mean haul of the province's water carriers; only observed, since their tonnes are not modelled."""
    seen = float(observed["observed_water_carrier_tkm"]["value"]) / float(observed["observed_water_freight_t"]["value"])  # type: ignore[arg-type]
    return _fit_row("mean_haul_km", "water", BASE_YEAR, "km", seen, None, None, None, "context", "carrier", "recalled", note)


def _mean_hauls(outcome: FreightOutcome, observed: dict[str, dict[str, object]], totals: Array) -> list[dict[str, object]]:
    """Return tkm over tonnes by mode of the base year, beside the same ratio of the statistics."""
    base = (0, _BASE)
    rows = []
    pairs = {
        "rail": (
            "observed_rail_territory_tkm",
            "observed_rail_freight_t",
            totals[:, MEASURE["rail_loaded_t"], 0, _BASE].sum(),
            outcome.carrier_tkm["rail"][base],
        ),
        "road": (
            "observed_road_carrier_tkm",
            "observed_road_freight_t",
            outcome.tonnes[base][0].sum(),
            outcome.carrier_tkm["road"][base],
        ),
        "pipeline": (
            "observed_pipeline_tkm",
            "observed_pipeline_t",
            outcome.tonnes[base][3].sum(),
            outcome.total_tkm[base][3].sum(),
        ),
    }
    for mode, (tkm, tonnes, modelled_t, modelled_tkm) in pairs.items():
        seen = float(observed[tkm]["value"]) / float(observed[tonnes]["value"])  # type: ignore[arg-type]
        note = "ratio of the two figures above; for rail it mixes territory tkm with tonnes loaded in the province and is no haul"
        rows.append(
            _fit_row(
                "mean_haul_km",
                mode,
                BASE_YEAR,
                "km",
                seen,
                None,
                None,
                float(modelled_tkm / modelled_t),
                "context",
                "carrier",
                "recalled",
                note,
            )
        )
    for mode in LEG_MODES[:2]:
        t, tkm_total = totals[:, MEASURE[f"t_{mode}"], 0, _BASE].sum(), totals[:, MEASURE[f"km_{mode}"], 0, _BASE].sum()
        note = "modelled kilometres per tonne lifted, whole leg, captive flows left out"
        rows.append(
            _fit_row("leg_km", mode, BASE_YEAR, "km", None, None, None, float(tkm_total / t), "context", "territory", None, note)
        )
    return rows


def _later_rows(inputs: Tables, outcome: FreightOutcome) -> list[dict[str, object]]:
    """Return held-out observations of later years that a full modelled year can be compared with."""
    rows = []
    freight, boxes = inputs.table("observed/freight"), inputs.table("observed/sea_rail")
    wanted = (
        (freight, "freight_turnover", "rail", "2022", "total", "territory_tkm", outcome.carrier_tkm["rail"]),
        (freight, "share_of_freight_turnover", "rail", "2024Q1-3", "total", "tkm_share", 100.0 * _rail_share(outcome)),
        (boxes, "sea_rail_share", None, "2023Q1-3", "total", "sea_rail_share", 100.0 * outcome.sea_rail_teu / outcome.port_teu),
        (boxes, "sea_rail_share", None, "2024Q1-3", "total", "sea_rail_share", 100.0 * outcome.sea_rail_teu / outcome.port_teu),
    )
    for table, series, mode, period, item, name, values in wanted:
        found = table.filter(
            (pl.col("series") == series) & (pl.col("period") == period) & (pl.col("item") == item) & (pl.col("area") == "210000")
        )
        if mode is not None:
            found = found.filter(pl.col("mode") == mode)
        if found.height != 1:
            continue
        row = found.row(0, named=True)
        year = int(period[:4])
        note = (
            ""
            if len(period) == len("2022")
            else f"observed {period}, modelled whole year: shares are compared, no part-year is annualised"
        )
        rows.append(
            _fit_row(
                name,
                "rail",
                year,
                row["unit"],
                row["value"],
                row["low"],
                row["high"],
                values[0, year_index(year)],
                "validation",
                row["principle"],
                row["quality"],
                note,
            )
        )
    return rows


def _rail_share(outcome: FreightOutcome) -> Array:
    """Return rail over rail, road and water tkm of carriers ``[draw, year]``."""
    carrier = outcome.carrier_tkm
    return carrier["rail"] / (carrier["rail"] + carrier["road"] + carrier["coastal"] + carrier["ocean"])


def _shares_at_prior(at_prior: Array, modelled: Array) -> list[dict[str, object]]:
    """Return how much of the calibrated rail and pipeline figures the costs alone explain."""
    names = (
        ("freight_t", "rail"),
        ("territory_tkm", "rail"),
        ("sea_rail_teu", "rail"),
        ("roro_truck_t", "water"),
        ("freight_t", "pipeline"),
        ("expressway_share_of_tkm", "road"),
    )
    note = "modelled figure with every constant at its prior over the calibrated figure: what costs alone explain"
    return [
        _fit_row(
            f"{item}_without_constants",
            mode,
            BASE_YEAR,
            "percent",
            None,
            None,
            None,
            100.0 * a / m,
            "context",
            "territory",
            None,
            note,
        )
        for (item, mode), a, m in zip(names, at_prior, modelled, strict=True)
    ]
