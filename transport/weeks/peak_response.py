"""What managed charging can leave out at the evening peak of the province: from the simulated weeks, and from the rows of the year model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from transport.infrastructure import peak_response_share
from transport.layout import PROVINCE, year_index
from transport.weeks.tables import SELECTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.params import Params

#: Weeks in which the province has its peak load.
PEAK_WEEKS = ("winter", "summer")
#: All systems together.
ALL = "all"
#: Areas of the rows that are sums already.
_SUMS = (PROVINCE, SELECTED)
#: Why a system leaves nothing out: the simulation knows no plan, nobody is managed, or vehicles on their way cannot wait for hours.
REASONS = NO_PLAN, NONE_MANAGED, CANNOT_WAIT = "no_plan", "none_managed", "cannot_wait"
#: What a system has that is simulated at once too.
_TWIN = "peak_kw_unmanaged"
#: System -> segments of the rows that are its charging; trucks at service areas are not the depots of the rows.
_SEGMENTS: dict[str, tuple[str, ...]] = {
    "bus_depot": ("bus_depot",),
    "taxi_city": ("taxi_station", "swap_store"),
}
#: Systems that would have a plan if somebody were managed, and the one where only exchange packs can wait.
_PLANNED = frozenset(_SEGMENTS)
_ON_THE_WAY = "truck_corridor"
_METRICS = ("evening_kw_unmanaged", "evening_kw", "evening_response_kw")
_KW_PER_GW = 1e6
_SCHEMA: dict[str, Any] = {
    "year": pl.Int64,
    "area": pl.String,
    "system": pl.String,
    "week": pl.String,
    "peak_kw_unmanaged": pl.Float64,
    "peak_kw": pl.Float64,
    "response_kw": pl.Float64,
    "response_share": pl.Float64,
    "provincial_peak_kw": pl.Float64,
    "share_of_provincial_peak": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "response_share_of_rows": pl.Float64,
    "difference": pl.Float64,
    "reason": pl.String,
}


def peak_response(tables: Mapping[str, pl.DataFrame], params: Params, *, whole: bool = True) -> pl.DataFrame:
    """Return the response of the simulated charging at the evening peak of the province.

    Parameters
    ----------
    tables
        Tables ``simulation`` and ``simulation_skipped`` of :func:`transport.weeks.province.simulate_province`.
    params
        Parameters after levers; the first draw is used.
    whole
        Whether every system was asked for; if not, the rows of the systems together are called ``selected`` and stand beside the rows of
        their segments only.

    Returns
    -------
    table
        One row per year, area (all together and prefectures) and system, and for all systems together. ``peak_kw_unmanaged`` is the mean load in
        the sharp hours of the weekdays where everybody charges at once, ``peak_kw`` the same as it is planned, both in that week of winter
        and summer in which the province charges most; ``response_kw`` is what management leaves out, ``response_share`` its share of the
        charging load, ``share_of_provincial_peak`` its share of the load of the whole grid with the interval ``low`` to ``high``.
        ``response_share_of_rows`` is eq. 49 of the year model for the same segments (all segments, private piles among them, for all systems
        together) and ``difference`` the simulated share less that one. ``reason`` says why nothing is left out, and is empty elsewhere: ``no_plan`` where the
        simulation knows no plan for the system, whatever the managed share of the rows, ``none_managed`` where that share is 0, ``cannot_wait`` for
        trucks at service areas, of which only exchange packs can wait.

    Notes
    -----
    The two shares answer different questions: the rows hold what can be left out on call (managed share x depth), the simulation what a charging
    plan by price leaves out every day. The interval is that of the simulation; ends of the systems and places add up.
    """
    found = tables["simulation"].filter(pl.col("metric").is_in(_METRICS), pl.col("week").is_in(PEAK_WEEKS))
    twins = set(tables["simulation"].filter(pl.col("metric") == _TWIN).select("year", "area", "system").iter_rows())
    rows: list[tuple[Any, ...]] = []
    for (year,), group in found.sort("year").group_by(["year"], maintain_order=True):
        at = year_index(int(year))
        grid_kw = float(params.get("provincial_peak_load")[0, at]) * _KW_PER_GW
        week = _peak_week(group)
        systems = group["system"].unique().sort().to_list()
        of_area: dict[str, set[str]] = {}
        for when, where, system in twins:
            if when == year:
                # a sum has a plan where one of its parts has
                for name in (where, *_SUMS):
                    of_area.setdefault(name, set()).add(system)
        together = ALL if whole and not _without_flows(tables, int(year)) else SELECTED
        weekly = group.filter(pl.col("week") == week).with_columns(
            pl.when(pl.col("area").is_in(_SUMS)).then(1.0).otherwise("scale").alias("scale")
        )
        scaled = weekly.with_columns(pl.col("value", "low", "high") * pl.col("scale"))
        local = scaled.group_by(["area", "system", "metric"]).agg(
            pl.col("value", "low", "high").sum(), pl.col("low").null_count().alias("open")
        )
        total = (
            local.group_by(["area", "metric"])
            .agg(pl.col("value", "low", "high", "open").sum())
            .with_columns(pl.lit(together).alias("system"))
        )
        both = pl.concat([local, total], how="diagonal").sort("area", "system", "metric")
        for (area, system), cells in both.group_by(["area", "system"], maintain_order=True):
            of = {row["metric"]: row for row in cells.iter_rows(named=True)}
            before, now, answered = (of[m] for m in _METRICS)
            share = answered["value"] / before["value"] if before["value"] else 0.0
            ends = [None if answered["open"] else answered[k] / grid_kw for k in ("low", "high")]
            stated = rows_share(params, systems if system == SELECTED else str(system), at)
            planned, mine = of_area.get(str(area), set()), systems if system == together else [str(system)]
            rows.append(
                (
                    year,
                    area,
                    system,
                    week,
                    before["value"],
                    now["value"],
                    answered["value"],
                    share,
                    grid_kw,
                    answered["value"] / grid_kw,
                    *ends,
                    stated,
                    None if stated is None else share - stated,
                    "" if planned.intersection(mine) else _reason(mine),
                )
            )
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").sort("year", "area", "system")


def _reason(systems: Sequence[str]) -> str:
    """Return why systems leave nothing out: of several the reason that a share of the rows could change, else the nearest to it."""
    if _PLANNED.intersection(systems):
        return NONE_MANAGED
    return CANNOT_WAIT if _ON_THE_WAY in systems else NO_PLAN


def _without_flows(tables: Mapping[str, pl.DataFrame], year: int) -> bool:
    """Return whether truck corridors could not be simulated in a year."""
    skipped = tables.get("simulation_skipped")
    if skipped is None:
        return False
    return not skipped.filter(pl.col("year") == year, pl.col("reason") == "no_flows").is_empty()


def rows_share(params: Params, system: str | Sequence[str], at: int) -> float | None:
    """Return the share of a system's charging load at the evening peak that the rows of the year model hold for answering (eq. 49).

    Parameters
    ----------
    params
        Parameters after levers.
    system
        A simulated system, several of them, or :data:`ALL` for all segments of the rows, private piles among them.
    at
        Index of the year.

    Returns
    -------
    float or None
        None where no segment of the rows is that system.
    """
    if system == ALL:
        return float(peak_response_share(params)[0, at])
    named = [system] if isinstance(system, str) else system
    segments = [segment for name in named for segment in _SEGMENTS.get(name, ())]
    if not segments:
        return None

    def row(parameter: str, segment: str) -> float:
        return float(params.get(parameter, segment)[0, at])

    mix = np.array([row("charging_peak_mix", s) for s in segments])
    managed = np.clip([row("managed_charging_share", s) for s in segments], 0.0, 1.0)
    depth = np.clip([row("charging_response_depth", s) for s in segments], 0.0, 1.0)
    return float((mix * managed * depth).sum() / mix.sum()) if mix.sum() else 0.0


def _peak_week(group: pl.DataFrame) -> str:
    """Return the week of winter and summer in which the province charges most at the evening peak where everybody charges at once."""
    whole = group.filter(pl.col("area").is_in(_SUMS), pl.col("metric") == _METRICS[0])
    load = {week: float(whole.filter(pl.col("week") == week)["value"].sum()) for week in PEAK_WEEKS}
    return max(PEAK_WEEKS, key=lambda week: load[week])
