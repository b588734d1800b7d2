"""Intercity passengers: known answers, conservation, direction of levers, the COVID identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.layout import FIT_SCHEMA, YEARS, year_index
from transport.params import Lever, Params
from transport.passengers import (
    MARKETS,
    SERVICES,
    base_year_trips,
    high_speed_network_km,
    model_passengers,
    own_response,
)

if TYPE_CHECKING:
    from pathlib import Path

RECOVERY = ("passenger_recovery", "passenger_load_recovery")
I2019, I2020, I2025, I2030 = (year_index(y) for y in (2019, 2020, 2025, 2030))


class Tables:
    """Observed tables straight from the files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def table(self, name: str) -> pl.DataFrame:
        found = pl.read_csv(self.folder / f"{name}.csv", infer_schema=False)
        return found.with_columns(pl.col("value", "low", "high").cast(pl.Float64))


@pytest.fixture(scope="module")
def rows(data_folder: Path) -> pl.DataFrame:
    files = sorted((data_folder / "parameters").glob("passengers_*.csv"))
    files += [data_folder / "parameters" / f"vehicles_{name}.csv" for name in ("stock", "use")]
    read = pl.concat([pl.read_csv(f, infer_schema=False) for f in files])
    return read.with_columns(pl.col("value", "low", "high").cast(pl.Float64), pl.col("year").cast(pl.Int64))


@pytest.fixture(scope="module")
def params(rows: pl.DataFrame) -> Params:
    return Params.from_frame(rows)


@pytest.fixture(scope="module")
def flat(params: Params) -> Params:
    """Return parameters that stay at the normal year: the pivot point itself, later years included."""
    return params.hold(2019)


def scale(parameter: str, subject: str) -> Lever:
    return Lever("test", parameter, subject, "scale", 0.0, 10.0, 1.0)


def total(outcome_values: dict[str, np.ndarray], year: int) -> float:
    return float(sum(v[0, year] for v in outcome_values.values()))


def test_normal_year_carries_the_published_totals(params: Params) -> None:
    outcome = model_passengers(params)
    rail = outcome.pkm["conventional"][0, I2019] + outcome.pkm["high_speed"][0, I2019]
    assert rail == pytest.approx(660e8)
    assert outcome.pkm["coach"][0, I2019] == pytest.approx(290e8)
    assert outcome.passengers["coach"][0, I2019] == pytest.approx(51000e4)
    assert outcome.passengers["air"][0, I2019] == pytest.approx(4214e4 / 2)
    assert outcome.pkm["air"][0, I2019] == pytest.approx(4214e4 / 2 * 1480 * 0.6)
    assert outcome.pkm["private_car"][0, I2019] == pytest.approx(75000e4 * 65)
    assert set(outcome.pkm) == set(SERVICES) == set(outcome.load) == set(outcome.passengers)


def test_market_split_adds_up_to_departures_and_turnover(params: Params) -> None:
    base = base_year_trips(params)
    assert base.trips.shape == (len(SERVICES), len(MARKETS), 1)
    outcome = model_passengers(params)
    for i, service in enumerate(SERVICES):
        assert base.trips[i].sum() == pytest.approx(outcome.passengers[service][0, I2019])
        assert (base.trips[i] * base.distance_km[i]).sum() == pytest.approx(outcome.pkm[service][0, I2019])
    assert base.trips[SERVICES.index("ro_pax"), MARKETS.index("inter_province"), 0] == 0


@pytest.mark.parametrize(("kind", "service"), [(k, s) for k in ("fare", "time") for s in SERVICES])
def test_elasticity_rows_are_reproduced_at_the_base(flat: Params, kind: str, service: str) -> None:
    step = 1.0 + 1e-5
    moved = flat.with_levers([(scale(f"passenger_{kind}_index", service), step)])
    before, after = model_passengers(flat), model_passengers(moved)
    ratio = after.pkm[service][0, I2030] / before.pkm[service][0, I2030]
    expected = float(flat.get(f"passenger_{kind}_elasticity", service)[0, 0])
    assert np.log(ratio) / np.log(step) == pytest.approx(expected, rel=1e-3)


def test_network_elasticity_is_reproduced_at_the_base(flat: Params) -> None:
    km = float(high_speed_network_km(flat)[0, I2030])
    added = Lever("test", "high_speed_line_length", "added", "add", 0, 1e3, 0)
    moved = model_passengers(flat.with_levers([(added, km * 1e-5)]))
    ratio = moved.pkm["high_speed"][0, I2030] / model_passengers(flat).pkm["high_speed"][0, I2030]
    assert np.log(ratio) / np.log(1 + 1e-5) == pytest.approx(float(flat.get("high_speed_network_elasticity")[0, 0]), rel=1e-3)
    assert moved.pkm["conventional"][0, I2030] < model_passengers(flat).pkm["conventional"][0, I2030]


