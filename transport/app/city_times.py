"""Minutes and yuan of a trip by mode on the page of cities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from transport.app.widgets import number, show, text
from transport.i18n import labels, t

if TYPE_CHECKING:
    from transport.inputs import Inputs

#: Length of trip that is shown first.
START_BAND = "km_8"
_MEASURES = ("in_vehicle", "access", "wait", "total")


def time_rows(times: pl.DataFrame, area: str, years: tuple[int, int], band: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what a trip of some length takes and costs by mode, in a year beside an earlier one.

    Parameters
    ----------
    times
        Table ``travel_times``.
    area
        Prefecture code.
    years
        The earlier year and the one shown.
    band
        Code of the length band.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns mode, in_vehicle, access, wait, total, base_total [min], outlay, base_outlay [CNY], in the order of the code list; a mode that did not run in
        the earlier year has no base.
    """
    names = labels(data, "travel_mode", lang)
    order = {code: k for k, code in enumerate(names)}
    own = times.filter(pl.col("area") == area, pl.col("length_band") == band)
    base, shown = (own.filter(pl.col("year") == year) for year in years)
    before = base.select("mode", base_total="total_min", base_outlay="outlay_cny")
    return (
        shown.join(before, on="mode", how="left")
        .sort(pl.col("mode").replace_strict(order))
        .select(
            pl.col("mode").replace(names),
            *(pl.col(f"{name}_min").alias(name) for name in _MEASURES),
            "base_total",
            outlay="outlay_cny",
            base_outlay="base_outlay",
        )
    )


def times_of_a_trip(times: pl.DataFrame, data: Inputs, area: str, year: int, lang: str) -> None:
    """Draw the expander with time and cost by mode, in the nearest year of the table.

    Parameters
    ----------
    times
        Table ``travel_times``.
    data
        For the labels.
    area
        Prefecture code.
    year
        Calendar year that the reader chose.
    lang
        ``zh`` or ``en``.
    """
    years = sorted(times["year"].unique().to_list())
    nearest = min(years, key=lambda known: (abs(known - year), known))
    title = t("cities.times_title", lang, year=nearest)
    with st.expander(title):
        bands = labels(data, "length_band", lang)
        present = [code for code in bands if code in set(times["length_band"])]
        band = st.segmented_control(
            t("cities.split_length_band", lang),
            present,
            required=True,
            default=START_BAND if START_BAND in present else present[0],
            format_func=lambda code: bands[code],
            key="cities_band",
            persist_state="session",
        )
        config = {"mode": text(t("cities.mode", lang), width=120)}
        config |= {c: number(t(f"cities.times_{c}", lang), "%.1f", width=100) for c in _MEASURES}
        config["base_total"] = number(t("cities.times_base_total", lang, year=years[0]), "%.1f", width=120)
        config["outlay"] = number(t("cities.times_outlay", lang), "%.1f", width=100)
        config["base_outlay"] = number(t("cities.times_base_outlay", lang, year=years[0]), "%.1f", width=120)
        show(time_rows(times, area, (years[0], nearest), str(band or present[0]), data, lang), config, title)
        st.caption(t("cities.times_note", lang))
