"""Which indicators have places, and their numerators and denominators by prefecture, read from the result tables of a stored run.

Nothing is modelled here: every number stands in a result table, so that a run made by an earlier version shows what its tables allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import polars as pl

from transport.cities.layout import MOTORISED
from transport.layout import BASE_YEAR, PROVINCE
from transport.prefectures import UNALLOCATED, prefectures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs

    Array = NDArray[np.float64]
    #: Result tables of a run by name; what an earlier version did not write is missing.
    ResultTables = Mapping[str, pl.DataFrame]

#: Total of what is counted in the central cities only: no figure of the province.
CITIES = "central_cities"
READING: tuple[str, ...] = ("scope", "boundary", "variant")
_GREEN, _TRANSIT = "green_travel_share", "transit_share_of_motorised_trips"
#: From numerator over denominator to the unit.
_FACTORS: Mapping[str, float] = {"percent": 100.0, "gCO2/tkm": 1e6, "kgce/Mtkm": 1e6}
#: Columns that are read, by result table.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "indicators": (
        "id",
        "area",
        "year",
        "scope",
        "boundary",
        "base",
        "variant",
        "value",
        "unit",
        "target",
        "direction",
        "verdict",
    ),
    "indicator_areas": ("id", "area", "year", *READING, "base", "numerator", "denominator", "unit", "drivers"),
    "green_travel": ("year", "area", "mode", "trips"),
    "airports": ("airport", "year", "movements", "bridge_power_share"),
    "port_containers": ("year", "zone_id", "sea_rail_teu", "transhipped_teu"),
    "freight_areas": ("year", "area", "mode", "sent_t"),
    "turnover_areas": ("year", "area", "mode", "converted_tkm"),
    "co2_areas": ("year", "area", "sector", "scope", "t"),
}


class Amount(NamedTuple):
    """What a numerator counts, and on which scale it is read per head and per GDP.

    Attributes
    ----------
    unit
        Of the numerator.
    head_scale, head_unit
        From the unit per resident to what is written.
    gdp_scale, gdp_unit
        From the unit per yuan of GDP to what is written.
    """

    unit: str
    head_scale: float
    head_unit: str
    gdp_scale: float
    gdp_unit: str


AMOUNTS: Mapping[str, Amount] = {
    "co2": Amount("tCO2/yr", 1.0, "tCO2/person", 1e4, "tCO2/10^4 CNY"),
    "oil": Amount("toe/yr", 1e3, "kgoe/person", 1e7, "kgoe/10^4 CNY"),
    "rail_energy": Amount("kgce/yr", 1.0, "kgce/person", 1e4, "kgce/10^4 CNY"),
    "vehicles": Amount("veh/yr", 1e3, "veh/1000 persons", 1e8, "veh/10^8 CNY"),
    "boxes": Amount("TEU/yr", 1e3, "TEU/1000 persons", 1e8, "TEU/10^8 CNY"),
    "trips": Amount("trip/yr", 1.0, "trip/person", 1e4, "trip/10^4 CNY"),
    "turnarounds": Amount("turnaround/yr", 1e3, "turnaround/1000 persons", 1e8, "turnaround/10^8 CNY"),
    "tonnes": Amount("t/yr", 1.0, "t/person", 1e4, "t/10^4 CNY"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How an indicator is laid to places.

    Attributes
    ----------
    id
        Code in the table ``indicators`` of the data.
    series
        Code of what is shown by place: the level of an indicator that is a change, the oil of an indicator that is a peak year.
    source
        Result table.
    kind
        ``ratio`` = factor x numerator / denominator; ``amount``; ``growth`` = mean yearly growth since the base year; ``increase`` over it.
    amount
        Key of :data:`AMOUNTS`.
    goal
        -1 where less is better, 1 where more is.
    amount_goal
        The same for the numerator per head and per GDP; 0 where neither is.
    local
        Parameters with rows of a place of its own.
    """

    id: str
    series: str
    source: str
    kind: Literal["ratio", "amount", "growth", "increase"]
    amount: str
    goal: int
    amount_goal: int
    local: tuple[str, ...] = ()


