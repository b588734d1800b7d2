"""What many runs of the freight model have in common: networks, demand and chains, and the solved base year.

No lever, project, closure or site moves the base year, and only few change the networks. So of two runs on the same tables the second takes
networks and base year from the first, bit by bit what it would have found itself. That holds from command to command, too: a solved base year is
kept on disk (:mod:`transport.base_store`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from networks.errors import CalibrationError
from transport import base_store
from transport.closures import SITE_LEVEL
from transport.freight_calibration import MARGINS
from transport.freight_model import BaseModel, first_fit, rebased, solve_base
from transport.freight_rebuild import rebuilt
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from transport.freight_limits import Limits
    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

_BASE = year_index(BASE_YEAR)
#: Tables that networks, demand and limits are made from.
_READ = ("networks/", "demand/")
#: Lever that opens links: the only parameter of a run that the networks depend on.
_OPENS, _OPEN = "planned_links_open", 0.5


@dataclass(frozen=True)
class _Start:
    """A base model with what it was made from, and how often it read each parameter."""

    inputs: Inputs
    opened: tuple[bool, ...]
    held: int | None
    base: BaseModel
    reads: Mapping[tuple[str, str], int]


class FreightStarts:
    """Base models of earlier runs, the latest last, for runs on the same tables.

    Parameters
    ----------
    most
        How many are kept; each holds the networks of all years.
    rebuild
        Whether a run on other networks takes what it shares, too. All tables stay what they are but the counts of ``parameters_used``.
    """

    def __init__(self, most: int = 3, *, rebuild: bool = True) -> None:
        self._kept: list[_Start] = []
        self._most, self._rebuild, self._opened = most, rebuild, False
        self.built = 0

    def base_of(self, inputs: Inputs, params: Params, *, hold_network_after: int | None = None, light: bool = False) -> BaseModel:
        """Return the base model of a run: networks and base year of an earlier run where they are the same, else its own.

        Parameters
        ----------
        inputs, params, hold_network_after
            As in :func:`transport.freight_model.solve_base`.
        light
            As in :func:`transport.freight_model.rebased`.

        Returns
        -------
        BaseModel
            With costs and limits of this run.
        """
        self._open()
        reads = {} if inputs.reads is None else inputs.reads
        before = dict(reads)
        opened = tuple(bool(x) for x in params.get(_OPENS)[0] > _OPEN)
        alike = [start for start in reversed(self._kept) if start.held == hold_network_after]
        for start in alike:
            if start.opened == opened and _same_tables(start.inputs, inputs) and _same_parameters(start.inputs, inputs):
                base = _tried(partial(rebased, light=light), inputs, params, start.base)
                if base is not None and (light or _same_limits(start.base.limits, base.limits)):
                    self._use(start)
                    _set(reads, before, start.reads)
                    return base
        for start in (
            alike if self._rebuild else ()
        ):  # other projects, closures or sites: the base year is the same and most networks are
            if _same_parameters(start.inputs, inputs, but=frozenset({SITE_LEVEL})):
                base = _tried(partial(rebuilt, hold_network_after=hold_network_after), inputs, params, start.base)
                if base is not None:
                    self._use(start)
                    self._use(_Start(inputs, opened, hold_network_after, base, start.reads))
                    _set(reads, before, start.reads)
                    return base
        _set(reads, before, {})
        base = solve_base(inputs, params, hold_network_after=hold_network_after)
        self.built += 1
        count = {key: n - before.get(key, 0) for key, n in reads.items() if n > before.get(key, 0)}
        start = _Start(inputs, opened, hold_network_after, base, count)
        self._use(start)
        folder = base_store.base_folder()
        if folder is not None:  # with what light runs make of it
            first_fit(replace(inputs, reads=None), base)
            for state in set(base.prepared.state_of_year):
                base.compact(state)
            base_store.keep(start, folder, _key(start))
        return base

    def _open(self) -> None:
        """Take in what earlier commands have left, once."""
        folder = None if self._opened else base_store.base_folder()
        self._opened = True
        if folder is not None:
            self._kept = [*base_store.kept(folder), *self._kept]

    def _use(self, start: _Start) -> None:
        """Put a start last; the one that was not used for longest goes if there are too many."""
        self._kept = [*(kept for kept in self._kept if kept is not start), start][-self._most :]


def _key(start: _Start) -> str:
    """Return what tells a start from others, so that each is kept once."""
    tables = [
        (name, int(frame.hash_rows().sum())) for name, frame in sorted(start.inputs.tables.items()) if name.startswith(_READ)
    ]
    return hashlib.sha256(repr((start.inputs.data_hash, start.opened, start.held, tables)).encode()).hexdigest()[:16]


def _tried(
    take: Callable[[Inputs, Params, BaseModel], BaseModel], inputs: Inputs, params: Params, base: BaseModel
) -> BaseModel | None:
    """Return what can be taken from an earlier run, None where its base year is another one."""
    try:
        return take(inputs, params, base)
    except CalibrationError:
        return None


def _set(reads: dict[tuple[str, str], int], before: Mapping[tuple[str, str], int], more: Mapping[tuple[str, str], int]) -> None:
    """Put a record of reads to what the run alone would have come to; it is shared, so it stays the same object."""
    reads.clear()
    reads.update(before)
    reads.update({key: before.get(key, 0) + count for key, count in more.items()})


def _same_limits(one: Limits, other: Limits) -> bool:
    """Return whether two runs have the same limits in the base year."""
    if one.gap != other.gap or one.terminals.keys() != other.terminals.keys():
        return False
    pairs: list[tuple[Mapping[Any, Array], Mapping[Any, Array]]] = [
        (one.values, other.values),
        (one.pipe_capacity_t, other.pipe_capacity_t),
        (one.rail_capacity_t, other.rail_capacity_t),
    ]
    pairs += [(one.terminals[kind], other.terminals[kind]) for kind in one.terminals]
    if not all(_same_at_base(a, b) for a, b in pairs):
        return False
    roads, others = one.roads, other.roads
    if roads.position != others.position or len(roads.car_pcu) != len(others.car_pcu):
        return False
    arrays = [(getattr(roads, name), getattr(others, name)) for name in ("capacity_t", "alpha", "beta", "t_per_pcu")]
    return all(np.array_equal(a[:, _BASE], b[:, _BASE]) for a, b in (*arrays, *zip(roads.car_pcu, others.car_pcu, strict=True)))


def _same_at_base(one: Mapping[Any, Array], other: Mapping[Any, Array]) -> bool:
    """Return whether series ``[year]`` by name are the same in the base year."""
    return one.keys() == other.keys() and all(np.array_equal(a[_BASE], other[k][_BASE], equal_nan=True) for k, a in one.items())


def _same_tables(one: Inputs, other: Inputs) -> bool:
    """Return whether two runs read the same networks and demand."""
    first, second = ({k: frame for k, frame in x.tables.items() if k.startswith(_READ)} for x in (one, other))
    return first.keys() == second.keys() and all(frame is second[k] or frame.equals(second[k]) for k, frame in first.items())


def _same_parameters(one: Inputs, other: Inputs, *, but: frozenset[str] = frozenset()) -> bool:
    """Return whether central parameters are the same in the base year, and those of the margins with their ranges; some need not be there in both."""
    if one.parameters is other.parameters or one.parameters.equals(other.parameters):
        return True
    margins = [parameter for _, parameter in MARGINS]
    first, second = (x.parameters.filter(pl.col("parameter").is_in(margins)) for x in (one, other))
    if not first.equals(second):
        return False
    a, b = (replace(x, reads=None).params() for x in (one, other))
    keys = [set(x.reads().filter(~pl.col("parameter").is_in(but)).select("parameter", "subject").rows()) for x in (a, b)]
    if keys[0] != keys[1]:
        return False
    return all(np.array_equal(a.get(*key)[:, _BASE], b.get(*key)[:, _BASE]) for key in a.unlike(b))
