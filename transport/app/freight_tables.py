"""What the freight page shows, as plain frames: result tables of a run in, names and units of the reader out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, t
from transport.layout import BASE_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs

#: Columns the page needs, by result table; a run of an older version lacks some.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "freight": ("year", "mode", "commodity", "t", "territory_tkm"),
    "freight_links": ("year", "link_id", "forward_t", "backward_t", "capacity_t_per_year", "vc_ratio", "delay_h", "price_cny_per_t"),
    "freight_terminals": ("year", "terminal_id", "kind", "place", "t_per_year", "capacity_t_per_year", "vc_ratio", "price_cny_per_t"),
    "freight_lines": ("year", "mode", "line_zh", "km", "mean_t", "territory_tkm", "worst_vc_ratio", "worst_link_id"),
    "freight_areas": ("year", "area", "mode", "territory_tkm", "sent_t", "received_t"),
    "freight_corridors": ("year", "from_place", "to_place", "mode", "t", "tkm"),
    "freight_unmet": ("year", "constraint", "place", "mode", "commodity", "wanted_t", "carried_t", "unmet_t", "first_year"),
    "freight_speeds": ("year", "mode", "t_equilibrium", "t_fixed", "territory_tkm_equilibrium", "territory_tkm_fixed"),
    "freight_convergence": ("year", "iterations", "choice_gap", "road_gap", "line_gap"),
    "freight_od": ("year", "origin", "destination", "commodity", "alternative", "t", "km", "cost_cny_per_t"),
}
#: Modes of the network in the order of every chart and table.
MODES: tuple[str, ...] = ("rail", "road", "water", "pipeline")
#: Chains that use a train on land, for the first example of the explainer.
RAIL_CHAINS: tuple[str, ...] = ("rail_siding_siding", "rail_truck_siding", "rail_siding_truck", "rail_truck_truck")
#: Load over capacity from which a terminal is drawn on the map.
BUSY = 0.8
#: Constraints whose place is a link; the place of the others is a zone or a node.
LINK_CONSTRAINTS = ("rail", "pipeline")
#: Code that stands for all places outside the province.
OUTSIDE = "outside"
_TONNES: Mapping[str, float] = {"zh": 1e4, "en": 1e6}
_TKM: Mapping[str, float] = {"zh": 1e8, "en": 1e9}


def tonnes(lang: str, column: str) -> pl.Expr:
    """Return a column of tonnes on the reader's scale: 10^4 t without decimals in Chinese, Mt with two in English."""
    return (pl.col(column) / _TONNES[lang]).round(0 if lang == "zh" else 2)


def turnover(lang: str, column: str) -> pl.Expr:
    """Return a column of tonne-kilometres on the reader's scale: 10^8 t-km in Chinese, 10^9 t-km in English."""
    return (pl.col(column) / _TKM[lang]).round(1 if lang == "zh" else 2)


