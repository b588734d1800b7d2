"""How two scenarios differ, in words: "B = A + Bayuquan port spur opens in 2027 + expressway toll +10 %".

The words come from resolved scenarios, with the labels, operations and units of the levers and the names of projects, links, terminals and zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import has_text, labels, t
from transport.layout import BASE_YEAR
from transport.params import split_setting
from transport.scenario_sections import METRO_LINES, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs

    #: A resolved scenario, as :meth:`transport.scenario.Scenario.resolved` and the manifest of a run hold it.
    Resolved = Mapping[str, Any]

_SECTIONS = ("projects", "closures", "sites")
#: Differences that a sentence names before it only counts the others.
NAMED = 8


def differences(a: Resolved, b: Resolved, inputs: Inputs, lang: str) -> list[str]:
    """Return what has to be done to A to have B, one text per setting.

    Parameters
    ----------
    a, b
        Resolved scenarios.
    inputs
        Levers and names.
    lang
        Language of the texts.
    """
    names = _Names(inputs, lang)
    found = [names.opening(k, other) for k, _, other in _unlike(a, b, "projects")]
    found += [names.lever(k, one, other) for k, one, other in _unlike(a, b, "set")]
    found += [names.by_year("closure", k, one, other) for k, one, other in _unlike(a, b, "closures")]
    found += [names.by_year("site", k, one, other) for k, one, other in _unlike(a, b, "sites")]
    found += [names.option(k, other) for k, _, other in _unlike(a, b, "run")]
    return found


def sentence(name_a: str, name_b: str, found: Sequence[str], lang: str, *, most: int | None = NAMED) -> str:
    """Return differences as one line.

    Parameters
    ----------
    name_a, name_b
        Names of the two scenarios.
    found
        From :func:`differences`.
    lang
        Language of the text.
    most
        How many are named; None = all.
    """
    if not found:
        return t("words.same", lang, a=name_a, b=name_b)
    shown = list(found if most is None else found[:most])
    if len(found) > len(shown):
        shown.append(t("words.more", lang, count=len(found) - len(shown)))
    return f"{name_b} = {' + '.join([name_a, *shown])}"


def _unlike(a: Resolved, b: Resolved, section: str) -> list[tuple[str, Any, Any]]:
    """Return (key, value in A, value in B) of what differs in a section; what is not there is None."""
    one, other = a.get(section, {}), b.get(section, {})
    keys = [*other, *(k for k in one if k not in other)]
    return [(k, one.get(k), other.get(k)) for k in keys if one.get(k) != other.get(k)]


class _Names:
    """Labels of the levers, projects and places in one language."""

    def __init__(self, inputs: Inputs, lang: str) -> None:
        self._inputs, self._lang = inputs, lang
        self._levers = {row["lever"]: row for row in inputs.table("levers").iter_rows(named=True)}

    def lever(self, name: str, before: Any, after: Any) -> str:
        plain, area = split_setting(name)
        row = self._levers.get(plain)
        label = name if row is None else str(row[f"label_{self._lang}"])
        if row is not None and area:
            where = labels(self._inputs, "area", self._lang).get(area, area)
            # in an area a default is a setting too: it keeps the area out of what is set everywhere
            was, now = (None if value is None else self._amount(row, value) for value in (before, after))
            return self._change("lever", t("words.lever_area", self._lang, label=label, area=where), was, now, "lever_area_back")
        usual = None if row is None else float(row["default"])
        said = [None if value is None or value == usual else self._amount(row, value) for value in (before, after)]
        return self._change("lever", label, said[0], said[1])

    def opening(self, name: str, after: Any) -> str:
        label = self._project(name)
        if after is None:
            return t("words.project_back", self._lang, label=label)
        return t("words.project_never" if after == NEVER else "words.project", self._lang, label=label, year=after)

    def by_year(self, kind: str, name: str, before: Any, after: Any) -> str:
        def text(value: Any) -> str | None:
            if not value:
                return None
            if kind == "site":
                return self._joined("from_year", [(year, _percent(x)) for year, x in _sorted(value)])
            parts = [(year, t("words.whole_year", self._lang) if x == 1.0 else _percent(x)) for year, x in _sorted(value)]
            return self._joined("in_year", parts)

        return self._change(kind, self._place(name), text(before), text(after))

    def option(self, name: str, value: Any) -> str:
        key = f"scenario.option_{name}"
        if has_text(f"{key}_{value}", self._lang):
            return t("words.option", self._lang, option=t(key, self._lang), value=t(f"{key}_{value}", self._lang))
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return t("words.option", self._lang, option=name, value=shown)

    def _change(self, kind: str, label: str, before: str | None, after: str | None, back: str = "") -> str:
        if after is None:
            return t(f"words.{back or f'{kind}_back'}", self._lang, label=label)
        if before is None:
            return t(f"words.{kind}", self._lang, label=label, value=after)
        return t(f"words.{kind}_changed", self._lang, label=label, before=before, value=after)

    def _amount(self, row: Mapping[str, Any] | None, value: Any) -> str:
        """Return the value of a lever as its operation and unit read: a change in per cent, a share, an amount."""

        def one(x: float) -> str:
            if row is None:
                return f"{x:g}"
            if row["operation"] == "scale":
                return _signed(100.0 * (x - 1.0)) + " %"
            if _is_share(row):
                return t("words.points", self._lang, points=_signed(100.0 * x)) if row["operation"] == "add" else _percent(x)
            if row["unit"] == "1/yr":
                return t("words.percent_per_year", self._lang, percent=_signed(100.0 * x))
            number = _signed(x) if row["operation"] == "add" else f"{x:g}"
            return number if row["unit"] == "dimensionless" else f"{number} {self._unit(str(row['unit']))}"

        if not isinstance(value, dict):
            return one(float(value))
        return self._path(value, 0.0 if row is None else float(row["default"]), one)

    def _path(self, value: Mapping[Any, float], usual: float, one: Callable[[float], str]) -> str:
        """Return values by year; years before anything happens only say whether the first change is a step or a slope."""
        points = _sorted(value)
        quiet = next((k for k, (_, x) in enumerate(points) if x != usual), 0)
        last = points[quiet - 1][0] if quiet else BASE_YEAR
        shown = [(year, one(x)) for year, x in points[quiet:]]
        step = len(shown) == 1 and shown[0][0] == last + 1
        return self._joined("from_year" if step else "by_year", shown)

    def _joined(self, key: str, parts: Sequence[tuple[int, str]]) -> str:
        said = [t(f"words.{key}", self._lang, year=year, value=value) for year, value in parts]
        return ("、" if self._lang == "zh" else ", ").join(said)

    def _unit(self, unit: str) -> str:
        key = f"words.unit_{unit.lower().replace('/', '_per_').replace('1_', 'one_')}"
        return t(key, self._lang) if has_text(key, self._lang) else unit

    def _project(self, name: str) -> str:
        for source, column in (("networks/projects", "project_id"), (METRO_LINES, "line_id")):
            table = self._inputs.tables.get(source)
            found = None if table is None else _cell(table, column, name, f"label_{self._lang}", f"name_{self._lang}")
            if found:
                return found
        return name

    def _place(self, name: str) -> str:
        """Return the name of a link, terminal or zone: of a link its line and ends, of the others their node."""
        tables = self._inputs.tables
        link = tables["networks/links"].filter(pl.col("link_id") == name)
        if not link.is_empty():
            row = link.row(0, named=True)
            ends = t("words.link", self._lang, one=self._node(row["from_node"]), other=self._node(row["to_node"]))
            line = row["line_zh"] if self._lang == "zh" else None
            return f"{line} {ends}" if line else ends
        for table, column in (("networks/terminals", "terminal_id"), ("networks/zones", "zone_id")):
            node = _cell(tables[table], column, name, "node_id")
            zone = _cell(tables[table], column, name, "zone_id")
            if node is None and zone is not None:
                node = _cell(tables["networks/zones"], "zone_id", zone, "node_id")
            if node is not None:
                return self._node(node)
        return name

    def _node(self, node: str) -> str:
        return _cell(self._inputs.table("networks/nodes"), "node_id", node, f"name_{self._lang}") or node


def _cell(table: pl.DataFrame, key: str, value: str, *columns: str) -> str | None:
    """Return the first of some columns that the row of a key fills."""
    rows = table.filter(pl.col(key) == value)
    for column in columns:
        if column in rows.columns and not rows.is_empty() and rows[column][0] is not None:
            return str(rows[column][0])
    return None


def _sorted(value: Mapping[Any, float]) -> list[tuple[int, float]]:
    """Return a path in order of years, which are texts in a manifest."""
    return sorted((int(year), float(x)) for year, x in value.items())


def _is_share(row: Mapping[str, Any]) -> bool:
    """Return whether a lever holds or adds to a part of one, such as the share of a carrier in what is generated."""
    above, _, below = str(row["unit"]).partition("/")
    return (above == below or row["unit"] == "dimensionless") and max(abs(float(row[end])) for end in ("min", "max")) <= 1.0


def _percent(share: float) -> str:
    return f"{100.0 * share:.4g} %"


def _signed(value: float) -> str:
    """Return a number with its sign; rounding of the decimal fraction does not show.

    >>> _signed(100.0 * (1.1 - 1.0)), _signed(-2.5)
    ('+10', '-2.5')
    """
    return f"{value:+.4g}"
