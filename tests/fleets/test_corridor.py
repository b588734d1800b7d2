"""Truck stations: hand-computed lines, closed forms within the interval of the replications, balances, small stations, bad tables."""

import math

import numpy as np
import polars as pl
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from fleets import queueing
from fleets.battery import Battery
from fleets.corridor import simulate_corridor
from fleets.corridor_arrivals import ENERGIES, corridor_arrivals, draw_sizes, draw_times, station_energy
from fleets.corridor_desks import capacity_per_h
from fleets.errors import ChargingError
from fleets.fill_line import FillLine, Tank, Visit, swap_line
from fleets.replications import interval
from fleets.swap import simulate_swap

WEEK = 7 * 1440.0
SURE = 0.999


def seeds(number, entropy=5):
    return [np.random.SeedSequence(entropy, spawn_key=(r,)) for r in range(number)]


def site(energy, places, **more):
    return {"station": "s", "energy": energy, "places": places, **more}


def come(energy, per_h, need, station="s", **more):
    """Return the same arrivals in every hour."""
    return pl.DataFrame(
        {
            "station": station,
            "energy": energy,
            "hour": np.arange(168),
            "vehicles_per_h": np.broadcast_to(float(per_h), 168),
            "need": float(need),
            **more,
        }
    )


def run(sites, arrivals, number=2, entropy=5, **more):
    table = pl.DataFrame(sites, infer_schema_length=None)
    return simulate_corridor(table, arrivals, seeds=seeds(number, entropy), confidence=SURE, **more)


def line_of(stock, places, *visits):
    """Return visits (arrival, need, service, patience) after they went through a line of their own."""
    env = simpy.Environment()
    line = FillLine(env, places, stock(env))
    made = [Visit(i, need, service, patience) for i, (_, need, service, patience) in enumerate(visits)]

    def bring():
        for (at, *_), visit in zip(visits, made, strict=True):
            yield env.timeout(at - env.now)
            line.arrive(visit)

    env.process(bring())
    env.run(until=1000.0)
    return made


# --- known answers ------------------------------------------------------------------------------------------------------------------


def test_one_nozzle_serves_in_the_order_of_arrival_and_patience_ends_a_wait():
    first, second, third = line_of(lambda _: Tank(), 1, (0, 1, 10, 60), (1, 1, 10, 5), (2, 1, 10, 60))
    assert (first.start_min, first.end_min, first.state) == (0.0, 10.0, "served")
    assert (second.start_min, second.end_min, second.state, second.taken) == (None, 6.0, "left", 0.0)
    assert (third.start_min, third.end_min) == (10.0, 20.0)


def test_a_place_that_comes_free_goes_before_the_end_of_patience():
    _, second = line_of(lambda _: Tank(), 1, (0, 1, 10, 60), (4, 1, 10, 6))
    assert (second.start_min, second.state) == (10.0, "served")


def test_nobody_waits_for_fuel_that_is_there_and_the_next_waits_for_the_tanker():
    """100 kg, 60 kg/h: after 80 kg at 0 the tank holds 21 kg at 1 and 50 kg at 30; the third waits behind the second though it needs little."""
    first, second, third = line_of(
        lambda _: Tank(100.0, 60.0), 3, (0, 80, 5, math.inf), (1, 50, 5, math.inf), (2, 1, 5, math.inf)
    )
    assert [v.start_min for v in (first, second, third)] == pytest.approx([0.0, 30.0, 31.0])
    assert [v.taken for v in (first, second, third)] == [80.0, 50.0, 1.0]


def test_who_wants_more_than_the_tank_holds_gets_what_it_holds():
    (only,) = line_of(lambda _: Tank(30.0, 10.0), 1, (0, 80, 5, math.inf))
    assert (only.taken, only.state) == (30.0, "served")
    (never,) = line_of(lambda _: Tank(0.0, 10.0), 1, (0, 80, 5, math.inf))
    assert (never.taken, never.state) == (0.0, "waiting")


