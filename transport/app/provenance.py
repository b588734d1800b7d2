"""Where a number comes from: the definition of its indicator, the clause it answers, and the input rows that drive it with quality and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app import data_links, state
from transport.app.widgets import number, text
from transport.i18n import labels, listed, t
from transport.layout import PROVINCE
from transport.scorecard import READING, scorecard
from transport.template.layout import cited
from transport.template.words import words_of_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.scorecard import ScoreLine
    from transport.store import StoredRun

#: Data qualities from the best to the weakest.
QUALITIES = ("official", "measured", "literature", "derived", "assumption", "recalled")
#: Result table with the inputs that a run read.
USED = "parameters_used"
_SOURCES = 3
#: Page -> the main parameters behind the numbers at its head.
PAGES: Mapping[str, str] = {
    "freight": "freight_growth_index industry_output_index external_cargo_in external_cargo_out rail_tariff_per_km road_hour_cost "
    "road_toll_per_km train_pairs_per_day net_load_t terminal_capacity observed_rail_territory_tkm",
    "fleets": "vehicle_stock clean_sales_share new_energy_share_of_clean survival_scale used_inflow_share annual_distance",
    "charging": "depot_buses bus_round_trip taxi_daily_distance airport_movements charger_power charging_loss tou_price_ratio "
    "charging_electricity_price managed_charging_share week_weight",
    "prefectures": "",
}


def drivers(used: pl.DataFrame, basis: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the inputs that an indicator rests on: parameter, rows, verified [rows], quality (the weakest), sources, link.

    Parameters
    ----------
    used
        Result table ``parameters_used``.
    basis
        Parameters, separated by spaces, as the table ``indicators`` of the data names them.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    called, names, citations = labels(data, "quality", lang), words_of_names(data, lang), cited(data, lang)
    rank = {quality: i for i, quality in enumerate(QUALITIES)}
    made = []
    for parameter in basis.split():
        rows = used.filter(pl.col("parameter") == parameter)
        if rows.is_empty():
            continue
        weakest = max(rows["quality"].to_list(), key=lambda quality: rank.get(quality, len(rank)))
        sources = rows["source"].drop_nulls().value_counts(sort=True)["source"].to_list()
        made.append(
            {
                "parameter": names.get(parameter, parameter),
                "rows": rows.height,
                "verified": rows.filter(~pl.col("quality").is_in(QUALITIES[-2:])).height,
                "quality": called.get(weakest, weakest),
                "sources": "; ".join(citations.get(str(source), str(source)) for source in sources[:_SOURCES]),
                "link": data_links.address(data_links.to_parameter(parameter), lang),
            }
        )
    schema = {"parameter": pl.String, "rows": pl.Int64, "verified": pl.Int64} | dict.fromkeys(
        ("quality", "sources", "link"), pl.String
    )
    return pl.DataFrame(made, schema=schema)


def definition(indicator: str, data: Inputs, lang: str) -> str:
    """Return how the headline of an indicator is read, in words; a dash where there is only one way to read it.

    Parameters
    ----------
    indicator
        Its code.
    data
        Definitions and labels.
    lang
        ``zh`` or ``en``.
    """
    rows = data.table("indicators").filter(pl.col("id") == indicator)
    if rows.is_empty():
        return "-"
    row = rows.row(0, named=True)
    parts = [labels(data, part, lang).get(str(row[part]), str(row[part])) for part in READING if row[part] is not None]
    return listed(parts, lang, long=True) or "-"


def where_from(line: ScoreLine, run: StoredRun, data: Inputs, lang: str) -> None:
    """Draw the button under a number that opens where it comes from.

    Parameters
    ----------
    line
        Of the scorecard.
    run
        With the table of the inputs it read.
    data
        Definitions, targets and labels.
    lang
        ``zh`` or ``en``.
    """
    names, qualities = labels(data, "indicator", lang), labels(data, "quality", lang)
    with st.popover(t("provenance.button", lang), icon=":material/manage_search:", type="tertiary"):
        st.markdown(f"**{names.get(line.id, line.id)}**")
        st.markdown(t("provenance.definition", lang, definition=definition(line.id, data, lang)))
        quality = qualities.get(line.quality, "-")
        st.markdown(t("provenance.run", lang, run=run.manifest["run_id"], data=run.manifest["data_hash"][:12], quality=quality))
        asked = [x for x in data.targets if (x.id, x.area, x.year) == (line.id, line.area, line.year)]
        if asked:
            said = {"document": asked[0].document, "clause": asked[0].clause, "wording": asked[0].wording_zh}
            st.markdown(t("provenance.clause", lang, **said))
        rows = data.table("indicators").filter(pl.col("id") == line.id)
        _inputs("" if rows.is_empty() else str(rows["basis"][0] or ""), run, data, lang)


def where_from_page(page: str, run: StoredRun, data: Inputs, lang: str, basis: str = "") -> None:
    """Draw the button that opens where the numbers at the head of a page come from, which are no targets.

    Parameters
    ----------
    page
        Key of :data:`PAGES`; the text ``provenance.about_{page}`` says how its numbers are made.
    run
        With the table of the inputs it read.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    basis
        Parameters that the numbers rest on, separated by spaces; those of the page by default.
    """
    with st.popover(t("provenance.button", lang), icon=":material/manage_search:", type="tertiary"):
        st.markdown(t(f"provenance.about_{page}", lang))
        st.markdown(t("provenance.made", lang, run=run.manifest["run_id"], data=run.manifest["data_hash"][:12]))
        _inputs(basis or PAGES[page], run, data, lang)


def _inputs(basis: str, run: StoredRun, data: Inputs, lang: str) -> None:
    """Show the inputs that numbers rest on, with their quality and sources."""
    found = drivers(state.table(run, USED), basis, data, lang) if USED in run.manifest["tables"] else None
    if found is None or found.is_empty():
        return
    config = {
        "parameter": text(t("provenance.parameter", lang), width=250),
        "rows": number(t("provenance.rows", lang), width=70),
        "verified": number(t("provenance.verified", lang), width=90),
        "quality": text(t("provenance.quality", lang), width=110),
        "sources": text(t("provenance.sources", lang), width=420),
        "link": st.column_config.LinkColumn(t("provenance.link", lang), display_text=t("provenance.open", lang)),
    }
    # sources are long: the link stands before them, where it is seen without scrolling
    shown = found.select("parameter", "quality", "rows", "verified", "link", "sources")
    st.dataframe(shown.to_arrow(), hide_index=True, column_config=config, alt=t("provenance.table", lang), lazy=False)
    st.caption(t("provenance.note", lang))


def where_from_target(indicator: str, run: StoredRun, data: Inputs, lang: str, area: str = PROVINCE) -> None:
    """Draw the button that opens where the number of a target comes from; nothing where the area has no such target.

    Parameters
    ----------
    indicator
        Its code; of several years the last one counts.
    run
        With the tables ``indicators`` and ``parameters_used``.
    data
        Definitions, targets and labels.
    lang
        ``zh`` or ``en``.
    area
        Code of the province or a city.
    """
    lines = scorecard(state.table(run, "indicators"), data.table("indicators"))
    found = [line for line in lines if (line.id, line.area) == (indicator, area)]
    if found:
        where_from(found[-1], run, data, lang)
