"""From modelled vehicle classes to the energy balance: lines that sum exactly to every published entry.

The balance counts fuel by the sector that bought it, the model by the vehicle that burnt it. Rows of data lead from one to the other: a
bridge of principles for each group of vehicles (``accounts/bridges``), parts of classes that fill up on the account of another sector and
users that are no vehicles (``accounts/balance_lines``). The latter are a share of the entry itself: they are taken from what is observed,
never counted as explained. What is left is shown as unexplained, against a limit that is a row too. Nothing here is fitted to the balance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.layout import FIT_SCHEMA, year_index
from transport.principles import (
    Bridge,
    Stated,
    Statement,
    cross,
    find_bridge,
    read_bridges,
    read_statements,
    require,
    statement_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.layout import EnergyUse
    from transport.params import Params

    Array = NDArray[np.float64]

_GAS, _LNG = "natural_gas", "lng"
_KG_PER_T = 1000.0
_SHARE, _OUTSIDE, _LIMIT, _RATIO = "balance_moved_share", "balance_outside_share", "unexplained_limit", "balance_year_ratio"
#: Columns of the result table ``balance_bridge``.
BRIDGE_SCHEMA: dict[str, type[pl.DataType]] = {
    "year": pl.Int64,
    "sector": pl.String,
    "fuel": pl.String,
    "line": pl.String,
    "kind": pl.String,
    "quantity": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "share_pct": pl.Float64,
    "limit_pct": pl.Float64,
    "passed": pl.Boolean,
    "used_for": pl.String,
    "quality": pl.String,
}


class BalanceError(ValueError):
    """Exception for an entry of the energy balance that does not exist, or rows that share out more than there is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the energy balance, or its estimate for a year without one."""

    sector: str
    fuel: str
    year: int
    value: float
    unit: str
    used_for: str
    quality: str
    is_published: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bridge: central quantity and the range that the rows behind it leave."""

    name: str
    kind: str
    quantity: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Fuel:
    """Fuel of one class in one year: burnt, and sold in the province (with range), by which bridge."""

    vehicle_class: str
    group: str
    sector: str
    burnt: float
    sold: float
    low: float
    high: float
    bridge: str


@dataclass(frozen=True)
class _Rows:
    """The rows of data that every bridge reads, read once, with the central values and ranges of their parameters."""

    params: Params
    statements: Mapping[str, Statement]
    home: Mapping[str, str]
    group: Mapping[str, str]
    bridges: Mapping[str, Bridge]
    moves: Sequence[Mapping[str, str | None]]
    outside: Sequence[Mapping[str, str | None]]
    sectors: tuple[str, ...]
    quality: Mapping[str, str]
    ranges: Mapping[tuple[str, str], tuple[float, float]]

    def value(self, parameter: str, subject: str, year: int) -> float:
        return float(self.params.get(parameter, subject)[0, year_index(year)])


def _rows(inputs: Inputs, params: Params) -> _Rows:
    table, lines = inputs.table("fleets/classes"), inputs.table("accounts/balance_lines")
    bridges, home = read_bridges(inputs), sectors(inputs)
    parents = table.select("vehicle_class", "parent").iter_rows() if "parent" in table.columns else ()
    names = {b.parameter for b in bridges.values() if b.parameter} | {_SHARE, _OUTSIDE}
    known = inputs.parameters.filter(pl.col("parameter").is_in(sorted(names)), pl.col("value").is_not_null())
    ends = known.group_by("parameter", "subject").agg(
        pl.coalesce("low", "value").min().alias("low"), pl.coalesce("high", "value").max().alias("high")
    )
    quality: dict[str, str] = dict(inputs.table("accounts/bridges").select("bridge", "quality").iter_rows())
    return _Rows(
        params,
        energy_statements(inputs),
        home,
        {name: parent for name, parent in parents if parent},
        bridges,
        lines.filter(pl.col("kind") == "moved").to_dicts(),
        lines.filter(pl.col("kind") == "outside").to_dicts(),
        tuple(sorted({*home.values(), *lines["to_sector"].to_list()})),
        quality | dict(lines.select("line", "quality").iter_rows()),
        {(parameter, subject): (low, high) for parameter, subject, low, high in ends.iter_rows()},
    )


