"""Closures of links and terminals: which share of a year each is closed, and what is not there at all in a year.

Here stand also the names by which the tables of a run say what projects, closures and sites have changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from transport.layout import YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Table of a run that closes something, by its path among the tables: ``id`` of a link or terminal, ``year``, ``share`` of the year [-].
TABLE = "networks/closures"
SCHEMA = {"id": pl.String, "year": pl.Int64, "share": pl.Float64}
#: Parameter of the activity that a scenario gives a place, by zone; the data hold no row of it.
SITE_LEVEL = "site_level"
#: Between the id of a link or terminal and the year from which a project has changed it.
CHANGED = "~"
#: Terminal class whose place is its node; all others belong to a zone.
_YARD = "drayage"
_WHOLE = 1.0


class Tables(Protocol):
    """Tables by name."""

    def table(self, name: str) -> pl.DataFrame:
        """Return a table by its path under the data folder without ``.csv``."""
        ...


@dataclass(frozen=True)
class Closures:
    """Share of each year that a link or terminal is closed, by id ``[year]`` [-]; what is never closed is not in it."""

    share: Mapping[str, Array]

    @classmethod
    def read(cls, inputs: Tables) -> Closures:
        """Return the closures of a run; without the table there are none."""
        try:
            table = inputs.table(TABLE)
        except KeyError:
            return cls({})
        found: dict[str, Array] = {}
        for name, year, share in table.sort("id", "year").iter_rows():
            path = found.setdefault(str(name), np.zeros(len(YEARS)))
            path[year_index(year)] = max(path[year_index(year)], share)
        return cls(found)

    def left(self, name: str) -> Array | float:
        """Return the share of each year that a link or terminal, or what a project has made of it, is open ``[year]`` [-]."""
        path = self.share.get(base_id(name))
        return 1.0 if path is None else 1.0 - path

    def left_at(self, name: str, position: int) -> float:
        """Return the share of one year that a link or terminal is open, by its position on the year axis [-]."""
        path = self.share.get(base_id(name))
        return 1.0 if path is None else float(1.0 - path[position])

    def whole(self, year: int) -> frozenset[str]:
        """Return the links and terminals that are closed all through a calendar year."""
        at = year_index(year)
        return frozenset(name for name, path in self.share.items() if path[at] >= _WHOLE)

    def links(self, ids: pl.Series, year: int) -> frozenset[str]:
        """Return which of the given links are closed all through a calendar year."""
        closed = self.whole(year)
        return frozenset(name for name in ids.to_list() if base_id(name) in closed) if closed else frozenset()

    def connectors(self, connectors: pl.DataFrame, terminals: pl.DataFrame, year: int) -> pl.DataFrame:
        """Return the connectors whose terminal is not closed all through a calendar year.

        Parameters
        ----------
        connectors, terminals
            Tables; the terminal of a connector is that of its class at its zone, for a freight yard at its node.
        year
            Calendar year.
        """
        shut = self._places(terminals, year)
        if not shut:
            return connectors
        place = pl.when(pl.col("link_class") == _YARD).then("node_id").otherwise("zone_id")
        key = pl.concat_str(pl.col("link_class"), pl.lit("|"), place)
        return connectors.filter(~key.is_in(sorted(f"{kind}|{where}" for kind, where in shut)))

    def ports(self, terminals: pl.DataFrame, year: int) -> frozenset[str]:
        """Return the zones whose berths are closed all through a calendar year."""
        return frozenset(where for kind, where in self._places(terminals, year) if kind == "berth")

    def _places(self, terminals: pl.DataFrame, year: int) -> frozenset[tuple[str, str]]:
        """Return class and place of the terminals of which nothing is open in a calendar year."""
        closed = self.whole(year)
        if not closed:
            return frozenset()
        gone, there = set(), set()
        for row in terminals.iter_rows(named=True):
            place = (str(row["link_class"]), str(row["node_id"] if row["link_class"] == _YARD else row["zone_id"]))
            if base_id(row["terminal_id"]) in closed:
                gone.add(place)
            elif (row["open_year"] or YEARS[0]) <= year:
                there.add(place)
        return frozenset(gone - there)


def base_id(name: str) -> str:
    """Return the id of a link or terminal before any project changed it.

    >>> base_id("RL068~2027"), base_id("RL068")
    ('RL068', 'RL068')
    """
    return name.split(CHANGED, 1)[0]
