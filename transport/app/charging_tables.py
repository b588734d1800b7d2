"""What the page of charging shows, as plain frames: result tables of a run or of a simulated province in, named and scaled columns out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.corridor_arrivals import ENERGIES
from transport.i18n import has_text, labels, t
from transport.layout import PROVINCE
from transport.week_values import WEEKS
from transport.weeks.berths import KINDS
from transport.weeks.tables import SELECTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fleets.tariff import Tariff
    from transport.inputs import Inputs

SYSTEMS = ("bus_depot", "taxi_city", "airport", "truck_corridor", "shore_power")
#: Statistics that come first in a table: service, then load, then money; the others follow by name.
FIRST = (
    "served_share",
    "visits_served_share",
    "shore_power_calls_share",
    "missed_share",
    "missed_blocks",
    "unserved_kwh",
    "delayed_share",
    "delay_mean_min",
    "delay_p95_min",
    "wait_mean_min",
    "wait_p50_min",
    "wait_p95_min",
    "swap_wait_p95_min",
    "stock_out_share",
    "lost_hours_per_day",
    "lost_km_share",
    "anchorage_wait_mean_h",
    "plug_utilisation",
    "berth_occupancy",
    "waiting_at_end",
    "peak_kw",
    "peak_kw_unmanaged",
    "peak_bound_kw",
    "peak_gap_share",
    "bill_gap_share",
    "grid_kwh",
    "loss_share",
    "energy_kwh_per_km",
    "km",
    "electricity_cny_per_kwh",
    "valley_share",
    "peak_period_share",
    "peak_response_share",
)
#: Endings of the names of numbers without a unit that are shares of a whole.
_SHARES = ("_share", "_utilisation", "_occupancy", "_unmanaged", "_charges", "_full_compliance")
#: Units that the reader does not write as the tables do.
_UNITS: Mapping[str, str] = {
    "CNY/month": "cny_month",
    "CNY/kWh": "cny_kwh",
    "event": "event",
    "veh": "veh",
    "min": "min",
    "h/veh/d": "hours_day",
    "event/veh/d": "times_day",
    "call": "call",
    "plug": "plug",
}
HOURS = 168
_CODE = 6
#: Numbers below are written with a power of ten, and those from here on without decimals.
_TINY, _WHOLE = 1e-3, 1e4
_PERCENT = "dimensionless"
#: Statistics whose numbers are large, and what they are divided by for the reader.
_LARGE: Mapping[str, tuple[float, str]] = {"kWh": (1e3, "MWh"), "kWh/yr": (1e6, "GWh/yr"), "kW": (1e3, "MW")}


def of(table: pl.DataFrame, **codes: object) -> pl.DataFrame:
    """Return the rows with these codes; a column that the table does not have is not asked for.

    Parameters
    ----------
    table
        Result table.
    **codes
        Column = code; None = any.
    """
    asked = [pl.col(column) == code for column, code in codes.items() if column in table.columns and code is not None]
    return table.filter(*asked) if asked else table


def systems_of(table: pl.DataFrame) -> list[str]:
    """Return the systems of a table in the order of the page."""
    found = set(table["system"].unique().to_list()) if "system" in table.columns else set()
    return [s for s in SYSTEMS if s in found] + sorted(found - set(SYSTEMS))


def weeks_of(table: pl.DataFrame, *, year: bool = False) -> list[str]:
    """Return the representative weeks of a table, on request with the whole year."""
    found = set(table["week"].unique().to_list())
    return [w for w in (*WEEKS, *(("year",) if year else ())) if w in found]


def places_of(table: pl.DataFrame) -> list[tuple[str, str]]:
    """Return (area, place) of a table, the province first, then sorted; tables without places have an empty one."""
    pairs = table.select("area", place=pl.col("place") if "place" in table.columns else pl.lit("")).unique().rows()
    return sorted(pairs, key=lambda pair: (pair[0] not in {PROVINCE, SELECTED}, pair))


def place_name(pair: tuple[str, str], data: Inputs, lang: str) -> str:
    """Return an area and its place as the reader knows them."""
    area, place = pair
    if area == SELECTED:
        return t("charging.selected", lang)
    named = labels(data, "area", lang).get(area, area)
    if not place:
        return named
    # berths are told apart by their ships: node:ships
    node, _, ships = place.partition(":")
    own = _place_names(data, lang).get(node, node)
    own = t("charging.with_unit", lang, label=own, unit=named_code("ship", ships, lang)) if ships else own
    if not area:
        return own
    return t("charging.place", lang, area=named, place=own)


def _place_names(data: Inputs, lang: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for table, key in (("networks/nodes", "node_id"), ("networks/energy_stations", "station")):
        frame = data.tables.get(table)
        name = f"name_{lang}"
        if frame is not None and {key, name} <= set(frame.columns):
            found |= dict(frame.select(key, name).drop_nulls().iter_rows())
    return found


def places_of_systems(data: Inputs) -> dict[str, list[tuple[str, str]]]:
    """Return the (area, place) that can be sized by system: prefectures, airports with movements, truck stations, and ports with their ships."""
    codes = data.table("codes").filter(pl.col("list") == "area")["code"].to_list()
    cities = [(code, "") for code in codes if len(code) == _CODE and code.isdigit() and code != PROVINCE]
    moved = set(data.parameters.filter(pl.col("parameter") == "airport_movements")["subject"].to_list())
    nodes = data.table("networks/nodes").filter(pl.col("node_id").is_in(list(moved)))
    airports = sorted(nodes.select("area", "node_id").rows())
    stations = data.table("networks/energy_stations").filter(pl.col("energy") == "plug").select("area", "station")
    trucks = sorted(stations.unique().rows())
    return {"bus_depot": cities, "taxi_city": cities, "airport": airports, "truck_corridor": trucks, "shore_power": _ports(data)}


def _ports(data: Inputs) -> list[tuple[str, str]]:
    """Return (area, port:kind of ships) of the ports with calls, sorted."""
    area = dict(data.table("networks/nodes").select("node_id", "area").iter_rows())
    found = set()
    for kind, parameter in zip(KINDS, ("ro_pax_port_share", "port_cargo", "cruise_calls"), strict=True):
        rows = data.parameters.filter(pl.col("parameter") == parameter, pl.col("value") > 0.0)
        found |= {(subject.partition(":")[0], kind) for subject in rows["subject"].to_list()}
    return sorted((area[port], f"{port}:{kind}") for port, kind in found)


def clock(hour: int, lang: str) -> str:
    """Return an hour of the week as day and hour.

    Examples
    --------
    >>> clock(25, "en")
    'Tue 01:00'
    """
    return t("charging.clock", lang, day=t(f"charging.day_{hour // 24}", lang), hour=f"{hour % 24:02d}")


def prices(tariff: Tariff, month: int) -> pl.DataFrame:
    """Return price and period by hour of the week: hour, price, period; the period that holds for most of the hour.

    Parameters
    ----------
    tariff
        Periods and prices.
    month
        Month of the week.
    """
    day: NDArray[np.int64] = tariff.period_of_minute[month - 1].reshape(24, 60)
    price = np.asarray(tariff.price_cny_per_kwh)[day].mean(axis=1)
    counts = np.stack([(day == k).sum(axis=1) for k in range(len(tariff.periods))])
    period = [tariff.periods[k] for k in counts.argmax(axis=0).tolist()]
    return pl.DataFrame({"hour": np.arange(HOURS), "price": np.tile(price, 7), "period": period * 7})


def scaled_load(load: pl.DataFrame, summary: pl.DataFrame) -> pl.DataFrame:
    """Return the load of a sample times the real vehicles that each simulated one stands for.

    Parameters
    ----------
    load
        Result table ``simulation_load`` of a run.
    summary
        Its table ``simulation``, whose rows hold the scale.
    """
    keys = ["system", "week", "area", "place"]
    scale = summary.group_by(keys).agg(pl.col("scale").first())
    return load.join(scale, on=keys, how="left").with_columns(kw=pl.col("kw") * pl.col("scale").fill_null(1.0)).drop("scale")


def load_rows(load: pl.DataFrame, price: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the load of systems by hour: hour, clock, system, mw, price, period (label).

    Parameters
    ----------
    load
        Columns system, hour, kw of one area and week.
    price
        Result of :func:`prices`.
    data, lang
        For labels.
    """
    summed = load.group_by("system", "hour").agg(mw=pl.col("kw").sum() / 1e3)
    names, periods = labels(data, "system", lang), labels(data, "tou_period", lang)
    joined = summed.join(price, on="hour").sort("hour", "system")
    return joined.select(
        "hour",
        clock=pl.Series([clock(h, lang) for h in joined["hour"]], dtype=pl.String),
        system=pl.col("system").replace(names),
        mw="mw",
        price="price",
        period=pl.col("period").replace(periods),
    )


