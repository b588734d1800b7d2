"""What is set beside each other of several scenarios: columns name and value of one run, on the reader's scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app import state
from transport.app.account_tables import TONNES
from transport.i18n import labels, t
from transport.layout import PROVINCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.comparison import Make
    from transport.inputs import Inputs
    from transport.store import StoredRun

#: tkm in the unit of the reader: 10^8 in Chinese, 10^9 in English; and kgce: 10^4 and 10^3 t.
TKM: Mapping[str, float] = {"zh": 1e8, "en": 1e9}
_KGCE: Mapping[str, float] = {"zh": 1e7, "en": 1e6}
_EMPTY = {"name": pl.String, "value": pl.Float64}


def _named(rows: pl.DataFrame, named: Mapping[str, str]) -> pl.DataFrame:
    """Return rows of a code and a value under the labels of the codes, in the order of the labels."""
    rank = {code: i for i, code in enumerate(named)}
    ordered = rows.sort(pl.col("name").replace_strict(rank, default=len(rank), return_dtype=pl.Int64), "name")
    return ordered.select(pl.col("name").replace(named), pl.col("value").cast(pl.Float64))


def table_of(run: StoredRun, name: str) -> pl.DataFrame | None:
    """Return a table of a run, None where it has none of this name."""
    return state.table(run, name) if name in run.manifest["tables"] else None


def freight_by(kind: str, year: int, data: Inputs, lang: str) -> Make:
    """Return the turnover on the territory by ``mode`` or ``commodity`` [10^8 or 10^9 tkm].

    Parameters
    ----------
    kind
        Column of the result table ``freight``.
    year
        Calendar year.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """

    def make(run: StoredRun) -> pl.DataFrame:
        rows = state.table(run, "freight").filter(pl.col("year") == year)
        sums = rows.group_by(name=kind).agg(value=pl.col("territory_tkm").sum() / TKM[lang])
        return _named(sums, labels(data, kind, lang))

    return make


def corridors(looked_at: StoredRun, year: int, places: Mapping[str, str], lang: str, top: int = 10) -> Make:
    """Return the tonnes by rail and water between places [10^4 t or kt]: the corridors with most of them in the scenario looked at.

    Parameters
    ----------
    looked_at
        Run whose largest corridors are shown.
    year
        A year of the result table ``freight_corridors``.
    places
        Code -> name.
    lang
        ``zh`` or ``en``.
    top
        Corridors.
    """

    def sums(run: StoredRun) -> pl.DataFrame:
        rows = state.table(run, "freight_corridors").filter(
            pl.col("year") == year, pl.col("mode").is_in(["rail", "water"]), pl.col("from_place") != pl.col("to_place")
        )
        return rows.group_by("from_place", "to_place").agg(value=pl.col("t").sum() / TONNES[lang])

    order = sums(looked_at).sort("value", "from_place", "to_place", descending=[True, False, False]).head(top).drop("value")

    def make(run: StoredRun) -> pl.DataFrame:
        rows = order.join(sums(run), on=["from_place", "to_place"], how="left", maintain_order="left")
        names = [
            t("comparison.corridor", lang, start=places.get(a, a), end=places.get(b, b))
            for a, b in rows.select("from_place", "to_place").iter_rows()
        ]
        return rows.select(pl.Series("name", names, dtype=pl.String), pl.col("value").fill_null(0.0))

    return make


def city_modes(area: str, year: int, data: Inputs, lang: str) -> Make:
    """Return the shares of trips of a city by mode [percent].

    Parameters
    ----------
    area
        Code of the city.
    year
        Calendar year.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """

    def make(run: StoredRun) -> pl.DataFrame:
        rows = state.table(run, "green_travel").filter(pl.col("year") == year, pl.col("area") == area)
        return _named(rows.select(name="mode", value=100.0 * pl.col("share")), labels(data, "travel_mode", lang))

    return make


def green_shares(year: int, data: Inputs, lang: str) -> Make:
    """Return the green travel share of every city [percent].

    Parameters
    ----------
    year
        Calendar year.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """

    def make(run: StoredRun) -> pl.DataFrame:
        rows = state.table(run, "indicators").filter(
            pl.col("id") == "green_travel_share", pl.col("variant") == "", pl.col("year") == year, pl.col("area") != PROVINCE
        )
        return _named(rows.select(name="area", value="value"), labels(data, "area", lang))

    return make


def charging_of(what: str, week: str, data: Inputs, lang: str) -> Make:
    """Return the charging of a simulated week by system: ``peak`` of the summed load [MW], or ``energy`` [MWh].

    Parameters
    ----------
    what
        ``peak`` or ``energy``.
    week
        Code of the week.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """

    def make(run: StoredRun) -> pl.DataFrame:
        load = table_of(run, "simulation_load")
        if load is None or load.is_empty():
            return pl.DataFrame(schema=_EMPTY)
        hours = load.filter(pl.col("week") == week).group_by("system", "hour").agg(pl.col("kw").sum() / 1e3)
        value = pl.col("kw").max() if what == "peak" else pl.col("kw").sum()
        return _named(hours.group_by(name="system").agg(value=value), labels(data, "system", lang))

    return make


def co2_by_sector(year: int, scope: str, data: Inputs, lang: str) -> Make:
    """Return CO2 by sector [10^4 t or kt].

    Parameters
    ----------
    year
        Calendar year.
    scope
        ``direct``, ``direct_power`` or ``wtw``.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """

    def make(run: StoredRun) -> pl.DataFrame:
        table = table_of(run, "co2_areas")
        if table is None:
            return pl.DataFrame(schema=_EMPTY)
        rows = table.filter(pl.col("year") == year, pl.col("scope") == scope)
        return _named(rows.group_by(name="sector").agg(value=pl.col("t").sum() / TONNES[lang]), labels(data, "area_sector", lang))

    return make


def energy_by_carrier(year: int, data: Inputs, lang: str) -> Make:
    """Return final energy by carrier [10^4 tce or kt of coal equivalent].

    Parameters
    ----------
    year
        Calendar year.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """

    def make(run: StoredRun) -> pl.DataFrame:
        rows = state.table(run, "energy").filter(pl.col("year") == year)
        sums = rows.group_by(name="carrier").agg(value=pl.col("kgce").sum() / _KGCE[lang])
        return _named(sums.filter(pl.col("value") > 0.0), labels(data, "carrier", lang))

    return make
