"""What the page of fleets shows, as plain frames: result tables of a run in, names and units of the reader out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import has_text, labels, t
from transport.layout import PROVINCE
from transport.vehicles.tables import read_clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs

#: Columns each section needs, by result table; a run of an older version lacks some.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "stock": ("year", "vehicle_class", "powertrain", "stock_veh", "sales_veh", "scrap_veh", "inflow_veh"),
    "indicators": ("id", "area", "year", "variant", "value", "target", "tolerance", "verdict"),
    "energy": ("year", "vehicle_class", "powertrain", "carrier", "quantity", "unit", "kgce"),
    "energy_areas": ("year", "area", "vehicle_class", "carrier", "quantity", "unit"),
    "co2": ("year", "vehicle_class", "powertrain", "scope", "t"),
    "co2_areas": ("year", "area", "sector", "scope", "t"),
    "tco": ("year", "vehicle_class", "powertrain", "unit", "sales_split", "total_cny2023_per_unit", "path_share", "tco_share"),
    "retired_batteries": ("year", "vehicle_class", "powertrain", "scrapped_kwh", "replaced_kwh", "kwh"),
    "airports": ("airport", "year", "movements", "bridge_power_share"),
    "berths": ("route", "year", "calls", "berth_kwh"),
}
#: Groups of additions of the target on clean additions, the one of the wording first.
DEFINITIONS = ("all_civil", "operating", "without_private_cars")
#: Lists of what counts as clean.
LISTS = ("plan", "nev_only")
#: All road vehicles but those of farms; a group beside the classes.
ROAD = "road_all"
#: Classes of one part of the fleet that are counted in one unit.
_UNIT_OF_PART = {"rail": "train", "urban_rail": "train", "coastal": "ship", "ocean": "ship", "air": "plane"}
#: Number from which vehicles are written in 10^4 (Chinese) or thousands (English).
_MANY = 5e4
#: Tonnes of coal equivalent or of CO2 on the reader's scale: 10^4 t in Chinese, kt in English.
TONNES: Mapping[str, float] = {"zh": 1e4, "en": 1e3}
#: Electricity on the reader's scale: 10^8 kWh in Chinese, GWh in English.
KWH: Mapping[str, float] = {"zh": 1e8, "en": 1e6}
#: Capacity of batteries on the reader's scale: 10^4 kWh in Chinese, MWh in English.
CELLS: Mapping[str, float] = {"zh": 1e4, "en": 1e3}
_THOUSANDS: Mapping[str, float] = {"zh": 1e4, "en": 1e3}


# ---- groups ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fleet:
    """Vehicles that are shown together.

    Attributes
    ----------
    code
        Vehicle class, parent of several, or :data:`ROAD`.
    label
        In the language of the reader.
    classes
        Vehicle classes of the tables.
    unit
        What one of them is counted as: ``vehicle``, ``train``, ``ship`` or ``plane``.
    """

    code: str
    label: str
    classes: tuple[str, ...]
    unit: str


def fleets(data: Inputs, stock: pl.DataFrame, lang: str) -> dict[str, Fleet]:
    """Return the fleets that the page can show by code, all road vehicles first; what has no stock is left out.

    Parameters
    ----------
    data
        With ``fleets/classes`` and labels.
    stock
        Result table ``stock``.
    lang
        ``zh`` or ``en``.
    """
    there = set(stock.filter(pl.col("stock_veh") > 0)["vehicle_class"].to_list())
    rows = data.table("fleets/classes").filter(pl.col("vehicle_class").is_in(sorted(there)))
    named = labels(data, "vehicle_class", lang)
    road = tuple(rows.filter(pl.col("part") == "road")["vehicle_class"].to_list())
    found = {ROAD: Fleet(ROAD, t("fleets.road_all", lang), road, "vehicle")} if road else {}
    for name, parent, part in rows.select("vehicle_class", "parent", "part").iter_rows():
        code = parent or name
        before = found[code].classes if code in found else ()
        found[code] = Fleet(code, named.get(code, code), (*before, name), _UNIT_OF_PART.get(part, "vehicle"))
    return found


def parents(data: Inputs) -> dict[str, str]:
    """Return the group of each vehicle class; a class without one is its own, so are users of energy that are no vehicles."""
    table = data.table("fleets/classes")
    return {name: parent or name for name, parent in table.select("vehicle_class", "parent").iter_rows()}


def new_energy(data: Inputs) -> frozenset[tuple[str, str]]:
    """Return the vehicle classes and powertrains that count as new energy, as the indicators count them."""
    return frozenset(pair for pair, counts in read_clean(data)["nev_only"].items() if counts)


def scale_of(values: pl.Series, lang: str) -> float:
    """Return what a number of vehicles is divided by: 10^4 or 10^3 where there are many, else 1.

    Parameters
    ----------
    values
        The largest numbers shown [veh].
    lang
        ``zh`` or ``en``.
    """
    top = values.max()
    return _THOUSANDS[lang] if top is not None and float(str(top)) >= _MANY else 1.0


def unit_of(fleet: Fleet, scale: float, lang: str) -> str:
    """Return the unit of a number of vehicles on a scale.

    Parameters
    ----------
    fleet
        Whose vehicles.
    scale
        From :func:`scale_of`.
    lang
        ``zh`` or ``en``.
    """
    return t(f"fleets.unit_{fleet.unit}" if scale == 1.0 else "fleets.unit_many", lang)


# ---- stock and additions -----------------------------------------------------------------------------------------------------------


def _of(table: pl.DataFrame, fleet: Fleet) -> pl.DataFrame:
    return table.filter(pl.col("vehicle_class").is_in(list(fleet.classes)))


def paths(stock: pl.DataFrame, fleet: Fleet, new: frozenset[tuple[str, str]], data: Inputs, lang: str) -> pl.DataFrame:
    """Return the stock of a fleet by year and powertrain, those of new energy last: year, code, part (label), new, amount [veh].

    Parameters
    ----------
    stock
        Result table ``stock``.
    fleet
        Whose stock.
    new
        From :func:`new_energy`.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    named = labels(data, "powertrain", lang)
    rank = {code: k for k, code in enumerate(named)}
    is_new = pl.struct("vehicle_class", "powertrain").map_elements(
        lambda row: (row["vehicle_class"], row["powertrain"]) in new, return_dtype=pl.Boolean
    )
    rows = _of(stock, fleet).with_columns(is_new.alias("new"))
    # what is new energy in one class is so in every class that has it
    found = rows.group_by("year", "powertrain").agg(pl.col("stock_veh").sum().alias("amount"), pl.col("new").any())
    kept = found.filter(pl.col("amount").max().over("powertrain") > 0)
    return (
        kept.with_columns(pl.col("powertrain").replace_strict(rank, return_dtype=pl.Int64).alias("rank"))
        .sort("new", "rank", "year")
        .select("year", code="powertrain", part=pl.col("powertrain").replace_strict(named), new="new", amount="amount")
    )


