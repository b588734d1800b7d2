"""Calibration of mode constants on a plain table: one constant and one distance slope per mode and commodity group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.calibration import Calibration, ChoiceProblem, calibrate, constant_driven_shares, elasticities
from networks.errors import CalibrationError
from networks.logit import Segments, log_sum, nested_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Share by which the observed tonnes of a group may differ from those of its table before it is flagged; rounding of statistics.
_ROUNDING = 0.005
_MARGINS = ("t", "tkm")
#: Newton steps and halvings of the search for a starting point; a feasible one needs five to ten.
_STEPS, _HALVINGS = 50, 30


@dataclass(frozen=True)
class ModeCalibration:
    """Fit of mode shares to observed tonnes and tonne-kilometres.

    Attributes
    ----------
    shares
        group, case, mode, share, t, tkm.
    fit
        group, mode, margin (``t``, ``tkm``, ``mean_km``), observed, modelled, at_prior, error_pct.
    constants
        group, mode, parameter (``constant``, ``per_100km``), value, prior_share, prior_driven.
    elasticities
        mode, of_mode, measure (``t``, ``tkm``), elasticity with respect to the cost of ``of_mode``, low, high (literature), within.
    constant_driven
        mode, share, share_at_prior, owed, mainly: how much of the share of a mode is owed to constants instead of costs.
    rank, condition_number, singular_values
        Of the scaled derivative of the margins.
    flags
        What a reader must know, in plain sentences.
    calibration
        The calibration underneath.
    """

    shares: pl.DataFrame
    fit: pl.DataFrame
    constants: pl.DataFrame
    elasticities: pl.DataFrame
    constant_driven: pl.DataFrame
    rank: int
    condition_number: float
    singular_values: NDArray[np.float64]
    flags: tuple[str, ...]
    calibration: Calibration = field(repr=False)


def _named(bad: pl.DataFrame, text: str) -> list[str]:
    """Return a sentence for each bad row."""
    return [text.format(**row) for row in bad.iter_rows(named=True)]


def _check(table: pl.DataFrame, observed: pl.DataFrame, reference: str) -> None:
    """Raise one error that lists everything wrong with the two tables."""
    absent = [f"table: column {c!r} is missing" for c in ("case", "mode", "t", "km", "cost") if c not in table.columns]
    absent += [f"observed: column {c!r} is missing" for c in ("mode", *_MARGINS) if c not in observed.columns]
    if absent:
        raise CalibrationError("; ".join(absent))
    found = []
    for column, low in (("t", 0.0), ("km", 0.0), ("cost", -np.inf)):
        value = pl.col(column).cast(pl.Float64)
        bad = table.filter(value.is_null() | ~value.is_finite() | (value <= low))
        found += _named(
            bad, f"table: case {{case}}, mode {{mode}}, column {column!r}: {{{column}}}; give a finite number above {low:g}"
        )
    for column in (*_MARGINS, *(c for c in ("t_spread", "tkm_spread") if c in observed.columns)):
        value = pl.col(column).cast(pl.Float64)
        bad = observed.filter(value.is_not_null() & (~value.is_finite() | (value <= 0)))
        found += _named(
            bad, f"observed: mode {{mode}}, column {column!r}: {{{column}}}; give a positive number or leave it empty"
        )
    twice = table.group_by("group", "case", "mode", maintain_order=True).len().filter(pl.col("len") > 1)
    found += _named(twice, "table: case {case}, mode {mode} occurs {len} times; one row each")
    uneven = table.group_by("group", "case", maintain_order=True).agg(n=pl.col("t").n_unique()).filter(pl.col("n") > 1)
    found += _named(uneven, "table: case {case} has {n} values of 't'; its tonnes are the same for all modes")
    again = observed.group_by("group", "mode", maintain_order=True).len().filter(pl.col("len") > 1)
    found += _named(again, "observed: mode {mode} of group {group} occurs {len} times; one row each")
    if reference not in table["mode"]:
        found.append(f"reference {reference!r} is no mode of the table ({', '.join(sorted(table['mode'].unique()))})")
    keys = table.select("group", "mode").unique()
    found += _named(
        observed.join(keys, on=["group", "mode"], how="anti"), "observed: no row of the table has mode {mode} in group {group}"
    )
    lost = keys.filter(pl.col("mode") != reference).join(observed, on=["group", "mode"], how="anti").sort("group", "mode")
    found += _named(lost, "observed: mode {mode} of group {group} has no margin, so its constants cannot be told")
    if found:
        raise CalibrationError("; ".join(found))


def _features(
    table: pl.DataFrame, groups: Sequence[str], modes: Sequence[str], reference: str, floor_km: float
) -> tuple[NDArray[np.float64], list[tuple[str, str, str]]]:
    """Return what the constants multiply ``[row, constant]`` and their keys (group, mode, parameter)."""
    keys = [(g, m, p) for g in groups for m in modes if m != reference for p in ("constant", "per_100km")]
    group, mode = table["group"].to_numpy(), table["mode"].to_numpy()
    distance = np.maximum(table["km"].cast(pl.Float64).to_numpy(), floor_km) / 100.0
    used = [(g, m, p) for g, m, p in keys if bool(((group == g) & (mode == m)).any())]
    columns = [((group == g) & (mode == m)) * (1.0 if p == "constant" else distance) for g, m, p in used]
    return np.stack(columns, axis=1).astype(np.float64), used


def _margins(table: pl.DataFrame, observed: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Return the observed margins as rows (group, mode, margin, observed, spread) and their weights ``[row, margin]``."""
    rows = pl.concat(
        [
            observed.select(
                "group",
                "mode",
                pl.lit(margin).alias("margin"),
                pl.col(margin).cast(pl.Float64).alias("observed"),
                (pl.col(f"{margin}_spread").cast(pl.Float64) if f"{margin}_spread" in observed.columns else pl.lit(1.0)).alias(
                    "spread"
                ),
            )
            for margin in _MARGINS
        ]
    ).filter(pl.col("observed").is_not_null())
    group, mode, km = table["group"].to_numpy(), table["mode"].to_numpy(), table["km"].cast(pl.Float64).to_numpy()
    measure = [
        ((group == r["group"]) & (mode == r["mode"])) * (1.0 if r["margin"] == "t" else km) for r in rows.iter_rows(named=True)
    ]
    return rows.with_columns(pl.col("spread").fill_null(1.0)), np.stack(measure, axis=1).astype(np.float64)


