"""What the carbon intensity of operating transport is made of: turnover, loads, work, powertrains, energy per work, carbon per energy.

Made from the parts of a run; the split of a change between two states is in :mod:`transport.attribution`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from transport.layout import SCOPES, WorkKey, year_index
from transport.parts import part_of_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.layout import EnergyUse
    from transport.parts import Parts

    Array = NDArray[np.float64]

_FREIGHT = "freight"
_TOLERANCE = 1e-9


class AttributionError(ValueError):
    """Exception for states that cannot be built or compared."""


class Cell(NamedTuple):
    """Part of the transport system and service with a turnover of its own; pipelines by kind."""

    part: str
    service: str

    @property
    def is_freight(self) -> bool:
        """Return whether the cell carries goods."""
        return self.service == _FREIGHT or self.part == "pipeline"


@dataclass(frozen=True)
class State:
    """What the intensity is made of; arrays end with the axes ``[draw, year]``. Shares and rates of what does no work are nan.

    Attributes
    ----------
    cells, classes, rows, carriers
        Labels: cells; (position of the cell, vehicle class); (position of the class, powertrain, whether its drive is electric); carriers.
    turnover
        Converted turnover without the shock of COVID ``[cell, ...]`` [tkm/yr].
    recovery, load_recovery
        Level of the turnover, and of the loads, against that ``[cell, ...]`` [-].
    work
        Work at the reference load per unit of turnover at loads without the shock ``[class, ...]``, for example [km/tkm].
    electric
        Share of the work done with electricity from the grid ``[class, ...]`` [-].
    share
        Share of the powertrain in the work of its class and drive ``[row, ...]`` [-].
    use
        Energy per unit of work ``[row, carrier, ...]`` in the carrier's native unit.
    factor
        CO2 per native unit ``[scope, carrier, ...]`` [t].
    """

    cells: tuple[Cell, ...]
    classes: tuple[tuple[int, str], ...]
    rows: tuple[tuple[int, str, bool], ...]
    carriers: tuple[str, ...]
    turnover: Array
    recovery: Array
    load_recovery: Array
    work: Array
    electric: Array
    share: Array
    use: Array
    factor: Array

    def at(self, year: int) -> State:
        """Return the state of one year, with a year axis of length one."""
        i = year_index(year)
        return _cut(self, (..., slice(i, i + 1)))

    def filled(self, other: State) -> State:
        """Return the state with the rates of what does no work taken from the other: a new powertrain brings its own rates along.

        Raises
        ------
        AttributionError
            If the two do not have the same classes, powertrains and carriers.
        """
        for label in ("cells", "classes", "rows", "carriers"):
            if getattr(self, label) != getattr(other, label):
                differ = sorted(map(str, set(getattr(self, label)) ^ set(getattr(other, label))))
                msg = f"two runs with different {label} cannot be compared: only one has {', '.join(differ)}; run both on the same data"
                raise AttributionError(msg)
        made: dict[str, Any] = {}
        for name in _ARRAYS:
            own, there = np.broadcast_arrays(getattr(self, name), getattr(other, name))
            made[name] = np.nan_to_num(np.where(np.isnan(own), there, own)) if np.isnan(own).any() else getattr(self, name)
        return replace(self, **made)


#: The attributes of a state that are arrays.
_ARRAYS = tuple(f.name for f in fields(State) if f.name not in {"cells", "classes", "rows", "carriers"})


def _cut(state: State, where: Any) -> State:
    made: dict[str, Any] = {name: getattr(state, name)[where] for name in _ARRAYS}
    return replace(state, **made)


class _Work(NamedTuple):
    """Work at the reference load in a cell, and its energy by carrier."""

    cell: int
    key: WorkKey
    quantity: Array
    energy: Mapping[str, Array]


def make_state(parts: Parts, *, normal: bool = False, draws: slice = slice(None)) -> State:
    """Return the state of all years of a run.

    Parameters
    ----------
    parts
        A run.
    normal
        Take the passengers and loads of 2019 in 2020; only 2020 of such a state means anything.
    draws
        Draws to take.

    Raises
    ------
    AttributionError
        If energy of an operating class belongs to no work.

    Notes
    -----
    The normal state has the trend of 2020: that its passengers are those of 2019 is part of its recovery. Work that counts no turnover of
    its own, of a class that the data call operating, is counted with the freight of its part.
    """
    books = parts.before if normal else parts.now
    cells, turnover, recovery, load_recovery = _turnover_cells(parts, normal=normal)
    one = np.ones_like(recovery[0])
    moved = sorted(
        _operating_work(parts, cells, turnover * recovery, normal=normal),
        key=lambda w: (w.cell, w.key.vehicle_class, w.key.drive, w.key.powertrain, w.key.service),
    )
    classes = tuple(dict.fromkeys((w.cell, w.key.vehicle_class) for w in moved))
    rows = tuple((classes.index((w.cell, w.key.vehicle_class)), w.key.powertrain, w.key.drive == "electric") for w in moved)
    carriers = tuple(dict.fromkeys(c for _, c in parts.factors.t_per_unit))
    done = np.stack([w.quantity for w in moved])
    of_class = np.asarray([row[0] for row in rows])
    wired = np.asarray([row[2] for row in rows])
    total = np.stack([done[of_class == i].sum(axis=0) for i in range(len(classes))])
    powered = np.stack([done[(of_class == i) & wired].sum(axis=0) for i in range(len(classes))])
    fuelled = np.stack([done[(of_class == i) & ~wired].sum(axis=0) for i in range(len(classes))])
    cell_of = np.asarray([cell for cell, _ in classes])
    state = State(
        cells=cells,
        classes=classes,
        rows=rows,
        carriers=carriers,
        turnover=turnover,
        recovery=recovery,
        load_recovery=load_recovery,
        work=_ratio(total * load_recovery[cell_of], (turnover * recovery)[cell_of]),
        electric=_ratio(powered, total),
        share=_ratio(done, np.where(wired[:, None, None], powered[of_class], fuelled[of_class])),
        use=_ratio(np.stack([np.stack([w.energy.get(c, 0.0 * one) for c in carriers]) for w in moved]), done[:, None]),
        factor=np.stack([np.stack([parts.factors.t_per_unit[s, c] + 0.0 * one for c in carriers]) for s in SCOPES]),
    )
    _check_whole(moved, books.energy, set(part_of_class(parts.inputs, operating_only=True)) - _outside(parts, cells))
    return _cut(state, (..., draws, slice(None)))


def _turnover_cells(parts: Parts, *, normal: bool) -> tuple[tuple[Cell, ...], Array, Array, Array]:
    """Return cells, trend of the converted turnover, recovery and load recovery ``[cell, draw, year]``."""
    held, trend = (parts.normal if normal else parts.passengers), parts.passengers
    cells: list[Cell] = []
    arrays: list[tuple[Array, Array, Array]] = []
    for k, key in enumerate(parts.now.turnover.keys):
        converted = parts.now.converted_tkm[k]
        one = np.ones_like(converted)
        if key.mode == "pipeline":
            kinds = {name: tkm for name, tkm in sorted(parts.freight.carrier_tkm.items()) if name.startswith("pipeline_")}
            total = np.sum(list(kinds.values()), axis=0)
            cells += [Cell(key.mode, kind) for kind in kinds]
            arrays += [(converted * tkm / np.where(total > 0, total, 1.0), one, one) for tkm in kinds.values()]
            continue
        cells.append(Cell(key.mode, key.service))
        if key.service in trend.recovery:
            level = held.pkm[key.service] / trend.trend_pkm[key.service]
            load = held.load[key.service] / trend.base_load[key.service]
            arrays.append((converted / trend.recovery[key.service], level, load))
        elif key.mode == "air":
            arrays.append((converted / trend.air_freight_recovery, trend.air_freight_recovery, one))
        else:
            arrays.append((converted, one, one))
    turnover, recovery, load_recovery = (np.stack([row[i] for row in arrays]) for i in range(3))
    return tuple(cells), turnover, recovery, load_recovery


def _ratio(top: Array, bottom: Array) -> Array:
    """Return top / bottom, nan where there is nothing below."""
    out = np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan)
    return np.asarray(np.divide(top, bottom, out=out, where=bottom > 0))


def _outside(parts: Parts, cells: Sequence[Cell]) -> set[str]:
    """Return the operating classes of parts without a turnover, which no ledger counts."""
    counted = {cell.part for cell in cells}
    return {name for name, part in part_of_class(parts.inputs, operating_only=True).items() if part not in counted}


def _operating_work(parts: Parts, cells: Sequence[Cell], turnover: Array, *, normal: bool) -> list[_Work]:
    """Return the work and the energy of everything the ledger counts."""
    work = (parts.vehicles_normal if normal else parts.vehicles).work
    energy = (parts.before if normal else parts.now).energy
    part_of = part_of_class(parts.inputs, operating_only=True)
    for name in _outside(parts, cells):
        part_of.pop(name)
    made = [
        _Work(
            _cell_of(cells, part_of[key.vehicle_class], key.service),
            key,
            work.quantity[i] * work.load_ratio[i],
            {carrier: a for (k, carrier), a in work.energy.items() if k == i},
        )
        for i, key in enumerate(work.keys)
        if key.vehicle_class in part_of
    ]
    for name in sorted(set(part_of) - {w.key.vehicle_class for w in made}):
        at = _cell_of(cells, part_of[name], _FREIGHT)
        spent: dict[str, Array] = {}
        for k, use in enumerate(energy.keys):
            if use.vehicle_class == name:
                spent[use.carrier] = spent.get(use.carrier, 0.0) + energy.quantity[k]
        if spent:
            made.append(_Work(at, WorkKey(name, "", _FREIGHT, "fuel"), turnover[at], spent))
    return made


def _cell_of(cells: Sequence[Cell], part: str, service: str) -> int:
    if Cell(part, service) in cells:
        return cells.index(Cell(part, service))
    return next(i for i, cell in enumerate(cells) if cell.part == part and cell.is_freight)


def _check_whole(moved: Sequence[_Work], energy: EnergyUse, counted: set[str]) -> None:
    """Compare the energy of the work with the accounts, by class and carrier."""
    here: dict[tuple[str, str], Array] = {}
    for w in moved:
        for carrier, quantity in w.energy.items():
            key = (w.key.vehicle_class, carrier)
            here[key] = here.get(key, 0.0) + quantity
    there: dict[tuple[str, str], Array] = {}
    for k, use in enumerate(energy.keys):
        if use.vehicle_class in counted:
            key = (use.vehicle_class, use.carrier)
            there[key] = there.get(key, 0.0) + energy.quantity[k]
    for key, quantity in there.items():
        if not np.allclose(here.get(key, 0.0), quantity, rtol=_TOLERANCE, atol=0.0):
            msg = f"{key[0]}: {key[1]} of the accounts is not that of its work; name the work where this energy is booked"
            raise AttributionError(msg)
