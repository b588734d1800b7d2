"""Why the carbon intensity of operating transport changed: an exact split over seven factors, between two years or two scenarios.

A state holds what the intensity is made of; two states and the Shapley value give the parts. Nothing here reads a lever, so that a price
or a rule shows where it acts: dearer diesel moves freight to rail and water and stands under ``mode_structure``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import shapley
from transport.attribution_state import make_state
from transport.layout import BASE_YEAR, SCOPES, YEARS, year_index
from transport.parts import boundaries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.attribution_state import Cell, State
    from transport.parts import Parts

    Array = NDArray[np.float64]

#: What the change is split over, in the order of the tables.
FACTORS: tuple[str, ...] = (
    "mode_structure",
    "load_empty",
    "efficiency",
    "electrification",
    "fuel_switch",
    "grid",
    "covid_rebound",
)
#: Parts of ``mode_structure``; what moved back counts with the opposite sign.
LINES: tuple[str, ...] = ("road_to_rail", "road_to_water", "road_to_pipeline", "other_freight", "passengers")
BASES: tuple[str, ...] = (str(BASE_YEAR), f"{BASE_YEAR}_normal")
_INNER = frozenset({"load_empty", "efficiency", "electrification", "fuel_switch", "grid"})
_OUTER = frozenset({"mode_structure", "covid_rebound"})
#: Carriers whose factor belongs to the power and hydrogen supply, not to the choice of a fuel.
_SUPPLIED = ("electricity", "hydrogen")
_MODE_OF_PART = {"coastal": "water", "ocean": "water"}
_LINE_OF = {frozenset({"road", m}): f"road_to_{m}" for m in ("rail", "water", "pipeline")}
_G_PER_T = 1e6
_PERCENT = 100.0


@dataclass(frozen=True)
class Attribution:
    """The split of one change of intensity, arrays ``[draw, year]`` [g CO2/tkm].

    Attributes
    ----------
    boundary, scope
        Of the reading.
    before, after
        Intensities.
    effect
        Factor -> part of the change; sums to ``after - before``.
    lines
        Part of ``mode_structure`` by line; sums to it.
    """

    boundary: str
    scope: str
    before: Array
    after: Array
    effect: Mapping[str, Array]
    lines: Mapping[str, Array]


def attribute(a: State, b: State, counted: Mapping[str, Sequence[str]]) -> list[Attribution]:
    """Return the split of the change of intensity from one state to another, for every boundary and scope.

    Parameters
    ----------
    a, b
        States; their draw and year axes broadcast.
    counted
        Boundary -> parts of the transport system.

    Returns
    -------
    list of Attribution
        Boundaries in their order, scopes in the order of ``SCOPES``.

    Raises
    ------
    AttributionError
        If the states do not have the same classes, powertrains and carriers.

    Notes
    -----
    With trend turnover T and recovery r of cell j, load recovery l, work per turnover w of class i, electric share e, shares m within a
    drive, energy per work u, CO2 factor f::

        I = sum_j q_j y_j / l_j,   q_j = T_j r_j / sum T r
        y_j = sum_i w_i (e_i sum_p m_p u_pc f_c + (1 - e_i) sum_p m_p u_pc f_c)

    mode_structure: T; load_empty: w; efficiency: u; electrification: e and m of electric drives; fuel_switch: m of the others and f of the
    fuels; grid: f of electricity and hydrogen; covid_rebound: r and l. Each factor receives its mean effect over all orders
    (:mod:`transport.shapley`).
    """
    a, b = a.filled(b), b.filled(a)
    made: list[Attribution] = []
    for s, scope in enumerate(SCOPES):
        intensities = _cell_intensities(a, b, s)
        made += [_attribution(a, b, intensities, boundary, scope, tuple(parts)) for boundary, parts in counted.items()]
    order = list(counted)
    return sorted(made, key=lambda x: (order.index(x.boundary), SCOPES.index(x.scope)))


def _attribution(
    a: State,
    b: State,
    intensities: Callable[[frozenset[str]], Array],
    boundary: str,
    scope: str,
    parts: tuple[str, ...],
) -> Attribution:
    inside = np.asarray([cell.part in parts for cell in a.cells])
    cells = [cell for cell in a.cells if cell.part in parts]
    shares: dict[frozenset[str], Array] = {}

    def share(changed: frozenset[str]) -> Array:
        outer = changed & _OUTER
        if outer not in shares:
            turnover = (b if "mode_structure" in outer else a).turnover * (b if "covid_rebound" in outer else a).recovery
            shares[outer] = turnover[inside] / turnover[inside].sum(axis=0)
        return shares[outer]

    def intensity(changed: frozenset[str]) -> Array:
        load = (b if "covid_rebound" in changed else a).load_recovery[inside]
        return np.asarray(_G_PER_T * intensities(changed)[inside] / load)

    def value(changed: frozenset[str]) -> Array:
        return np.asarray((share(changed) * intensity(changed)).sum(axis=0))

    effect = shapley.split(value, FACTORS)
    before, after = value(frozenset()), value(frozenset(FACTORS))
    # the lines are linear in the intensities: one mean of them for each of the two pairs of shares
    mean: dict[frozenset[str], Array] = {}
    for others, weight in shapley.coalitions(FACTORS, "mode_structure"):
        mean[others & _OUTER] = mean.get(others & _OUTER, 0.0) + weight * intensity(others)
    lines: dict[str, Array] = {line: np.zeros_like(effect["mode_structure"]) for line in LINES}
    for outer, level in mean.items():
        for line, part in structure_lines(cells, share(outer), share(outer | {"mode_structure"}), level).items():
            lines[line] = lines[line] + part
    return Attribution(boundary, scope, before, after, effect, lines)


def _cell_intensities(a: State, b: State, scope: int) -> Callable[[frozenset[str]], Array]:
    """Return the function from the changed factors to CO2 per trend turnover of every cell, each evaluated once."""
    at = np.arange(len(a.rows))
    of_class = np.asarray([row[0] for row in a.rows])
    wired = np.asarray([row[2] for row in a.rows])
    to_class = np.zeros((2, len(a.classes), len(a.rows)))
    to_class[wired.astype(int), of_class, at] = 1.0
    to_cell = np.zeros((len(a.cells), len(a.classes)))
    to_cell[[cell for cell, _ in a.classes], np.arange(len(a.classes))] = 1.0
    supplied = np.asarray([c in _SUPPLIED for c in a.carriers])[:, None, None]
    known: dict[frozenset[str], Array] = {}

    def evaluate(changed: frozenset[str]) -> Array:
        inner = changed & _INNER
        if inner not in known:
            of = {name: b if name in inner else a for name in _INNER}
            factor = np.where(supplied, of["grid"].factor[scope], of["fuel_switch"].factor[scope])
            per_work = (of["efficiency"].use * factor).sum(axis=1)
            fuelled = np.tensordot(to_class[0], of["fuel_switch"].share * per_work, axes=1)
            powered = np.tensordot(to_class[1], of["electrification"].share * per_work, axes=1)
            electric = of["electrification"].electric
            per_class = of["load_empty"].work * (electric * powered + (1.0 - electric) * fuelled)
            known[inner] = np.asarray(np.tensordot(to_cell, per_class, axes=1))
        return known[inner]

    return evaluate


def structure_lines(cells: Sequence[Cell], before: Array, after: Array, intensity: Array) -> dict[str, Array]:
    """Return what a change of shares does to the mean intensity, by line.

    Parameters
    ----------
    cells
        Labels of the first axis.
    before, after
        Shares in the converted turnover ``[cell, ...]``; each sums to 1.
    intensity
        Of each cell ``[cell, ...]``, the same before and after.

    Returns
    -------
    dict of arrays ``[...]``
        Lines that occur; they sum to ``sum((after - before) * intensity)``.

    Notes
    -----
    The shares are those of freight and passengers times those within each, both at the mean of their weights before and after, which is
    exact. Within freight, what one cell lost went to those that gained in proportion to their gains; a pair counts its share times the
    difference of the intensities. Everything about passengers, and their weight against freight, is one line. This is bookkeeping of
    shares: which cargo moved is in the freight results.
    """
    freight = np.asarray([cell.is_freight for cell in cells])
    change = after - before
    made: dict[str, Array] = {"passengers": (change * intensity).sum(axis=0)}
    if not freight.any():
        return made
    modes = [_MODE_OF_PART.get(cell.part, cell.part) for cell in cells if cell.is_freight]
    weight = [x[freight].sum(axis=0) for x in (before, after)]
    within = [x[freight] / np.where(w > 0, w, 1.0) for x, w in zip((before, after), weight, strict=True)]
    moved = np.where((weight[0] > 0) & (weight[1] > 0), within[1] - within[0], 0.0)
    lost, gained = np.maximum(-moved, 0.0), np.maximum(moved, 0.0)
    total = lost.sum(axis=0)
    mean = 0.5 * (weight[0] + weight[1]) / np.where(total > 0, total, 1.0)
    for j, here in enumerate(modes):
        for k, there in enumerate(modes):
            if j != k:
                line = _LINE_OF.get(frozenset({here, there}), "other_freight")
                part = mean * lost[j] * gained[k] * (intensity[freight][k] - intensity[freight][j])
                made[line] = made.get(line, 0.0) + part
    made["passengers"] = made["passengers"] - np.sum([part for line, part in made.items() if line != "passengers"], axis=0)
    return made


# ---- tables ------------------------------------------------------------------------------------------------------------------------


def attribution_tables(parts: Parts) -> dict[str, pl.DataFrame]:
    """Return the result table ``attribution``: every year after the base year against it, in all readings (draw 0)."""
    first = slice(0, 1)
    later = [year for year in YEARS if year > BASE_YEAR]
    now, normal = make_state(parts, draws=first), make_state(parts, normal=True, draws=first)
    frames = []
    for base, start in zip(BASES, (now, normal), strict=True):
        split = attribute(start.at(BASE_YEAR), now, boundaries(parts.inputs))
        frames += [attribution_frame(x, base, x.before, BASE_YEAR, later) for x in split]
    return {"attribution": pl.concat(frames).sort("to_year", "boundary", "scope", "base", maintain_order=True)}


def attribution_between(a: Parts, b: Parts, from_year: int, to_year: int) -> pl.DataFrame:
    """Return the split of the difference between two runs or two years, in all readings (draw 0).

    Parameters
    ----------
    a, b
        Runs; the same for two years of one run.
    from_year, to_year
        Year of the first and of the second state.

    Returns
    -------
    polars.DataFrame
        Columns of the result table ``attribution``. ``change_pct`` is in points of the headline: per cent of the first run's intensity
        in the base. From the base year and with the base 2020_normal the first state is 2020 with the passengers of 2019.
    """
    first = slice(0, 1)
    states = [make_state(run, draws=first) for run in (a, b)]
    normal = make_state(a, normal=True, draws=first).at(BASE_YEAR)
    counted = boundaries(a.inputs)
    same_run = a is b
    frames = []
    for base, level in zip(BASES, (states[0].at(BASE_YEAR), normal), strict=True):
        start = level if same_run and from_year == BASE_YEAR else states[0].at(from_year)
        against = attribute(level, level, counted)
        split = attribute(start, states[1].at(to_year), counted)
        frames += [attribution_frame(x, base, y.before, from_year, [to_year]) for x, y in zip(split, against, strict=True)]
    return pl.concat(frames)


def attribution_frame(split: Attribution, base: str, level: Array, from_year: int, to_years: Sequence[int]) -> pl.DataFrame:
    """Return one reading as a table (draw 0).

    Parameters
    ----------
    split
        Its last axis holds either all years of the model or only the one of ``to_years``.
    base
        Base of the reading.
    level
        Intensity of the base ``[draw, year]`` [g/tkm], of which ``change_pct`` is a share.
    from_year, to_years
        Labels.
    """
    rows = [("total", "", split.after - split.before)]
    for factor in FACTORS:
        rows.append((factor, "", split.effect[factor]))
        if factor == "mode_structure":
            rows += [(factor, line, split.lines[line]) for line in LINES]
    at = [0] if split.after.shape[-1] == 1 else [year_index(year) for year in to_years]
    labels = {"boundary": split.boundary, "scope": split.scope, "base": base}
    change = np.stack([values[0, at] for *_, values in rows])
    n_row, n_year = change.shape
    return pl.DataFrame(
        {
            "from_year": np.full(change.size, from_year),
            "to_year": np.tile(np.asarray(to_years), n_row),
            **{name: [label] * change.size for name, label in labels.items()},
            "factor": np.repeat([factor for factor, *_ in rows], n_year),
            "detail": np.repeat([detail for _, detail, _ in rows], n_year),
            "change_pct": (_PERCENT * change / level[0, 0]).ravel(),
            "g_per_tkm": change.ravel(),
        }
    )
