"""Parameters on the common layout: one array ``[draw, year]`` per (parameter, subject).

Rows come from ``data/parameters/*.csv``; several years of one key are joined linearly and held flat outside. Levers act here and nowhere else.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from transport.layout import BASE_YEAR, FIRST_YEAR, YEARS
from transport.sampling import Rows, quantiles, sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from transport.sampling import Correlation, Design, Key

#: A lever's value: one number from 2021 on, or numbers by year.
LeverValue: TypeAlias = "float | Mapping[int, float]"

#: Between a lever and the area that a setting is for: ``bus_priority@210100``.
AREA_MARK = "@"
#: Subject whose rows an area takes that has none of its own.
EVERYWHERE = "all"

_YEAR_AXIS = np.asarray(YEARS, dtype=np.float64)


class _OneDraw(Mapping["Key", "NDArray[np.float64]"]):
    """Values of one draw, cut out when they are read: most are not."""

    def __init__(self, values: Mapping[Key, NDArray[np.float64]], draw: int) -> None:
        self._values, self._draw = values, draw

    def __getitem__(self, key: Key) -> NDArray[np.float64]:
        return self._values[key][self._draw : self._draw + 1]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values


class ParameterError(KeyError):
    """Exception for a parameter or subject that no data row holds."""

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError adds."""
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Lever:
    """One handle on one parameter row (``data/levers.csv``).

    Attributes
    ----------
    lever
        Identifier, used in scenario files.
    parameter, subject
        The row it acts on; subject ``*`` means every subject of the parameter.
    operation
        ``set`` replaces, ``add`` adds, ``scale`` multiplies.
    minimum, maximum
        Allowed range of the value.
    default
        Value that changes nothing.
    by_area
        Whether it may also be set for one area; a lever of subject ``*``.
    """

    lever: str
    parameter: str
    subject: str
    operation: str
    minimum: float
    maximum: float
    default: float
    by_area: bool = False

    def at(self, area: str) -> Lever:
        """Return the lever on the rows of one area.

        Raises
        ------
        ValueError
            If it cannot be set by area.
        """
        if not self.by_area:
            msg = f"{self.lever} cannot be set by area"
            raise ValueError(msg)
        return replace(self, subject=area)

    @property
    def area(self) -> str:
        """The area that it is for; empty = everywhere."""
        return self.subject if self.by_area and self.subject != "*" else ""


def split_setting(name: str) -> tuple[str, str]:
    """Return lever and area of the name of a setting; area empty = everywhere.

    >>> split_setting("bus_priority@210100"), split_setting("road_toll")
    (('bus_priority', '210100'), ('road_toll', ''))
    """
    lever, _, area = name.partition(AREA_MARK)
    return lever, area


def lever_settings(levers: Iterable[Lever], settings: Mapping[str, LeverValue]) -> list[tuple[Lever, LeverValue]]:
    """Return the settings of a scenario as :meth:`Params.with_levers` takes them: those everywhere in their order, then those of one area.

    Parameters
    ----------
    levers
        The known levers.
    settings
        Lever, or lever ``@`` area -> value.

    Raises
    ------
    KeyError
        If a lever is not known.
    ValueError
        If one that cannot be set by area is.
    """
    known = {lever.lever: lever for lever in levers}
    named = [(*split_setting(name), value) for name, value in settings.items()]
    placed = [(known[name].at(area), value) for name, area, value in named if area]
    return [*((known[name], value) for name, area, value in named if not area), *placed]


def seed_for(seed: int, purpose: str, replication: int = 0) -> np.random.SeedSequence:
    """Return the seed of one named purpose and replication.

    Seeds come from names, so that adding a purpose reshuffles nothing else and the number of workers does not matter.
    """
    digest = hashlib.sha256(f"{seed}:{purpose}:{replication}".encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest[:16], "big"))