def sectors(inputs: Inputs) -> dict[str, str]:
    """Return vehicle class -> sector of the energy balance that buys its fuel, classes of the infrastructure included."""
    found = {c: s for c, s in inputs.table("fleets/classes").select("vehicle_class", "nbs_sector").iter_rows() if s}
    extra = inputs.table("accounts/statements").filter(pl.col("kind") == "energy", pl.col("nbs_sector").is_not_null())
    return found | dict(extra.select("subject", "nbs_sector").iter_rows())


def energy_statements(inputs: Inputs) -> dict[str, Statement]:
    """Return vehicle class -> what its energy counts.

    Raises
    ------
    PrincipleError
        If nothing is stated about the driver and part of a class.
    """
    stated = read_statements(inputs, "energy")
    table = inputs.table("fleets/classes")
    found = {
        row["vehicle_class"]: statement_of(stated, f"{row['distance_driver']}:{row['part']}")
        for row in table.iter_rows(named=True)
    }
    return found | {name: statement for name, statement in stated.items() if ":" not in name}


def require_carrier_energy(inputs: Inputs, classes: Iterable[str]) -> None:
    """Refuse a class in the headline whose energy counts by another principle than the turnover it is divided by.

    Raises
    ------
    PrincipleError
        If the energy of a class is not stated by carrier.
    """
    found = energy_statements(inputs)
    for name in classes:
        stated = statement_of(found, name)
        require(Stated(f"energy of {name}", np.zeros(0), "MJ", stated.principle, stated.definition), "carrier")


def entries(inputs: Inputs, params: Params) -> list[Entry]:
    """Return the published entries, and one estimate each for years that have a ratio to the last published year.

    Raises
    ------
    BalanceError
        If a ratio names an entry that the balance does not have.

    Notes
    -----
    Estimate = last published value x ``balance_year_ratio`` (subject ``sector:fuel``, rows by year); sectors without a row have no estimate.
    An estimate is context: no limit is applied.
    """
    rows = inputs.table("fleets/fit_targets").filter(
        pl.col("kind") == "balance", ~pl.col("subject").str.contains("+", literal=True)
    )
    found = []
    for row in rows.iter_rows(named=True):
        sector, _, fuel = str(row["subject"]).partition(":")
        value, unit, year = float(row["value"]), row["unit"], int(row["year"])
        found.append(Entry(sector, fuel, year, value, unit, row["used_for"], row["quality"], is_published=True))
    last: dict[tuple[str, str], Entry] = {}
    for entry in found:
        key = entry.sector, entry.fuel
        if key not in last or last[key].year < entry.year:
            last[key] = entry
    ratios = inputs.parameters.filter(pl.col("parameter") == _RATIO, pl.col("value").is_not_null())
    for subject, year, quality in ratios.select("subject", "year", "quality").iter_rows():
        sector, _, fuel = str(subject).partition(":")
        known = last.get((sector, fuel))
        if known is None:
            msg = f"{_RATIO}: subject {subject!r} names no entry of the balance; write sector:fuel of a row in fleets/fit_targets, for example transport:diesel"
            raise BalanceError(msg)
        if known.year < year:
            value = known.value * float(params.get(_RATIO, subject)[0, year_index(year)])
            found.append(Entry(sector, fuel, year, value, known.unit, "context", quality, is_published=False))
    return sorted(found, key=lambda e: (e.year, e.sector, e.fuel))


def balance_lines(inputs: Inputs, params: Params, energy: EnergyUse, *, year: int, sector: str, fuel: str) -> pl.DataFrame:
    """Return the bridge to one entry of the energy balance.

    Parameters
    ----------
    inputs, params
        Of the run; the first draw is shown.
    energy
        All energy of the run.
    year, sector, fuel
        The entry, for example 2019, ``transport``, ``diesel``; LNG counts as natural gas.

    Returns
    -------
    frame
        Columns :data:`BRIDGE_SCHEMA`. Kinds: ``class`` what the classes of the sector burn, ``principle`` the step to fuel sold in the
        province, ``moved`` what fills up on the account of another sector (the sum over sectors is zero), ``outside`` users that are no
        vehicles, ``unexplained`` the rest, ``published`` or ``estimated`` the entry itself. All lines but the last sum exactly to it.
        ``share_pct`` is per cent of the entry; that of the rest, like its limit, of the entry less the users that are no vehicles. Entries
        that are context have no limit.

    Raises
    ------
    BalanceError
        If the balance has no such entry, or other users take all of it.
    """
    for entry in entries(inputs, params):
        if (entry.sector, entry.fuel, entry.year) == (sector, fuel, year):
            return _frame(_rows(inputs, params), energy, [entry])
    msg = f"no balance of {fuel} in sector {sector} for {year}"
    raise BalanceError(msg)


