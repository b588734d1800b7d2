"""Which input drives the green travel share of a city: each input alone at the ends of its range, and its rank correlation over the draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.stats import rankdata

from transport.city_case import city_cases, keys_read
from transport.closures import SITE_LEVEL
from transport.inputs import REFERENCE_PREFIX
from transport.layout import QUALITY_ORDER, year_index
from transport.params import EVERYWHERE, Params

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from transport.city_case import CityCase
    from transport.city_needs import Progress
    from transport.inputs import Inputs
    from transport.scenario import Scenario

    Array = NDArray[np.float64]
    Key = tuple[str, str]

_PERCENT = 100.0
#: Inputs of these qualities were never read in a source: the first to be replaced by data.
WEAK = ("assumption", "recalled")
#: A swing smaller than this does not count as one [percentage points].
_NOTHING = 1e-9
_RANKS = ("rank_swing", "rank_correlated", "replace_first")
#: Columns of the table.
DRIVERS = {
    "scenario": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "parameter": pl.String,
    "subject": pl.String,
    "unit": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "rows": pl.Int64,
    "quality": pl.String,
    "source": pl.String,
    "share_low_pct": pl.Float64,
    "share_high_pct": pl.Float64,
    "swing_points": pl.Float64,
    "rank_correlation": pl.Float64,
    "rank_swing": pl.Int64,
    "rank_correlated": pl.Int64,
    "replace_first": pl.Int64,
}


def city_drivers(
    inputs: Inputs,
    scenario: Scenario,
    areas: Iterable[str],
    year: int,
    *,
    draws: int = 200,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Return how far each ranged input moves the green travel share of cities.

    Parameters
    ----------
    inputs
        Checked data.
    scenario
        A resolved scenario.
    areas
        Prefecture codes.
    year
        Calendar year.
    draws
        Draws of the rank correlation; with one there is none.
    progress
        Called before every city.

    Returns
    -------
    DataFrame
        Columns of :data:`DRIVERS`, one row per city and input that its share reads, the widest swing first. An input is a parameter and subject with
        all its years, as one quantile draws them all; ``value``, ``low`` and ``high`` are those of the year, without levers. ``share_low_pct`` and
        ``share_high_pct`` are the shares with the input at its low and high end, ``swing_points`` their distance without a sign, ``rank_correlation``
        that of Spearman between the drawn input and the share. ``replace_first`` numbers the inputs of weak quality by swing; null for the others.

    Notes
    -----
    Swings take the other inputs at their central values and hold nothing else: shares of a city are closed to one again, and what follows from an
    input follows. Rank correlations of inputs without influence scatter by about ``1 / sqrt(draws - 1)`` around 0.
    """
    wanted = tuple(areas)
    tell = progress or (lambda *_: None)
    frames = [pl.DataFrame(schema=DRIVERS)]
    for k, case in enumerate(city_cases(inputs, scenario, wanted, year, draws=draws)):
        tell(k, len(wanted), f"{scenario.name} {case.area}")
        frames.append(_city(case, scenario))
    tell(len(wanted), len(wanted), "")
    return pl.concat(frames)


def _city(case: CityCase, scenario: Scenario) -> pl.DataFrame:
    ranged = _ranged(case)
    keys = [(str(p), str(s)) for p, s in ranged.select("parameter", "subject").unique(maintain_order=True).iter_rows()]
    at = year_index(case.year)
    runs: list[tuple[Key, Array]] = []
    rows: list[dict[str, object]] = []
    for key in keys:
        group = ranged.filter(pl.col("parameter") == key[0], pl.col("subject") == key[1])
        now, low, high = (
            _held(group.with_columns(value=pl.coalesce(e, "value")), key, scenario) for e in ("value", "low", "high")
        )
        runs += [(key, low), (key, high)]
        weakest = group.filter(pl.col("low").is_not_null())
        rows.append(
            {
                "scenario": case.scenario,
                "area": case.area,
                "year": case.year,
                "parameter": key[0],
                "subject": key[1],
                "unit": group["unit"][0],
                "value": float(now[0, at]),
                "low": float(low[0, at]),
                "high": float(high[0, at]),
                "rows": group.height,
                "quality": max(weakest["quality"].to_list(), key=QUALITY_ORDER.index),
                "source": weakest["source"][0],
            }
        )
    central = float(case.shares([({}, 0)])[0]) * _PERCENT
    shares = case.shares_with(runs) * _PERCENT
    over = case.sampled() if case.bare.draws > 1 else np.zeros(0)
    for k, (key, row) in enumerate(zip(keys, rows, strict=True)):
        low_share, high_share = (float(x) for x in shares[2 * k : 2 * k + 2])
        row["share_low_pct"], row["share_high_pct"] = low_share, high_share
        row["swing_points"] = max(low_share, high_share, central) - min(low_share, high_share, central)
        row["rank_correlation"] = _correlation(case.bare.get(*key), over) if over.size else None
    return _ranked(pl.DataFrame(rows, schema={name: kind for name, kind in DRIVERS.items() if name not in _RANKS}))


def _ranged(case: CityCase) -> pl.DataFrame:
    """Return the rows with a range of the inputs that the city's share reads, in file order."""
    rows = case.inputs.parameters.filter(pl.col("value").is_not_null(), ~pl.col("parameter").str.starts_with(REFERENCE_PREFIX))
    own = set(rows.select("parameter", "subject").iter_rows())
    # what a lever holds for the city alone starts from the rows that hold everywhere
    read = {key if key in own else (key[0], EVERYWHERE) for key in keys_read(case)}
    keys = pl.DataFrame(sorted(read), schema={"parameter": pl.String, "subject": pl.String}, orient="row")
    wide = (pl.col("low") < pl.col("high")).fill_null(value=False).any().over("parameter", "subject")
    return rows.join(keys, on=["parameter", "subject"], how="semi", maintain_order="left").filter(wide)


def _held(rows: pl.DataFrame, key: tuple[str, str], scenario: Scenario) -> Array:
    """Return the central values of some rows of one key ``[1, year]``, held as the scenario says."""
    params = Params.from_frame(rows)
    if scenario.hold_year:
        params = params.hold(scenario.hold_year, but=(*scenario.hold_but, SITE_LEVEL))
    return params.get(*key)


def _correlation(drawn: Array, shares: Array) -> float | None:
    """Return the rank correlation of what was drawn for an input ``[draw, year]`` with the shares; None where all draws are alike."""
    # one quantile draws all years: any year that scatters has the ranks of all
    values = drawn[:, int(np.argmax(drawn.std(axis=0)))]
    if np.ptp(values) == 0.0 or np.ptp(shares) == 0.0:
        return None
    return float(np.corrcoef(rankdata(values), rankdata(shares))[0, 1])


def _ranked(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with its ranks, the widest swing first."""
    swing, strength = pl.col("swing_points"), pl.col("rank_correlation").abs()
    weak = pl.col("quality").is_in(WEAK) & (swing > _NOTHING)
    return (
        table.sort("swing_points", "parameter", "subject", descending=[True, False, False])
        .with_columns(
            swing.rank("ordinal", descending=True).cast(pl.Int64).alias("rank_swing"),
            strength.rank("ordinal", descending=True).cast(pl.Int64).alias("rank_correlated"),
            pl.when(weak).then(weak.cum_sum()).cast(pl.Int64).alias("replace_first"),
        )
        .select(list(DRIVERS))
    )
