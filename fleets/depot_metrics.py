"""What a depot run comes to: service, waits, energy, peak, plug use and the wear of the batteries, from its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fleets.records import quantile, ratio, waits

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from fleets.battery import Battery
    from fleets.station import Plugs

#: Delay up to which a bus is on time [min].
ON_TIME_MIN = 1e-6


def depot_metrics(
    blocks: pl.DataFrame,
    sessions: pl.DataFrame,
    load_kw: NDArray[np.float64],
    sites: Mapping[str, Plugs],
    horizon_min: int,
    step_min: int,
) -> dict[str, tuple[float, str]]:
    """Return value and unit of every metric of a run, from minute 0 on.

    Parameters
    ----------
    blocks, sessions
        Records of the run.
    load_kw
        Mean grid load of each step of all sites [kW].
    sites
        Plugs by name of the site: ``depot`` and, where buses charge on their way, ``terminus``.
    horizon_min
        End of the run [min].
    step_min
        Length of a step [min].
    """
    plugs = sites["depot"]
    inside = blocks.filter((pl.col("planned_start_min") >= 0) & (pl.col("planned_start_min") < horizon_min))
    served = inside.filter(pl.col("state") == "served")
    lost = inside.filter(pl.col("state") != "served")
    # the rest of a block that was given up is no block of its own
    count = inside.height - inside.filter(pl.col("state") == "cut_short").height
    delays = served["delay_min"].to_numpy()
    home = sessions.filter(pl.col("site") == "depot")
    waited = waits(home, start_min=0.0, end_min=float(horizon_min))
    grid = float(load_kw.sum()) * step_min / 60.0
    km = float(served["km"].sum())
    late = float((delays > ON_TIME_MIN).sum())
    beyond = float(inside.filter(pl.col("state") == "beyond_battery").height)
    found = {
        "blocks": (float(count), "event"),
        "served_share": (ratio(served.height, count), "dimensionless"),
        "beyond_battery_share": (ratio(beyond, count), "dimensionless"),
        "delayed_share": (ratio(late, count), "dimensionless"),
        "missed_blocks": (float(lost.height), "event"),
        "late_blocks": (late, "event"),
        "unserved_kwh": (float(lost["kwh"].sum()), "kWh"),
        "delay_p95_min": (quantile(delays, 0.95), "min"),
        "wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "wait_p50_min": (quantile(waited, 0.5), "min"),
        "wait_p95_min": (quantile(waited, 0.95), "min"),
        "km": (km, "km"),
        "grid_kwh": (grid, "kWh"),
        "energy_kwh_per_km": (ratio(float(served["kwh"].sum()), km), "kWh/km"),
        "loss_share": (1.0 - plugs.efficiency, "dimensionless"),
        "peak_kw": (float(load_kw.max(initial=0.0)), "kW"),
        "plug_utilisation": (ratio(_busy_min(home, horizon_min), plugs.count * horizon_min), "dimensionless"),
        "waiting_at_end": (float(home.filter(pl.col("state") == "waiting").height), "veh"),
    }
    if "terminus" in sites:
        away = sessions.filter((pl.col("site") == "terminus") & (pl.col("arrive_min") >= 0))
        found |= _terminus(away, sessions.filter(pl.col("arrive_min") >= 0), sites["terminus"], horizon_min)
    return found


def _terminus(away: pl.DataFrame, every: pl.DataFrame, plugs: Plugs, horizon_min: int) -> dict[str, tuple[float, str]]:
    waited = waits(away, start_min=0.0, end_min=float(horizon_min))
    return {
        "terminus_share": (ratio(float(away["grid_kwh"].sum()), float(every["grid_kwh"].sum())), "dimensionless"),
        "terminus_wait_mean_min": (float(waited.mean()) if waited.size else 0.0, "min"),
        "terminus_utilisation": (ratio(_busy_min(away, horizon_min), plugs.count * horizon_min), "dimensionless"),
    }


def throughput(sessions: pl.DataFrame, battery: Battery, count: int, horizon_min: int) -> dict[str, tuple[float, str]]:
    """Return the energy into the batteries and the equivalent full cycles of each.

    Parameters
    ----------
    sessions
        Records; those that arrived before minute 0 are left out.
    battery
        Battery of every vehicle.
    count
        Vehicles.
    horizon_min
        End of the run [min].
    """
    inside = sessions.filter((pl.col("arrive_min") >= 0) & (pl.col("arrive_min") < horizon_min))
    stored = float(inside["stored_kwh"].sum())
    return {
        "battery_kwh": (stored, "kWh"),
        "cycles_per_vehicle": (ratio(stored, count * battery.capacity_kwh), "dimensionless"),
    }


def _busy_min(sessions: pl.DataFrame, horizon_min: int) -> float:
    busy = sessions.filter(pl.col("start_min").is_not_null()).select(
        (pl.col("end_min").fill_null(horizon_min) - pl.max_horizontal("start_min", pl.lit(0.0))).clip(0.0).sum()
    )
    return float(busy.item())