def test_the_same_packs_and_trucks_wait_as_at_the_swap_stations_of_taxis():
    rng = np.random.default_rng(3)
    arrive, need = np.sort(rng.uniform(0.0, 3000.0, 300)), rng.uniform(20.0, 200.0, 300)
    env = simpy.Environment()
    pack = Battery(200.0, 150.0, 0.5, 150.0)
    line, store = swap_line(env, pack, bays=2, packs=5, powers_kw=[150.0] * 3, feeder_kw=math.inf, full_soc=1.0)
    visits = [Visit(i, float(n), 4.0) for i, n in enumerate(need)]

    def bring():
        for at, visit in zip(arrive.tolist(), visits, strict=True):
            yield env.timeout(at - env.now)
            line.arrive(visit)

    env.process(bring())
    env.run()
    charge = {"arrival_min": arrive, "charge_min": need / 150.0 * 60.0}
    other = simulate_swap(charge, packs=5, chargers=3, bays=2, swap_min=4.0)
    assert [v.start_min for v in visits] == pytest.approx(other["start_min"].to_list(), abs=1e-6)
    assert other["wait_min"].max() > 10.0
    assert store.charged == 5


def test_the_capacity_is_the_least_of_places_feeder_packs_and_supply():
    row = {"places": 4.0, "power_kw": 300.0, "feeder_kw": math.inf, "fill_min": 6.0, "packs": 3.0, "pack_chargers": 9.0}
    assert capacity_per_h("plug", row, 150.0, None, 1.0, 0.9) == pytest.approx(8.0)
    assert capacity_per_h("plug", row | {"feeder_kw": 500.0}, 150.0, None, 1.0, 0.9) == pytest.approx(3.0)
    assert capacity_per_h("swap", row, 150.0, None, 1.0, 0.9) == pytest.approx(6.0)  # three packs of half an hour
    assert capacity_per_h("swap", row | {"packs": 90.0, "places": 1.0}, 150.0, None, 1.0, 0.9) == pytest.approx(10.0)
    fuel = {"places": 2.0, "fill_min": 5.0, "fill_kg_per_min": 20.0, "store_kg": 900.0, "supply_kg_per_h": 450.0}
    assert capacity_per_h("lng", fuel, 300.0, None, 1.0, 1.0) == pytest.approx(1.5)
    assert capacity_per_h("lng", fuel | {"store_kg": math.inf}, 300.0, None, 1.0, 1.0) == pytest.approx(6.0)


def test_a_battery_slows_the_capacity_of_a_plug():
    row = {"places": 1.0, "power_kw": 400.0, "feeder_kw": math.inf}
    taper = Battery(400.0, 400.0, 0.6, 40.0)
    assert capacity_per_h("plug", row, 200.0, taper, 0.8, 1.0) < capacity_per_h("plug", row, 200.0, None, 0.8, 1.0) == 2.0


# --- closed forms -------------------------------------------------------------------------------------------------------------------


def meets(values, exact, widest=0.35):
    _, low, high = interval(values, SURE)
    assert low <= exact <= high, (low, exact, high)
    # an interval that holds everything shows nothing
    assert high - low < 2.0 * widest * exact


def mean_by_run(result, metric):
    blocks = result.result.blocks.filter(pl.col("arrive_min").is_between(0.0, WEEK - 600.0))
    return blocks.group_by("replication").agg(metric.mean().alias("m")).sort("replication")["m"].to_list()


WAIT = pl.col("wait_min")


@pytest.mark.parametrize(("energy", "places", "per_h"), [("lng", 3, 13.0), ("hydrogen", 1, 4.0)])
def test_nozzles_with_exponential_fillings_are_m_m_c(energy, places, per_h):
    found = run([site(energy, places, fill_kg_per_min=30.0)], come(energy, per_h, 300.0, need_cv=1.0), 16, warmup_min=2880)
    meets(mean_by_run(found, WAIT), queueing.mmc_wait_min(per_h / 60.0, 10.0, places))
    row = found.result.summary.row(by_predicate=pl.col("metric") == f"{energy}_utilisation", named=True)
    assert row["low"] <= per_h / 6.0 / places <= row["high"]