def lever_path(value: LeverValue, default: float) -> NDArray[np.float64]:
    """Return a lever's value per year of the model.

    Parameters
    ----------
    value
        A number (holds from 2021 on) or a mapping year -> number.
    default
        The neutral value; it holds through the base year 2020.

    Returns
    -------
    array (year,)
        Default through 2020, linear between the given years (2020 = default), flat after the last.

    Raises
    ------
    ValueError
        If a given year is not after 2020: no lever moves the base year.
    """
    path = np.full(len(YEARS), default, dtype=np.float64)
    after = _YEAR_AXIS > BASE_YEAR
    if isinstance(value, (int, float)):
        path[after] = float(value)
        return path
    given = sorted((int(year), float(number)) for year, number in value.items())
    if not given or given[0][0] <= BASE_YEAR:
        msg = f"a lever acts after {BASE_YEAR}; got {dict(given)}"
        raise ValueError(msg)
    anchors = [(BASE_YEAR, default), *given]
    path[after] = np.interp(_YEAR_AXIS[after], [a[0] for a in anchors], [a[1] for a in anchors])
    return path


class Params:
    """Parameter values of one run, ``[draw, year]`` by (parameter, subject).

    The first draw takes the central values, whatever the number of draws. The others take quantiles of every uncertain key from a design
    (:mod:`transport.sampling`), one quantile for all years of the key, so that the base year and 2030 share the draw.
    """

    def __init__(
        self,
        values: Mapping[tuple[str, str], NDArray[np.float64]],
        units: Mapping[str, str],
        draws: int,
        reads: dict[tuple[str, str], int] | None = None,
        parents: Mapping[str, str] | None = None,
        highest: Mapping[tuple[str, str], float] | None = None,
        placed: frozenset[tuple[str, str]] = frozenset(),
        lowest: Mapping[tuple[str, str], float] | None = None,
    ) -> None:
        self._values: Mapping[Key, NDArray[np.float64]] = dict(values)
        self._highest = dict(highest or {})
        self._lowest = dict(lowest or {})
        self._parents = dict(parents or {})
        self._units = dict(units)
        self._reads = {} if reads is None else reads
        #: Keys of areas that have no rows but values, since a lever is set for them.
        self._placed = placed
        self._subjects: dict[str, list[str]] = {}
        for parameter, subject in sorted(self._values):
            self._subjects.setdefault(parameter, []).append(subject)
        self.draws = draws
        for array in self._values.values():
            array.setflags(write=False)

    @classmethod
    def from_frame(
        cls,
        rows: pl.DataFrame,
        *,
        draws: int = 1,
        seed: int = 0,
        reads: dict[tuple[str, str], int] | None = None,
        only: Iterable[int] | None = None,
        design: Design = "lhs",
        correlations: Iterable[Correlation] = (),
    ) -> Params:
        """Build parameters from the joined parameter tables.

        Parameters
        ----------
        rows
            Columns parameter, subject, year, value, low, high, distribution, unit (others are ignored); rows without a value are skipped.
        draws
            Number of draws of the design, the central one included.
        seed
            Seed of the sampling; unused with one draw.
        reads
            Record to count reads in, if several parameters of one run share one.
        only
            Draws of the design to hold, all by default. The central draw always comes first.
        design, correlations
            As in :func:`transport.sampling.quantiles`.

        Raises
        ------
        transport.sampling.DesignError
            If there is no such design, or the correlations contradict each other.
        ValueError
            If a draw is asked for that the design does not have.
        """
        if draws == 1 and only is None:
            return cls.from_quantiles(rows, {}, reads=reads)
        drawn = quantiles(ranged_keys(rows), draws, lambda name: seed_for(seed, name), design=design, correlations=correlations)
        at = list(range(draws)) if only is None else [0, *(k for k in only if k != 0)]
        if not all(0 <= k < draws for k in at):
            msg = f"draws {min(at)} to {max(at)} of a design with draws 0 to {draws - 1}"
            raise ValueError(msg)
        return cls.from_quantiles(rows, {key: u[at] for key, u in drawn.items()}, draws=len(at), reads=reads)

    @classmethod
    def from_quantiles(
        cls,
        rows: pl.DataFrame,
        drawn: Mapping[Key, NDArray[np.float64]],
        *,
        draws: int = 1,
        reads: dict[tuple[str, str], int] | None = None,
    ) -> Params:
        """Build parameters whose draws take given quantiles of their ranges.

        Parameters
        ----------
        rows, reads
            As in :meth:`from_frame`.
        drawn
            Key -> quantile of every draw ``[draw]``, 0 to 1; NaN and keys that are not named take the central values.
        draws
            Length of the draw axis.
        """
        values: dict[tuple[str, str], NDArray[np.float64]] = {}
        units: dict[str, str] = {}
        highest: dict[tuple[str, str], float] = {}
        lowest: dict[tuple[str, str], float] = {}
        known = rows.filter(pl.col("value").is_not_null()).sort("parameter", "subject", "year", nulls_last=True)
        names = list(zip(known["parameter"].to_list(), known["subject"].to_list(), strict=True))
        starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
        table = Rows.read(known)
        unit = known["unit"].to_list()
        for first, last in zip(starts, [*starts[1:], len(names)], strict=True):
            key = names[first]
            units[key[0]] = unit[first]
            group = table.part(slice(first, last))
            values[key] = sample(group, drawn.get(key), draws)
            highest[key] = float(group.high.max())
            lowest[key] = float(group.low.min())
        return cls(values, units, draws, reads, highest=highest, lowest=lowest)

    def get(self, parameter: str, subject: str = "all") -> NDArray[np.float64]:
        """Return one parameter as a read-only array ``[draw, year]`` in the unit of its rows.

        Raises
        ------
        ParameterError
            If no data row holds the parameter or the subject; the message names the nearest one.
        """
        key = self._key(parameter, subject)
        try:
            found = self._values[key]
        except KeyError:
            raise ParameterError(self._hint(parameter, subject)) from None
        self._reads[key] = self._reads.get(key, 0) + 1
        return found

    def highest(self, parameter: str, subject: str = "all") -> float:
        """Return the upper end of the rows of a key, the largest value where they have no range: the same whatever the number of draws.

        Raises
        ------
        ParameterError
            If no data row holds the parameter or the subject.
        """
        try:
            return self._highest[self._key(parameter, subject)]
        except KeyError:
            raise ParameterError(self._hint(parameter, subject)) from None

    def lowest(self, parameter: str, subject: str = "all") -> float:
        """Return the lower end of the rows of a key, the smallest value where they have no range: the same whatever the number of draws.

        Raises
        ------
        ParameterError
            If no data row holds the parameter or the subject.
        """
        try:
            return self._lowest[self._key(parameter, subject)]
        except KeyError:
            raise ParameterError(self._hint(parameter, subject)) from None

    def has(self, parameter: str, subject: str = "all") -> bool:
        """Return whether a data row holds this parameter and subject."""
        return self._key(parameter, subject) in self._values

    def own(self, parameter: str, subject: str) -> bool:
        """Return whether the subject has a row itself, not by its parent."""
        return (parameter, subject) in self._values

    def inheriting(self, parents: Mapping[str, str]) -> Params:
        """Return parameters in which a subject without a row of its own takes its parent's.

        Parameters
        ----------
        parents
            Subject -> parent. It also holds for compound subjects: ``urban_bus_8m:diesel`` takes ``urban_bus:diesel``.
        """
        return Params(self._values, self._units, self.draws, self._reads, parents, self._highest, self._placed, self._lowest)

    def recorded(self, reads: dict[tuple[str, str], int] | None) -> Params:
        """Return the same values with a record of reads of their own.

        Parameters
        ----------
        reads
            As in :meth:`from_frame`.
        """
        made = copy.copy(self)
        made._reads = {} if reads is None else reads  # noqa: SLF001  (its own class)
        return made

    def _key(self, parameter: str, subject: str) -> tuple[str, str]:
        """Return the key that holds a value: the subject's own row, else its parent's."""
        head, colon, rest = subject.partition(":")
        if (parameter, subject) in self._values or head not in self._parents:
            return parameter, subject
        return parameter, f"{self._parents[head]}{colon}{rest}"

    def unlike(self, other: Params) -> tuple[tuple[str, str], ...]:
        """Return the keys (parameter, subject) that both hold with other values, sorted."""
        both = sorted(self._values.keys() & other._values.keys())
        return tuple(key for key in both if not np.array_equal(self._values[key], other._values[key]))

    def subjects(self, parameter: str) -> tuple[str, ...]:
        """Return the subjects of a parameter, sorted.

        Raises
        ------
        ParameterError
            If no data row holds the parameter.
        """
        if parameter not in self._subjects:
            raise ParameterError(self._hint(parameter, "all"))
        return tuple(self._subjects[parameter])

    def unit(self, parameter: str) -> str:
        """Return the unit string of a parameter."""
        return self._units[parameter]

    def reads(self) -> pl.DataFrame:
        """Return how often each key was read: parameter, subject, reads (0 = unused by the run)."""
        keys = sorted(self._values)
        return pl.DataFrame(
            {
                "parameter": [k[0] for k in keys],
                "subject": [k[1] for k in keys],
                "reads": [self._reads.get(k, 0) for k in keys],
            }
        )

    def with_levers(self, settings: Iterable[tuple[Lever, LeverValue]]) -> Params:
        """Return parameters with levers applied, in the order given.

        Parameters
        ----------
        settings
            Levers and values; a lever of one area (:meth:`Lever.at`) stands in place of the same lever everywhere.

        Raises
        ------
        ParameterError
            If a lever's target row does not exist.
        ValueError
            If a value is outside the lever's range or a year is not after 2020.

        Notes
        -----
        A lever of one area acts on the rows of the area, or on its own copy of those of ``all`` where it has none: with the same draws, so that
        a lever that is set alike everywhere and in one area changes nothing. A default value keeps the area out of what is set everywhere.
        """
        settings = list(settings)
        made, own = self._placing(lever for lever, _ in settings if lever.area)
        values = dict(made._values)  # noqa: SLF001  (its own class)
        for lever, value in settings:
            used = lever_path(value, lever.default)[_YEAR_AXIS > BASE_YEAR]
            if used.min() < lever.minimum or used.max() > lever.maximum:
                msg = f"{lever.lever} = {value} is outside {lever.minimum:g} to {lever.maximum:g}"
                raise ValueError(msg)
            if bool((used == lever.default).all()):
                continue
            subjects = made._reached(lever, own.get(lever.lever, ()))  # noqa: SLF001  (its own class)
            if not subjects or (lever.parameter, subjects[0]) not in values:
                raise ParameterError(self._hint(lever.parameter, lever.subject))
            for subject in subjects:
                values[lever.parameter, subject] = _apply(values[lever.parameter, subject], lever, value)
        return made._copy(values)  # noqa: SLF001  (its own class)

    def _placing(self, levers: Iterable[Lever]) -> tuple[Params, dict[str, list[str]]]:
        """Return parameters in which every area that a lever is for has values of its own, and lever -> its areas."""
        values, placed, own = dict(self._values), set(self._placed), dict[str, list[str]]()
        for lever in levers:
            key = (lever.parameter, lever.subject)
            own.setdefault(lever.lever, []).append(lever.subject)
            if key not in values:
                if (lever.parameter, EVERYWHERE) not in values:
                    raise ParameterError(self._hint(*key))
                values[key] = values[lever.parameter, EVERYWHERE]
                placed.add(key)
        highest = {key: self._highest[key[0], EVERYWHERE] for key in placed if (key[0], EVERYWHERE) in self._highest}
        lowest = {key: self._lowest[key[0], EVERYWHERE] for key in highest if (key[0], EVERYWHERE) in self._lowest}
        made = Params(
            values,
            self._units,
            self.draws,
            self._reads,
            self._parents,
            {**highest, **self._highest},
            frozenset(placed),
            {**lowest, **self._lowest},
        )
        return made, own

    def _reached(self, lever: Lever, areas: Sequence[str]) -> list[str]:
        """Return the subjects that a lever acts on, but for areas that it is set for."""
        if lever.area:
            return [lever.subject]
        if lever.subject == "*":
            return [s for s in self._subjects.get(lever.parameter, []) if s not in areas]
        copies = [s for p, s in sorted(self._placed) if p == lever.parameter and lever.subject == EVERYWHERE]
        return [lever.subject, *copies]

    def hold(self, year: int, *, but: Iterable[str] = ()) -> Params:
        """Return parameters whose values after ``year`` equal those of ``year``, except for the parameters named in ``but``."""
        keep = frozenset(but)
        cut = year - FIRST_YEAR
        values = dict(self._values)
        for key, array in values.items():
            if key[0] not in keep:
                held = array.copy()
                held[:, cut + 1 :] = array[:, cut : cut + 1]
                values[key] = held
        return self._copy(values)

    def replace(self, parameter: str, subject: str, array: NDArray[np.float64]) -> Params:
        """Return parameters with one key replaced by an array ``[draw, year]``."""
        if (parameter, subject) not in self._values:
            raise ParameterError(self._hint(parameter, subject))
        values = dict(self._values)
        values[parameter, subject] = np.broadcast_to(array, (self.draws, len(YEARS))).astype(np.float64)
        return self._copy(values)

    def first(self) -> Params:
        """Return the first draw alone: the central values, with the levers of the run."""
        return self.at(0)

    def at(self, draw: int) -> Params:
        """Return one draw alone."""
        made = copy.copy(self)
        made._values = _OneDraw(self._values, draw)  # noqa: SLF001  (its own class)
        made.draws = 1
        return made

    @classmethod
    def stack(cls, parts: Sequence[Params]) -> Params:
        """Return parameters whose draws are those of several, one after the other: cases that differ in their levers, say.

        Parameters
        ----------
        parts
            At least one, made from the same rows.
        """
        first = parts[0]
        placed = frozenset[tuple[str, str]]().union(*(p._placed for p in parts))  # noqa: SLF001  (its own class)
        draws = sum(p.draws for p in parts)
        values: dict[tuple[str, str], NDArray[np.float64]] = {}
        for key in sorted(first._values.keys() | placed):  # noqa: SLF001
            # an area that only some of them know follows the row for everywhere in the others
            found = [p._values[key if key in p._values else (key[0], EVERYWHERE)] for p in parts]  # noqa: SLF001
            one = found[0]
            same = one.shape[0] == 1 and all(other is one or np.array_equal(other, one) for other in found[1:])
            values[key] = np.broadcast_to(one, (draws, one.shape[1])) if same else np.concatenate(found)
        highest, lowest = dict[tuple[str, str], float](), dict[tuple[str, str], float]()
        for p in parts:
            highest |= p._highest  # noqa: SLF001
            lowest |= p._lowest  # noqa: SLF001
        return cls(values, first._units, draws, first._reads, first._parents, highest, placed, lowest)  # noqa: SLF001

    def _copy(self, values: dict[tuple[str, str], NDArray[np.float64]]) -> Params:
        """Return parameters with other values of the same keys; one run, one record of what was read."""
        made = copy.copy(self)
        made._values = values  # noqa: SLF001  (its own class)
        for array in values.values():
            array.setflags(write=False)
        return made

    def _hint(self, parameter: str, subject: str) -> str:
        if parameter in self._subjects:
            near = difflib.get_close_matches(subject, self._subjects[parameter], n=3, cutoff=0.3)
            return f"parameter {parameter} has no subject {subject!r}; did you mean {', '.join(near) or 'one of ' + ', '.join(self._subjects[parameter][:8])}?"
        near = difflib.get_close_matches(parameter, self._subjects, n=3, cutoff=0.5)
        return f"no parameter {parameter!r}" + (f"; did you mean {', '.join(near)}?" if near else "")