def _start(
    problem: ChoiceProblem,
    names: Sequence[tuple[str, str, str]],
    margins: pl.DataFrame,
    prior_sd: NDArray[np.float64],
    ridge: float,
) -> NDArray[np.float64]:
    """Return constants near the solution, from anywhere: the minimum of a convex function ``[constant]``.

    Notes
    -----
    ``F = sum_c T_c ln sum_j exp(V_j) - theta . m`` with ``m`` the observed total of what each constant multiplies (tonnes, and tkm / 100) has the
    gradient "modelled less observed", so its minimum meets these margins; a constant whose margin is not observed stays at 0. Least squares on
    the margins is not convex: far from the solution its steps can end where every haul goes wholly one way and nothing moves any more.
    """
    seen = {(r["group"], r["mode"], r["margin"]): float(r["observed"]) for r in margins.iter_rows(named=True)}
    per = {"constant": ("t", 1.0), "per_100km": ("tkm", 100.0)}
    target = np.array([seen.get((g, m, per[p][0]), np.nan) / per[p][1] for g, m, p in names])
    used = np.flatnonzero(np.isfinite(target))
    x, flow, row_start = problem.features[:, used], problem.flow[0], problem.segments.nest_start
    target, penalty = target[used], ridge * flow[row_start].sum() / prior_sd[used] ** 2
    case = problem.segments.nest_of
    theta = np.zeros(used.size)

    def value(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        share, top = log_sum(problem.base[0] + x @ at, row_start, case)
        return float(flow[row_start] @ top - at @ target + 0.5 * penalty @ at**2), share

    here, share = value(theta)
    for _ in range(_STEPS):
        carried = flow * share
        gradient = carried @ x - target + penalty * theta
        mean = np.add.reduceat(share[:, None] * x, row_start, axis=0)
        centred = x - mean[case]
        curvature = (centred.T * carried) @ centred + np.diag(penalty)
        step = -np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        length = 1.0
        for _ in range(_HALVINGS):
            there, trial = value(theta + length * step)
            if there <= here:
                break
            length /= 2.0
        else:
            break
        gain, theta, here, share = here - there, theta + length * step, there, trial
        if gain <= 1e-12 * abs(here):
            break
    found = np.zeros(len(names))
    found[used] = theta
    return found


def calibrate_modes(
    table: pl.DataFrame,
    observed: pl.DataFrame,
    *,
    reference: str,
    cost_scale: float,
    prior_sd: tuple[float, float],
    ridge: float,
    floor_km: float = 0.0,
    literature: pl.DataFrame | None = None,
) -> ModeCalibration:
    """Fit one constant and one distance slope per mode and group to observed tonnes and tonne-kilometres, and report how well they are known.

    Parameters
    ----------
    table
        One row per case and mode: ``case``, ``mode``, ``t`` (tonnes of the case, the same for all its modes), ``km``, ``cost`` [CNY/t], and
        optionally ``group`` (commodity group).
    observed
        One row per mode (and group): ``mode``, ``t``, ``tkm`` (an empty cell is not observed), optionally ``group`` and the relative half-ranges
        ``t_spread`` and ``tkm_spread`` from which the weights follow (1 / spread; equal weights without them).
    reference
        Mode without constants.
    cost_scale
        Utility per CNY/t; a prior that is never fitted to margins.
    prior_sd
        Spread of the constants and of the slopes per 100 km around their prior of 0.
    ridge
        Weight of the prior; small, so that it decides only what the margins leave open.
    floor_km
        Distances below this count as this in the slope.
    literature
        Ranges to print beside the elasticities: ``mode``, ``of_mode``, ``low``, ``high`` and optionally ``measure`` (``t`` or ``tkm``).

    Returns
    -------
    ModeCalibration
        Shares, fit, constants, elasticities and flags.

    Raises
    ------
    CalibrationError
        Listing everything that is wrong with the two tables.

    Notes
    -----
    ``V = -cost_scale x cost + constant[group, mode] + slope[group, mode] x max(km, floor) / 100``, shares by multinomial logit within the case,
    fitted as in :func:`networks.calibration.calibrate`. A constant alone sets the tonnes of a mode, and the tonne-kilometres then follow; the
    slope sets them apart (the distance trap of models that send everything the cheapest way).

    Examples
    --------
    Three hauls by road or rail; rail takes 9 of 20 t, on the long ones.

    >>> import polars as pl
    >>> from networks.choice import calibrate_modes
    >>> hauls = [("A", 9.0, 80.0), ("B", 6.0, 300.0), ("C", 5.0, 700.0)]
    >>> rows = [(c, m, t, km, a + b * km) for c, t, km in hauls for m, a, b in (("road", 10.0, 0.3), ("rail", 40.0, 0.12))]
    >>> table = pl.DataFrame(rows, schema=["case", "mode", "t", "km", "cost"], orient="row")
    >>> observed = pl.DataFrame({"mode": ["road", "rail"], "t": [11.0, 9.0], "tkm": [1900.0, 4120.0]})
    >>> found = calibrate_modes(table, observed, reference="road", cost_scale=0.03, prior_sd=(2.0, 0.5), ridge=1e-6)
    >>> found.fit.filter(pl.col("mode") == "rail").select("margin", pl.col("observed", "modelled").round(1)).rows()
    [('t', 9.0, 9.0), ('tkm', 4120.0, 4120.0), ('mean_km', 457.8, 457.8)]
    >>> found.rank, found.constants["prior_driven"].to_list(), found.flags
    (2, [False, False], ())
    """
    if not (cost_scale > 0 and ridge >= 0 and min(prior_sd) > 0):
        msg = f"cost_scale {cost_scale} and prior_sd {prior_sd} must be positive, ridge {ridge} must not be negative"
        raise CalibrationError(msg)
    everything = pl.lit("all").alias("group")
    table, observed = (t if "group" in t.columns else t.with_columns(everything) for t in (table, observed))
    _check(table, observed, reference)
    groups, modes = table["group"].unique(maintain_order=True).to_list(), table["mode"].unique(maintain_order=True).to_list()
    key = table.select("group", "case").unique(maintain_order=True).with_row_index("case_code")
    table = (
        table.join(key, on=["group", "case"], how="left", maintain_order="left")
        .with_columns(mode_code=pl.col("mode").replace_strict(modes, range(len(modes)), return_dtype=pl.Int64))
        .sort("case_code", "mode_code")
    )
    code = table["mode_code"].to_numpy().astype(np.int64)
    case = table["case_code"].to_numpy().astype(np.int64)
    features, names = _features(table, groups, modes, reference, floor_km)
    margins, measure = _margins(table, observed)
    cost_utility = -cost_scale * table["cost"].cast(pl.Float64).to_numpy()[None, :]
    problem = ChoiceProblem(
        base=cost_utility,
        features=features,
        flow=table["t"].cast(pl.Float64).to_numpy()[None, :],
        measure=measure,
        fixed=np.zeros((1, margins.height)),
        segments=Segments.build(case, np.zeros(case.size, dtype=np.int64)),
        scale=np.ones(1),
    )
    prior = np.zeros(len(names))
    target, weight = margins["observed"].to_numpy()[None, :], 1.0 / margins["spread"].to_numpy()
    spread = np.array([prior_sd[0] if p == "constant" else prior_sd[1] for _, _, p in names])
    starts = (prior, _start(problem, names, margins, spread, ridge))
    ends = [
        calibrate(
            problem,
            target,
            weight=weight,
            prior=prior,
            prior_sd=spread,
            ridge=ridge,
            start=start,
            constant_names=[f"{g} {m} {p}" for g, m, p in names],
            margin_names=[f"{g} {m} {x}" for g, m, x in margins.select("group", "mode", "margin").iter_rows()],
        )
        for start in starts
    ]

    def misfit(end: Calibration) -> float:
        away = weight * (end.margins[0] - target[0]) / target[0]
        return float((away**2).sum() + ridge * ((end.constants[0] / spread) ** 2).sum())

    fitted = min(ends, key=misfit)
    fit = _fit(margins, fitted)
    driven = constant_driven_shares(problem, fitted.constants, prior, code)
    by_mode = pl.DataFrame(
        {
            "mode": modes,
            "share": driven.share[0],
            "share_at_prior": driven.at_prior[0],
            "owed": driven.owed[0],
            "mainly": driven.mainly[0],
        }
    )
    # with spreads the calibration itself flags what lies beyond them
    rounded = margins["spread"].to_numpy().min() < 1.0
    missed = fit.filter((pl.col("margin") != "mean_km") & (pl.col("error_pct").abs() > 100.0 * _ROUNDING) & ~pl.lit(rounded))
    return ModeCalibration(
        shares=_shares(table, problem, fitted),
        fit=fit,
        constants=pl.DataFrame(names, schema=["group", "mode", "parameter"], orient="row").with_columns(
            value=fitted.constants[0], prior_share=fitted.prior_share, prior_driven=fitted.prior_driven
        ),
        elasticities=_elasticity_table(problem, fitted, cost_utility, table, modes, literature),
        constant_driven=by_mode,
        rank=fitted.rank,
        condition_number=fitted.condition_number,
        singular_values=fitted.singular_values,
        flags=(
            *_unbalanced(table, observed),
            *fitted.flags,
            *_named(missed, "{group} {mode} {margin}: modelled {modelled:.6g}, observed {observed:.6g}, {error_pct:+.1f} %"),
            *_named(by_mode.filter("mainly"), "{mode}: more than half of its share is owed to constants, not to costs"),
        ),
        calibration=fitted,
    )


def _shares(table: pl.DataFrame, problem: ChoiceProblem, fitted: Calibration) -> pl.DataFrame:
    """Return share, tonnes and tonne-kilometres of every row."""
    share = nested_shares(problem.base + fitted.constants @ problem.features.T, problem.segments, problem.scale)[0][0]
    t = pl.col("t").cast(pl.Float64) * pl.col("share")
    return table.with_columns(share=share).select("group", "case", "mode", "share", t.alias("t"), (t * pl.col("km")).alias("tkm"))


def _fit(margins: pl.DataFrame, fitted: Calibration) -> pl.DataFrame:
    """Return observed and modelled margins, and the mean haul where both are observed."""
    rows = margins.drop("spread").with_columns(modelled=fitted.margins[0], at_prior=fitted.margins_at_prior[0])
    t, tkm = (rows.filter(pl.col("margin") == m).drop("margin") for m in _MARGINS)
    both = tkm.join(t, on=["group", "mode"], suffix="_t", maintain_order="left")
    haul = both.select(
        "group",
        "mode",
        pl.lit("mean_km").alias("margin"),
        *[(pl.col(c) / pl.col(f"{c}_t")).alias(c) for c in ("observed", "modelled", "at_prior")],
    )
    return pl.concat([rows, haul]).with_columns(error_pct=100.0 * (pl.col("modelled") / pl.col("observed") - 1.0))


def _elasticity_table(
    problem: ChoiceProblem,
    fitted: Calibration,
    cost_utility: NDArray[np.float64],
    table: pl.DataFrame,
    modes: Sequence[str],
    literature: pl.DataFrame | None,
) -> pl.DataFrame:
    """Return elasticities of tonnes and tonne-kilometres beside the ranges of the literature."""
    code, km = table["mode_code"].to_numpy().astype(np.int64), table["km"].cast(pl.Float64).to_numpy()
    frames = []
    for name, measure in (("t", None), ("tkm", km)):
        found = elasticities(problem, fitted.constants, cost_utility, code, measure=measure)[0]
        rows = [(a, b, name, float(found[i, j])) for i, a in enumerate(modes) for j, b in enumerate(modes)]
        frames.append(pl.DataFrame(rows, schema=["mode", "of_mode", "measure", "elasticity"], orient="row"))
    made = pl.concat(frames)
    if literature is None:
        return made.with_columns(low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64), within=pl.lit(None, pl.Boolean))
    absent = [c for c in ("mode", "of_mode", "low", "high") if c not in literature.columns]
    if absent:
        msg = f"literature: column(s) {', '.join(absent)} missing"
        raise CalibrationError(msg)
    on = ["mode", "of_mode", *(["measure"] if "measure" in literature.columns else [])]
    beside = made.join(literature.select(*on, pl.col("low", "high").cast(pl.Float64)), on=on, how="left", maintain_order="left")
    return beside.with_columns(within=pl.col("elasticity").is_between("low", "high"))


def _unbalanced(table: pl.DataFrame, observed: pl.DataFrame) -> list[str]:
    """Return groups whose observed tonnes are not those of the table, so that no constants can meet all margins."""
    total = table.unique(["group", "case"]).group_by("group").agg(pl.col("t").cast(pl.Float64).sum())
    modes = table.select("group", "mode").unique().group_by("group").len("n_modes")
    seen = (
        observed.drop_nulls("t").group_by("group").agg(pl.col("t").cast(pl.Float64).sum().alias("seen"), pl.len().alias("n_seen"))
    )
    both = total.join(seen, on="group").join(modes, on="group").filter(pl.col("n_seen") == pl.col("n_modes")).sort("group")
    off = both.filter((pl.col("seen") / pl.col("t") - 1.0).abs() > _ROUNDING)
    return _named(off, "{group}: observed tonnes add up to {seen:.6g}, those of the table to {t:.6g}; not all margins can be met")