_AREAS = "indicator_areas"
_BOXES = ("port_container_throughput",)
_TRIPS = ("travel_base_share", "trip_rate")
#: Indicators with places, in the order of the table ``indicators``.
RULES: tuple[Rule, ...] = (
    Rule("operating_co2_intensity", "operating_co2_intensity_level", _AREAS, "ratio", "co2", -1, -1),
    Rule("sea_rail_share", "sea_rail_share", _AREAS, "ratio", "boxes", 1, 1, _BOXES),
    Rule("sea_rail_growth", "sea_rail_growth", "port_containers", "growth", "boxes", 1, 1, _BOXES),
    Rule(_GREEN, _GREEN, "green_travel", "ratio", "trips", 1, 1, _TRIPS),
    Rule("clean_share_of_additions", "clean_share_of_additions", _AREAS, "ratio", "vehicles", 1, 1),
    Rule("clean_share_new_bus_taxi", "clean_share_new_bus_taxi", _AREAS, "ratio", "vehicles", 1, 1),
    Rule("nev_sales_share", "nev_sales_share", _AREAS, "ratio", "vehicles", 1, 1),
    Rule("rail_energy_intensity", "rail_energy_intensity_level", _AREAS, "ratio", "rail_energy", -1, 0),
    Rule("land_oil_peak", "land_oil", _AREAS, "amount", "oil", -1, -1),
    Rule("rail_freight_increase", "rail_freight_increase", "freight_areas", "increase", "tonnes", 1, 1),
    Rule("bridge_power_share", "bridge_power_share", "airports", "ratio", "turnarounds", 1, 1, ("airport_movements",)),
    Rule(
        "transhipment_growth",
        "transhipment_growth",
        "port_containers",
        "growth",
        "boxes",
        1,
        1,
        (*_BOXES, "port_transhipment_share"),
    ),
    Rule(_TRANSIT, _TRANSIT, "green_travel", "ratio", "trips", 1, 1, _TRIPS),
    Rule("transport_co2_total", "transport_co2_total", _AREAS, "amount", "co2", -1, -1),
)


@dataclass(frozen=True, slots=True)
class PlaceSeries:
    """One indicator by place in the base year and in another.

    Attributes
    ----------
    rule
        How it is laid to places.
    unit
        Of the value.
    factor
        From numerator over denominator to the unit; 1 of an amount.
    top, bottom
        Arrays ``[when, place]``, when = base year, year; places are the prefectures in order, what has none, the total. The total is the
        province's own figure and not the sum over the places. ``bottom`` is None where there is no denominator.
    reading
        Scope, boundary and variant.
    drivers
        What the places follow, codes of list ``area_driver`` or ``modelled``.
    total
        Code of the total: the province, or :data:`CITIES`.
    """

    rule: Rule
    unit: str
    factor: float
    top: Array
    bottom: Array | None
    reading: Mapping[str, str]
    drivers: tuple[str, ...]
    total: str = PROVINCE


class Unplaced(NamedTuple):
    """An indicator without places.

    Attributes
    ----------
    id
        Code.
    reason
        ``model`` (no model lays it to places), ``table`` (the run lacks a result table), ``year`` (not in this year).
    detail
        The table, or the years.
    """

    id: str
    reason: str
    detail: str = ""


def usable(tables: ResultTables) -> dict[str, pl.DataFrame]:
    """Return the result tables that are read here and have the columns for it.

    Parameters
    ----------
    tables
        Result tables by name.
    """
    return {
        name: tables[name] for name, columns in NEEDED.items() if name in tables and set(columns) <= set(tables[name].columns)
    }


