"""Single vehicles, turnarounds, stations and calls as the page of charging shows them: tables of a simulated province in, plain frames out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app.charging_tables import HOURS, clock, named_code
from transport.i18n import labels, t

if TYPE_CHECKING:
    from transport.inputs import Inputs


def gantt_rows(gantt: pl.DataFrame, day: int, vehicles: int, lang: str) -> pl.DataFrame:
    """Return what the first vehicles of a depot do in a day: vehicle, state, start_h, end_h, soc_start, soc_end, kw.

    Parameters
    ----------
    gantt
        Rows of ``depot_gantt`` of one depot and week.
    day
        0 = Monday.
    vehicles
        Number of vehicles.
    lang
        ``zh`` or ``en``.
    """
    begin, end = 1440.0 * day, 1440.0 * (day + 1)
    first = gantt["vehicle"].unique().sort().head(vehicles).to_list()
    inside = gantt.filter(pl.col("vehicle").is_in(first), pl.col("start_min") < end, pl.col("end_min") > begin)
    names = {state: t(f"charging.state_{state}", lang) for state in ("driving", "waiting", "charging", "parked")}
    return inside.select(
        "vehicle",
        state=pl.col("state").replace(names),
        start_h=(pl.col("start_min").clip(begin, end) - begin) / 60.0,
        end_h=(pl.col("end_min").clip(begin, end) - begin) / 60.0,
        soc_start=100.0 * pl.col("soc_start"),
        soc_end=100.0 * pl.col("soc_end"),
        kw="kw",
    ).sort("vehicle", "start_h")


def depot_hours(load: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the load of a depot by hour: hour, clock, managed, unmanaged, feeder [MW] and price.

    Parameters
    ----------
    load
        Rows of ``depot_load`` of one depot and week.
    lang
        ``zh`` or ``en``.
    """
    hourly = (
        load.filter(pl.col("start_min").is_between(0, HOURS * 60, closed="left"))
        .group_by(hour=(pl.col("start_min") // 60).cast(pl.Int64))
        .agg(
            managed=pl.col("kw").mean() / 1e3,
            unmanaged=pl.col("unmanaged_kw").mean() / 1e3,
            feeder=pl.col("feeder_kw").mean() / 1e3,
            price=pl.col("price_cny_per_kwh").mean(),
        )
        .sort("hour")
    )
    return hourly.with_columns(clock=pl.Series([clock(h, lang) for h in hourly["hour"]], dtype=pl.String))


def delay_rows(turnarounds: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return turnarounds by cause of their delay: cause, count, delayed, mean_min, p95_min.

    Parameters
    ----------
    turnarounds
        Rows of ``turnarounds`` of one airport and week.
    data, lang
        For labels.
    """
    late = pl.col("delay_min") > 1e-6
    names = {**labels(data, "ground_equipment", lang), "": t("charging.cause_none", lang)}
    table = (
        turnarounds.with_columns(pl.col("cause").fill_null(""))
        .group_by("cause")
        .agg(
            count=pl.len(),
            delayed=late.sum(),
            mean_min=pl.col("delay_min").mean(),
            p95_min=pl.col("delay_min").quantile(0.95, "linear"),
        )
        .sort("delayed", "cause", descending=[True, False])
    )
    return table.with_columns(pl.col("cause").replace(names))


def task_rows(tasks: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return tasks by kind of equipment: kind, count, missed_pct, delayed_pct, mean_min, p95_min.

    Parameters
    ----------
    tasks
        Rows of ``turnaround_tasks`` of one airport and week.
    data, lang
        For labels.
    """
    table = (
        tasks.group_by("kind")
        .agg(
            count=pl.len(),
            missed_pct=100.0 * (pl.col("state") == "missed").mean(),
            delayed_pct=100.0 * (pl.col("delay_min").fill_null(0.0) > 1e-6).mean(),
            mean_min=pl.col("delay_min").mean(),
            p95_min=pl.col("delay_min").quantile(0.95, "linear"),
        )
        .sort("delayed_pct", "kind", descending=[True, False])
    )
    return table.with_columns(pl.col("kind").replace(labels(data, "ground_equipment", lang)))


def station_rows(hours: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return a week of stations: station, energy, arrivals, served, lost, wait_mean_min, queue_mean, peak_mw, busiest, load_pct.

    Parameters
    ----------
    hours
        Rows of ``station_hours`` of one week.
    data, lang
        For labels.
    """
    load = pl.when(pl.col("capacity_per_h") > 0.0).then(pl.col("arrivals") / pl.col("capacity_per_h"))
    busy = pl.col("served").sum()
    table = (
        hours.with_columns(load=load)
        .group_by("station", "energy")
        .agg(
            arrivals=pl.col("arrivals").sum(),
            served=busy,
            lost=pl.col("lost").sum(),
            wait_mean_min=pl.when(busy > 0.0).then((pl.col("wait_mean_min").fill_null(0.0) * pl.col("served")).sum() / busy),
            queue_mean=pl.col("queue_mean").mean(),
            peak_mw=pl.col("kw").max() / 1e3,
            load_pct=100.0 * pl.col("load").max(),
        )
        .sort("load_pct", "station", descending=[True, False], nulls_last=True)
    )
    return table.with_columns(pl.col("energy").replace(labels(data, "station_energy", lang)))


def berth_rows(calls: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return calls by type of ship: ship_type, calls, connected, connected_pct, berth_h, anchorage_h, shore_mwh, fuel_t.

    Parameters
    ----------
    calls
        Rows of ``berth_calls`` of one port and week.
    lang
        ``zh`` or ``en``.
    """
    on = pl.col("connected_min").fill_null(0.0) > 0.0
    table = (
        calls.group_by("ship_type")
        .agg(
            calls=pl.len(),
            connected=on.sum(),
            connected_pct=100.0 * on.mean(),
            berth_h=(pl.col("leave_min") - pl.col("berth_min")).mean() / 60.0,
            anchorage_h=pl.col("anchorage_min").mean() / 60.0,
            shore_mwh=pl.col("shore_kwh").sum() / 1e3,
            fuel_t=pl.col("auxiliary_fuel_t").sum(),
        )
        .sort("calls", "ship_type", descending=[True, False])
    )
    return table.with_columns(pl.Series("ship_type", [named_code("ship", s, lang) for s in table["ship_type"]], dtype=pl.String))