def explained(inputs: Inputs, params: Params, energy: EnergyUse, *, year: int, sector: str, fuel: str) -> tuple[Array, Array]:
    """Return what the vehicles explain of a published entry, and the entry less users that are no vehicles, both ``[draw]``.

    Parameters
    ----------
    inputs, params, energy, year, sector, fuel
        As in :func:`balance_lines`.

    Raises
    ------
    BalanceError
        If the balance has no such entry.

    Notes
    -----
    The second less the first is the line ``unexplained`` of each draw, in the unit of the entry. NaN where the shares that a draw takes give away
    more fuel of a class than it has.
    """
    entry = next((e for e in entries(inputs, params) if (e.sector, e.fuel, e.year) == (sector, fuel, year)), None)
    if entry is None:
        msg = f"no balance of {fuel} in sector {sector} for {year}"
        raise BalanceError(msg)
    rows = _rows(inputs, params)
    by_vehicles, of_vehicles = np.empty(params.draws), np.empty(params.draws)
    for draw in range(params.draws):
        one = replace(rows, params=params.at(draw))
        drawn = replace(energy, quantity=energy.quantity[:, draw : draw + 1])
        try:
            lines = _lines(one, _sold(one, drawn, fuel, year), entry)
        except BalanceError:
            if draw == 0:  # the rows themselves, and not shares that were drawn together
                raise
            by_vehicles[draw] = of_vehicles[draw] = np.nan
            continue
        outside = sum(line.quantity for line in lines if line.kind == "outside")
        by_vehicles[draw] = sum(line.quantity for line in lines) - outside
        of_vehicles[draw] = entry.value - outside
    return by_vehicles, of_vehicles


def bridge_table(inputs: Inputs, params: Params, energy: EnergyUse) -> pl.DataFrame:
    """Return the bridges to all entries of the balance, as :func:`balance_lines`."""
    return _frame(_rows(inputs, params), energy, entries(inputs, params))


def balance_fit(inputs: Inputs, table: pl.DataFrame) -> pl.DataFrame:
    """Return the energy balance as rows of the fit: what the model explains beside the published entry less users that are no vehicles.

    Parameters
    ----------
    inputs
        Table ``fleets/fit_targets``; a subject may join several sectors by ``+``.
    table
        The bridges of :func:`bridge_table`.

    Returns
    -------
    frame with the columns of ``FIT_SCHEMA``
        Per entry two rows: the entry less users that are no vehicles (a share of the entry, so that counting it as modelled would compare
        the entry with itself), and what the vehicles leave unexplained of that.
    """
    rows: list[dict[str, object]] = []
    for target in inputs.table("fleets/fit_targets").filter(pl.col("kind") == "balance").iter_rows(named=True):
        names, fuel = target["subject"].split(":")
        lines = table.filter(pl.col("year") == target["year"], pl.col("fuel") == fuel, pl.col("sector").is_in(names.split("+")))
        explained = float(lines.filter(pl.col("kind").is_in(["class", "principle", "moved"]))["quantity"].sum())
        outside = float(lines.filter(pl.col("kind") == "outside")["quantity"].sum())
        observed = float(target["value"]) - outside
        row: dict[str, object] = {
            name: target[name] for name in ("item", "mode", "year", "unit", "used_for", "principle", "quality", "note")
        }
        ends = {end: None if target[end] is None else float(target[end]) - outside for end in ("low", "high")}
        row |= {"observed": observed, **ends, "modelled": explained, "error_pct": 100.0 * (explained / observed - 1.0)}
        less = f"the entry of {float(target['value']):g} less {outside:.0f} of users that are no vehicles; " if outside else ""
        rows.append(row | {"note": f"{less}{target['note'] or ''}"})
        note = "balance entry less what the bridge explains and users that are no vehicles; lines in the table balance_bridge"
        empty = dict.fromkeys(("observed", "low", "high", "error_pct"))
        rows.append(row | empty | {"item": f"{target['item']}_unexplained", "modelled": observed - explained, "note": note})
    return pl.DataFrame(rows, schema_overrides=FIT_SCHEMA).select(*FIT_SCHEMA)


