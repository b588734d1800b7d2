"""Commodity -> mode -> corridor as a flow chart: a table of links from the flows of a run, and the chart as an ECharts option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.charts import MODE_COLOURS
from transport.app.freight_tables import MODES, TONNES
from transport.freight_loads import main_modes
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.freight_tables import Names

#: Corridors shown by themselves; the others stand together.
CORRIDORS = 14
#: Codes of corridors that are no pair of places.
WITHIN, OTHER = "within", "other"
#: Colours of what is no mode, and height of a row of nodes [px].
_GOODS_COLOUR, _PLACE_COLOUR, _ROW_PX = "#8a8f98", "#5b6573", 34
_GAP_PX = 15


def flow_rows(od: pl.DataFrame, zones: pl.DataFrame, year: int, commodity: str = "", top: int = CORRIDORS) -> pl.DataFrame:
    """Return tonnes by commodity, main mode and corridor: commodity, mode, corridor, t [t/yr].

    Parameters
    ----------
    od
        Result table ``freight_od``.
    zones
        Zone table; a zone outside the province is an end of its own.
    year
        Calendar year.
    commodity
        Only this one; empty = all.
    top
        Corridors shown by themselves, the heaviest.

    Returns
    -------
    frame
        A corridor is ``from|to``, :data:`WITHIN` for what stays in one prefecture, or :data:`OTHER`; sums are those of the flows.
    """
    place = pl.when(pl.col("in_province")).then(pl.col("area")).otherwise(pl.col("zone_id"))
    end = dict(zones.select("zone_id", place.alias("place")).iter_rows())
    rows = od.filter(pl.col("year") == year)
    if commodity:
        rows = rows.filter(pl.col("commodity") == commodity)
    start, stop = (pl.col(c).replace_strict(end, return_dtype=pl.String) for c in ("origin", "destination"))
    pair = pl.when(start == stop).then(pl.lit(WITHIN)).otherwise(pl.concat_str(start, pl.lit("|"), stop))
    mode = pl.col("alternative").replace_strict(main_modes(), return_dtype=pl.String)
    summed = rows.group_by("commodity", mode.alias("mode"), pair.alias("corridor")).agg(pl.col("t").sum())
    ranked = summed.filter(pl.col("corridor") != WITHIN).group_by("corridor").agg(pl.col("t").sum())
    kept = ranked.sort("t", "corridor", descending=[True, False])["corridor"].to_list()[:top]
    corridor = pl.when(pl.col("corridor").is_in([*kept, WITHIN])).then("corridor").otherwise(pl.lit(OTHER))
    whole = summed.group_by("commodity", "mode", corridor.alias("corridor")).agg(pl.col("t").sum())
    return whole.sort("t", "commodity", "mode", "corridor", descending=[True, False, False, False])


def named_rows(
    rows: pl.DataFrame, names: Names, commodities: Mapping[str, str], modes: Mapping[str, str], lang: str
) -> pl.DataFrame:
    """Return the table of :func:`flow_rows` under labels and on the reader's scale: commodity, mode, corridor, t.

    Parameters
    ----------
    rows
        From :func:`flow_rows`.
    names
        Names of places.
    commodities, modes
        Code -> label.
    lang
        ``zh`` or ``en``.
    """
    return rows.select(
        pl.col("commodity").replace_strict(commodities),
        pl.col("mode").replace_strict(modes),
        corridor=pl.Series([_corridor(code, names, lang) for code in rows["corridor"]], dtype=pl.String),
        t=pl.col("t") / TONNES[lang],
    )


def _corridor(code: str, names: Names, lang: str) -> str:
    if code in {WITHIN, OTHER}:
        return t(f"freight_flow.{code}", lang)
    start, end = code.split("|")
    return t("freight_flow.corridor", lang, start=names.places.get(start, start), end=names.places.get(end, end))


def option(rows: pl.DataFrame, modes: Mapping[str, str], lang: str) -> dict[str, Any]:
    """Return the chart as an ECharts option: three columns of nodes, bands in the colour of their mode, tonnes when pointed at.

    Parameters
    ----------
    rows
        From :func:`named_rows`.
    modes
        Code -> label, for the colours.
    lang
        ``zh`` or ``en``.
    """
    colour = {modes[mode]: MODE_COLOURS[mode] for mode in MODES if mode in modes}
    nodes, links = [], []
    for depth, column in enumerate(("commodity", "mode", "corridor")):
        # nodes stay in this order: the largest first, what is no single corridor last
        rest = pl.col(column).is_in([t(f"freight_flow.{code}", lang) for code in (WITHIN, OTHER)])
        whole = rows.group_by(column).agg(pl.col("t").sum()).sort(rest, "t", column, descending=[False, True, False])
        for name in whole[column]:
            fill = colour[name] if column == "mode" else _GOODS_COLOUR if column == "commodity" else _PLACE_COLOUR
            side = "left" if column == "corridor" else "right"
            nodes.append({"name": name, "depth": depth, "itemStyle": {"color": fill}, "label": {"position": side}})
    for source, target in (("commodity", "mode"), ("mode", "corridor")):
        joined = rows.group_by(source, target).agg(pl.col("t").sum()).sort("t", source, target, descending=[True, False, False])
        for a, b, amount in joined.iter_rows():
            mode = a if source == "mode" else b
            links.append(
                {"source": a, "target": b, "value": round(amount, 2), "lineStyle": {"color": colour[mode], "opacity": 0.35}}
            )
    return {
        "tooltip": {"trigger": "item", "valueFormatter": "%,.0f" if lang == "zh" else "%,.2f"},
        "series": [
            {
                "type": "sankey",
                "data": nodes,
                "links": links,
                "left": 8,
                "right": 8,
                "top": 8,
                "bottom": 8,
                "nodeWidth": 14,
                "nodeGap": _GAP_PX,
                "draggable": False,
                "emphasis": {"focus": "adjacency"},
                "label": {"fontSize": 12, "color": "#1b1b1b"},
                "layoutIterations": 0,
            }
        ],
    }


def height(rows: pl.DataFrame) -> int:
    """Return the height of the chart that leaves room for the labels [px].

    Parameters
    ----------
    rows
        From :func:`named_rows`.
    """
    return max(320, _ROW_PX * max(rows["commodity"].n_unique(), rows["corridor"].n_unique()) + 60)
