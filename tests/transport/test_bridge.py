"""The bridge to the energy balance: a worked example by hand, exact sums, moves that cancel, honest use of the figures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport import bridge
from transport.app.account_tables import balance_entries
from transport.layout import YEARS, EnergyKey, EnergyUse
from transport.principles import PrincipleError

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

N = len(YEARS)


def energy(*rows: tuple[str, str, float]) -> EnergyUse:
    keys = tuple(EnergyKey(name, "any", carrier) for name, carrier, _ in rows)
    return EnergyUse(keys, np.stack([np.full((1, N), q) for _, _, q in rows]))


def with_value(params: Params, parameter: str, subject: str, value: float) -> Params:
    return params.replace(parameter, subject, np.full((1, N), value))


def cell(table: pl.DataFrame, line: str, column: str = "quantity") -> float:
    return float(table.filter(pl.col("line") == line)[column][0])


USED = energy(
    ("tractor_trailer", "diesel", 5e6),
    ("light_truck", "diesel", 8e5),
    ("light_truck", "gasoline", 3e5),
    ("taxi", "lng", 1000.0),
    ("taxi", "natural_gas", 2e8),
    ("private_car", "gasoline", 4e6),
    ("ship_at_berth", "diesel", 5e3),
)


# --- known answers ---------------------------------------------------------------------------------------------------------------------


def test_diesel_of_transport_by_hand(inputs: Inputs) -> None:
    """5 Mt burnt by tractors, 0.7 of it sold here, a quarter of 0.8 Mt of light trucks bought by carriers; the rest of 6.9069 Mt is open."""
    params = with_value(inputs.params(), "carrier_to_fuel_sales", "road_freight", 0.7)
    params = with_value(params, "balance_moved_share", "light_truck_post", 0.25)
    table = bridge.balance_lines(inputs, params, USED, year=2019, sector="transport", fuel="diesel")
    assert cell(table, "tractor_trailer") == pytest.approx(5e6)
    assert cell(table, "fuel_road_freight") == pytest.approx(-1.5e6)
    assert cell(table, "light_truck_post") == pytest.approx(2e5)
    assert cell(table, "ship_at_berth") == pytest.approx(5e3)
    assert cell(table, "unexplained") == pytest.approx(6_906_900 - 5e6 + 1.5e6 - 2e5 - 5e3)
    assert cell(table, "unexplained", "share_pct") == pytest.approx(100 * 3_201_900 / 6_906_900)
    assert cell(table, "entry") == 6_906_900
    assert table["kind"].to_list() == ["class", "class", "principle", "principle", "moved", "unexplained", "published"]


def test_the_range_of_the_rest_is_that_of_the_rows(inputs: Inputs) -> None:
    """Trucks between 0.4 and 1.0, light trucks between 0.1 and 0.5 at 0.97 to 1.03, berths at 0.97 to 1.03."""
    table = bridge.balance_lines(inputs, inputs.params(), USED, year=2019, sector="transport", fuel="diesel")
    most = 5e6 + 0.5 * 1.03 * 8e5 + 1.03 * 5e3
    least = 0.4 * 5e6 + 0.1 * 0.97 * 8e5 + 0.97 * 5e3
    assert cell(table, "unexplained", "low") == pytest.approx(6_906_900 - most)
    assert cell(table, "unexplained", "high") == pytest.approx(6_906_900 - least)


def test_lng_counts_as_gas_by_its_volume(inputs: Inputs) -> None:
    params = with_value(inputs.params(), "lng_gas_volume", "all", 1.4)
    table = bridge.balance_lines(inputs, params, USED, year=2019, sector="transport", fuel="natural_gas")
    assert cell(table, "taxi") == pytest.approx(2e8 + 1000 * 1000 * 1.4)
    assert cell(table, "entry") == 7.16e8


def test_published_entries_of_2019(inputs: Inputs) -> None:
    """The figures of the energy balance, 10^4 t and 10^8 m3."""
    wanted = {
        ("transport", "gasoline"): 319.07e4,
        ("transport", "diesel"): 690.69e4,
        ("transport", "kerosene"): 43.90e4,
        ("transport", "fuel_oil"): 110.76e4,
        ("transport", "lpg"): 14.30e4,
        ("transport", "natural_gas"): 7.16e8,
        ("household", "gasoline"): 324.42e4,
    }
    found = {(e.sector, e.fuel): e for e in bridge.entries(inputs, inputs.params()) if e.year == 2019}
    assert {key: found[key].value for key in wanted} == {key: pytest.approx(value, rel=1e-12) for key, value in wanted.items()}
    assert all(found[key].is_published for key in wanted)


def test_2020_is_an_estimate_without_a_verdict(inputs: Inputs) -> None:
    table = bridge.balance_lines(inputs, inputs.params(), USED, year=2020, sector="transport", fuel="diesel")
    assert table["kind"][-1] == "estimated"
    assert cell(table, "entry") == pytest.approx(6_906_900 * 0.8755)
    assert table["passed"].null_count() == table.height
    assert set(table["used_for"]) == {"context"}


def test_the_fall_of_ground_transport_is_put_on_transport_and_households_alone(inputs: Inputs) -> None:
    """Tractors and offices did not stop with the traffic of 2020: farming and services have no estimate."""
    estimated = {(e.sector, e.fuel) for e in bridge.entries(inputs, inputs.params()) if not e.is_published}
    of_transport = {("transport", f) for f in ("gasoline", "diesel", "kerosene", "fuel_oil", "lpg", "natural_gas")}
    assert estimated == of_transport | {("household", "gasoline"), ("household", "diesel")}


def test_other_users_are_taken_from_the_entry_and_explain_nothing(inputs: Inputs) -> None:
    """Services diesel of 2019: 1.7022 Mt, 0.65 of it no vehicle; light trucks burn 0.8 Mt and leave 0.32 of it to services.

    Vehicles explain 256,000 of the other 595,770 t: -57 %, beyond the limit; against the whole entry the rest would be 20 %.
    """
    params = with_value(inputs.params(), "balance_outside_share", "services_diesel_other", 0.65)
    params = with_value(params, "territory_to_fuel_sales", "local", 1.0)
    for line, share in (("post", 0.25), ("industry", 0.25), ("construction", 0.1), ("farming", 0.08)):
        params = with_value(params, "balance_moved_share", f"light_truck_{line}", share)
    table = bridge.bridge_table(inputs, params, energy(("light_truck", "diesel", 8e5)))
    lines = table.filter(pl.col("year") == 2019, pl.col("sector") == "services", pl.col("fuel") == "diesel")
    own = 0.32 * 8e5
    of_vehicles = 0.35 * 1_702_200
    assert cell(lines, "services_diesel_other") == pytest.approx(0.65 * 1_702_200)
    assert cell(lines, "unexplained") == pytest.approx(of_vehicles - own)
    assert cell(lines, "unexplained", "share_pct") == pytest.approx(100 * (1 - own / of_vehicles))
    assert lines.filter(pl.col("kind") == "unexplained")["passed"].to_list() == [False]
    fit = bridge.balance_fit(inputs, table).filter(pl.col("year") == 2019)
    row = fit.filter(pl.col("item") == "services_diesel").row(0, named=True)
    assert (row["observed"], row["modelled"]) == (pytest.approx(of_vehicles), pytest.approx(own))
    assert row["error_pct"] == pytest.approx(100 * (own / of_vehicles - 1))
    assert row["note"].startswith("the entry of 1.7022e+06 less 1106430 of users that are no vehicles; ")
    shown = balance_entries(lines, 2019, inputs, "en").row(0, named=True)  # the page of the app, in kt
    assert (shown["entry"], shown["explained"]) == (pytest.approx(1702.2), pytest.approx(256.0))


def test_with_nothing_burnt_nothing_is_explained(inputs: Inputs) -> None:
    fit = bridge.balance_fit(inputs, bridge.bridge_table(inputs, inputs.params(), energy(("ship_at_berth", "diesel", 0.0))))
    rows = fit.filter(~pl.col("item").str.ends_with("_unexplained"))
    assert rows["modelled"].to_list() == [0.0] * rows.height
    np.testing.assert_allclose(rows["error_pct"].to_numpy(), -100.0)


def test_an_entry_without_vehicles_of_the_model_is_context(inputs: Inputs) -> None:
    """No class of households burns diesel: -100 % says nothing about the model, so that the entry has no verdict."""
    table = bridge.bridge_table(inputs, inputs.params(), USED).filter(pl.col("sector") == "household", pl.col("fuel") == "diesel")
    assert set(table["used_for"]) == {"context"}
    assert table["passed"].null_count() == table.height
    assert set(table.filter(pl.col("year") < 2020)["kind"]) == {"outside", "unexplained", "published"}


@pytest.mark.parametrize(("burnt", "passed"), [(3.2e6, True), (3.9e6, True), (2.44e6, True), (2.42e6, False), (4.1e6, False)])
def test_the_limit_is_a_row_and_decides_both_ways(inputs: Inputs, burnt: float, passed: bool) -> None:
    """25 % of 3,244,200 t of household gasoline, burnt by cars that employers do not pay."""
    params = with_value(inputs.params(), "balance_moved_share", "private_car_services", 0.0)
    table = bridge.balance_lines(
        inputs, params, energy(("private_car", "gasoline", burnt)), year=2019, sector="household", fuel="gasoline"
    )
    rest = table.filter(pl.col("kind") == "unexplained").row(0, named=True)
    assert (rest["limit_pct"], rest["passed"]) == (25.0, passed)
    strict = with_value(params, "unexplained_limit", "all", 0.0)
    again = bridge.balance_lines(
        inputs, strict, energy(("private_car", "gasoline", burnt)), year=2019, sector="household", fuel="gasoline"
    )
    assert not again.filter(pl.col("kind") == "unexplained")["passed"][0]


# --- conservation ------------------------------------------------------------------------------------------------------------------------

amounts = st.floats(0.0, 1e8)


def test_lines_sum_to_every_entry_and_moves_to_zero(inputs: Inputs) -> None:
    central = inputs.params()

    @settings(max_examples=15)
    @given(amounts, amounts, amounts, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
    def holds(trucks: float, light: float, cars: float, sold: float, moved: float) -> None:
        used = energy(("tractor_trailer", "diesel", trucks), ("light_truck", "diesel", light), ("private_car", "gasoline", cars))
        params = with_value(central, "carrier_to_fuel_sales", "road_freight", sold)
        params = with_value(params, "balance_moved_share", "private_car_services", moved)
        table = bridge.bridge_table(inputs, params, used)
        whole = table.filter(pl.col("kind").is_in(["published", "estimated"]))
        lines = table.filter(~pl.col("kind").is_in(["published", "estimated"]))
        sums = lines.group_by("year", "sector", "fuel", maintain_order=True).agg(pl.col("quantity").sum())
        np.testing.assert_allclose(sums["quantity"], whole["quantity"], rtol=1e-9, atol=1e-6)
        totals = bridge.moved_totals(inputs, params, used, (2015, 2019))
        assert max(abs(v) for v in totals.values()) <= 1e-6

    holds()


def test_the_bundled_bridges_pass_their_checks(inputs: Inputs) -> None:
    table = bridge.bridge_table(inputs, inputs.params(), USED)
    checks = bridge.bridge_checks(table, bridge.moved_totals(inputs, inputs.params(), USED, (2015, 2019)))
    assert checks["check"].to_list() == ["bridge.lines_sum_to_the_entry", "bridge.moves_sum_to_zero"]
    assert checks["passed"].all()


def test_what_leaves_services_arrives(inputs: Inputs) -> None:
    """The light trucks' diesel that services give away is what transport, industry, building and farming take."""
    params = inputs.params()
    given_away = bridge.balance_lines(inputs, params, USED, year=2019, sector="services", fuel="diesel")
    taken = bridge.balance_lines(inputs, params, USED, year=2019, sector="transport", fuel="diesel")
    assert cell(given_away, "light_truck_post") == pytest.approx(-cell(taken, "light_truck_post"))
    assert cell(taken, "light_truck_post") > 0