def bridge_checks(table: pl.DataFrame, moves: Mapping[tuple[int, str], float]) -> pl.DataFrame:
    """Return the physical checks of the bridges: lines sum to the entry, what leaves a sector arrives in another."""
    key = ["year", "sector", "fuel"]
    total = pl.col("kind").is_in(["published", "estimated"])
    sums = table.filter(~total).group_by(key, maintain_order=True).agg(pl.col("quantity").sum())
    off = sums.join(table.filter(total), on=key, suffix="_total").select(
        ((pl.col("quantity") - pl.col("quantity_total")).abs() / pl.col("quantity_total")).max()
    )
    rows = [
        ("bridge.lines_sum_to_the_entry", float(off.item() or 0.0), 1e-12),
        ("bridge.moves_sum_to_zero", max((abs(v) for v in moves.values()), default=0.0), 1e-6),
    ]
    return pl.DataFrame(
        {
            "check": [r[0] for r in rows],
            "value": [r[1] for r in rows],
            "limit": [r[2] for r in rows],
            "passed": [r[1] <= r[2] for r in rows],
        }
    )


def moved_totals(inputs: Inputs, params: Params, energy: EnergyUse, years: Iterable[int]) -> dict[tuple[int, str], float]:
    """Return (year, fuel) -> sum of all moves over all sectors, published or not; zero but for rounding."""
    rows = _rows(inputs, params)
    found: dict[tuple[int, str], float] = {}
    for year in years:
        for fuel in sorted({k.carrier for k in energy.keys} - {_LNG}):
            sold = _sold(rows, energy, fuel, year)
            found[year, fuel] = sum(line.quantity for name in rows.sectors for line in _moves(rows, sold, name, fuel, year))
    return found


def _burnt(params: Params, energy: EnergyUse, fuel: str, year: int) -> dict[str, float]:
    """Return vehicle class -> fuel of the balance in one year; LNG counts as natural gas."""
    at = year_index(year)
    found: dict[str, float] = {}
    for k, key in enumerate(energy.keys):
        if key.carrier == fuel:
            amount = float(energy.quantity[k, 0, at])
        elif fuel == _GAS and key.carrier == _LNG:
            amount = float(energy.quantity[k, 0, at] * _KG_PER_T * params.get("lng_gas_volume")[0, at])
        else:
            continue
        found[key.vehicle_class] = found.get(key.vehicle_class, 0.0) + amount
    return {name: amount for name, amount in found.items() if amount > 0}


def _sold(rows: _Rows, energy: EnergyUse, fuel: str, year: int) -> list[_Fuel]:
    """Return what each class burns and what is sold for it in the province, over the bridge of its group."""
    found = []
    for name, amount in _burnt(rows.params, energy, fuel, year).items():
        stated = statement_of(rows.statements, name)
        what = f"{fuel} of {name}"
        bridge = find_bridge(rows.bridges, what, stated.group, stated.principle, "fuel_sales")
        sold = cross(Stated(what, np.asarray(amount), "t", stated.principle, stated.definition), bridge, rows.params)
        low, high = rows.ranges[bridge.parameter, bridge.subject]
        found.append(
            _Fuel(
                vehicle_class=name,
                group=rows.group.get(name, name),
                sector=rows.home[name],
                burnt=amount,
                sold=float(sold.values[0, year_index(year)]),
                low=amount * low,
                high=amount * high,
                bridge=bridge.name,
            )
        )
    return found


