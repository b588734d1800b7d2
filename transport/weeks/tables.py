"""Tables of one simulated case, and the year of its representative weeks: what every caller of a simulation writes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.records import DAY_MIN, ratio, sample_sessions, year_rows
from fleets.replications import interval
from fleets.tariff import energy_bill
from transport.week_values import WEEKS
from transport.weeks.case import Measure, measured
from transport.weeks.yearly import extensive, yearly_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fleets.records import FleetResult
    from transport.weeks.case import Case, CaseResult

HOURS_PER_WEEK = 168
#: Code of the sum of some prefectures, or of some systems, where not all were simulated.
SELECTED = "selected"
#: Charging sessions per system and week that are kept for plots.
_SESSIONS_KEPT = 400
_WEEKDAYS = 5
_MONTHS_PER_WEEK = 12 / (365.25 / 7)

SUMMARY_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "week": pl.String,
    "area": pl.String,
    "place": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "vehicles": pl.Int64,
    "events": pl.Int64,
    "scale": pl.Float64,
}
RECORD_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "week": pl.String,
    "area": pl.String,
    "place": pl.String,
    "vehicle": pl.Int64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "kwh": pl.Float64,
    "wait_min": pl.Float64,
}
LOAD_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "week": pl.String,
    "area": pl.String,
    "place": pl.String,
    "hour": pl.Int64,
    "kw": pl.Float64,
}
CHECK_SCHEMA: dict[str, Any] = {"check": pl.String, "value": pl.Float64, "limit": pl.Float64, "passed": pl.Boolean}
_KEYS = ("system", "week", "area", "place")


@dataclass(frozen=True)
class CaseTables:
    """Tables of one case; small enough to be sent between processes.

    Attributes
    ----------
    summary
        Columns of :data:`SUMMARY_SCHEMA`; values are those of the simulated vehicles.
    records
        Sample of charging sessions, columns of :data:`RECORD_SCHEMA`.
    load
        Mean grid load of the simulated vehicles of one site, columns of :data:`LOAD_SCHEMA`.
    unmanaged
        The same load where everybody charges at once (the load itself where the case has no such variant).
    load_factor
        What the loads are multiplied with to be those of all vehicles the case stands for.
    checks
        Columns of :data:`CHECK_SCHEMA`; the worst replication of each check.
    more
        Further tables of the case, system, week, area and place first.
    self_checks
        Comparison with closed forms, where it was made.
    """

    summary: pl.DataFrame
    records: pl.DataFrame
    load: pl.DataFrame
    unmanaged: pl.DataFrame
    load_factor: float
    checks: pl.DataFrame
    more: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    self_checks: pl.DataFrame = field(default_factory=pl.DataFrame)


def simulated(case: Case) -> CaseTables:
    """Run a case and return its tables (a top-level function: it is sent to spawned processes)."""
    return case_tables(case, case.simulate(case))


def case_tables(case: Case, outcome: CaseResult) -> CaseTables:
    """Return the tables of a simulated case.

    Parameters
    ----------
    case, outcome
        A case and what its simulation returned.
    """
    named = [pl.lit(value).alias(name) for name, value in zip(_KEYS, _who(case), strict=True)]
    kept = sample_sessions(outcome.result, at_most=_SESSIONS_KEPT)
    result = outcome.result
    place = f"{case.place}." if case.place else ""
    name = pl.lit(f"simulation.{case.system}.{case.area}.{place}{case.week}.") + pl.col("check")
    worst = result.checks.group_by("check").agg(pl.col("value").abs().max(), pl.col("limit").max(), pl.col("passed").all())
    return CaseTables(
        summary=_summary(case, outcome),
        records=kept.with_columns(named).select(list(RECORD_SCHEMA)),
        load=_load(case, result),
        unmanaged=_load(case, outcome.variants.get("unmanaged", result)),
        load_factor=case.represented / result.vehicles if result.vehicles else 0.0,
        checks=worst.with_columns(name.alias("check")).sort("check"),
        more={key: table.select(*named, pl.all()) for key, table in outcome.tables.items()},
    )


def weeks_and_year(summaries: Sequence[pl.DataFrame], weights: Mapping[str, float]) -> pl.DataFrame:
    """Return the summaries of all weeks with the rows of the year, sorted.

    Parameters
    ----------
    summaries
        Tables of :data:`SUMMARY_SCHEMA`.
    weights
        Weeks of the year that each representative week stands for.
    """
    frame = pl.concat(summaries)
    systems = frame["system"].unique().sort().to_list()
    years = [year_rows(frame.filter(pl.col("system") == system), weights, yearly_rules(system)) for system in systems]
    frame = pl.concat([frame, *years])
    return frame.sort(["system", "area", "place", week_rank(), "metric"])


def week_rank() -> pl.Expr:
    """Return the place of a week in the order of the tables, the year last."""
    order = {w: i for i, w in enumerate((*WEEKS, "year"))}
    return pl.col("week").replace_strict(order, return_dtype=pl.Int64)


def _who(case: Case) -> tuple[str, str, str, str]:
    return case.system, case.week, case.area, case.place


def _load(case: Case, result: FleetResult) -> pl.DataFrame:
    hourly = result.load_kw.mean(axis=0).reshape(HOURS_PER_WEEK, -1).mean(axis=1)
    keys = dict(zip(_KEYS, _who(case), strict=True))
    return pl.DataFrame({**keys, "hour": np.arange(HOURS_PER_WEEK), "kw": hourly}, schema=LOAD_SCHEMA)


def _summary(case: Case, outcome: CaseResult) -> pl.DataFrame:
    result = outcome.result
    twin = outcome.variants.get("unmanaged")
    more = {**_bill(case, result), **_evening(case, result, twin or result), **case.more, **outcome.more}
    if twin is not None:
        shares = [[_peak_share(case, load) for load in run.load_kw] for run in (result, twin)]
        answered = [1.0 - m / u if u else 0.0 for m, u in zip(*shares, strict=True)]
        more["peak_period_share_unmanaged"] = measured(shares[1], "dimensionless", case.confidence)
        more["peak_response_share"] = measured(answered, "dimensionless", case.confidence)
        peak = twin.summary.row(by_predicate=pl.col("metric") == "peak_kw", named=True)
        more["peak_kw_unmanaged"] = Measure(peak["value"], peak["low"], peak["high"], peak["unit"])
    added = pl.DataFrame(
        [(name, *measure) for name, measure in more.items()],
        schema={"metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "unit": pl.String},
        orient="row",
    )
    table = pl.concat([result.summary.drop("replications"), added], how="diagonal")
    if case.sites > 1:
        # every replication is one site of several, which together have what one has on average as often as they are
        sums = pl.col("metric").is_in(sorted(extensive(case.system)))
        table = table.with_columns(
            pl.when(sums).then(pl.col(c) * case.sites).otherwise(c).alias(c) for c in ("value", "low", "high")
        )
    present = result.vehicles * case.sites
    return table.with_columns(
        *(pl.lit(value).alias(name) for name, value in zip(_KEYS, _who(case), strict=True)),
        pl.lit(present).cast(pl.Int64).alias("vehicles"),
        pl.lit(result.events).cast(pl.Int64).alias("events"),
        pl.lit(case.represented / present).cast(pl.Float64).alias("scale"),
    ).select(list(SUMMARY_SCHEMA))


def _bill(case: Case, result: FleetResult) -> dict[str, Measure]:
    """Return price and period shares of the energy; each replication pays its own bill."""
    bills = [energy_bill(load, case.monday.replace(tzinfo=None), case.tariff, step_min=case.step_min) for load in result.load_kw]
    kwh = [b.kwh for b in bills]
    costs = [b.energy_cny + b.demand_cny * _MONTHS_PER_WEEK for b in bills]
    in_peak, in_valley = ([_period_kwh(b.energy, periods) for b in bills] for periods in (("sharp", "peak"), ("valley",)))
    return {
        "electricity_cny_per_kwh": per_kwh(costs, kwh, "CNY/kWh", case.confidence),
        "peak_period_share": per_kwh(in_peak, kwh, "dimensionless", case.confidence),
        "valley_share": per_kwh(in_valley, kwh, "dimensionless", case.confidence),
    }


def per_kwh(values: Sequence[float], kwh: Sequence[float], unit: str, confidence: float) -> Measure:
    """Return what belongs to a kWh, over the replications.

    Parameters
    ----------
    values
        Cost or energy of each replication.
    kwh
        Energy of each replication [kWh].
    unit
        Unit of the quotient.
    confidence
        Level of the interval.

    Returns
    -------
    Measure
        Mean of the quotients; where some replications have no energy the quotient of the sums, with the interval of a ratio (Cochran 1977, ch. 6);
        0 where none has any. A week without energy has no price, so that it must not count as one of 0.
    """
    if all(kwh) or not any(kwh):
        return measured([v / k if k else 0.0 for v, k in zip(values, kwh, strict=True)], unit, confidence)
    quotient = sum(values) / sum(kwh)
    mean = sum(kwh) / len(kwh)
    # residuals about the quotient, per kWh of the mean replication; they are 0 on average
    _, low, high = interval([(v - quotient * k) / mean for v, k in zip(values, kwh, strict=True)], confidence)
    top = 1.0 if unit == "dimensionless" else math.inf
    return Measure(quotient, max(quotient + low, 0.0), min(quotient + high, top), unit)


def _evening(case: Case, result: FleetResult, twin: FleetResult) -> dict[str, Measure]:
    """Return the mean load in the sharp hours of the weekdays, as it is and where everybody charges at once, and the difference [kW].

    The sharp hours of any month count in all: they are when the grid of the province has its evening peak.
    """
    tariff = case.tariff
    sharp = [k for k, period in enumerate(tariff.periods) if period == "sharp"]
    minutes = np.isin(tariff.period_of_minute, sharp).reshape(-1, DAY_MIN).any(axis=0)
    share = minutes.reshape(-1, case.step_min).mean(axis=1)
    if not share.any():
        return {}

    def mean_kw(run: FleetResult) -> NDArray[np.float64]:
        days = run.load_kw.reshape(run.load_kw.shape[0], -1, share.size)[:, :_WEEKDAYS]
        return np.asarray((days * share).sum(axis=(1, 2)) / (share.sum() * _WEEKDAYS))

    now, before = mean_kw(result), mean_kw(twin)
    loads = {"evening_kw": now, "evening_kw_unmanaged": before, "evening_response_kw": before - now}
    return {name: measured([float(x) for x in values], "kW", case.confidence) for name, values in loads.items()}


def _peak_share(case: Case, load_kw: NDArray[np.float64]) -> float:
    bill = energy_bill(load_kw, case.monday.replace(tzinfo=None), case.tariff, step_min=case.step_min)
    return ratio(_period_kwh(bill.energy, ("sharp", "peak")), float(bill.energy["kwh"].sum()))


def _period_kwh(energy: pl.DataFrame, periods: tuple[str, ...]) -> float:
    return float(energy.filter(pl.col("period").is_in(periods))["kwh"].sum())