def test_a_broken_sum_fails_its_check(inputs: Inputs) -> None:
    table = bridge.bridge_table(inputs, inputs.params(), USED)
    bent = table.with_columns(
        pl.when(pl.col("kind") == "unexplained").then(pl.col("quantity") * 1.01).otherwise("quantity").alias("quantity")
    )
    assert not bridge.bridge_checks(bent, {})["passed"][0]
    assert not bridge.bridge_checks(table, {(2019, "diesel"): 5.0})["passed"][1]


def test_parts_of_a_group_make_one_line(inputs: Inputs) -> None:
    table = inputs.table("fleets/classes")
    group = table.filter(pl.col("parent") == "urban_bus")["vehicle_class"].to_list()
    used = energy(*((name, "diesel", 1000.0) for name in group))
    found = bridge.balance_lines(inputs, inputs.params(), used, year=2019, sector="transport", fuel="diesel")
    assert cell(found, "urban_bus") == pytest.approx(1000.0 * len(group))
    assert not set(group) & set(found["line"])


# --- nothing is fitted, and what was in sight is no validation ----------------------------------------------------------------------------


def test_targets_are_the_observed_figures_with_the_same_use(inputs: Inputs) -> None:
    """One figure, one use: what the fit calls validation the observations call validation too."""
    observed = {
        (item, int(period)): (value, used)
        for item, period, value, used in inputs.table("observed/energy_balance")
        .filter(pl.col("series") == "fuel_use", pl.col("value").is_not_null())
        .select("item", "period", "value", "used_for")
        .iter_rows()
    }
    rows = inputs.table("fleets/fit_targets").filter(pl.col("kind") == "balance")
    compared = 0
    for row in rows.iter_rows(named=True):
        names, fuel = row["subject"].split(":")
        keys = [(f"{name}_{fuel}", row["year"]) for name in names.split("+")]
        if not all(key in observed for key in keys):
            assert row["item"] == "never", f"{row['item']} {row['year']} has no observed row"
        assert row["value"] == pytest.approx(sum(observed[key][0] for key in keys)), row["item"]
        if len(keys) == 1:
            assert row["used_for"] == observed[keys[0]][1], (row["item"], row["year"])
            compared += 1
    assert compared >= 5 * 10


