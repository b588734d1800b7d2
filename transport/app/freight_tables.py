"""What the freight page shows, as plain frames: result tables of a run in, names and units of the reader out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, t

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs

#: Columns the page needs, by result table; a run of an older version lacks some.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "freight": ("year", "mode", "commodity", "t", "territory_tkm"),
    "freight_links": (
        "year",
        "link_id",
        "forward_t",
        "backward_t",
        "capacity_t_per_year",
        "vc_ratio",
        "delay_h",
        "price_cny_per_t",
    ),
    "freight_terminals": (
        "year",
        "terminal_id",
        "kind",
        "place",
        "t_per_year",
        "capacity_t_per_year",
        "vc_ratio",
        "price_cny_per_t",
    ),
    "freight_lines": ("year", "mode", "line_zh", "km", "mean_t", "territory_tkm", "worst_vc_ratio", "worst_link_id"),
    "freight_areas": ("year", "area", "mode", "territory_tkm", "sent_t", "received_t"),
    "freight_corridors": ("year", "from_place", "to_place", "mode", "t", "tkm"),
    "freight_ports": ("year", "zone_id", "commodity", "direction", "t", "share_pct", "fitted_share_pct"),
    "freight_unmet": ("year", "constraint", "place", "vc_ratio", "mode", "commodity", "unmet_t", "first_year"),
    "freight_speeds": ("year", "mode", "t_equilibrium", "t_fixed", "territory_tkm_equilibrium", "territory_tkm_fixed"),
    "freight_convergence": ("year", "iterations", "choice_gap", "road_gap", "line_gap"),
    "freight_od": ("year", "origin", "destination", "commodity", "alternative", "t", "km", "cost_cny_per_t"),
}
#: Modes of the network in the order of every chart and table.
MODES: tuple[str, ...] = ("rail", "road", "water", "pipeline")
#: Load over capacity from which a terminal is drawn on the map.
BUSY = 0.8
#: Constraints whose place is a link; the place of the others is a zone or a node.
LINK_CONSTRAINTS = ("rail", "pipeline")
#: Code that stands for all places outside the province.
OUTSIDE = "outside"
#: Tonnes and tonne-kilometres of the unit the reader uses.
TONNES: Mapping[str, float] = {"zh": 1e4, "en": 1e6}
TKM: Mapping[str, float] = {"zh": 1e8, "en": 1e9}


def tonnes(lang: str, column: str) -> pl.Expr:
    """Return a column of tonnes on the reader's scale: 10^4 t without decimals in Chinese, Mt with two in English."""
    return (pl.col(column) / TONNES[lang]).round(0 if lang == "zh" else 2)


def turnover(lang: str, column: str) -> pl.Expr:
    """Return a column of tonne-kilometres on the reader's scale: 10^8 t-km in Chinese, 10^9 t-km in English."""
    return (pl.col(column) / TKM[lang]).round(1 if lang == "zh" else 2)


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
    ends
        Both ends by link.
    outside
        Nodes, zones and links that lie wholly outside the province.
    lines
        Name by ``line_zh`` of lines that the reader's language calls otherwise: in English by their two ends.
    """

    places: Mapping[str, str]
    sections: Mapping[str, str]
    ends: Mapping[str, str]
    outside: frozenset[str]
    lines: Mapping[str, str] = field(default_factory=dict)

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
        ``zh`` or ``en``; the data have Chinese names of lines only, in English a line is called by its ends.
    """
    nodes, zones, links = (inputs.table(f"networks/{name}") for name in ("nodes", "zones", "links"))
    places = dict(nodes.select("node_id", f"name_{lang}").iter_rows())
    places |= {zone: places.get(node, zone) for zone, node in zones.select("zone_id", "node_id").iter_rows()}
    lines = {} if lang == "zh" else _lines_by_ends(links, places, lang)
    sections, ends = {}, {}
    for link, start, end, line in links.select("link_id", "from_node", "to_node", "line_zh").iter_rows():
        between = {"start": places[start], "end": places[end]}
        ends[link] = t("freight.section_nameless", lang, **between)
        called = lines.get(line, line)
        sections[link] = t("freight.section", lang, line=called, **between) if called and called != ends[link] else ends[link]
    outside = {
        *nodes.filter(~pl.col("in_province"))["node_id"].to_list(),
        *zones.filter(~pl.col("in_province"))["zone_id"].to_list(),
        *links.filter(pl.col("in_province_share") == 0)["link_id"].to_list(),
    }
    places |= labels(inputs, "area", lang)
    places[OUTSIDE] = t("freight.outside", lang)
    return Names(places, sections, ends, frozenset(outside), lines)


