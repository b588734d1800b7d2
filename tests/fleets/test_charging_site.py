"""The site with a power limit inside a simulation: shares, modules, leaving rules, conservation, and a site without plugs."""

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from fleets.battery import Battery
from fleets.errors import ChargingError
from fleets.records import load_curve
from fleets.station import ChargingSite, Plugs

FLAT = Battery(100.0, 1000.0, 0.9, 1000.0)


def test_bad_input():
    with pytest.raises(ChargingError, match="must not be negative"):
        Plugs(-1, 60.0, 0.9)
    with pytest.raises(ChargingError, match="efficiency"):
        Plugs(1, 60.0, 1.2)
    with pytest.raises(ChargingError, match="positive"):
        Plugs(1, 60.0, 0.9, limit_kw=0.0)


def test_without_plugs_everybody_waits():
    site, reached = _site(Plugs(0, 60.0, 0.9), [(0.0, 1, FLAT, 0.2, 1.0, {}), (1.0, 2, FLAT, 0.8, 1.0, {"leave_min": 9.0})])
    assert reached == {2: 0.8, (2, "end"): 9.0}
    assert site.close() == {1: 0.2}
    assert [s.state for s in site.sessions] == ["left", "waiting"]


def _site(plugs, charges, until=None):
    """Run charges (time, vehicle, battery, soc, target, keywords); return the site and the states of charge reached."""
    env = simpy.Environment()
    site = ChargingSite(env, "site", plugs)
    reached = {}

    def come(time, vehicle, battery, soc, target, more):
        yield env.timeout(time)
        reached[vehicle] = yield from site.charge(vehicle, battery, soc, target, **more)
        reached[vehicle, "end"] = env.now

    for time, vehicle, battery, soc, target, more in charges:
        env.process(come(time, vehicle, battery, soc, target, more))
    env.run(until=until)
    return site, reached


def test_the_limit_is_shared_and_given_back():
    # 60 kW plugs, 60 kW in all: alone for 30 min (30 kWh), then 30 kW each; the first needs 60 kWh, the second 30 kWh
    plugs = Plugs(2, 60.0, 1.0, limit_kw=60.0)
    _, reached = _site(plugs, [(0.0, 1, FLAT, 0.0, 0.6, {}), (30.0, 2, FLAT, 0.0, 0.3, {})])
    # from minute 30: both have 30 kWh left at 30 kW each: 60 min
    assert reached[1, "end"] == pytest.approx(90.0)
    assert reached[2, "end"] == pytest.approx(90.0)
    # with 60 kWh for the second: the first ends at 90, then it has 60 kW again: 30 kWh left take 30 min
    _, reached = _site(plugs, [(0.0, 1, FLAT, 0.0, 0.6, {}), (30.0, 2, FLAT, 0.0, 0.6, {})])
    assert reached[1, "end"] == pytest.approx(90.0)
    assert reached[2, "end"] == pytest.approx(120.0)


def test_shares_come_in_modules():
    plugs = Plugs(4, 60.0, 1.0, limit_kw=100.0, module_kw=20.0)
    assert [plugs.share_kw(n) for n in (1, 2, 3, 4)] == [60.0, 40.0, 20.0, 20.0]
    assert Plugs(9, 60.0, 1.0, limit_kw=100.0, module_kw=20.0).share_kw(8) == pytest.approx(12.5)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), limit=st.floats(40.0, 400.0), module=st.sampled_from([0.0, 20.0]), until=st.floats(30.0, 600.0)
)
def test_limited_site_conserves_energy_and_stays_below_its_limit(seed, limit, module, until):
    rng = np.random.default_rng(seed)
    battery = Battery(120.0, 90.0, 0.7, 9.0)
    charges = [
        (float(t), i, battery, float(s), 1.0, {"need": 0.5, "leave_min": float(t + w)})
        for i, (t, s, w) in enumerate(
            zip(rng.uniform(0, 200, 12), rng.uniform(0, 0.9, 12), rng.uniform(20, 300, 12), strict=True)
        )
    ]
    plugs = Plugs(5, 80.0, 0.9, limit_kw=limit, module_kw=module)
    site, reached = _site(plugs, charges, until=until)
    at_end = site.close()
    for _, vehicle, _, soc, _, _ in charges:
        final = reached.get(vehicle, at_end.get(vehicle, soc))
        stored = sum(s.stored_kwh for s in site.sessions if s.vehicle == vehicle)
        assert stored == pytest.approx((final - soc) * 120.0, abs=1e-6)
        assert -1e-9 <= final - soc <= 1.0 - soc + 1e-9
    curve = load_curve(site.segments(), start_min=0.0, end_min=600.0, step_min=5)
    assert curve.sum() * 5 / 60 == pytest.approx(sum(s.grid_kwh for s in site.sessions), abs=1e-6)
    assert curve.max() <= min(limit, 5 * 80.0 / 0.9) + 1e-6


def test_with_a_high_limit_the_sharing_site_equals_the_plain_one():
    battery = Battery(120.0, 90.0, 0.7, 9.0)
    charges = [(10.0 * i, i, battery, 0.1, 1.0, {}) for i in range(6)]
    _, plain = _site(Plugs(3, 80.0, 0.9), charges)
    _, shared = _site(Plugs(3, 80.0, 0.9, limit_kw=3 * 80.0 / 0.9 - 1e-9), charges)
    for i in range(6):
        assert shared[i, "end"] == pytest.approx(plain[i, "end"], abs=1e-6)


def test_leaving_rules():
    # needs 50 %, leaves at minute 30 whatever the target; the second leaves the queue, the third stays for what it needs
    plugs = Plugs(1, 60.0, 1.0)
    charges = [
        (0.0, 1, FLAT, 0.4, 1.0, {"need": 0.5, "leave_min": 30.0}),
        (1.0, 2, FLAT, 0.6, 1.0, {"need": 0.5, "leave_min": 20.0}),
        (2.0, 3, FLAT, 0.2, 1.0, {"need": 0.5, "leave_min": 10.0}),
    ]
    site, reached = _site(plugs, charges)
    assert (reached[1], reached[1, "end"]) == pytest.approx((0.7, 30.0))
    assert (reached[2], reached[2, "end"]) == pytest.approx((0.6, 20.0))
    assert (reached[3], reached[3, "end"]) == pytest.approx((0.5, 60.0))
    assert [s.state for s in sorted(site.sessions, key=lambda s: s.vehicle)] == ["charged", "left", "charged"]
