"""Checks of the user's own weeks: queues against closed forms, minutes at the plug, energy, load, vehicles and the bill, each worked out twice.

A closed form has assumptions. Where a week does not keep them (arrivals that come in waves, a queue that is overloaded) the row says so and is
information, and the queue is simulated once more as the closed form wants it: Poisson arrivals, plugs and service times of the busiest site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.special import stdtrit

from fleets.battery import charge_time_min, soc_after_min
from fleets.queueing import erlang_c, mg1_wait_min, mmc_wait_min
from fleets.records import WEEK_MIN
from fleets.records import waits as waits_of
from fleets.replications import Streams, interval
from fleets.station import Plugs
from fleets.tariff import energy_bill
from fleets.visits import simulate_station

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fleets.battery import Battery
    from fleets.records import FleetResult
    from transport.weeks.case import Case, CaseResult

SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "year": pl.Int64,
    "week": pl.String,
    "area": pl.String,
    "place": pl.String,
    "check": pl.String,
    "simulated": pl.Float64,
    "expected": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "difference": pl.Float64,
    "limit": pl.Float64,
    "passed": pl.Boolean,
    "explanation": pl.String,
}
_MIN_PER_H = 60.0
_HOURS = 168
#: Chance that a right simulation misses its closed form and fails nevertheless.
_DOUBT = 0.001
#: Visits of a replication that are counted, and replications, where a queue is simulated once more.
_VISITS, _REPLICATIONS = 2000, 8
#: Share that waits in that queue, least and largest, and the one it is set to elsewhere: enough to count, and the queue settles within the visits.
_LEAST_WAITING, _LARGEST_WAITING, _SET_WAITING = 0.2, 0.6, 0.3
#: Error of the formula for any service time that is accepted, and the least wait [min] or share that matters.
_APPROXIMATION, _LEAST = 0.2, 0.005
_NO_LOAD = 1e-6
_MINUTES_LIMIT, _ENERGY_LIMIT = 1e-6, 1e-7


def self_checks(case: Case, outcome: CaseResult, *, queue: bool = True) -> pl.DataFrame:
    """Return the checks of one simulated week.

    Parameters
    ----------
    case
        The week as it was simulated.
    outcome
        What its simulation returned.
    queue
        Whether the queue of the busiest site is simulated once more under the assumptions of the closed forms (about a second).

    Returns
    -------
    table
        Columns of :data:`SCHEMA`. ``passed`` is missing where a closed form does not apply; ``explanation`` is the key of the reason or of
        the formula, text ``self_check.explain_{key}``. low and high are the interval over the replications, or bounds.

    Notes
    -----
    M/M/c (Erlang 1917) with exponential services of the week's mean; M/G/1 (Pollaczek-Khinchine) or M/G/c (Allen-Cunneen: Erlang's wait
    x (1 + cv^2) / 2, an approximation) with the week's own service times. A check on the interval fails by chance once in a thousand times.
    """
    rows = _Rows(case)
    sites = _sites(case)
    plain = outcome.variants.get("unmanaged", outcome.result)
    if sites:
        visits = _visits(plain, sites)
        _waits(rows, plain)
        _charge_times(rows, visits, sites)
        _energy(rows, visits, sites)
        _in_use(rows, visits, sites)
        _load(rows, case, plain, visits, sites)
        _queues(rows, case, visits, sites, again=queue)
    _conservation(rows, outcome.result)
    _bill(rows, case, outcome.result)
    return rows.frame()


class _Rows:
    """Rows of one case."""

    def __init__(self, case: Case) -> None:
        self.key = (case.system, case.monday.year, case.week, case.area, case.place)
        self.rows: list[tuple[Any, ...]] = []

    def add(
        self,
        check: str,
        simulated: float | None,
        expected: float | None,
        *,
        unit: str,
        difference: float | None = None,
        limit: float | None = None,
        bounds: tuple[float | None, float | None] = (None, None),
        explanation: str = "",
    ) -> None:
        """Add a check; without a limit it is information."""
        if difference is None and simulated is not None and expected is not None:
            difference = simulated - expected
        passed = None if limit is None or difference is None else bool(abs(difference) <= limit)
        self.rows.append((*self.key, check, simulated, expected, *bounds, unit, difference, limit, passed, explanation or check))

    def frame(self) -> pl.DataFrame:
        """Return the rows; what is infinite or no number is missing."""
        table = pl.DataFrame(self.rows, schema=SCHEMA, orient="row")
        floats = [c for c, kind in SCHEMA.items() if kind == pl.Float64]
        return table.with_columns(pl.when(pl.col(c).is_finite()).then(pl.col(c)).alias(c) for c in floats)


# ---- sites -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Site:
    """Plugs with a queue, and the battery of each vehicle that charges there."""

    name: str
    plugs: Plugs
    batteries: Sequence[Battery]

    def battery(self, vehicle: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
        """Return capacity, largest power, taper and end power of vehicles."""
        table = np.array([(b.capacity_kwh, b.max_kw, b.taper_soc, b.end_kw) for b in self.batteries])
        return tuple(table[np.minimum(vehicle, len(table) - 1)].T)

    @property
    def most_at_full_power(self) -> int:
        """Return how many charge at the plug's power at once."""
        if not self.plugs.binding:
            return self.plugs.count
        full = [n for n in range(1, self.plugs.count + 1) if self.plugs.share_kw(n) >= self.plugs.power_kw]
        return max(full, default=0)


