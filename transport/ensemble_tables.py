"""What the draws of an ensemble say: weights, probabilities of the targets with their errors, and paths by year.

Readings of an indicator are definitions, not chances: each has its own probability, and none is averaged over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.layout import BASE_YEAR, LAST_YEAR, YEARS
from transport.observed_weights import OBSERVED, PREFIX, deviations, effective_size, weigh
from transport.targets import CITY_TARGET, verdict, with_cities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.ensemble import Cases, Found
    from transport.indicators import Series
    from transport.inputs import Inputs, Target

    Array = NDArray[np.float64]

#: Tables of an ensemble and their columns.
TABLES: dict[str, tuple[str, ...]] = {
    "draws": ("draw", "weight"),
    "series": ("series", "id", "area", "scope", "boundary", "base", "variant", "unit"),
    "outcomes": ("draw", "series", "year", "value"),
    "probabilities": (
        "id",
        "area",
        "year",
        "scope",
        "boundary",
        "base",
        "variant",
        "unit",
        "target",
        "direction",
        "tolerance",
        "strength",
        "central",
        "central_verdict",
        "probability",
        "standard_error",
        "low",
        "high",
        "probability_within",
        "unweighted",
        "unweighted_error",
        "draws",
        "effective_sample_size",
    ),
    "paths": ("series", "year", "central", "mean", "p05", "p50", "p95", "unweighted_p05", "unweighted_p50", "unweighted_p95"),
    "weights": ("draw", "weight", "observation", "ratio", "log_likelihood"),
    "failed": ("draw", "problem"),
}
#: Years in which every series is kept; those with a target are kept in all years.
SHOWN = (BASE_YEAR, 2025, 2030, LAST_YEAR)
#: Id of the series by which a city has the green travel target.
_BREAK_EVEN = "green_travel_break_even_base"
_NAMES = ("id", "area", "scope", "boundary", "base", "variant", "unit")
#: Normal quantile of the interval of a probability, 95 percent.
_Z = 1.959963984540054
_LEVELS = (0.05, 0.5, 0.95)


def series_frame(series: Sequence[Series]) -> pl.DataFrame:
    """Return what names each series, numbered in their order: columns ``series`` of :data:`TABLES`.

    Parameters
    ----------
    series
        Of an outcome.
    """
    rows = [(k, *(getattr(one, name) for name in _NAMES)) for k, one in enumerate(series)]
    schema = {"series": pl.Int32, **dict.fromkeys(_NAMES, pl.String)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def kept_years(indicator: str, inputs: Inputs) -> tuple[int, ...]:
    """Return the years in which an indicator is kept.

    Parameters
    ----------
    indicator
        Id of a series.
    inputs
        Checked data.
    """
    if indicator.startswith(PREFIX):
        return (OBSERVED[indicator.removeprefix(PREFIX)],)
    return YEARS if any(target.id == indicator and target.value is not None for target in inputs.targets) else SHOWN


def ensemble_tables(inputs: Inputs, cases: Cases, found: Found) -> tuple[dict[str, pl.DataFrame], float]:
    """Return the tables of an ensemble and its effective sample size.

    Parameters
    ----------
    inputs
        Checked data.
    cases
        What was drawn.
    found
        What it came to.
    """
    values = found.values.sort("draw", "series", "year")
    numbers = values["draw"].unique(maintain_order=True).to_numpy()
    columns = (
        values.filter(pl.col("draw") == int(numbers[0]))
        .select("series", "year")
        .join(found.series, on="series", maintain_order="left")
    )
    matrix = values["value"].to_numpy().reshape(len(numbers), columns.height)
    central, drawn = matrix[0], matrix[1:]
    ratios = {
        str(row["id"]).removeprefix(PREFIX): drawn[:, k]
        for k, row in enumerate(columns.iter_rows(named=True))
        if str(row["id"]).startswith(PREFIX)
    }
    weights = weigh(ratios, deviations(inputs))
    weight = weights.weight if ratios else np.ones(len(drawn))
    effective = effective_size(weight)
    read = set(found.read)
    at = [k for k, key in enumerate(cases.keys) if key in read]
    quantiles = {" ".join(cases.keys[k]): cases.quantile[numbers[1:], k] for k in at}
    kept = ~columns["id"].str.starts_with(PREFIX).to_numpy()
    tables = {
        "draws": pl.DataFrame({"draw": numbers[1:], "weight": weight, **quantiles}),
        "series": found.series.filter(~pl.col("id").str.starts_with(PREFIX)),
        "outcomes": values.join(
            found.series.filter(pl.col("id").str.starts_with(PREFIX)), on="series", how="anti", maintain_order="left"
        ),
        "probabilities": probabilities(columns, matrix, weight, inputs.targets),
        "paths": paths(columns.filter(kept), central[kept], drawn[:, kept], weight),
        "weights": _weight_frame(numbers[1:], weight, ratios, weights.log_likelihood),
        "failed": pl.DataFrame(
            {"draw": list(found.failed), "problem": list(found.failed.values())}, schema={"draw": pl.Int32, "problem": pl.String}
        ),
    }
    return tables, effective


def probabilities(columns: pl.DataFrame, matrix: Array, weight: Array, targets: Iterable[Target]) -> pl.DataFrame:
    r"""Return the probability of every target in every reading of its indicator.

    Parameters
    ----------
    columns
        What names the columns of the matrix: ``series``, ``year``, id and so on.
    matrix
        ``[draw, column]``, the central run first.
    weight
        Weight of the draws without the central run ``[draw]``, mean 1.
    targets
        Targets of the data; that of green travel holds for the cities whose break-even share is among the series.

    Returns
    -------
    frame
        Columns ``probabilities`` of :data:`TABLES`. A draw in which the indicator does not exist (a peak that never comes) meets no target.

    Notes
    -----
    Probability :math:`\hat p = \sum w_i x_i / \sum w_i`, its standard error :math:`\sqrt{\sum w_i^2 (x_i - \hat p)^2} / \sum w_i`, which is
    :math:`\sqrt{\hat p (1 - \hat p) / n}` with equal weights and too large for a stratified design. ``low`` to ``high`` is Wilson's interval of
    95 percent with the effective sample size [1]_, which is not empty where all draws agree.

    References
    ----------
    .. [1] Wilson, E. B. (1927), Journal of the American Statistical Association 22, 209-212.
    """
    names = columns.to_dicts()
    cities = {row["area"] for row in names if row["id"] == _BREAK_EVEN}
    known = [t for t in with_cities(targets, cities) if t.value is not None and t.year is not None]
    by_place = {(t.id, t.area, t.year): t for t in known if t.id != CITY_TARGET or t.area in cities}
    effective = effective_size(weight)
    rows = []
    for k, row in enumerate(names):
        target = by_place.get((row["id"], row["area"], row["year"]))
        if target is None or target.value is None:
            continue
        sign = 1.0 if target.direction == "at_least" else -1.0
        ahead = np.nan_to_num(sign * (matrix[1:, k] - target.value), nan=-np.inf)
        tolerance = target.tolerance or 0.0
        met = (ahead >= 0.0).astype(np.float64)
        chance, error = chance_of(met, weight)
        plain, plain_error = chance_of(met, np.ones_like(weight))
        low, high = wilson(chance, effective)
        here = float(matrix[0, k])
        rows.append(
            {
                **{name: row[name] for name in ("id", "area", "year", "scope", "boundary", "base", "variant", "unit")},
                "target": target.value,
                "direction": target.direction,
                "tolerance": tolerance,
                "strength": target.strength,
                "central": None if np.isnan(here) else here,
                "central_verdict": "missed" if np.isnan(here) else verdict(here, target.value, tolerance, target.direction),
                "probability": chance,
                "standard_error": error,
                "low": low,
                "high": high,
                "probability_within": chance_of((ahead >= -tolerance).astype(np.float64), weight)[0],
                "unweighted": plain,
                "unweighted_error": plain_error,
                "draws": len(weight),
                "effective_sample_size": effective,
            }
        )
    text = ("id", "area", "scope", "boundary", "base", "variant", "unit", "direction", "strength", "central_verdict")
    whole: dict[str, type[pl.DataType]] = {"year": pl.Int64, "draws": pl.Int64}
    schema = {c: pl.String if c in text else whole.get(c, pl.Float64) for c in TABLES["probabilities"]}
    return pl.DataFrame(rows, schema=schema).sort("id", "area", "year", "scope", "boundary", "base", "variant")


def chance_of(met: Array, weight: Array) -> tuple[float, float]:
    """Return the weighted share of draws that meet something and its Monte Carlo standard error.

    Parameters
    ----------
    met
        1 where a draw does, else 0 ``[draw]``.
    weight
        Weight of each draw ``[draw]``.

    Examples
    --------
    >>> chance_of(np.array([1.0, 0.0, 0.0, 1.0]), np.ones(4))
    (0.5, 0.25)
    """
    total = weight.sum()
    share = float((weight * met).sum() / total)
    return share, float(np.sqrt((weight**2 * (met - share) ** 2).sum()) / total)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return Wilson's interval of a share, 95 percent.

    Parameters
    ----------
    share
        Observed share.
    count
        Number of draws, or effective sample size.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(0.0, 100.0)]
    [0.0, 0.037]
    """
    if count <= 0.0:
        return 0.0, 1.0
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def paths(columns: pl.DataFrame, central: Array, drawn: Array, weight: Array) -> pl.DataFrame:
    """Return central value, mean and quantiles of every series and year over the draws in which it exists.

    Parameters
    ----------
    columns
        With ``series`` and ``year``.
    central, drawn
        Central run ``[column]`` and draws ``[draw, column]``.
    weight
        Weight of each draw ``[draw]``.
    """
    equal = np.ones_like(weight)
    found = np.full((drawn.shape[1], 7), np.nan)
    for k in range(drawn.shape[1]):
        there = ~np.isnan(drawn[:, k])
        if there.any() and weight[there].sum() > 0.0:
            values = drawn[there, k]
            found[k, 0] = np.average(values, weights=weight[there])
            found[k, 1:4] = weighted_quantiles(values, weight[there], _LEVELS)
            found[k, 4:] = weighted_quantiles(values, equal[there], _LEVELS)
    names = TABLES["paths"][3:]
    made = columns.select("series", "year").with_columns(central=pl.Series(central))
    made = made.with_columns(pl.Series(name, found[:, k]) for k, name in enumerate(names))
    return made.with_columns(pl.col("central", *names).fill_nan(None)).select(TABLES["paths"])