def reading_of(table: pl.DataFrame, rule: Rule, inputs: Inputs, scope: str | None) -> dict[str, str]:
    """Return the reading of an indicator that is shown: the headline's, in the wanted scope where the indicator has scopes.

    Parameters
    ----------
    table
        Result table ``indicator_areas``.
    rule
        The indicator.
    inputs
        Table ``indicators`` names the headline.
    scope
        Wanted scope; None = the headline's.
    """
    rows = table.filter(pl.col("id") == rule.series)
    known = inputs.table("indicators").filter(pl.col("id") == rule.id)
    headline = known.row(0, named=True) if known.height else {}
    found = {}
    for key in READING:
        codes = rows[key].unique().sort().to_list()
        wanted = scope if key == "scope" and scope else str(headline.get(key) or "")
        found[key] = wanted if wanted in codes else str(codes[0])
    return found


def place_series(
    tables: ResultTables, inputs: Inputs, year: int, *, base_year: int = BASE_YEAR, scope: str | None = None
) -> tuple[list[PlaceSeries], list[Unplaced]]:
    """Return every indicator of the data by place, and those that have no places with the reason.

    Parameters
    ----------
    tables
        Result tables of a run by name; missing ones leave their indicators out.
    inputs
        Tables ``indicators``, ``codes``, ``networks/nodes`` and ``networks/zones``.
    year, base_year
        Years compared.
    scope
        Scope of CO2; None = that of each headline.
    """
    tables = usable(tables)
    known = {rule.id: rule for rule in RULES}
    found, without = [], []
    for name in inputs.table("indicators")["id"].to_list():
        rule = known.get(name)
        if rule is None:
            without.append(Unplaced(name, "model"))
            continue
        if rule.source not in tables:
            without.append(Unplaced(name, "table", rule.source))
            continue
        years = _years(tables, rule)
        if not years:
            without.append(Unplaced(name, "table", rule.source))
            continue
        if not {year, base_year} <= years or (rule.kind == "growth" and year <= base_year):
            shown = sorted(y for y in years if rule.kind != "growth" or y > base_year)
            without.append(Unplaced(name, "year", _span(shown)))
            continue
        found.append(_READERS[rule.source](tables, inputs, rule, (base_year, year), scope))
    return found, without


def _years(tables: ResultTables, rule: Rule) -> set[int]:
    table = tables[rule.source]
    rows = table.filter(pl.col("id") == rule.series) if rule.source == _AREAS else table
    return set(rows["year"].unique().to_list())


def _span(years: Sequence[int]) -> str:
    """Return years as a range where none is left out."""
    if len(years) > 1 and years[-1] - years[0] + 1 == len(years):
        return f"{years[0]}-{years[-1]}"
    return ", ".join(str(year) for year in years)


def _laid(inputs: Inputs, rows: pl.DataFrame, years: Sequence[int]) -> Array:
    """Return values ``[when, place]`` of rows area, year, value: the prefectures, what lies in none, and the sum as the total."""
    areas = prefectures(inputs)
    at = {area: i for i, area in enumerate(areas)}
    made = np.zeros((len(years), len(areas) + 2))
    known = rows.filter(pl.col("year").is_in(years), pl.col("value").is_not_null())
    for area, year, value in known.select("area", "year", "value").iter_rows():
        made[list(years).index(year), at.get(area, len(areas))] += value
    made[:, -1] = made[:, :-1].sum(axis=1)
    return made


def _from_areas(tables: ResultTables, inputs: Inputs, rule: Rule, years: Sequence[int], scope: str | None) -> PlaceSeries:
    """Return an indicator of ``indicator_areas``; numerator and denominator of a year are the same for every base."""
    reading = reading_of(tables[_AREAS], rule, inputs, scope)
    rows = tables[_AREAS].filter(pl.col("id") == rule.series, *[pl.col(k) == v for k, v in reading.items()])
    rows = rows.filter(pl.col("base") == rows["base"].sort()[0])
    order = (*prefectures(inputs), UNALLOCATED, PROVINCE)
    sides = []
    for column in ("numerator", "denominator"):
        at = {(area, year): value for area, year, value in rows.select("area", "year", column).iter_rows()}
        sides.append(np.array([[at.get((area, year)) or 0.0 for area in order] for year in years]))
    has_bottom = rule.kind == "ratio"
    unit = str(rows["unit"][0])
    return PlaceSeries(
        rule=rule,
        unit=unit,
        factor=_FACTORS[unit] if has_bottom else 1.0,
        top=sides[0],
        bottom=sides[1] if has_bottom else None,
        reading=reading,
        drivers=tuple(str(rows["drivers"][0]).split()),
    )