def _lines_by_ends(links: pl.DataFrame, places: Mapping[str, str], lang: str) -> dict[str, str]:
    """Return what lines with a Chinese name are called by their ends; one that branches, or shares both ends with another, keeps its name."""
    called = {}
    for (line,), found in links.filter(pl.col("line_zh").is_not_null()).sort("link_id").group_by("line_zh", maintain_order=True):
        pairs = {tuple(sorted(pair)) for pair in found.select("from_node", "to_node").iter_rows()}
        met = Counter(node for pair in pairs for node in pair)
        tips = sorted(places[node] for node, count in met.items() if count == 1)
        if len(tips) == 2 and not str(line).isascii():  # the number of a road reads alike everywhere
            called[str(line)] = t("freight.section_nameless", lang, start=tips[0], end=tips[1])
    often = Counter(called.values())
    return {line: name for line, name in called.items() if often[name] == 1}


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
        Columns constraint, place, vc_ratio, unmet_t, first_year, commodity (the one held back most).
    """
    heaviest = pl.col("commodity").sort_by("unmet_t", "commodity", descending=[True, False]).first()
    one = unmet.filter(pl.col("year") == year).group_by("constraint", "place", "vc_ratio", "commodity", "first_year")
    return (
        one.agg(pl.col("unmet_t").sum())
        .group_by("constraint", "place")
        .agg(pl.col("vc_ratio").max(), pl.col("unmet_t").sum(), pl.col("first_year").min(), heaviest)
        .sort("unmet_t", "constraint", "place", descending=[True, False, False])
    )


def fullest_rail(links: pl.DataFrame, names: Names, year: int) -> tuple[str, float, int] | None:
    """Return the fullest railway section in the province, its load over capacity, and how many are above capacity."""
    inside = links.filter(pl.col("year") == year, pl.col("mode") == "rail", pl.col("vc_ratio").is_not_null()).filter(
        ~pl.col("link_id").is_in(list(names.outside))
    )
    if inside.is_empty():
        return None
    row = inside.sort("vc_ratio", "link_id", descending=[True, False]).row(0, named=True)
    return str(row["link_id"]), float(row["vc_ratio"]), inside.filter(pl.col("vc_ratio") > 1.0).height


def saturation_of(constraint: str, place: str, links: pl.DataFrame, terminals: pl.DataFrame, year: int) -> float | None:
    """Return the load over capacity of a place that holds freight back, None if the run does not list it."""
    if constraint in LINK_CONSTRAINTS:
        found = links.filter(pl.col("year") == year, pl.col("link_id") == place)
    else:
        found = terminals.filter(pl.col("year") == year, pl.col("kind") == constraint, pl.col("place") == place)
    return None if found.is_empty() or found["vc_ratio"][0] is None else float(found["vc_ratio"][0])


# --- bottleneck tables --------------------------------------------------------------------------------------------------------------


def sections(links: pl.DataFrame, names: Names, mode: str, year: int, lang: str) -> pl.DataFrame:
    """Return the sections of one mode and year, the fullest first.

    Parameters
    ----------
    links
        Result table ``freight_links``.
    names
        From :func:`names_of`.
    mode
        Mode shown.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns section, vc_ratio, t (heavier direction), capacity (one direction), delay [min] of roads or price [CNY/t] of the others, outside (bool).
    """
    burden = (
        (60.0 * pl.col("delay_h")).round(0).alias("delay")
        if mode == "road"
        else pl.col("price_cny_per_t").round(1).alias("price")
    )
    return (
        links.filter(pl.col("year") == year, pl.col("mode") == mode, pl.col("vc_ratio").is_not_null())
        .with_columns(pl.max_horizontal("forward_t", "backward_t").alias("heavier_t"))
        .sort("vc_ratio", "link_id", descending=[True, False])
        .select(
            pl.col("link_id").replace_strict(names.sections, default=pl.col("link_id"), return_dtype=pl.String).alias("section"),
            pl.col("vc_ratio").round(3),
            tonnes(lang, "heavier_t").alias("t"),
            tonnes(lang, "capacity_t_per_year").alias("capacity"),
            burden,
            pl.col("link_id").is_in(list(names.outside)).alias("outside"),
        )
    )


def map_table(paths: pl.DataFrame, names: Names, modes: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return what the map draws as a table, the heaviest link first.

    Parameters
    ----------
    paths
        Links with flow of one year.
    names, lang
        As in :func:`sections`.
    modes
        Code -> label.

    Returns
    -------
    frame
        Columns section, mode, goods (of the commodity shown, if it is only one), forward, backward, capacity (one direction), vc_ratio.
    """
    goods = [tonnes(lang, "t_per_year").alias("goods")] if "goods" in paths.columns else []
    paths = paths.sort("t_per_year", "link_id", descending=[True, False])
    return paths.select(
        pl.col("link_id").replace_strict(names.sections, default=pl.col("link_id"), return_dtype=pl.String).alias("section"),
        pl.col("mode").replace_strict(modes),
        *goods,
        tonnes(lang, "forward_t").alias("forward"),
        tonnes(lang, "backward_t").alias("backward"),
        # water has no capacity: an empty text, not an empty number
        pl.Series(
            "capacity", _texts(paths["capacity_t_per_year"] / TONNES[lang], ",.0f" if lang == "zh" else ",.2f"), dtype=pl.String
        ),
        pl.Series("vc_ratio", _texts(paths["vc_ratio"], ".2f"), dtype=pl.String),
    )


