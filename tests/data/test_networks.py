"""The network tables: keys, lengths, connectivity, known distances, capacities."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import networkx as nx
import polars as pl
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
EARTH_DIAMETER_KM = 12742.0
CALIBRATION_YEAR = 2020
LAND = ("road", "rail")
#: Gateways that only ships reach.
OVERSEAS = {
    "Z_GW_BUSAN",
    "Z_GW_HEDLAND",
    "Z_GW_INCHEON",
    "Z_GW_RASTANURA",
    "Z_GW_ROTTERDAM",
    "Z_GW_SINGAPORE",
    "Z_GW_TUBARAO",
    "Z_GW_YOKOHAMA",
}
#: Island county: its roads are joined to the mainland by ro-ro only.
ISLAND = {"C_CHANGHAI", "A_CNI"}
#: Pipeline ends that no railway serves in the model, and the island.
NO_RAIL = OVERSEAS | {"Z_C_CHANGHAI", "Z_GW_CHANGLING", "Z_GW_YONGQING"}


def table(name: str, folder: str = "networks") -> pl.DataFrame:
    """Read one table as text; empty cells are empty strings."""
    return pl.read_csv(DATA / folder / f"{name}.csv", infer_schema=False).fill_null("")


@pytest.fixture(scope="module")
def nodes() -> pl.DataFrame:
    return table("nodes")


@pytest.fixture(scope="module")
def links() -> pl.DataFrame:
    return table("links").with_columns(
        pl.col("length_km", "tariff_km", "in_province_share").cast(pl.Float64),
        pl.col("open_year", "close_year").replace("", None).cast(pl.Int64),
    )


@pytest.fixture(scope="module")
def zones() -> pl.DataFrame:
    return table("zones")


@pytest.fixture(scope="module")
def connectors() -> pl.DataFrame:
    return table("connectors").with_columns(pl.col("length_km", "in_province_share").cast(pl.Float64))


@pytest.fixture(scope="module")
def capacity() -> dict[tuple[str, str], float]:
    rows = table("rail_capacity", "parameters")
    return {(r["parameter"], r["subject"]): float(r["value"]) for r in rows.iter_rows(named=True)}


def open_in(links: pl.DataFrame, year: int) -> pl.DataFrame:
    """Keep the links that exist in a year."""
    return links.filter(pl.col("open_year").fill_null(0) <= year, pl.col("close_year").fill_null(9999) >= year)


def graph(links: pl.DataFrame, modes: tuple[str, ...], length: str = "length_km") -> nx.MultiGraph[str]:
    """Return the undirected graph of some modes with `km` on the edges."""
    out: nx.MultiGraph[str] = nx.MultiGraph()
    for r in links.filter(pl.col("mode").is_in(modes)).iter_rows(named=True):
        out.add_edge(r["from_node"], r["to_node"], km=r[length])
    return out


def positions(nodes: pl.DataFrame) -> dict[str, tuple[float, float]]:
    return {r["node_id"]: (float(r["lat"]), float(r["lon"])) for r in nodes.iter_rows(named=True)}


def great_circle_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    la, lo, lb, lp = map(math.radians, (*a, *b))
    h = math.sin((lb - la) / 2) ** 2 + math.cos(la) * math.cos(lb) * math.sin((lp - lo) / 2) ** 2
    return EARTH_DIAMETER_KM * math.asin(min(1.0, math.sqrt(h)))


def test_sizes_and_unique_keys(nodes: pl.DataFrame, links: pl.DataFrame, zones: pl.DataFrame, connectors: pl.DataFrame) -> None:
    assert nodes["node_id"].is_unique().all()
    assert links["link_id"].is_unique().all()
    assert zones["zone_id"].is_unique().all()
    assert not connectors.select("zone_id", "node_id", "mode", "link_class").is_duplicated().any()
    # 325 surveyed nodes, 45 further works, two border gateways
    assert nodes.height == 325 + 45 + 2
    # 711 surveyed links: 577 line-haul links here, 134 sidings and town-yard legs among the connectors
    surveyed = links.filter(pl.col("link_id").str.contains(r"^(RL|RD|WT|PP)\d{3}$"))
    assert surveyed.height == 577
    named = connectors.select(pl.col("note").str.extract(r"^((?:RL|TR)\d{3})\b").alias("id")).drop_nulls()
    assert named["id"].n_unique() == 134
    assert set(named["id"]).isdisjoint(links["link_id"])


def test_references_resolve(nodes: pl.DataFrame, links: pl.DataFrame, zones: pl.DataFrame, connectors: pl.DataFrame) -> None:
    known = set(nodes["node_id"])
    assert set(links["from_node"]) | set(links["to_node"]) <= known
    assert set(zones["node_id"]) <= known
    assert set(connectors["node_id"]) <= known
    assert set(connectors["zone_id"]) == set(zones["zone_id"])
    assert (zones["zone_id"] == "Z_" + zones["node_id"]).all()
    assert links.filter(pl.col("from_node") == pl.col("to_node")).is_empty()
    assert "transfer" not in set(links["mode"])


def test_area_goes_with_in_province(nodes: pl.DataFrame, zones: pl.DataFrame) -> None:
    for frame in (nodes, zones):
        assert set(frame["in_province"]) == {"true", "false"}
        inside = frame.filter(pl.col("in_province") == "true")
        assert inside["area"].str.contains(r"^21(0[1-9]|1[0-4])00$").all()
        assert (frame.filter(pl.col("in_province") == "false")["area"] == "").all()
    assert zones.filter(pl.col("in_province") == "true")["area"].n_unique() == 14


def test_length_is_not_below_the_great_circle(nodes: pl.DataFrame, links: pl.DataFrame) -> None:
    at = positions(nodes)
    short = [
        r["link_id"]
        for r in links.iter_rows(named=True)
        if r["length_km"] < 0.985 * great_circle_km(at[r["from_node"]], at[r["to_node"]])
    ]
    assert short == []


def test_share_splits_straddling_links(nodes: pl.DataFrame, links: pl.DataFrame) -> None:
    inside = dict(zip(nodes["node_id"], nodes["in_province"] == "true", strict=True))
    for r in links.filter((pl.col("mode") != "water") & (pl.col("link_class") != "ferry")).iter_rows(named=True):
        a, b, share = inside[r["from_node"]], inside[r["to_node"]], r["in_province_share"]
        if a != b:
            assert 0 < share < 1, r["link_id"]
        else:
            assert share == float(a and b), r["link_id"]


def test_sea_share_follows_the_nearer_port(links: pl.DataFrame) -> None:
    share = dict(zip(links["link_id"], links["in_province_share"], strict=True))
    water = links.filter(pl.col("mode") == "water")
    assert water["in_province_share"].is_between(0, 1).all()
    assert share["WT001"] == 1  # Dayaowan to the waypoint off Dalian
    assert share["WT045"] == 0  # Chengshantou to Shanghai
    for crossing in ("RL121", "WT039", "WT040", "WT041", "WT042"):  # Bohai crossings: the median is half way
        assert share[crossing] == pytest.approx(0.5, abs=0.06)


def test_every_land_zone_has_a_road_connector(zones: pl.DataFrame, connectors: pl.DataFrame) -> None:
    road = set(connectors.filter(pl.col("mode") == "road")["zone_id"])
    assert set(zones["zone_id"]) - road == OVERSEAS
    rail = set(connectors.filter(pl.col("mode") == "rail")["zone_id"])
    assert set(zones["zone_id"]) - rail == NO_RAIL


@pytest.mark.parametrize("mode", ["road", "rail", "water"])
@pytest.mark.parametrize("year", [CALIBRATION_YEAR, 2026, 2035])
def test_mode_is_connected_and_serves_its_zones(links: pl.DataFrame, connectors: pl.DataFrame, mode: str, year: int) -> None:
    net = graph(open_in(links, year), (mode,))
    parts = sorted(nx.connected_components(net), key=len, reverse=True)
    assert all(part <= ISLAND for part in parts[1:])
    ends = set(connectors.filter(pl.col("mode") == mode)["node_id"])
    assert ends - parts[0] <= ISLAND


@pytest.mark.parametrize("kind", ["crude", "product", "gas"])
def test_pipeline_connectors_meet_a_line_of_their_kind(links: pl.DataFrame, connectors: pl.DataFrame, kind: str) -> None:
    lines = open_in(links, CALIBRATION_YEAR).filter((pl.col("mode") == "pipeline") & (pl.col("link_class") == kind))
    ends = set(connectors.filter((pl.col("mode") == "pipeline") & (pl.col("link_class") == kind))["node_id"])
    assert ends
    # the east gas line south of Changling opened in 2020-12 and is not yet in the network of 2020
    assert ends - (set(lines["from_node"]) | set(lines["to_node"])) <= {"GW_CHANGLING", "GW_TONGLIAO", "GW_YONGQING"}


def test_pipeline_flows_have_a_pipe(links: pl.DataFrame, connectors: pl.DataFrame) -> None:
    """Each known pipeline flow must find a path in the pipes of its commodity in 2020, in the direction they run."""
    pipes = open_in(links, CALIBRATION_YEAR).filter((pl.col("mode") == "pipeline") & (pl.col("link_class") == "crude"))
    net: nx.DiGraph[str] = nx.DiGraph()
    for pipe in pipes.iter_rows(named=True):
        net.add_edge(pipe["from_node"], pipe["to_node"])
        if pipe["oneway"] != "true":
            net.add_edge(pipe["to_node"], pipe["from_node"])
    for c in connectors.filter((pl.col("mode") == "pipeline") & (pl.col("link_class") == "crude")).iter_rows(named=True):
        net.add_edge(f"{c['zone_id']}>", c["node_id"])
        net.add_edge(c["node_id"], f"{c['zone_id']}<")
    flows = table("flows", "demand").filter(pl.col("mode") == "pipeline")
    assert flows.height == 12
    missing = [
        f["flow_id"] for f in flows.iter_rows(named=True) if not nx.has_path(net, f"{f['origin']}>", f"{f['destination']}<")
    ]
    assert missing == []


def test_every_pipe_says_which_way_it_runs(links: pl.DataFrame) -> None:
    """Pipes run one way, except where the note says why not; nothing else is one-way."""
    pipes = links.filter(pl.col("mode") == "pipeline")
    assert set(pipes["oneway"]) == {"true", "false"}
    both = pipes.filter(pl.col("oneway") == "false")
    assert both["note"].str.contains("two-way|both directions").all()
    assert (links.filter(pl.col("mode") != "pipeline")["oneway"] == "").all()
    # crude comes from Daqing to the south and the west, from the berths to the works
    ends = {
        row["link_id"]: (row["from_node"], row["to_node"])
        for row in pipes.filter(pl.col("oneway") == "true").iter_rows(named=True)
    }
    assert [ends[i] for i in ("PP001", "PP003", "PP004", "PP012")] == [
        ("GW_DAQING", "PL_TIELING"),
        ("PL_TIELING", "RF_LYSH"),
        ("RF_LYSH", "PL_DALIAN"),
        ("PT_CHANGXING", "RF_HENGLI"),
    ]


def test_openings_and_closings(links: pl.DataFrame) -> None:
    year = {y: set(open_in(links, y)["link_id"]) for y in (2018, 2020, 2025, 2026, 2027, 2035)}
    for link_id in ("RD087", "RD088", "RD089", "RD090", "RD091"):  # Lingsui, Benhuan: first full year 2026
        assert link_id not in year[2025]
        assert link_id in year[2026]
    for n in range(1, 7):  # Beijing-Harbin widening: one of the two rows at any time
        assert f"RD{n:03d}" in year[2025]
        assert f"RD{n:03d}W" not in year[2025]
        assert f"RD{n:03d}" not in year[2026]
        assert f"RD{n:03d}W" in year[2026]
    assert "PP020" not in year[2018]
    assert "PP020" in year[2020]
    assert "PP010" in year[2025]
    assert "PP010" not in year[2026]
    assert {"RL105", "RD359"}.isdisjoint(year[2035])
    assert "RD332" not in year[2026]
    assert "RD332" in year[2027]


#: Published or tariff distances [km]: from, to, known.
KNOWN_RAIL = [
    ("R_SY", "R_DLDONG", 397.0),
    ("R_SY", "R_LIAOYANG", 64.0),
    ("R_SY", "R_ANSHAN", 89.0),
    ("R_SY", "R_WAFANGDIAN", 292.0),
    ("R_SY", "GW_SHG", 427.8),
    ("R_SY", "R_JINZHOU", 242.0),
    ("R_SY", "R_DANDONG", 277.0),
    ("R_SY", "GW_SIPING", 189.0),
    ("R_SY", "GW_MEIHEKOU", 232.0),
    ("GW_YUANBAOSHAN", "R_YEBAISHOU", 119.6),
    ("R_DAHUSHAN", "GW_SHUANGLIAO", 370.0),
    ("R_GOUBANGZI", "R_HAICHENG", 107.7),
    ("R_LIAOYANG", "R_QIAOTOU", 73.0),
    ("R_YIXIAN", "R_XINLITUN", 132.0),
    ("R_GUANSHUI", "GW_TONGHUA", 179.5),
    ("R_FENGHUANGCHENG", "R_SHANGHEKOU", 154.0),
    ("GW_SIPING", "GW_MEIHEKOU", 156.0),
    ("R_XINQIU", "GW_DABAN", 330.0),
    ("R_DASHIQIAO", "R_YINGKOU", 22.4),
    ("R_GAOQIAO", "GW_SIPING", 460.0),
    ("R_SHAGANG", "R_BYQBEI", 14.0),
    ("R_TIANSHIFU", "R_DAYAHE", 74.1),
    ("R_BOHAI", "R_JINBOWAN", 48.4),
    ("GW_SHG", "GW_HUABEI", 291.0),
    ("GW_HARBIN", "GW_MANZHOULI", 935.0),
]


@pytest.mark.parametrize(("a", "b", "known_km"), KNOWN_RAIL)
def test_known_rail_distances(links: pl.DataFrame, a: str, b: str, known_km: float) -> None:
    net = graph(open_in(links, CALIBRATION_YEAR), ("rail",), "tariff_km")
    assert nx.shortest_path_length(net, a, b, weight="km") == pytest.approx(known_km, rel=0.05)


@pytest.mark.parametrize(
    ("link_ids", "known_km"),
    [
        (["RL054", "RL090"], 287.7),  # Chifeng - Jinzhou port by its own line
        (["RL041", "RL042", "RL043", "RL044", "RL045", "RL101"], 446.0),  # Shenyang - Jilin without Changchun
        (["RL041", "RL042", "RL043", "RL044", "RL045"], 232.0),  # Shenyang - Meihekou
    ],
)
def test_known_line_lengths(links: pl.DataFrame, link_ids: list[str], known_km: float) -> None:
    assert links.filter(pl.col("link_id").is_in(link_ids))["tariff_km"].sum() == pytest.approx(known_km, rel=0.01)


#: Known ranges of road distances [km].
KNOWN_ROAD = [
    ("SY", "DL", 380, 400),
    ("SY", "JZ", 210, 240),
    ("SY", "AS", 85, 105),
    ("SY", "BX", 60, 85),
    ("SY", "FS", 42, 60),
    ("SY", "TL", 62, 80),
    ("SY", "PJ", 145, 175),
    ("SY", "FX", 160, 190),
    ("SY", "CY", 280, 340),
    ("SY", "HLD", 255, 305),
    ("DL", "DD", 285, 330),
    ("DL", "YK", 205, 240),
    ("JZ", "CY", 95, 120),
    ("SY", "GW_SHG", 355, 410),
    ("SY", "GW_SIPING", 175, 205),
    ("DD", "GW_TONGHUA", 260, 285),
]


@pytest.mark.parametrize(("a", "b", "low_km", "high_km"), KNOWN_ROAD)
def test_known_road_distances(links: pl.DataFrame, a: str, b: str, low_km: float, high_km: float) -> None:
    net = graph(open_in(links, CALIBRATION_YEAR), ("road",))
    assert low_km <= nx.shortest_path_length(net, a, b, weight="km") <= high_km


#: Sea distances of common tables [nautical miles].
KNOWN_SEA = [
    ("PT_DAYAOWAN", "GW_SHANGHAI", 550),
    ("PT_DAYAOWAN", "GW_BUSAN", 550),
    ("PT_DAYAOWAN", "GW_INCHEON", 293),
    ("PT_DAYAOWAN", "GW_GUANGZHOU", 1350),
    ("PT_DAYAOWAN", "PT_BAYUQUAN", 185),
]


@pytest.mark.parametrize(("a", "b", "known_nm"), KNOWN_SEA)
def test_known_sea_distances(links: pl.DataFrame, a: str, b: str, known_nm: float) -> None:
    net = graph(links, ("water",), "tariff_km")
    assert nx.shortest_path_length(net, a, b, weight="km") / 1.852 == pytest.approx(known_nm, rel=0.05)


def test_land_rivals_of_the_ports_are_reachable(links: pl.DataFrame) -> None:
    """Competing ports and the overland border have a road and a rail way; the bay is longer by land than by sea."""
    now = open_in(links, CALIBRATION_YEAR)
    for mode in LAND:
        net = graph(now, (mode,))
        home = "SY" if mode == "road" else "R_SY"
        for far in ("GW_TIANJINPORT", "GW_QHD", "GW_YANTAI", "GW_SHANGHAI", "GW_GUANGZHOU", "GW_MANZHOULI", "GW_SUIFENHE"):
            assert nx.has_path(net, home, far)
    by_road = nx.shortest_path_length(graph(now, ("road",)), "DL", "GW_YANTAI", weight="km")
    assert by_road > 5 * links.filter(pl.col("link_id") == "WT040")["length_km"].item()
    ferry = now.filter((pl.col("mode") == "rail") & (pl.col("link_class") != "ferry"))
    round_bay = nx.shortest_path_length(graph(ferry, ("rail",)), "R_DLDONG", "GW_YANTAI", weight="km")
    assert round_bay > 5 * links.filter(pl.col("link_id") == "RL121")["length_km"].item()


def test_capacity_is_given_or_named_unlimited(links: pl.DataFrame) -> None:
    for r in links.iter_rows(named=True):
        if r["mode"] == "water":
            assert r["capacity_t_per_year"] == ""
            assert "unlimited" in r["note"]
        else:
            assert float(r["capacity_t_per_year"]) > 0
            assert r["capacity_quality"] in {"official", "literature", "derived", "assumption", "recalled"}


def rail_capacity_t(row: dict[str, str], c: dict[tuple[str, str], float]) -> float:
    """Recompute a derived rail capacity: (train pairs - removal x passenger pairs) x net load x 365."""
    kind, line = row["link_class"], row["line_zh"]
    load = kind
    if "port line with trunk loads" in row["note"]:
        trains = "single_electrified" if row["electrified_year"] else "single_diesel"
        riders, load = "no_passenger", "trunk"
    elif "coal line with few passenger trains" in row["note"]:
        trains, riders = "single_diesel", "branch"
    elif kind in {"ferry", "siding"}:
        trains, riders = kind, "no_passenger"
    else:
        wired = row["electrified_year"] not in {"", "0"}
        trains = ("double" if row["tracks"] == "2" else "single") + ("_electrified" if wired else "_diesel")
        if line.startswith(("沈大线", "沈山线", "京哈线", "津山线")) or (
            row["link_id"].startswith("XR") and row["tracks"] == "2"
        ):
            riders = "main_trunk"
        elif line.startswith("丹大"):
            riders = "mixed_passenger_line"
        elif kind == "branch":
            riders = "branch"
        else:
            riders = "trunk_double" if row["tracks"] == "2" else "trunk_single"
    paths = c["train_pairs_per_day", trains] - c["passenger_train_removal", "all"] * c["passenger_train_pairs_per_day", riders]
    return max(0.0, paths) * c["net_load_t", load] * 365


def test_derived_rail_capacity_is_recomputed(capacity: dict[tuple[str, str], float]) -> None:
    rows = table("links").filter((pl.col("mode") == "rail") & (pl.col("capacity_quality") == "derived"))
    assert rows.height > 100
    for r in rows.iter_rows(named=True):
        assert float(r["capacity_t_per_year"]) == pytest.approx(rail_capacity_t(r, capacity), abs=1), r["link_id"]


def test_derived_road_capacity_is_recomputed(capacity: dict[tuple[str, str], float]) -> None:
    rows = table("links").filter(pl.col("mode") == "road")
    seen = set()
    for r in rows.iter_rows(named=True):
        lanes = r["note"].split("road_lanes_per_direction ")[1].split(" ")[0]
        kind = r["note"].split("road_lane_capacity ")[1].split(" ")[0]
        seen.add(lanes)
        pcu_per_day = capacity["road_lanes_per_direction", lanes] * capacity["road_lane_capacity", kind]
        pcu_per_day /= capacity["road_peak_hour_share", "all"]
        trucks = pcu_per_day * capacity["road_truck_pcu_share", kind] / capacity["truck_pcu", "all"]
        expected = trucks * capacity["road_truck_mean_load", kind] * 365
        assert float(r["capacity_t_per_year"]) == pytest.approx(expected, abs=1), r["link_id"]
    assert seen == {"expressway", "expressway_8_lane", "expressway_10_lane", "national_road", "access_road"}


def test_intrazonal_distance_is_bounded(nodes: pl.DataFrame, zones: pl.DataFrame) -> None:
    at = positions(nodes)
    towns = zones.filter(pl.col("kind").is_in(["city", "county"]))["node_id"].to_list()
    for r in zones.iter_rows(named=True):
        km = float(r["intrazonal_km"])
        if r["node_id"] in towns:
            nearest = min(great_circle_km(at[r["node_id"]], at[t]) for t in towns if t != r["node_id"])
            assert km == pytest.approx(min(25.0, max(5.0, nearest / 2)), abs=0.06)
        else:
            assert km == 5


def test_widening_is_the_only_doubled_link(links: pl.DataFrame) -> None:
    """No two open links of one mode, class and name join the same two nodes."""
    for year in (2015, 2020, 2025, 2026, 2035):
        now = open_in(links, year)
        pair = pl.concat_list(pl.min_horizontal("from_node", "to_node"), pl.max_horizontal("from_node", "to_node")).list.join("|")
        doubled = now.with_columns(pair.alias("pair")).select("mode", "link_class", "line_zh", "pair").is_duplicated()
        assert not doubled.any()


def test_opening_years_are_in_order(links: pl.DataFrame) -> None:
    both = links.filter(pl.col("open_year").is_not_null() & pl.col("close_year").is_not_null())
    assert both.filter(pl.col("open_year") > pl.col("close_year")).is_empty()
    counts = [open_in(links, year).height for year in range(2015, 2036)]
    assert min(b - a for a, b in pairwise(counts)) >= -2  # only the old Dalian refinery's road and pipe end
