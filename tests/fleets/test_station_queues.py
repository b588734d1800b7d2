"""The simulated station against closed forms: the exact value lies in the interval of the replications, and the interval is narrow.

Levels are 99.9 %, so that a sound simulation fails one case in a thousand; seeds are fixed. Runs begin empty, and their first visits are left out.
"""

import math

import numpy as np
import polars as pl
import pytest
import simpy

from fleets import queueing
from fleets.battery import Battery
from fleets.replications import replicate
from fleets.swap import SwapSite, SwapStation, done_visits
from fleets.visits import simulate_station

VISITS, SKIPPED, RUNS = 5000, 800, 10
#: A case between others, or one that another formula tests as well.
BETWEEN = {"marks": pytest.mark.slow}
SERVICES = {
    "constant": (0.0, lambda _, n: np.ones(n)),
    "exponential": (1.0, lambda draw, n: draw.exponential(1.0, n)),
    "two_kinds": (math.sqrt(0.64), lambda draw, n: np.where(draw.random(n) < 0.5, 0.2, 1.8)),
    "erlang": (0.5, lambda draw, n: draw.gamma(4.0, 0.25, n)),
    "lognormal": (1.5, lambda draw, n: np.exp(draw.normal(-math.log(3.25) / 2, math.sqrt(math.log(3.25)), n))),
}


def arrivals(streams, rate, n=VISITS):
    return np.cumsum(streams("arrivals").exponential(1.0 / rate, n))


def service(streams, kind, mean, n=VISITS):
    return mean * SERVICES[kind][1](streams("service"), n)


def counted(records):
    return records.sort("arrival_min")[SKIPPED:]


def meets(run, exact, *, seed=7, widest=0.25, replications=RUNS):
    """Check that each exact value lies in the interval of its statistic."""
    table = replicate(run, replications=replications, seed=seed, confidence=0.999)
    assert table["replications"].to_list() == [replications] * table.height
    for name, value in exact.items():
        row = table.row(by_predicate=pl.col("metric") == name, named=True)
        assert row["low"] <= value <= row["high"], (name, value, row)
        # an interval that holds everything shows nothing
        assert row["high"] - row["low"] < 2.0 * widest * value, (name, value, row)


@pytest.mark.parametrize(("rate", "mean", "servers"), [(0.07, 10.0, 1), (0.08, 50.0, 5), pytest.param(0.3, 10.0, 4, **BETWEEN)])
def test_mmc(rate, mean, servers):
    def run(streams):
        visits = {"arrival_min": arrivals(streams, rate), "service_min": service(streams, "exponential", mean)}
        wait = counted(simulate_station(visits, plugs=servers))["wait_min"].to_numpy()
        return {"wait": wait.mean(), "waits": (wait > 0).mean(), "p95": np.quantile(wait, 0.95)}

    exact = {"wait": queueing.mmc_wait_min(rate, mean, servers), "waits": queueing.erlang_c(rate * mean, servers)}
    meets(run, exact | {"p95": queueing.mmc_wait_quantile_min(rate, mean, servers, 0.95)}, widest=0.5)


@pytest.mark.parametrize(("rate", "mean", "servers"), [(0.08, 9.0, 1), pytest.param(0.08, 50.0, 5, **BETWEEN), (0.2, 42.0, 11)])
def test_mdc(rate, mean, servers):
    def run(streams):
        visits = {"arrival_min": arrivals(streams, rate), "service_min": np.full(VISITS, mean)}
        return {"wait": counted(simulate_station(visits, plugs=servers))["wait_min"].mean()}

    meets(run, {"wait": queueing.mdc_wait_min(rate, mean, servers)}, widest=0.35)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("constant", **BETWEEN),  # M/D/1 of test_mdc
        pytest.param("exponential", **BETWEEN),  # M/M/1 of test_mmc
        "two_kinds",
        pytest.param("erlang", **BETWEEN),
        "lognormal",
    ],
)
def test_mg1(kind):
    def run(streams):
        visits = {"arrival_min": arrivals(streams, 0.06), "service_min": service(streams, kind, 10.0)}
        return {"wait": counted(simulate_station(visits, plugs=1))["wait_min"].mean()}

    meets(run, {"wait": queueing.mg1_wait_min(0.06, 10.0, SERVICES[kind][0])}, widest=0.4)


@pytest.mark.parametrize("kind", [pytest.param("exponential", **BETWEEN), "lognormal"])
def test_loss_does_not_depend_on_the_distribution(kind):
    def run(streams):
        visits = {"arrival_min": arrivals(streams, 0.1), "service_min": service(streams, kind, 50.0)}
        by_places = counted(simulate_station(visits, plugs=6, queue_places=0))
        by_patience = counted(simulate_station(visits | {"patience_min": np.zeros(VISITS)}, plugs=6))
        assert by_places["served"].to_list() == by_patience["served"].to_list()
        return {"lost": (by_places["state"] == "lost").mean()}

    meets(run, {"lost": queueing.erlang_b(5.0, 6)})


def test_places_to_wait():
    def run(streams):
        visits = {"arrival_min": arrivals(streams, 0.1), "service_min": service(streams, "exponential", 50.0)}
        records = counted(simulate_station(visits, plugs=5, queue_places=4))
        return {"lost": (records["state"] == "lost").mean(), "wait": records["wait_min"].mean()}

    lost, wait = queueing.mmck_wait_min(0.1, 50.0, 5, 4)
    meets(run, {"lost": lost, "wait": wait})