def _texts(values: pl.Series, form: str) -> list[str]:
    return ["" if value is None else f"{value:{form}}" for value in values]


def lines(table: pl.DataFrame, names: Names, modes: Mapping[str, str], year: int, lang: str) -> pl.DataFrame:
    """Return the lines of one year, the one with the fullest section first.

    Parameters
    ----------
    table
        Result table ``freight_lines``.
    names, year, lang
        As in :func:`sections`.
    modes
        Code -> label of the modes shown.

    Returns
    -------
    frame
        Columns line, mode, vc_ratio (worst section), worst (its ends), km, t (mean), tkm (on the territory).
    """
    return (
        table.filter(pl.col("year") == year, pl.col("mode").is_in(list(modes)), pl.col("worst_vc_ratio").is_not_null())
        .sort("worst_vc_ratio", "line_zh", descending=[True, False])
        .select(
            pl.col("line_zh").replace(dict(names.lines)).alias("line"),
            pl.col("mode").replace_strict(modes),
            pl.col("worst_vc_ratio").round(3).alias("vc_ratio"),
            pl.col("worst_link_id")
            .replace_strict(names.ends, default=pl.col("worst_link_id"), return_dtype=pl.String)
            .alias("worst"),
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
        Columns place, constraint, unmet, vc_ratio, first_year, commodity.
    """
    site = [names.site(c, p) for c, p in worst.select("constraint", "place").iter_rows()]
    return worst.select(
        pl.Series("place", site, dtype=pl.String),
        pl.col("constraint").replace_strict(kinds),
        tonnes(lang, "unmet_t").alias("unmet"),
        "vc_ratio",
        "first_year",
        pl.col("commodity").replace_strict(commodities),
    ).filter(pl.col("unmet") > 0)
