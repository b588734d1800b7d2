"""What the what-if page shows, as plain frames: result tables of a run and the project register in, names and units of the reader out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.app.freight_tables import tonnes
from transport.check_projects import is_opening
from transport.freight_lever_costs import NO_COST
from transport.i18n import labels, t
from transport.layout import PROVINCE
from transport.project_text import register_table
from transport.projects import register

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.app.freight_tables import Names
    from transport.inputs import Inputs

#: Columns each section needs, by result table; a run of an older version lacks some.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "sea_rail_path": (
        "year",
        "zone_id",
        "sea_rail_teu",
        "teu_throughput",
        "share_pct",
        "observed_period",
        "observed_teu",
        "observed_share_pct",
        "share_error_points",
        "used_for",
        "quality",
        "target_share_pct",
    ),
    "sea_rail_ports": (
        "year",
        "zone_id",
        "in_province",
        "teu_throughput",
        "observed_teu",
        "gateway_teu",
        "sea_rail_teu",
        "road_teu",
        "transhipped_teu",
        "residual_teu",
        "share_pct",
    ),
    "sea_rail_change": (
        "zone_id",
        "from_year",
        "to_year",
        "from_share_pct",
        "to_share_pct",
        "change_points",
        "by_sea_rail_points",
        "by_throughput_points",
    ),
    "sea_rail_chains": (
        "year",
        "zone_id",
        "direction",
        "inland_kind",
        "inland_place",
        "corridor",
        "loaded_teu",
        "empty_teu",
        "rail_km",
        "drayage_km",
        "trains_per_day",
        "tightest_kind",
        "tightest_place",
        "tightest_vc_ratio",
    ),
    "sea_rail_elasticities": ("case", "price_of", "sea_rail_teu", "road_line_haul_tkm", "drayage_tkm"),
    "freight_lever_costs": ("lever", "year", "amount", "payer", "basis", "quality"),
    "freight_quotas": ("year", "port", "quota", "share_without", "share_with", "charge_cny_per_t", "unmet_t", "binds"),
    "distribution": ("year", "area", "part", "t", "tkm", "vehicle_km", "clean_km_share", "handled_t", "cost_cny2023"),
    "industry": ("year", "product", "output", "unit", "output_index", "level", "freight_t", "freight_index", "short_t"),
    "freight": ("year", "mode", "commodity", "t", "territory_tkm", "total_tkm"),
    "freight_corridors": ("year", "from_place", "to_place", "mode", "t", "tkm"),
    "freight_areas": ("year", "area", "mode", "territory_tkm", "sent_t", "received_t"),
}
#: Boxes in the unit the reader uses: 10^4 TEU in Chinese, 10^3 in English.
TEU: Mapping[str, float] = {"zh": 1e4, "en": 1e3}
#: Money of a lever or project: 10^8 yuan in Chinese, 10^6 in English.
MONEY: Mapping[str, float] = {"zh": 1e8, "en": 1e6}
TKM: Mapping[str, float] = {"zh": 1e8, "en": 1e9}
#: Qualities of what was never read in a source.
WEAK = ("assumption", "recalled")


def joint(lang: str) -> str:
    """Return what stands between the items of a list in a sentence."""
    return "、" if lang == "zh" else ", "


def blank(table: pl.DataFrame, forms: Mapping[str, str]) -> pl.DataFrame:
    """Return a table with some columns of numbers as texts, empty where there is none; what rounds to nought has no minus.

    Parameters
    ----------
    table
        Any table.
    forms
        Number format by column.

    Examples
    --------
    >>> blank(pl.DataFrame({"x": [1.25, -0.01, None]}), {"x": "+.1f"})["x"].to_list()
    ['+1.2', '+0.0', '']
    """
    plain = {c: _without_minus(form) for c, form in forms.items()}
    written = {c: ["" if x is None else f"{x:{form}}" for x in table[c]] for c, form in plain.items()}
    return table.with_columns(pl.Series(c, cells, dtype=pl.String) for c, cells in written.items())


def _without_minus(form: str) -> str:
    """Return the form that writes what rounds to nought without a minus."""
    if not form.endswith("f"):
        return form
    return form.replace("+", "+z") if "+" in form else f"z{form}"


def badge(quality: str, qualities: Mapping[str, str], lang: str) -> str:
    """Return the label of a quality, marked where nothing was read in a source.

    Parameters
    ----------
    quality
        Code.
    qualities
        Labels by code.
    lang
        ``zh`` or ``en``.
    """
    label = qualities.get(quality, quality)
    return t("what_if.weak", lang, quality=label) if quality in WEAK else label


# ---- projects and levers -----------------------------------------------------------------------------------------------------------


def opened(data: Inputs, settings: Mapping[str, Any]) -> dict[str, int]:
    """Return the opening year of every project that a run builds.

    Parameters
    ----------
    data
        With the register.
    settings
        Section ``projects`` of the resolved scenario: year by project, or ``never``.

    Notes
    -----
    A project that only opens links the table already holds is built in the register's year unless the scenario says otherwise; all others are built
    only if the scenario names them.
    """
    found = {}
    for row in register(data).iter_rows(named=True):
        name = row["project_id"]
        year = settings.get(name, row["open_year"] if is_opening(row) else None)
        if year is not None and year != "never":
            found[str(name)] = int(str(year))
    return found


def project_rows(
    data: Inputs, built: Mapping[str, int], kinds: Sequence[str], states: Sequence[str], needle: str, lang: str
) -> pl.DataFrame:
    """Return the register as it is listed, with the year in which the shown run opens each project.

    Parameters
    ----------
    data
        With the register.
    built
        From :func:`opened`.
    kinds, states
        Codes that are shown; none = all.
    needle
        Text that a row must hold.
    lang
        ``zh`` or ``en``.
    """
    rows = register(data)
    shown = rows.filter(
        pl.col("kind").is_in(list(kinds)) if kinds else pl.lit(value=True),
        pl.col("status").is_in(list(states)) if states else pl.lit(value=True),
    )["project_id"].to_list()
    found = register_table(data, lang, needle).filter(pl.col("project_id").is_in(shown))
    quality = dict(rows.select("project_id", "quality").iter_rows())
    qualities = labels(data, "quality", lang)
    named = found.with_columns(
        in_run=pl.Series([built.get(name) for name in found["project_id"]], dtype=pl.Int64),
        quality=pl.Series(
            [None if quality[name] is None else badge(quality[name], qualities, lang) for name in found["project_id"]],
            dtype=pl.String,
        ),
    )
    return named.sort("in_run", "kind", "project_id", nulls_last=True)


def lever_costs(table: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what freight levers cost in a year: lever, amount, payer, basis, quality; the largest first, those without a known cost left out.

    Parameters
    ----------
    table
        Result table ``freight_lever_costs``.
    year
        One of its years.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    rows = table.filter(pl.col("year") == year, pl.col("amount").is_not_null()).sort(pl.col("amount").abs(), descending=True)
    levers = dict(data.table("levers").select("lever", f"label_{lang}").iter_rows())
    payers, bases, qualities = (labels(data, name, lang) for name in ("lever_payer", "lever_cost", "quality"))
    return rows.select(
        lever=pl.col("lever").replace_strict(levers, default=pl.col("lever")),
        amount=pl.col("amount") / MONEY[lang],
        payer=pl.col("payer").replace_strict(payers, default=pl.col("payer")),
        basis=pl.col("basis").replace_strict(bases, default=pl.col("basis")),
        quality=pl.Series([badge(code, qualities, lang) for code in rows["quality"]], dtype=pl.String),
    )


def unpriced(table: pl.DataFrame, data: Inputs, lang: str) -> list[str]:
    """Return the labels of the levers of a run whose cost no row tells.

    Parameters
    ----------
    table
        Result table ``freight_lever_costs``.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    levers = dict(data.table("levers").select("lever", f"label_{lang}").iter_rows())
    return [levers.get(name, name) for name in table.filter(pl.col("basis") == NO_COST)["lever"].unique().sort()]