@pytest.mark.parametrize(("places", "per_h"), [(1, 4.5), (4, 20.0)])
def test_nozzles_with_equal_fillings_are_m_d_c(places, per_h):
    found = run([site("lng", places, fill_min=4.0, fill_kg_per_min=50.0)], come("lng", per_h, 300.0), 16)
    meets(mean_by_run(found, WAIT), queueing.mdc_wait_min(per_h / 60.0, 10.0, places))


def test_plugs_with_exponential_charges_are_m_m_c():
    found = run([site("plug", 5, power_kw=300.0)], come("plug", 8.0, 150.0, need_cv=1.0), 14)
    meets(mean_by_run(found, WAIT), queueing.mmc_wait_min(8.0 / 60.0, 30.0, 5))


def test_trucks_that_share_a_feeder_are_processor_sharing():
    found = run([site("plug", 60, power_kw=300.0, feeder_kw=1000.0)], come("plug", 8.0, 100.0, need_cv=0.5), 8, efficiency=0.9)
    at_plug = pl.col("end_min") - pl.col("start_min")
    meets(mean_by_run(found, at_plug), queueing.shared_feeder_time_min(8.0 / 60.0, 20.0, 3.0))
    load = found.result.load_kw
    assert load.max() <= 1000.0 * (1.0 + 1e-9)
    assert load.max() > 999.0


@pytest.mark.parametrize(("packs", "chargers"), [(5, 5), (9, 6)])
def test_packs_with_exponential_charges_are_a_base_stock(packs, chargers):
    sites = [site("swap", 90, power_kw=200.0, packs=packs, pack_chargers=chargers)]
    found = run(sites, come("swap", 8.0, 100.0, need_cv=1.0), 20)
    meets(mean_by_run(found, WAIT), queueing.swap_wait_min(8.0 / 60.0, 30.0, packs, chargers), widest=0.8)


def impatient_share(rate, mean, servers, patience, most=400):
    """Return the share lost in M/M/c with exponential patience (birth-death chain)."""
    n = np.arange(1, most)
    deaths = np.minimum(n, servers) / mean + np.maximum(n - servers, 0) / patience
    share = np.concatenate([[1.0], np.exp(np.cumsum(np.log(rate) - np.log(deaths)))])
    share /= share.sum()
    return float((np.maximum(np.arange(most) - servers, 0) * share).sum() / patience / rate)


@pytest.mark.parametrize("per_h", [10.0, 30.0])
def test_lost_trucks_are_those_of_exponential_patience(per_h):
    """Below and above what three nozzles can serve."""
    arrivals = come("lng", per_h, 300.0, need_cv=1.0, patience_min=20.0, patience_cv=1.0)
    found = run([site("lng", 3, fill_kg_per_min=30.0)], arrivals, 12)
    gone = (pl.col("state") == "left").cast(pl.Float64)
    meets(mean_by_run(found, gone), impatient_share(per_h / 60.0, 10.0, 3, 20.0))


def test_without_patience_plugs_are_a_loss_system():
    found = run([site("plug", 4, power_kw=300.0)], come("plug", 8.0, 150.0, need_cv=0.4, patience_min=0.0), 12)
    gone = (pl.col("state") == "left").cast(pl.Float64)
    meets(mean_by_run(found, gone), queueing.erlang_b(4.0, 4))


# --- arrivals -----------------------------------------------------------------------------------------------------------------------

SHARES = {"plug": 0.3, "swap": 0.5, "lng": 0.6, "hydrogen": 0.9}
NEEDS = {"plug": 200.0, "swap": 180.0, "lng": 250.0, "hydrogen": 20.0}


