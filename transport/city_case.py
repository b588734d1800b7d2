"""One city of one scenario, ready to be asked again and again: what its travel reads, its levers, and its shares at any settings.

A question about a city (which value of a lever, which mix, which input) asks for hundreds of runs that differ in a few numbers. Those runs are put
on the draw axis of one and solved in one year only: no draw and no year depends on its neighbours, so that each is what it would be alone, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from transport.cities.base_shares import over
from transport.cities.break_even import green_of
from transport.cities.choice import nest_coefficients
from transport.cities.demand import city_demand
from transport.cities.layout import SEASONS
from transport.cities.roads import city_roads
from transport.cities.service import city_service
from transport.cities.traffic import Problem, city_travel
from transport.layout import BASE_YEAR, LAST_OBSERVED, NORMAL_YEAR, YEARS, year_index
from transport.params import AREA_MARK, EVERYWHERE, Params, lever_path, lever_settings, split_setting
from transport.study import scenario_inputs, scenario_params
from transport.travel import TARGET_YEAR, model_travel, prefectures

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.cities.layout import CityDemand
    from transport.inputs import Inputs
    from transport.params import Lever, LeverValue
    from transport.scenario import Scenario
    from transport.travel import TravelOutcome

    Array = NDArray[np.float64]
    #: Settings in place of a scenario's, and a draw.
    Job = tuple[Mapping[str, LeverValue], int]
    Key = tuple[str, str]

#: Runs on the draw axis at a time: enough to share the overhead, few enough for the memory.
AT_ONCE = 64


@dataclass(frozen=True)
class CityCase:
    """A city in a scenario.

    Attributes
    ----------
    inputs
        Tables of the scenario.
    scenario
        Name of the scenario.
    area
        Prefecture code.
    year
        Year that is asked about.
    levers
        Levers on parameters that the travel of the city reads.
    settings
        Settings of the scenario that act on them: lever or lever ``@`` area -> value.
    bare
        Those parameters without any lever, held as the scenario says; the first draw has the central values.
    has_target
        Whether the plan's target is one for this city.
    """

    inputs: Inputs
    scenario: str
    area: str
    year: int
    levers: tuple[Lever, ...]
    settings: Mapping[str, LeverValue]
    bare: Params
    has_target: bool

    @property
    def target(self) -> float:
        """Share that the target asks for in the year [dimensionless]."""
        return float(self.bare.get("green_travel_target_share")[0, year_index(self.year)])

    def params(self, settings: Mapping[str, LeverValue] | None = None) -> Params:
        """Return the parameters with some settings in place of the scenario's.

        Parameters
        ----------
        settings
            Lever or lever ``@`` area -> value; the scenario's own by default.

        Raises
        ------
        ValueError
            If a value is outside the lever's range.
        """
        return self.bare.with_levers(lever_settings(self.levers, {**self.settings, **(settings or {})}))

    def name(self, lever: Lever) -> str:
        """Return the name of the setting that moves a lever in this city: of the city alone where the lever can be set by area."""
        return f"{lever.lever}{AREA_MARK}{self.area}" if lever.by_area else lever.lever

    def value(self, lever: Lever) -> float:
        """Return the value of a lever in the city and the year asked about."""
        return float(lever_path(self._setting(lever), lever.default)[year_index(self.year)])

    def moved(self, lever: Lever, value: float) -> dict[str, LeverValue]:
        """Return a setting that brings a lever to a value in the year asked about: along the scenario's values until then, flat afterwards.

        Parameters
        ----------
        lever
            A lever of the case.
        value
            Value in the year.

        Returns
        -------
        dict
            The setting. Through :attr:`start` every year is that of the scenario, to the last bit; then it is linear by way of the years that
            the scenario names.
        """
        return {self.name(lever): {**self._before(lever), self.year: float(value)}}

    @property
    def start(self) -> int:
        """Last year that no question rewrites (:func:`start_year`)."""
        return start_year(self.year)

    def _before(self, lever: Lever) -> dict[int, float]:
        """Return what a lever has in the scenario before the year asked about: enough years to leave all of them through the start as they are."""
        if lever.lever not in self._kept:
            self._kept[lever.lever] = self._held(lever)
        return self._kept[lever.lever]

    @cached_property
    def _kept(self) -> dict[str, dict[int, float]]:
        return {}

    def _held(self, lever: Lever) -> dict[int, float]:
        now = self._setting(lever)
        path = lever_path(now, lever.default)
        if isinstance(now, (int, float)):
            now = {} if now == lever.default else {BASE_YEAR + 1: now}
        given = {int(y): float(v) for y, v in now.items() if int(y) < self.year}
        if self.start <= BASE_YEAR:
            return given
        through = range(BASE_YEAR + 1, self.start + 1)
        few = {**given, self.start: float(path[year_index(self.start)])}
        # one more point on a straight line may move the last bit of the others
        upto = year_index(self.start) + 1
        if np.array_equal(lever_path(few, lever.default)[:upto], path[:upto]):
            return dict(sorted(few.items()))
        return dict(sorted({**given, **{y: float(path[year_index(y)]) for y in through}}.items()))

    def _setting(self, lever: Lever) -> LeverValue:
        everywhere = self.settings.get(lever.lever, lever.default)
        return self.settings.get(f"{lever.lever}{AREA_MARK}{self.area}", everywhere)

    def shares(self, jobs: Sequence[Job]) -> Array:
        """Return the green travel share of the year for many settings.

        Parameters
        ----------
        jobs
            Settings in place of the scenario's, and a draw.

        Returns
        -------
        array (job,)
            Green travel share [dimensionless].

        Raises
        ------
        ValueError
            If a value is outside the lever's range, or a lever does not act on city travel.
        """
        on = {lever.lever: lever.parameter for lever in self.levers}
        strange = sorted({split_setting(name)[0] for settings, _ in jobs for name in settings} - on.keys())
        if strange:
            msg = f"{', '.join(strange)} does not act on the travel of {self.area}; levers that do: {', '.join(on)}"
            raise ValueError(msg)
        touched = [{on[split_setting(name)[0]] for name in settings} for settings, _ in jobs]
        moved = [
            {key: row for parameter in sorted(names) for key, row in self._rows(parameter, settings, draw).items()}
            for names, (settings, draw) in zip(touched, jobs, strict=True)
        ]
        return self._solved(moved, [draw for _, draw in jobs], touched)

    def sampled(self, settings: Mapping[str, LeverValue] | None = None) -> Array:
        """Return the green travel share of all draws ``[draw]`` [dimensionless] with some settings in place of the scenario's."""
        return self.shares([(settings or {}, draw) for draw in range(self.bare.draws)])

    def shares_with(self, inputs: Sequence[tuple[Key, Array]]) -> Array:
        """Return the green travel share of the central run with single inputs at other values, under the settings of the scenario.

        Parameters
        ----------
        inputs
            Parameter and subject, and its values ``[1, year]`` without any lever.

        Returns
        -------
        array (input,)
            Green travel share [dimensionless].
        """
        moved = [self._rows(key[0], {}, 0, self._bare_of(key[0], 0).replace(*key, values)) for key, values in inputs]
        return self._solved(moved, [0] * len(inputs), [{key[0]} for key, _ in inputs])

    # ---- many runs in one ----

    def _solved(self, moved: Sequence[Mapping[Key, Array]], draws: Sequence[int], touched: Sequence[set[str]]) -> Array:
        """Return the shares of runs that differ from the scenario in some rows ``[year]`` each, at a draw each."""
        found = np.empty(len(moved))
        same = [names.isdisjoint(self._demand_reads) for names in touched]
        for alike in (True, False):
            asked = [k for k, is_same in enumerate(same) if is_same is alike]
            for first in range(0, len(asked), AT_ONCE - 1):
                part = asked[first : first + AT_ONCE - 1]
                # the first draw is the central run, as everywhere
                at = [0, *(draws[k] for k in part)]
                params = self._assembled([{}, *(moved[k] for k in part)], at)
                demand = _at_draws(self._demand, at) if alike else None
                found[part] = green_share(self.inputs, params, self.area, self.year, demand)[1:]
        return found

    def _assembled(self, moved: Sequence[Mapping[Key, Array]], draws: Sequence[int]) -> Params:
        values = {key: array[draws] for key, array in self._values.items()}
        placed = {key for rows in moved for key in rows if key not in values}
        for k, rows in enumerate(moved):
            for key, row in rows.items():
                if key not in placed:
                    values[key][k] = row
        for key in placed:  # an area that only some runs name has what holds everywhere in the others
            values[key] = values[key[0], EVERYWHERE].copy()
            for k, rows in enumerate(moved):
                if key in rows:
                    values[key][k] = rows[key]
        highest = self._highest | {key: self._highest[key[0], EVERYWHERE] for key in placed}
        return Params(values, self._units, len(draws), highest=highest)

    def _rows(
        self, parameter: str, settings: Mapping[str, LeverValue], draw: int, bare: Params | None = None
    ) -> dict[Key, Array]:
        """Return the values ``[year]`` of all subjects of one parameter with some settings in place of the scenario's."""
        levers = [lever for lever in self.levers if lever.parameter == parameter]
        names = {lever.lever for lever in levers}
        every = {**self.settings, **settings}
        mine = {name: value for name, value in every.items() if split_setting(name)[0] in names}
        made = (bare or self._bare_of(parameter, draw)).with_levers(lever_settings(levers, mine))
        return {(parameter, subject): made.get(parameter, subject)[0] for subject in made.subjects(parameter)}

    def _bare_of(self, parameter: str, draw: int) -> Params:
        if (parameter, draw) not in self._cut:
            self._cut[parameter, draw] = stacked([(self.bare, draw)], only=(parameter,))
        return self._cut[parameter, draw]

    @cached_property
    def _cut(self) -> dict[tuple[str, int], Params]:
        return {}

    @cached_property
    def _values(self) -> dict[Key, Array]:
        params = self.params()
        return {key: params.get(*key) for key in _read(params)}

    @cached_property
    def _units(self) -> dict[str, str]:
        return {parameter: self.bare.unit(parameter) for parameter, _ in self._values}

    @cached_property
    def _highest(self) -> dict[Key, float]:
        params = self.params()
        return {key: params.highest(*key) for key in self._values}

    @cached_property
    def _demand(self) -> CityDemand:
        return city_demand(self.inputs, self.params(), self.area)

    @cached_property
    def _demand_reads(self) -> frozenset[str]:
        """Return the parameters that trips and base shares stand on; most levers leave them alone, however often the city is asked."""
        read = recorded(stacked([(self.bare, 0)]), lambda params: city_demand(self.inputs, params, self.area))
        return frozenset(parameter for parameter, _ in read)

    def readings(self) -> dict[str, float | None]:
        """Return all readings of the share of the year in the central run [dimensionless].

        Returns
        -------
        dict
            ``share``, ``without_e_bike``, ``peak``, ``cold`` (cold season), ``transit_of_motorised``, ``base`` (share of 2020), ``break_even_base`` and ``break_even_2019``
            (share of 2020 with which the target of 2030 would be met exactly; None for other years).
        """
        outcome, at = model_travel(self.inputs, stacked([(self.params(), 0)]), areas=(self.area,)), year_index(self.year)
        return {
            "share": float(outcome.green_share[0, 0, at]),
            "without_e_bike": float(outcome.green_share_without_e_bike[0, 0, at]),
            "peak": float(outcome.peak_green_share[0, 0, at]),
            "cold": float(outcome.season_green_share[0, SEASONS.index("cold"), 0, at]),
            "transit_of_motorised": float(outcome.transit_share_of_motorised[0, 0, at]),
            "base": float(outcome.green_share[0, 0, year_index(BASE_YEAR)]),
            "break_even_base": float(outcome.break_even_base_share[0, 0]) if self.year == TARGET_YEAR else None,
            "break_even_2019": float(outcome.break_even_normal_share[0, 0]) if self.year == TARGET_YEAR else None,
        }