def test_kerosene_of_2019_is_calibration_because_a_row_was_chosen_by_it(inputs: Inputs) -> None:
    rows = inputs.table("fleets/fit_targets").filter(pl.col("kind") == "balance")
    calibrated = rows.filter(pl.col("used_for") == "calibration").select("item", "year").rows()
    assert calibrated == [("transport_kerosene", 2019)]
    note = inputs.parameters.filter(pl.col("parameter") == "air_carrier_bridge")["note"][0]
    assert "43.90" in note


def test_every_entry_says_why(inputs: Inputs) -> None:
    entries = {(e.sector, e.fuel) for e in bridge.entries(inputs, inputs.params())}
    notes = inputs.table("accounts/balance_notes")
    assert {(s, f) for s, f in notes.select("sector", "fuel").iter_rows()} == entries


def test_fit_rows_follow_the_bridge(inputs: Inputs) -> None:
    table = bridge.bridge_table(inputs, inputs.params(), USED)
    fit = bridge.balance_fit(inputs, table)
    diesel = fit.filter(pl.col("year") == 2019, pl.col("item") == "transport_diesel").row(0, named=True)
    rest = fit.filter(pl.col("year") == 2019, pl.col("item") == "transport_diesel_unexplained").row(0, named=True)
    lines = table.filter(pl.col("year") == 2019, pl.col("sector") == "transport", pl.col("fuel") == "diesel")
    assert diesel["observed"] == 6_906_900
    assert rest["modelled"] == pytest.approx(cell(lines, "unexplained"))
    assert diesel["error_pct"] == pytest.approx(-cell(lines, "unexplained", "share_pct"))
    both = fit.filter(pl.col("year") == 2019, pl.col("item").is_in(["road_sectors_diesel", "road_sectors_diesel_unexplained"]))
    assert both["modelled"].sum() == pytest.approx(float(both["observed"][0]))


