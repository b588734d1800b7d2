"""Terminal capacities: every terminal is there once, and the derived ones follow from class defaults and the cargo of the base year."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"

Row = dict[str, str]
#: Commodity of each pipeline connector class.
PIPED = {"crude": "crude", "product": "refined_products", "gas": "gas"}
#: Default class of a siding by the kind of its place; any other kind is ``siding_other``.
SIDING_CLASS = {"port": "siding_port", "steelworks": "siding_steelworks", "mine": "siding_mine"}
#: What railways do not carry here.
NOT_BY_RAIL = ("crude", "gas")
TOWNS = ("city", "county")


def table(name: str, folder: str = "networks") -> pl.DataFrame:
    """Read one table as text; empty cells are empty strings."""
    return pl.read_csv(DATA / folder / f"{name}.csv", infer_schema=False).fill_null("")


class Rule:
    """The rule of the derived capacities, from the tables."""

    def __init__(self) -> None:
        rows = table("freight_capacity", "parameters")
        self.value = {(r["parameter"], r["subject"]): float(r["value"]) for r in rows.iter_rows(named=True)}
        self.kind = dict(table("zones").select("zone_id", "kind").iter_rows())
        self.inside = set(table("zones").filter(pl.col("in_province") == "true")["zone_id"])
        self.moved: dict[tuple[str, str], float] = defaultdict(float)
        for r in table("generators", "demand").iter_rows(named=True):
            self.moved[r["zone_id"], r["commodity"]] += float(r["t_per_year"])
        self.connectors = [r for r in table("connectors").iter_rows(named=True) if r["zone_id"] in self.inside]
        self.sided = {r["zone_id"] for r in self.connectors if r["link_class"] == "siding"}
        drays = [r for r in self.connectors if r["link_class"] == "drayage"]
        self.yards_of = {zone: sum(r["zone_id"] == zone for r in drays) for zone in {r["zone_id"] for r in drays}}
        self.zones_at = {node: [r["zone_id"] for r in drays if r["node_id"] == node] for node in {r["node_id"] for r in drays}}

    def tonnes(self, zone: str, *, without: tuple[str, ...] = ()) -> float:
        return sum(t for (z, c), t in self.moved.items() if z == zone and c not in without)

    def capacity(self, row: Row) -> float:
        """Return the larger of the class default and the headroom over what was handled."""
        zone, kind = row["zone_id"], row["link_class"]
        if kind == "siding":
            share = self.value["terminal_rail_share", "port" if self.kind[zone] == "port" else "site"]
            name, need = SIDING_CLASS.get(self.kind[zone], "siding_other"), share * self.tonnes(zone, without=NOT_BY_RAIL)
        elif kind == "berth":
            name, need = "berth", self.tonnes(zone)
        elif kind in PIPED:
            name, need = f"pipeline_{kind}", self.moved[zone, PIPED[kind]]
        else:
            at = self.zones_at[row["node_id"]]
            name = "yard_city" if any(self.kind[z] == "city" for z in at) else "yard_county"
            need = sum(
                self.value["terminal_rail_share", "yard_town" if self.kind[z] in TOWNS else "yard_site"]
                * self.tonnes(z, without=NOT_BY_RAIL)
                / self.yards_of[z]
                for z in at
                if z not in self.sided
            )
        return max(self.value["terminal_capacity", name], self.value["terminal_headroom", "all"] * need)


@pytest.fixture(scope="module")
def rule() -> Rule:
    return Rule()


@pytest.fixture(scope="module")
def terminals() -> list[Row]:
    return list(table("terminals").sort("terminal_id").iter_rows(named=True))


def test_a_steelworks_siding_by_hand(terminals: list[Row]) -> None:
    """Chaoyang steel moves 8.4 Mt a year, so its siding keeps the class default: 24 trains each way of 2,500 t."""
    row = next(r for r in terminals if r["terminal_id"] == "siding_ST_CHAOYANG")
    assert float(row["capacity_t_per_year"]) == 2 * 24 * 2500 * 365


def test_every_terminal_in_the_province_stands_once(terminals: list[Row], rule: Rule) -> None:
    wanted = {(r["link_class"], r["node_id"], r["zone_id"]) for r in rule.connectors if r["mode"] in {"water", "pipeline"}}
    wanted |= {("siding", r["node_id"], r["zone_id"]) for r in rule.connectors if r["link_class"] == "siding"}
    wanted |= {("drayage", node, "") for node in rule.zones_at}
    found = [(r["link_class"], r["node_id"], r["zone_id"]) for r in terminals]
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_derived_capacity_is_recomputed(terminals: list[Row], rule: Rule) -> None:
    derived = [r for r in terminals if r["quality"] == "derived"]
    assert len(derived) > 0.95 * len(terminals)
    for r in derived:
        assert float(r["capacity_t_per_year"]) == pytest.approx(rule.capacity(r), abs=1), r["terminal_id"]


def test_the_range_holds_the_value(terminals: list[Row]) -> None:
    for r in terminals:
        assert 0 < float(r["low"]) < float(r["capacity_t_per_year"]) < float(r["high"]), r["terminal_id"]


def test_no_place_moves_more_through_its_berth_or_pipe_than_fits(terminals: list[Row], rule: Rule) -> None:
    """What was handled in the base year fits."""
    for r in terminals:
        if r["link_class"] == "berth":
            assert float(r["capacity_t_per_year"]) > rule.tonnes(r["zone_id"]), r["terminal_id"]
        elif r["link_class"] in PIPED:
            assert float(r["capacity_t_per_year"]) > rule.moved[r["zone_id"], PIPED[r["link_class"]]], r["terminal_id"]
