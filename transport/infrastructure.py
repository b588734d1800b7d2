"""Ground power at airports, shore power at ferry berths, charging that answers peaks, and the carbon of paving.

All arrays are ``[draw, year]``. The energy returned here is what aircraft on stand and ships at berth use; the fuel rows of flights and
crossings describe the trip. Nothing here reads a lever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import ndtr

from transport.layout import YEARS, EnergyKey, EnergyUse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

_DAYS_PER_YEAR = 365.0
_MIN_PER_H = 60.0
_KG_PER_T = 1000.0
_G_PER_T = 1e6
#: Stands, and sizes of aircraft that the accounts know.
STANDS = ("contact_stand", "remote_stand")
SIZES = ("narrow_body", "wide_body")
_SHIP = "ro_pax"


@dataclass(frozen=True)
class InfrastructureOutcome:
    """Infrastructure indicators and the energy of aircraft on stand and ships at berth.

    Attributes
    ----------
    bridge_power_share
        Turnarounds on bridge or ground power over all turnarounds, weighted by movements.
    shore_power_calls_share
        Calls that use shore power over calls that can and must, on the Bohai inter-provincial passenger routes.
    shore_power_energy_share
        Shore power over all electric energy at berth on these routes.
    charging_peak_response_share
        Share of the charging load at the evening peak that can be left out on call.
    energy
        Keys (aircraft_apu, turbine, kerosene), (aircraft_apu, ground_power, electricity), (ship_at_berth, marine_diesel, diesel),
        (ship_at_berth, shore_power, electricity).
    infrastructure_co2
        CO2 of asphalt paving, construction and upkeep [t CO2/yr]; a side account outside the headline.
    airports
        Columns airport, year, movements, bridge_power_share (first draw).
    berths
        Columns route, year, calls, berth_kwh (first draw).
    checks
        Columns check, value, limit, passed.
    """

    bridge_power_share: Array
    shore_power_calls_share: Array
    shore_power_energy_share: Array
    charging_peak_response_share: Array
    energy: EnergyUse
    infrastructure_co2: Array
    airports: pl.DataFrame
    berths: pl.DataFrame
    checks: pl.DataFrame


def model_infrastructure(inputs: Inputs, params: Params) -> InfrastructureOutcome:  # noqa: ARG001
    """Compute ground power, shore power, peak response and paving for all years.

    Parameters
    ----------
    inputs
        Checked data; not read today, all values are parameters.
    params
        Parameters after levers.

    Notes
    -----
    Equations stand in the functions below: :func:`turnaround_energy`, :func:`berth_energy`, :func:`peak_response_share`, :func:`paving_co2`.
    """
    airports, bridge_share, turbine_t, ground_kwh = turnaround_energy(params)
    berths, calls_share, energy_share, diesel_t, shore_kwh = berth_energy(params)
    keys = (
        EnergyKey("aircraft_apu", "turbine", "kerosene"),
        EnergyKey("aircraft_apu", "ground_power", "electricity"),
        EnergyKey("ship_at_berth", "marine_diesel", "diesel"),
        EnergyKey("ship_at_berth", "shore_power", "electricity"),
    )
    response = peak_response_share(params)
    shares = {
        "bridge_power_share": bridge_share,
        "shore_power_calls_share": calls_share,
        "shore_power_energy_share": energy_share,
        "charging_peak_response_share": response,
    }
    # a share outside 0 to 1 is a wrong input or a wrong equation
    outside = {name: float(np.maximum(-a, a - 1.0).max()) for name, a in shares.items()}
    checks = pl.DataFrame(
        {
            "check": [f"infrastructure.{name}.outside_0_to_1" for name in outside],
            "value": [max(0.0, v) for v in outside.values()],
            "limit": [1e-12] * len(outside),
            "passed": [v <= 1e-12 for v in outside.values()],
        }
    )
    return InfrastructureOutcome(
        bridge_power_share=bridge_share,
        shore_power_calls_share=calls_share,
        shore_power_energy_share=energy_share,
        charging_peak_response_share=response,
        energy=EnergyUse(keys, np.stack([turbine_t, ground_kwh, diesel_t, shore_kwh])),
        infrastructure_co2=paving_co2(params),
        airports=airports,
        berths=berths,
        checks=checks,
    )


def turnaround_energy(params: Params) -> tuple[pl.DataFrame, Array, Array, Array]:
    """Return airports, share on ground power, turbine fuel [t/yr] and ground power [kWh/yr].

    Notes
    -----
    Turnarounds = movements / 2. With u the share on ground power, T the time on stand, r the part of it the turbine runs without ground power
    and c the connecting time: turbine hours = (1 - u) r T + u c, ground power hours = u (T - c), summed over stands and aircraft sizes.
    """
    shape = params.get("turbine_connect_time").shape
    powered, turbine_t, ground_kwh, total = (np.zeros(shape) for _ in range(4))
    connect_h = params.get("turbine_connect_time") / _MIN_PER_H
    running = np.clip(params.get("turbine_time_share"), 0.0, 1.0)
    frames = []
    for airport in params.subjects("airport_movements"):
        turnarounds = params.get("airport_movements", airport) / 2.0
        contact = np.clip(params.get("contact_stand_share", airport), 0.0, 1.0)
        wide = np.clip(params.get("wide_body_share", airport), 0.0, 1.0)
        here = np.zeros(shape)
        for stand, stand_share in zip(STANDS, (contact, 1.0 - contact), strict=True):
            use = np.clip(params.get("bridge_power_use", stand), 0.0, 1.0)
            here += stand_share * use
            for size, size_share in zip(SIZES, (1.0 - wide, wide), strict=True):
                count = turnarounds * stand_share * size_share
                stay_h = params.get("turnaround_time", size) / _MIN_PER_H
                turbine_h, ground_h = stand_hours(count, use, running, stay_h, connect_h)
                turbine_t += turbine_h * params.get("turbine_fuel_flow", size) / _KG_PER_T
                ground_kwh += ground_h * params.get("ground_power_load", size) / params.get("ground_power_converter")
        powered += turnarounds * here
        total += turnarounds
        frames.append(
            pl.DataFrame(
                {
                    "airport": [airport] * len(YEARS),
                    "year": list(YEARS),
                    "movements": 2.0 * turnarounds[0],
                    "bridge_power_share": here[0],
                }
            )
        )
    return pl.concat(frames), powered / total, turbine_t, ground_kwh


def stand_hours(count: Array, use: Array, running: Array, stay_h: Array, connect_h: Array) -> tuple[Array, Array]:
    """Return the hours of the auxiliary turbine and of ground power of turnarounds (eq. 45).

    Parameters
    ----------
    count
        Turnarounds.
    use
        Share of them on ground power.
    running
        Part of the time on stand that the turbine runs without ground power.
    stay_h, connect_h
        Time on stand, and time the turbine runs although ground power is used [h].
    """
    turbine_h = count * ((1.0 - use) * running * stay_h + use * np.minimum(connect_h, stay_h))
    return turbine_h, count * use * np.maximum(stay_h - connect_h, 0.0)


def berth_energy(params: Params) -> tuple[pl.DataFrame, Array, Array, Array, Array]:
    """Return routes, share of calls, share of energy, auxiliary diesel [t/yr] and shore power [kWh/yr] of Bohai ro-pax ships.

    Notes
    -----
    A call is capable when ship and berth are fitted, and has the duty to connect when its stay reaches the hours of the rule. Stays are
    lognormal; the duty share p and the hours above the duty E come from its closed form. Capable calls with the duty that connect:
    compliance x availability, which is the calls share. Energy on shore power = calls x fitted ships x fitted berths x compliance x
    availability x load x (E - p x connecting hours); the rest of the stay runs on auxiliary engines. Shore energy is counted on board, grid
    energy is that over the converter's efficiency.
    """
    used = np.clip(params.get("shore_power_compliance", _SHIP), 0.0, 1.0) * np.clip(
        params.get("shore_power_availability", _SHIP), 0.0, 1.0
    )
    capable = np.clip(params.get("shore_power_ships", _SHIP), 0.0, 1.0) * np.clip(
        params.get("shore_power_berths", _SHIP), 0.0, 1.0
    )
    mean_h, load_kw = params.get("berth_hours", _SHIP), params.get("berth_load", _SHIP)
    duty_share, duty_h = stays_above(mean_h, params.get("berth_hours_cv", _SHIP), params.get("shore_power_duty_hours", _SHIP))
    connected_h = np.maximum(duty_h - duty_share * params.get("shore_power_connect_hours", _SHIP), 0.0)
    sailed = params.get("ro_pax_call_index") * (1.0 - params.get("ro_pax_cancelled_share"))
    calls = np.zeros_like(sailed)
    frames = []
    for route in params.subjects("ro_pax_calls"):
        here = params.get("ro_pax_calls", route) * sailed * _DAYS_PER_YEAR
        calls += here
        frames.append(
            pl.DataFrame(
                {"route": [route] * len(YEARS), "year": list(YEARS), "calls": here[0], "berth_kwh": (here * mean_h * load_kw)[0]}
            )
        )
    need_kwh = calls * mean_h * load_kw
    shore_kwh = calls * capable * used * connected_h * load_kw
    diesel_t = (need_kwh - shore_kwh) * params.get("auxiliary_engine_fuel", "marine_diesel") / _G_PER_T
    return pl.concat(frames), used, shore_kwh / need_kwh, diesel_t, shore_kwh / params.get("shore_power_efficiency", _SHIP)


def stays_above(mean: Array, cv: Array, threshold: Array) -> tuple[Array, Array]:
    """Return the share of lognormal stays above a threshold, and their hours per call of all calls.

    Parameters
    ----------
    mean, cv
        Mean and coefficient of variation of the stay [h], [-].
    threshold
        Stay from which calls count [h].

    Notes
    -----
    With s2 = ln(1 + cv2), m = ln(mean) - s2 / 2, d = (m - ln(threshold)) / s: P = Phi(d), E[stay; stay > threshold] = mean Phi(d + s).
    """
    s = np.sqrt(np.log1p(cv**2))
    d = (np.log(mean) - s**2 / 2.0 - np.log(threshold)) / s
    return np.asarray(ndtr(d)), np.asarray(mean * ndtr(d + s))


def peak_response_share(params: Params) -> Array:
    """Return the share of the charging load at the evening peak that can be left out on call.

    Notes
    -----
    sum(mix x managed share x depth) / sum(mix) over the segments; the mix is the load at the evening peak, so only its ratios count.
    """
    top = bottom = np.zeros_like(params.get("charging_peak_mix", params.subjects("charging_peak_mix")[0]))
    for segment in params.subjects("charging_peak_mix"):
        mix = params.get("charging_peak_mix", segment)
        managed = np.clip(params.get("managed_charging_share", segment), 0.0, 1.0)
        top = top + mix * managed * np.clip(params.get("charging_response_depth", segment), 0.0, 1.0)
        bottom = bottom + mix
    return top / bottom


def paving_mix(params: Params) -> tuple[Array, Array]:
    """Return the asphalt laid at upkeep and on new roads [t/yr].

    Notes
    -----
    Upkeep = length x width x asphalt share x depth / interval x density; new roads = new length x width x asphalt share x depth x density;
    new length is the yearly growth of the network.
    """
    density = params.get("asphalt_density")
    upkeep_t, new_t = np.zeros_like(density), np.zeros_like(density)
    for road in params.subjects("road_length"):
        length_m = params.get("road_length", road) * 1000.0
        area_m2 = length_m * params.get("paved_width", road) * params.get("asphalt_share", road)
        upkeep_t = upkeep_t + area_m2 * params.get("resurfacing_depth", road) / params.get("resurfacing_interval", road) * density
        # the first year has no year before it: its growth is taken as that of the next
        new_m2 = np.maximum(np.diff(area_m2, axis=1), 0.0)
        new_m2 = np.concatenate([new_m2[:, :1], new_m2], axis=1)
        new_t = new_t + new_m2 * params.get("new_road_depth", road) * density
    return upkeep_t, new_t


def paving_co2(params: Params) -> Array:
    """Return the CO2 of asphalt paving [t CO2/yr].

    Notes
    -----
    CO2 = mix x factor x (1 - recycled share x saving), mix as in :func:`paving_mix`. Base layers, earthworks, bridges, tunnels, rails and
    ports are outside.
    """
    upkeep_t, new_t = paving_mix(params)
    recycled = np.clip(params.get("recycled_paving_share"), 0.0, 1.0)
    saved = 1.0 - recycled * params.get("recycled_co2_saving")
    return np.asarray((upkeep_t + new_t) * params.get("asphalt_co2", "virgin") / _KG_PER_T * saved)
