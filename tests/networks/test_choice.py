from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from networks.choice import (
    ChoiceProblem,
    Segments,
    calibrate,
    calibrate_modes,
    constant_driven_shares,
    elasticities,
    nested_shares,
)
from networks.errors import CalibrationError

CASE = np.array([0, 0, 0, 1, 1, 2])
NEST = np.array([0, 1, 1, 0, 1, 0])
SEG = Segments.build(CASE, NEST)


def test_three_alternatives_by_hand():
    utility = np.log(np.array([[1.0, 2.0, 1.0, 3.0, 1.0, 7.0]]))
    share, _, log_sum = nested_shares(utility, SEG)
    np.testing.assert_allclose(share[0], [0.25, 0.5, 0.25, 0.75, 0.25, 1.0])
    np.testing.assert_allclose(log_sum[0], np.log([4.0, 4.0, 7.0]))


def test_nested_by_hand():
    # two alike in one nest with scale 1/2: inclusive value ln(2 e^{2v}) / 2 = v + ln(2) / 2, so the nest weighs sqrt(2) against 1
    share, within, _ = nested_shares(np.zeros((1, 6)), SEG, 0.5)
    root = np.sqrt(2.0)
    np.testing.assert_allclose(share[0, :3], [1 / (1 + root), root / (1 + root) / 2, root / (1 + root) / 2])
    np.testing.assert_allclose(within[0, 1:3], 0.5)


@given(arrays(float, (3, 6), elements=st.floats(-800, 800)), st.floats(0.2, 1.0))
def test_shares_are_shares_and_survive_large_utilities(utility, scale):
    share, _, log_sum = nested_shares(utility, SEG, scale)
    assert np.all(np.isfinite(log_sum))
    assert np.all((share >= 0) & (share <= 1))
    np.testing.assert_allclose(np.add.reduceat(share, [0, 3, 5], axis=1), 1.0, rtol=1e-12)


@given(arrays(float, (1, 6), elements=st.floats(-30, 30)), st.floats(-500, 500))
def test_only_differences_of_utility_count(utility, shift):
    np.testing.assert_allclose(nested_shares(utility, SEG, 0.6)[0], nested_shares(utility + shift, SEG, 0.6)[0], atol=1e-9)


@given(arrays(float, 6, elements=st.floats(5, 300)), st.floats(0.3, 1.0), st.floats(0.0, 100.0))
def test_a_higher_rail_tariff_never_raises_the_rail_share(cost, scale, rise):
    rail = np.array([0, 1, 1, 0, 1, 0], dtype=float)
    km = np.array([0, 120.0, 180.0, 0, 300.0, 0])
    before = nested_shares(-0.03 * cost[None, :], SEG, scale)[0]
    after = nested_shares(-0.03 * (cost + rise / 100 * km)[None, :], SEG, scale)[0]
    for case in range(3):
        mine = (case == CASE) & (rail > 0)
        assert after[0, mine].sum() <= before[0, mine].sum() + 1e-12


def test_unsorted_alternatives_are_refused():
    with pytest.raises(CalibrationError, match="sorted"):
        Segments.build(np.array([1, 0]), np.array([0, 0]))
    with pytest.raises(CalibrationError, match="sorted"):
        Segments.build(np.array([0, 0]), np.array([1, 0]))


def table(draws=1, scale=1.0):
    """Six hauls by road or rail; a constant alone cannot meet tonnes and tkm, because distance pulls them apart (the distance trap)."""
    km = np.array([60.0, 120.0, 200.0, 350.0, 600.0, 900.0])
    tonnes = np.array([80.0, 60.0, 50.0, 40.0, 25.0, 15.0]) * 1e6
    case = np.repeat(np.arange(6), 2)
    rail = np.tile([0.0, 1.0], 6)
    cost = np.where(rail > 0, 45.0 + 0.12 * km[case], 15.0 + 0.3 * km[case])
    seg = Segments.build(case, rail.astype(int))
    features = np.stack([rail, rail * km[case] / 100.0], axis=1)
    measure = np.stack([rail, rail * km[case]], axis=1)
    return ChoiceProblem(
        base=np.repeat(-0.03 * cost[None, :], draws, axis=0),
        features=features,
        flow=np.repeat(tonnes[case][None, :], draws, axis=0),
        measure=measure,
        fixed=np.zeros((draws, 2)),
        segments=seg,
        scale=np.full(draws, scale),
    )


