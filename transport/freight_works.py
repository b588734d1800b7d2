"""What freight levers cost that make transport faster or add capacity: works a year, dearer operation, lines of the register.

Capacity is bought at a cost per km or tonne a year, time at a cost per tonne and hour saved, planned lines at the cost of the project register. All
are rough: a lever acts on all lines or terminals alike, works on some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from fleets import tco
from networks.cost import COMPONENT
from networks.measure import MARK
from transport.layout import FIRST_YEAR, YEARS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.freight_prepare import Tables
    from transport.params import Params

    Array = NDArray[np.float64]
    Key = tuple[str, str]

#: Rows of life and upkeep by kind of project.
COST_SUBJECT: dict[str, str] = {
    "siding": "siding",
    "port_railway": "rail_line",
    "new_line": "rail_line",
    "doubling": "rail_line",
    "line_upgrade": "rail_line",
    "electrification": "rail_electrification",
    "yard": "freight_yard",
    "berth": "berth",
    "pipeline": "pipe_connection",
    "pipe_connection": "pipe_connection",
    "road": "road",
    "sea_route": "sea_route",
}
_PER_KM, _PER_T = "capacity_cost_per_km", "capacity_cost_per_t"
_SAVING = "time_saving_cost"
#: First year that stands for no year in the table of links.
_UNDATED_YEAR = 9999
_OPEN = 0.5
#: Lines: parameter and subject -> mode and class of the links (empty = all), works that add capacity, their life.
_LINES: dict[Key, tuple[str, str, str, str]] = {
    ("rail_train_pairs_factor", "all"): ("rail", "", "rail", "rail_line"),
    ("rail_net_load_factor", "all"): ("rail", "", "rail", "rail_line"),
    ("road_lane_capacity", "expressway"): ("road", "expressway", "expressway", "road"),
    ("pipeline_capacity_level", "crude"): ("pipeline", "crude", "pipeline", "pipe_connection"),
    ("pipeline_capacity_level", "product"): ("pipeline", "product", "pipeline", "pipe_connection"),
    ("pipeline_capacity_level", "gas"): ("pipeline", "gas", "pipeline", "pipe_connection"),
}
#: Terminals: parameter and subject -> class of the terminals, works by the tonnes a year they add, their life.
_TERMINALS: dict[Key, tuple[str, str, str]] = {
    ("terminal_capacity_level", "siding"): ("siding", "siding", "siding"),
    ("terminal_capacity_level", "yard"): ("drayage", "yard", "freight_yard"),
    ("terminal_capacity_level", "berth"): ("berth", "berth", "berth"),
}
#: Times: parameter -> component of the costs that it is spent in, parameter that multiplies it (empty = none).
_HOURS: dict[str, tuple[str, str]] = {
    "rail_terminal_dwell": ("rail_load", ""),
    "rail_speed_factor": ("rail_h", "rail_time_factor"),
    "sea_dwell": ("sea_load", ""),
    "roro_dwell": ("roro_load", ""),
    "road_loading_time": ("road_load", ""),
}
_FERRY = "rail_ferry_dwell_change"


def saved_tonne_hours(params: Params, without: Params, key: Key, component: Array, mark: Array, year: int) -> float | None:
    """Return the hours that a lever saves times the tonnes that it saves them for [t h/yr], negative where it takes longer; ``None`` for other levers.

    Parameters
    ----------
    params, without
        Of the run, and without the lever; first draw.
    key
        Parameter and subject.
    component, mark
        Volumes of the run by component and mark ``[commodity, component]`` and ``[commodity, mark]``.
    year
        Position on the year axis.
    """
    parameter, subject = key
    if parameter not in _HOURS and parameter != _FERRY:
        return None
    less = float(without.get(parameter, subject)[0, year] - params.get(parameter, subject)[0, year])
    if parameter == _FERRY:
        return less * float(mark[:, MARK["rail_ferry"]].sum())
    name, times = _HOURS[parameter]
    factor = float(params.get(times)[0, year]) if times else 1.0
    return less * factor * float(component[:, COMPONENT[name]].sum())


def time_amount(params: Params, without: Params, key: Key, component: Array, mark: Array, year: int) -> float | None:
    """Return what the hours cost that a lever saves [CNY/yr]; longer hours save nothing. ``None`` for levers that save none.

    Parameters
    ----------
    params, without, key, component, mark, year
        As in :func:`saved_tonne_hours`.

    Notes
    -----
    Hours x tonnes x ``time_saving_cost`` of the parameter: more shunting, handling plant and staff, shorter intervals, dearer traction.
    """
    hours = saved_tonne_hours(params, without, key, component, mark, year)
    return None if hours is None else max(hours, 0.0) * float(params.get(_SAVING, key[0])[0, year])


def works_amounts(inputs: Tables, params: Params, without: Params, key: Key) -> Array | None:
    """Return what the works cost that add the capacity of a lever ``[year]`` [CNY/yr], ``None`` for levers that add none.

    Parameters
    ----------
    inputs
        Tables ``networks/links`` and ``networks/terminals``.
    params, without
        Of the run, and without the lever; first draw.
    key
        Parameter and subject.

    Notes
    -----
    Capacity gained over that before x km in the province x cost per km of as much again, or capacity gained [t/yr] x cost per capacity; times annuity
    and upkeep.
    What is taken away saves nothing.
    """
    if key not in _LINES and key not in _TERMINALS:
        return None
    now, then = params.get(*key)[0], without.get(*key)[0]
    gain = np.maximum(np.divide(now, then, out=np.ones_like(now), where=then > 0.0) - 1.0, 0.0)
    if key in _LINES:
        mode, link_class, works, life = _LINES[key]
        km = _kilometres(inputs.table("networks/links"), mode, link_class)
        worth = gain * km * params.get(_PER_KM, works)[0]
    else:
        link_class, works, life = _TERMINALS[key]
        terminals = inputs.table("networks/terminals").filter(pl.col("link_class") == link_class)
        worth = gain * float(terminals["capacity_t_per_year"].sum()) * params.get(_PER_T, works)[0]
    return np.asarray(worth * yearly_share(params, life)[0])


def planned_amounts(inputs: Tables, params: Params, without: Params) -> Array | None:
    """Return the yearly cost of the lines without a year that a lever opens ``[year]`` [CNY/yr], ``None`` where the register prices none.

    Parameters
    ----------
    inputs
        Tables ``networks/links`` and ``networks/projects``.
    params, without
        Of the run, and without the lever; first draw.
    """
    undated = set(inputs.table("networks/links").filter(pl.col("open_year") >= _UNDATED_YEAR)["link_id"])
    register = inputs.table("networks/projects").filter(pl.col("cost_cny").is_not_null())
    total, found = np.zeros(len(YEARS)), False
    for target, kind, cost in register.select("target", "kind", "cost_cny").iter_rows():
        if target and kind in COST_SUBJECT and set(str(target).split()) <= undated:
            total, found = total + float(cost) * yearly_share(params, COST_SUBJECT[kind])[0], True
    opened, before = ((p.get("planned_links_open")[0] > _OPEN).astype(np.float64) for p in (params, without))
    return np.asarray(np.maximum(opened - before, 0.0) * total) if found else None


def yearly_share(params: Params, life: str) -> Array:
    """Return yearly cost over investment ``[draw, year]`` [1/yr]: annuity at the social rate, and upkeep."""
    spread = tco.annuity(params.get("discount_rate", "social"), params.get("infrastructure_life", life))
    return np.asarray(spread + params.get("works_upkeep_share", life))


def _kilometres(links: pl.DataFrame, mode: str, link_class: str) -> Array:
    """Return the km of lines in the province by year."""
    mine = links.filter((pl.col("mode") == mode) & ((pl.col("link_class") == link_class) if link_class else pl.lit(value=True)))
    km = (mine["length_km"] * mine["in_province_share"]).to_numpy()
    opened = mine["open_year"].fill_null(FIRST_YEAR).to_numpy()
    closed = mine["close_year"].fill_null(_UNDATED_YEAR).to_numpy()
    return np.array([float(km[(opened <= year) & (year < closed)].sum()) for year in YEARS])


def amounts(
    inputs: Tables, params: Params, without: Params, key: Key, volumes: Mapping[int, tuple[Array, Array]]
) -> dict[int, float | None]:
    """Return the cost of a lever on times, capacity or planned lines by year position [CNY/yr]; ``None`` where no row tells it.

    Parameters
    ----------
    inputs, params, without, key
        As in :func:`works_amounts`.
    volumes
        Year position -> volumes by component and mark.
    """
    works = (
        planned_amounts(inputs, params, without)
        if key[0] == "planned_links_open"
        else works_amounts(inputs, params, without, key)
    )
    if works is not None:
        return {year: float(works[year]) for year in volumes}
    return {year: time_amount(params, without, key, component, mark, year) for year, (component, mark) in volumes.items()}
