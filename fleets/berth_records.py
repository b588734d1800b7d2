"""What the calls of a port week add up to: energy, fuel, waits, occupancy, the table of the calls, and what must balance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.berth_calls import BERTH, BROKEN, SHIP, SHORE, SHORT, STATES, UNUSED, WEAK
from fleets.records import DAY_MIN, Session, quantile, ratio, session_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fleets.berth_calls import Call, Port

    Array = NDArray[np.float64]

_MIN_PER_H = 60.0
_G_PER_T = 1e6
_KG_PER_T = 1000.0
_YEAR_MIN = 365.25 * DAY_MIN

CALL_SCHEMA: dict[str, Any] = {
    "call": pl.Int64,
    "ship_type": pl.String,
    "arrive_min": pl.Float64,
    "berth_min": pl.Float64,
    "leave_min": pl.Float64,
    "anchorage_min": pl.Float64,
    "length_m": pl.Float64,
    "equipped_ship": pl.Boolean,
    "equipped_berth": pl.Boolean,
    "connected_min": pl.Float64,
    "shore_kwh": pl.Float64,
    "auxiliary_fuel_t": pl.Float64,
    "state": pl.String,
}


class Book:
    """The calls of a run as arrays ``(call,)``; times of who lies at berth at the end are those planned [min].

    Parameters
    ----------
    port
        Port.
    calls
        Calls after the run, in the order of arrival.
    horizon
        End of the run [min].
    """

    def __init__(self, port: Port, calls: Sequence[Call], horizon: float) -> None:
        self.port, self.calls, self.horizon = port, calls, horizon
        self.arrive, self.berth, self.leave, self.length = (
            np.array([getattr(c, name) for c in calls], dtype=np.float64) for name in ("arrive", "berth", "leave", "length")
        )
        self.hotel, self.anchor, self.cargo = (
            np.array([getattr(c.ship, name) for c in calls], dtype=np.float64) for name in ("hotel_kw", "anchor_kw", "cargo_t")
        )
        self.state = np.array([c.state for c in calls], dtype=np.int64)
        self.away = np.array([c.turned_away for c in calls], dtype=bool)
        # without shore power the stretch on it is empty and lies at the end of the stay
        on, off = (np.array([getattr(c, name) for c in calls], dtype=np.float64) for name in ("on", "off"))
        self.on, self.off = np.minimum(on, self.leave), np.minimum(off, self.leave)

    def within(self, begin: Array, end: Array, since: float) -> Array:
        """Return how much of stretches lies between a time and the end of the run ``(call,)`` [min]."""
        top = self.horizon
        return np.asarray(np.maximum(np.minimum(end, top) - np.maximum(np.minimum(begin, top), since), 0.0))

    def energy(self, since: float) -> tuple[Array, Array, Array]:
        """Return demand at berth, shore power and own engines, each from its own stretches of time ``(call,)`` [kWh on board]."""
        kw = self.hotel / _MIN_PER_H
        own = self.within(self.berth, self.on, since) + self.within(self.off, self.leave, since)
        return kw * self.within(self.berth, self.leave, since), kw * self.within(self.on, self.off, since), kw * own

    def load(self, step_min: int) -> Array:
        """Return the mean grid load of each step from minute 0 ``(step,)`` [kW]: no time grid is simulated, energies at its edges differ."""
        edges = np.arange(0.0, self.horizon + step_min, step_min)
        shore = self.state == SHORE
        if not shore.any():
            return np.zeros(edges.size - 1)
        times = np.concatenate([self.on[shore], self.off[shore]])
        kw = self.hotel[shore] / self.port.efficiency
        order = np.argsort(times, kind="stable")
        times, level = times[order], np.cumsum(np.concatenate([kw, -kw])[order])
        total = np.concatenate([[0.0], np.cumsum(level[:-1] * np.diff(times))])
        return np.asarray(np.maximum(np.diff(np.interp(edges, times, total)), 0.0) / step_min)

    def week(self, load: Array, cancelled_share: float) -> dict[str, tuple[float, str]]:
        """Return the metrics of the week with their units.

        Parameters
        ----------
        load
            Grid load of :meth:`load` [kW].
        cancelled_share
            Share of the planned calls that weather cancelled.
        """
        port, horizon = self.port, self.horizon
        quay_m = sum(q.length_m for q in port.quays)
        demand, shore, own = (float(e.sum()) for e in self.energy(0.0))
        grid, fuel = shore / port.efficiency, port.fuel_g_per_kwh / _G_PER_T
        berthed = (self.berth >= 0.0) & (self.berth < horizon)
        count = np.bincount(self.state[berthed], minlength=len(STATES))
        n, able, connected = int(berthed.sum()), int(count[UNUSED:].sum()), float(count[SHORE])
        here = (self.arrive >= 0.0) & ~self.away
        waited = (np.minimum(self.berth, horizon) - self.arrive)[here] / _MIN_PER_H
        at_anchor = np.where(self.away, 0.0, self.within(self.arrive, self.berth, 0.0))
        cargo = float(self.cargo[(self.leave >= 0.0) & (self.leave < horizon)].sum())
        taken = float(((self.length + port.clearance_m) * self.within(self.berth, self.leave, 0.0)).sum())
        share = "dimensionless"
        return {
            "calls": (float((self.arrive >= 0.0).sum()), "call"),
            "cancelled_share": (cancelled_share, share),
            "calls_berthed": (float(n), "call"),
            "shore_power_calls_share": (ratio(connected, able), share),
            "shore_power_all_calls_share": (ratio(connected, n), share),
            "berth_kwh": (demand, "kWh"),
            "shore_power_kwh": (shore, "kWh"),
            "shore_power_energy_share": (ratio(shore, demand), share),
            "grid_kwh": (grid, "kWh"),
            # that of the frequency converters: in weeks without energy it is no zero
            "loss_share": (1.0 - port.efficiency, share),
            "auxiliary_fuel_t": (own * fuel, "t"),
            "co2_difference_t": (shore * fuel * port.fuel_co2 - grid * port.grid_co2 / _KG_PER_T, "tCO2"),
            "peak_kw": (float(load.max(initial=0.0)), "kW"),
            "unequipped_ship_share": (ratio(float(count[SHIP]), n), share),
            "unequipped_berth_share": (ratio(float(count[BERTH]), n), share),
            "short_stay_share": (ratio(float(count[SHORT]), n), share),
            "not_used_share": (ratio(float(count[UNUSED]), n), share),
            "out_of_order_share": (ratio(float(count[BROKEN]), n), share),
            "no_connection_share": (ratio(float(count[WEAK:SHORE].sum()), n), share),
            "berth_occupancy": (ratio(taken, quay_m * horizon), share),
            "anchorage_wait_mean_h": (float(waited.mean()) if waited.size else 0.0, "h"),
            "anchorage_wait_p95_h": (quantile(waited, 0.95), "h"),
            "anchorage_fuel_t": (float((self.anchor * at_anchor).sum()) / _MIN_PER_H * fuel, "t"),
            "throughput_t": (cargo, "t"),
            "throughput_t_per_m": (ratio(cargo * _YEAR_MIN / horizon, quay_m), "t/m/yr"),
            "quay_m": (quay_m, "m"),
            "waiting_at_end": (float((np.isinf(self.berth) & ~self.away).sum()), "call"),
            "turned_away": (float((self.away & (self.arrive >= 0.0)).sum()), "call"),
        }

    def frame(self) -> pl.DataFrame:
        """Return the calls (:data:`CALL_SCHEMA`), energy and fuel until the end of the run."""
        _, shore, own = self.energy(-math.inf)
        state = ["turned_away" if c.turned_away else STATES[c.state] if c.state >= 0 else "waiting" for c in self.calls]
        return pl.DataFrame(
            {
                "call": [c.number for c in self.calls],
                "ship_type": [c.ship.name for c in self.calls],
                "arrive_min": self.arrive,
                "berth_min": np.where(self.berth < self.horizon, self.berth, np.nan),
                "leave_min": np.where(self.leave < self.horizon, self.leave, np.nan),
                "anchorage_min": np.where(self.away, 0.0, np.minimum(self.berth, self.horizon) - self.arrive),
                "length_m": self.length,
                "equipped_ship": [c.has_ship for c in self.calls],
                "equipped_berth": [c.has_berth for c in self.calls],
                "connected_min": self.within(self.on, self.off, -math.inf),
                "shore_kwh": shore,
                "auxiliary_fuel_t": own * self.port.fuel_g_per_kwh / _G_PER_T,
                "state": state,
            },
            schema=CALL_SCHEMA,
        ).with_columns(pl.col("berth_min", "leave_min").fill_nan(None))

    def sessions(self) -> pl.DataFrame:
        """Return the stays on shore power that have begun as charging sessions; the site is the quay and the vehicle the call."""
        rows = []
        for i in np.flatnonzero((self.state == SHORE) & (self.on < self.horizon)).tolist():
            call, at, done = self.calls[i], float(self.on[i]), bool(self.off[i] < self.horizon)
            kwh = float(self.hotel[i] * (min(self.off[i], self.horizon) - at)) / _MIN_PER_H
            end, state = (float(self.off[i]), "charged") if done else (None, "charging")
            rows.append(Session(call.ship.quay, call.number, at, at, end, 0.0, 0.0, kwh, kwh / self.port.efficiency, state))
        return session_frame(rows)

    def checks(
        self,
        *,
        meters_kwh: tuple[float, float],
        peak_kw: float,
        curve_kwh: float,
        queues: Mapping[str, int],
        free_m: Mapping[str, float],
    ) -> dict[str, tuple[float, float]]:
        """Return what must hold with its limits: ships, energies of records, meters and curve, feeder and quays.

        Parameters
        ----------
        meters_kwh
            Energy at berth and grid energy by the meters of the run, warm-up included [kWh].
        peak_kw
            Largest grid power of the run [kW].
        curve_kwh
            Energy of the load curve of the week [kWh].
        queues, free_m
            Ships at anchor and free quay [m] at the end, by quay.

        Notes
        -----
        Ships in = left + at berth + at anchor + turned away; demand = shore power + own engines; ships and gaps = quay, and never more ships than
        quay.
        """
        demand, shore, own = (float(e.sum()) for e in self.energy(-math.inf))
        week_grid = float(self.energy(0.0)[1].sum()) / self.port.efficiency
        scale, top = max(demand, 1.0), self.horizon
        lying = int(((self.berth < top) & (self.leave >= top)).sum())
        present = int((self.leave < top).sum()) + lying + sum(queues.values()) + int(self.away.sum())
        checks = {
            "ships_in_minus_left_berthed_waiting_turned_away": (float(len(self.calls) - present), 0.0),
            "demand_minus_shore_and_own_engines": ((demand - shore - own) / scale, 1e-9),
            "demand_minus_meter": ((demand - meters_kwh[0]) / scale, 1e-7),
            "grid_minus_meter": ((shore / self.port.efficiency - meters_kwh[1]) / scale, 1e-7),
            "load_curve_minus_grid": ((curve_kwh - week_grid) / max(week_grid, 1.0), 1e-7),
            "peak_above_feeder": (max(0.0, peak_kw - self.port.feeder_kw) / max(1.0, peak_kw), 1e-6),
        }
        for quay in self.port.quays:
            mine = np.array([c.ship.quay == quay.name for c in self.calls], dtype=bool) & (self.berth < top)
            need = self.length[mine] + self.port.clearance_m
            times, change = np.concatenate([self.berth[mine], self.leave[mine]]), np.concatenate([need, -need])
            # at one instant who leaves makes room for who comes
            most = float(np.cumsum(change[np.lexsort((change, times))]).max(initial=0.0))
            held = float(need[self.leave[mine] >= top].sum())
            limit = 1e-6 * max(1.0, quay.length_m)
            checks[f"{quay.name}.ships_longer_than_quay"] = (max(0.0, most - quay.length_m), limit)
            checks[f"{quay.name}.quay_minus_ships_and_gaps"] = (quay.length_m - held - free_m[quay.name], limit)
        return checks
