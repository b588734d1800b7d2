"""The demand tables: census sums, generator totals, known flows, land ends."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"

#: Tonnes a year by commodity and role as collected place by place, before prefecture rows were split over counties and the
#: unplaced provincial remainder was spread: neither step may change a total.
COLLECTED_T = {
    ("cement_building", "attraction"): 62_933_000,
    ("cement_building", "production"): 69_532_000,
    ("chemicals", "attraction"): 10_000_000,
    ("chemicals", "production"): 22_076_000,
    ("coal", "attraction"): 208_942_000,
    ("coal", "production"): 202_200_000,
    ("containers", "attraction"): 99_000_000,
    ("containers", "production"): 93_000_000,
    ("crude", "attraction"): 102_800_000,
    ("crude", "production"): 111_500_000,
    ("finished_vehicles", "attraction"): 2_649_000,
    ("finished_vehicles", "production"): 2_450_000,
    ("gas", "attraction"): 8_000_000,  # 4.648 Mt in the prefectures, the rest goes on to North China
    ("gas", "production"): 8_000_000,
    ("general_cargo", "attraction"): 89_800_000,
    ("general_cargo", "production"): 88_500_000,
    ("grain", "attraction"): 76_001_000,
    ("grain", "production"): 80_069_000,
    ("metal_ore", "attraction"): 132_436_000,
    ("metal_ore", "production"): 139_990_000,
    ("nonmetal_minerals", "attraction"): 80_668_000,
    ("nonmetal_minerals", "production"): 73_255_000,
    ("refined_products", "attraction"): 64_591_000,
    ("refined_products", "production"): 67_455_000,
    ("steel", "attraction"): 70_001_000,
    ("steel", "production"): 74_285_000,
}
NUMBERS = ("t_per_year", "low", "high")
ADDITIVE = (
    "resident_population",
    "urban_population",
    "rural_population",
    "family_households",
    "migrants_same_county",
    "migrants_same_province",
    "migrants_other_province",
)
PROVINCE = "210000"


def table(name: str, folder: str = "demand") -> pl.DataFrame:
    """Read one table as text; empty cells are empty strings."""
    return pl.read_csv(DATA / folder / f"{name}.csv", infer_schema=False).fill_null("")


@pytest.fixture(scope="module")
def generators() -> pl.DataFrame:
    return table("generators").with_columns(pl.col(*NUMBERS, "captive_t_per_year").cast(pl.Int64))


@pytest.fixture(scope="module")
def flows() -> pl.DataFrame:
    return table("flows").with_columns(pl.col(*NUMBERS).cast(pl.Int64))


@pytest.fixture(scope="module")
def population() -> pl.DataFrame:
    return table("population").with_columns(pl.col("value").cast(pl.Float64))


def item(population: pl.DataFrame, name: str) -> pl.DataFrame:
    return population.filter(pl.col("item") == name)


def test_keys_and_references(generators: pl.DataFrame, flows: pl.DataFrame, population: pl.DataFrame) -> None:
    zones = set(table("zones", "networks")["zone_id"])
    assert not generators.select("zone_id", "commodity", "role").is_duplicated().any()
    assert flows["flow_id"].is_unique().all()
    assert not population.select("area", "county", "item", "year").is_duplicated().any()
    assert set(generators["zone_id"]) <= zones
    assert set(flows["origin"]) | set(flows["destination"]) <= zones
    assert set(population["zone_id"]) - {""} <= zones
    assert set(generators["role"]) == {"production", "attraction"}
    assert not table("outputs").select("product", "period").is_duplicated().any()


def test_ranges_hold_their_value(generators: pl.DataFrame, flows: pl.DataFrame) -> None:
    for frame in (generators, flows):
        outside = frame.filter(~pl.col("t_per_year").is_between(pl.col("low"), pl.col("high")))
        assert outside.is_empty()
        assert frame.filter(pl.col("low") < 0).is_empty()


def test_totals_equal_the_collected_sums(generators: pl.DataFrame) -> None:
    sums = generators.group_by("commodity", "role").agg(pl.col("t_per_year").sum())
    assert {(r["commodity"], r["role"]): r["t_per_year"] for r in sums.iter_rows(named=True)} == COLLECTED_T


def test_census_sums(population: pl.DataFrame) -> None:
    people = item(population, "resident_population")
    known = {r["area"]: r["value"] for r in people.filter(pl.col("area") == pl.col("county")).iter_rows(named=True)}
    assert known[PROVINCE] == 42_591_407
    assert known["210100"] == 9_070_093
    assert known["210200"] == 7_450_785
    assert sum(v for a, v in known.items() if a != PROVINCE) == 42_591_407
    assert len(known) == 15


@pytest.mark.parametrize("name", ADDITIVE)
def test_counties_sum_to_their_prefecture(population: pl.DataFrame, name: str) -> None:
    rows = item(population, name)
    parts = rows.filter(pl.col("zone_id") != "").group_by("area").agg(pl.col("value").sum().alias("parts"))
    whole = rows.filter((pl.col("area") == pl.col("county")) & (pl.col("area") != PROVINCE))
    both = whole.join(parts, on="area")
    assert both.height == 14
    assert (both["value"] == both["parts"]).all()


def test_census_units(population: pl.DataFrame) -> None:
    people = item(population, "resident_population").filter(pl.col("zone_id") != "")
    assert people["county"].str.slice(0, 6).n_unique() == 100
    # each town zone has people; the count is that of the towns in the zone table
    towns = table("zones", "networks").filter(pl.col("kind").is_in(["city", "county"]))
    assert set(people["zone_id"]) == set(towns["zone_id"])


def test_urban_and_rural_add_up(population: pl.DataFrame) -> None:
    wide = population.filter(pl.col("item").is_in(ADDITIVE[:3])).pivot("item", index=["area", "county"], values="value")
    gap = (wide["urban_population"] + wide["rural_population"] - wide["resident_population"]).abs()
    assert (gap <= 1).all()  # a split county unit rounds each item by itself


def test_shares_are_fractions(population: pl.DataFrame) -> None:
    shares = population.filter(pl.col("item").str.ends_with("_share"))
    assert shares.height > 500
    assert shares["value"].is_between(0, 1).all()
    assert set(shares["unit"]) == {"dimensionless"}


def test_county_splits_follow_their_parameter(population: pl.DataFrame) -> None:
    rows = table("demand_per_capita", "parameters").filter(pl.col("parameter") == "zone_population_share")
    share = {r["subject"]: float(r["value"]) for r in rows.iter_rows(named=True)}
    assert len(share) == 6
    people = item(population, "resident_population").filter(pl.col("zone_id") != "")
    split = people.filter(pl.col("county").str.len_chars() > 6)
    assert set(split["zone_id"]) == set(share)
    for r in split.iter_rows(named=True):
        whole = float(people.filter(pl.col("county").str.slice(0, 6) == r["county"][:6])["value"].sum())
        assert r["value"] == pytest.approx(share[r["zone_id"]] * whole, abs=1)
        assert r["quality"] == "assumption"


def test_industry_weight_is_recomputed(population: pl.DataFrame) -> None:
    wide = population.filter(pl.col("zone_id") != "").pivot("item", index=["area", "county", "zone_id"], values="value")
    expected = wide["resident_population"] * (wide["employed_manufacturing_share"] + wide["employed_mining_share"])
    assert ((expected - wide["industry_employment"]).abs() <= 0.5).all()


def test_prefecture_rows_are_split_by_census(generators: pl.DataFrame, population: pl.DataFrame) -> None:
    """Grain grown follows rural residents, goods used follow residents, prefecture by prefecture."""
    area = dict(table("zones", "networks").select("zone_id", "area").iter_rows())
    for commodity, role, weight in (
        ("grain", "production", "rural_population"),
        ("grain", "attraction", "resident_population"),
        ("refined_products", "attraction", "resident_population"),
    ):
        people = item(population, weight).filter(pl.col("zone_id") != "").group_by("zone_id").agg(pl.col("value").sum())
        rows = generators.filter((pl.col("commodity") == commodity) & (pl.col("role") == role)).join(people, on="zone_id")
        rows = rows.with_columns(pl.col("zone_id").replace_strict(area).alias("area"))
        per_head = pl.col("t_per_year") - pl.col("value") * pl.col("t_per_year").sum() / pl.col("value").sum()
        off = rows.with_columns(per_head.over("area").abs().alias("off"))
        assert off["area"].n_unique() == 14
        assert (off["off"] < 1).all()


def test_captive_tonnes_are_the_captive_flows(generators: pl.DataFrame, flows: pl.DataFrame) -> None:
    captive = flows.filter(pl.col("captive") == "true")
    out = captive.group_by(pl.col("origin").alias("zone_id"), "commodity").agg(pl.col("t_per_year").sum().alias("t"))
    into = captive.group_by(pl.col("destination").alias("zone_id"), "commodity").agg(pl.col("t_per_year").sum().alias("t"))
    want = {(r["zone_id"], r["commodity"], "production"): r["t"] for r in out.iter_rows(named=True)}
    want |= {(r["zone_id"], r["commodity"], "attraction"): r["t"] for r in into.iter_rows(named=True)}
    # crude passing on to North China has no works at its end
    assert want.pop(("Z_GW_YONGQING", "crude", "attraction")) == 5_500_000
    have = {
        (r["zone_id"], r["commodity"], r["role"]): r["captive_t_per_year"]
        for r in generators.filter(pl.col("captive_t_per_year") > 0).iter_rows(named=True)
    }
    assert have == want
    assert generators.filter(pl.col("captive_t_per_year") > pl.col("t_per_year")).is_empty()


def test_known_flows(flows: pl.DataFrame) -> None:
    named = flows.filter(pl.col("origin") != pl.col("destination"))
    assert named.height == 31
    assert named["flow_id"].to_list() == [f"F{n:03d}" for n in range(1, 32)]
    # quarries beside the kilns: belts within one place
    quarries = flows.filter(pl.col("origin") == pl.col("destination"))
    assert quarries.height == 14
    assert set(quarries["commodity"]) == {"nonmetal_minerals"}
    assert set(quarries["captive"]) == {"true"}
    assert set(quarries["mode"]) == {"transfer"}


def test_land_weights_close_and_name_known_items(population: pl.DataFrame) -> None:
    rows = table("land_weights").with_columns(pl.col("share").cast(pl.Float64))
    assert set(rows["basis"]) <= set(population["item"]) | {"generators"}
    sums = rows.group_by("commodity", "role").agg(pl.col("share").sum())
    assert sums["share"].to_list() == pytest.approx([1.0] * sums.height)
    assert set(rows["commodity"]) == {"containers", "general_cargo", "chemicals", "finished_vehicles"}


def test_outputs_are_in_base_units() -> None:
    rows = table("outputs").with_columns(pl.col("value").cast(pl.Float64))
    assert rows.height == 91
    assert set(rows["unit"]) <= {"t", "t/yr", "t/month", "t/day", "veh", "m3", "kWh"}
    value = {(r["product"], r["period"]): r["value"] for r in rows.iter_rows(named=True)}
    assert value["crude_steel", "2019"] == 73_610_000
    assert value["grain", "2021"] == 25_387_000
