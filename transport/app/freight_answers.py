"""Answers of the freight page's calculations as plain frames under labels: chains with their costs, legs, and what a change moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.charts import MODE_COLOURS
from transport.app.freight_tables import MODES, TKM, TONNES
from transport.freight_explain import TERMS
from transport.freight_loads import NETWORK_MODE
from transport.i18n import has_text, t

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.freight_tables import Names

#: Colours of the terms of the cost: shades of the colour of the mode, greys for what belongs to none.
TERM_COLOURS: Mapping[str, str] = {
    "road_expressway": MODE_COLOURS["road"],
    "road_other": "#e88a4a",
    "road_time": "#f2b48a",
    "road_loading": "#f8d7c0",
    "rail_fixed": "#004c78",
    "rail_distance": MODE_COLOURS["rail"],
    "rail_time": "#6aaed6",
    "siding": "#a6cee3",
    "drayage": "#8c6d31",
    "sea_fixed": "#00573f",
    "sea_distance": MODE_COLOURS["water"],
    "sea_time": "#66c2a5",
    "handling": "#b3e2cd",
    "roro": "#1b7837",
    "pipeline": MODE_COLOURS["pipeline"],
    "port_charge": "#7f7f7f",
    "subsidy": "#F0E442",
    "rules": "#b9b9b9",
    "scarcity": "#8c0d25",
}
#: Chains of one haul that the chart compares.
CHAINS_SHOWN = 6


def of_pair(table: pl.DataFrame, destination: str, commodity: str) -> pl.DataFrame:
    """Return the rows of one destination and commodity.

    Parameters
    ----------
    table
        Of an explanation of one origin.
    destination, commodity
        Codes.
    """
    return table.filter(pl.col("destination") == destination, pl.col("commodity") == commodity)


def chain_names(chains: pl.DataFrame, called: Mapping[str, str], lang: str) -> dict[int, str]:
    """Return number -> name of each chain: its kind, and its terminals where several chains are of that kind.

    Parameters
    ----------
    chains
        Rows of one pair.
    called
        Code -> label of the kinds of chains.
    lang
        ``zh`` or ``en``.
    """
    column = "terminals" if lang == "zh" else "terminals_en"
    several = {code for code, count in chains.group_by("alternative").len().iter_rows() if count > 1}
    return {
        number: t("freight_ask.chain", lang, number=number, chain=called.get(code, code), terminals=places)
        if places and code in several
        else t("freight_ask.chain_plain", lang, number=number, chain=called.get(code, code))
        for number, code, places in chains.select("chain", "alternative", column).iter_rows()
    }


def chain_rows(chains: pl.DataFrame, called: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return the chains of one pair: chain, share [percent], t, cost [CNY/t], beside [CNY/t], km by mode, hours, co2 [kg/t]; modes that none uses left out.

    Parameters
    ----------
    chains
        Rows of one pair.
    called
        Code -> label of the kinds of chains.
    lang
        ``zh`` or ``en``.
    """
    named = chain_names(chains, called, lang)
    km = [mode for mode in MODES if bool((chains[f"km_{mode}"] > 0).any())]
    return chains.select(
        pl.col("chain").replace_strict(named, return_dtype=pl.String),
        share=100.0 * pl.col("probability"),
        t=pl.col("t_per_year") / TONNES[lang],
        cost="cost_cny_per_t",
        beside="beside_cost_cny_per_t",
        **{f"km_{mode}": pl.col(f"km_{mode}") for mode in km},
        hours="hours",
        co2="co2_kg_per_t",
    )


def cost_terms(chains: pl.DataFrame, called: Mapping[str, str], lang: str, top: int = CHAINS_SHOWN) -> pl.DataFrame:
    """Return the terms of the cost of the chains with most goods: name, part (label), amount [CNY/t]; terms that are zero everywhere are left out.

    Parameters
    ----------
    chains
        Rows of one pair.
    called
        Code -> label of the kinds of chains.
    lang
        ``zh`` or ``en``.
    top
        Chains.
    """
    named, kept = chain_names(chains, called, lang), chains.sort("probability", descending=True).head(top)
    used = [term for term in TERMS if bool((kept[term].abs() > 5e-3).any())]
    long = kept.unpivot(on=used, index="chain", variable_name="part", value_name="amount")
    labels_ = {term: t(f"explain.term_name.{term}", lang) for term in used}
    return long.select(
        name=pl.col("chain").replace_strict(named, return_dtype=pl.String),
        part=pl.col("part").replace_strict(labels_),
        amount="amount",
    )