def _sites(case: Case) -> list[_Site]:
    """Return the plug sites of a case; none where the system has no plugs."""
    given = case.given
    if isinstance(given.get("plugs"), Plugs) and "buses" in given:
        return [_Site("depot", given["plugs"], [given["buses"].battery])]
    if isinstance(given.get("plugs"), Plugs) and "equipment" in given:
        return [_Site("apron", given["plugs"], [e.battery for e in given["equipment"] for _ in range(e.units)])]
    if "taxis" in given and given.get("stations") and all(isinstance(p, Plugs) for p in given["stations"]):
        return [_Site(f"station_{i}", plugs, [given["taxis"].battery]) for i, plugs in enumerate(given["stations"])]
    return []


def _visits(result: FleetResult, sites: Sequence[_Site]) -> pl.DataFrame:
    """Return the visits to plugs with the number of their site, site by site."""
    names = {site.name: i for i, site in enumerate(sites)}
    known = result.sessions.filter(pl.col("site").is_in(list(names)))
    numbered = known.with_columns(pl.col("site").replace_strict(names, return_dtype=pl.Int64).alias("number"))
    return numbered.sort("number", maintain_order=True)


def _of(visits: pl.DataFrame, number: int) -> pl.DataFrame:
    """Return the visits to one site; they stand together, and a large city has too many to look through all of them for each of its sites."""
    first, last = (int(visits["number"].search_sorted(number, side=side)) for side in ("left", "right"))
    return visits.slice(first, last - first)


# ---- queues ------------------------------------------------------------------------------------------------------------------------


def _waits(rows: _Rows, result: FleetResult) -> None:
    """Recompute the mean wait of the summary from the visits."""
    if "wait_mean_min" not in result.summary["metric"].to_list():
        return
    # plugs on the way have a wait of their own
    home = result.sessions.filter(pl.col("site") != "terminus")
    per = [waits_of(part, start_min=0.0, end_min=float(WEEK_MIN)) for part in _by_replication(home, len(result.load_kw))]
    again = float(np.mean([w.mean() if w.size else 0.0 for w in per]))
    low, high = result.summary.filter(pl.col("metric") == "wait_mean_min").select("low", "high").row(0)
    rows.add("wait_mean", result.value("wait_mean_min"), again, unit="min", limit=_MINUTES_LIMIT, bounds=(low, high))


def _by_replication(table: pl.DataFrame, count: int) -> list[pl.DataFrame]:
    return [table.filter(pl.col("replication") == r) for r in range(count)]