@settings(max_examples=30)
@given(
    flows=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(ENERGIES), st.floats(0, 1e6), st.floats(0.1, 120), st.floats(0, 2)),
        min_size=1,
        max_size=12,
    ),
    stations=st.lists(
        st.tuples(st.sampled_from("xyz"), st.sampled_from(ENERGIES), st.sampled_from("abcde")), unique_by=lambda r: r[:2]
    ),
    hours=st.lists(st.floats(0.01, 5), min_size=24, max_size=24),
    days=st.lists(st.floats(0.1, 2), min_size=7, max_size=7),
)
def test_stations_take_the_en_route_share_of_the_energy_on_their_links(flows, stations, hours, days):
    names = ["link_id", "energy", "vehicles_per_year", "length_km", "use_per_km"]
    table = pl.DataFrame(flows, schema=names, orient="row")
    sites = pl.DataFrame(stations, schema=["station", "energy", "link_id"], orient="row")
    found = corridor_arrivals(
        table, sites, hourly_share=hours, en_route_share=SHARES, need=NEEDS, day_factor=days, days_per_year=365.0
    )
    assert found.height == sites.height * 168
    weeks = 365.0 / sum(days)
    for energy in ENERGIES:
        taken = float((found.filter(pl.col("energy") == energy)["vehicles_per_h"]).sum()) * weeks * NEEDS[energy]
        linked = set(sites.filter(pl.col("energy") == energy)["link_id"])
        used = sum(n * km * use for link, kind, n, km, use in flows if kind == energy and link in linked)
        assert taken == pytest.approx(SHARES[energy] * used, rel=1e-9, abs=1e-9)


def test_shares_of_a_link_say_which_station_takes_what():
    flows = {
        "link_id": ["a", "a"],
        "energy": ["lng", "lng"],
        "vehicles_per_year": [100.0, 50.0],
        "length_km": 10.0,
        "use_per_km": 0.3,
    }
    served = {"link_id": ["a", "a"], "energy": ["lng", "lng"], "station": ["x", "y"], "share": [0.5, 0.25]}
    used = station_energy(pl.DataFrame(flows), [], served=served)
    assert used.rows() == [("x", "lng", pytest.approx(225.0)), ("y", "lng", pytest.approx(112.5))]
    with pytest.raises(ChargingError, match=r"link a is served 1\.3 times over with lng"):
        station_energy(pl.DataFrame(flows), [], served=served | {"share": [0.8, 0.5]})


def test_arrivals_follow_the_hours_of_the_week():
    rate = np.zeros(168)
    rate[9], rate[100] = 50.0, 200.0
    times = draw_times(rate, np.random.default_rng(2), start_min=-1440.0, end_min=WEEK)
    hours, counts = np.unique(np.floor(times / 60.0), return_counts=True)
    assert hours.tolist() == [9.0, 100.0]  # hour 9 of the week lies on Monday, the warm-up is a Sunday
    assert (np.abs(counts - [50.0, 200.0]) < 4.0 * np.sqrt([50.0, 200.0])).all()
    assert (np.diff(times) >= 0.0).all()
    repeated = draw_times(rate, np.random.default_rng(2), start_min=-WEEK, end_min=WEEK)
    assert sorted(set(np.floor(repeated / 60.0))) == [-159.0, -68.0, 9.0, 100.0]
    assert draw_times(np.zeros(168), np.random.default_rng(2), start_min=0.0, end_min=WEEK).size == 0


@pytest.mark.parametrize(("cv", "most"), [(0.3, 300.0), (0.3, math.inf), (1.0, math.inf), (0.0, 300.0)])
def test_sizes_have_their_mean_and_spread(cv, most):
    sizes = draw_sizes(np.full(40_000, 200.0), cv, most, np.random.default_rng(8))
    assert sizes.mean() == pytest.approx(200.0, rel=4.0 * max(cv, 1e-9) / 200.0 + 1e-12)
    assert sizes.std() / 200.0 == pytest.approx(cv, rel=0.03)
    assert sizes.max() <= most


# --- balances, small stations, randomness ---------------------------------------------------------------------------------------------

