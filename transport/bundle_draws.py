"""Check of the zip of an ensemble: a few named draws worked out alone, from a cold start, are those of the tables."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from transport.check_problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.scenario import Scenario

#: Scenario, data, number of the draw; by name ``draws``, ``seed``, ``design`` -> rows as of :func:`transport.ensemble.run_one`.
Alone: TypeAlias = "Callable[..., pl.DataFrame]"

#: Largest difference of a number computed on another machine, relative to itself [-]; below the second, relative to the largest of its column and unit, it is zero.
RTOL, ZERO = 1e-9, 1e-12
_FILE = "outputs/outcomes.parquet"


def draws_again(
    written: bytes, about: Mapping[str, Any], scenario: Scenario, inputs: Inputs, draws: Sequence[int], alone: Alone | None = None
) -> tuple[list[Problem], list[Problem], int]:
    """Work out some draws of an ensemble alone and hold them against its table of outcomes.

    Parameters
    ----------
    written
        The table ``outcomes`` as a Parquet file.
    about
        Manifest of the ensemble.
    scenario, inputs
        Of the ensemble.
    draws
        Numbers of the draws, 0 = the central run; by default the first, the middle and the last one.
    alone
        What works one out; by default :func:`transport.ensemble.run_one`.

    Returns
    -------
    problems, remarks, count
        What differs by more than the last digits, what differs in these only, and the number of draws found equal. A draw that has no result, or is none
        of the ensemble, is a problem.
    """
    from transport.ensemble import EnsembleError, run_one

    outcomes = pl.read_parquet(io.BytesIO(written))
    count = int(about["draws"])
    there = outcomes.filter(pl.col("draw") > 0)["draw"].unique().sort().to_list()
    asked = list(dict.fromkeys(draws or (there[0], there[len(there) // 2], there[-1])))
    problems: list[Problem] = []
    nearly: list[Problem] = []
    equal = 0
    for number in asked:
        try:
            again = (alone or run_one)(scenario, inputs, number, draws=count, seed=about["seed"], design=about["design"])
        except EnsembleError as error:
            problems.append(Problem(_FILE, 0, "draw", "bundle.rerun", str(number), values={"count": 1, "here": str(error)}))
            continue
        both = again.select("series", "year", here="value").join(
            outcomes.filter(draw=number).select("series", "year", "value"), on=["series", "year"], how="full", coalesce=True
        )
        if "id" in again.columns:  # modelled over observed values are no part of the table
            hidden = again.filter(pl.col("id").str.starts_with("observed."))["series"].unique()
            both = both.filter(~pl.col("series").is_in(hidden.implode()))
        off = _off(both)
        wrong = both.filter(off > RTOL)
        if wrong.height:
            row = wrong.row(0, named=True)
            values = {"count": wrong.height, "here": str(row["here"])}
            problems.append(Problem(_FILE, number, "value", "bundle.rerun", str(row["value"]), values=values))
            continue
        equal += 1
        if off.max() > 0.0:  # type: ignore[operator]
            nearly.append(Problem(_FILE, number, "value", "bundle.nearly", values={"rtol": f"{RTOL:g}"}))
    return problems, nearly, equal


def _off(both: pl.DataFrame) -> pl.Series:
    """Return by how much two columns differ, relative to the larger; what is missing in both, or no number in both, does not differ."""
    here, value = both["here"], both["value"]
    alike = here.eq_missing(value)
    size = pl.select(pl.max_horizontal(here.abs(), value.abs(), pl.lit(ZERO))).to_series()
    off = ((here - value).abs() / size).fill_nan(float("inf")).fill_null(float("inf"))
    return pl.select(pl.when(alike).then(0.0).otherwise(off)).to_series()