def weighted_quantiles(values: Array, weight: Array, levels: Sequence[float]) -> Array:
    """Return quantiles of weighted values, linear between the middles of their steps.

    Parameters
    ----------
    values, weight
        Arrays ``[draw]``.
    levels
        Between 0 and 1.

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), (0.5,)).tolist()
    [2.0]
    """
    order = np.argsort(values, kind="stable")
    steps = np.cumsum(weight[order])
    return np.interp(levels, (steps - 0.5 * weight[order]) / steps[-1], values[order])


def _weight_frame(
    numbers: NDArray[np.int32], weight: Array, ratios: Mapping[str, Array], terms: Mapping[str, Array]
) -> pl.DataFrame:
    """Return one row per draw and observation."""
    frames = [
        pl.DataFrame(
            {
                "draw": numbers,
                "weight": weight,
                "observation": [name] * len(numbers),
                "ratio": ratio,
                "log_likelihood": terms.get(name, np.zeros(len(numbers))),
            }
        )
        for name, ratio in ratios.items()
    ]
    schema = {"draw": pl.Int32, "weight": pl.Float64, "observation": pl.String, "ratio": pl.Float64, "log_likelihood": pl.Float64}
    return (
        pl.concat([pl.DataFrame(schema=schema), *frames]).with_columns(pl.col("ratio").fill_nan(None)).sort("draw", "observation")
    )