def test_calibration_meets_tonnes_and_tkm():
    problem = table()
    observed = np.array([[70e6, 24e9]])
    fit = calibrate(problem, observed, weight=np.ones(2), prior=np.zeros(2), prior_sd=np.array([2.0, 0.5]), ridge=1e-6)
    np.testing.assert_allclose(fit.margins, observed, rtol=5e-3)
    assert np.abs(fit.margins_at_prior / observed - 1).max() > 0.05  # the data did not fit by themselves
    assert fit.singular_values.min() > 0
    assert not fit.prior_driven.any()
    only_constant = ChoiceProblem(**{**vars(problem), "features": problem.features[:, :1]})
    trapped = calibrate(only_constant, observed, weight=np.ones(2), prior=np.zeros(1), prior_sd=np.array([2.0]), ridge=1e-6)
    assert np.abs(trapped.margins / observed - 1).max() > 0.02


def test_true_constants_are_found_again():
    problem = table()
    truth = np.array([[-0.7, 0.15]])
    observed, _ = problem.margins(truth)
    fit = calibrate(problem, observed, weight=np.ones(2), prior=np.zeros(2), prior_sd=np.array([2.0, 0.5]), ridge=1e-12)
    np.testing.assert_allclose(fit.constants, truth, atol=1e-3)


def test_derivative_agrees_with_differences():
    problem = table(scale=0.6)
    at, step = np.array([[-0.3, 0.1]]), 1e-6
    _, derivative = problem.margins(at)
    for k in range(2):
        moved = at.copy()
        moved[0, k] += step
        slope = (problem.margins(moved)[0] - problem.margins(at)[0]) / step
        np.testing.assert_allclose(derivative[:, :, k], slope, rtol=1e-4)


def test_draws_are_calibrated_as_single_runs():
    targets = np.array([[70e6, 24e9], [90e6, 26e9], [60e6, 20e9]])
    options = {"weight": np.ones(2), "prior": np.zeros(2), "prior_sd": np.array([2.0, 0.5]), "ridge": 1e-6}
    together = calibrate(table(draws=3), targets, **options)
    for d in range(3):
        alone = calibrate(table(), targets[d : d + 1], **options)
        np.testing.assert_allclose(together.constants[d], alone.constants[0], atol=1e-5)


def test_an_unidentified_constant_is_said_to_be_prior_driven():
    problem = table()
    nothing = np.concatenate([problem.features, np.zeros((12, 1))], axis=1)
    wider = ChoiceProblem(**{**vars(problem), "features": nothing})
    fit = calibrate(
        wider, np.array([[70e6, 24e9]]), weight=np.ones(2), prior=np.array([0.0, 0.0, 1.5]), prior_sd=np.ones(3), ridge=1e-6
    )
    assert fit.prior_driven.tolist() == [False, False, True]
    assert fit.constants[0, 2] == pytest.approx(1.5)


def test_margins_must_be_positive():
    with pytest.raises(CalibrationError, match="positive"):
        calibrate(table(), np.array([[0.0, 1.0]]), weight=np.ones(2), prior=np.zeros(2), prior_sd=np.ones(2), ridge=1e-6)


# --- the report of a calibration -----------------------------------------------------------------------------------------------------


def test_report_of_a_well_posed_calibration():
    fit = calibrate(
        table(), np.array([[70e6, 24e9]]), weight=np.ones(2), prior=np.zeros(2), prior_sd=np.array([2.0, 0.5]), ridge=1e-6
    )
    assert fit.rank == 2
    assert fit.condition_number == pytest.approx(fit.singular_values[0] / fit.singular_values[1])
    assert fit.prior_share.max() < 1e-3
    assert fit.flags == ()
    assert not fit.unsettled.any()