def metric_name(metric: str, data: Inputs, lang: str) -> str:
    """Return the name of a statistic, its code where it has none; delays are told by the equipment missing, stations by their energy."""
    key = f"charging.metric_{metric}"
    if has_text(key, lang):
        return t(key, lang)
    plain = metric.removesuffix("_unmanaged")
    if plain != metric and (named := metric_name(plain, data, lang)) != plain:
        return t("charging.metric_without_plan", lang, what=named)
    energy, _, rest = metric.partition("_")
    if energy in ENERGIES and has_text(f"charging.metric_of_{rest}", lang):
        return t(
            "charging.metric_energy_of",
            lang,
            energy=labels(data, "station_energy", lang)[energy],
            what=t(f"charging.metric_of_{rest}", lang),
        )
    kinds = labels(data, "ground_equipment", lang)
    kind = metric.removeprefix("delay_").removesuffix("_min")
    return t("charging.metric_delay_of", lang, kind=kinds[kind]) if kind in kinds else metric


def scaled(value: float | None, unit: str, metric: str) -> tuple[float | None, str]:
    """Return a number in the unit of the reader: shares as percent, large energies and powers in thousands."""
    factor, shown = _LARGE.get(unit, (1.0, unit))
    if unit == _PERCENT:
        factor, shown = (0.01, "%") if metric.endswith(_SHARES) else (1.0, "")
    return (None if value is None else value / factor), shown