def ranged_keys(rows: pl.DataFrame) -> list[Key]:
    """Return the keys (parameter, subject) of which a row has a range, sorted: those that a design draws.

    Parameters
    ----------
    rows
        Parameter rows, as in :meth:`Params.from_frame`.
    """
    wide = rows.filter(pl.col("value").is_not_null(), pl.col("low").is_not_null())
    return sorted(wide.select("parameter", "subject").unique().iter_rows())


def _apply(array: NDArray[np.float64], lever: Lever, value: LeverValue) -> NDArray[np.float64]:
    """Return a parameter ``[draw, year]`` with a lever applied after the base year."""
    after = _YEAR_AXIS > BASE_YEAR
    changed = array.copy()
    if lever.operation == "set":
        # Each draw starts from its own value of the base year: a path is linear in its start.
        start = array[:, [BASE_YEAR - FIRST_YEAR]]
        from_zero, from_one = lever_path(value, 0.0)[after], lever_path(value, 1.0)[after]
        changed[:, after] = from_zero + (from_one - from_zero) * start
    elif lever.operation == "add":
        changed[:, after] += lever_path(value, lever.default)[after]
    elif lever.operation == "scale":
        changed[:, after] *= lever_path(value, lever.default)[after]
    else:
        msg = f"unknown lever operation {lever.operation!r}; use set, add or scale"
        raise ValueError(msg)
    return changed