@given(
    fare=st.floats(0.5, 2.0),
    coach=st.floats(0.5, 2.0),
    time=st.floats(0.6, 1.5),
    car=st.floats(0.5, 2.0),
)
@settings(max_examples=40, deadline=None)
def test_without_induced_trips_every_trip_is_conserved(flat: Params, fare: float, coach: float, time: float, car: float) -> None:
    closed = flat.replace("passenger_induced_share", "all", np.zeros((1, len(YEARS))))
    moved = closed.with_levers(
        [
            (scale("passenger_fare_index", "high_speed"), fare),
            (scale("passenger_fare_index", "coach"), coach),
            (scale("passenger_time_index", "conventional"), time),
            (scale("passenger_fare_index", "private_car"), car),
        ]
    )
    before, after = model_passengers(closed), model_passengers(moved)
    assert total(dict(after.passengers), I2030) == pytest.approx(total(dict(before.passengers), I2030), rel=1e-12)
    assert all(float(v.min()) > 0 for v in after.pkm.values())


def test_induced_trips_have_the_sign_of_the_improvement(flat: Params) -> None:
    before = total(dict(model_passengers(flat).passengers), I2030)
    for factor, sign in ((0.7, 1.0), (1.3, -1.0)):
        moved = flat.with_levers([(scale("passenger_fare_index", "high_speed"), factor)])
        assert sign * (total(dict(model_passengers(moved).passengers), I2030) - before) > 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_dearer_service_loses_to_its_rivals(params: Params, service: str) -> None:
    before = model_passengers(params)
    after = model_passengers(params.with_levers([(scale("passenger_fare_index", service), 1.5)]))
    assert after.passengers[service][0, I2030] < before.passengers[service][0, I2030]
    rivals = [s for s in SERVICES if s != service and (s == "high_speed" or service != "ro_pax")]
    gained = sum(after.passengers[s][0, I2030] - before.passengers[s][0, I2030] for s in rivals)
    assert gained > 0
    for s in SERVICES:
        np.testing.assert_array_equal(after.pkm[s][:, : I2020 + 1], before.pkm[s][:, : I2020 + 1])


def test_more_cars_per_resident_take_from_coaches(params: Params) -> None:
    before = model_passengers(params)
    after = model_passengers(params.with_levers([(scale("vehicle_stock", "private_car"), 1.2)]))
    assert after.pkm["private_car"][0, I2030] > before.pkm["private_car"][0, I2030]
    assert after.pkm["coach"][0, I2030] < before.pkm["coach"][0, I2030]


def test_every_service_has_a_lever_on_fare_and_time_and_every_carrier_one_on_load(data_folder: Path) -> None:
    levers = pl.read_csv(data_folder / "levers.csv", infer_schema=False).select("parameter", "subject").rows()
    for service in SERVICES:
        assert ("passenger_fare_index", service) in levers, service
        assert ("passenger_time_index", service) in levers, service
        assert ("passenger_load" if service != "private_car" else "persons_per_car", service) in levers, service


def test_loads_move_with_their_lever_and_stop_at_full(params: Params) -> None:
    lever = scale("passenger_load", "high_speed")
    before = model_passengers(params)
    after = model_passengers(params.with_levers([(lever, 1.1)]))
    assert after.load["high_speed"][0, I2030] == pytest.approx(1.1 * before.load["high_speed"][0, I2030])
    np.testing.assert_array_equal(after.pkm["high_speed"], before.pkm["high_speed"])
    assert float(model_passengers(params.with_levers([(lever, 9.0)])).load["high_speed"].max()) == 1.0


def test_default_levers_change_no_bit(params: Params, rows: pl.DataFrame) -> None:
    levers = [(scale("passenger_fare_index", s), 1.0) for s in SERVICES]
    levers.append((Lever("added", "high_speed_line_length", "added", "add", 0, 1e3, 0), 0.0))
    after, before = model_passengers(params.with_levers(levers)), model_passengers(Params.from_frame(rows))
    for s in SERVICES:
        np.testing.assert_array_equal(after.pkm[s], before.pkm[s])
        np.testing.assert_array_equal(after.passengers[s], before.passengers[s])


def test_normal_2020_changes_2020_only(params: Params) -> None:
    seen, normal = model_passengers(params), model_passengers(params, normal_2020=True)
    others = [i for i in range(len(YEARS)) if i != I2020]
    for a, b in ((seen.pkm, normal.pkm), (seen.passengers, normal.passengers), (seen.load, normal.load)):
        for s in SERVICES:
            np.testing.assert_array_equal(a[s][:, others], b[s][:, others])
            np.testing.assert_array_equal(b[s][:, I2020], a[s][:, I2019])
    assert normal.pkm["high_speed"][0, I2020] > seen.pkm["high_speed"][0, I2020]
    np.testing.assert_array_equal(seen.air_freight_tkm, normal.air_freight_tkm)


