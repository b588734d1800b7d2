"""Changes of a scenario file: levers, their values by year, projects, closures, sites and run options; only what differs from the base is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transport.layout import BASE_YEAR, YEARS
from transport.params import lever_path, split_setting
from transport.scenario import RunOptions
from transport.scenario_sections import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.params import Lever, LeverValue
    from transport.scenario import Scenario, ScenarioFile

#: Run options that can be chosen, with their values.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "capacity": ("equilibrium", "fixed"),
    "network": ("compact", "fine"),
    "simulate": ("none", "sample", "full"),
    "sales": ("path", "tco"),
}
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Scale:
    """How the value of a lever is shown: shares and their changes in per cent, everything else as it is.

    Attributes
    ----------
    factor
        Shown value per value.
    step
        Of the buttons beside the number, in shown values.
    """

    factor: float
    step: float

    def shown(self, value: float) -> float:
        """Return a value as it is shown."""
        return round(value * self.factor, _DIGITS)

    def value(self, shown: float) -> float:
        """Return the value of what is shown.

        >>> Scale(100.0, 1.0).value(62.6)
        0.626
        """
        return round(shown / self.factor, _DIGITS + 2)


def scale_of(lever: Lever, unit: str) -> Scale:
    """Return how the value of a lever is shown.

    Parameters
    ----------
    lever
        The lever.
    unit
        Its unit.

    Examples
    --------
    >>> from transport.params import Lever
    >>> scale_of(Lever("a", "a", "all", "set", 0.0, 1.0, 0.3), "dimensionless").factor
    100.0
    """
    width = lever.maximum - lever.minimum
    if unit == "dimensionless" and lever.operation != "scale" and max(abs(lever.minimum), abs(lever.maximum)) <= 1.0:
        return Scale(100.0, 1.0)
    if lever.operation == "scale":
        return Scale(1.0, 0.05)
    return Scale(1.0, 1.0 if width >= 10.0 else 0.01)


def value_of(settings: Mapping[str, LeverValue], name: str, lever: Lever) -> LeverValue:
    """Return what a scenario sets for a lever, or for a lever in an area: what is set everywhere, or the default.

    Parameters
    ----------
    settings
        Of the resolved scenario.
    name
        Lever, or lever ``@`` area.
    lever
        The lever.
    """
    plain, _ = split_setting(name)
    found: LeverValue = settings.get(name, settings.get(plain, lever.default))
    return found


def is_path(value: LeverValue) -> bool:
    """Return whether a value is given by year."""
    return not isinstance(value, (int, float))


def same(one: LeverValue, other: LeverValue) -> bool:
    """Return whether two values say the same in the same words."""
    if isinstance(one, (int, float)) or isinstance(other, (int, float)):
        return one == other
    return {int(y): float(x) for y, x in one.items()} == {int(y): float(x) for y, x in other.items()}


def set_lever(file: ScenarioFile, base: Mapping[str, LeverValue], name: str, value: LeverValue, lever: Lever) -> ScenarioFile:
    """Return a file with a lever set; what the base has anyway is not written.

    Parameters
    ----------
    file
        The scenario.
    base
        Settings of the scenario without its own.
    name
        Lever, or lever ``@`` area.
    value
        New value.
    lever
        The lever.
    """
    own = dict(file.set)
    if name in base or split_setting(name)[1] == "":
        usual = base.get(name, lever.default)
        if same(value, usual):
            own.pop(name, None)
            return file.model_copy(update={"set": own})
    own[name] = float(value) if isinstance(value, (int, float)) else {int(y): float(value[y]) for y in sorted(value)}
    return file.model_copy(update={"set": own})


def unset(file: ScenarioFile, name: str) -> ScenarioFile:
    """Return a file without its own setting of a lever."""
    return file.model_copy(update={"set": {k: v for k, v in file.set.items() if k != name}})


def with_years(value: LeverValue, years: Sequence[int], default: float) -> LeverValue:
    """Return a value given for other years: new ones take what it comes to there; without years it is one number again.

    Parameters
    ----------
    value
        As it is.
    years
        To be given.
    default
        Of the lever, which stands in the base year.

    Examples
    --------
    >>> with_years({2025: 1.0, 2035: 2.0}, [2030, 2035], 1.0), with_years({2025: 1.0, 2035: 2.0}, [], 1.0)
    ({2030: 1.5, 2035: 2.0}, 2.0)
    """
    if not years:
        if isinstance(value, (int, float)):
            return float(value)
        return float(value[max(value)])
    path = lever_path(value, default)
    kept = {} if isinstance(value, (int, float)) else {int(y): float(x) for y, x in value.items()}
    return {year: kept.get(year, round(float(path[YEARS.index(year)]), 6)) for year in sorted(years)}


def set_opening(file: ScenarioFile, project: str, year: int | None) -> ScenarioFile:
    """Return a file in which a project opens in a year; None = never."""
    return file.model_copy(update={"projects": {**file.projects, project: NEVER if year is None else year}})


def set_by_year(file: ScenarioFile, section: str, name: str, year: int, value: float) -> ScenarioFile:
    """Return a file with one more year of a closure or of a site.

    Parameters
    ----------
    file
        The scenario.
    section
        ``closures`` or ``sites``.
    name
        Link, terminal or zone.
    year, value
        Share of the year that it is closed, or activity relative to the data [-].
    """
    there: Mapping[str, Mapping[int, float]] = getattr(file, section)
    path = {**there.get(name, {}), year: value}
    return file.model_copy(update={section: {**there, name: {y: path[y] for y in sorted(path)}}})


def take_out(file: ScenarioFile, section: str, name: str) -> ScenarioFile:
    """Return a file without an entry of a section."""
    return file.model_copy(update={section: {k: v for k, v in getattr(file, section).items() if k != name}})


def set_option(file: ScenarioFile, base: Scenario, option: str, value: str) -> ScenarioFile:
    """Return a file with a run option; what the base has anyway is not written."""
    return file.model_copy(
        update={"run": file.run.model_copy(update={option: None if getattr(base, option) == value else value})}
    )


def bare(file: ScenarioFile) -> ScenarioFile:
    """Return a file without anything of its own: its base and its overrides."""
    update: dict[str, Any] = {"set": {}, "projects": {}, "closures": {}, "sites": {}, "run": RunOptions()}
    return file.model_copy(update=update)


#: Years that a value may be given for.
SETTABLE = tuple(year for year in YEARS if year > BASE_YEAR)