def _modelled(rule: Rule, unit: str, factor: float, top: Array, bottom: Array | None, total: str = PROVINCE) -> PlaceSeries:
    return PlaceSeries(rule, unit, factor, top, bottom, dict.fromkeys(READING, ""), ("modelled",), total)


def _from_trips(tables: ResultTables, inputs: Inputs, rule: Rule, years: Sequence[int], scope: str | None) -> PlaceSeries:
    """Return a share of the trips of the central cities; the share is that of the table ``indicators``, only the weights come from the trips."""
    del scope
    # a group of cities, as a metropolitan area, would count its cities twice
    own = pl.col("area").is_in(prefectures(inputs))
    trips = tables["green_travel"].filter(own)
    counted = trips.filter(pl.col("mode").is_in(MOTORISED)) if rule.id == _TRANSIT else trips
    bottom = _laid(inputs, counted.select("area", "year", value="trips"), years)
    shares = tables["indicators"].filter(pl.col("id") == rule.id, pl.col("variant") == "", own)
    share = _laid(inputs, shares.select("area", "year", "value"), years)
    top = bottom * share / 100.0
    top[:, -1] = top[:, :-1].sum(axis=1)
    return _modelled(rule, "percent", 100.0, top, bottom, CITIES)


def _from_airports(tables: ResultTables, inputs: Inputs, rule: Rule, years: Sequence[int], scope: str | None) -> PlaceSeries:
    """Return turnarounds on ground power over all; a turnaround is a landing and a start."""
    del scope
    nodes = inputs.table("networks/nodes").select(airport="node_id", area="area")
    rows = tables["airports"].join(nodes, on="airport", how="left").with_columns(value=pl.col("movements") / 2.0)
    bottom = _laid(inputs, rows, years)
    top = _laid(inputs, rows.with_columns(value=pl.col("value") * pl.col("bridge_power_share")), years)
    return _modelled(rule, "percent", 100.0, top, bottom)


def _from_ports(tables: ResultTables, inputs: Inputs, rule: Rule, years: Sequence[int], scope: str | None) -> PlaceSeries:
    """Return the boxes whose growth is asked for, by the prefecture of the port."""
    del scope
    column = "sea_rail_teu" if rule.id == "sea_rail_growth" else "transhipped_teu"
    zones = inputs.table("networks/zones").select("zone_id", "area")
    rows = tables["port_containers"].join(zones, on="zone_id", how="left").select("area", "year", value=column)
    return _modelled(rule, "percent/yr", 100.0, _laid(inputs, rows, years), None)


def _from_senders(tables: ResultTables, inputs: Inputs, rule: Rule, years: Sequence[int], scope: str | None) -> PlaceSeries:
    """Return rail tonnes above the base year: by prefecture what is sent from there, in the province what is loaded on trains.

    The two are not the same: goods from outside that change to a train here are loaded and not sent. The difference has no place.
    """
    del scope
    rows = tables["freight_areas"].filter(pl.col("mode") == "rail").select("area", "year", value="sent_t")
    sent = _laid(inputs, rows, years)
    whole = tables["indicators"].filter(pl.col("id") == rule.id, pl.col("area") == PROVINCE, pl.col("year") == years[1])
    top = np.stack([np.zeros(sent.shape[1]), sent[1] - sent[0]])
    top[1, -1] = float(whole["value"][0])
    top[1, -2] = top[1, -1] - top[1, :-2].sum()
    return _modelled(rule, "t/yr", 1.0, top, None)


_READERS = {
    _AREAS: _from_areas,
    "green_travel": _from_trips,
    "airports": _from_airports,
    "port_containers": _from_ports,
    "freight_areas": _from_senders,
}
