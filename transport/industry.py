"""What industry makes drives the goods of its plants and ports: which product stands behind each flow, and what a level of it does.

Every row of ``demand/drivers`` says which product makes or uses the goods of a kind of zone (ore at a steelworks: crude steel). A flow
between two places carries the product of either end in the name of its level group; the level of the group multiplies its tonnes. At the
data's paths every level is 1: what the goods of a year are stands in the growth index of their commodity alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from transport.closures import SITE_LEVEL
from transport.layout import BASE_YEAR, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.freight_demand import ZoneTable
    from transport.params import Params

    Array = NDArray[np.float64]

#: Product of the boxes over the quays.
CONTAINERS = "containers"
_PARTS, _ZONES, _ENDS = "|", "+", ">"
_BASE = year_index(BASE_YEAR)


class DriverError(ValueError):
    """Exception for a table of drivers or products that does not fit together."""


class Group(NamedTuple):
    """What decides the level of a flow.

    Attributes
    ----------
    kind
        ``internal``, or a kind with a level of its own: ``known``, ``inbound``, ``transit``.
    zones
        Places at its ends that have an activity path, or a level that a scenario gives them.
    made, used
        Products behind its origin and its destination; empty where no product drives that end.
    """

    kind: str
    zones: tuple[str, ...] = ()
    made: str = ""
    used: str = ""

    @property
    def name(self) -> str:
        """Return the name ``kind|zones|made>used``.

        Examples
        --------
        >>> Group("internal", ("Z_A",), "coal", "steel").name
        'internal|Z_A|coal>steel'
        """
        ends = f"{self.made}{_ENDS}{self.used}" if self.made or self.used else ""
        return _PARTS.join((self.kind, _ZONES.join(self.zones), ends))

    @classmethod
    def parse(cls, name: str) -> Group:
        """Return the group of a name.

        Examples
        --------
        >>> Group.parse("known||>steel")
        Group(kind='known', zones=(), made='', used='steel')
        """
        kind, zones, ends = name.split(_PARTS)
        made, _, used = ends.partition(_ENDS)
        return cls(kind, tuple(z for z in zones.split(_ZONES) if z), made, used)


@dataclass(frozen=True)
class Drivers:
    """Product behind the goods of a place of the province, by (kind of zone, commodity, role); places elsewhere have none."""

    product: Mapping[tuple[str, str, str], str]

    @classmethod
    def read(cls, table: pl.DataFrame | None) -> Drivers:
        """Read ``demand/drivers``; without a table no product drives anything.

        Raises
        ------
        DriverError
            If two rows name a product for the same end.
        """
        found: dict[tuple[str, str, str], str] = {}
        if table is not None:
            for kind, commodity, role, product in table.select("zone_kind", "commodity", "role", "product").iter_rows():
                if (kind, commodity, role) in found:
                    msg = f"demand/drivers: {kind}, {commodity}, {role} stands twice ({found[kind, commodity, role]} and {product}); keep one row"
                    raise DriverError(msg)
                found[kind, commodity, role] = product
        return cls(found)

    def behind(self, commodity: str, origin: str, destination: str) -> tuple[str, str]:
        """Return the products behind the two ends of a flow.

        Parameters
        ----------
        commodity
            Code of the goods.
        origin, destination
            Kinds of the zones; empty for a place outside the province.
        """
        return self.product.get((origin, commodity, "production"), ""), self.product.get(
            (destination, commodity, "attraction"), ""
        )


def flow_namer(active: frozenset[int], zones: ZoneTable, commodities: Sequence[str], drivers: Drivers) -> Callable[..., str]:
    """Return a namer of level groups: ``name(commodity, origin, destination, given=False, chosen=False)``.

    Parameters
    ----------
    active
        Positions of the zones that have a level of their own.
    zones
        Zone table.
    commodities
        Codes by position.
    drivers
        Products behind the ends.

    Notes
    -----
    The namer takes positions. ``given`` pairs are known ones; where the port is ``chosen`` no level of a port goes with the flow.
    """

    def name(c: int, o: int, d: int, *, given: bool = False, chosen: bool = False) -> str:
        inside_o, inside_d = bool(zones.in_province[o]), bool(zones.in_province[d])
        kind = "transit" if not (inside_o or inside_d) else "inbound" if not inside_o else "known" if given else "internal"
        places = tuple(zones.ids[z] for z in dict.fromkeys((o, d)) if z in active and not (chosen and zones.port[z]))
        ends = (str(zones.kind[z]) if inside else "" for z, inside in ((o, inside_o), (d, inside_d)))
        return Group(kind, places, *drivers.behind(commodities[c], *ends)).name

    return name


def product_level(params: Params, product: str) -> Array:
    """Return the output of a product relative to the data's path ``[draw, year]`` [-]; 1 through the base year."""
    return params.get("industry_output_level", product)