def term_table(terms: pl.DataFrame) -> pl.DataFrame:
    """Return the terms as rows and the chains as columns: part, one column per chain.

    Parameters
    ----------
    terms
        From :func:`cost_terms`.
    """
    return terms.pivot(on="name", index="part", values="amount", sort_columns=False)


def legs(path: pl.DataFrame, chain: int, lang: str) -> list[dict[str, Any]]:
    """Return the legs of one chain in travel order: mode, network, way, km, worst, ratio, links, tip.

    Parameters
    ----------
    path
        Rows of one pair.
    chain
        Its number.
    lang
        ``zh`` or ``en``.
    """
    suffix = "" if lang == "zh" else "_en"
    found = []
    for row in path.filter(pl.col("chain") == chain).iter_rows(named=True):
        key = f"explain.network.{row['network']}"
        network = t(key, lang) if has_text(key, lang) else row["network"]
        found.append(
            {
                "mode": NETWORK_MODE.get(row["network"], "road"),
                "network": network,
                "way": " - ".join(row[f"names{suffix}"]),
                "km": row["km"],
                "worst": row[f"worst_name{suffix}"] or "",
                "ratio": row["worst_vc_ratio"],
                "links": row["links"],
                "tip": f"{row['leg']}. {network}",
            }
        )
    return found


# ---- a change ----------------------------------------------------------------------------------------------------------------------


def changed_links(links: pl.DataFrame, names: Names, modes: Mapping[str, str], top: int, lang: str) -> pl.DataFrame:
    """Return the links whose flow changed most: section, mode, before, after, change, vc (before), vc_after, as texts where there is none.

    Parameters
    ----------
    links
        Of a change.
    names
        Names of links.
    modes
        Code -> label.
    top
        Rows.
    lang
        ``zh`` or ``en``.
    """
    kept = links.filter(pl.col("change").abs() >= 1.0).head(top)
    site = [names.sections.get(link, link) for link in kept["link_id"]]
    return kept.select(
        section=pl.Series(site, dtype=pl.String),
        mode=pl.col("mode").replace_strict(modes),
        **_sides(lang),
    )


def changed_places(places: pl.DataFrame, names: Names, kinds: Mapping[str, str], top: int, lang: str) -> pl.DataFrame:
    """Return the terminals whose load changed most: terminal, kind, and then as :func:`changed_links`.

    Parameters
    ----------
    places
        Of a change.
    names
        Names of places.
    kinds
        Code -> label.
    top
        Rows.
    lang
        ``zh`` or ``en``.
    """
    kept = places.filter(pl.col("change").abs() >= 1.0).head(top)
    site = [names.places.get(place, place) for place in kept["place"]]
    return kept.select(terminal=pl.Series(site, dtype=pl.String), kind=pl.col("kind").replace_strict(kinds), **_sides(lang))


def _sides(lang: str) -> dict[str, pl.Expr]:
    scale = TONNES[lang]
    ratio = {
        name: pl.when(pl.col(code).is_finite()).then(pl.col(code)).alias(name)
        for name, code in (("vc", "vc_ratio"), ("vc_after", "vc_ratio_after"))
    }
    return {"before": pl.col("t") / scale, "after": pl.col("t_after") / scale, "change": pl.col("change") / scale, **ratio}


def changed_modes(modes: pl.DataFrame, named: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return turnover on the territory by mode: mode, before, after, change, percent, co2 [t/yr].

    Parameters
    ----------
    modes
        Of a change.
    named
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    order = {mode: k for k, mode in enumerate(named)}
    rows = modes.filter(pl.col("mode").is_in(list(named))).sort(pl.col("mode").replace_strict(order, return_dtype=pl.Int64))
    return rows.select(
        pl.col("mode").replace_strict(named),
        before=pl.col("tkm") / TKM[lang],
        after=pl.col("tkm_after") / TKM[lang],
        change=(pl.col("tkm_after") - pl.col("tkm")) / TKM[lang],
        percent=pl.when(pl.col("tkm") > 0).then(100.0 * (pl.col("tkm_after") / pl.col("tkm") - 1.0)).otherwise(0.0),
        co2="co2_t",
    )
