"""Drivers who go by the price: a driver by hand, who they are, a city with and without them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fleets.battery import Battery
from fleets.errors import ChargingError
from fleets.station import Plugs
from fleets.taxi_price import PriceReaction, who_reacts
from fleets.taxis import Taxis, simulate_taxis

SHARP = ((1020.0, 1140.0),)
FLAT_DAY = np.ones(24)


def reaction(share=1.0, windows=SHARP, floor=0.15, ceiling=0.6):
    return PriceReaction(share, windows, floor, ceiling)


def moved(rule, end, now=900.0):
    """Return the end of a stretch whose battery falls from 0.5 by 0.1 in 100 min; a charge takes 40 min and the way 5."""
    return rule.moved_end(now, end, lambda minute: 0.5 - 0.001 * (minute - now), lambda _: 40.0, 5.0)


def test_a_driver_with_a_floor_by_hand():
    # the charge of 1105 to 1145 touches the sharp hours: 35 min later he is at the plug at 1140 with 0.265
    assert moved(reaction(), 1100.0) == 1135.0
    # with a floor of 0.3 he cannot drive on, and charges from 980 to 1020, with 0.425 when he leaves the road
    assert moved(reaction(floor=0.3), 1100.0) == 975.0
    # that is too full for him, or he has begun the stretch after it: he charges as planned
    assert moved(reaction(floor=0.3, ceiling=0.4), 1100.0) == 1100.0
    assert moved(reaction(floor=0.4), 1100.0, now=980.0) == 1100.0
    # the lesser move of two: 15 min earlier and not 145 min later
    assert moved(reaction(floor=0.0), 990.0) == 975.0
    # neither at 970, where the charge ends at 1015, nor after the sharp hours
    assert [moved(reaction(), end) for end in (970.0, 1136.0)] == [970.0, 1136.0]
    assert moved(reaction(windows=()), 1100.0) == 1100.0


def test_dear_hours_over_midnight_belong_to_both_days():
    rule = reaction(windows=((1380.0, 1500.0),))
    assert rule.window(1390.0, 1400.0) == rule.window(1450.0, 1460.0) == (1380.0, 1500.0)
    assert rule.window(30.0, 40.0) == (-60.0, 60.0)
    assert rule.window(70.0, 1380.0) is None


@given(end=st.floats(901.0, 1395.0), floor=st.floats(0.0, 0.4), ceiling=st.floats(0.4, 1.0))
def test_a_moved_charge_is_outside_the_dear_hours_and_within_floor_and_ceiling(end, floor, ceiling):
    rule = reaction(floor=floor, ceiling=ceiling)
    at = moved(rule, end)
    if at != end:
        soc = 0.5 - 0.001 * (at - 900.0)
        assert rule.window(at + 5.0 + 1e-9, at + 45.0 - 1e-9) is None
        assert soc >= floor if at > end else soc <= ceiling


def test_who_reacts_is_the_share_of_those_at_plugs_and_grows_with_it():
    at_plugs = np.arange(200) % 4 != 0
    chosen = [np.array(who_reacts(reaction(share=s), at_plugs, np.random.default_rng(1))) for s in (0.0, 0.1, 0.5, 1.0)]
    assert [int(c.sum()) for c in chosen] == [0, 15, 75, 150]
    assert not any(c[~at_plugs].any() for c in chosen)
    assert (chosen[1] <= chosen[2]).all()
    assert not any(who_reacts(None, at_plugs, np.random.default_rng(1)))
    assert not any(who_reacts(reaction(windows=()), at_plugs, np.random.default_rng(1)))


def week(rule, plugs=60, count=60):
    """Return a week of taxis that need 0.2 kWh/km and charge some 42 kWh at a time, with a plug for each."""
    taxis = Taxis(count, Battery(60.0, 60.0, 0.9999, 60.0), 1.0, (300.0, 200.0), 0.0, 0.25, 0.2, 0.95, 0.08, 0.0, 5.0, 1)
    return simulate_taxis(
        taxis,
        hourly_share=FLAT_DAY,
        single_shift_hours=(6, 22),
        day_factor=[1.0] * 8,
        kwh_per_km=[0.2] * 8,
        stations=[Plugs(plugs, 60.0, 0.9)],
        seeds=[np.random.SeedSequence(5, spawn_key=(r,)) for r in range(2)],
        reaction=rule,
    )


def sharp_kw(result):
    quarter = np.arange(96)
    return float(result.load_kw[:, np.tile((quarter >= 68) & (quarter < 76), 7)].mean())


def test_a_city_with_the_same_demand_leaves_the_sharp_hours():
    plain, none, some, all_of_them = (week(rule) for rule in (None, reaction(share=0.0), reaction(share=0.5), reaction()))
    # a share of 0 changes no bit
    for name in ("summary", "sessions", "blocks"):
        assert_frame_equal(getattr(plain, name), getattr(none, name), check_exact=True)
    # 300 km a day are 0.0417 of the battery an hour: from 0.25 a driver keeps on for 2.4 h above the floor, so that all can wait for 19:00
    assert sharp_kw(all_of_them) == pytest.approx(0.0, abs=1e-9)
    assert 0.3 * sharp_kw(plain) < sharp_kw(some) < 0.7 * sharp_kw(plain)
    for result in (plain, some, all_of_them):
        assert result.checks["passed"].all()
        # the same demand: driven and lost are what was asked for
        assert result.value("km") / (1.0 - result.value("lost_km_share")) == pytest.approx(60 * 300.0 * 7)
        # with a plug for each nobody waits, and what is bought is what is driven, up to the charge of one battery
        assert result.value("wait_mean_min") == 0.0
        bought, driven = result.value("grid_kwh") * 0.9, 0.2 * (result.value("km") + result.value("dead_km"))
        assert abs(bought - driven) < 60.0 * 60 * 0.3
    assert_frame_equal(some.summary, week(reaction(share=0.5)).summary, check_exact=True)


def test_a_bad_reaction_is_refused():
    for wrong, message in (({"share": 2.0}, "2.0"), ({"floor": 0.7}, "0.7"), ({"windows": ((10.0, 5.0),)}, "dear hours")):
        with pytest.raises(ChargingError, match=message):
            reaction(**wrong)
