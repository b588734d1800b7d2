"""The register ranked: what each project moves off the road and saves in CO2 within a scenario, what that costs, and what a year of delay loses.

Every project is taken alone: the scenario with it against the same scenario without it. Projects that only work together therefore rank low, and
those that do the same thing each rank as if the other were not there; the sum over projects means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from fleets import tco
from networks.parts import LEG_MODES
from transport import projects
from transport.check_projects import is_opening
from transport.freight_loads import main_modes
from transport.freight_start import FreightStarts
from transport.freight_works import COST_SUBJECT
from transport.layout import LAST_YEAR, SCOPES, YEARS, year_index
from transport.params import lever_path
from transport.study import model_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params
    from transport.parts import Parts
    from transport.scenario import Scenario

    Array = NDArray[np.float64]
    #: Called with (models solved, models to solve, name of the project).
    Progress = Callable[[int, int, str], None]

#: Opening year of a project for which neither the scenario nor the register has one.
DEFAULT_YEAR = 2027
#: Lever that opens links without a year, and the level from which they are open.
_UNDATED, _OPEN = "planned_links", 0.5
#: CO2 at the exhaust and in the power plants, at the grid factor of the year.
_SCOPE = SCOPES.index("direct_power")
#: Columns of the ranking in order.
COLUMNS: tuple[str, ...] = (
    "project_id",
    "kind",
    "open_year",
    "in_scenario",
    "status",
    "cost_cny",
    "low",
    "high",
    "quality",
    "year",
    "t_off_road",
    "tkm_off_road",
    "co2_avoided_t",
    "co2_avoided_to_2035_t",
    "outlay_saved_cny",
    "cny_per_year",
    "cny_per_t",
    "cny_per_tkm",
    "cny_per_tco2",
    "delay_tkm",
    "delay_co2_t",
    "delay_cny",
    "rank_t",
    "rank_co2",
    "rank_cny_per_t",
)
#: Nothing is divided by less than this: what a project moves is then noise [t/yr].
_LEAST_T = 1000.0
_ROAD = LEG_MODES.index("road")


@dataclass(frozen=True)
class Effect:
    """What a scenario carries and emits with or without one project.

    Attributes
    ----------
    road_t
        Tonnes whose main mode is the road, in the year of the ranking [t/yr].
    road_tkm
        Truck tkm on the territory ``[year]`` [tkm/yr].
    co2_t
        CO2 of transport with electricity ``[year]`` [t/yr].
    outlay
        What shippers pay for chains ``[year]`` [CNY/yr]; 0 before the base year.
    """

    road_t: float
    road_tkm: Array
    co2_t: Array
    outlay: Array


def rank(
    inputs: Inputs,
    scenario: Scenario,
    names: Sequence[str],
    year: int,
    *,
    starts: FreightStarts | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Return the projects of the register with what they do in a scenario, those that move most tonnes off the road first.

    Parameters
    ----------
    inputs
        Checked data.
    scenario
        Resolved scenario; a project that it builds keeps its year.
    names
        Projects to rank, of the register.
    year
        One of :data:`transport.freight_model.DETAIL_YEARS`, in which projects are compared.
    starts
        Solved base years to begin with.
    progress
        Called before every model that is solved.

    Returns
    -------
    DataFrame
        Columns project_id, kind, open_year, in_scenario, status, cost_cny, low, high, quality, year, t_off_road [t/yr], tkm_off_road [tkm/yr],
        co2_avoided_t [t/yr], co2_avoided_to_2035_t [t], outlay_saved_cny (what shippers save) [CNY/yr], cny_per_year, cny_per_t, cny_per_tkm, cny_per_tco2 (null where nothing is gained),
        delay_tkm, delay_co2_t, delay_cny (lost by opening one year later), rank_t, rank_co2, rank_cny_per_t.

    Notes
    -----
    Yearly cost = investment x (annuity at the social discount rate over the life of its kind + upkeep share), in yuan of 2023. A project that opens
    after ``year`` has no effect in it, whatever its year: a delay beyond the year counts as removal. What one year of delay loses is what the
    project does in its opening year. Outlay is money only, without the value of time (:mod:`transport.freight_outlay`).
    """
    register = {row["project_id"]: row for row in projects.register(inputs).iter_rows(named=True)}
    known = FreightStarts() if starts is None else starts
    opened = {name: _opening(register[name], scenario) for name in names}
    count = len(names) + 1
    tell = progress or (lambda *_: None)
    tell(0, count, scenario.name)
    whole, params = _effect(inputs, scenario, year, known)
    rows = []
    for k, name in enumerate(names):
        tell(k + 1, count, name)
        inside = scenario.projects.get(name) is not None or (
            name not in scenario.projects and _own_year(register[name], scenario) is not None
        )
        other = replace(scenario, projects={**scenario.projects, name: None if inside else opened[name]})
        changed, _ = _effect(inputs, other, year, known)
        with_it, without = (whole, changed) if inside else (changed, whole)
        rows.append({"in_scenario": inside, **_row(register[name], opened[name], with_it, without, params, year)})
    tell(count, count, "")
    ranks = [
        pl.col(column).rank("min", descending=most).cast(pl.Int64).alias(name)
        for name, column, most in (
            ("rank_t", "t_off_road", True),
            ("rank_co2", "co2_avoided_t", True),
            ("rank_cny_per_t", "cny_per_t", False),
        )
    ]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(ranks).select(COLUMNS).sort("rank_t", "project_id")


