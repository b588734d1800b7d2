"""Estimation of choice models: closed forms, published numbers, biogeme's numbers, properties, bad input."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.choice import EstimationError, Segments, estimate, nested_shares
from networks.estimation import estimate as estimate_at_home
from networks.likelihood import evaluate
from networks.sample import read_layout, read_sample
from tests.networks.choice_data import GOLDEN, NESTS, SPECIFICATION, TRUTH, observations, simulate, travel_mode

COEFFICIENTS = pl.read_csv(GOLDEN / "coefficients.csv")
FIT = pl.read_csv(GOLDEN / "fit.csv")


def trips(rows):
    """Return a long table of (case, alternative, available, chosen, cost)."""
    return pl.DataFrame(rows, schema=["case", "alternative", "available", "chosen", "cost"], orient="row")


def values(found):
    return dict(zip(found.table["coefficient"], found.table["value"], strict=True))


# --- known answers -------------------------------------------------------------------------------------------------------------------


def test_constants_alone_are_logarithms_of_shares():
    rows = [(c, a, 1, int(a == took), 0.0) for c, took in enumerate("aaaaabbbcc") for a in "abc"]
    found = estimate(trips(rows), {"a": {"k_a": 1}, "b": {"k_b": "1"}, "c": {}})
    assert values(found) == pytest.approx({"k_a": math.log(5 / 2), "k_b": math.log(3 / 2)})
    assert found.log_likelihood == pytest.approx(5 * math.log(0.5) + 3 * math.log(0.3) + 2 * math.log(0.2))
    assert found.constants_log_likelihood == pytest.approx(found.log_likelihood)
    assert found.null_log_likelihood == pytest.approx(-10 * math.log(3))
    # Var(ln p_a / p_c) = 1 / n_a + 1 / n_c
    assert found.table["standard_error"].to_list() == pytest.approx([math.sqrt(1 / 5 + 1 / 2), math.sqrt(1 / 3 + 1 / 2)])
    assert found.table["robust_standard_error"].to_list() == pytest.approx(found.table["standard_error"].to_list())
    assert found.rho2 == pytest.approx(1 - found.log_likelihood / found.null_log_likelihood)
    assert found.rho2_adjusted == pytest.approx(1 - (found.log_likelihood - 2) / found.null_log_likelihood)
    assert (found.n_cases, found.n_parameters, found.total_weight, found.converged) == (10, 2, 10.0, True)
    assert found.elasticities.is_empty()


def test_shares_made_by_hand_give_their_own_parameters_back():
    # a alone against b and c: P(b | bc) = e^(mu V_b) / (e^(mu V_b) + e^(mu V_c)), P(bc) / P(a) = (e^(mu V_b) + e^(mu V_c))^(1/mu)
    k, beta, mu = 0.3, -0.2, 2.0
    rows = []
    for case, (cost_b, cost_c) in enumerate([(0.0, 2.0), (3.0, 0.0), (1.0, 1.5)]):
        b, c = (math.exp(mu * (k + beta * cost)) for cost in (cost_b, cost_c))
        nest = (b + c) ** (1 / mu) / (1 + (b + c) ** (1 / mu))
        rows += [
            (case, "a", 1, 1 - nest, 0.0),
            (case, "b", 1, nest * b / (b + c), cost_b),
            (case, "c", 1, nest * c / (b + c), cost_c),
        ]
    table = trips(rows).rename({"chosen": "weight"})
    spec = {"a": {}, "b": {"k": 1, "beta": "cost"}, "c": {"k": 1, "beta": "cost"}}
    found = estimate(table, spec, nests={"bc": ["b", "c"]})
    assert values(found) == pytest.approx({"k": k, "beta": beta, "mu_bc": mu}, rel=1e-6)
    np.testing.assert_allclose(found.probabilities, table["weight"], rtol=1e-7)
    # the same shares by the function the freight model uses, whose scale is the inverse
    v = np.array([[0.0 if a == "a" else k + beta * cost for _, a, _, _, cost in rows]])
    seg = Segments.build(np.repeat(np.arange(3), 3), np.tile([0, 1, 1], 3))
    np.testing.assert_allclose(nested_shares(v, seg, 1.0 / mu)[0][0], table["weight"], rtol=1e-12)


def test_greene_and_hensher_are_met():
    """Multinomial estimates printed by Greene, Econometric Analysis, table of the unweighted travel mode model."""
    found = estimate(travel_mode(), SPECIFICATION["travel_mode"])
    printed = {
        "b_gc": (-0.01550, 0.00441),
        "b_ttme": (-0.09612, 0.01044),
        "b_hinc": (0.01329, 0.01026),
        "a_air": (5.2074, 0.7791),
        "a_train": (3.8690, 0.4431),
        "a_bus": (3.1632, 0.4503),
    }
    for name, (value, error) in printed.items():
        row = found.table.filter(pl.col("coefficient") == name)
        assert row["value"].item() == pytest.approx(value, abs=6e-5), name
        assert row["standard_error"].item() == pytest.approx(error, abs=6e-5), name
    assert found.log_likelihood == pytest.approx(-199.1284, abs=5e-5)
    assert found.constants_log_likelihood == pytest.approx(-283.7588, abs=5e-5)
    assert found.null_log_likelihood == pytest.approx(-291.1218, abs=5e-5)


@pytest.mark.parametrize(("data", "model"), FIT.select("data", "model").rows(), ids="-".join)
def test_estimates_equal_those_of_biogeme(data, model):
    """Values and standard errors to 1e-3 relative, log-likelihoods to 0.01; written by benchmarks/choice_estimation.py."""
    nests = NESTS[data] if model.startswith("nested") else None
    weights = "case_weight" if model.endswith("weighted") else None
    found = estimate(observations(data), SPECIFICATION[data], nests=nests, weights=weights)
    golden = COEFFICIENTS.filter((pl.col("data") == data) & (pl.col("model") == model))
    both = found.table.join(golden, on="coefficient", how="full", suffix="_golden")
    assert both.height == golden.height == found.n_parameters
    for column in ("value", "standard_error"):
        np.testing.assert_allclose(both[column], both[f"{column}_golden"], rtol=1e-3, err_msg=column)
    # biogeme leaves the case weights out of the middle of its sandwich; with weights the textbook form is compared in a test of its own
    if weights is None:
        np.testing.assert_allclose(both["robust_standard_error"], both["robust_standard_error_golden"], rtol=1e-3)
    fit = FIT.filter((pl.col("data") == data) & (pl.col("model") == model)).row(0, named=True)
    assert found.log_likelihood == pytest.approx(fit["log_likelihood"], abs=0.01)
    if fit["null_log_likelihood"] is not None:
        assert found.null_log_likelihood == pytest.approx(fit["null_log_likelihood"], abs=0.01)


def test_robust_errors_with_case_weights_differ_from_biogeme_by_the_weights_in_the_middle():
    table, spec = observations("simulated"), SPECIFICATION["simulated"]
    found = estimate(table, spec, weights="case_weight")
    sample = read_sample(table, *read_layout(spec, None, shared=False))
    scores = evaluate(sample, found.table["value"].to_numpy()).scores  # unweighted
    weight = table.group_by("case", maintain_order=True).agg(pl.col("case_weight").first())["case_weight"].to_numpy()[:, None]
    golden = COEFFICIENTS.filter((pl.col("data") == "simulated") & (pl.col("model") == "mnl_weighted"))
    for middle, errors in ((scores, golden["robust_standard_error"]), (weight * scores, found.table["robust_standard_error"])):
        sandwich = found.covariance @ (middle.T @ middle) @ found.covariance
        np.testing.assert_allclose(np.sqrt(np.diag(sandwich)), errors, rtol=1e-3)


def test_golden_table_holds_both_data_sets_and_both_models():
    assert {("simulated", "mnl"), ("simulated", "nested"), ("travel_mode", "mnl"), ("travel_mode", "nested")} <= set(
        FIT.select("data", "model").rows()
    )


def test_the_truth_is_found_again():
    found = estimate(simulate(8000, 5), SPECIFICATION["simulated"], nests=NESTS["simulated"])
    away = found.table.with_columns(truth=pl.col("coefficient").replace_strict(TRUTH)).select(
        ((pl.col("value") - pl.col("truth")) / pl.col("standard_error")).abs()
    )
    assert away.height == len(TRUTH)
    assert away.to_series().max() < 3.5
    assert found.nests["log_sum_coefficient"].to_list() == pytest.approx([1 / m for m in found.nests["mu"]])
    assert found.nests["t_against_1"].min() > 3
    np.testing.assert_allclose(
        found.nests["log_sum_standard_error"], found.nests["standard_error"] / found.nests["mu"] ** 2, rtol=1e-12
    )


# --- derivatives and conservation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
def test_gradient_and_hessian_agree_with_differences(nested):
    nests = NESTS["simulated"] if nested else None
    layout, problems = read_layout(SPECIFICATION["simulated"], nests, shared=False)
    sample = read_sample(simulate(60, 2), layout, problems, weights="case_weight")
    at = np.array([-0.02, -0.03, 0.3, 0.4, -0.2, 0.1, 0.2, -0.1] + ([1.4, 2.1] if nested else []))
    here, step = evaluate(sample, at), 1e-6
    np.testing.assert_allclose(here.scores.sum(axis=0), here.gradient)
    for p in range(at.size):
        up, down = at.copy(), at.copy()
        up[p] += step
        down[p] -= step
        above, below = evaluate(sample, up), evaluate(sample, down)
        assert here.gradient[p] == pytest.approx((above.value - below.value) / (2 * step), rel=1e-5, abs=1e-4)
        np.testing.assert_allclose(here.hessian[p], (above.gradient - below.gradient) / (2 * step), rtol=1e-5, atol=1e-3)


def test_a_full_set_of_constants_reproduces_the_shares():
    found = estimate(travel_mode(), SPECIFICATION["travel_mode"])
    np.testing.assert_allclose(found.shares["modelled"], found.shares["observed"], atol=1e-10)
    assert found.shares["observed"].sum() == pytest.approx(1.0)
    assert found.shares["null"].to_list() == pytest.approx([0.25] * 4)
    assert found.gradient_norm < 1e-6


def test_a_nest_that_does_not_hold_together_is_held_at_the_multinomial_logit():
    # what rail and road have in common is more than what barge and sea have: a nest across the true ones has a scale below 1
    table, spec = simulate(1500, 20), SPECIFICATION["simulated"]
    plain = estimate(table, spec)
    found = estimate(table, spec, nests={"odd": ["road", "rail"]})
    row = found.table.row(-1, named=True)
    assert (row["coefficient"], row["value"], row["at_bound"], row["standard_error"], row["p"]) == (
        "mu_odd",
        1.0,
        True,
        None,
        None,
    )
    assert found.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-9)
    np.testing.assert_allclose(found.table["value"][:-1], plain.table["value"], rtol=1e-7)
    np.testing.assert_allclose(found.table["standard_error"][:-1], plain.table["standard_error"], rtol=1e-7)


def test_one_parameter_can_be_shared_by_all_nests():
    table, spec, nests = simulate(1500, 20), SPECIFICATION["simulated"], NESTS["simulated"]
    shared = estimate(table, spec, nests=nests, shared_nest_scale=True)
    own = estimate(table, spec, nests=nests)
    plain = estimate(table, spec)
    assert plain.log_likelihood < shared.log_likelihood < own.log_likelihood
    assert shared.table["coefficient"][-1] == "mu"
    assert shared.n_parameters == own.n_parameters - 1
    assert shared.nests["mu"].to_list() == [shared.value("mu")] * 2
    assert min(own.nests["mu"]) < shared.value("mu") < max(own.nests["mu"])


def test_quantities_count_as_that_many_choices():
    table, spec = travel_mode(), SPECIFICATION["travel_mode"]
    plain = estimate(table, spec)
    grouped = estimate(table.with_columns(weight=3.0 * pl.col("chosen")).drop("chosen"), spec)
    np.testing.assert_allclose(grouped.table["value"], plain.table["value"], rtol=1e-9)
    assert grouped.log_likelihood == pytest.approx(3 * plain.log_likelihood)
    np.testing.assert_allclose(grouped.table["standard_error"] * math.sqrt(3), plain.table["standard_error"], rtol=1e-7)
    # tonnes or kilograms: the robust errors take a case as one observation
    np.testing.assert_allclose(grouped.table["robust_standard_error"], plain.table["robust_standard_error"], rtol=1e-7)


def test_shares_fit_as_the_choices_they_stand_for():
    rows = [(c, a, 1, int(a == took), cost) for c, took in enumerate("aab") for a, cost in (("a", 1.0), ("b", 2.0))]
    rows += [(c + 3, a, 1, int(a == took), cost) for c, took in enumerate("abbb") for a, cost in (("a", 3.0), ("b", 1.0))]
    spec = {"a": {"k": 1, "beta": "cost"}, "b": {"beta": "cost"}}
    single = estimate(trips(rows), spec)
    grouped = trips([(0, "a", 1, 2.0, 1.0), (0, "b", 1, 1.0, 2.0), (1, "a", 1, 1.0, 3.0), (1, "b", 1, 3.0, 1.0)])
    assert values(estimate(grouped.rename({"chosen": "weight"}), spec)) == pytest.approx(values(single))


def test_a_case_of_weight_two_is_two_cases():
    table, spec = travel_mode(), SPECIFICATION["travel_mode"]
    heavy = {case: 2.0 if case <= 50 else 1.0 for case in range(1, 211)}
    again = pl.concat([table, table.filter(pl.col("case") <= 50).with_columns(pl.col("case") + 1000)])
    by_mapping = estimate(table, spec, weights=heavy)
    by_column = estimate(table.with_columns(w=pl.when(pl.col("case") <= 50).then(2.0).otherwise(1.0)), spec, weights="w")
    twice = estimate(again, spec)
    assert by_mapping.log_likelihood == pytest.approx(twice.log_likelihood)
    np.testing.assert_allclose(by_mapping.table["value"], twice.table["value"], rtol=1e-8)
    np.testing.assert_allclose(by_mapping.table["standard_error"], twice.table["standard_error"], rtol=1e-8)
    np.testing.assert_allclose(by_column.table["value"], by_mapping.table["value"], rtol=1e-12)


@pytest.mark.parametrize("nested", [False, True])
def test_elasticities_are_those_of_a_forecast(nested):
    table, spec = simulate(1500, 20), SPECIFICATION["simulated"]
    found = estimate(table, spec, nests=NESTS["simulated"] if nested else None)
    rise = 1e-5
    for of in ("rail", "sea"):
        dearer = table.with_columns(cost=pl.col("cost") * pl.when(pl.col("alternative") == of).then(1 + rise).otherwise(1.0))
        before = table.with_columns(p=found.probabilities).group_by("alternative").agg(pl.col("p").sum())
        after = table.with_columns(p=found.predict(dearer)).group_by("alternative").agg(after=pl.col("p").sum())
        change = before.join(after, on="alternative").with_columns(slope=(pl.col("after") / pl.col("p") - 1) / rise)
        said = found.elasticities.filter((pl.col("attribute") == "cost") & (pl.col("of_alternative") == of))
        both = said.join(change, on="alternative")
        assert both.height == 6
        np.testing.assert_allclose(both["elasticity"], both["slope"], rtol=1e-3, atol=1e-6)
        assert both.filter(pl.col("alternative") == of)["elasticity"].item() < 0
        assert both.filter(pl.col("alternative") != of)["elasticity"].min() > 0


def test_a_column_of_logarithms_has_elasticities_of_the_attribute_itself():
    table = simulate(1500, 20).with_columns(log_cost=pl.col("cost").log())
    spec = {
        a: {("b" if c == "b_cost" else c): ("log_cost" if c == "b_cost" else v) for c, v in t.items()}
        for a, t in SPECIFICATION["simulated"].items()
    }
    found = estimate(table, spec, log_columns=["log_cost"])
    rise = 1e-5
    dearer = table.with_columns(
        log_cost=pl.col("log_cost") + pl.when(pl.col("alternative") == "rail").then(math.log1p(rise)).otherwise(0.0)
    )
    rail = table["alternative"] == "rail"
    slope = (found.predict(dearer)[rail].sum() / found.probabilities[rail].sum() - 1) / rise
    said = found.elasticities.filter(
        (pl.col("attribute") == "log_cost") & (pl.col("alternative") == "rail") & (pl.col("of_alternative") == "rail")
    )
    assert said["elasticity"].item() == pytest.approx(slope, rel=1e-3)


def test_probabilities_stand_in_the_order_of_the_observations():
    table, spec = simulate(300, 4), SPECIFICATION["simulated"]
    found = estimate(table, spec, nests=NESTS["simulated"])
    np.testing.assert_array_equal(found.probabilities, found.predict(table.drop("chosen")))
    mixed = table.sample(fraction=1.0, shuffle=True, seed=1)
    np.testing.assert_allclose(
        found.predict(mixed),
        mixed.join(table.with_columns(p=found.probabilities), on=["case", "alternative"], how="left", maintain_order="left")[
            "p"
        ].to_numpy(),
        rtol=1e-12,
    )
    total = table.with_columns(p=found.probabilities).group_by("case").agg(pl.col("p").sum())["p"]
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)
    assert found.probabilities[table["available"].to_numpy() == 0].max() == 0


# --- properties ----------------------------------------------------------------------------------------------------------------------


@given(st.floats(1e-6, 1e6), st.integers(0, 2**16), st.floats(-1e3, 1e3))
def test_units_order_and_common_costs_change_nothing(unit, seed, common):
    table, spec = travel_mode(), SPECIFICATION["travel_mode"]
    plain = estimate(table, spec, nests=NESTS["travel_mode"])
    moved = table.with_columns((pl.col("gc") + common) * unit).sample(fraction=1.0, shuffle=True, seed=seed)
    other = estimate(moved, spec, nests=NESTS["travel_mode"])
    assert other.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-7)
    assert other.value("b_gc") * unit == pytest.approx(plain.value("b_gc"), rel=1e-4)
    assert other.value("mu_ground") == pytest.approx(plain.value("mu_ground"), rel=1e-4)


@given(st.integers(0, 2**16), st.booleans())
def test_the_likelihood_is_ordered_and_its_gradient_vanishes(seed, nested):
    found = estimate(simulate(400, seed), SPECIFICATION["simulated"], nests=NESTS["simulated"] if nested else None)
    assert found.null_log_likelihood < found.constants_log_likelihood < found.log_likelihood < 0
    assert 0 < found.rho2_adjusted < found.rho2 < 1
    assert found.converged
    errors = found.table["standard_error"].drop_nulls().to_numpy()
    assert errors.min() > 0
    # the gradient in units of one standard error: a step of that size would gain less than a thousandth
    assert found.gradient_norm * errors.min() < 1e-3
    assert found.table["value"].is_finite().all()
    if nested:
        assert found.nests["mu"].min() >= 1


def test_names_may_be_numbers_and_the_home_of_the_function_is_one():
    table = travel_mode().with_columns(pl.col("alternative").replace_strict({"air": 1, "train": 2, "bus": 3, "car": 4}))
    spec = {str(i + 1): terms for i, terms in enumerate(SPECIFICATION["travel_mode"].values())}
    assert estimate(table, spec).log_likelihood == pytest.approx(-199.1284, abs=1e-4)
    assert estimate is estimate_at_home


# --- what cannot be estimated --------------------------------------------------------------------------------------------------------

BOTH = {"a": {"k": 1, "beta": "cost"}, "b": {"beta": "cost"}}
FINE = [
    (1, "a", 1, 1, 3.0),
    (1, "b", 1, 0, 4.0),
    (2, "a", 1, 0, 5.0),
    (2, "b", 1, 1, 1.0),
    (3, "a", 1, 1, 2.5),
    (3, "b", 1, 0, 2.0),
]


def test_every_problem_of_the_observations_is_listed_at_once():
    rows = [
        *((1, "a", 1, 1, 3.0), (1, "b", 1, 1, 4.0)),  # two chosen
        *((2, "a", 1, 0, 5.0), (2, "b", 1, 0, 1.0)),  # none chosen
        *((3, "a", 1, 0, 5.0), (3, "b", 0, 1, 1.0)),  # chosen, not available
        *((4, "a", 1, 1, 5.0), (4, "ship", 1, 0, 1.0)),  # unknown
        *((5, "a", 1, 1, float("nan")), (5, "b", 1, 0, None), (5, "b", 1, 0, 2.0)),  # no number, twice
        *((6, "a", 1, 1, 5.0), (6, "b", 2, 0, 1.0)),  # availability
        *(
            (None, "a", 1, 1, 5.0),
            (7, "b", 0, 0, None),
            (7, "a", 1, 1, 2.0),
        ),  # no case; an empty cell that is not available is fine
    ]
    with pytest.raises(EstimationError) as caught:
        estimate(trips(rows), BOTH, nests={"n": ["a", "bus"], "m": ["a", "b"]})
    text = str(caught.value)
    for part in (
        "case 1, column 'chosen': 2 alternatives are chosen",
        "case 2, column 'chosen': nothing is chosen",
        "case 3, column 'chosen': 'b' was chosen but is not available",
        "case 4, column 'alternative': 'ship' is not in the specification (a, b)",
        "case 5, column 'cost': nan for the available alternative 'a'",
        "case 5, column 'cost': None for the available alternative 'b'",
        "case 5, column 'alternative': 'b' occurs 2 times",
        "case 6, column 'available': 2.0 of 'b' is neither 0 nor 1",
        "row 13, column 'case': empty",
        "nest 'n': unknown alternative 'bus'",
        "alternative 'a' stands 2 times in the nests",
    ):
        assert part in text, part
    assert "case 7" not in text
    assert len(caught.value.problems) == 11


def test_many_problems_of_a_kind_are_counted():
    rows = [(c, a, 1, 0, 1.0) for c in range(50) for a in "ab"]
    with pytest.raises(EstimationError, match="and 40 more of this kind") as caught:
        estimate(trips(rows), BOTH)
    assert len(caught.value.problems) == 11


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.drop("cost"), {}, "column 'cost' is missing"),
        (lambda t: t.drop("case", "chosen"), {}, "column 'case' is missing(.|\n)*column 'chosen'"),
        (lambda t: t.clear(), {}, "no rows"),
        (lambda t: t.with_columns(pl.col("cost").cast(pl.String)), {}, "column 'cost': String is no number"),
        (lambda t: t.with_columns(pl.col("chosen").cast(pl.String)), {}, "column 'chosen': String is no number"),
        (lambda t: t.with_columns(chosen=pl.lit(0.5)), {}, r"case 1, column 'chosen': 0.5 of 'a'; give 0 or 1"),
        (lambda t: t.rename({"chosen": "weight"}).with_columns(pl.col("weight") * -1.0), {}, "column 'weight': -1.0 of 'a'"),
        (lambda t: t.rename({"chosen": "weight"}).with_columns(pl.col("weight") * 0.0), {}, "column 'weight': nothing is chosen"),
        (lambda t: t.with_columns(available=0), {}, "case 1, column 'available': no alternative is available"),
        (lambda t: t.filter(pl.col("alternative") == "a").with_columns(chosen=1), {}, "alternative 'b' never occurs"),
        (lambda t: t, {"weights": "tons"}, "column 'tons' is missing"),
        (lambda t: t, {"weights": "alternative"}, "column 'alternative': String is no number"),
        (
            lambda t: t,
            {"weights": {1: 1.0, 2: 2.0, 9: 1.0}},
            "case 9 is not in the observations(.|\n)*case 3, column 'weights': weight None",
        ),
        (lambda t: t, {"weights": "cost"}, "case 1, column 'cost': weights from 3.0 to 4.0 in one case"),
        (lambda t: t, {"weights": {1: 1.0, 2: -2.0, 3: 1.0}}, "case 2, column 'weights': weight -2.0"),
        (lambda t: t, {"weights": {1: 0.0, 2: 0.0, 3: 0.0}}, "no case offers a choice"),
        (lambda t: t, {"nests": {"n": ["a"]}}, "nest 'n': 1 alternative"),
        (lambda t: t, {"log_columns": ["price"]}, "log_columns: 'price' is no column"),
    ],
)
def test_bad_input_names_what_and_where(change, options, message):
    with pytest.raises(EstimationError, match=message):
        estimate(change(trips(FINE)), BOTH, **options)


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ({"a": {"beta": "cost"}}, "1 alternative"),
        ({"a": {}, "b": {}}, "no coefficient"),
        ({"a": {"beta": 2}, "b": {}}, "2 is no column"),
        ({"a": {"k_a": 1, "beta": "cost"}, "b": {"k_b": 1, "beta": "cost"}}, "'k_a', 'k_b': not identified"),
        (
            {"a": {"k": 1, "beta": "cost"}, "b": {"k": 1, "beta": "cost"}},
            "coefficient 'k': not identified: what it multiplies does not vary",
        ),
        (
            {"a": {"k": 1, "beta": "cost", "again": "cost"}, "b": {"beta": "cost", "again": "cost"}},
            "'beta', 'again': not identified",
        ),
    ],
)
def test_what_is_not_identified_is_named(specification, message):
    with pytest.raises(EstimationError, match=message):
        estimate(trips(FINE), specification)


def test_a_coefficient_that_runs_away_is_named():
    with pytest.raises(EstimationError, match=r"'beta'.*rises without end"):  # the cheaper one is always chosen
        estimate(trips(FINE[:4]), {"a": {"beta": "cost"}, "b": {"beta": "cost"}})
    never = [(c, a, 1, int(a == "ab"[c % 2]), float(c % 3 + (a == "b") * (c % 5))) for c in range(30) for a in "abc"]
    with pytest.raises(EstimationError, match=r"'k_c': the likelihood rises without end.*never chosen: 'c'"):
        estimate(trips(never), {"a": {"beta": "cost"}, "b": {"beta": "cost"}, "c": {"k_c": 1, "beta": "cost"}})


def test_a_nest_that_is_never_offered_whole_has_no_parameter():
    rows = [(c, a, int(a == "a" or (a == "b") == (c % 2 == 0)), 0, float(c % 3)) for c in range(12) for a in "abc"]
    table = trips(rows).with_columns(chosen=((pl.col("alternative") == "a") & (pl.col("case") % 3 > 0)).cast(pl.Int64))
    table = table.with_columns(
        chosen=pl.when(pl.col("case") % 3 > 0)
        .then("chosen")
        .otherwise(((pl.col("alternative") != "a") & (pl.col("available") == 1)).cast(pl.Int64))
    )
    with pytest.raises(EstimationError, match="'mu_bc': never are two of its alternatives available together"):
        estimate(table, {"a": {}, "b": {"k_b": 1}, "c": {"k_c": 1}}, nests={"bc": ["b", "c"]})
    with pytest.raises(EstimationError, match="name of a nest parameter"):
        estimate(table, {"a": {}, "b": {"mu_bc": 1}, "c": {"k_c": 1}}, nests={"bc": ["b", "c"]})


def test_a_forecast_checks_its_table_too():
    found = estimate(travel_mode(), SPECIFICATION["travel_mode"])
    with pytest.raises(EstimationError, match="case 1, column 'gc': None for the available alternative 'air'"):
        found.predict(travel_mode().with_columns(gc=pl.when(pl.col("case") > 1).then("gc")))
    without_bus = travel_mode().filter(pl.col("alternative") != "bus")
    share = without_bus.with_columns(p=found.predict(without_bus)).group_by("case").agg(pl.col("p").sum())["p"]
    np.testing.assert_allclose(share, 1.0)
