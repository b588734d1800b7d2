"""Projects, closures and sites of a scenario as network tables: what opens when, what it changes, and what is closed.

A project of the register either opens links that the table already holds (its year replaces theirs), changes links or terminals that exist
(doubling, electrification, more capacity), or adds a link, a siding, a yard or a pipe connection. A changed link ends its row's life the year before and opens
a new row under ``<link_id>~<year>``, so that every row has one state and ids stay unique. A metro line gets another opening in its own table.
Nothing of the base year or before ever changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from transport.check_projects import LINE_KINDS, REGISTER, is_opening, names
from transport.closures import CHANGED, SCHEMA, SITE_LEVEL, TABLE, base_id
from transport.layout import BASE_YEAR, LAST_YEAR, YEARS, year_index
from transport.scenario_sections import METRO_LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.params import Params

    Row = dict[str, Any]

#: Mode of the connectors of each class.
_MODE = {"siding": "rail", "drayage": "rail", "crude": "pipeline", "product": "pipeline", "gas": "pipeline"}
_TRAINS = "train_pairs_per_day"
_CAPACITY_KEYS = (_TRAINS, "passenger_train_pairs_per_day", "net_load_t", "passenger_train_removal")
#: Name of a piece of the finer network's compact link in its note.
_PIECE = r"^on ([^;\s]+)"


@dataclass(frozen=True)
class _Tables:
    """The tables that projects rewrite, as lists of rows."""

    links: list[Row]
    connectors: list[Row]
    terminals: list[Row]
    shapes: list[Row]


class HasSections(Protocol):
    """A scenario, or the sections of a stored run."""

    @property
    def projects(self) -> Mapping[str, int | None]:
        """Return the opening year by project, None = never."""
        ...

    @property
    def closures(self) -> Mapping[str, Mapping[int, float]]:
        """Return the share of each year that a link or terminal is closed [-]."""
        ...

    @property
    def sites(self) -> Mapping[str, Mapping[int, float]]:
        """Return the activity of a zone from each year on [-]."""
        ...


def with_projects(inputs: Inputs, scenario: HasSections) -> Inputs:
    """Return inputs with the projects, closures and sites of a scenario; the very same inputs without any.

    Parameters
    ----------
    inputs
        Checked inputs on the network of the scenario (:func:`transport.inputs.on_network`).
    scenario
        Resolved scenario, or the sections of a stored run.

    Returns
    -------
    Inputs
        With links, connectors, terminals and shapes rewritten, the table ``networks/closures`` and rows of the parameter ``site_level`` added.

    Raises
    ------
    KeyError
        If the register or a table that a project names is missing.
    """
    tables = dict(inputs.tables)
    metro = set(tables[METRO_LINES]["line_id"]) if METRO_LINES in tables else set()
    openings = {name: year for name, year in scenario.projects.items() if name not in metro}
    if openings:
        tables |= _built(inputs, openings)
    lines = {name: year for name, year in scenario.projects.items() if name in metro}
    if lines:
        tables[METRO_LINES] = _metro(tables[METRO_LINES], lines)
    closed = [*_closed(scenario.closures, tables["networks/links"]), *_closed_berths(inputs, scenario.sites)]
    if closed:
        more = pl.DataFrame(closed, schema=SCHEMA, orient="row")
        tables[TABLE] = pl.concat([tables[TABLE], more]) if TABLE in tables else more
    parameters = inputs.parameters
    if scenario.sites:
        parameters = pl.concat([parameters, _site_rows(scenario.sites, parameters)])
    if (
        tables.keys() == inputs.tables.keys()
        and all(tables[name] is inputs.tables[name] for name in tables)
        and not scenario.sites
    ):
        return inputs
    return replace(inputs, tables=tables, parameters=parameters)


def register(inputs: Inputs) -> pl.DataFrame:
    """Return the register, sorted by project."""
    return inputs.table(REGISTER).sort("project_id")


# ---- closures and sites ----


def _closed(closures: Mapping[str, Mapping[int, float]], links: pl.DataFrame) -> list[tuple[str, int, float]]:
    """Return the closures by id, year and share; a road of the compact network is closed on its pieces of the finer one."""
    found = []
    for name in sorted(closures):
        lies_on = (pl.col("mode") == "road") & (pl.col("note").str.extract(_PIECE) == name)
        pieces = links.filter(lies_on)["link_id"].to_list()
        found += [(i, year, share) for i in pieces or [name] for year, share in sorted(closures[name].items()) if share > 0]
    return found


def _closed_berths(inputs: Inputs, sites: Mapping[str, Mapping[int, float]]) -> list[tuple[str, int, float]]:
    """Return the closures of the berths of ports whose level is below one: goods with a choice look for another port."""
    if not sites:
        return []
    berths = inputs.table("networks/terminals").filter(pl.col("link_class") == "berth", pl.col("zone_id").is_in(sorted(sites)))
    found = []
    for terminal, zone in berths.select("terminal_id", "zone_id").sort("terminal_id").iter_rows():
        shut = 1.0 - site_path(sites[zone])
        found += [(terminal, year, float(share)) for year, share in zip(YEARS, shut, strict=True) if share > 0]
    return found


def site_path(levels: Mapping[int, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the activity of every year: 1 until the first year named, then the level of the last year named [-].

    >>> path = site_path({2027: 0.0, 2030: 0.5})
    >>> [float(path[year_index(year)]) for year in (2026, 2027, 2029, 2030, 2035)]
    [1.0, 0.0, 0.0, 0.5, 0.5]
    """
    path = np.ones(len(YEARS))
    for year in sorted(levels):
        path[year_index(year) :] = levels[year]
    return path