def test_rebound_identity(params: Params) -> None:
    """With everything else held at 2020, volumes and loads follow their recovery rows and nothing else."""
    held = params.hold(2020, but=RECOVERY)
    outcome = model_passengers(held)
    for s in SERVICES:
        recovery = params.get("passenger_recovery", s)
        expected = recovery[:, I2020:] / recovery[:, [I2020]]
        np.testing.assert_allclose(outcome.pkm[s][:, I2020:] / outcome.pkm[s][:, [I2020]], expected, rtol=1e-12)
        np.testing.assert_allclose(outcome.passengers[s][:, I2020:] / outcome.passengers[s][:, [I2020]], expected, rtol=1e-12)
        load = params.get("passenger_load_recovery", s)
        np.testing.assert_allclose(outcome.load[s][:, I2020:] / outcome.load[s][:, [I2020]], (load / load[:, [I2020]])[:, I2020:])
    frozen = model_passengers(params.hold(2020))
    np.testing.assert_array_equal(frozen.pkm["air"][:, I2025], frozen.pkm["air"][:, I2020])
    np.testing.assert_array_equal(outcome.air_freight_tkm[:, I2030], outcome.air_freight_tkm[:, I2020])


def test_no_shock_before_2020(params: Params) -> None:
    for name in RECOVERY:
        for s in SERVICES:
            np.testing.assert_array_equal(params.get(name, s)[:, : I2019 + 1], 1.0)
    assert float(params.get("passenger_recovery", "high_speed")[0, I2020]) < 0.7


def test_draws_are_an_axis(rows: pl.DataFrame) -> None:
    outcome = model_passengers(Params.from_frame(rows, draws=7, seed=3))
    assert outcome.pkm["coach"].shape == (7, len(YEARS))
    assert np.unique(outcome.pkm["coach"][:, I2030]).size == 7
    for s in SERVICES:
        assert bool(np.all(outcome.pkm[s] > 0))
        assert bool(np.all((outcome.load[s] > 0) & (outcome.load[s] <= 1)))


def test_a_draw_does_not_depend_on_its_neighbours(rows: pl.DataFrame) -> None:
    many = Params.from_frame(rows, draws=6, seed=2)
    names = sorted(set(rows["parameter"]))
    alone = Params(
        {(p, s): many.get(p, s)[2:3].copy() for p in names for s in many.subjects(p)}, {p: many.unit(p) for p in names}, 1
    )
    together, single = model_passengers(many), model_passengers(alone)
    for s in SERVICES:
        np.testing.assert_array_equal(together.pkm[s][2:3], single.pkm[s])
        np.testing.assert_array_equal(together.passengers[s][2:3], single.passengers[s])
    np.testing.assert_array_equal(together.air_freight_tkm[2:3], single.air_freight_tkm)


def test_shares_of_markets_above_one_are_refused(params: Params) -> None:
    wrong = params.replace("market_share_of_turnover", "high_speed.bohai", np.full((1, len(YEARS)), 0.9))
    with pytest.raises(ValueError, match=r"market_share_of_turnover.*high_speed"):
        base_year_trips(wrong)


def test_a_service_without_rival_needs_induced_trips(params: Params) -> None:
    base = base_year_trips(params)
    alone = type(base)(base.trips.copy(), base.distance_km)
    bohai, ship = MARKETS.index("bohai"), SERVICES.index("ro_pax")
    alone.trips[[i for i in range(len(SERVICES)) if i != ship], bohai] = 0
    with pytest.raises(ValueError, match="ro_pax"):
        own_response(alone, np.zeros(1))
    assert own_response(alone, np.full(1, 0.2))[ship, 0] == pytest.approx(0.2)


def test_fit_takes_the_first_draw(rows: pl.DataFrame, params: Params, data_folder: Path) -> None:
    """The fit takes the central draw as every other table does: more draws move no row."""
    drawn = Params.from_frame(rows, draws=5, seed=3)
    one, many = (model_passengers(p, inputs=Tables(data_folder)).fit for p in (params, drawn))
    for column in ("modelled", "observed", "error_pct"):
        np.testing.assert_allclose(many[column].to_numpy(), one[column].to_numpy(), rtol=1e-9, atol=1e-9)


def test_fit_states_its_errors_and_keeps_samples_apart(params: Params, data_folder: Path) -> None:
    fit = model_passengers(params, inputs=Tables(data_folder)).fit
    assert dict(fit.schema) == FIT_SCHEMA
    assert fit["observed"].null_count() == 0
    error = 100 * (fit["modelled"] / fit["observed"] - 1)
    np.testing.assert_allclose(error.to_numpy(), fit["error_pct"].to_numpy())
    assert set(fit["used_for"]) == {"calibration", "validation", "context"}
    ranged = fit.drop_nulls("low")
    assert bool(((ranged["low"] <= ranged["observed"]) & (ranged["observed"] <= ranged["high"])).all())
    # The sum over airports must not count the row that is itself a sum.
    airports = fit.filter(pl.col("item").str.starts_with("departing"), pl.col("year") == 2020)
    assert airports["observed"].item() < 1300e4
    rail = fit.filter(pl.col("item") == "passenger turnover, rail")
    assert rail["observed"].item() == 345e8
    assert rail["low"].item() <= rail["modelled"].item() <= rail["high"].item()
    assert model_passengers(params).fit.height == 0
