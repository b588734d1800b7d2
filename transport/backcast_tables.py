"""Tables of a backcast, and its folder: one Parquet file per table and a manifest, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from transport.backcast_problem import in_equilibrium
from transport.backcast_search import CO2, COST, FIRST_TARGET
from transport.ensemble_tables import chance_of, weighted_quantiles
from transport.freight_explain import node_names
from transport.i18n import LANGUAGES, labels
from transport.layout import BASE_YEAR, YEARS, year_index
from transport.store import MANIFEST, StoreError, editors_only, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.backcast import Asked, Space
    from transport.backcast_problem import ModelProblem
    from transport.backcast_search import Array, Drawn, Point
    from transport.backcast_solve import Answer
    from transport.inputs import Inputs

#: Kind of a folder with a backcast, in its manifest.
KIND = "backcast"
#: Packages: the scenario, the answer, every lever at its bound, points of the front.
BASE, BEST, ALL, FRONT = "base", "best", "all", "front"
_S, _F, _I, _B = pl.String, pl.Float64, pl.Int64, pl.Boolean
#: Tables of a backcast and their columns.
TABLES: dict[str, dict[str, type[pl.DataType]]] = {
    "packages": {
        "package": _S,
        "kind": _S,
        "cost_cny2023": _F,
        "co2_t": _F,
        "co2_change_t": _F,
        "targets_met": _I,
        "targets": _I,
        "feasible": _B,
        "probability": _F,
        "standard_error": _F,
        "draws": _I,
    },
    "levers": {
        "package": _S,
        "variable": _S,
        "measure": _S,
        "lever": _S,
        "unit": _S,
        "basis": _S,
        "level": _F,
        "base_value": _F,
        "value": _F,
        "bound_value": _F,
        "bound_source": _S,
        "at_bound": _B,
        "cost_cny2023": _F,
        "path": _S,
    },
    "front": {
        "point": _I,
        "package": _S,
        "cost_cny2023": _F,
        "co2_t": _F,
        "co2_change_t": _F,
        "targets_met": _I,
        "targets": _I,
        "best": _B,
    },
    "targets": {
        "package": _S,
        "id": _S,
        "area": _S,
        "year": _I,
        "unit": _S,
        "direction": _S,
        "tolerance": _F,
        "target": _F,
        "margin": _F,
        "central": _F,
        "gap": _F,
        "met": _B,
        "probability": _F,
        "standard_error": _F,
        "p05": _F,
        "p95": _F,
        "equilibrium": _F,
        "equilibrium_met": _B,
    },
    "shadow_prices": {
        "id": _S,
        "area": _S,
        "year": _I,
        "unit": _S,
        "side": _S,
        "step": _F,
        "status": _S,
        "cost_cny2023": _F,
        "cny2023_per_unit": _F,
        "co2_t": _F,
        "cny2023_per_tco2": _F,
    },
    "binding": {
        "year": _I,
        "kind": _S,
        "id": _S,
        "name_zh": _S,
        "name_en": _S,
        "mode": _S,
        "vc_ratio": _F,
        "price_cny_per_t": _F,
        "unmet_t": _F,
    },
    "left_out": {"lever": _S, "measure": _S, "basis": _S, "reason": _S},
}
#: Miss that is rounding, in the unit of a target; level from which a variable stands at its bound.
_ROUNDING, _AT_BOUND = 1e-6, 0.999
#: Load over capacity from which a section or a terminal binds.
_FULL = 1.0
#: CO2 below this is rounding, and no cost is divided by it [t/yr].
_LEAST_T = 1.0
_QUANTILES = (0.05, 0.95)


@dataclass(frozen=True)
class Backcast:
    """A backcast read back from its folder.

    Attributes
    ----------
    folder
        Where it stands.
    manifest
        Question, status, totals of the answer and hashes of its tables.
    """

    folder: Path
    manifest: Mapping[str, Any]

    def table(self, name: str) -> pl.DataFrame:
        """Return a table: one of :data:`TABLES`.

        Raises
        ------
        StoreError
            If there is no such table.
        """
        path = self.folder / f"{name}.parquet"
        if name not in self.manifest["tables"] or not path.is_file():
            msg = f"{self.folder.name} holds no table {name!r}; it holds {', '.join(self.manifest['tables'])}"
            raise StoreError(msg)
        return pl.read_parquet(path)


def read_backcast(folder: Path) -> Backcast:
    """Read a backcast back.

    Raises
    ------
    StoreError
        If the folder holds none.
    """
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if KIND not in manifest:
        msg = f"{folder} is no backcast; choose another place"
        raise StoreError(msg)
    return Backcast(folder, manifest)


def write_backcast(folder: Path, manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Backcast:
    """Write a backcast beside its folder and put it in place at once.

    Parameters
    ----------
    folder
        Where it goes; empty or not there yet.
    manifest
        Without the hashes of the tables.
    tables
        Name -> table, columns of :data:`TABLES`.

    Returns
    -------
    Backcast
        That of the folder where another process has put the same one there in the meantime.

    Raises
    ------
    StoreError
        If something else has been put there in the meantime.
    transport.roles.RoleError
        If it lies in the runs folder and a viewer asks.
    """
    editors_only(folder)
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        hashes = {name: write_table(partial / f"{name}.parquet", table) for name, table in tables.items()}
        whole = {**manifest, "complete": True, "tables": hashes}
        (partial / MANIFEST).write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
        if folder.is_dir():
            if any(folder.iterdir()):
                found = read_backcast(folder)
                if found.manifest[KIND] != manifest[KIND]:
                    msg = f"{folder} holds another backcast ({found.manifest[KIND]}, not {manifest[KIND]}); choose another place"
                    raise StoreError(msg)
                return found
            folder.rmdir()  # empty: a folder cannot be put in place of another everywhere
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Backcast(folder, whole)


@dataclass(frozen=True)
class Made:
    """A solved backcast, as tables are made of it.

    Attributes
    ----------
    problem, space, answer
        What was searched and found.
    without
        Cost of the best package without each variable ``(variable,)`` [CNY/yr].
    """

    problem: ModelProblem
    space: Space
    answer: Answer
    without: Array

    @property
    def packages(self) -> list[tuple[str, str, Array, Array]]:
        """Name, kind, levels and outcome of every package."""
        n, shown = self.problem.n, self.answer.shown
        best = self.answer.best
        made = [(BASE, BASE, np.zeros(n), shown.none), (BEST, BEST, best.levels, best.outcome)]
        made.append((ALL, ALL, np.ones(n), shown.every))
        return made + [(f"{FRONT}{k}", FRONT, p.levels, p.outcome) for k, p in enumerate(self._line(), 1)]

    def _line(self) -> tuple[Point, ...]:
        return self.answer.front

    def drawn(self, package: str) -> Drawn | None:
        """Return the draws of a package, if it has any."""
        return {BASE: self.answer.drawn_none, BEST: self.answer.drawn}.get(package)


def frames(made: Made) -> dict[str, pl.DataFrame]:
    """Return the tables of :data:`TABLES` but the words.

    Parameters
    ----------
    made
        A solved backcast.
    """
    inputs = made.problem.inputs
    rows: dict[str, list[dict[str, Any]]] = {
        "packages": _packages(made),
        "levers": _levers(made),
        "front": _front(made),
        "targets": _targets(made),
        "shadow_prices": _prices(made),
        "binding": binding_rows(made.answer.checked, inputs),
        "left_out": [dict(zip(TABLES["left_out"], row, strict=True)) for row in made.space.left_out],
    }
    return {name: pl.DataFrame(found, schema=TABLES[name]) for name, found in rows.items()}


def _change(made: Made, outcome: Array) -> dict[str, float]:
    none = made.answer.shown.none
    return {
        "cost_cny2023": float(outcome[COST] - none[COST]),
        "co2_t": float(outcome[CO2]),
        "co2_change_t": float(outcome[CO2] - none[CO2]),
    }


def _met(outcome: Array) -> int:
    return int((outcome[FIRST_TARGET:] >= -_ROUNDING).sum())


def _packages(made: Made) -> list[dict[str, Any]]:
    rows = []
    for name, kind, _, outcome in made.packages:
        drawn = made.drawn(name)
        chance, error = drawn.chance() if drawn is not None else (None, None)
        met, count = _met(outcome), len(made.problem.asked)
        rows.append(
            {
                "package": name,
                "kind": kind,
                **_change(made, outcome),
                "targets_met": met,
                "targets": count,
                "feasible": met == count,
                "probability": chance,
                "standard_error": error,
                "draws": None if drawn is None else len(drawn.weight),
            }
        )
    return rows


def _levers(made: Made) -> list[dict[str, Any]]:
    at = year_index(made.space.year)
    rows = []
    for name, kind, levels, outcome in made.packages:
        if kind == BASE:
            continue
        for k, (variable, level) in enumerate(zip(made.problem.variables, levels.tolist(), strict=True)):
            for span in variable.spans:
                path = {year: b + level * (e - b) for year, b, e in zip(YEARS, span.base, span.bound, strict=True)}
                rows.append(
                    {
                        "package": name,
                        "variable": variable.name,
                        "measure": variable.measure,
                        "lever": span.lever,
                        "unit": span.unit,
                        "basis": variable.basis,
                        "level": level,
                        "base_value": span.base[at],
                        "value": path[made.space.year],
                        "bound_value": span.bound[at],
                        "bound_source": variable.source,
                        "at_bound": level >= _AT_BOUND,
                        "cost_cny2023": float(outcome[COST] - made.without[k]) if kind == BEST and level > 0.0 else None,
                        "path": json.dumps(_knots(path)),
                    }
                )
    return rows


def _knots(path: Mapping[int, float]) -> dict[str, float]:
    """Return the years of a path where it bends, as a scenario file takes them."""
    years = [year for year in path if year > BASE_YEAR]
    kept = {years[0]: path[years[0]]}
    for before, year, after in zip(years, years[1:], years[2:], strict=False):
        if abs(path[before] - 2.0 * path[year] + path[after]) > 1e-12:
            kept[year] = path[year]
    kept[years[-1]] = path[years[-1]]
    return {str(year): round(value, 9) for year, value in kept.items()}


def _front(made: Made) -> list[dict[str, Any]]:
    count = len(made.problem.asked)
    line = [(name, outcome, False) for name, kind, _, outcome in made.packages if kind == FRONT]
    line.append((BEST, made.answer.best.outcome, True))
    line.sort(key=lambda row: (-float(row[1][CO2]), row[0]))
    return [
        {"point": k, "package": name, **_change(made, outcome), "targets_met": _met(outcome), "targets": count, "best": best}
        for k, (name, outcome, best) in enumerate(line, 1)
    ]


def _targets(made: Made) -> list[dict[str, Any]]:
    checked = made.answer.checked.get("indicators")
    rows = []
    for name, kind, _, outcome in made.packages:
        drawn = made.drawn(name)
        for k, asked in enumerate(made.problem.asked):
            ahead = float(outcome[FIRST_TARGET + k])
            balanced = in_equilibrium(checked, asked) if kind == BEST and checked is not None else None
            rows.append(
                {
                    "package": name,
                    "id": asked.id,
                    "area": asked.area,
                    "year": asked.year,
                    "unit": asked.unit,
                    "direction": asked.direction,
                    "tolerance": asked.tolerance,
                    "target": asked.value,
                    "margin": made.answer.margins[k] if kind == BEST else 0.0,
                    "central": asked.value_of(ahead),
                    "gap": -ahead,
                    "met": ahead >= -_ROUNDING,
                    **_chance(drawn, k, asked),
                    "equilibrium": balanced,
                    "equilibrium_met": None if balanced is None else asked.sign * (balanced - asked.value) >= -_ROUNDING,
                }
            )
    return rows


def _chance(drawn: Drawn | None, k: int, asked: Asked) -> dict[str, float | None]:
    """Return the chance of one target and the 5 and 95 percent quantiles of its value."""
    if drawn is None:
        return dict.fromkeys(("probability", "standard_error", "p05", "p95"))
    ahead = drawn.ahead[:, k]
    chance, error = chance_of((np.nan_to_num(ahead, nan=-np.inf) >= 0.0).astype(np.float64), drawn.weight)
    there = ~np.isnan(ahead)
    low, high = (None, None)
    if there.any():
        values = asked.value + asked.sign * ahead[there]
        low, high = (float(q) for q in weighted_quantiles(values, drawn.weight[there], _QUANTILES))
    return {"probability": chance, "standard_error": error, "p05": low, "p95": high}


def _prices(made: Made) -> list[dict[str, Any]]:
    best = made.answer.best.outcome
    rows = []
    for price in made.answer.prices:
        asked = made.problem.asked[price.target]
        row: dict[str, Any] = {
            "id": asked.id,
            "area": asked.area,
            "year": asked.year,
            "unit": asked.unit,
            "side": "tighter" if price.step > 0.0 else "looser",
            "step": abs(price.step),
            "status": "infeasible" if price.point is None else "solved",
        }
        if price.point is not None:
            cost, co2 = (float(price.point.outcome[k] - best[k]) for k in (COST, CO2))
            row |= {"cost_cny2023": cost, "cny2023_per_unit": cost / price.step, "co2_t": co2}
            row["cny2023_per_tco2"] = -cost / co2 if abs(co2) > _LEAST_T else None
        rows.append(row)
    return rows


def binding_rows(checked: Mapping[str, pl.DataFrame], inputs: Inputs) -> list[dict[str, Any]]:
    """Return the sections and terminals that bind, dearest first, with the tonnes that they turn away.

    Parameters
    ----------
    checked
        Result tables of a run with capacity in equilibrium, of one year; empty = none.
    inputs
        For the names.

    Notes
    -----
    A section or a terminal binds where its scarcity price turns tonnes away (table ``freight_unmet``), or where it carries as much as it can take;
    sections of the road have no price and count by their load.
    """
    if not checked:
        return []
    names = {lang: node_names(inputs, lang) for lang in LANGUAGES}
    kinds = {lang: labels(inputs, "project_kind", lang) for lang in LANGUAGES}
    lost = checked["freight_unmet"].group_by("constraint", "place").agg(pl.col("unmet_t").sum()).sort("constraint", "place")
    unmet = {(constraint, place): t for constraint, place, t in lost.iter_rows()}
    rows: list[dict[str, Any]] = []
    for row in checked["freight_links"].iter_rows(named=True):
        ends = {lang: [names[lang].get(row[end], row[end]) for end in ("from_node", "to_node")] for lang in LANGUAGES}
        rows.append(
            {
                "id": row["link_id"],
                "kind": "link",
                "mode": row["mode"],
                "name_zh": "—".join(ends["zh"]),
                "name_en": " - ".join(ends["en"]),
                "unmet_t": unmet.get((row["mode"], row["link_id"])),
                **_of(row),
            }
        )
    for row in checked["freight_terminals"].iter_rows(named=True):
        place = str(row["place"]).removeprefix("Z_")
        rows.append(
            {
                "id": row["terminal_id"],
                "kind": "terminal",
                "mode": row["kind"],
                "name_zh": _titled(names["zh"].get(place, place), kinds["zh"].get(row["kind"], row["kind"]), ""),
                "name_en": _titled(names["en"].get(place, place), kinds["en"].get(row["kind"], row["kind"]), " "),
                "unmet_t": unmet.get((row["kind"], row["place"])),
                **_of(row),
            }
        )
    full = [row for row in rows if row["unmet_t"] or (row["vc_ratio"] or 0.0) >= _FULL]
    return sorted(full, key=lambda r: (-(r["unmet_t"] or 0.0), -(r["price_cny_per_t"] or 0.0), -(r["vc_ratio"] or 0.0), r["id"]))


def _titled(place: str, kind: str, gap: str) -> str:
    """Return place and kind of a terminal; names of yards mostly say what they are."""
    ends = kind[-2:].casefold() if not gap else kind.rsplit(maxsplit=1)[-1].casefold()
    return place if place.casefold().endswith(ends) else f"{place}{gap}{kind}"


def _of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("year", "vc_ratio", "price_cny_per_t")}