def _site_rows(sites: Mapping[str, Mapping[int, float]], like: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``site_level`` in the layout of the parameters."""
    rows = [
        {"parameter": SITE_LEVEL, "subject": zone, "year": year, "value": float(level)}
        for zone in sorted(sites)
        for year, level in zip(YEARS, site_path(sites[zone]), strict=True)
    ]
    fixed = {"distribution": "fixed", "unit": "dimensionless", "source": "expert_judgement", "quality": "assumption"}
    made = pl.DataFrame(rows).with_columns(pl.lit(v).alias(k) for k, v in fixed.items() if k in like.columns)
    return made.select(
        pl.col(name).cast(kind) if name in made.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in like.schema.items()
    )


# ---- metro lines ----


def _metro(table: pl.DataFrame, openings: Mapping[str, int | None]) -> pl.DataFrame:
    """Return the metro lines with the openings of a scenario: in service from the first day of the year, or never, without a range.

    The column ``by_scenario`` says which: a comparison that holds the other lines at a year does not hold these.
    """
    named = pl.col("line_id").is_in(sorted(openings))
    years = {name: None if year is None or year > LAST_YEAR else float(year) for name, year in openings.items()}
    opening = pl.col("line_id").replace_strict(years, default=None, return_dtype=pl.Float64)
    return table.with_columns(
        *(
            pl.when(named).then(opening).otherwise(pl.col(column)).alias(column)
            for column in ("open_year", "open_low", "open_high")
        ),
        by_scenario=named,
    )


# ---- projects ----


def _built(inputs: Inputs, openings: Mapping[str, int | None]) -> dict[str, pl.DataFrame]:
    """Return the tables with projects built in their years, the earliest first, or not at all."""
    known = {str(row["project_id"]): row for row in register(inputs).iter_rows(named=True)}
    frames = {name: inputs.table(f"networks/{name}") for name in ("links", "connectors", "terminals", "shapes")}
    years = {"open_year": pl.Int64, "close_year": pl.Int64}
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in years.items() if name not in frames["connectors"].columns]
    frames["connectors"] = frames["connectors"].with_columns(missing)
    made = _Tables(*(frame.to_dicts() for frame in frames.values()))
    places = {str(row["node_id"]): row for row in inputs.table("networks/nodes").iter_rows(named=True)}
    capacity = _capacity_rule(inputs.params())
    order = sorted(openings, key=lambda name: (openings[name] or LAST_YEAR + 1, name))
    for name in order:
        project, year = known[name], openings[name]
        if year is not None and year > LAST_YEAR:
            year = None
        _build(made, project, year, places, capacity)
    rewritten = (made.links, made.connectors, made.terminals, made.shapes)
    return {
        f"networks/{name}": pl.DataFrame(rows, schema=frame.schema, orient="row")
        for (name, frame), rows in zip(frames.items(), rewritten, strict=True)
    }


def _build(
    tables: _Tables, project: Row, year: int | None, places: Mapping[str, Row], capacity: Callable[[Row, Row], Row]
) -> None:
    """Build one project in a year; None = never."""
    targets = names(project["target"])
    lines = [row for row in tables.links if _member(row, targets)]
    if lines and is_opening(project):
        _open(tables, [row for row in lines if (row["open_year"] or 0) > BASE_YEAR], year)
        return
    if year is None:
        return
    if lines:
        _change(tables, lines, project, year, capacity)
    terminals = [row for row in tables.terminals if base_id(row["terminal_id"]) in targets]
    for row in [row for row in terminals if CHANGED not in row["terminal_id"]]:
        tables.terminals.append(_more(row, project, year))
    zones = [] if lines or terminals else targets
    for zone in zones:
        _join(tables, zone, project, year)
    if not targets:
        _add(tables, project, year, places)


def _member(row: Row, targets: Sequence[str]) -> bool:
    """Return whether a link is one of the targets, what a project has made of one, or a piece of the finer network on one."""
    if base_id(row["link_id"]) in targets:
        return True
    found = re.search(_PIECE, str(row["note"] or ""))
    return found is not None and row["mode"] == "road" and found[1] in targets


def _open(tables: _Tables, planned: Sequence[Row], year: int | None) -> None:
    """Move the opening of links, and the end of those that they replace; a link that never opens leaves the table."""
    for row in planned:
        before = row["open_year"] - 1
        ends = ("from_node", "to_node", "mode", "link_class")
        for other in tables.links:
            if other is not row and other["close_year"] == before and all(other[end] == row[end] for end in ends):
                other["close_year"] = None if year is None else year - 1
        if year is None:
            tables.links.remove(row)
        row["open_year"] = year


def _change(tables: _Tables, lines: Sequence[Row], project: Row, year: int, capacity: Callable[[Row, Row], Row]) -> None:
    """Change links from a year on: rows that live then are split, rows that open later are changed in place."""
    for row in lines:
        if row["close_year"] is not None and row["close_year"] < year:
            continue
        if (row["open_year"] or 0) >= year:
            row.update(_changed(row, project, year, capacity))
            continue
        new = dict(row) | {"link_id": f"{base_id(row['link_id'])}{CHANGED}{year}", "open_year": year}
        new.update(_changed(new, project, year, capacity))
        tables.links.append(new)
        copies = [dict(s) | {"link_id": new["link_id"]} for s in tables.shapes if s["link_id"] == row["link_id"]]
        tables.shapes.extend(copies)
        row["close_year"] = year - 1


def _changed(row: Row, project: Row, year: int, capacity: Callable[[Row, Row], Row]) -> Row:
    """Return the cells of a link that a project changes."""
    cells: Row = {name: project[name] for name in ("tracks", "speed_km_h", "link_class") if project[name] is not None}
    if project["electrified"] and not row["electrified_year"]:
        cells["electrified_year"] = year
    after = dict(row) | cells
    cells |= capacity(row, after)
    if project["capacity_t_per_year"] is not None:
        # a capacity that is given is no longer the formula's
        cells |= {"capacity_t_per_year": float(project["capacity_t_per_year"]), "capacity_quality": project["quality"]}
        cells["capacity_quality"] = "assumption" if cells["capacity_quality"] == "derived" else cells["capacity_quality"]
    if project["capacity_factor"] is not None and row["capacity_t_per_year"] is not None:
        cells["capacity_t_per_year"] = float(row["capacity_t_per_year"]) * float(project["capacity_factor"])
    return cells


def _capacity_rule(params: Params) -> Callable[[Row, Row], Row]:
    """Return what gives a railway link its capacity with other tracks and traction.

    Notes
    -----
    A derived capacity is the formula of its note evaluated with the class of the line as it becomes; a published one moves with the train pairs of
    the two classes. Passenger trains stay as they are.
    """
    from networks.preload import rail_capacity_t, rail_classes  # only a run that builds something needs them

    at = year_index(BASE_YEAR)
    values = {(key, s): float(params.get(key, s)[0, at]) for key in _CAPACITY_KEYS for s in params.subjects(key)}

    def rule(row: Row, after: Row) -> Row:
        if row["mode"] != "rail" or row["capacity_t_per_year"] is None:
            return {}
        named = re.search(rf"(?<!\w){_TRAINS} (\w+)", str(row["note"] or ""))
        old = named[1] if named and row["capacity_quality"] == "derived" else _class(row["tracks"], row["electrified_year"])
        if not re.fullmatch(r"(single|double)_(diesel|electrified)", old):
            return {}
        tracks, traction = old.split("_")
        tracks = "double" if (after["tracks"] or 1) > 1 else tracks
        new = f"{tracks}_{'electrified' if after['electrified_year'] else traction}"
        if new == old:
            return {}
        if row["capacity_quality"] != "derived" or not named:
            factor = values[_TRAINS, new] / values[_TRAINS, old]
            return {"capacity_t_per_year": float(row["capacity_t_per_year"]) * factor}
        note = str(row["note"]).replace(f"{_TRAINS} {old}", f"{_TRAINS} {new}")
        made = pl.DataFrame([dict(after) | {"note": note}], infer_schema_length=None)
        return {"note": note, "capacity_t_per_year": float(rail_capacity_t(rail_classes(made), values)[0])}

    return rule


def _class(tracks: int | None, electrified_year: int | None) -> str:
    return f"{'double' if (tracks or 1) > 1 else 'single'}_{'electrified' if electrified_year else 'diesel'}"


def _more(row: Row, project: Row, year: int) -> Row:
    """Return the terminal that a project adds to an existing one."""
    factor = project["capacity_factor"]
    more = project["capacity_t_per_year"] if factor is None else float(row["capacity_t_per_year"]) * (float(factor) - 1.0)
    name = f"{row['terminal_id']}{CHANGED}{year}_{project['project_id']}"
    origin = {"source": project["source"], "quality": project["quality"], "low": None, "high": None}
    return dict(row) | {"terminal_id": name, "capacity_t_per_year": float(more), "open_year": year} | origin


def _join(tables: _Tables, zone: str, project: Row, year: int) -> None:
    """Join a zone to a station, yard or pipeline."""
    kind, node = str(project["link_class"]), project["to_node"]
    origin = {"source": project["source"], "quality": project["quality"]}
    place = {"zone_id": zone, "node_id": node, "link_class": kind, "open_year": year}
    share = 1.0 if project["in_province_share"] is None else project["in_province_share"]
    blank = dict.fromkeys(tables.connectors[0])
    length = {"mode": _MODE[kind], "length_km": project["length_km"], "in_province_share": share}
    tables.connectors.append(blank | place | length | origin)
    if project["capacity_t_per_year"] is not None:
        shared = kind == "drayage" and any(row["node_id"] == node and row["link_class"] == kind for row in tables.terminals)
        if not shared:
            terminal = {"terminal_id": str(project["project_id"]), "capacity_t_per_year": float(project["capacity_t_per_year"])}
            owner = {"zone_id": None} if kind == "drayage" else {}
            tables.terminals.append(dict.fromkeys(tables.terminals[0]) | place | terminal | origin | owner)


def _add(tables: _Tables, project: Row, year: int, places: Mapping[str, Row]) -> None:
    """Add a link between two nodes, drawn as a straight line."""
    ends = [project["from_node"], project["to_node"]]
    cells = ("link_class", "length_km", "speed_km_h", "tracks", "capacity_t_per_year", "source", "quality", "note")
    new: Row = dict.fromkeys(tables.links[0]) | {name: project[name] for name in cells}
    share = 1.0 if project["in_province_share"] is None else project["in_province_share"]
    new |= {
        "link_id": project["project_id"], "from_node": ends[0], "to_node": ends[1], "mode": LINE_KINDS[project["kind"]][0],
        "line_zh": project["label_zh"], "tariff_km": project["length_km"], "electrified_year": year if project["electrified"] else 0,
        "capacity_quality": "assumption", "in_province_share": share, "open_year": year, "oneway": project["oneway"],
    }  # fmt: skip
    tables.links.append(new)
    line = ";".join(f"{places[end]['lon']} {places[end]['lat']}" for end in ends)
    if tables.shapes:
        straight = {"link_id": new["link_id"], "shape": line, "source": project["source"], "quality": "assumption"}
        tables.shapes.append(dict.fromkeys(tables.shapes[0]) | straight)