def joint_level(levels: Sequence[Array]) -> Array:
    r"""Return the level of a flow whose ends have levels of their own.

    Parameters
    ----------
    levels
        Levels of the ends that a product drives, any shape.

    Notes
    -----
    The larger rise times the deeper fall:

    .. math:: \max(1, l_1, l_2) \cdot \min(1, l_1, l_2)

    One end that changes alone moves the flow in proportion; two that fall together move it once, not twice. What leaves a place always
    arrives, because a flow has one level.

    Examples
    --------
    >>> float(joint_level([np.array(0.5), np.array(0.5)])), float(joint_level([np.array(1.2), np.array(0.5)]))
    (0.5, 0.6)
    """
    stacked = np.stack([np.ones_like(levels[0]), *levels])
    return np.asarray(stacked.max(axis=0) * stacked.min(axis=0))


def group_levels(params: Params, names: Sequence[str]) -> Array:
    """Return the level of every group ``[group, draw, year]`` [-]: level of its kind x activity of its places x level of its products.

    Parameters
    ----------
    params
        Of the run.
    names
        Names as :attr:`Group.name` gives them.
    """
    found = [_place_level(params, group) * _driven(params, group) for group in map(Group.parse, names)]
    return np.stack(found) if found else np.ones((1, params.draws, len(YEARS)))


def _place_level(params: Params, group: Group) -> Array:
    """Return the level of the kind of a group and of its places ``[draw, year]``."""
    level = np.ones((params.draws, len(YEARS))) if group.kind == "internal" else params.get("flow_level", group.kind)
    for zone in group.zones:
        if params.own("zone_activity", zone):
            level = level * params.get("zone_activity", zone)
    moved = [params.get(SITE_LEVEL, zone) for zone in group.zones if params.own(SITE_LEVEL, zone)]
    return level * joint_level(moved) if moved else level


def _driven(params: Params, group: Group) -> Array:
    """Return what the products behind a group make of its flows ``[draw, year]``."""
    levels = [product_level(params, p) for p in (group.made, group.used) if p]
    return joint_level(levels) if levels else np.ones((params.draws, len(YEARS)))


@dataclass(frozen=True)
class Flows:
    """Goods of the base year that can be driven, chosen and captive alike: tonnes, group and growth per flow.

    Attributes
    ----------
    t_per_year
        Array ``[flow]`` [t/yr] of the base year.
    group
        Array ``[flow]``, position among the groups.
    growth
        Array ``[flow, year]``, first draw: growth of the flow's commodity.
    """

    t_per_year: Array
    group: NDArray[np.int64]
    growth: Array


def industry_table(
    products: pl.DataFrame, outputs: pl.DataFrame, params: Params, names: Sequence[str], flows: Flows
) -> pl.DataFrame:
    """Return the output of every product beside the goods that it drives (first draw).

    Parameters
    ----------
    products
        ``demand/products``.
    outputs
        ``demand/outputs``: what was observed, whole years only.
    params
        Of the run.
    names
        Names of the groups.
    flows
        Goods by group.

    Returns
    -------
    polars.DataFrame
        Columns year, product, output, observed, unit, output_index, level, freight_t, freight_index, short_t. ``output`` includes the level;
        ``output_index`` is the data's path alone, ``freight_index`` the growth that the commodities give the same goods at level 1;
        ``short_t`` is what users are short of because the product behind the origin falls further than the one behind the destination.

    Raises
    ------
    DriverError
        If a product has no row in ``demand/products``.
    """
    groups = [Group.parse(name) for name in names]
    missing = sorted({p for g in groups for p in (g.made, g.used) if p} - set(products["product"].to_list()))
    if missing:
        msg = f"demand/products: no row for {', '.join(missing)}, which demand/drivers names; add one"
        raise DriverError(msg)
    plain = np.zeros((len(names), len(YEARS)))
    np.add.at(plain, flows.group, flows.t_per_year[:, None] * flows.growth)
    plain *= np.array([_place_level(params, g)[0] for g in groups])
    driven = np.array([_driven(params, g)[0] for g in groups])
    asked = np.array([product_level(params, g.used)[0] if g.used else np.ones(len(YEARS)) for g in groups])
    short = plain * np.maximum(asked - driven, 0.0)
    seen = {(p, t): v for p, t, v in outputs.select("product", "period", "value").iter_rows()}
    frames = []
    for row in products.iter_rows(named=True):
        name = row["product"]
        index, level = params.get(row["path_parameter"], row["path_subject"])[0], product_level(params, name)[0]
        mine = np.array([name in (g.made, g.used) for g in groups], dtype=np.bool_)
        made = np.array([g.made == name and bool(g.used) for g in groups], dtype=np.bool_)
        undriven = plain[mine].sum(axis=0)
        frames.append(
            pl.DataFrame(
                {
                    "year": list(YEARS),
                    "product": name,
                    "output": row["output_2020"] * index * level,
                    "observed": [seen.get((row["observed"], str(year))) for year in YEARS],
                    "unit": row["unit"],
                    "output_index": index,
                    "level": level,
                    "freight_t": (plain * driven)[mine].sum(axis=0),
                    "freight_index": undriven / undriven[_BASE] if undriven[_BASE] > 0 else np.zeros(len(YEARS)),
                    "short_t": short[made].sum(axis=0),
                },
                schema_overrides={"observed": pl.Float64},
            )
        )
    return pl.concat(frames).sort("year", "product")
