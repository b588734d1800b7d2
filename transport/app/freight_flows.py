"""Who carries what between whom, as plain frames for the freight page: result tables of a run in, the reader's names and units out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app.freight_tables import MODES, OUTSIDE, TONNES, Names, tonnes, turnover

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Chains that use a train on land, for the first example of the explainer.
RAIL_CHAINS: tuple[str, ...] = ("rail_siding_siding", "rail_truck_siding", "rail_siding_truck", "rail_truck_truck")


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


def commodity_table(shares: pl.DataFrame, commodities: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return :func:`commodity_modes` as a table: commodity, one column of turnover per mode, all, rail_share [percent].

    Parameters
    ----------
    shares
        From :func:`commodity_modes`.
    commodities
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    wide = shares.pivot(on="mode", index=["commodity", "all_tkm", "rail_share"], values="tkm", maintain_order=True)
    missing = [pl.lit(0.0).alias(mode) for mode in MODES if mode not in wide.columns]
    return wide.with_columns(missing).select(
        pl.col("commodity").replace_strict(commodities),
        *[turnover(lang, mode).fill_null(0.0) for mode in MODES],
        turnover(lang, "all_tkm").alias("all"),
        pl.col("rail_share").round(1),
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


def prefectures(areas: pl.DataFrame, names: Names, year: int, lang: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return turnover on the territory, and tonnes sent and received, by prefecture.

    Parameters
    ----------
    areas
        Result table ``freight_areas``.
    names
        Names of places.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    turnover, tonnes
        Columns area, all, one column of tkm per mode, rail_share [percent]; and area, sent, rail_sent, received, rail_received.
    """
    by_mode = [pl.col("territory_tkm").filter(pl.col("mode") == mode).sum().alias(mode) for mode in MODES]
    rail = [pl.col(c).filter(pl.col("mode") == "rail").sum().alias(f"rail_{c}") for c in ("sent_t", "received_t")]
    area = pl.col("area").replace_strict(names.places, default=pl.col("area"), return_dtype=pl.String)
    found = (
        areas.filter(pl.col("year") == year)
        .group_by("area")
        .agg(pl.col("territory_tkm", "sent_t", "received_t").sum(), *by_mode, *rail)
        .sort("area")
    )
    share = (100.0 * pl.col("rail") / pl.col("territory_tkm")).round(1).alias("rail_share")
    moved = found.select(area, turnover(lang, "territory_tkm").alias("all"), *[turnover(lang, mode) for mode in MODES], share)
    ends = ("sent", "rail_sent", "received", "rail_received")
    return moved, found.select(area, *[tonnes(lang, f"{end}_t").alias(end) for end in ends])


def ports(
    table: pl.DataFrame, names: Names, commodities: Mapping[str, str], directions: Mapping[str, str], year: int, lang: str
) -> pl.DataFrame:
    """Return goods by port of choice, the largest port first in each commodity and direction.

    Parameters
    ----------
    table
        Result table ``freight_ports``.
    names
        Names of places.
    commodities, directions
        Code -> label.
    year, lang
        As in :func:`prefectures`.

    Returns
    -------
    frame
        Columns commodity, direction, port, t, share, fitted [percent].
    """
    return (
        table.filter(pl.col("year") == year)
        .sort("commodity", "direction", "t", descending=[False, True, True])
        .select(
            pl.col("commodity").replace_strict(commodities, default=pl.col("commodity"), return_dtype=pl.String),
            pl.col("direction").replace_strict(directions, return_dtype=pl.String),
            pl.col("zone_id").replace_strict(names.places, default=pl.col("zone_id"), return_dtype=pl.String).alias("port"),
            tonnes(lang, "t").alias("t"),
            pl.col("share_pct").round(1).alias("share"),
            pl.col("fitted_share_pct").round(1).alias("fitted"),
        )
    )


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
    amount = (pl.col("t") / TONNES[lang]).round(2 if lang == "zh" else 4)
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