def start_year(year: int) -> int:
    """Return the last year that a question about a year leaves as it is: the last one with observations, or the one before it.

    Parameters
    ----------
    year
        Calendar year asked about.

    Examples
    --------
    >>> start_year(2030), start_year(2023)
    (2024, 2022)
    """
    return min(LAST_OBSERVED, year - 1)


def _at_draws(demand: CityDemand, draws: Sequence[int]) -> CityDemand:
    """Return the demand of some draws, in their order."""
    return replace(
        demand,
        trips=demand.trips[:, draws],
        base=demand.base[..., draws],
        season_share=demand.season_share[:, draws],
        length_km=demand.length_km[:, draws],
        peak_share=demand.peak_share[:, draws],
    )


def green_share(inputs: Inputs, params: Params, area: str, year: int, demand: CityDemand | None = None) -> Array:
    """Return the green travel share of one city and year as the travel model has it, solving no other year.

    Parameters
    ----------
    inputs
        Tables.
    params
        Parameters with the levers of the run applied.
    area
        Prefecture code.
    year
        Calendar year.
    demand
        Demand of the city, if it is known.

    Returns
    -------
    array (draw,)
        Green travel share [dimensionless].
    """
    known = city_demand(inputs, params, area) if demand is None else demand
    service = city_service(inputs, params, area)
    problem = Problem.of(known, service, city_roads(inputs, params, area), nest_coefficients(params)).at([NORMAL_YEAR, year])
    trips = city_travel(problem, area).trips[..., 1]
    share: Array = green_of(trips, params.get("e_bike_counts_as_cycling")[:, year_index(year)]) / over(trips, 0)
    return share


