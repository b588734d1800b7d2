"""Rules of the project register that span tables: targets that exist and fit, projects that do something, costs and years."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.check_files import FILE, ROW
from transport.check_problems import Problem, nearest
from transport.layout import BASE_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping


#: The register.
REGISTER = "networks/projects"
#: Kinds whose targets are links, and the modes that they fit.
LINE_KINDS: dict[str, tuple[str, ...]] = {
    "new_line": ("rail",),
    "port_railway": ("rail",),
    "doubling": ("rail",),
    "electrification": ("rail",),
    "line_upgrade": ("rail",),
    "pipeline": ("pipeline",),
    "road": ("road",),
    "sea_route": ("water",),
}
#: Kinds whose target is a zone, and the classes of the connectors that they add.
ACCESS_KINDS: dict[str, tuple[str, ...]] = {
    "siding": ("siding",),
    "port_railway": ("siding",),
    "yard": ("drayage",),
    "pipe_connection": ("crude", "product", "gas"),
}
#: Kinds whose targets are terminals, and the classes of these.
TERMINAL_KINDS: dict[str, tuple[str, ...]] = {
    "yard": ("drayage",),
    "berth": ("berth",),
    "siding": ("siding",),
    "port_railway": ("siding",),
    "pipe_connection": ("crude", "product", "gas"),
}
#: Columns by which a project changes a link.
_EFFECTS = ("tracks", "electrified", "speed_km_h", "capacity_t_per_year", "capacity_factor")
#: Tables that the register refers to.
_NEEDED = ("networks/links", "networks/zones", "networks/connectors")
#: What a project of a kind needs besides its target.
_NEW_LINK = ("from_node", "to_node", "link_class", "length_km", "capacity_t_per_year")
_NEW_ACCESS = ("to_node", "link_class", "length_km", "capacity_t_per_year")


def is_opening(project: Mapping[str, Any]) -> bool:
    """Return whether a project changes nothing of its links but the year in which they open."""
    return all(project[name] is None for name in _EFFECTS)


def names(cell: str | None) -> tuple[str, ...]:
    """Return the ids in a cell, separated by spaces."""
    return tuple((cell or "").split())


def projects(tables: Mapping[str, pl.DataFrame]) -> list[Problem]:
    """Return the problems of the register; nothing without it or the tables that it refers to."""
    if REGISTER not in tables or any(name not in tables for name in _NEEDED):
        return []
    links, zones, connectors = (tables[name] for name in _NEEDED)
    terminals = tables.get("networks/terminals", pl.DataFrame())
    known: dict[str, dict[str, dict[str, Any]]] = {
        "link": {row["link_id"]: row for row in links.iter_rows(named=True)},
        "terminal": {row["terminal_id"]: row for row in terminals.iter_rows(named=True)},
        "zone": {row["zone_id"]: row for row in zones.iter_rows(named=True)},
    }
    joined = set(connectors.select("zone_id", "link_class").iter_rows())
    found: list[Problem] = []
    for row in tables[REGISTER].iter_rows(named=True):
        if row["project_id"] is None or row["kind"] is None:
            continue  # reported already
        found += _targets(row, known)
        found += _effect(row, known, joined)
        if row["cost_cny"] is None or row["low"] is None or row["high"] is None:
            found.append(_problem(row, "cost_cny", "project.no_cost", row["project_id"]))
        found += _date(row, known["link"])
    return found


def _problem(row: dict[str, Any], column: str, code: str, value: str, **values: object) -> Problem:
    return Problem(row[FILE], row[ROW], column, code, value=value, values={"kind": row["kind"], **values})


def _wanted(kind: str) -> str:
    """Return what a kind may target, as words of the tables."""
    links = [f"networks/links ({'/'.join(LINE_KINDS[kind])})"] if kind in LINE_KINDS else []
    terminals = [f"networks/terminals ({'/'.join(TERMINAL_KINDS[kind])})"] if kind in TERMINAL_KINDS else []
    zones = [f"networks/zones ({'/'.join(ACCESS_KINDS[kind])})"] if kind in ACCESS_KINDS else []
    return ", ".join([*links, *terminals, *zones])


def _targets(row: dict[str, Any], known: Mapping[str, Mapping[str, dict[str, Any]]]) -> list[Problem]:
    """Return targets that do not exist, and those that the kind does not fit."""
    found = []
    kind, wanted = str(row["kind"]), _wanted(str(row["kind"]))
    everything = [name for some in known.values() for name in some]
    for name in names(row["target"]):
        link, terminal, zone = (known[table].get(name) for table in ("link", "terminal", "zone"))
        if link is None and terminal is None and zone is None:
            found.append(_problem(row, "target", "project.target", name, wanted=wanted, hint=nearest(name, everything)))
        elif (
            (link is not None and link["mode"] not in LINE_KINDS.get(kind, ()))
            or (terminal is not None and terminal["link_class"] not in TERMINAL_KINDS.get(kind, ()))
            or (zone is not None and row["link_class"] not in ACCESS_KINDS.get(kind, ()))
        ):
            found.append(_problem(row, "target", "project.kind", name, wanted=wanted))
    kinds = {table for name in names(row["target"]) for table in known if name in known[table]}
    if len(kinds) > 1:
        found.append(_problem(row, "target", "project.kind", str(row["target"]), wanted=wanted))
    return found


def _effect(
    row: dict[str, Any], known: Mapping[str, Mapping[str, dict[str, Any]]], joined: set[tuple[str, str]]
) -> list[Problem]:
    """Return a problem for a project that would change nothing."""
    targets = names(row["target"])
    lines = [known["link"][name] for name in targets if name in known["link"]]
    wanted: tuple[str, ...] = ()
    if not targets:
        wanted = tuple(name for name in _NEW_LINK if row[name] is None)
        if row["kind"] not in LINE_KINDS:
            wanted = ("target",)
    elif lines and is_opening(row):
        # nothing to change: then the links must be there to open
        wanted = () if all((line["open_year"] or 0) > BASE_YEAR for line in lines) else _columns_of(row["kind"])
    elif lines and not any(_changes(row, line) for line in lines):
        wanted = _columns_of(row["kind"])
    elif any(name in known["terminal"] for name in targets):
        grows = row["capacity_t_per_year"] or (row["capacity_factor"] or 1.0) > 1.0
        wanted = () if grows else ("capacity_t_per_year", "capacity_factor")
    elif any(name in known["zone"] for name in targets):
        wanted = tuple(name for name in _NEW_ACCESS if row[name] is None)
        if any((name, row["link_class"]) in joined for name in targets) and row["link_class"] != "drayage":
            wanted = ("target",)  # it is joined already
    return [_problem(row, wanted[0], "project.effect", row["project_id"], wanted=", ".join(wanted))] if wanted else []


def _columns_of(kind: str) -> tuple[str, ...]:
    """Return the columns by which a project of a kind changes links."""
    own = {"doubling": ("tracks",), "electrification": ("electrified",)}
    return own.get(kind, ("capacity_t_per_year", "capacity_factor"))


def _changes(row: dict[str, Any], line: dict[str, Any]) -> bool:
    """Return whether a project makes anything of a link another than it is."""
    return bool(
        (row["tracks"] or 0) > (line["tracks"] or 1)
        or (row["electrified"] and not line["electrified_year"])
        or (row["capacity_t_per_year"] or 0.0) > (line["capacity_t_per_year"] or 0.0)
        or (row["capacity_factor"] or 1.0) > 1.0
        or (row["speed_km_h"] or 0.0) > (line["speed_km_h"] or 0.0)
    )


def _date(row: dict[str, Any], links: Mapping[str, dict[str, Any]]) -> list[Problem]:
    """Return a problem where the default year is not that of the links which the project opens."""
    lines = [links[name] for name in names(row["target"]) if name in links]
    planned = [line for line in lines if (line["open_year"] or 0) > BASE_YEAR]
    # a year that stands beyond every calendar means no year
    opens = {line["open_year"] if line["open_year"] <= _CALENDAR else None for line in planned} if is_opening(row) else {None}
    if opens in ({row["open_year"]}, set()):
        return []
    shown = ", ".join(str(year or "-") for year in sorted(opens, key=lambda year: year or 0))
    return [_problem(row, "open_year", "project.date", row["project_id"], year=row["open_year"] or "-", opens=shown)]


#: Last year that means a date.
_CALENDAR = 2100