@pytest.mark.parametrize(("fleet", "servers"), [(6, 1), (30, 8)])
def test_finite_fleet(fleet, servers):
    trips = 2 * VISITS // fleet
    horizon = 100.0 * VISITS / fleet

    def run(streams):
        visits = {
            "vehicle": np.repeat(np.arange(fleet), trips),
            "away_min": streams("away").exponential(100.0, fleet * trips),
            "service_min": streams("service").exponential(30.0, fleet * trips),
        }
        records = simulate_station(visits, plugs=servers, horizon_min=horizon)
        # every vehicle is in the round until the end
        assert records.group_by("vehicle").agg((pl.col("state") == "away").any())["state"].all()
        arrived = records.filter(pl.col("arrival_min").is_between(1000.0, horizon - 500.0))
        return {"wait": arrived["wait_min"].mean()}

    meets(run, {"wait": queueing.finite_fleet_wait_min(fleet, 100.0, 30.0, servers)})


@pytest.mark.parametrize(
    ("kind", "full_power"),
    [("constant", 1.0), ("two_kinds", 3.0), ("lognormal", 1.0), pytest.param("exponential", 2.5, **BETWEEN)],
)
def test_shared_feeder_whatever_the_distribution(kind, full_power):
    rate = 0.6 * full_power / 20.0

    def run(streams):
        visits = {
            "arrival_min": arrivals(streams, rate, 3000),
            "energy_kwh": service(streams, kind, 20.0, 3000),
            "power_kw": np.full(3000, 60.0),
        }
        records = simulate_station(visits, plugs=3000, feeder_kw=60.0 * full_power)[500:]
        assert records["wait_min"].sum() == 0.0
        return {"time": records["charge_min"].mean()}

    meets(run, {"time": queueing.shared_feeder_time_min(rate, 20.0, full_power)}, widest=0.3)


def test_priorities_on_one_plug():
    def run(streams):
        first = streams("class").random(VISITS) < 0.4
        visits = {
            "arrival_min": arrivals(streams, 0.07),
            "service_min": np.where(first, 5.0, 1.0) * service(streams, "exponential", 2.0),
            "priority": np.where(first, 0, 1),
        }
        records = counted(simulate_station(visits, plugs=1, discipline="priority"))
        assert records["served"].all()
        return {str(k): records.filter(pl.col("priority") == k)["wait_min"].mean() for k in (0, 1)}

    exact = queueing.priority_waits_min([0.07 * 0.4, 0.07 * 0.6], [10.0, 2.0])
    meets(run, {"0": exact[0], "1": exact[1]})


def test_priorities_on_several_plugs():
    def run(streams):
        visits = {
            "arrival_min": arrivals(streams, 0.08),
            "service_min": service(streams, "exponential", 50.0),
            "priority": streams("class").integers(0, 3, VISITS),
        }
        records = counted(simulate_station(visits, plugs=5, discipline="priority"))
        return {str(k): records.filter(pl.col("priority") == k)["wait_min"].mean() for k in range(3)}

    exact = queueing.mmc_priority_waits_min([0.08 / 3] * 3, 50.0, 5)
    meets(run, {str(k): v for k, v in enumerate(exact)}, widest=0.6)


def test_two_stations_in_a_row():
    # what leaves M/M/c is Poisson again (Burke 1956): the second station waits as if it stood alone
    def run(streams):
        first = simulate_station(
            {"arrival_min": arrivals(streams, 0.08), "service_min": service(streams, "exponential", 50.0)}, plugs=6
        )
        second = simulate_station(
            {"arrival_min": first["end_min"], "service_min": streams("second").exponential(9.0, VISITS)}, plugs=1
        )
        return {"wait": counted(second)["wait_min"].mean()}

    meets(run, {"wait": queueing.mmc_wait_min(0.08, 9.0, 1)})


@pytest.mark.parametrize("packs", [4, pytest.param(6, **BETWEEN)])
def test_swap_station(packs):
    # packs charge at 1 % a minute; an exchange takes no time and there is a bay for everybody
    rate, mean, n = 0.06, 50.0, 3000
    battery = Battery(1000.0, 600.0, 0.9, 600.0)

    def run(streams):
        env = simpy.Environment()
        site = SwapSite(env, "swap", SwapStation(n, packs, 0.0, 600.0 * 0.1, 1.0), 1.0)
        # 60 kW on 1,000 kWh: 1000 minutes from 0 to 1, so that the mean of 50 min is a twentieth
        missing = streams("service").exponential(mean / 1000.0, n)

        def driver(at, vehicle, soc):
            yield env.timeout(at)
            yield from site.swap(vehicle, battery, soc)

        for vehicle, (at, share) in enumerate(zip(arrivals(streams, rate, n).tolist(), missing.tolist(), strict=True)):
            env.process(driver(at, vehicle, 1.0 - share))
        env.run()
        visits = done_visits(site)
        waits = (visits[:, 2] - visits[:, 1])[np.argsort(visits[:, 1], kind="stable")]
        assert waits.size == n
        return {"wait": waits[500:].mean()}

    meets(run, {"wait": queueing.swap_wait_min(rate, mean, packs, packs)}, widest=0.4)
