"""Compare the estimation of choice models with biogeme: coefficients, standard errors, log-likelihood and time.

Needs an environment of its own, for biogeme brings many packages and older versions of some::

    python3 -m venv /some/folder
    /some/folder/bin/pip install "biogeme==3.3.2" "tomlkit<0.15" polars
    /some/folder/bin/python benchmarks/choice_estimation.py            # compare and time
    /some/folder/bin/python benchmarks/choice_estimation.py --write    # also write the golden tables of the tests
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).resolve().parents[1]
# some packages install a package named tests, which would hide ours
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "networks")]

from choice_data import GOLDEN, NESTS, SPECIFICATION, observations, simulate  # noqa: E402

from networks.choice import Estimates, estimate  # noqa: E402

#: Models of the golden table: name, nests, case weights.
MODELS = (
    ("mnl", False, None),
    ("nested", True, None),
    ("mnl_weighted", False, "case_weight"),
    ("nested_weighted", True, "case_weight"),
)


def wide(table: pl.DataFrame, spec: dict[str, dict[str, object]], weights: str | None) -> pl.DataFrame:
    """Return one row per case: choice, weight, and availability and attributes of every alternative."""
    if "available" not in table.columns:
        table = table.with_columns(available=pl.lit(1))
    keep = table.select("case").unique(maintain_order=True)
    for code, (alternative, terms) in enumerate(spec.items()):
        columns = sorted({c for c in terms.values() if c not in (1, "1")})
        part = table.filter(pl.col("alternative") == alternative).select(
            "case",
            pl.col("available").cast(pl.Float64).alias(f"av_{code}"),
            (pl.col("chosen") * code).alias(f"pick_{code}"),
            *[pl.col(c).cast(pl.Float64).alias(f"{c}_{code}") for c in columns],
        )
        keep = keep.join(part, on="case", how="left", maintain_order="left")
    picks = [c for c in keep.columns if c.startswith("pick_")]
    keep = keep.with_columns(choice=pl.sum_horizontal(picks)).drop(picks)
    if weights is not None:
        each = table.group_by("case").agg(pl.col(weights).first().cast(pl.Float64).alias("case_weight_"))
        keep = keep.join(each, on="case", how="left", maintain_order="left")
    return keep.drop("case").fill_null(0.0)


def biogeme_fit(
    table: pl.DataFrame,
    spec: dict[str, dict[str, object]],
    nests: dict[str, list[str]] | None,
    weights: str | None,
    *,
    race: str = "",
) -> tuple[pl.DataFrame, dict[str, float], float]:
    """Return coefficients, fit and the seconds of the estimation by biogeme, its compilation included.

    A race (``"estimate"``, or ``"quick_estimate"`` without standard errors) leaves the settings of biogeme as they are.
    """
    import biogeme.biogeme as bio
    import pandas as pd
    from biogeme import database, models
    from biogeme.expressions import Beta, Variable
    from biogeme.nests import NestsForNestedLogit, OneNestForNestedLogit

    frame = pd.DataFrame(wide(table, spec, weights).to_dict(as_series=False))
    start = time.perf_counter()
    data = database.Database("choice", frame)
    betas: dict[str, Any] = {}
    utility: dict[int, Any] = {}
    for code, terms in enumerate(spec.values()):
        parts = [
            betas.setdefault(name, Beta(name, 0, None, None, 0)) * (1 if column in (1, "1") else Variable(f"{column}_{code}"))
            for name, column in terms.items()
        ]
        utility[code] = sum(parts[1:], parts[0]) if parts else 0
    available = {code: Variable(f"av_{code}") for code in range(len(spec))}
    choice = Variable("choice")
    if nests is None:
        log_probability = models.loglogit(utility, available, choice)
    else:
        codes = {name: code for code, name in enumerate(spec)}
        groups = tuple(
            OneNestForNestedLogit(Beta(f"mu_{nest}", 1, 1, None, 0), [codes[m] for m in members], nest)
            for nest, members in nests.items()
        )
        log_probability = models.lognested(utility, available, NestsForNestedLogit(list(utility), groups), choice)
    formulas = {"log_like": log_probability}
    if weights is not None:
        formulas["weight"] = Variable("case_weight_")
    # safe: the derivatives of a nest without an available member are NaN otherwise, and the search stops where it starts
    quiet = {"generate_html": False, "generate_yaml": False, "save_iterations": False, "numerically_safe": nests is not None}
    # the default tolerance leaves the third digit of some coefficients open
    exact = {"optimization_algorithm": "simple_bounds", "calculating_second_derivatives": "analytical", "tolerance": 1e-9}
    model = bio.BIOGEME(data, formulas, **quiet, **({} if race else exact))
    model.model_name = "choice"
    model.calculate_null_loglikelihood(available)
    found = getattr(model, race or "estimate")()
    seconds = time.perf_counter() - start
    if race:
        return pl.DataFrame(), {"log_likelihood": found.final_loglikelihood}, seconds
    names = list(found.get_beta_values())
    rows = pl.DataFrame(
        {
            "coefficient": names,
            "value": [found.get_parameter_value(n) for n in names],
            "standard_error": [_error(found, n, "RAO_CRAMER") for n in names],
            "robust_standard_error": [_error(found, n, "ROBUST") for n in names],
        }
    )
    # the null of biogeme leaves case weights out
    null = None if weights is not None else model.null_loglikelihood
    return rows, {"log_likelihood": found.final_loglikelihood, "null_log_likelihood": null}, seconds


def _error(found: Any, name: str, kind: str) -> float:
    """Return a standard error of biogeme."""
    from biogeme.results_processing import EstimateVarianceCovariance

    return float(found.get_parameter_std_err(name, EstimateVarianceCovariance[kind]))


def largest_difference(ours: Estimates, theirs: pl.DataFrame, *, robust: bool) -> float:
    """Return the largest relative difference of a value or a standard error.

    With case weights the robust errors are left out: biogeme leaves the weights out of the scores, which a test of ours shows.
    """
    both = ours.table.join(theirs, on="coefficient", suffix="_theirs", validate="1:1")
    if both.height != theirs.height or both.height != ours.table.height:
        sys.exit(f"different coefficients: {ours.table['coefficient'].to_list()} and {theirs['coefficient'].to_list()}")
    worst = 0.0
    for column in ("value", "standard_error", *(["robust_standard_error"] if robust else [])):
        worst = max(worst, float(((both[column] - both[f"{column}_theirs"]) / both[f"{column}_theirs"]).abs().max()))
    return worst


def compare() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Print the comparison of every golden model and return the tables of biogeme."""
    coefficients, fits = [], []
    print(f"{'data':14s}{'model':18s}{'LL ours':>14s}{'LL biogeme':>14s}{'largest relative difference':>30s}")
    for data, spec in SPECIFICATION.items():
        table = observations(data)
        for model, nested, weights in MODELS:
            if weights is not None and weights not in table.columns:
                continue
            nests = NESTS[data] if nested else None
            rows, fit, _ = biogeme_fit(table, spec, nests, weights)
            ours = estimate(table, spec, nests=nests, weights=weights)
            gap = largest_difference(ours, rows, robust=weights is None)
            print(f"{data:14s}{model:18s}{ours.log_likelihood:14.5f}{fit['log_likelihood']:14.5f}{gap:30.2e}")
            key = [pl.lit(data).alias("data"), pl.lit(model).alias("model")]
            coefficients.append(rows.select(*key, "coefficient", pl.col(pl.Float64).round_sig_figs(9)))
            fits.append(pl.DataFrame([fit], schema_overrides={"null_log_likelihood": pl.Float64}).select(*key, pl.all().round(6)))
    return pl.concat(coefficients), pl.concat(fits)


