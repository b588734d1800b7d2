"""What the simulations write and how it becomes tables: flat records, load curves, summaries with intervals, conservation checks.

Processes append plain tuples while they run; everything here happens after a run. Time is minutes from Monday 00:00; a warm-up lies before 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from scipy.special import stdtrit

from fleets.battery import curve_of, soc_kernel
from fleets.errors import ConservationError, FleetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import simpy
    from numpy.typing import NDArray

    from fleets.battery import Battery

DAY_MIN = 1440
WEEK_MIN = 7 * DAY_MIN
_MIN_PER_H = 60.0


class Session(NamedTuple):
    """One visit of a vehicle to a charging site."""

    site: str
    vehicle: int
    arrive_min: float
    start_min: float | None
    end_min: float | None
    soc_start: float
    soc_end: float
    stored_kwh: float
    grid_kwh: float
    #: ``charged``, ``left`` (left the queue), ``charging`` or ``waiting`` (at the end of the run).
    state: str


#: Columns of a segment, a stretch of one charge at constant plug power: begin and end [min], state of charge at the begin, plug power [kW],
#: efficiency, and the battery's capacity [kWh], largest power [kW], taper state of charge, power at 100 % [kW].
SEGMENT_COLUMNS = 9


def segment(
    battery: Battery, start_min: float, end_min: float, soc_start: float, power_kw: float, efficiency: float
) -> tuple[float, ...]:
    """Return one segment in the order of the segment columns."""
    return (
        start_min,
        end_min,
        soc_start,
        power_kw,
        efficiency,
        battery.capacity_kwh,
        battery.max_kw,
        battery.taper_soc,
        battery.end_kw,
    )


SESSION_SCHEMA: dict[str, Any] = {
    "site": pl.String,
    "vehicle": pl.Int64,
    "arrive_min": pl.Float64,
    "start_min": pl.Float64,
    "end_min": pl.Float64,
    "soc_start": pl.Float64,
    "soc_end": pl.Float64,
    "stored_kwh": pl.Float64,
    "grid_kwh": pl.Float64,
    "state": pl.String,
}


@dataclass(frozen=True)
class RunRecords:
    """One replication of one simulation.

    Attributes
    ----------
    metrics
        Value and unit per metric.
    sessions
        One row per charging session (:data:`SESSION_SCHEMA`).
    blocks
        One row per vehicle block, ride stretch or turnaround.
    load_kw
        Mean grid load of each step from minute 0 [kW].
    checks
        Columns check, value, limit, passed.
    events
        Events the SimPy environment processed.
    """

    metrics: dict[str, tuple[float, str]]
    sessions: pl.DataFrame
    blocks: pl.DataFrame
    load_kw: NDArray[np.float64]
    checks: pl.DataFrame
    events: int


@dataclass(frozen=True)
class FleetResult:
    """Replications of one simulation with confidence intervals.

    Attributes
    ----------
    summary
        Columns metric, value, low, high, unit, replications; low and high are the 95 % interval of the mean over replications.
    sessions, blocks
        Records of all replications with a column replication.
    load_kw
        Array ``[replication, step]`` of the mean grid load [kW] from minute 0 to the end of the week.
    step_min
        Length of a step [min].
    checks
        Columns replication, check, value, limit, passed.
    vehicles
        Individually simulated vehicles in one replication.
    events
        Events over all replications.
    """

    summary: pl.DataFrame
    sessions: pl.DataFrame
    blocks: pl.DataFrame
    load_kw: NDArray[np.float64]
    step_min: int
    checks: pl.DataFrame
    vehicles: int
    events: int

    def value(self, metric: str) -> float:
        """Return the mean of one metric.

        Raises
        ------
        KeyError
            If the metric does not exist; the message lists those that do.
        """
        row = self.summary.filter(pl.col("metric") == metric)
        if row.is_empty():
            msg = f"no metric {metric!r}; there are {', '.join(self.summary['metric'].to_list())}"
            raise KeyError(msg)
        return float(row["value"][0])


def session_frame(sessions: Iterable[Session]) -> pl.DataFrame:
    """Return sessions as a table sorted by site, arrival and vehicle, with wait_min (missing while the vehicle waits)."""
    frame = pl.DataFrame(list(sessions), schema=SESSION_SCHEMA, orient="row")
    wait = (pl.col("start_min") - pl.col("arrive_min")).alias("wait_min")
    return frame.with_columns(wait).sort("site", "arrive_min", "vehicle")


def load_curve(segments: NDArray[np.float64], *, start_min: float, end_min: float, step_min: int) -> NDArray[np.float64]:
    """Return the mean grid load of each step [kW].

    Parameters
    ----------
    segments
        Array ``[segment, column]`` of stretches of constant plug power (:data:`SEGMENT_COLUMNS`), in any order.
    start_min, end_min
        Span of the curve [min]; energy outside it is left out.
    step_min
        Length of a step [min].

    Notes
    -----
    The energy of a step is the difference of the stored energy at its edges, from the closed form, divided by the efficiency: no time grid is
    simulated and the curve's integral equals the sessions' energy.
    """
    n_step = round((end_min - start_min) / step_min)
    if not segments.size:
        return np.zeros(n_step)
    begin, end = segments[:, 0], segments[:, 1]
    low = np.clip(np.floor((begin - start_min) / step_min), 0, n_step).astype(np.int64)
    high = np.clip(np.ceil((end - start_min) / step_min), 0, n_step).astype(np.int64)
    count = np.maximum(high - low, 0)
    row = np.repeat(np.arange(segments.shape[0]), count)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[row]
    left = np.maximum(start_min + step * step_min, begin[row]) - begin[row]
    right = np.minimum(start_min + (step + 1) * step_min, end[row]) - begin[row]
    _, _, soc, power, efficiency, cap, top, taper, end_kw = segments[row].T
    curve = curve_of(cap, power, top, taper, end_kw)
    gained = soc_kernel(curve, soc, right) - soc_kernel(curve, soc, left)
    # rounding of the closed form may leave a hair below 0 where nothing was charged
    return np.bincount(step, weights=cap * np.maximum(gained, 0.0) / efficiency, minlength=n_step) * _MIN_PER_H / step_min


def waits(sessions: pl.DataFrame, *, start_min: float, end_min: float) -> NDArray[np.float64]:
    """Return the waits of the visits that arrived in a span [min]; who still waits or has left counts the time waited so far.

    Who came before the span and waits through all of it counts too: a site that serves nobody has no wait of zero.
    """
    through = (pl.col("state") == "waiting") & (pl.col("arrive_min") < start_min)
    inside = sessions.filter(((pl.col("arrive_min") >= start_min) & (pl.col("arrive_min") < end_min)) | through)
    left = pl.when(pl.col("state") == "waiting").then(pl.lit(end_min)).otherwise(pl.col("end_min"))
    waited = inside.select(pl.coalesce("start_min", left) - pl.col("arrive_min")).to_series()
    return waited.to_numpy().astype(np.float64)


def quantile(values: NDArray[np.float64], q: float) -> float:
    """Return a quantile, 0 for an empty array."""
    return float(np.quantile(values, q)) if values.size else 0.0


def ratio(top: float, bottom: float) -> float:
    """Return top / bottom, 0 where there is nothing to divide."""
    return top / bottom if bottom else 0.0


def check_rows(rows: Mapping[str, tuple[float, float]]) -> pl.DataFrame:
    """Return checks (value, limit) as a table: a check passes when abs(value) <= limit."""
    return pl.DataFrame(
        {
            "check": list(rows),
            "value": [float(v) for v, _ in rows.values()],
            "limit": [float(limit) for _, limit in rows.values()],
            "passed": [bool(abs(v) <= limit) for v, limit in rows.values()],
        },
        schema={"check": pl.String, "value": pl.Float64, "limit": pl.Float64, "passed": pl.Boolean},
    )


def energy_checks(
    *, grid_kwh: float, stored_kwh: float, losses_kwh: float, curve_kwh: float, battery_change_kwh: float, driven_kwh: float
) -> dict[str, tuple[float, float]]:
    """Return the energy balances of a run, relative to the grid energy.

    Notes
    -----
    grid = stored + losses, load curve = grid, and change of the batteries = stored - driven.
    """
    scale = max(grid_kwh, driven_kwh, 1.0)
    limit = 1e-7
    return {
        "grid_minus_stored_and_losses": ((grid_kwh - stored_kwh - losses_kwh) / scale, limit),
        "load_curve_minus_grid": ((curve_kwh - grid_kwh) / scale, limit),
        "battery_change_minus_stored_plus_driven": ((battery_change_kwh - stored_kwh + driven_kwh) / scale, limit),
    }


def collect(runs: Sequence[RunRecords], *, step_min: int, vehicles: int, level: float) -> FleetResult:
    """Return replications as one result with intervals.

    Parameters
    ----------
    runs
        One record per replication, in order.
    step_min
        Length of a step of the load curves [min].
    vehicles
        Individually simulated vehicles.
    level
        Confidence level of the intervals, for example 0.95.

    Raises
    ------
    ConservationError
        If a replication loses energy or vehicles.

    Notes
    -----
    mean -+ t(n - 1) s / sqrt(n); with one replication the interval is unknown and low and high are missing.
    """
    if not 0.0 < level < 1.0:
        msg = f"confidence={level} of the intervals must lie between 0 and 1"
        raise FleetError(msg)
    checks = pl.concat([_numbered(r.checks, i) for i, r in enumerate(runs)])
    failed = checks.filter(~pl.col("passed"))
    if failed.height:
        row = failed.row(0, named=True)
        msg = f"replication {row['replication']}: {row['check']} = {row['value']:.3g} exceeds {row['limit']:.3g}"
        raise ConservationError(msg)
    names = list(runs[0].metrics)
    values = np.array([[r.metrics[name][0] for name in names] for r in runs])
    mean = values.mean(axis=0)
    n = len(runs)
    low: list[float | None] = [None] * len(names)
    high: list[float | None] = [None] * len(names)
    if n > 1:
        half = float(stdtrit(n - 1, 0.5 + level / 2.0)) * values.std(axis=0, ddof=1) / math.sqrt(n)
        # no metric is negative by nature and no share exceeds 1: an interval that reaches beyond ends there
        floor = np.where(values.min(axis=0) >= 0.0, 0.0, -np.inf)
        share = np.array([runs[0].metrics[name][1] == "dimensionless" for name in names])
        ceiling = np.where(share & (values.max(axis=0) <= 1.0), 1.0, np.inf)
        low, high = [float(v) for v in np.maximum(mean - half, floor)], [float(v) for v in np.minimum(mean + half, ceiling)]
    summary = pl.DataFrame(
        {
            "metric": names,
            "value": mean,
            "low": low,
            "high": high,
            "unit": [runs[0].metrics[name][1] for name in names],
            "replications": [n] * len(names),
        },
        schema={
            "metric": pl.String,
            "value": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
            "unit": pl.String,
            "replications": pl.Int64,
        },
    )
    return FleetResult(
        summary=summary,
        sessions=pl.concat([_numbered(r.sessions, i) for i, r in enumerate(runs)]),
        blocks=pl.concat([_numbered(r.blocks, i) for i, r in enumerate(runs)]),
        load_kw=np.stack([r.load_kw for r in runs]),
        step_min=step_min,
        checks=checks,
        vehicles=vehicles,
        events=sum(r.events for r in runs),
    )


def child_seed(seed: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    """Return a child of a seed without changing the seed: ``spawn`` counts its calls, so that a second use would see other numbers."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size)


