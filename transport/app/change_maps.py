"""The map of what a change of the network moves: flow after minus before by link, no tiles and no request to the internet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.freight_tables import TONNES
from transport.app.maps import courses_of, deck_of, line_width, rgb, tonnes_text
from transport.i18n import t
from transport.palette import LESS_COLOUR, MORE_COLOUR, UNCHANGED_COLOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pydeck as pdk

    from transport.app.freight_tables import Names

#: Smallest change that gets a colour [t/yr]: below it the reader's tonnes round to nought.
LEAST_T = 1e3
#: Changes whose width the legend shows [t/yr].
LEGEND_T = (1e5, 1e6, 1e7, 5e7)
_PALE_PX = 1.0


def change_paths(links: pl.DataFrame, network: pl.DataFrame, nodes: pl.DataFrame, shapes: pl.DataFrame) -> pl.DataFrame:
    """Return the links of a change with their course.

    Parameters
    ----------
    links
        Of a change: link_id, mode, t and t_after [t/yr, both directions], change, vc_ratio, vc_ratio_after.
    network
        Table ``networks/links``: link_id, from_node, to_node.
    nodes, shapes
        Network tables: node positions, and polylines as ``"lon lat;lon lat"``.

    Returns
    -------
    frame
        The columns of ``links`` and path (list of [lon, lat] in degrees); the largest change last, so that it lies on top.
    """
    placed = links.join(network.select("link_id", "from_node", "to_node"), on="link_id", how="inner")
    return courses_of(placed, nodes, shapes).sort(pl.col("change").abs(), "link_id").drop("from_node", "to_node")


def change_map(paths: pl.DataFrame, towns: pl.DataFrame, names: Names, modes: Mapping[str, str], lang: str) -> pdk.Deck:
    """Return the map of the differences: one colour for more, one for less, width by the size of the difference, the rest pale.

    Parameters
    ----------
    paths
        From :func:`change_paths`.
    towns
        Columns name, lat, lon of the towns written on the map.
    names
        Names of links.
    modes
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    top = largest(paths)
    rows = [
        {
            "path": row["path"],
            "colour": rgb(UNCHANGED_COLOUR, 160) if abs(row["change"]) < LEAST_T else rgb(_colour(row["change"]), 225),
            "width": _PALE_PX if abs(row["change"]) < LEAST_T else round(line_width(abs(row["change"]), top), 2),
            "tip": _tip(row, names, modes, lang),
        }
        for row in paths.iter_rows(named=True)
    ]
    return deck_of(rows, [], towns)


def largest(paths: pl.DataFrame) -> float:
    """Return the largest difference either way [t/yr].

    Parameters
    ----------
    paths
        From :func:`change_paths`.
    """
    return float(paths.select(pl.col("change").abs().max().fill_null(0.0)).item())


def legend(paths: pl.DataFrame, lang: str) -> list[tuple[str, str, float, str]]:
    """Return what the colours and widths of the map mean, as :func:`transport.app.charts.map_legend` draws it.

    Parameters
    ----------
    paths
        From :func:`change_paths`.
    lang
        ``zh`` or ``en``.
    """
    top = largest(paths)
    said = (("more", MORE_COLOUR, 5.0), ("less", LESS_COLOUR, 5.0), ("same", UNCHANGED_COLOUR, 2.0))
    entries = [(t(f"freight_ask.legend_{what}", lang), colour, width, "line") for what, colour, width in said]
    return entries + [
        (t("freight_ask.legend_width", lang, amount=tonnes_text(amount, lang)), "#444444", line_width(amount, top), "line")
        for amount in LEGEND_T
        if amount <= top
    ]


def _colour(change: float) -> str:
    return MORE_COLOUR if change > 0 else LESS_COLOUR


def _tip(row: Mapping[str, Any], names: Names, modes: Mapping[str, str], lang: str) -> str:
    """Return what the map says of a link: name, flow before, after and their difference, and its load over capacity."""
    section = t(
        "freight_ask.tip_section", lang, section=names.sections.get(row["link_id"], row["link_id"]), mode=modes[row["mode"]]
    )
    amounts = {
        "before": tonnes_text(row["t"], lang),
        "after": tonnes_text(row["t_after"], lang),
        "change": t("freight.amount", lang, value=f"{row['change'] / TONNES[lang]:{'+z,.1f' if lang == 'zh' else '+z,.3f'}}"),
    }
    lines = [section, t("freight_ask.tip_change", lang, **amounts)]
    ratios = [row["vc_ratio"], row["vc_ratio_after"]]
    if any(ratio is not None for ratio in ratios):
        # a link that is closed or new has one side only
        before, after = ("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
        lines.append(t("freight_ask.tip_ratio", lang, before=before, after=after))
    return "\n".join(lines)