def test_two_constants_that_only_count_together_are_half_known_each():
    problem = table()
    twin = np.concatenate([problem.features, problem.features[:, :1]], axis=1)
    fit = calibrate(
        ChoiceProblem(**{**vars(problem), "features": twin}),
        np.array([[70e6, 24e9]]),
        weight=np.ones(2),
        prior=np.zeros(3),
        prior_sd=np.array([2.0, 0.5, 2.0]),
        ridge=1e-6,
        constant_names=["rail", "slope", "twin"],
    )
    assert fit.rank == 2
    assert fit.condition_number == np.inf
    np.testing.assert_allclose(fit.prior_share, [0.5, 0.0, 0.5], atol=1e-3)
    assert not fit.prior_driven.any()  # each alone would be known
    assert fit.constants[0, 0] == pytest.approx(fit.constants[0, 2])
    assert any("rank 2 of 3" in flag for flag in fit.flags)


def test_what_the_margins_do_not_say_is_flagged_by_name():
    problem = table()
    nothing = np.concatenate([problem.features, np.zeros((12, 1))], axis=1)
    fit = calibrate(
        ChoiceProblem(**{**vars(problem), "features": nothing}),
        np.array([[70e6, 24e9]]),
        weight=np.ones(2),
        prior=np.zeros(3),
        prior_sd=np.ones(3),
        ridge=1e-6,
        constant_names=["rail", "slope", "port"],
    )
    assert fit.prior_share[2] == pytest.approx(1.0)
    assert "port: 100% of its information is the prior's" in fit.flags


def test_a_margin_out_of_reach_is_flagged():
    # 270 of 270 Mt by rail and yet half the turnover: no constants do that
    problem = table(draws=2)
    fit = calibrate(
        problem,
        np.array([[70e6, 24e9], [400e6, 2e9]]),
        weight=np.array([20.0, 20.0]),
        prior=np.zeros(2),
        prior_sd=np.array([2.0, 0.5]),
        ridge=1e-8,
        margin_names=["t", "tkm"],
    )
    alone = calibrate(
        table(),
        np.array([[400e6, 2e9]]),
        weight=np.array([20.0, 20.0]),
        prior=np.zeros(2),
        prior_sd=np.array([2.0, 0.5]),
        ridge=1e-8,
        margin_names=["t", "tkm"],
    )
    np.testing.assert_allclose(fit.constants[1], alone.constants[0], rtol=1e-6)
    assert any(flag.startswith("t: modelled") and "spreads apart" in flag for flag in alone.flags)


def elastic(problem, constants, scale=0.03):
    """Return elasticities of road and rail by cost, analytic and by raising the cost of each by a little."""
    mode = problem.features[:, 0].astype(int)
    cost_utility = problem.base
    said = elasticities(problem, constants, cost_utility, mode)
    member = np.stack([1.0 - mode, mode], axis=1)
    seen, rise = np.empty((1, 2, 2)), 1e-6
    tonnes = lambda p: (p.flow * nested_shares(p.base + constants @ p.features.T, p.segments, p.scale)[0]) @ member  # noqa: E731
    for of in range(2):
        dearer = ChoiceProblem(**{**vars(problem), "base": problem.base * (1.0 + rise * member[:, of])})
        seen[:, :, of] = (tonnes(dearer) / tonnes(problem) - 1.0) / rise
    return said, seen


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_elasticities_agree_with_a_small_rise_of_cost(scale):
    said, seen = elastic(table(scale=scale), np.array([[-0.7, 0.15]]))
    np.testing.assert_allclose(said, seen, rtol=1e-4)
    assert said[0, 0, 0] < 0 < said[0, 0, 1]
    assert said[0, 1, 1] < 0 < said[0, 1, 0]


@given(arrays(float, (1, 2), elements=st.floats(-3, 3)))
def test_what_one_mode_loses_the_others_gain(constants):
    problem = table()
    mode = problem.features[:, 0].astype(int)
    found = elasticities(problem, constants, problem.base, mode)[0]
    share = nested_shares(problem.base + constants @ problem.features.T, problem.segments, problem.scale)[0]
    tonnes = (problem.flow * share) @ np.stack([1.0 - mode, mode], axis=1)
    np.testing.assert_allclose(tonnes @ found, 0.0, atol=1e-9 * tonnes.sum())