def city_cases(
    inputs: Inputs,
    scenario: Scenario,
    areas: Iterable[str],
    year: int,
    *,
    draws: int | None = None,
    target: float | None = None,
) -> tuple[CityCase, ...]:
    """Return the cases of some cities in a scenario.

    Parameters
    ----------
    inputs
        Checked data.
    scenario
        A resolved scenario.
    areas
        Prefecture codes.
    year
        Calendar year that will be asked about.
    draws
        Number of draws; the scenario's own by default.
    target
        Share to ask for [dimensionless]; that of the data by default.

    Raises
    ------
    ValueError
        If an area is no prefecture of the province or the year is not modelled.
    """
    if year not in YEARS:
        msg = f"year {year} is not modelled; use {YEARS[0]} to {YEARS[-1]}"
        raise ValueError(msg)
    own, wanted = scenario_inputs(scenario, inputs), tuple(areas)
    known = prefectures(own.table("codes"))
    for area in wanted:
        if area not in known:
            msg = f"area {area!r} is no prefecture of the province; use one of {', '.join(known)}"
            raise ValueError(msg)
    params = scenario_params(replace(scenario, settings={}, draws=draws or scenario.draws), replace(own, reads={}))
    first = stacked([(params, 0)])
    made = []
    for area in wanted:
        outcome: list[TravelOutcome] = []
        read = recorded(first, lambda p, area=area, to=outcome: to.append(model_travel(own, p, areas=(area,))))  # type: ignore[misc]
        names = {parameter for parameter, _ in read}
        levers = tuple(lever for lever in own.levers if lever.parameter in names)
        able = {lever.lever for lever in levers}
        settings = {
            name: value
            for name, value in scenario.settings.items()
            if split_setting(name)[0] in able and split_setting(name)[1] in ("", area)
        }
        bare = stacked([(params, draw) for draw in range(params.draws)], only=names)
        if target is not None:
            bare = bare.replace("green_travel_target_share", EVERYWHERE, np.array(target))
        made.append(CityCase(own, scenario.name, area, year, levers, settings, bare, outcome[0].has_target[area]))
    return tuple(made)


