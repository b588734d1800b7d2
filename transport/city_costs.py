"""What levers on city travel cost one city a year, and the metro lines that a scenario opens; the measures stand in ``city_works``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.cities.choice import nest_coefficients
from transport.cities.demand import city_demand
from transport.cities.layout import BANDS, MODES, TRAVELLERS
from transport.cities.metro import LINES
from transport.cities.roads import city_roads
from transport.cities.service import city_service, service_levels
from transport.cities.traffic import Problem, city_travel
from transport.city_scale import city_scales
from transport.city_works import WORKS
from transport.layout import NORMAL_YEAR, YEARS, year_index
from transport.params import lever_settings, split_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.city_scale import CityScale
    from transport.city_works import Outlay
    from transport.inputs import Inputs
    from transport.params import Lever, LeverValue, Params

    Array = NDArray[np.float64]

#: Planned metro lines that a scenario opens.
_PLANNED = (pl.col("status") == "planned") & pl.col("open_year").is_not_null()


def city_lever_cost(inputs: Inputs, params: Params, area: str, settings: Mapping[str, LeverValue], year: int) -> float:
    """Return what settings of levers cost in one city in a year, beside the parameters without them [CNY/yr], first draw.

    Parameters
    ----------
    inputs
        Tables of the run.
    params
        All parameters of the run without those settings.
    area
        Prefecture code.
    settings
        Lever, or lever ``@`` area -> value. Those of other areas, and levers whose cost nobody knows (:func:`priced_levers`), add nothing.
    year
        Calendar year.

    Raises
    ------
    KeyError
        If a lever is not known, or the area is no prefecture.
    ValueError
        If a value is outside the lever's range.
    """
    return CityCosts.of(inputs, params, area).cost(settings, year)


def priced_levers(inputs: Inputs, *, transfers: bool = True) -> tuple[str, ...]:
    """Return the levers on city travel whose cost is known, in their order in the table of levers.

    Parameters
    ----------
    inputs
        Tables ``levers`` and ``accounts/measures``.
    transfers
        Whether those count too that only move money between payers (fares): they cost society nothing.
    """
    table = inputs.table("accounts/measures").filter(pl.col("basis") == "price").select("parameter", "subject")
    paid = set(table.iter_rows()) if transfers else set()
    works = {key for measure in WORKS for key in measure.parameters}

    def is_priced(lever: Lever) -> bool:
        key = (lever.parameter, lever.subject)
        return lever.parameter in works or key in works or (lever.by_area and key in paid)

    return tuple(lever.lever for lever in inputs.levers if is_priced(lever))


@dataclass(frozen=True)
class CityCosts:
    """Costs of one city, for many questions: what does not depend on the settings is worked out once.

    Attributes
    ----------
    inputs, params
        As in :func:`city_lever_cost`.
    scale
        Of the city.
    """

    inputs: Inputs
    params: Params
    scale: CityScale

    @classmethod
    def of(cls, inputs: Inputs, params: Params, area: str) -> CityCosts:
        """Return the costs of a city.

        Raises
        ------
        KeyError
            If the area is no prefecture.
        """
        return cls(inputs, params, city_scales(inputs, params)[area])

    def outlays(self, settings: Mapping[str, LeverValue]) -> dict[str, Outlay]:
        """Return measure -> outlay of the settings, for the measures that they move.

        Parameters
        ----------
        settings
            As in :func:`city_lever_cost`.
        """
        mine = {name: value for name, value in settings.items() if split_setting(name)[1] in ("", self.scale.area)}
        now = self.params.with_levers(lever_settings(self.inputs.levers, mine))
        return {
            works.measure: works.outlay(self.scale, now, self.params)
            for works in WORKS
            if works.moves(self.scale.area, now, self.params)
        }

    def cost(self, settings: Mapping[str, LeverValue], year: int) -> float:
        """Return the cost of settings in a year [CNY/yr], first draw."""
        return float(sum(outlay.total()[0, year_index(year)] for outlay in self.outlays(settings).values()))


def transit_fares(inputs: Inputs, params: Params, area: str, year: int) -> float:
    """Return the fares that the residents of a central city pay on buses and metro in a year [CNY/yr], first draw.

    Parameters
    ----------
    inputs
        Tables of the run.
    params
        Of the run, with its levers.
    area
        Prefecture code.
    year
        Calendar year.

    Notes
    -----
    Trips by segment x fare of the mode and length band x the share of it that the group pays. A transfer between payers and no cost of society; it says
    what a cheaper fare, or more riders, do to those who run buses and metro. In fares of 2019, as the rows are.
    """
    demand = city_demand(inputs, params, area)
    service, roads = city_service(inputs, params, area), city_roads(inputs, params, area)
    problem = Problem.of(demand, service, roads, nest_coefficients(params)).at([NORMAL_YEAR, year])
    shares = city_travel(problem, area).share[..., 0, 1]
    made = demand.season_share[:, 0, None] * demand.trips[None, :, 0, year_index(year)]
    trips = np.einsum("as,asm->ms", made, shares).reshape(len(MODES), len(TRAVELLERS), len(BANDS))
    paid = 0.0
    for level in service_levels(params, area):
        if level.attribute == "transit_fare":
            part = np.ones((len(TRAVELLERS), 1)) if level.paid is None else level.paid[:, 0]
            paid += float((trips[MODES.index(level.mode)] * part * level.level[:, 0, year_index(year)][None]).sum())
    return paid


def planned_metro_km(inputs: Inputs) -> dict[str, Array]:
    """Return area -> km of the planned metro lines that a scenario opens, by year ``[1, year]`` [km]; empty without any.

    Parameters
    ----------
    inputs
        Tables of the run: a line of the table ``demand/metro_lines`` that is planned has no year but that of a scenario.
    """
    rows = inputs.table(LINES).filter(_PLANNED)
    ends = np.asarray(YEARS, dtype=np.float64) + 1.0
    made: dict[str, Array] = {}
    for area, km, opened in rows.select("area", "length_km", "open_year").sort("area").iter_rows():
        made[area] = made.get(area, np.zeros((1, len(YEARS)))) + km * np.clip(ends - opened, 0.0, 1.0)
    return made


def without_planned_lines(inputs: Inputs) -> Inputs:
    """Return the inputs of a run in which no planned metro line opens."""
    years = (pl.when(_PLANNED).then(None).otherwise(pl.col(name)).alias(name) for name in ("open_year", "open_low", "open_high"))
    lines = inputs.table(LINES).with_columns(years)
    return replace(inputs, tables={**inputs.tables, LINES: lines})