def test_a_chain_that_pays_for_two_modes_answers_to_both():
    problem = table()
    mode = problem.features[:, 0].astype(int)
    exposure = np.stack(
        [np.where(mode > 0, 0.25, 1.0), np.where(mode > 0, 0.75, 0.0)], axis=1
    )  # a quarter of rail's cost is its lorries
    whole = elasticities(problem, np.zeros((1, 2)), problem.base, mode)[0]
    shared = elasticities(problem, np.zeros((1, 2)), problem.base, mode, exposure=exposure)[0]
    np.testing.assert_allclose(shared[:, 0], whole[:, 0] + 0.25 * whole[:, 1], rtol=1e-12)
    np.testing.assert_allclose(shared[:, 1], 0.75 * whole[:, 1], rtol=1e-12)
    assert abs(shared[0, 0]) < abs(whole[0, 0])  # road loses less when rail pays for lorries too


def test_shares_owed_to_constants():
    problem = table()
    mode = problem.features[:, 0].astype(int)
    none = constant_driven_shares(problem, np.zeros((1, 2)), np.zeros(2), mode)
    np.testing.assert_array_equal(none.owed, 0.0)
    pushed = constant_driven_shares(problem, np.array([[3.0, 0.0]]), np.zeros(2), mode)
    np.testing.assert_allclose(pushed.share.sum(axis=1), 1.0)
    np.testing.assert_allclose(pushed.owed.sum(axis=1), 0.0, atol=1e-12)
    assert pushed.owed[0, 1] > 0.3
    assert pushed.mainly.tolist() == [
        [True, False]
    ]  # road has lost more than half of what it keeps; rail would have most of its share anyway


# --- the distance trap ---------------------------------------------------------------------------------------------------------------

HAULS_T = np.array([8.0, 7.0, 6.0, 5.0, 4.0, 3.0])
HAULS_KM = np.array([60.0, 120.0, 230.0, 400.0, 500.0, 850.0])
OBSERVED = pl.DataFrame({"mode": ["road", "rail"], "t": [17.0, 16.0], "tkm": [3850.0, 5400.0]})
OPTIONS = {"reference": "road", "cost_scale": 0.03, "prior_sd": (2.0, 0.5), "ridge": 1e-6}


def hauls():
    """Six pairs of places, 33 t and 9,250 tkm in all; road is cheaper near, rail far."""
    rows = [
        (f"OD{i}", mode, t, km, terminal + rate * km)
        for i, (t, km) in enumerate(zip(HAULS_T, HAULS_KM, strict=True))
        for mode, terminal, rate in (("road", 12.0, 0.30), ("rail", 45.0, 0.15))
    ]
    return pl.DataFrame(rows, schema=["case", "mode", "t", "km", "cost"], orient="row")


def misses(road):
    """Return the largest relative error of the four margins when the hauls marked go by road and the others by rail."""
    made = [
        (HAULS_T * road).sum(),
        (HAULS_T * HAULS_KM * road).sum(),
        (HAULS_T * ~road).sum(),
        (HAULS_T * HAULS_KM * ~road).sum(),
    ]
    return float(np.abs(np.array(made) / [17.0, 3850.0, 16.0, 5400.0] - 1.0).max())


def test_one_constant_and_one_slope_meet_tonnes_and_tkm():
    found = calibrate_modes(hauls(), OBSERVED, **OPTIONS)
    assert found.fit.height == 6
    assert found.fit["error_pct"].abs().max() < 0.5
    assert set(found.constants.select("mode", "parameter").rows()) == {("rail", "constant"), ("rail", "per_100km")}
    assert (found.rank, found.flags) == (2, ())
    assert found.condition_number < 100
    assert not found.constants["prior_driven"].any()
    assert found.shares["t"].sum() == pytest.approx(33.0)
    assert found.shares["tkm"].sum() == pytest.approx(9250.0)
    by_case = found.shares.group_by("case").agg(pl.col("share").sum())["share"]
    np.testing.assert_allclose(by_case, 1.0)
    at_prior = found.fit.select(((pl.col("at_prior") / pl.col("observed")) - 1).abs()).to_series()
    assert at_prior.max() > 0.05  # costs alone do not fit