def missing_tables(found: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the tables a run lacks, or that lack a column.

    Parameters
    ----------
    found
        Columns by table of the run.

    Examples
    --------
    >>> missing_tables({**NEEDED, "freight_lines": ("year", "mode")})
    ['freight_lines']
    """
    return [name for name, columns in NEEDED.items() if not set(columns) <= set(found.get(name, ()))]


@dataclass(frozen=True, slots=True)
class Names:
    """What places and links are called.

    Attributes
    ----------
    places
        Name by node, zone or prefecture code.
    sections
        Line and both ends by link.
    lines
        Line by link.
    outside
        Nodes, zones and links that lie wholly outside the province.
    """

    places: Mapping[str, str]
    sections: Mapping[str, str]
    lines: Mapping[str, str]
    outside: frozenset[str]

    def site(self, constraint: str, place: str) -> str:
        """Return the name of what a constraint stands for."""
        return (self.sections if constraint in LINK_CONSTRAINTS else self.places).get(place, place)


def names_of(inputs: Inputs, lang: str) -> Names:
    """Return the names of all places and links of the data.

    Parameters
    ----------
    inputs
        Checked data with nodes, zones and links.
    lang
        ``zh`` or ``en``; line names are data and stay Chinese.
    """
    nodes, zones, links = (inputs.table(f"networks/{name}") for name in ("nodes", "zones", "links"))
    places = dict(nodes.select("node_id", f"name_{lang}").iter_rows())
    places |= {zone: places.get(node, zone) for zone, node in zones.select("zone_id", "node_id").iter_rows()}
    sections, lines = {}, {}
    for link, start, end, line in links.select("link_id", "from_node", "to_node", "line_zh").iter_rows():
        ends = {"start": places[start], "end": places[end]}
        sections[link] = t("freight.section", lang, line=line, **ends) if line else t("freight.section_nameless", lang, **ends)
        lines[link] = line or t("freight.section_nameless", lang, **ends)
    outside = {
        *nodes.filter(~pl.col("in_province"))["node_id"].to_list(),
        *zones.filter(~pl.col("in_province"))["zone_id"].to_list(),
        *links.filter(pl.col("in_province_share") == 0)["link_id"].to_list(),
    }
    places |= labels(inputs, "area", lang)
    places[OUTSIDE] = t("freight.outside", lang)
    return Names(places, sections, lines, frozenset(outside))


# --- headline -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Headline:
    """Four numbers of one year.

    Attributes
    ----------
    rail_share
        Rail in the tonne-kilometres on the territory [percent].
    rail_t
        Tonnes that use a train [t/yr].
    over
        Sections above capacity by mode.
    unmet_t
        Tonnes that would go by rail, water or pipeline if nothing were scarce [t/yr].
    """

    rail_share: float
    rail_t: float
    over: Mapping[str, int]
    unmet_t: float


def headline(freight: pl.DataFrame, links: pl.DataFrame, unmet: pl.DataFrame, year: int) -> Headline:
    """Return the headline of one year.

    Parameters
    ----------
    freight, links, unmet
        Result tables ``freight``, ``freight_links``, ``freight_unmet``.
    year
        Calendar year.
    """
    moved = freight.filter(pl.col("year") == year)
    by_rail = moved.filter(pl.col("mode") == "rail")
    whole = float(moved["territory_tkm"].sum())
    over = links.filter(pl.col("year") == year, pl.col("vc_ratio") > 1.0)
    return Headline(
        rail_share=100.0 * float(by_rail["territory_tkm"].sum()) / whole if whole else 0.0,
        rail_t=float(by_rail["t"].sum()),
        over={mode: over.filter(pl.col("mode") == mode).height for mode in MODES},
        unmet_t=float(unmet.filter(pl.col("year") == year)["unmet_t"].sum()),
    )


def bottlenecks(unmet: pl.DataFrame, year: int) -> pl.DataFrame:
    """Return the places that hold freight back in one year, the worst first.

    Parameters
    ----------
    unmet
        Result table ``freight_unmet``.
    year
        Calendar year.

    Returns
    -------
    frame
        Columns constraint, place, wanted_t, carried_t, unmet_t, first_year, commodity (the one held back most).
    """
    heaviest = pl.col("commodity").sort_by("unmet_t", "commodity", descending=[True, False]).first()
    one = unmet.filter(pl.col("year") == year).group_by("constraint", "place", "commodity", "first_year")
    return (
        one.agg(pl.col("wanted_t", "carried_t", "unmet_t").sum())
        .group_by("constraint", "place")
        .agg(pl.col("wanted_t", "carried_t", "unmet_t").sum(), pl.col("first_year").min(), heaviest)
        .sort("unmet_t", "constraint", "place", descending=[True, False, False])
    )


def saturation_of(constraint: str, place: str, links: pl.DataFrame, terminals: pl.DataFrame, year: int) -> float | None:
    """Return the load over capacity of a place that holds freight back, None if the run does not list it."""
    if constraint in LINK_CONSTRAINTS:
        found = links.filter(pl.col("year") == year, pl.col("link_id") == place)
    else:
        found = terminals.filter(pl.col("year") == year, pl.col("kind") == constraint, pl.col("place") == place)
    return None if found.is_empty() or found["vc_ratio"][0] is None else float(found["vc_ratio"][0])


# --- bottleneck tables --------------------------------------------------------------------------------------------------------------


def sections(links: pl.DataFrame, names: Names, modes: Mapping[str, str], year: int, lang: str) -> pl.DataFrame:
    """Return the sections of one year, the fullest first.

    Parameters
    ----------
    links
        Result table ``freight_links``.
    names
        From :func:`names_of`.
    modes
        Code -> label of the modes shown.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns section, mode, vc_ratio, t (heavier direction), capacity (one direction), price [CNY/t], delay [min], outside (bool).
    """
    heavier = pl.max_horizontal("forward_t", "backward_t").alias("heavier_t")
    return (
        links.filter(pl.col("year") == year, pl.col("mode").is_in(list(modes)), pl.col("vc_ratio").is_not_null())
        .with_columns(heavier)
        .sort("vc_ratio", "link_id", descending=[True, False])
        .select(
            pl.col("link_id").replace_strict(names.sections, default=pl.col("link_id"), return_dtype=pl.String).alias("section"),
            pl.col("mode").replace_strict(modes),
            pl.col("vc_ratio").round(3),
            tonnes(lang, "heavier_t").alias("t"),
            tonnes(lang, "capacity_t_per_year").alias("capacity"),
            pl.col("price_cny_per_t").round(1).alias("price"),
            (60.0 * pl.col("delay_h")).round(0).alias("delay"),
            pl.col("link_id").is_in(list(names.outside)).alias("outside"),
        )
    )


def lines(table: pl.DataFrame, names: Names, modes: Mapping[str, str], year: int, lang: str) -> pl.DataFrame:
    """Return the lines of one year, the one with the fullest section first.

    Parameters
    ----------
    table
        Result table ``freight_lines``.
    names, modes, year, lang
        As in :func:`sections`.

    Returns
    -------
    frame
        Columns line, mode, vc_ratio (worst section), worst (its name), km, t (mean), tkm (on the territory).
    """
    return (
        table.filter(pl.col("year") == year, pl.col("mode").is_in(list(modes)), pl.col("worst_vc_ratio").is_not_null())
        .sort("worst_vc_ratio", "line_zh", descending=[True, False])
        .select(
            pl.col("line_zh").alias("line"),
            pl.col("mode").replace_strict(modes),
            pl.col("worst_vc_ratio").round(3).alias("vc_ratio"),
            pl.col("worst_link_id").replace_strict(names.sections, default=pl.col("worst_link_id"), return_dtype=pl.String).alias("worst"),
            pl.col("km").round(0),
            tonnes(lang, "mean_t").alias("t"),
            turnover(lang, "territory_tkm").alias("tkm"),
        )
    )


def terminals(table: pl.DataFrame, names: Names, kinds: Mapping[str, str], year: int, lang: str) -> pl.DataFrame:
    """Return the terminals of one year, the fullest first.

    Parameters
    ----------
    table
        Result table ``freight_terminals``.
    names, year, lang
        As in :func:`sections`.
    kinds
        Code -> label of the kinds.

    Returns
    -------
    frame
        Columns terminal, kind, vc_ratio, t, capacity, price [CNY/t].
    """
    return (
        table.filter(pl.col("year") == year, pl.col("vc_ratio").is_finite())
        .sort("vc_ratio", "terminal_id", descending=[True, False])
        .select(
            pl.col("place").replace_strict(names.places, default=pl.col("place"), return_dtype=pl.String).alias("terminal"),
            pl.col("kind").replace_strict(kinds),
            pl.col("vc_ratio").round(3),
            tonnes(lang, "t_per_year").alias("t"),
            tonnes(lang, "capacity_t_per_year").alias("capacity"),
            pl.col("price_cny_per_t").round(1).alias("price"),
        )
    )


def held_back(unmet: pl.DataFrame, kinds: Mapping[str, str], year: int, lang: str) -> pl.DataFrame:
    """Return what each kind of constraint holds back in one year.

    Parameters
    ----------
    unmet
        Result table ``freight_unmet``.
    kinds
        Code -> label of the constraints.
    year, lang
        As in :func:`sections`.

    Returns
    -------
    frame
        Columns constraint, unmet, places (how many), first_year; the largest first.
    """
    return (
        unmet.filter(pl.col("year") == year)
        .group_by("constraint")
        .agg(pl.col("unmet_t").sum(), pl.col("place").n_unique().alias("places"), pl.col("first_year").min())
        .sort("unmet_t", "constraint", descending=[True, False])
        .select(pl.col("constraint").replace_strict(kinds), tonnes(lang, "unmet_t").alias("unmet"), "places", "first_year")
    )


def held_places(
    worst: pl.DataFrame, names: Names, kinds: Mapping[str, str], commodities: Mapping[str, str], lang: str
) -> pl.DataFrame:
    """Return the table of :func:`bottlenecks` with names and the reader's units.

    Parameters
    ----------
    worst
        From :func:`bottlenecks`.
    names, lang
        As in :func:`sections`.
    kinds, commodities
        Code -> label.

    Returns
    -------
    frame
        Columns place, constraint, unmet, first_year, wanted, carried, commodity.
    """
    site = [names.site(c, p) for c, p in worst.select("constraint", "place").iter_rows()]
    return worst.select(
        pl.Series("place", site, dtype=pl.String),
        pl.col("constraint").replace_strict(kinds),
        tonnes(lang, "unmet_t").alias("unmet"),
        "first_year",
        tonnes(lang, "wanted_t").alias("wanted"),
        tonnes(lang, "carried_t").alias("carried"),
        pl.col("commodity").replace_strict(commodities),
    ).filter(pl.col("unmet") > 0)


# --- who carries what, and between whom ---------------------------------------------------------------------------------------------


def commodity_modes(freight: pl.DataFrame, year: int) -> pl.DataFrame:
    """Return turnover on the territory by commodity and mode of one year, and the share of rail in each commodity.

    Returns
    -------
    frame
        Columns commodity, mode, tkm, all_tkm, rail_share [percent]; the largest commodity first.
    """
    rail = pl.col("tkm").filter(pl.col("mode") == "rail").sum().over("commodity")
    return (
        freight.filter(pl.col("year") == year, pl.col("mode").is_in(MODES))
        .group_by("commodity", "mode")
        .agg(pl.col("territory_tkm").sum().alias("tkm"))
        .with_columns(pl.col("tkm").sum().over("commodity").alias("all_tkm"), rail.alias("rail_tkm"))
        .filter(pl.col("all_tkm") > 0)
        .with_columns((100.0 * pl.col("rail_tkm") / pl.col("all_tkm")).alias("rail_share"))
        .select("commodity", "mode", "tkm", "all_tkm", "rail_share")
        .sort("all_tkm", "commodity", "mode", descending=[True, False, False])
    )


def corridor_matrix(corridors: pl.DataFrame, names: Names, year: int) -> pl.DataFrame:
    """Return tonnes and the share of rail between prefectures, all places outside the province as one.

    Parameters
    ----------
    corridors
        Result table ``freight_corridors``.
    names
        From :func:`names_of`.
    year
        Calendar year.

    Returns
    -------
    frame
        Columns from_place, to_place, t, rail_share [percent].
    """
    grouped = [
        pl.when(pl.col(c).is_in(list(names.outside))).then(pl.lit(OUTSIDE)).otherwise(pl.col(c)).alias(c)
        for c in ("from_place", "to_place")
    ]
    rail = pl.col("t").filter(pl.col("mode") == "rail").sum()
    return (
        corridors.filter(pl.col("year") == year)
        .with_columns(grouped)
        .group_by("from_place", "to_place")
        .agg(pl.col("t").sum(), rail.alias("rail_t"))
        .with_columns((100.0 * pl.col("rail_t") / pl.col("t")).alias("rail_share"))
        .select("from_place", "to_place", "t", "rail_share")
        .sort("from_place", "to_place")
    )


def corridor_table(corridors: pl.DataFrame, names: Names, year: int, lang: str) -> pl.DataFrame:
    """Return the corridors between different places, the heaviest first.

    Returns
    -------
    frame
        Columns from, to, t, rail_share [percent], one column of tonnes per mode, haul [km].
    """
    modes = [pl.col("t").filter(pl.col("mode") == mode).sum().alias(f"{mode}_t") for mode in MODES]
    return (
        corridors.filter(pl.col("year") == year, pl.col("from_place") != pl.col("to_place"))
        .group_by("from_place", "to_place")
        .agg(pl.col("t").sum().alias("all_t"), pl.col("tkm").sum(), *modes)
        .sort("all_t", "from_place", "to_place", descending=[True, False, False])
        .select(
            pl.col("from_place").replace_strict(names.places, default=pl.col("from_place"), return_dtype=pl.String).alias("from"),
            pl.col("to_place").replace_strict(names.places, default=pl.col("to_place"), return_dtype=pl.String).alias("to"),
            tonnes(lang, "all_t").alias("t"),
            (100.0 * pl.col("rail_t") / pl.col("all_t")).round(1).alias("rail_share"),
            *[tonnes(lang, f"{mode}_t").alias(mode) for mode in MODES],
            (pl.col("tkm") / pl.col("all_t")).round(0).alias("haul"),
        )
    )


def mean_hauls(corridors: pl.DataFrame) -> pl.DataFrame:
    """Return tonne-kilometres over tonnes of the chains by main mode and year.

    Returns
    -------
    frame
        Columns year, mode, haul [km].
    """
    return (
        corridors.group_by("year", "mode")
        .agg(pl.col("tkm").sum(), pl.col("t").sum())
        .filter(pl.col("t") > 0)
        .select("year", "mode", (pl.col("tkm") / pl.col("t")).alias("haul"))
        .sort("year", "mode")
    )


def prefectures(areas: pl.DataFrame, names: Names, year: int, lang: str) -> pl.DataFrame:
    """Return turnover on the territory, tonnes sent and received and the share of rail by prefecture.

    Returns
    -------
    frame
        Columns area, tkm, rail_share [percent of tkm], one column of tkm per mode, sent, received, rail_sent, rail_received.
    """
    here = areas.filter(pl.col("year") == year)
    by_mode = [pl.col("territory_tkm").filter(pl.col("mode") == mode).sum().alias(f"{mode}_tkm") for mode in MODES]
    rail = [pl.col(c).filter(pl.col("mode") == "rail").sum().alias(f"rail_{c}") for c in ("sent_t", "received_t")]
    return (
        here.group_by("area")
        .agg(pl.col("territory_tkm", "sent_t", "received_t").sum(), *by_mode, *rail)
        .sort("area")
        .select(
            pl.col("area").replace_strict(names.places, default=pl.col("area"), return_dtype=pl.String),
            turnover(lang, "territory_tkm").alias("tkm"),
            (100.0 * pl.col("rail_tkm") / pl.col("territory_tkm")).round(1).alias("rail_share"),
            *[turnover(lang, f"{mode}_tkm").alias(mode) for mode in MODES],
            tonnes(lang, "sent_t").alias("sent"),
            tonnes(lang, "received_t").alias("received"),
            tonnes(lang, "rail_sent_t").alias("rail_sent"),
            tonnes(lang, "rail_received_t").alias("rail_received"),
        )
    )


# --- two speeds, one flow -----------------------------------------------------------------------------------------------------------


def speeds(table: pl.DataFrame, modes: Mapping[str, str], year: int, lang: str) -> pl.DataFrame:
    """Return what capacity changes by mode in one year.

    Parameters
    ----------
    table
        Result table ``freight_speeds``.
    modes
        Code -> label.
    year, lang
        As in :func:`sections`.

    Returns
    -------
    frame
        Columns mode, t, t_fixed, t_change [percent], tkm, tkm_fixed, tkm_change [percent]; change = equilibrium against fixed.
    """
    both = (("t", tonnes), ("territory_tkm", turnover))
    columns: list[pl.Expr] = []
    for name, scaled in both:
        short = "t" if name == "t" else "tkm"
        change = 100.0 * (pl.col(f"{name}_equilibrium") / pl.col(f"{name}_fixed") - 1.0)
        columns += [
            scaled(lang, f"{name}_equilibrium").alias(short),
            scaled(lang, f"{name}_fixed").alias(f"{short}_fixed"),
            change.round(1).alias(f"{short}_change"),
        ]
    order = {mode: i for i, mode in enumerate(MODES)}
    return (
        table.filter(pl.col("year") == year, pl.col("mode").is_in(MODES))
        .sort(pl.col("mode").replace_strict(order, return_dtype=pl.Int64))
        .select(pl.col("mode").replace_strict(modes), *columns)
    )


def first_flow(od: pl.DataFrame, year: int) -> tuple[str, str, str] | None:
    """Return origin, destination and commodity of the largest flow between two zones that uses train and another chain."""
    pair = ["origin", "destination", "commodity"]
    found = (
        od.filter(pl.col("year") == year, pl.col("origin") != pl.col("destination"))
        .group_by(pair)
        .agg(pl.col("t").sum(), pl.col("t").filter(pl.col("alternative").is_in(RAIL_CHAINS)).sum().alias("rail_t"))
        .with_columns(pl.min_horizontal(pl.col("rail_t"), pl.col("t") - pl.col("rail_t")).alias("contested_t"))
        .sort("contested_t", *pair, descending=[True, False, False, False])
    )
    return None if found.is_empty() else (found["origin"][0], found["destination"][0], found["commodity"][0])


def chains(od: pl.DataFrame, flow: tuple[str, str, str], year: int, labels_: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return the chains of one flow, the largest first.

    Parameters
    ----------
    od
        Result table ``freight_od``.
    flow
        Origin, destination and commodity.
    year
        Calendar year.
    labels_
        Code -> label of the chains.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns chain, share [percent], t, km, cost [CNY/t].
    """
    origin, destination, commodity = flow
    of_flow = (pl.col("origin") == origin, pl.col("destination") == destination, pl.col("commodity") == commodity)
    # a single flow may be small: one decimal more than the network's tonnes
    amount = (pl.col("t") / _TONNES[lang]).round(2 if lang == "zh" else 4)
    return (
        od.filter(pl.col("year") == year, *of_flow)
        .sort("t", "alternative", descending=[True, False])
        .select(
            pl.col("alternative").replace_strict(labels_, default=pl.col("alternative"), return_dtype=pl.String).alias("chain"),
            (100.0 * pl.col("t") / pl.col("t").sum()).round(1).alias("share"),
            amount,
            pl.col("km").round(0),
            pl.col("cost_cny_per_t").round(1).alias("cost"),
        )
    )


def change(now: float, before: float, year: int) -> float | None:
    """Return the change against the base year, None in the base year itself."""
    return None if year == BASE_YEAR else now - before