TRUCK, PACK = Battery(350.0, 350.0, 0.8, 35.0), Battery(280.0, 280.0, 0.8, 28.0)
MIXED = [
    site("plug", 3, power_kw=300.0, feeder_kw=700.0),
    site("swap", 1, power_kw=150.0, packs=5, pack_chargers=3, fill_min=6.0),
    site("lng", 1, fill_min=6.0, fill_kg_per_min=40.0, store_kg=4000.0, supply_kg_per_h=900.0),
    site("hydrogen", 1, fill_min=5.0, fill_kg_per_min=2.0, store_kg=60.0, supply_kg_per_h=30.0),
]


def mixed_arrivals(factor=1.0):
    rates = {"plug": 4.0, "swap": 2.0, "lng": 3.0, "hydrogen": 1.5}
    needs = {"plug": 180.0, "swap": 150.0, "lng": 230.0, "hydrogen": 20.0}
    return pl.concat(come(e, factor * r, needs[e], need_cv=0.3, patience_min=30.0, patience_cv=0.5) for e, r in rates.items())


def mixed(factor=1.0, sites=MIXED, **more):
    return run(sites, mixed_arrivals(factor), batteries={"plug": TRUCK, "swap": PACK}, full_soc=0.9, efficiency=0.9, **more)


def test_the_hours_add_up_to_the_week():
    found = mixed(number=3)
    hours, result = found.station_hours, found.result
    assert hours.select("station", "energy", "hour").is_unique().all()
    assert hours.height == 4 * 168
    sums = hours.group_by("energy").agg(
        pl.col("arrivals", "lost", "kw", "fuel_t").sum(), pl.col("queue_mean", "utilisation").mean()
    )
    for row in sums.iter_rows(named=True):
        energy = row["energy"]
        for column, metric in (
            ("arrivals", "visits"),
            ("lost", "lost"),
            ("queue_mean", "queue_mean"),
            ("utilisation", "utilisation"),
        ):
            assert row[column] == pytest.approx(result.value(f"{energy}_{metric}")), (energy, column)
        if energy in {"lng", "hydrogen"}:
            assert row["fuel_t"] == pytest.approx(result.value(f"{energy}_fuel_t"))
            assert row["kw"] == 0.0
    assert hours["kw"].sum() == pytest.approx(result.value("grid_kwh"))
    assert result.load_kw.mean() * 168.0 == pytest.approx(result.value("grid_kwh"))
    # the queue is what waits: Little's law of the week, but for those who wait across its edges
    waited = hours["arrivals"] * hours["wait_mean_min"].fill_null(0.0) / 60.0
    assert waited.sum() == pytest.approx(hours["queue_mean"].sum(), rel=0.05)
    assert result.checks["passed"].all()


@settings(max_examples=12)
@given(
    places=st.tuples(*[st.integers(0, 4)] * 4),
    packs=st.integers(0, 6),
    chargers=st.integers(0, 6),
    feeder=st.sampled_from([50.0, 400.0, math.inf]),
    supply=st.sampled_from([0.0, 5.0, 500.0]),
    factor=st.floats(0.0, 2.0),
)
def test_nothing_is_lost_at_any_station(places, packs, chargers, feeder, supply, factor):
    sites = [row | {"places": n} for row, n in zip(MIXED, places, strict=True)]
    sites[0]["feeder_kw"] = feeder
    sites[1] |= {"packs": packs, "pack_chargers": chargers}
    sites[3]["supply_kg_per_h"] = supply
    found = mixed(factor, sites, number=1).result
    blocks = found.blocks
    assert set(blocks["state"]) <= {"served", "left", "serving", "waiting"}
    assert (blocks.filter(pl.col("state") == "left")["taken"] == 0.0).all()
    assert (blocks["taken"] <= blocks["need"] + 1e-9).all()
    for row, n in zip(sites, places, strict=True):
        assert n > 0 or blocks.filter(pl.col("energy") == row["energy"])["start_min"].is_null().all()
    stored = blocks.filter((pl.col("energy") == "plug") & (pl.col("state") == "served"))["need"].sum()
    sessions = found.sessions.filter((pl.col("site") == "s:plugs") & (pl.col("state") == "charged"))
    assert sessions["stored_kwh"].sum() == pytest.approx(stored, rel=1e-6, abs=1e-6)