def test_all_or_nothing_cannot_meet_tonnes_and_tkm():
    # every way to send the six hauls, each wholly by one mode
    best = min(misses(np.array(way, dtype=bool)) for way in itertools.product([0, 1], repeat=6))
    assert best > 0.05
    # and the ways that the cheapest mode can take, whatever constant is added to the cost of rail
    extra = 45.0 - 12.0 - 0.15 * HAULS_KM
    reach = min(misses(extra + add > 0) for add in np.arange(-300.0, 300.0, 0.25))
    assert reach >= best


def test_the_constant_alone_falls_into_the_trap():
    found = calibrate_modes(hauls(), OBSERVED, **{**OPTIONS, "prior_sd": (2.0, 1e-6)})  # the slope held at 0 by its prior
    assert found.fit["error_pct"].abs().max() > 2.0
    assert found.constants["prior_driven"].to_list() == [False, True]
    assert found.constants["prior_share"][1] > 0.99


def test_margins_are_met_from_afar():
    # rail is so dear that costs alone give it 1 t; least squares from there ends with each haul wholly one way
    dear = hauls().with_columns(cost=pl.col("cost") + pl.when(pl.col("mode") == "rail").then(300.0).otherwise(0.0))
    found = calibrate_modes(dear, OBSERVED, **OPTIONS)
    assert found.fit["error_pct"].abs().max() < 0.5
    near = calibrate_modes(hauls(), OBSERVED, **OPTIONS)
    gain = found.constants["value"] - near.constants["value"]
    np.testing.assert_allclose(gain, [0.03 * 300.0, 0.0], atol=0.02)  # the constant takes up what the cost has added


def test_groups_are_calibrated_by_themselves():
    near = hauls().with_columns(group=pl.lit("coal"))
    far = hauls().with_columns(pl.col("km") * 1.5, pl.col("cost") * 1.2, group=pl.lit("steel"))
    seen = OBSERVED.with_columns(group=pl.lit("coal"))
    other = seen.with_columns(pl.col("tkm") * 1.5, group=pl.lit("steel"))
    both = calibrate_modes(pl.concat([near, far]), pl.concat([seen, other]), **OPTIONS)
    assert both.fit["error_pct"].abs().max() < 0.5
    assert both.rank == both.constants.height == 4
    alone = calibrate_modes(near, seen, **OPTIONS)
    mine = both.constants.filter(pl.col("group") == "coal")["value"]
    np.testing.assert_allclose(mine, alone.constants["value"], rtol=1e-3)


def test_a_better_known_margin_is_met_better():
    clash = OBSERVED.with_columns(t=pl.Series([20.0, 16.0]))  # 36 t, but the table has 33
    tight = calibrate_modes(hauls(), clash.with_columns(t_spread=pl.Series([0.5, 0.01])), **OPTIONS)
    error = {m: abs(e) for m, e in tight.fit.filter(pl.col("margin") == "t").select("mode", "error_pct").rows()}
    assert error["rail"] < 0.5 < error["road"]
    assert tight.flags[0] == "all: observed tonnes add up to 36, those of the table to 33; not all margins can be met"


def test_elasticities_stand_beside_the_literature():
    ranges = pl.DataFrame({"mode": ["rail", "rail"], "of_mode": ["rail", "road"], "low": [-3.0, 5.0], "high": [0.0, 6.0]})
    found = calibrate_modes(hauls(), OBSERVED, **OPTIONS, literature=ranges)
    assert found.elasticities.height == 8
    rail = {(r["of_mode"], r["measure"]): r for r in found.elasticities.filter(pl.col("mode") == "rail").iter_rows(named=True)}
    assert rail["rail", "t"]["elasticity"] < 0 < rail["road", "t"]["elasticity"]
    assert rail["rail", "t"]["within"] is True
    assert rail["road", "t"]["within"] is False
    assert found.elasticities.filter(pl.col("mode") == "road")["within"].null_count() == 4
    dearer = hauls().with_columns(cost=pl.col("cost") * pl.when(pl.col("mode") == "rail").then(1.0 + 1e-6).otherwise(1.0))
    v = -0.03 * dearer["cost"].to_numpy() + np.where(
        dearer["mode"] == "rail", found.constants["value"][0] + found.constants["value"][1] * dearer["km"].to_numpy() / 100.0, 0.0
    )
    p = 1.0 / (1.0 + np.exp(v[0::2] - v[1::2]))
    tonnes = found.shares.filter(pl.col("mode") == "rail")["t"].sum()
    assert rail["rail", "t"]["elasticity"] == pytest.approx(((HAULS_T @ p) / tonnes - 1.0) / 1e-6, rel=1e-3)