def event_count(env: simpy.Environment) -> int:
    """Return how many events an environment has scheduled."""
    # SimPy numbers its events to break ties; this counter is the only record of how many there were.
    return int(next(env._eid))  # noqa: SLF001


def _numbered(frame: pl.DataFrame, replication: int) -> pl.DataFrame:
    return frame.select(pl.lit(replication, dtype=pl.Int64).alias("replication"), pl.all())


def sample_sessions(result: FleetResult, *, at_most: int) -> pl.DataFrame:
    """Return finished charging sessions of the first replication, evenly thinned: vehicle, start_min, end_min, kwh (grid), wait_min."""
    done = result.sessions.filter((pl.col("replication") == 0) & (pl.col("start_min") >= 0) & pl.col("end_min").is_not_null())
    thinned = done.sort("start_min", "vehicle").gather_every(max(1, math.ceil(done.height / at_most)))
    return thinned.select("vehicle", "start_min", "end_min", pl.col("grid_kwh").alias("kwh"), "wait_min")


def year_rows(weekly: pl.DataFrame, weights: Mapping[str, float], rules: Mapping[str, str]) -> pl.DataFrame:
    """Return the year of each system from its representative weeks.

    Parameters
    ----------
    weekly
        Columns system, week, area, place, metric, value, low, high, unit, vehicles, events, scale.
    weights
        Weeks of the year each representative week stands for.
    rules
        How a week's metric becomes a year's: ``sum`` over weeks x weight, ``max``, ``at:<metric>`` = that of the week in which another metric is
        largest, or the mean weighted by another metric of the week.
        Metrics without a rule, or missing in a week, have no year.

    Returns
    -------
    table
        The same columns with week = ``year``. Ends of intervals add up like values, which is on the safe side.
    """
    rows = []
    keys = ["system", "area", "place"]
    for (system, area, place), group in weekly.sort(keys).group_by(keys, maintain_order=True):
        found = {(r["week"], r["metric"]): r for r in group.iter_rows(named=True)}
        for metric, rule in rules.items():
            leader = rule.removeprefix("at:") if rule.startswith("at:") else metric
            needed = (metric, leader) if rule in {"sum", "max"} or leader != metric else (metric, rule)
            if not all((w, m) in found for w in weights for m in needed):
                continue
            cells = [found[w, metric] for w in weights]
            factor, total = list(weights.values()), 1.0
            if rule == "max" or leader != metric:
                ranks = [found[w, leader]["value"] for w in weights]
                top = max(range(len(cells)), key=lambda i: ranks[i])
                factor = [float(i == top) for i in range(len(cells))]
            elif rule != "sum":
                factor = [f * found[w, rule]["value"] for w, f in weights.items()]
                total = sum(factor) or 1.0
            value, low, high = (_weighted([c[k] for c in cells], factor, total) for k in ("value", "low", "high"))
            unit = f"{cells[0]['unit']}/yr" if rule == "sum" else cells[0]["unit"]
            vehicles, events = max(c["vehicles"] for c in cells), sum(c["events"] for c in cells)
            rows.append((system, "year", area, place, metric, value, low, high, unit, vehicles, events, cells[0]["scale"]))
    return pl.DataFrame(rows, schema=weekly.schema, orient="row")


def _weighted(values: list[float | None], factor: list[float], total: float) -> float | None:
    """Return the weighted sum over total, missing if a value that counts is missing."""
    known = [(v, f) for v, f in zip(values, factor, strict=True) if f]
    if any(v is None for v, _ in known):
        return None
    return sum(v * f for v, f in known if v is not None) / total
