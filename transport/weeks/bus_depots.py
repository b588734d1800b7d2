"""Bus depots of a city in one week: blocks from the service profile, plugs and feeder from the rows, four rules of charging.

Managed buses (``managed_charging_share``) wait for the price valley or, the part ``peak_shaving_share`` of them, charge under a level that keeps the
peak low; others charge at once. Buses of ``terminus_charging_share`` also charge in their layovers. Each bus has one type of cabin heater.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.depot import Buses, Terminus, ValleyFirst, bus_blocks, full_recharge_fleet, simulate_bus_depot
from fleets.depot_gantt import depot_gantt
from fleets.load_bound import bill_bound, critical_window, gap_share, peak_bound, stays
from fleets.managed import PeakShaving
from fleets.records import DAY_MIN, WEEK_MIN
from fleets.replications import interval
from fleets.station import Plugs
from fleets.tariff import energy_bill
from transport.params import seed_for
from transport.week_values import MIN_PER_H, bus_factor, bus_hours, day_factor
from transport.weeks.case import Case, CaseResult, Measure, exact, measured
from transport.weeks.heaters import HEATERS, heater_factor, heater_shares, heaters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fleets.records import FleetResult
    from fleets.tariff import Tariff
    from transport.inputs import Inputs
    from transport.week_values import WeekValues

#: Replications whose peak is compared with its lower bound.
_BOUNDED = 2
_MONTHS_PER_WEEK = 12 / (365.25 / 7)
LOAD_TABLE_SCHEMA = dict.fromkeys(
    ("start_min", "kw", "feeder_kw", "unmanaged_kw", "price_cny_per_kwh", "unserved_kwh"), pl.Float64
)


@dataclass(frozen=True, slots=True)
class _Size:
    """How many buses a simulated depot has, and how many depots are simulated."""

    buses: int
    replications: int
    sites: int


def places(inputs: Inputs, read: WeekValues) -> list[tuple[str, str]]:
    """Return every prefecture with electric buses in the stock of the year, sorted.

    Parameters
    ----------
    inputs
        Not needed: the cities are those of the stock.
    read
        Values of the year.
    """
    del inputs
    return [(area, "") for area in read.fleets("bus_depot")]


def case(read: WeekValues, area: str, place: str, week: str, *, level: str, seed: int, tariff: Tariff) -> Case:
    """Return the depots of a city's electric buses in one week.

    Parameters
    ----------
    read
        Values of the year.
    area, place
        Prefecture and no place: depots are not told apart.
    week
        Representative week.
    level
        ``sample``, ``full`` or ``province``. In the last two every replication is another depot of the city.
    seed
        Seed of the run.
    tariff
        Tariff of the energy.

    Returns
    -------
    Case
        Ready to be simulated by any worker.
    """
    total = read.fleet("bus_depot", area).vehicles
    size = _size(read, total, level)
    count = size.buses
    battery = read.battery(
        "urban_bus", read("battery_capacity", "urban_bus:battery_electric"), read.week_temperature_c(area, week)
    )
    base = read("electricity_use", "urban_bus:battery_electric")
    weather = _weather(read, area, week, seed, size.replications)
    use = base * read.temperature_factor("bus", weather)
    profile, speed = bus_hours(read)
    service = bus_factor(read, area)
    by_heater = {h: base * heater_factor(read, h, weather) for h, share in heater_shares(read).items() if share > 0.0}
    # planners relieve a bus before its range ends, and a line gets any bus: they go by the heater that needs most
    range_km = (
        read("bus_range_margin")
        * battery.capacity_kwh
        * (read("target_soc", "urban_bus") - read("reserve_soc", "urban_bus"))
        / max(float(u.mean()) for u in by_heater.values())
    )
    piece = min(read("bus_longest_piece") * MIN_PER_H, range_km / float(speed[profile > 0].mean()))
    frame = read.frame(week)
    warmup = frame["warmup_days"]
    blocks = []
    for replication in range(size.replications):
        rng = np.random.default_rng(seed_for(seed, f"simulate:bus_depot:{area}:{week}:blocks", replication))
        made = bus_blocks(
            count,
            profile,
            day_factor=service * day_factor(read, week, warmup),
            peak_out_share=read("bus_peak_out_share"),
            longest_piece_min=piece,
            km_per_min=speed,
            kwh_per_km=use[replication],
            rng=rng,
            first_day=-warmup,
        )
        by_type = base * np.stack([heater_factor(read, h, weather[replication]) for h in HEATERS])
        blocks.append(_with_heaters(made, by_type, heaters_of(read, area, seed, replication, count), -warmup))
    per_bus = read("depot_plugs_per_bus")
    # a small depot has a plug at least, one without any ratio has none
    plugs = max(1, round(per_bus * count)) if per_bus > 0.0 else 0
    power = read("charger_power", "depot")
    efficiency = 1.0 - read("charging_loss", "urban_bus")
    feeder = read("depot_feeder_share") * plugs * power / efficiency if plugs else math.inf
    site = Plugs(plugs, power, efficiency, feeder, read("charger_module_power"))
    rules = Buses(
        count=count,
        battery=battery,
        energy_cv=read("block_energy_cv", "urban_bus"),
        target_soc=read("target_soc", "urban_bus"),
        reserve_soc=read("reserve_soc", "urban_bus"),
        turnaround_min=read("depot_turnaround"),
        late_tolerance_min=read("late_tolerance", "urban_bus"),
    )
    managed = float(np.clip(read("managed_charging_share", "bus_depot"), 0.0, 1.0))
    shaved = managed * float(np.clip(read("peak_shaving_share", "bus_depot"), 0.0, 1.0))
    policy = ValleyFirst(
        share=managed - shaved,
        windows=tariff.windows("valley", read.month(week)),
        fill_share=read("valley_fill_share"),
        margin_min=read("departure_margin"),
    )
    given = {
        "buses": rules,
        "blocks": blocks,
        "plugs": site,
        "policy": policy,
        "shaving": PeakShaving(shaved, margin_min=read("departure_margin")) if shaved > 0.0 else None,
        "terminus": _terminus(read, count, efficiency),
        "month": read.month(week),
        # the tables of single buses of a whole province are kept for the hardest week
        "gantt": level != "province" or week == "winter",
        # a programme per depot and week is too much for a sample, and for every week of a province
        "bill_bound": level == "full" or (level == "province" and week == "winter"),
    }
    more = {
        "minimum_fleet_full_recharge": measured(
            [float(full_recharge_fleet(b, rules, site)) for b in blocks], "veh", frame["confidence"]
        ),
        "longest_piece_h": exact(piece / MIN_PER_H, "h"),
        "service_factor": exact(service, "dimensionless"),
        **_energy_by_heater(read, base, weather),
    }
    return Case(
        "bus_depot",
        area,
        place,
        week,
        simulate,
        given,
        seed=seed,
        replications=size.replications,
        tariff=tariff,
        represented=total,
        sites=size.sites,
        more=more,
        **frame,
    )


def simulate(case: Case) -> CaseResult:
    """Run the depots with their rules, and with the same demand where everybody charges at once.

    Parameters
    ----------
    case
        From :func:`case`.
    """
    policy, shaving = case.given["policy"], case.given["shaving"]
    managed = unmanaged = _week(case, policy, shaving)
    if policy.share > 0.0 or shaving is not None:
        # the same site with nobody managed: rules are compared, not ways of sharing a feeder
        nobody = None if shaving is None else replace(shaving, share=0.0)
        unmanaged = _week(case, replace(policy, share=0.0), nobody)
    more = {**_gap(case, managed), **_monthly_bill(case, managed)}
    if case.given["bill_bound"]:
        more |= _bill_gap(case, managed)
    tables = {"depot_load": _load_table(case, managed, unmanaged)}
    if case.given["gantt"]:
        tables["depot_gantt"] = _gantt_table(case, managed)
    return CaseResult(managed, variants={"unmanaged": unmanaged}, more=more, tables=tables)


def planned(case: Case) -> CaseResult:
    """Run the depots with their rules, without what stands beside that.

    Parameters
    ----------
    case
        From :func:`case`.
    """
    return CaseResult(_week(case, case.given["policy"], case.given["shaving"]))


def _week(case: Case, policy: ValleyFirst, shaving: PeakShaving | None) -> FleetResult:
    rules, blocks, plugs, terminus = (case.given[k] for k in ("buses", "blocks", "plugs", "terminus"))
    return simulate_bus_depot(rules, blocks, plugs, policy=policy, shaving=shaving, terminus=terminus, **case.common())


def _size(read: WeekValues, total: float, level: str) -> _Size:
    usual = round(read("depot_buses"))
    if level == "sample":
        return _Size(usual, round(read("simulation_replications", "sample")), 1)
    if level == "full":
        depots = max(2, round(total / usual))
        return _Size(usual, depots, depots)
    # every bus of the province once: as many depots as fit, each a little larger or smaller than usual
    depots = max(1, round(total / usual))
    return _Size(max(1, round(total / depots)), max(2, depots), max(2, depots))


def _weather(read: WeekValues, area: str, week: str, seed: int, replications: int) -> NDArray[np.float64]:
    """Return the mean temperature by replication and day from the first day of the warm-up [degC], those of :meth:`WeekValues.energy_by_day`."""
    days = 7 + round(read("simulation_warmup")) + 1
    mean = read.week_temperature_c(area, week)
    lots = [
        np.random.default_rng(seed_for(seed, f"simulate:bus_depot:{area}:{week}:weather", r)).standard_normal(days)
        for r in range(replications)
    ]
    return mean + read("day_temperature_sd") * np.stack(lots)


def _with_heaters(
    blocks: pl.DataFrame, kwh_per_km: NDArray[np.float64], types: NDArray[np.int64], first_day: int
) -> pl.DataFrame:
    """Return blocks whose energy is that of the bus's own heater; ``kwh_per_km`` by type and day."""
    day = np.clip(blocks["start_min"].to_numpy() // DAY_MIN - first_day, 0, kwh_per_km.shape[1] - 1).astype(np.int64)
    own = kwh_per_km[types[blocks["bus"].to_numpy()], day]
    return blocks.with_columns(pl.Series("kwh", blocks["km"].to_numpy() * own))


def _terminus(read: WeekValues, count: int, efficiency: float) -> Terminus | None:
    share = float(np.clip(read("terminus_charging_share", "bus_depot"), 0.0, 1.0))
    if share <= 0.0:
        return None
    plugs = max(1, round(read("terminus_plugs_per_bus") * share * count))
    return Terminus(
        share, Plugs(plugs, read("charger_power", "terminus"), efficiency), read("bus_round_trip"), read("bus_layover_share")
    )


def _energy_by_heater(read: WeekValues, base: float, weather: NDArray[np.float64]) -> dict[str, Measure]:
    """Return energy per km by type of heater; the ends are those of the rows' ranges, not of the replications."""
    found = {}
    for heater in HEATERS:
        value, low, high = (base * float(heater_factor(read, heater, weather, end=e).mean()) for e in ("value", "low", "high"))
        found[f"energy_kwh_per_km_{heater}"] = Measure(value, low, high, "kWh/km")
    return found


def _gap(case: Case, result: FleetResult) -> dict[str, Measure]:
    """Return how far the peaks stay above what a perfect schedule of the same sessions needs."""
    plugs = case.given["plugs"]
    bounds, gaps = [], []
    for r in range(min(_BOUNDED, result.load_kw.shape[0])):
        table = _charged(case, result, r)
        begin, end, _ = critical_window(table, step_min=case.step_min)
        # a bound of some of the sessions is one of all
        tight = table.filter((pl.col("arrive_min") < end) & (pl.col("leave_min") > begin))
        bounds.append(peak_bound(tight, step_min=case.step_min, efficiency=plugs.efficiency).peak_kw)
        gaps.append(gap_share(float(result.load_kw[r].max()), bounds[-1]))
    return {
        "peak_bound_kw": measured(bounds, "kW", case.confidence),
        "peak_gap_share": _gap_measure(gaps, case.confidence),
    }


def _gap_measure(gaps: list[float], confidence: float) -> Measure:
    """Return the mean of gaps with its interval; a gap is no part of a whole, so that its interval does not end at 1."""
    if len(gaps) < _BOUNDED:
        return Measure(gaps[0], None, None, "dimensionless")
    mean, low, high = interval(gaps, confidence)
    return Measure(mean, max(low, 0.0), high, "dimensionless")


def _charged(case: Case, result: FleetResult, replication: int) -> pl.DataFrame:
    """Return what was charged in the week as sessions of the programmes: stays in the depot and charges in layovers."""
    rules, plugs, terminus = (case.given[k] for k in ("buses", "plugs", "terminus"))
    blocks, sessions = (f.filter(pl.col("replication") == replication) for f in (result.blocks, result.sessions))
    home = stays(
        blocks.filter(pl.col("start_min").is_not_null()).rename({"bus": "vehicle"}),
        sessions.filter(pl.col("site") == "depot"),
        max_kw=min(plugs.power_kw, rules.battery.max_kw),
        turnaround_min=rules.turnaround_min,
        end_min=WEEK_MIN,
    )
    table = home.filter(pl.col("arrive_min") >= 0.0)
    return table if terminus is None else pl.concat([table, _on_the_way(sessions, terminus.plugs, rules)])


def _bill_gap(case: Case, result: FleetResult) -> dict[str, Measure]:
    """Return the least bill of a month for which a perfect schedule could charge the same sessions, and how far the depot's bill is above it.

    The programme knows no queue, feeder and taper: part of the gap is theirs.
    """
    start, weeks = case.monday.replace(tzinfo=None), 1.0 / _MONTHS_PER_WEEK
    # a month has several such weeks and one peak
    tariff = replace(case.tariff, demand_cny_per_kw_month=case.tariff.demand_cny_per_kw_month / weeks)
    bounds, gaps = [], []
    for r in range(min(_BOUNDED, result.load_kw.shape[0])):
        table = _charged(case, result, r)
        least = bill_bound(table, tariff, start=start, step_min=case.step_min, efficiency=case.given["plugs"].efficiency)
        paid = energy_bill(result.load_kw[r], start, tariff, step_min=case.step_min)
        bounds.append(least.total_cny * weeks)
        gaps.append(gap_share(paid.energy_cny + paid.demand_cny, least.total_cny))
    return {
        "bill_bound_cny_per_month": measured(bounds, "CNY/month", case.confidence),
        "bill_gap_share": _gap_measure(gaps, case.confidence),
    }


def _on_the_way(sessions: pl.DataFrame, plugs: Plugs, rules: Buses) -> pl.DataFrame:
    """Return the charges in layovers as sessions: from the arrival at the terminus to the end of the charge."""
    away = sessions.filter((pl.col("site") == "terminus") & (pl.col("arrive_min") >= 0.0) & (pl.col("stored_kwh") > 0.0))
    return away.select(
        pl.col("vehicle").cast(pl.Int64),
        "arrive_min",
        pl.col("end_min").fill_null(float(WEEK_MIN)).alias("leave_min"),
        pl.col("stored_kwh").alias("energy_kwh"),
        pl.lit(float(min(plugs.power_kw, rules.battery.max_kw))).alias("max_kw"),
    )


def _monthly_bill(case: Case, result: FleetResult) -> dict[str, Measure]:
    """Return the bill of a month of such weeks for one depot: energy by period, and the demand charge on the peak."""
    start = case.monday.replace(tzinfo=None)
    bills = [energy_bill(load, start, case.tariff, step_min=case.step_min) for load in result.load_kw]
    weeks = 1.0 / _MONTHS_PER_WEEK
    found = {
        "bill_cny_per_month": [b.energy_cny * weeks + b.demand_cny for b in bills],
        "bill_demand_cny_per_month": [b.demand_cny for b in bills],
    }
    for period in case.tariff.periods:
        name = f"bill_{period}_cny_per_month"
        found[name] = [float(b.energy.filter(pl.col("period") == period)["cny"].sum()) * weeks for b in bills]
    return {name: measured(values, "CNY/month", case.confidence) for name, values in found.items()}


def _load_table(case: Case, managed: FleetResult, unmanaged: FleetResult) -> pl.DataFrame:
    """Return the mean load of a depot by step, beside its feeder, its load without management, the price, and the energy of lost blocks."""
    steps, step = managed.load_kw.shape[1], case.step_min
    minute = step * np.arange(steps)
    price = np.asarray(case.tariff.price_cny_per_kwh)[case.tariff.period_of_minute[case.given["month"] - 1]]
    lost = managed.blocks.filter(
        (pl.col("state") != "served") & (pl.col("planned_start_min") >= 0) & (pl.col("planned_start_min") < WEEK_MIN)
    )
    index = np.clip(lost["planned_start_min"].to_numpy() // step, 0, steps - 1).astype(np.int64)
    unserved = np.bincount(index, weights=lost["kwh"].to_numpy(), minlength=steps) / managed.load_kw.shape[0]
    return pl.DataFrame(
        {
            "start_min": minute.astype(np.float64),
            "kw": managed.load_kw.mean(axis=0),
            "feeder_kw": np.full(steps, float(case.given["plugs"].limit_kw)),
            "unmanaged_kw": unmanaged.load_kw.mean(axis=0),
            "price_cny_per_kwh": price.reshape(-1, step).mean(axis=1)[(minute % DAY_MIN) // step],
            "unserved_kwh": unserved,
        },
        schema=LOAD_TABLE_SCHEMA,
    )


def _gantt_table(case: Case, result: FleetResult) -> pl.DataFrame:
    """Return the week of every bus of the first depot."""
    rules = case.given["buses"]
    first = pl.col("replication") == 0
    table = depot_gantt(
        result.blocks.filter(first),
        result.sessions.filter(first),
        battery=rules.battery,
        count=rules.count,
        start_soc=rules.target_soc,
        begin_min=-case.warmup_days * DAY_MIN,
        end_min=WEEK_MIN,
    )
    return table.filter(pl.col("end_min") > 0.0)