def new_shares(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the share of new energy in the stock by year: year, share [percent], all [veh]; years without vehicles are left out.

    Parameters
    ----------
    rows
        From :func:`paths`.
    """
    return (
        rows.group_by("year")
        .agg(pl.col("amount").filter("new").sum().alias("made"), pl.col("amount").sum().alias("all"))
        .filter(pl.col("all") > 0)
        .sort("year")
        .select("year", share=100.0 * pl.col("made") / pl.col("all"), all="all")
    )


def class_stock(stock: pl.DataFrame, found: Mapping[str, Fleet], new: frozenset[tuple[str, str]], year: int) -> pl.DataFrame:
    """Return every fleet in one year: fleet, unit, stock, additions, scrapped, moved [veh], share of new energy in stock and additions [percent].

    Parameters
    ----------
    stock
        Result table ``stock``.
    found
        From :func:`fleets`.
    new
        From :func:`new_energy`.
    year
        Calendar year.
    """
    rows = []
    one = stock.filter(pl.col("year") == year)
    for code, fleet in found.items():
        mine = _of(one, fleet)
        clean = mine.filter(
            pl.Series([pair in new for pair in mine.select("vehicle_class", "powertrain").iter_rows()], dtype=pl.Boolean)
        )
        whole, made = (frame.select(pl.col("stock_veh", "sales_veh", "scrap_veh", "inflow_veh").sum()) for frame in (mine, clean))
        stock_veh, sales = float(whole["stock_veh"][0]), float(whole["sales_veh"][0])
        rows.append(
            {
                "code": code,
                "fleet": fleet.label,
                "unit": fleet.unit,
                "stock": stock_veh,
                "share": 100.0 * float(made["stock_veh"][0]) / stock_veh if stock_veh else None,
                "sales": sales,
                "sales_share": 100.0 * float(made["sales_veh"][0]) / sales if sales else None,
                "scrap": float(whole["scrap_veh"][0]),
                "moved": float(whole["inflow_veh"][0]),
            }
        )
    return pl.DataFrame(rows)


def changes(stock: pl.DataFrame, fleet: Fleet, lang: str) -> pl.DataFrame:
    """Return additions (positive) and scrapped vehicles (negative) of a fleet by year: year, part (label), amount [veh].

    Vehicles that leave the province's register, or come to it, stand as a part of their own where there are any.

    Parameters
    ----------
    stock
        Result table ``stock``.
    fleet
        Whose vehicles.
    lang
        ``zh`` or ``en``.
    """
    years = (
        _of(stock, fleet)
        .group_by("year")
        .agg(pl.col("sales_veh").sum(), -pl.col("scrap_veh").sum(), pl.col("inflow_veh").sum())
        .sort("year")
    )
    named = {f"{part}_veh": t(f"fleets.{part}", lang) for part in ("sales", "scrap", "inflow")}
    kept = [c for c in named if c != "inflow_veh" or bool((years[c].abs() > 1e-9).any())]
    long = years.unpivot(on=kept, index="year", variable_name="part", value_name="amount")
    return long.with_columns(pl.col("part").replace_strict(named))


# ---- clean share of additions ------------------------------------------------------------------------------------------------------


def clean_paths(indicators: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the clean share of additions by group and list over the years: year, group, counted, name, list, share [percent].

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    lang
        ``zh`` or ``en``.
    """
    keys = {f"{group}:{counted}": (group, counted) for group in DEFINITIONS for counted in LISTS}
    rows = indicators.filter(pl.col("id") == "clean_share_of_additions", pl.col("variant").is_in(list(keys)))
    group = {key: pair[0] for key, pair in keys.items()}
    counted = {key: pair[1] for key, pair in keys.items()}
    rank = {key: k for k, key in enumerate(keys)}
    return (
        rows.drop_nulls("value")
        .with_columns(pl.col("variant").replace_strict(rank, return_dtype=pl.Int64).alias("rank"))
        .sort("rank", "year")
        .select(
            "year",
            group=pl.col("variant").replace_strict(group),
            counted=pl.col("variant").replace_strict(counted),
            name=pl.col("variant").replace_strict({k: t(f"fleets.group_{g}", lang) for k, g in group.items()}),
            list=pl.col("variant").replace_strict({k: t(f"fleets.list_{c}", lang) for k, c in counted.items()}),
            share="value",
            target="target",
            tolerance="tolerance",
            verdict="verdict",
        )
    )


def clean_by_class(indicators: pl.DataFrame, found: Mapping[str, Fleet], year: int) -> pl.DataFrame:
    """Return the clean share of additions by fleet in one year: fleet, plan, nev_only [percent]; fleets without additions are left out.

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    found
        From :func:`fleets`.
    year
        Calendar year.
    """
    rows = indicators.filter(pl.col("id") == "clean_share_of_class_additions", pl.col("year") == year).drop_nulls("value")
    value = dict(rows.select("variant", "value").iter_rows())
    made = [
        {"fleet": fleet.label, **{counted: value.get(f"{code}:{counted}") for counted in LISTS}} for code, fleet in found.items()
    ]
    schema = {"fleet": pl.String, **dict.fromkeys(LISTS, pl.Float64)}
    return pl.DataFrame(made, schema=schema).filter(pl.any_horizontal(pl.col(*LISTS).is_not_null()))


# ---- airports and ferries ----------------------------------------------------------------------------------------------------------


def airports(table: pl.DataFrame, data: Inputs, year: int, lang: str) -> pl.DataFrame:
    """Return the airports of one year, the busiest first: airport, movements, bridge [percent of stand time on ground power].

    Parameters
    ----------
    table
        Result table ``airports``.
    data
        For names.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.
    """
    names = dict(data.table("networks/nodes").select("node_id", f"name_{lang}").iter_rows())
    return (
        table.filter(pl.col("year") == year)
        .sort("movements", "airport", descending=[True, False])
        .select(
            pl.col("airport").replace_strict(names, default=pl.col("airport"), return_dtype=pl.String),
            "movements",
            bridge=100.0 * pl.col("bridge_power_share"),
        )
    )


def ferries(table: pl.DataFrame, year: int, lang: str) -> pl.DataFrame:
    """Return the ferry lines of one year, the busiest first: route, calls, energy at berth [10^4 kWh or MWh].

    Parameters
    ----------
    table
        Result table ``berths``.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.
    """
    rows = table.filter(pl.col("year") == year).sort("calls", "route", descending=[True, False])
    ends = [[_port(end, lang) for end in route.split("_")] for route in rows["route"]]
    return rows.select(
        route=pl.Series([t("fleets.route", lang, start=a, end=b) for a, b in ends], dtype=pl.String),
        calls="calls",
        energy=pl.col("berth_kwh") / CELLS[lang],
    )


def _port(code: str, lang: str) -> str:
    key = f"fleets.port_{code}"
    return t(key, lang) if has_text(key, lang) else code


def equipment(indicators: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what is electric at airports and berths over the years: year, name (indicator), share, target [percent].

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    named = labels(data, "indicator", lang)
    kept = ("airport_gse_electric_share", "bridge_power_share", "shore_power_calls_share", "shore_power_energy_share")
    rows = indicators.filter(
        pl.col("id").is_in(kept), pl.col("area") == PROVINCE, pl.col("variant").fill_null("") == ""
    ).drop_nulls("value")
    rank = {code: k for k, code in enumerate(kept)}
    return rows.sort(pl.col("id").replace_strict(rank, return_dtype=pl.Int64), "year").select(
        "year", name=pl.col("id").replace_strict(named), share="value", target="target"
    )