def quotas(table: pl.DataFrame, names: Names, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the collection quotas of ports in a year: quota, share without and with, charge, tonnes missing, what binds.

    Parameters
    ----------
    table
        Result table ``freight_quotas``.
    names
        Names of ports.
    year
        One of its years.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    binding = labels(data, "quota_binding", lang) | {"": t("what_if.met", lang)}
    rows = table.filter(pl.col("year") == year).sort("unmet_t", "port", descending=[True, False])
    return rows.select(
        port=pl.col("port").replace_strict(names.places, default=pl.col("port")),
        quota=100.0 * pl.col("quota"),
        without=100.0 * pl.col("share_without"),
        share=100.0 * pl.col("share_with"),
        charge="charge_cny_per_t",
        unmet=tonnes(lang, "unmet_t"),
        binds=pl.col("binds").fill_null("").replace_strict(binding, default=pl.col("binds")),
    )


# ---- distribution and industry -----------------------------------------------------------------------------------------------------


def distribution(table: pl.DataFrame, names: Names, year: int, lang: str) -> pl.DataFrame:
    """Return light-truck distribution by prefecture, the largest first, the province last: t, tkm (urban, rural), km, load, clean share, consolidated share, cost.

    Parameters
    ----------
    table
        Result table ``distribution``.
    names
        Names of prefectures.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.
    """
    rows = table.filter(pl.col("year") == year).with_columns(clean=pl.col("clean_km_share") * pl.col("vehicle_km"))
    amounts = ("t", "tkm", "vehicle_km", "clean", "handled_t", "cost_cny2023")
    by_part = [pl.col("tkm").filter(pl.col("part") == part).sum().alias(part) for part in ("urban", "rural")]
    areas = rows.group_by("area").agg(pl.col(amounts).sum(), *by_part).sort("tkm", descending=True)
    whole = areas.select(pl.lit(PROVINCE).alias("area"), pl.col(*amounts, "urban", "rural").sum())
    return pl.concat([areas, whole]).select(
        area=pl.col("area").replace_strict(names.places, default=pl.col("area")),
        t=tonnes(lang, "t"),
        urban=pl.col("urban") / TKM[lang],
        rural=pl.col("rural") / TKM[lang],
        tkm=pl.col("tkm") / TKM[lang],
        load=pl.col("tkm") / pl.col("vehicle_km"),
        clean=100.0 * pl.col("clean") / pl.col("vehicle_km"),
        handled=100.0 * pl.col("handled_t") / pl.col("t"),
        cost=pl.col("cost_cny2023") / MONEY[lang],
    )


def industry(table: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return output and driven freight by product in a year, the most freight first.

    Parameters
    ----------
    table
        Result table ``industry``.
    year
        Calendar year.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    scales = {unit: (by, t(f"what_if.output_{key}", lang)) for unit, (by, key) in _OUTPUT[lang].items()}
    products = labels(data, "product", lang)
    rows = table.filter(pl.col("year") == year).sort("freight_t", descending=True)
    units = [scales.get(unit, (1.0, unit)) for unit in rows["unit"]]
    return rows.select(
        product=pl.col("product").replace_strict(products, default=pl.col("product")),
        output=pl.col("output") / pl.Series([by for by, _ in units], dtype=pl.Float64),
        unit=pl.Series([label for _, label in units], dtype=pl.String),
        index=100.0 * pl.col("output_index"),
        level=100.0 * pl.col("level"),
        freight=tonnes(lang, "freight_t"),
        growth=100.0 * pl.col("freight_index"),
        short=tonnes(lang, "short_t"),
    )


#: Units of output on the reader's scale: divisor, key of the label.
_OUTPUT: Mapping[str, Mapping[str, tuple[float, str]]] = {
    "zh": {
        "t/yr": (1e4, "tonnes"),
        "TEU/year": (1e4, "teu"),
        "TEU/yr": (1e4, "teu"),
        "kWh/yr": (1e8, "power"),
        "veh/yr": (1e4, "vehicles"),
    },
    "en": {
        "t/yr": (1e6, "tonnes"),
        "TEU/year": (1e6, "teu"),
        "TEU/yr": (1e6, "teu"),
        "kWh/yr": (1e9, "power"),
        "veh/yr": (1e3, "vehicles"),
    },
}
