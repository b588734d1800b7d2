"""Sections of a scenario besides its levers: projects of the register, closures of links and terminals, levels of sites.

Each section names things of the network; what is not known, out of range or before the first year that a scenario may move is a problem with a
remedy, and all problems come at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from transport.check_problems import Problem, nearest, words
from transport.findings import DataError
from transport.layout import BASE_YEAR, LAST_YEAR, PROVINCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Opening year of a project that is not built, as it is written.
NEVER = "never"
#: Latest year that may be written; every year after the last one of the model means never.
LATEST_YEAR = 2100
#: Highest activity of a site relative to the data [-].
MOST_ACTIVITY = 5.0
#: Metro lines, which are projects if they open after the base year.
METRO_LINES = "demand/metro_lines"
#: Table and column of the names that a section may use.
_NAMED = {
    "projects": (("networks/projects", "project_id"), (METRO_LINES, "line_id")),
    "closures": (("networks/links", "link_id"), ("networks/terminals", "terminal_id")),
    "sites": (("networks/zones", "zone_id"),),
}

#: Opening year by project as written.
Openings: TypeAlias = "Mapping[str, int | str]"
#: Value by year and by name of a link, terminal or zone.
ByYear: TypeAlias = "Mapping[str, Mapping[int, float]]"


@dataclass(frozen=True, slots=True)
class Names:
    """What a scenario may name: projects of the register and metro lines, links and terminals, zones; and prefectures, for levers of one area."""

    projects: tuple[str, ...]
    closures: tuple[str, ...]
    sites: tuple[str, ...]
    areas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sections:
    """What sections came to: opening year by project (None = never), shares closed and activities by year."""

    projects: Mapping[str, int | None]
    closures: Mapping[str, Mapping[int, float]]
    sites: Mapping[str, Mapping[int, float]]

    @classmethod
    def of_resolved(cls, resolved: Mapping[str, Any]) -> Sections:
        """Return the sections of a resolved scenario as a stored run holds it.

        Examples
        --------
        >>> Sections.of_resolved({"set": {}, "projects": {"a": "never"}, "closures": {"RL001": {"2028": 0.25}}})
        Sections(projects={'a': None}, closures={'RL001': {2028: 0.25}}, sites={})
        """

        def by_year(name: str) -> dict[str, dict[int, float]]:
            return {key: {int(year): value for year, value in path.items()} for key, path in resolved.get(name, {}).items()}

        return cls(settled(resolved.get("projects", {})), by_year("closures"), by_year("sites"))


def names_of(tables: Mapping[str, pl.DataFrame]) -> Names:
    """Return the names in loaded tables, by their paths under the data folder; an absent table has none."""

    def known(section: str) -> tuple[str, ...]:
        found = [
            _nameable(table, tables[table])[column].drop_nulls().to_list() for table, column in _NAMED[section] if table in tables
        ]
        return tuple(sorted({str(name) for some in found for name in some}))

    codes = tables["codes"].filter(pl.col("list") == "area")["code"].to_list() if "codes" in tables else []
    areas = sorted(c for c in codes if c.startswith(PROVINCE[:2]) and c.endswith("00") and c != PROVINCE)
    return Names(known("projects"), known("closures"), known("sites"), tuple(areas))


def _nameable(name: str, table: pl.DataFrame) -> pl.DataFrame:
    return movable_lines(table) if name == METRO_LINES else table


def movable_lines(table: pl.DataFrame) -> pl.DataFrame:
    """Return the metro lines that a scenario may name: those that do not open in the base year or before."""
    year = pl.col("open_year").cast(pl.Float64, strict=False)
    return table.filter(year.is_null() | (year >= BASE_YEAR + 1))


def names_in(folder: Path) -> Names:
    """Return the names in the tables of a data folder."""
    wanted = {"codes"} | {table for pairs in _NAMED.values() for table, _ in pairs}
    there = {table: folder / f"{table}.csv" for table in sorted(wanted)}
    return names_of({table: pl.read_csv(path, infer_schema=False) for table, path in there.items() if path.is_file()})


def check_sections(
    origin: str, projects: Openings, closures: ByYear, sites: ByYear, names: Names, problems: list[Problem]
) -> None:
    """Add what is wrong with the sections of one file to the problems.

    Parameters
    ----------
    origin
        Name of the file, or of the command-line option.
    projects, closures, sites
        As written.
    names
        What may be named.
    problems
        Grows.
    """
    for name, year in projects.items():
        if not _known("project", name, names.projects, str(year), origin, problems):
            continue
        if isinstance(year, str) or not BASE_YEAR < year <= LATEST_YEAR:
            problems.extend(
                [Problem(origin, 0, name, "project.year", str(year), values={"first": BASE_YEAR + 1, "last": LAST_YEAR})]
                if year != NEVER
                else []
            )
    for section, given, allowed, most in (
        ("closure", closures, names.closures, 1.0),
        ("site", sites, names.sites, MOST_ACTIVITY),
    ):
        for name, path in given.items():
            if not _known(section, name, allowed, _shown(path), origin, problems):
                continue
            if not path or not all(BASE_YEAR < int(year) <= LAST_YEAR for year in path):
                values = {"first": BASE_YEAR + 1, "last": LAST_YEAR}
                problems.append(Problem(origin, 0, name, "section.years", _shown(path), values=values))
            if not all(0.0 <= value <= most for value in path.values()):
                values_of = {"maximum": f"{most:g}"}
                problems.append(Problem(origin, 0, name, f"{section}.range", _shown(path), values=values_of))


def settled(projects: Openings) -> dict[str, int | None]:
    """Return the opening years, None for never; a year after the last one of the model is never.

    >>> settled({"a": 2027, "b": "never", "c": 2099})
    {'a': 2027, 'b': None, 'c': None}
    """
    return {name: None if isinstance(year, str) or year > LAST_YEAR else int(year) for name, year in projects.items()}


def read_projects(given: Sequence[str], lang: str = "zh") -> dict[str, int | str]:
    """Read ``NAME=2027`` and ``NAME=never``.

    Raises
    ------
    DataError
        If a text is not written so; all at once.
    """
    made: dict[str, int | str] = {}
    wrong = []
    for text in given:
        name, _, value = text.partition("=")
        try:
            made[name.strip()] = NEVER if value.strip() == NEVER else int(value)
        except ValueError:
            wrong.append(Problem("--project", 0, name, "project.syntax", text))
    if wrong:
        raise DataError(words(wrong, lang))
    return made


def read_by_year(option: str, given: Sequence[str], lang: str = "zh") -> dict[str, dict[int, float]]:
    """Read ``ID=2028:0.25`` and ``ID=2027:0,2030:0.5``; the same id may stand twice with other years.

    Parameters
    ----------
    option
        Name of the command-line option, for the message.
    given
        Its texts.
    lang
        Language of the findings.

    Raises
    ------
    DataError
        If a text is not written so; all at once.

    Examples
    --------
    >>> read_by_year("--close", ["RL001=2028:0.25", "RL001=2029:1"])
    {'RL001': {2028: 0.25, 2029: 1.0}}
    """
    made: dict[str, dict[int, float]] = {}
    wrong = []
    for text in given:
        name, _, value = text.partition("=")
        try:
            pairs = [part.split(":") for part in value.split(",")]
            path = {int(year): float(number) for year, number in pairs}
        except ValueError:
            wrong.append(Problem(option, 0, name, "section.syntax", text, values={"option": option}))
            continue
        made.setdefault(name.strip(), {}).update(path)
    if wrong:
        raise DataError(words(wrong, lang))
    return made


def _known(section: str, name: str, names: Sequence[str], value: str, origin: str, problems: list[Problem]) -> bool:
    if name in names:
        return True
    problems.append(Problem(origin, 0, name, f"{section}.unknown", value, values={"hint": nearest(name, names)}))
    return False


def _shown(path: Mapping[int, float]) -> str:
    return ", ".join(f"{year}: {path[year]:g}" for year in sorted(path))