def unit_name(unit: str, lang: str) -> str:
    """Return a unit as the reader writes it."""
    return t(f"charging.unit_{_UNITS[unit]}", lang) if unit in _UNITS else unit


def metric_rows(summary: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return statistics with their intervals: system, week, place, metric, value, low, high, unit, vehicles, events, scale.

    Parameters
    ----------
    summary
        Rows of the result table ``simulation``.
    data, lang
        For labels.
    """
    systems, weeks = labels(data, "system", lang), labels(data, "week", lang)
    rows = []
    order = {metric: i for i, metric in enumerate(FIRST)}
    rank = pl.col("metric").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    for row in summary.sort(rank, "metric", maintain_order=True).iter_rows(named=True):
        value, unit = scaled(row["value"], row["unit"], row["metric"])
        ends = [scaled(row[k], row["unit"], row["metric"])[0] for k in ("low", "high")]
        rows.append(
            {
                "system": systems.get(row["system"], row["system"]),
                "week": weeks.get(row["week"], row["week"]),
                "metric": metric_name(row["metric"], data, lang),
                "value": value,
                "low": ends[0],
                "high": ends[1],
                "unit": unit_name(unit, lang),
                "vehicles": row["vehicles"],
                "events": row["events"],
                "scale": row["scale"],
            }
        )
    return pl.DataFrame(rows, schema=_METRIC_SCHEMA)


_METRIC_SCHEMA: dict[str, Any] = {
    "system": pl.String,
    "week": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "vehicles": pl.Int64,
    "events": pl.Int64,
    "scale": pl.Float64,
}


def named_code(group: str, code: str, lang: str) -> str:
    """Return the name of a code that only this page shows, the code where it has none."""
    key = f"charging.{group}_{code}"
    return t(key, lang) if has_text(key, lang) else code


def check_rows(checks: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the self-checks as the reader sees them: check, verdict, simulated, expected, interval, difference, limit, explanation; all texts.

    Parameters
    ----------
    checks
        Rows of ``self_checks``.
    lang
        ``zh`` or ``en``.
    """
    verdict = {True: t("charging.passed", lang), False: t("charging.failed", lang), None: t("charging.information", lang)}
    rows = []
    for row in checks.iter_rows(named=True):
        percent = row["unit"] == _PERCENT
        unit = "%" if percent else unit_name(row["unit"], lang)
        written = {k: _written(row[k], percent=percent) for k in ("simulated", "expected", "low", "high", "difference", "limit")}
        name = _check_name(row["check"], lang)
        rows.append(
            {
                "check": t("charging.with_unit", lang, label=name, unit=unit) if unit else name,
                "verdict": verdict[row["passed"]],
                "simulated": written["simulated"],
                "expected": written["expected"],
                "interval": f"{written['low']}–{written['high']}" if written["low"] else "",
                "difference": written["difference"],
                "limit": written["limit"],
                "explanation": t(f"self_check.explain_{row['explanation']}", lang),
            }
        )
    return pl.DataFrame(rows)


def _written(value: float | None, *, percent: bool) -> str:
    """Return a number with four significant digits.

    Examples
    --------
    >>> (
    ...     _written(0.12345, percent=True),
    ...     _written(123456.7, percent=False),
    ...     _written(3e-13, percent=False),
    ...     _written(None, percent=False),
    ... )
    ('12.35', '123,457', '3.0e-13', '')
    """
    if value is None:
        return ""
    shown = 100.0 * value if percent else value
    if shown == 0.0:
        return "0"
    if abs(shown) < _TINY:
        return f"{shown:.1e}"
    return f"{shown:,.0f}" if abs(shown) >= _WHOLE else f"{shown:.4g}"


def _check_name(check: str, lang: str) -> str:
    balance = "balance_"
    if check.startswith(balance):
        return t("self_check.check_balance", lang, name=named_code("balance", check.removeprefix(balance), lang))
    return t(f"self_check.check_{check}", lang)


def worst_first(checks: pl.DataFrame) -> pl.DataFrame:
    """Return the checks that failed first, then those that pass, then information."""
    rank = pl.when(pl.col("passed").is_null()).then(2).when(pl.col("passed")).then(1).otherwise(0)
    return checks.sort(rank, maintain_order=True)


def titles(codes: Sequence[str], prefix: str, lang: str) -> dict[str, str]:
    """Return code -> text of the page."""
    return {code: t(f"charging.{prefix}_{code}", lang) for code in codes}
