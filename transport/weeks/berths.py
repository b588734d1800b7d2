"""Ships at the ports of the province in one week: ferries of the Bohai routes, cargo ships by type, cruise ships, and their shore power.

A place is a port of the network and a kind of ship, ``PT_LVSHUN:ro_pax``, ``PT_DAYAOWAN:cargo`` or ``PT_DAGANG:cruise``. Only the energy of the
ferries is in the accounts (class ``ship_at_berth``); that of all other ships is simulated and shown, and never added to them: the metric
``in_accounts`` says which. Calls of cargo ships are the tonnes of the port over the mean cargo of a call; where the number of berths is not known,
quays have the berths that the calls of the base year need at a handbook's occupancy.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets.berth_calls import FULL, NONE, SHORE, STATES, WEAK, Calls, Port, Quay, ShipType
from fleets.berths import expected_calls, simulate_berths
from transport.freight_costs import growth_level
from transport.infrastructure import stays_above
from transport.layout import BASE_YEAR, year_index
from transport.power import grid_factor
from transport.week_values import WEEKS
from transport.weeks.case import Case, CaseResult, Measure, exact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleets.records import FleetResult
    from fleets.tariff import Tariff
    from transport.inputs import Inputs
    from transport.week_values import WeekValues

#: Kinds of a place, those of the accounts first.
KINDS: tuple[str, ...] = ("ro_pax", "cargo", "cruise")
#: Ship type -> goods it carries.
GOODS: dict[str, tuple[str, ...]] = {
    "container": ("containers",),
    "ore_carrier": ("metal_ore",),
    "bulk": ("coal", "grain", "nonmetal_minerals", "cement_building", "sand_stone"),
    "crude_tanker": ("crude",),
    "product_tanker": ("refined_products", "chemicals", "gas"),
    "general_cargo": ("general_cargo", "steel"),
    "vehicle_carrier": ("finished_vehicles",),
}
#: States of calls that berths or feeder leave without shore power.
_LEFT_OUT = (STATES[WEAK], STATES[NONE], STATES[FULL])
_G_PER_T = 1e6
_DAYS_PER_YEAR = 365.0
_DAYS_PER_WEEK = 7.0
_HOURS_PER_DAY = 24.0
#: Largest share of the sailings that a week may lose: a season's factor must not close the strait for good.
_MOST_LOST = 0.9


def places(inputs: Inputs, read: WeekValues) -> list[tuple[str, str]]:
    """Return the ports with their kinds of ships that have calls in the year.

    Parameters
    ----------
    inputs
        Table networks/nodes, for the prefectures of the ports.
    read
        Values of the year.

    Returns
    -------
    list of (area, place)
        Sorted.
    """
    nodes = inputs.table("networks/nodes").select(pl.col("node_id", "area").cast(pl.String))
    area = {str(node): str(code) for node, code in nodes.iter_rows()}
    ports = {subject.split(":")[0] for name in ("port_cargo", "ro_pax_port_share") for subject in read.params.subjects(name)}
    ports |= set(read.params.subjects("cruise_calls"))
    found = [(area[port], f"{port}:{kind}") for port in ports for kind in KINDS if any(_yearly(read, port, kind).values())]
    return sorted(found)


def port_growth(freight_ports: pl.DataFrame, year: int) -> dict[str, float]:
    """Return how the goods that choose their port have grown there since the base year.

    Parameters
    ----------
    freight_ports
        Result table of a run: columns year, zone_id, commodity, t.
    year
        Year; between the years of the table the tonnes are linear, outside they stay.

    Returns
    -------
    dict
        ``port:commodity`` -> tonnes of the year over those of the base year; given to the weeks as ``port_growth``, it takes the place of the
        growth of the commodity, so that what levers move between ports moves their ships.

    Raises
    ------
    ValueError
        If the base year is missing.
    """
    years = sorted({int(y) for y in freight_ports["year"]})
    if BASE_YEAR not in years:
        msg = f"freight_ports holds no row of {BASE_YEAR}, only of {years}; growth is relative to it"
        raise ValueError(msg)
    tonnes = freight_ports.group_by("zone_id", "commodity", "year").agg(pl.col("t").sum()).sort("zone_id", "commodity", "year")
    at: dict[tuple[str, str], dict[int, float]] = {}
    for zone, commodity, when, t in tonnes.iter_rows():
        at.setdefault((str(zone), str(commodity)), {})[int(when)] = float(t)
    return {
        f"{zone.removeprefix('Z_')}:{commodity}": float(np.interp(year, years, [path.get(y, 0.0) for y in years]))
        / path[BASE_YEAR]
        for (zone, commodity), path in at.items()
        if path.get(BASE_YEAR, 0.0) > 0.0
    }


def case(read: WeekValues, area: str, place: str, week: str, *, level: str, seed: int, tariff: Tariff) -> Case:
    """Return the ships of a kind at a port in one week.

    Parameters
    ----------
    read
        Values of the year.
    area, place
        Prefecture, and port and kind.
    week
        Representative week.
    level
        ``sample``, ``full`` or ``province``.
    seed
        Seed of the run.
    tariff
        Tariff of the energy.

    Returns
    -------
    Case
        Ready to be simulated by any worker.

    Raises
    ------
    ValueError
        If no ship of the kind calls at the place.
    """
    name, _, kind = place.partition(":")
    yearly = _yearly(read, name, kind) if kind in KINDS else {}
    if not any(yearly.values()):
        msg = f"shore_power of {place!r} in {read.year}: no calls; a place is a port and one of {', '.join(KINDS)}, such as PT_LVSHUN:ro_pax"
        raise ValueError(msg)
    season, lost = _season(read, kind, week)
    ships, quays, set_kw = [], [], []
    for ship_name, calls in yearly.items():
        ship = _ship(read, kind, ship_name, calls / _DAYS_PER_YEAR * season, lost)
        berths = _berths(read, name, ship)
        connections = math.ceil(ship.equipped_berths * berths - 1e-9)
        power = read("shore_power_set_load", _subject(read, "shore_power_set_load", ship_name))
        ships.append(ship)
        quays.append(Quay(ship_name, berths * (ship.longest_m + read("berth_clearance")), connections, power))
        set_kw += [power] * connections
    efficiency = read("shore_power_efficiency", _subject(read, "shore_power_efficiency", kind))
    feeder_kw = max(read("shore_power_feeder_share") * sum(set_kw), max(set_kw, default=0.0)) / efficiency
    port = Port(
        ships=tuple(ships),
        quays=tuple(quays),
        clearance_m=read("berth_clearance"),
        feeder_kw=feeder_kw,
        efficiency=efficiency,
        fuel_g_per_kwh=read("auxiliary_engine_fuel", "marine_diesel"),
        fuel_co2=read("co2_factor_mass", "diesel"),
        grid_co2=float(grid_factor(read.params)[0, year_index(read.year)]),
    )
    frame = read.frame(week) | {"warmup_days": round(read("port_warmup"))}
    more = {
        "in_accounts": exact(float(kind == KINDS[0]), "dimensionless"),
        "season_factor": exact(season, "dimensionless"),
        "shore_connections": exact(float(len(set_kw)), "berth"),
    }
    if kind == KINDS[0]:
        more["shore_power_kwh_accounts"] = exact(sum(_accounts_kwh(ship) for ship in ships), "kWh")
    return Case(
        "shore_power",
        area,
        place,
        week,
        simulate,
        {"port": port},
        seed=seed,
        replications=max(1, round(read("simulation_replications", level) * read("port_replication_factor", kind))),
        tariff=tariff,
        represented=float(expected_calls(port)),
        more=more,
        **frame,
    )


def simulate(case: Case) -> CaseResult:
    """Run the port, and the same ships where every call that can and must connects."""
    port = case.given["port"]
    result = simulate_berths(port, **case.common())
    duty = replace(port, ships=tuple(replace(ship, compliance=1.0) for ship in port.ships))
    full = simulate_berths(duty, **case.common())
    more = {}
    for metric in ("shore_power_kwh", "co2_difference_t", "peak_kw"):
        row = full.summary.row(by_predicate=pl.col("metric") == metric, named=True)
        more[f"{metric}_full_compliance"] = Measure(row["value"], row["low"], row["high"], row["unit"])
    seen = (pl.col("replication") == 0) & (pl.col("leave_min").is_null() | (pl.col("leave_min") >= 0.0))
    calls = result.blocks.filter(seen).drop("replication")
    return CaseResult(result, variants={"full_compliance": full}, more=more, tables={"berth_calls": calls})


def connections(case: Case) -> dict[str, int]:
    """Return the fitted berths of each quay, named as its ships.

    Parameters
    ----------
    case
        Of :func:`case`.
    """
    return {quay.name: int(quay.connections or 0) for quay in case.given["port"].quays}


def with_connections(case: Case, fitted: Mapping[str, int], feeder_kw: float = math.inf) -> Case:
    """Return the same ships with other fitted berths, as a plan sees them: every ship that can and must connect does, if there is one free.

    Parameters
    ----------
    case
        Of :func:`case`.
    fitted
        Fitted berths of the quays that are looked at; ships of other quays are left out, and see nothing of these.
    feeder_kw
        Grid power of all connections [kW].

    Notes
    -----
    The share of fitted berths that a week draws says where ships lie that nobody sends anywhere; here they are sent to a fitted berth, so
    that only number and feeder limit them. All draws of a ship stay those of the week.
    """
    port: Port = case.given["port"]
    ships = tuple(replace(ship, equipped_berths=1.0, compliance=1.0) for ship in port.ships if ship.quay in fitted)
    quays = tuple(replace(quay, connections=fitted[quay.name]) for quay in port.quays if quay.name in fitted)
    return replace(case, given={**case.given, "port": replace(port, ships=ships, quays=quays, feeder_kw=feeder_kw)})


def most_connections(case: Case) -> dict[str, int]:
    """Return the berths of each quay for its longest ships.

    Parameters
    ----------
    case
        Of :func:`case`.
    """
    port: Port = case.given["port"]
    longest = {ship.quay: ship.longest_m + port.clearance_m for ship in port.ships}
    return {quay.name: max(1, round(quay.length_m / longest[quay.name])) for quay in port.quays}


def connected_load_kw(case: Case, fitted: Mapping[str, int]) -> float:
    """Return the grid power of ships at all fitted berths [kW].

    Parameters
    ----------
    case
        Of :func:`case`.
    fitted
        Fitted berths by quay.
    """
    port: Port = case.given["port"]
    return sum(fitted.get(ship.quay, 0) * ship.hotel_kw for ship in port.ships) / port.efficiency


def unconnected(case: Case, result: FleetResult) -> dict[str, list[float]]:
    """Return what the berths leave without shore power of the calls that can and must have it, by replication.

    Parameters
    ----------
    case, result
        A week and its ships.

    Returns
    -------
    dict
        ``unconnected_share`` of the calls and ``unconnected_energy_share`` of their energy: no free connection, one that is too weak for the ship,
        or no room on the feeder. More berths or a larger feeder do not help against weak ones, so that a limit may be out of reach.
        Equipment that is out of order counts for neither side. 0 where no such ship berths in the week.
    """
    port: Port = case.given["port"]
    able = result.blocks.filter((pl.col("berth_min") >= 0.0) & pl.col("state").is_in([STATES[SHORE], *_LEFT_OUT]))
    left = pl.col("state").is_in(_LEFT_OUT)
    own_kwh = pl.col("auxiliary_fuel_t") / (port.fuel_g_per_kwh / _G_PER_T)
    sums = able.group_by("replication").agg(
        left.mean().alias("calls"),
        own_kwh.filter(left).sum().alias("lost"),
        pl.col("shore_kwh").sum().alias("given"),
    )
    of = {r["replication"]: r for r in sums.iter_rows(named=True)}
    calls, energy = [], []
    for replication in range(case.replications):
        row = of.get(replication, {"calls": 0.0, "lost": 0.0, "given": 0.0})
        total = row["lost"] + row["given"]
        calls.append(float(row["calls"]))
        energy.append(float(row["lost"] / total) if total > 0.0 else 0.0)
    return {"unconnected_share": calls, "unconnected_energy_share": energy}


def _yearly(read: WeekValues, port: str, kind: str) -> dict[str, float]:
    """Return the calls that sail by ship type [1/yr]; the cancelled ones are left out."""
    params = read.params
    if kind == "ro_pax":
        here = [s.split(":")[1] for s in params.subjects("ro_pax_port_share") if s.split(":")[0] == port]
        daily = sum(read("ro_pax_port_share", f"{port}:{route}") * read("ro_pax_calls", route) for route in here)
        sailed = read("ro_pax_call_index") * (1.0 - read("ro_pax_cancelled_share"))
        return {"ro_pax": daily * sailed * _DAYS_PER_YEAR} if here else {}
    if kind == "cruise":
        return {"cruise": read("cruise_calls", port)} if params.has("cruise_calls", port) else {}
    now = {ship: _tonnes(read, port, ship, grown=True) / read("ship_cargo", ship) for ship in GOODS}
    return {ship: calls for ship, calls in now.items() if calls > 0.0}


def _tonnes(read: WeekValues, port: str, ship: str, *, grown: bool) -> float:
    """Return the goods of a ship type at a port, of the base year or grown to the year [t/yr]."""
    total = 0.0
    level = float(growth_level(read.params)[0, year_index(read.year)])
    ratios = read.given.get("port_growth", {})
    for good in GOODS[ship]:
        key = f"{port}:{good}"
        if read.params.has("port_cargo", key):
            growth = ratios[key] if key in ratios else read("freight_growth_index", good) * level
            total += read("port_cargo", key) * (growth if grown else 1.0)
    return total


def _season(read: WeekValues, kind: str, week: str) -> tuple[float, float]:
    """Return planned calls of the week over those that sail in the mean week, and the share of them that weather cancels.

    Notes
    -----
    ``k s(w) (1 - l(w))`` sail, with one factor ``k`` so that the weeks together have the calls of the year.
    """
    lost = dict.fromkeys(WEEKS, 0.0)
    if kind == "ro_pax":
        share = read("ro_pax_cancelled_share")
        lost = {w: min(max(share * read("ro_pax_cancelled_ratio", w), 0.0), _MOST_LOST) for w in WEEKS}
    season = {w: max(read("ship_call_season", f"{kind}:{w}"), 0.0) for w in WEEKS}
    weight = {w: read("week_weight", w) for w in WEEKS}
    sailed = sum(weight[w] * season[w] * (1.0 - lost[w]) for w in WEEKS)
    factor = sum(weight.values()) / sailed if sailed > 0.0 else 0.0
    return factor * season[week], lost[week]


def _accounts_kwh(ship: ShipType) -> float:
    """Return the shore energy of a week by the closed form of the accounts, which knows no limit of connections [kWh on board]."""
    given = [np.array(value) for value in (ship.stay_h, ship.stay_cv, ship.duty_h)]
    duty_share, duty_h = (float(v) for v in stays_above(given[0], given[1], given[2]))
    calls = _DAYS_PER_WEEK * ship.calls.per_day * (1.0 - ship.calls.cancelled_share)
    used = ship.equipped_ships * ship.equipped_berths * ship.compliance * ship.availability
    return calls * used * max(duty_h - duty_share * ship.connect_h, 0.0) * ship.hotel_kw


def _subject(read: WeekValues, parameter: str, ship: str) -> str:
    """Return the subject of a ship type: its own row, else that of cargo ships."""
    return ship if read.params.has(parameter, ship) else "cargo"


def _ship(read: WeekValues, kind: str, name: str, per_day: float, lost: float) -> ShipType:
    def of(parameter: str) -> float:
        return read(parameter, _subject(read, parameter, name))

    def share(parameter: str) -> float:
        return min(max(of(parameter), 0.0), 1.0)

    if kind == "ro_pax":
        profile = tuple(read.profiles["ro_pax"].tolist())
        closure_h = read("ro_pax_closure_hours")
        calls = Calls(per_day, "timetable", hourly_share=profile, cancelled_share=lost, closure_h=closure_h)
    elif name == "container":
        calls = Calls(per_day, "scheduled", noise_h=read("container_arrival_noise"))
    else:
        calls = Calls(per_day)
    return ShipType(
        name=name,
        quay=name,
        calls=calls,
        length_m=of("ship_length"),
        length_cv=of("ship_length_cv"),
        stay_h=of("berth_hours"),
        stay_cv=of("berth_hours_cv"),
        # the accounts reckon ferries with lognormal stays
        stay="lognormal" if kind == "ro_pax" else "gamma",
        cargo_t=read("ship_cargo", name) if read.params.has("ship_cargo", name) else 0.0,
        hotel_kw=of("berth_load"),
        anchor_kw=of("berth_load") * of("anchor_load_ratio"),
        equipped_ships=share("shore_power_ships"),
        equipped_berths=share("shore_power_berths"),
        compliance=share("shore_power_compliance"),
        availability=share("shore_power_availability"),
        duty_h=of("shore_power_duty_hours"),
        connect_h=of("shore_power_connect_hours"),
    )


def _berths(read: WeekValues, port: str, ship: ShipType) -> int:
    """Return the berths of a quay: counted, or what the calls of the base year need at the design occupancy."""
    key = f"{port}:{ship.name}"
    if read.params.has("port_berths", key):
        return max(1, round(read("port_berths", key)))
    base = _tonnes(read, port, ship.name, grown=False) / read("ship_cargo", ship.name)
    busy = base * ship.stay_h / (_DAYS_PER_YEAR * _HOURS_PER_DAY)
    return max(1, math.ceil(busy / read("berth_design_occupancy", "cargo")))