# --- bad input ------------------------------------------------------------------------------------------------------------------------


def test_an_entry_that_does_not_exist_is_named(inputs: Inputs) -> None:
    with pytest.raises(bridge.BalanceError, match="no balance of diesel in sector transport for 2030"):
        bridge.balance_lines(inputs, inputs.params(), USED, year=2030, sector="transport", fuel="diesel")


def test_a_ratio_must_name_an_entry_and_other_users_must_leave_some(inputs: Inputs) -> None:
    bent = inputs.parameters.with_columns(
        subject=pl.when(pl.col("parameter") == "balance_year_ratio").then(pl.lit("diesel")).otherwise("subject")
    )
    with pytest.raises(bridge.BalanceError, match=r"balance_year_ratio: subject 'diesel' names no entry .* write sector:fuel"):
        bridge.entries(replace(inputs, parameters=bent), inputs.params())
    params = with_value(inputs.params(), "balance_outside_share", "services_diesel_other", 1.0)
    with pytest.raises(bridge.BalanceError, match="take all diesel of services in 2015; lower the shares"):
        bridge.bridge_table(inputs, params, USED)


def test_a_class_cannot_give_away_more_than_it_burns(inputs: Inputs) -> None:
    params = with_value(inputs.params(), "balance_moved_share", "light_truck_post", 0.9)
    with pytest.raises(bridge.BalanceError, match="of the diesel of light_truck to other sectors"):
        bridge.bridge_table(inputs, params, USED)


def test_a_class_without_a_statement_is_refused(inputs: Inputs) -> None:
    rows = inputs.table("accounts/statements").filter(pl.col("subject") != "truck_tkm:road")
    cut = replace(inputs, tables={**inputs.tables, "accounts/statements": rows})
    with pytest.raises(PrincipleError, match="nothing says what 'truck_tkm:road' counts"):
        bridge.bridge_table(cut, inputs.params(), USED)