def _queues(rows: _Rows, case: Case, visits: pl.DataFrame, sites: Sequence[_Site], *, again: bool) -> None:
    """Compare the busiest hour of the busiest site with the closed forms, and the same queue simulated as they want it."""
    inside = visits.filter((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < WEEK_MIN))
    served = inside.filter(pl.col("start_min").is_not_null() & (pl.col("end_min") > pl.col("start_min")))
    if served.is_empty():
        return
    number = int(served.group_by("number").len().sort("len", "number", descending=[True, False])["number"][0])
    plugs = sites[number].plugs.count
    mine = _of(served, number)
    minutes = (mine["end_min"] - mine["start_min"]).to_numpy()
    mean, cv = float(minutes.mean()), float(minutes.std() / minutes.mean())
    hours = _of(inside, number).with_columns((pl.col("arrive_min") // _MIN_PER_H).cast(pl.Int64).alias("hour"))
    counts = hours.group_by("hour").len().sort("len", "hour", descending=[True, False])
    hour, rate = int(counts["hour"][0]), float(counts["len"][0]) / case.replications / _MIN_PER_H
    load = rate * mean / plugs
    # ---- the hour as it was
    busiest = [part.filter(pl.col("hour") == hour) for part in _by_replication(hours, case.replications)]
    waited = [waits_of(part, start_min=0.0, end_min=float(WEEK_MIN)) for part in busiest]
    seen = [float(w.mean()) for w in waited if w.size]
    middle, low, high = interval(seen, case.confidence)
    rows.add("plug_load", load, None, unit="dimensionless", explanation="plug_load" if load < 1.0 else "overloaded")
    rows.add(
        "busiest_hour_wait",
        middle,
        _wait_any(rate, mean, cv, plugs),
        unit="min",
        bounds=(low, high),
        explanation="not_stationary" if load < 1.0 else "overloaded",
    )
    if not again:
        return
    # ---- the same plugs and services with Poisson arrivals for as long as it takes
    usual = load < 1.0 and _LEAST_WAITING <= erlang_c(load * plugs, plugs) <= _LARGEST_WAITING
    fit = load if usual else float(brentq(lambda x: erlang_c(x * plugs, plugs) - _SET_WAITING, _NO_LOAD, 1.0 - _NO_LOAD))
    rate = fit * plugs / mean
    changed = "" if usual else "_scaled"
    streams = [Streams(case.seed, r) for r in range(_REPLICATIONS)]
    shares, means = zip(*(_poisson_queue(s, rate, mean, None, plugs) for s in streams), strict=True)
    _compare(rows, "erlang_c_waiting", shares, erlang_c(rate * mean, plugs), case.confidence, f"erlang_c{changed}")
    _compare(rows, "erlang_c_wait", means, mmc_wait_min(rate, mean, plugs), case.confidence, f"erlang_c{changed}")
    means = tuple(_poisson_queue(s, rate, mean, minutes, plugs)[1] for s in streams)
    formula = "allen_cunneen" if plugs > 1 else "pollaczek_khinchine"
    _compare(rows, "own_services_wait", means, _wait_any(rate, mean, cv, plugs), case.confidence, f"{formula}{changed}")


def _wait_any(rate: float, mean: float, cv: float, plugs: int) -> float:
    if plugs == 1:
        return mg1_wait_min(rate, mean, cv)
    return mmc_wait_min(rate, mean, plugs) * (1.0 + cv**2) / 2.0


def _poisson_queue(
    streams: Streams, rate: float, mean: float, services: NDArray[np.float64] | None, plugs: int
) -> tuple[float, float]:
    """Return the share that waits and the mean wait [min] of a long queue with Poisson arrivals at these plugs."""
    settle = 500 + 5 * plugs
    size = settle + _VISITS
    arrive = np.cumsum(streams("self_check_arrivals").exponential(1.0 / rate, size))
    draw = streams("self_check_services")
    service = draw.exponential(mean, size) if services is None else services[draw.integers(services.size, size=size)]
    run = simulate_station(pl.DataFrame({"arrival_min": arrive, "service_min": service}), plugs=plugs)
    waited = run["wait_min"].to_numpy()[settle:]
    return float((waited > 0.0).mean()), float(waited.mean())


def _compare(rows: _Rows, check: str, values: Sequence[float], expected: float, confidence: float, explanation: str) -> None:
    """Compare replications with a closed form, by an interval wide enough that chance fails it once in a thousand."""
    middle, low, high = interval(values, confidence)
    n = len(values)
    half = float(stdtrit(n - 1, 1.0 - _DOUBT / 2.0)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    error = _APPROXIMATION if explanation.startswith("allen_cunneen") else 0.0
    unit = "dimensionless" if check == "erlang_c_waiting" else "min"
    limit = max(half + error * expected, _LEAST)
    rows.add(check, middle, expected, unit=unit, limit=limit, bounds=(low, high), explanation=explanation)


# ---- minutes, energy, plugs --------------------------------------------------------------------------------------------------------


def _limited_minutes(part: pl.DataFrame, most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times and the minutes until then in which more vehicles charge than get full power."""
    begin = part["start_min"].to_numpy()
    end = part["end_min"].fill_null(float(WEEK_MIN)).to_numpy()
    times = np.concatenate([begin, end])
    change = np.concatenate([np.ones(begin.size), -np.ones(end.size)])
    order = np.lexsort((change, times))
    times, charging = times[order], np.cumsum(change[order])
    over = np.where(charging[:-1] > most, np.diff(times), 0.0)
    return times, np.concatenate([[0.0], np.cumsum(over)])


def _charge_times(rows: _Rows, visits: pl.DataFrame, sites: Sequence[_Site]) -> None:
    """Compare the minutes at the plug with the closed form; with shared power they may only be longer."""
    own: list[NDArray[np.float64]] = []
    shared: list[NDArray[np.float64]] = []
    for number, site in enumerate(sites):
        for _, at_plug in _of(visits, number).filter(pl.col("start_min").is_not_null()).group_by("replication"):
            done = at_plug.filter(pl.col("state") == "charged")
            if done.is_empty():
                continue
            pair = np.stack([(done["end_min"] - done["start_min"]).to_numpy(), _closed_minutes(done, site)])
            times, limited = _limited_minutes(at_plug, site.most_at_full_power)
            slow = np.interp(done["end_min"], times, limited) - np.interp(done["start_min"], times, limited) > _MINUTES_LIMIT
            own.append(pair[:, ~slow])
            shared.append(pair[:, slow])
    for check, parts in (("charge_time", own), ("charge_time_shared", shared)):
        minutes = np.concatenate(parts, axis=1) if parts else np.empty((2, 0))
        if not minutes.size:
            continue
        gap = minutes[0] - minutes[1]
        worst = float(np.abs(gap).max()) if check == "charge_time" else max(0.0, -float(gap.min()))
        rows.add(check, float(minutes[0].mean()), float(minutes[1].mean()), unit="min", difference=worst, limit=_MINUTES_LIMIT)


def _closed_minutes(done: pl.DataFrame, site: _Site) -> NDArray[np.float64]:
    capacity, top, taper, end = site.battery(done["vehicle"].to_numpy())
    soc0, soc1 = (done[c].to_numpy() for c in ("soc_start", "soc_end"))
    return charge_time_min(capacity, soc0, soc1, site.plugs.power_kw, max_kw=top, taper_soc=taper, end_kw=end)


def _energy(rows: _Rows, visits: pl.DataFrame, sites: Sequence[_Site]) -> None:
    """Compare grid energy with what was stored and lost, and what was stored with the change of the batteries."""
    stored = change = grid = drawn = 0.0
    for number, site in enumerate(sites):
        mine = _of(visits, number)
        capacity, *_ = site.battery(mine["vehicle"].to_numpy())
        change += float((capacity * (mine["soc_end"] - mine["soc_start"]).to_numpy()).sum())
        part = float(mine["stored_kwh"].sum())
        stored += part
        drawn += part + part * (1.0 / site.plugs.efficiency - 1.0)
        grid += float(mine["grid_kwh"].sum())
    limit = _ENERGY_LIMIT * max(grid, 1.0)
    rows.add("grid_stored_losses", grid, drawn, unit="kWh", limit=limit)
    rows.add("stored_battery_change", stored, change, unit="kWh", limit=limit)


def _in_use(rows: _Rows, visits: pl.DataFrame, sites: Sequence[_Site]) -> None:
    """Count who is plugged in at once: never more than there are plugs; and a vehicle is at one plug at a time."""
    fullest = (0, 0)
    for number, site in enumerate(sites):
        for _, part in _of(visits, number).filter(pl.col("start_min").is_not_null()).group_by("replication"):
            begin, end = part["start_min"].to_numpy(), part["end_min"].fill_null(float(WEEK_MIN)).to_numpy()
            order = np.lexsort((np.repeat([1.0, -1.0], begin.size), np.concatenate([begin, end])))
            peak = int(np.cumsum(np.repeat([1, -1], begin.size)[order]).max(initial=0))
            fullest = max(
                fullest, (peak, site.plugs.count), key=lambda pair: (pair[0] - pair[1], pair[0]) if pair[1] else (-math.inf, 0)
            )
    most, room = fullest
    order_by = visits.filter(pl.col("start_min").is_not_null()).sort("replication", "vehicle", "start_min")
    before = pl.col("end_min").shift(1).over("replication", "vehicle")
    twice = order_by.filter(before > pl.col("start_min") + _MINUTES_LIMIT).height
    rows.add("plugs_in_use", float(most), float(room), unit="plug", difference=float(max(0, most - room)), limit=0.0)
    rows.add("vehicle_at_two_plugs", float(twice), 0.0, unit="event", limit=0.0)


# ---- load, conservation, bill ------------------------------------------------------------------------------------------------------


def _load(rows: _Rows, case: Case, result: FleetResult, visits: pl.DataFrame, sites: Sequence[_Site]) -> None:
    """Compare the load curve with the visits: hour by hour where everybody charges at full power, else by bounds of its energy."""
    metrics = dict(result.summary.select("metric", "value").iter_rows())
    if case.given.get("swap_stations") or case.given.get("terminus") is not None:
        # the store of a swap station charges batteries that no visit names, and termini have plugs of their own
        return
    others = metrics.get("ground_power_kwh", 0.0)
    energy = float(result.load_kw.mean(axis=0).sum()) * case.step_min / _MIN_PER_H - others
    count = len(result.load_kw)
    end = pl.col("end_min").fill_null(float(WEEK_MIN))
    touching = visits.filter(pl.col("start_min").is_not_null() & (end > 0.0))
    inside = float(touching.filter(pl.col("start_min") >= 0.0)["grid_kwh"].sum()) / count
    bounds = (inside, float(touching["grid_kwh"].sum()) / count)
    room = _ENERGY_LIMIT * max(energy, 1.0)
    outside = max(0.0, bounds[0] - energy, energy - bounds[1])
    rows.add("load_energy", energy, None, unit="kWh", difference=outside, limit=room, bounds=bounds)
    if others or any(site.plugs.binding for site in sites):
        return
    first = visits.filter((pl.col("replication") == 0) & pl.col("start_min").is_not_null())
    again = np.zeros(_HOURS)
    for number, site in enumerate(sites):
        again += _hourly(_of(first, number), site)
    seen = result.load_kw[0].reshape(_HOURS, -1).mean(axis=1)
    worst = int(np.argmax(np.abs(seen - again)))
    gap = float(seen[worst] - again[worst])
    top = max(float(seen.max()), 1.0)
    rows.add("load_hours", float(seen[worst]), float(again[worst]), unit="kW", difference=gap, limit=_ENERGY_LIMIT * top)


def _hourly(part: pl.DataFrame, site: _Site) -> NDArray[np.float64]:
    """Return the grid load by hour of the week from the visits and the charging curve [kW]."""
    capacity, top, taper, end_kw = site.battery(part["vehicle"].to_numpy())
    begin, soc = part["start_min"].to_numpy(), part["soc_start"].to_numpy()
    stop = part["end_min"].fill_null(float(WEEK_MIN)).to_numpy()
    total = np.empty(_HOURS + 1)
    for hour in range(_HOURS + 1):
        minutes = np.clip(hour * _MIN_PER_H, begin, stop) - begin
        reached = soc_after_min(capacity, soc, minutes, site.plugs.power_kw, max_kw=top, taper_soc=taper, end_kw=end_kw)
        total[hour] = float((capacity * (reached - soc)).sum()) / site.plugs.efficiency
    return np.diff(total)


def _conservation(rows: _Rows, result: FleetResult) -> None:
    """List the balances that every run keeps: vehicles, batteries, energy; the worst replication of each."""
    worst = result.checks.group_by("check", maintain_order=True).agg(pl.col("value").abs().max(), pl.col("limit").max())
    for check, value, limit in worst.iter_rows():
        rows.add(f"balance_{check}", value, 0.0, unit="", limit=limit, explanation="balance")


def _bill(rows: _Rows, case: Case, result: FleetResult) -> None:
    """Pay the first replication minute by minute."""
    load, tariff, step = result.load_kw[0], case.tariff, case.step_min
    start = case.monday.replace(tzinfo=None)
    bill = energy_bill(load, start, tariff, step_min=step)
    minute = np.datetime64(start, "m") + np.arange(load.size * step)
    month = minute.astype("datetime64[M]")
    price = np.asarray(tariff.price_cny_per_kwh)
    of_day = (minute - minute.astype("datetime64[D]")).astype(np.int64)
    kw = np.repeat(load, step)
    energy = float((kw / _MIN_PER_H * price[tariff.period_of_minute[month.astype(np.int64) % 12, of_day]]).sum())
    demand = 0.0
    for one in np.unique(month):
        means = kw[month == one].reshape(-1, max(step, tariff.demand_interval_min)).mean(axis=1)
        demand += float(means.max()) * tariff.demand_cny_per_kw_month
    rows.add("bill_energy", bill.energy_cny, energy, unit="CNY", limit=_ENERGY_LIMIT * max(energy, 1.0))
    rows.add("bill_demand", bill.demand_cny, demand, unit="CNY", limit=_ENERGY_LIMIT * max(demand, 1.0))