def _lines(rows: _Rows, sold: Sequence[_Fuel], entry: Entry) -> list[Line]:
    """Return the lines of one entry, without what is left."""
    here = [s for s in sold if s.sector == entry.sector]
    lines = []
    for name in dict.fromkeys(s.group for s in here):  # parts of a group (lengths of buses, types of ships) make one line
        burnt = sum(s.burnt for s in here if s.group == name)
        lines.append(Line(name, "class", burnt, burnt, burnt))
    for name in dict.fromkeys(s.bridge for s in here):
        crossing = [s for s in here if s.bridge == name]
        burnt = sum(s.burnt for s in crossing)
        step, low, high = (sum(amounts) - burnt for amounts in zip(*((s.sold, s.low, s.high) for s in crossing), strict=True))
        lines.append(Line(name, "principle", step, low, high))
    lines += _moves(rows, sold, entry.sector, entry.fuel, entry.year)
    for row in rows.outside:
        if (row["to_sector"], row["fuel"]) == (entry.sector, entry.fuel):
            name = str(row["line"])
            low, high = rows.ranges[_OUTSIDE, name]
            share = rows.value(_OUTSIDE, name, entry.year)
            lines.append(Line(name, "outside", share * entry.value, low * entry.value, high * entry.value))
    return [line for line in lines if (line.quantity, line.low, line.high) != (0.0, 0.0, 0.0)]


def _moves(rows: _Rows, sold: Sequence[_Fuel], sector: str, fuel: str, year: int) -> list[Line]:
    """Return what fills up on the account of another sector than its own, seen from one sector.

    Raises
    ------
    BalanceError
        If the rows of one class give away more than all its fuel.
    """
    given: dict[str, float] = {}
    lines: list[Line] = []
    for row in rows.moves:
        name = str(row["line"])
        moving = [s for s in sold if row["vehicle_class"] in {s.vehicle_class, s.group} and s.sector == row["from_sector"]]
        if not moving or row["fuel"] not in {None, fuel}:
            continue
        share = rows.value(_SHARE, name, year)
        for s in moving:
            given[s.vehicle_class] = given.get(s.vehicle_class, 0.0) + share
            if given[s.vehicle_class] > 1.0:
                msg = f"{_SHARE}: the rows move {given[s.vehicle_class]:.2f} of the {fuel} of {s.vehicle_class} to other sectors; lower them to 1 at most"
                raise BalanceError(msg)
        low, high = rows.ranges[_SHARE, name]
        amount = share * sum(s.sold for s in moving)
        least, most = low * sum(s.low for s in moving), high * sum(s.high for s in moving)
        if sector == row["to_sector"]:
            lines.append(Line(name, "moved", amount, least, most))
        elif sector == row["from_sector"]:
            lines.append(Line(name, "moved", -amount, -most, -least))
    return lines


def _frame(rows: _Rows, energy: EnergyUse, wanted: Sequence[Entry]) -> pl.DataFrame:
    """Return the lines of entries, each with what is left, its limit and the entry itself."""
    sold: dict[tuple[str, int], list[_Fuel]] = {}
    made: list[tuple[object, ...]] = []
    for entry in wanted:
        key = entry.fuel, entry.year
        if key not in sold:
            sold[key] = _sold(rows, energy, *key)
        lines = _lines(rows, sold[key], entry)
        quantity, low, high = (entry.value - sum(getattr(line, end) for line in lines) for end in ("quantity", "high", "low"))
        rest = Line("unexplained", "unexplained", quantity, low, high)
        whole = Line("entry", "published" if entry.is_published else "estimated", entry.value, entry.value, entry.value)
        own = f"{entry.sector}:{entry.fuel}"
        limit = rows.value(_LIMIT, own if rows.params.has(_LIMIT, own) else "all", entry.year)
        of_vehicles = entry.value - sum(line.quantity for line in lines if line.kind == "outside")
        if of_vehicles <= 0.0:
            msg = f"{_OUTSIDE}: users that are no vehicles take all {entry.fuel} of {entry.sector} in {entry.year}; lower the shares below 1 in sum"
            raise BalanceError(msg)
        judged = (None, None) if entry.used_for == "context" else (limit, 100.0 * abs(quantity) <= limit * of_vehicles)
        for line in (*lines, rest, whole):
            share_pct = 100.0 * line.quantity / (of_vehicles if line is rest else entry.value)
            numbers = line.quantity, line.low, line.high, entry.unit, share_pct
            verdict = judged if line is rest else (None, None)
            quality = entry.quality if line is whole else rows.quality.get(line.name)
            made.append((entry.year, entry.sector, entry.fuel, line.name, line.kind, *numbers, *verdict, entry.used_for, quality))
    return pl.DataFrame(made, schema=BRIDGE_SCHEMA, orient="row")