def _opening(row: dict[str, object], scenario: Scenario) -> int:
    """Return when a project opens: as the scenario says, as the register says, else :data:`DEFAULT_YEAR`."""
    return scenario.projects.get(str(row["project_id"])) or _dated(row) or _own_year(row, scenario) or DEFAULT_YEAR


def _dated(row: dict[str, object]) -> int | None:
    """Return the year of the register."""
    return None if row["open_year"] is None else int(str(row["open_year"]))


def _own_year(row: dict[str, object], scenario: Scenario) -> int | None:
    """Return when links of the tables open by themselves: in the year of the register, or when the lever on links without a year opens them."""
    if not is_opening(row):
        return None
    path = lever_path(scenario.settings.get(_UNDATED, 0.0), 0.0)
    by_lever = next((year for year, level in zip(YEARS, path, strict=True) if level > _OPEN), None)
    return _dated(row) or by_lever


def _effect(inputs: Inputs, scenario: Scenario, year: int, starts: FreightStarts) -> tuple[Effect, Params]:
    parts = model_parts(replace(scenario, simulate="none"), inputs, starts=starts, response=False)
    tkm, outlay = parts.freight.territory_tkm[0, :, _ROAD].sum(axis=1), parts.freight.state_outlay["run"].sum(axis=0)
    return Effect(_road_tonnes(parts, year), tkm, _co2(parts), outlay), parts.params


def _road_tonnes(parts: Parts, year: int) -> float:
    modes = main_modes()
    road = [name for name, mode in modes.items() if mode == "road"]
    flows = parts.freight.tables["freight_od"].filter(pl.col("year") == year, pl.col("alternative").is_in(road))
    return float(flows["t"].to_numpy().sum())


def _co2(parts: Parts) -> Array:
    found: Array = parts.now.co2_t[_SCOPE][:, 0].sum(axis=0)
    return found


def _row(
    project: dict[str, object], opened: int, with_it: Effect, without: Effect, params: Params, year: int
) -> dict[str, object]:
    position = year_index(year)
    tkm, co2 = without.road_tkm - with_it.road_tkm, without.co2_t - with_it.co2_t
    tonnes, saved = without.road_t - with_it.road_t, without.outlay - with_it.outlay
    yearly = _yearly_cost(project, params, position)
    first = year_index(min(max(opened, YEARS[0]), LAST_YEAR))
    return {
        **{name: project[name] for name in ("project_id", "kind")},
        "open_year": opened,
        **{name: project[name] for name in ("status", "cost_cny", "low", "high", "quality")},
        "year": year,
        "t_off_road": tonnes,
        "tkm_off_road": float(tkm[position]),
        "co2_avoided_t": float(co2[position]),
        "co2_avoided_to_2035_t": float(co2.sum()),
        "outlay_saved_cny": float(saved[position]),
        "cny_per_year": yearly,
        "cny_per_t": _per(yearly, tonnes),
        "cny_per_tkm": _per(yearly, float(tkm[position])),
        "cny_per_tco2": _per(yearly, float(co2[position])),
        "delay_tkm": float(tkm[first]) if opened <= LAST_YEAR else 0.0,
        "delay_co2_t": float(co2[first]) if opened <= LAST_YEAR else 0.0,
        "delay_cny": float(saved[first]) if opened <= LAST_YEAR else 0.0,
    }


def _yearly_cost(project: dict[str, object], params: Params, position: int) -> float | None:
    cost = project["cost_cny"]
    if cost is None:
        return None
    subject = COST_SUBJECT[str(project["kind"])]
    life, upkeep = params.get("infrastructure_life", subject), params.get("works_upkeep_share", subject)
    share = tco.annuity(params.get("discount_rate", "social"), life) + upkeep
    return float(str(cost)) * float(share[0, position])


def _per(cost: float | None, gained: float) -> float | None:
    return cost / gained if cost is not None and gained >= _LEAST_T else None