def test_who_waits_for_ever_is_not_served():
    """Without patience nobody is lost: an overloaded queue, and one without places, must not look well served."""
    sites = [site("plug", 2, power_kw=100.0)]
    over = run(sites, come("plug", 4.0, 100.0), number=1, warmup_min=0).result
    assert over.value("lost") == 0.0
    # two plugs give two charges an hour
    assert over.value("visits_served_share") == pytest.approx(0.5, abs=0.05)
    assert over.value("visits") * (1.0 - over.value("visits_served_share")) == pytest.approx(over.value("waiting_at_end"))
    assert run([site("plug", 0, power_kw=100.0)], come("plug", 4.0, 100.0)).result.value("plug_served_share") == 0.0


def test_a_station_without_anything_serves_nobody_and_says_so():
    sites = [row | {"places": 0} for row in MIXED]
    found = mixed(sites=sites)
    assert found.result.value("visits_served_share") == 0.0
    assert all(found.result.value(f"{row['energy']}_served_share") == 0.0 for row in MIXED)
    assert found.result.value("grid_kwh") == 0.0
    assert (found.station_hours["served"] == 0.0).all()
    assert found.result.value("plug_unserved_kwh") == pytest.approx(180.0 * found.result.value("plug_lost"), rel=0.05)


def test_more_plugs_serve_the_same_trucks_better():
    asked, lost, waits = [], [], []
    for plugs in (0, 1, 2, 3, 5, 8):
        found = mixed(sites=[site("plug", plugs, power_kw=300.0), *MIXED[1:]], number=3)
        asked.append(found.result.blocks.filter(pl.col("energy") == "plug").select("arrive_min", "need"))
        lost.append(found.result.value("plug_lost"))
        waits.append(found.result.value("plug_wait_mean_min"))
    assert all(table.equals(asked[0]) for table in asked)
    assert lost == sorted(lost, reverse=True)
    assert waits == sorted(waits, reverse=True)
    assert lost[0] > 600.0
    assert lost[-1] < 20.0


def test_a_fuel_that_comes_too_slowly_is_lost_trucks_at_free_nozzles():
    slow = mixed(sites=[*MIXED[:3], MIXED[3] | {"supply_kg_per_h": 10.0}], number=3)
    fast = mixed(sites=[*MIXED[:3], MIXED[3] | {"supply_kg_per_h": 300.0}], number=3)
    assert slow.result.value("hydrogen_capacity_per_h") == pytest.approx(0.5)
    assert slow.result.value("hydrogen_served_share") < 0.5
    assert fast.result.value("hydrogen_served_share") > 0.95
    assert slow.result.value("hydrogen_fuel_t") == pytest.approx(168.0 * 10.0 / 1000.0, rel=0.05)


def test_same_seed_same_bytes_and_a_second_station_changes_nothing_at_the_first():
    one, again = mixed(), mixed()
    assert one.result.blocks.equals(again.result.blocks)
    assert one.station_hours.equals(again.station_hours)
    assert not mixed(entropy=6).result.blocks.equals(one.result.blocks)
    arrivals = pl.concat([mixed_arrivals(), come("lng", 5.0, 200.0, "t", need_cv=0.3, patience_min=30.0, patience_cv=0.5)])
    both = run(
        [*MIXED, {"station": "t", "energy": "lng", "places": 1, "fill_kg_per_min": 40.0}],
        arrivals,
        batteries={"plug": TRUCK, "swap": PACK},
        full_soc=0.9,
        efficiency=0.9,
    )
    assert both.result.blocks.filter(pl.col("station") == "s").equals(one.result.blocks)
    assert both.station_hours["station"].unique().sort().to_list() == ["s", "t"]


# --- bad tables ---------------------------------------------------------------------------------------------------------------------

GOOD = site("lng", 2, fill_kg_per_min=40.0)


