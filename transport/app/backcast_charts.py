"""Chart of a backcast as an Altair specification: the front of cost over CO2 with the package that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from transport.app.charts import LINE_COLOUR, MISSED_COLOUR
from transport.i18n import t

if TYPE_CHECKING:
    from collections.abc import Sequence


def front(points: pl.DataFrame, *, lang: str) -> alt.LayerChart | alt.FacetChart:
    """Return the packages of the front in a plane of CO2 and cost, the answer as a diamond with its name.

    Parameters
    ----------
    points
        Columns co2, cost [units of the language], met (text), best.
    lang
        ``zh`` or ``en``.
    """
    kinds: Sequence[str] = (t("backcast_tab.on_front", lang), t("backcast.answer", lang))
    table = points.with_columns(kind=pl.when("best").then(pl.lit(kinds[1])).otherwise(pl.lit(kinds[0])))
    x = alt.X("co2:Q", title=t("backcast_tab.co2", lang), scale=alt.Scale(zero=False, nice=True))
    y = alt.Y("cost:Q", title=t("backcast_tab.cost", lang), scale=alt.Scale(zero=False, nice=True))
    tip = [
        alt.Tooltip("kind:N", title=" "),
        alt.Tooltip("co2:Q", title=t("backcast_tab.co2", lang), format=",.1f"),
        alt.Tooltip("cost:Q", title=t("backcast_tab.cost", lang), format=",.2f"),
        alt.Tooltip("met:N", title=t("backcast.met_count", lang)),
    ]
    legend = alt.Legend(title=None, orient="top")
    marks = (
        alt.Chart(table, height=320)
        .mark_point(size=110, filled=True, opacity=1.0)
        .encode(
            x=x,
            y=y,
            tooltip=tip,
            color=alt.Color("kind:N", scale=alt.Scale(domain=list(kinds), range=[LINE_COLOUR, MISSED_COLOUR]), legend=legend),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=list(kinds), range=["circle", "diamond"]), legend=legend),
        )
    )
    line = alt.Chart(table).mark_line(color=LINE_COLOUR, strokeWidth=1.5).encode(x=x, y=y, order="co2:Q")
    return alt.layer(line, marks)