def keys_read(case: CityCase) -> frozenset[Key]:
    """Return the parameters and subjects that the share of a city reads in its scenario."""
    return recorded(stacked([(case.params(), 0)]), lambda params: green_share(case.inputs, params, case.area, case.year))


def recorded(params: Params, use: Callable[[Params], object]) -> frozenset[Key]:
    """Return the parameters and subjects that a function reads.

    Parameters
    ----------
    params
        Parameters.
    use
        What reads them.
    """
    before = _read(params)
    use(params)
    return frozenset(key for key, count in _read(params).items() if count > before[key])


def _read(params: Params) -> dict[Key, int]:
    """Return how often each key was read."""
    return {(p, s): count for p, s, count in params.reads().iter_rows()}


def stacked(elements: Sequence[tuple[Params, int]], *, only: Collection[str] | None = None) -> Params:
    """Return parameters whose draws are those of several sets of parameters.

    Parameters
    ----------
    elements
        Parameters and one of their draws, in the order of the draws to be; what a set holds everywhere holds for areas that only others name.
    only
        Parameters to keep; all by default.
    """
    runs = list({id(run): run for run, _ in elements}.values())
    place = {id(run): k for k, run in enumerate(runs)}
    of_run = np.array([place[id(run)] for run, _ in elements])
    draws = np.array([draw for _, draw in elements])
    whole = len(runs) == 1 and draws.tolist() == list(range(runs[0].draws))
    keys = sorted({key for run in runs for key in _read(run) if only is None or key[0] in only})
    values, highest = {}, {}
    for parameter, subject in keys:
        held = [run.get(parameter, subject if run.has(parameter, subject) else EVERYWHERE) for run in runs]
        if whole:
            values[parameter, subject] = held[0]
        elif all(array is held[0] for array in held):
            values[parameter, subject] = held[0][draws]
        else:
            values[parameter, subject] = np.stack([held[k][draw] for k, draw in zip(of_run, draws, strict=True)])
        highest[parameter, subject] = max(
            run.highest(parameter, subject if run.has(parameter, subject) else EVERYWHERE) for run in runs
        )
    units = {parameter: runs[0].unit(parameter) for parameter, _ in keys}
    return Params(values, units, len(elements), highest=highest)