def test_a_share_that_stands_on_its_constant_is_flagged():
    dear = hauls().with_columns(cost=pl.col("cost") + pl.when(pl.col("mode") == "rail").then(150.0).otherwise(0.0))
    found = calibrate_modes(dear, OBSERVED, **OPTIONS)
    assert found.fit["error_pct"].abs().max() < 0.5
    rail = found.constant_driven.filter(pl.col("mode") == "rail").row(0, named=True)
    assert rail["mainly"]
    assert rail["share"] == pytest.approx(16 / 33, rel=5e-3)
    assert rail["owed"] == pytest.approx(rail["share"] - rail["share_at_prior"])
    assert "rail: more than half of its share is owed to constants, not to costs" in found.flags


@given(st.floats(-2, 2), st.floats(-0.4, 0.4), st.floats(0.005, 0.05))
def test_any_margins_the_model_can_make_are_met(constant, slope, scale):
    frame = hauls()
    pull = -scale * frame["cost"].to_numpy()
    pull[1::2] += constant + slope * HAULS_KM / 100.0
    rail = 1.0 / (1.0 + np.exp(pull[0::2] - pull[1::2]))
    t = [HAULS_T @ (1 - rail), HAULS_T @ rail]
    tkm = [(HAULS_T * HAULS_KM) @ (1 - rail), (HAULS_T * HAULS_KM) @ rail]
    seen = pl.DataFrame({"mode": ["road", "rail"], "t": t, "tkm": tkm})
    found = calibrate_modes(frame, seen, **{**OPTIONS, "cost_scale": scale, "ridge": 1e-9})
    assert found.fit["error_pct"].abs().max() < 0.5


@pytest.mark.parametrize(
    ("change", "seen", "options", "message"),
    [
        (lambda t: t.drop("km"), OBSERVED, {}, "table: column 'km' is missing"),
        (lambda t: t, OBSERVED.drop("tkm"), {}, "observed: column 'tkm' is missing"),
        (lambda t: t.with_columns(km=pl.lit(0.0)), OBSERVED, {}, "case OD0, mode road, column 'km': 0.0"),
        (lambda t: t.with_columns(cost=pl.lit(float("nan"))), OBSERVED, {}, "case OD0, mode road, column 'cost': nan"),
        (lambda t: pl.concat([t, t.head(1)]), OBSERVED, {}, "case OD0, mode road occurs 2 times"),
        (lambda t: t.with_columns(t=pl.Series(range(1, 13), dtype=pl.Float64)), OBSERVED, {}, "case OD0 has 2 values of 't'"),
        (lambda t: t, OBSERVED.with_columns(t=pl.lit(-1.0)), {}, "observed: mode road, column 't': -1.0"),
        (lambda t: t, pl.concat([OBSERVED, OBSERVED]), {}, "observed: mode road of group all occurs 2 times"),
        (lambda t: t, OBSERVED.head(1), {}, "mode rail of group all has no margin"),
        (
            lambda t: t,
            OBSERVED.with_columns(mode=pl.Series(["road", "ship"])),
            {},
            "no row of the table has mode ship in group all",
        ),
        (lambda t: t, OBSERVED, {"reference": "air"}, "reference 'air' is no mode of the table"),
        (lambda t: t, OBSERVED, {"cost_scale": 0.0}, "cost_scale 0.0"),
        (lambda t: t, OBSERVED, {"literature": pl.DataFrame({"mode": ["rail"]})}, "literature: column"),
    ],
)
def test_bad_tables_are_refused(change, seen, options, message):
    with pytest.raises(CalibrationError, match=message):
        calibrate_modes(change(hauls()), seen, **{**OPTIONS, **options})
