"""One link, terminal or project of the network changed for a question of the freight page: what a scenario becomes with it.

A change of capacity or tariff is a project of its own that a register of this question holds, so that nothing of the base year moves; less capacity of
a terminal is a closure of a part of each year, as in ``closures`` of a scenario.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.closures import base_id
from transport.layout import LAST_YEAR
from transport.study import scenario_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.scenario import Scenario

#: What may be changed, and how each of it.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "link": ("capacity", "close", "tariff"),
    "terminal": ("capacity", "close"),
    "project": ("open",),
}
#: Name of the project that stands for a change.
NAME = "what_if_change"
_REGISTER, _LINKS = "networks/projects", "networks/links"


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one thing.

    Attributes
    ----------
    what
        ``link``, ``terminal`` or ``project``.
    name
        Its id.
    action
        One of :data:`ACTIONS`.
    year
        First year of the change; for a project the year it opens, 0 = never.
    factor
        New over old capacity or tariff [-]; of no effect otherwise.
    """

    what: str
    name: str
    action: str
    year: int
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.action not in ACTIONS.get(self.what, ()):
            msg = f"a {self.what} cannot be changed by {self.action!r}: one of {ACTIONS.get(self.what, ())}"
            raise ValueError(msg)
        if self.factor < 0.0:
            msg = f"factor {self.factor:g} of {self.name}: must not be negative"
            raise ValueError(msg)

    @classmethod
    def of(cls, cells: Mapping[str, Any]) -> Edit:
        """Return the change that :meth:`cells` wrote."""
        return cls(**cells)

    def cells(self) -> dict[str, Any]:
        """Return the change as JSON can hold it."""
        return asdict(self)


def edited(inputs: Inputs, scenario: Scenario, edit: Edit) -> tuple[Inputs, Scenario]:
    """Return the inputs that a scenario runs on with a change, and the scenario with it.

    Parameters
    ----------
    inputs
        Checked data.
    scenario
        Resolved scenario without the change.
    edit
        The change.

    Returns
    -------
    inputs, scenario
        Inputs as :func:`transport.study.scenario_inputs` makes them, for the models; and the scenario for the parameters.

    Raises
    ------
    ValueError
        If nothing has the name.
    """
    _known(inputs, edit)
    if edit.what == "project":
        changed = replace(scenario, projects={**scenario.projects, edit.name: edit.year or None})
        return scenario_inputs(changed, inputs), changed
    if edit.action == "close" or (edit.what == "terminal" and edit.factor < 1.0):
        share = 1.0 if edit.action == "close" else 1.0 - edit.factor
        before = scenario.closures.get(edit.name, {})
        path = {year: max(share, before.get(year, 0.0)) for year in range(edit.year, LAST_YEAR + 1)}
        changed = replace(scenario, closures={**scenario.closures, edit.name: {**before, **path}})
        return scenario_inputs(changed, inputs), changed
    factor = edit.factor if edit.action == "capacity" else 1.0
    listed = replace(inputs, tables={**inputs.tables, _REGISTER: _with_project(inputs.table(_REGISTER), edit, factor)})
    changed = replace(scenario, projects={**scenario.projects, NAME: edit.year})
    own = scenario_inputs(changed, listed)
    return (_tariff(own, edit) if edit.action == "tariff" else own), changed


def _known(inputs: Inputs, edit: Edit) -> None:
    table, column = {
        "link": (_LINKS, "link_id"),
        "terminal": ("networks/terminals", "terminal_id"),
        "project": (_REGISTER, "project_id"),
    }[edit.what]
    if edit.name not in set(inputs.table(table)[column].to_list()):
        msg = f"{table}: no {edit.what} {edit.name!r}"
        raise ValueError(msg)


def _with_project(register: pl.DataFrame, edit: Edit, factor: float) -> pl.DataFrame:
    """Return the register with a project that multiplies the capacity of one link or terminal."""
    row = dict.fromkeys(register.columns) | {
        "project_id": NAME,
        "label_zh": NAME,
        "label_en": NAME,
        "kind": "line_upgrade" if edit.what == "link" else "berth",
        "target": edit.name,
        "capacity_factor": factor,
        "source": "expert_judgement",
        "quality": "assumption",
    }
    return pl.concat([register, pl.DataFrame([row], schema=register.schema, orient="row")])


def _tariff(inputs: Inputs, edit: Edit) -> Inputs:
    """Return inputs in which the tariff kilometres of a link are multiplied from the year of the change on."""
    links = inputs.table(_LINKS)
    mine = [
        base_id(name) == edit.name and (year or 0) >= edit.year for name, year in links.select("link_id", "open_year").iter_rows()
    ]
    tariff = pl.coalesce("tariff_km", "length_km") * edit.factor
    changed = links.with_columns(
        pl.when(pl.Series(mine, dtype=pl.Boolean))
        .then(tariff)
        .otherwise(pl.col("tariff_km"))
        .cast(links.schema["tariff_km"])
        .alias("tariff_km")
    )
    return replace(inputs, tables={**inputs.tables, _LINKS: changed})
