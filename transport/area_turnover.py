"""Turnover by prefecture: the converted turnover of the province's carriers laid to the places where its energy is used.

The freight model knows tonne-km on the territory of a prefecture, the accounts count carriers; one named bridge per mode leads from the
one to the other, the same for all places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport.layout import QUALITY_ORDER, YEARS
from transport.parts import part_of_class
from transport.prefectures import area_shares, driver_quality, drivers_of, places, split
from transport.principles import find_bridge, read_bridges, read_statements, statement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.layout import TurnoverKey
    from transport.parts import Books, Parts

    Array = NDArray[np.float64]

_PIPELINE = "pipeline"


class TurnoverAreas(NamedTuple):
    """Turnover of one mode and service by place.

    Attributes
    ----------
    key
        Mode and service.
    share
        Share of the places ``[place, year]``; every column sums to one.
    drivers
        What the shares follow.
    bridge
        Named bridge from the places' principle to that of the province's total; empty where none is crossed.
    """

    key: TurnoverKey
    share: Array
    drivers: frozenset[str]
    bridge: str


def turnover_shares(parts: Parts, shares: Mapping[str, Array]) -> list[TurnoverAreas]:
    r"""Return where the turnover of each mode and service is counted: where the energy of the classes that move it is.

    Parameters
    ----------
    parts
        Of the run.
    shares
        Of :func:`transport.prefectures.area_shares`.

    Raises
    ------
    AreaError
        If a class that moves something has no driver row.

    Notes
    -----
    Freight on the territory of a place, :math:`w_{a}`, becomes turnover of the carriers through the bridge of its mode, one ratio for all
    places:

    .. math:: T_{a} = w_{a} \frac{T}{W}

    so that the shares of the tonne-km are those of the turnover. Classes of one service with different drivers count by their work.
    """
    part_of = part_of_class(parts.inputs, operating_only=True)
    known = drivers_of(parts.inputs, part_of)
    work, class_tkm = parts.vehicles.work, parts.vehicles.class_tkm
    names = _bridges(parts)
    n_place = len(places(parts.inputs))
    made = []
    for key in parts.now.turnover.keys:
        by_class: dict[str, Array] = {}
        for i, row in enumerate(work.keys):
            name = row.vehicle_class
            if part_of.get(name) == key.mode and (row.service == key.service or key.mode == _PIPELINE):
                by_class[name] = class_tkm[name][0] if name in class_tkm else by_class.get(name, 0.0) + work.quantity[i, 0]
        moved: dict[str, Array] = {}
        for name, done in by_class.items():
            driver = known[name][1]
            moved[driver] = moved.get(driver, 0.0) + done
        total = np.sum(list(moved.values()), axis=0)
        if len(moved) == 1:
            share = shares[next(iter(moved))]
        else:
            share = np.zeros((n_place, len(YEARS)))
            share[-1] = np.where(total > 0, 0.0, 1.0)
            for driver, done in moved.items():
                share = share + shares[driver] * np.where(total > 0, done / np.where(total > 0, total, 1.0), 0.0)
        made.append(TurnoverAreas(key, share, frozenset(moved), names[key]))
    return made


def _bridges(parts: Parts) -> dict[TurnoverKey, str]:
    """Return turnover -> name of the bridge it has crossed to the principle of the sums; empty where it has crossed none."""
    inputs, turnover = parts.inputs, parts.now.turnover
    statements, bridges = read_statements(inputs, "turnover"), read_bridges(inputs)
    found = {}
    for key in turnover.keys:
        subject = f"{key.mode}:{key.service}"
        stated = statement_of(statements, subject)
        crossed = stated.crossed
        if not crossed and stated.principle != turnover.principle:
            crossed = find_bridge(bridges, subject, stated.group, stated.principle, turnover.principle).name
        found[key] = crossed
    return found


def turnover_by_place(books: Books, moved: Sequence[TurnoverAreas], part: str) -> tuple[Array, frozenset[str]]:
    """Return converted turnover of a part by place ``[place, year]`` [tkm/yr], and the drivers it follows.

    Parameters
    ----------
    books
        Accounts of the run, or those with the passengers of 2019 in 2020.
    moved
        Of :func:`turnover_shares`.
    part
        Part of the transport system.
    """
    rows = [k for k, row in enumerate(moved) if row.key.mode == part]
    total = np.sum([split(books.converted_tkm[k, 0], moved[k].share) for k in rows], axis=0)
    return np.asarray(total), frozenset().union(*(moved[k].drivers for k in rows))


def turnover_frame(parts: Parts) -> pl.DataFrame:
    """Return the result table ``turnover_areas`` of a run; rows without turnover are left out."""
    names = places(parts.inputs)
    of_driver = driver_quality(parts.inputs)
    turnover = parts.now.turnover
    n_year = len(YEARS)
    frames = []
    for k, row in enumerate(turnover_shares(parts, area_shares(parts))):
        frame = pl.DataFrame(
            {
                "year": np.tile(np.asarray(YEARS, dtype=np.int64), len(names)),
                "area": np.repeat(names, n_year),
                "mode": row.key.mode,
                "service": row.key.service,
                "principle": turnover.principle,
                "tkm": split(turnover.tkm[k, 0], row.share).ravel(),
                "pkm": split(turnover.pkm[k, 0], row.share).ravel(),
                "converted_tkm": split(parts.now.converted_tkm[k, 0], row.share).ravel(),
                "drivers": " ".join(sorted(row.drivers)),
                "bridge": row.bridge,
                "quality": max((of_driver.get(d, "derived") for d in row.drivers), key=QUALITY_ORDER.index),
            }
        )
        frames.append(frame.filter(pl.col("converted_tkm") > 0.0))
    return pl.concat(frames).sort("year", "area", "mode", "service")