@pytest.mark.parametrize(
    ("sites", "arrivals", "message"),
    [
        ([GOOD | {"energy": "coal"}], come("coal", 1, 1), r"station s: energy 'coal' is not known; there are plug, swap"),
        ([GOOD, GOOD], come("lng", 1, 1), r"station s: energy lng stands twice"),
        ([GOOD | {"places": 1.5}], come("lng", 1, 1), "must be whole numbers"),
        ([GOOD | {"places": -1}], come("lng", 1, 1), r"places in row 0 is -1; it must be a number of at least 0"),
        ([site("plug", 2)], come("plug", 1, 1), r"station s: power_kw is nan; .* must be positive"),
        ([GOOD | {"fill_kg_per_min": 0.0}], come("lng", 1, 1), r"fill_kg_per_min is 0; it must be positive"),
        ([GOOD | {"supply_kg_per_h": -5.0}], come("lng", 1, 1), r"supply_kg_per_h in row 0 is -5"),
        ([GOOD], come("lng", -1, 1), r"vehicles_per_h in row 0 is -1"),
        ([GOOD], come("lng", 1, 0), r"need in row 0 is 0.0; it must be a number above 0"),
        ([GOOD], come("lng", 1, 1, station="t"), r"arrivals name station t with energy lng, which is not among the stations"),
        ([GOOD], come("lng", 1, 1).drop("need"), "column need is missing"),
        ([GOOD], pl.concat([come("lng", 1, 1)] * 2), r"hour must run from 0 to 167, once each"),
        ([GOOD], come("lng", 1, 1, patience_min=-3.0), r"patience_min is -3\.0; it must not be negative"),
    ],
)
def test_a_bad_table_is_refused_by_name(sites, arrivals, message):
    with pytest.raises(ChargingError, match=message):
        run(sites, arrivals)


def test_a_visit_that_no_battery_holds_is_refused():
    with pytest.raises(ChargingError, match=r"station s, plug: a visit takes 400 on average but at most 315"):
        run([MIXED[0]], come("plug", 1.0, 400.0), batteries={"plug": TRUCK}, full_soc=0.9)
    with pytest.raises(ChargingError, match=r"cannot spread by need_cv=0\.9; take one below 0\.\d+"):
        run([MIXED[0]], come("plug", 1.0, 250.0, need_cv=0.9), batteries={"plug": TRUCK}, full_soc=0.9)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"en_route_share": {"lng": 1.2}}, r"en_route_share of lng is 1\.2"),
        ({"en_route_share": {}}, "en_route_share of lng is None"),
        ({"need": {"lng": 0.0}}, "need of lng is 0"),
        ({"hourly_share": [1.0] * 23}, "hourly_share must hold 24 numbers"),
        ({"hourly_share": [0.0] * 24}, "hourly_share must not be 0 in every hour"),
        ({"day_factor": [1.0, -1.0, 1, 1, 1, 1, 1]}, "day_factor must hold 7 numbers of at least 0"),
        ({"days_per_year": 0.0}, r"days_per_year=0\.0 must be positive"),
        ({"stations": {"station": ["x"], "energy": ["wood"], "link_id": ["a"]}}, "energy 'wood' is not known"),
        ({"stations": {"station": ["x"] * 2, "energy": ["lng"] * 2, "link_id": ["a", "b"]}}, "station x has energy lng twice"),
        ({"stations": {"station": ["x"], "energy": ["lng"]}}, "stations has no column link_id"),
        ({"link_flows": {"link_id": ["a"], "energy": ["lng"], "length_km": [3.0]}}, "column vehicles_per_year is missing"),
    ],
)
def test_flows_that_cannot_be_used_are_refused_by_name(more, message):
    usual = {
        "link_flows": {"link_id": ["a"], "energy": ["lng"], "vehicles_per_year": [9.0], "length_km": [3.0], "use_per_km": [0.3]},
        "stations": {"station": ["x"], "energy": ["lng"], "link_id": ["a"]},
        "hourly_share": [1.0] * 24,
        "en_route_share": SHARES,
        "need": NEEDS,
    } | more
    with pytest.raises(ChargingError, match=message):
        corridor_arrivals(usual.pop("link_flows"), usual.pop("stations"), **usual)