def race(cases: int, repeat: int, how: str) -> None:
    """Print the time of both on a simulated sample: checks, errors and elasticities included on our side, compilation on theirs."""
    table, spec = simulate(cases, 1), SPECIFICATION["simulated"]
    for model, nests in (("mnl", None), ("nested", NESTS["simulated"])):
        fits = [biogeme_fit(table, spec, nests, None, race=how)[1:] for _ in range(repeat)]
        theirs = min(seconds for _, seconds in fits)
        times = []
        for _ in range(max(repeat, 3)):
            start = time.perf_counter()
            ours = estimate(table, spec, nests=nests)
            times.append(time.perf_counter() - start)
        gap = ours.log_likelihood - fits[0][0]["log_likelihood"]
        speed = f"{min(times):.2f} s, biogeme {how} {theirs:.2f} s, ratio {theirs / min(times):.1f}"
        print(f"{cases} cases x 6, {model}: {speed}; log-likelihood ours - theirs {gap:.1e}")


def main() -> None:
    """Compare, time and, if asked for, write the golden tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write tests/golden/choice/coefficients.csv and fit.csv")
    parser.add_argument("--cases", type=int, default=50_000, help="of the race without standard errors of biogeme")
    parser.add_argument(
        "--cases-with-errors", type=int, default=2_000, help="of the race with them; biogeme adds them up case by case"
    )
    parser.add_argument("--repeat", type=int, default=1)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"biogeme {version('biogeme')}, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # biogeme leaves a parameter file where it runs
        coefficients, fits = compare()
        if chosen.write:
            coefficients.write_csv(GOLDEN / "coefficients.csv")
            fits.write_csv(GOLDEN / "fit.csv")
        race(chosen.cases_with_errors, chosen.repeat, "estimate")
        race(chosen.cases, chosen.repeat, "quick_estimate")
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
