"""The response at the evening peak of the province: by hand, against the rows of the year model, and which week counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport.infrastructure import peak_response_share
from transport.layout import year_index
from transport.weeks.peak_response import ALL, CANNOT_WAIT, NO_PLAN, NONE_MANAGED, peak_response, rows_share
from transport.weeks.tables import SELECTED

if TYPE_CHECKING:
    from transport.inputs import Inputs

AT = year_index(2030)


def rows(
    system: str, area: str, week: str, before: float, now: float, *, scale: float = 1.0, half: float | None = 1.0
) -> list[tuple]:
    found = []
    for metric, value in (("evening_kw_unmanaged", before), ("evening_kw", now), ("evening_response_kw", before - now)):
        low, high = (None, None) if half is None else (value - half, value + half)
        found.append((system, 2030, week, area, "", metric, value, low, high, "kW", 10, 5, scale))
    return found


def table(*parts: list[tuple]) -> dict[str, pl.DataFrame]:
    names = ["system", "year", "week", "area", "place", "metric", "value", "low", "high", "unit", "vehicles", "events", "scale"]
    return {"simulation": pl.DataFrame([row for part in parts for row in part], schema=names, orient="row")}


def by_key(found: pl.DataFrame) -> dict[tuple[str, str], dict]:
    return {(r["area"], r["system"]): r for r in found.iter_rows(named=True)}


def test_by_hand(inputs: Inputs) -> None:
    params = inputs.params()
    tables = table(
        rows("bus_depot", "210100", "winter", 50.0, 20.0, scale=2.0),
        rows("bus_depot", "210000", "winter", 100.0, 40.0),
        rows("taxi_city", "210000", "winter", 300.0, 300.0),
        rows("bus_depot", "210000", "summer", 90.0, 90.0),
        rows("taxi_city", "210000", "summer", 290.0, 290.0),
        # the highest of all weeks, in which the province has no peak load
        rows("bus_depot", "210000", "shoulder", 900.0, 100.0),
    )
    found = by_key(peak_response(tables, params))
    assert set(found) == {
        ("210000", "bus_depot"),
        ("210000", "taxi_city"),
        ("210000", ALL),
        ("210100", "bus_depot"),
        ("210100", ALL),
    }
    grid_kw = float(params.get("provincial_peak_load")[0, AT]) * 1e6
    whole = found["210000", ALL]
    assert whole["week"] == "winter"
    assert (whole["peak_kw_unmanaged"], whole["peak_kw"], whole["response_kw"]) == (400.0, 340.0, 60.0)
    assert whole["response_share"] == pytest.approx(0.15)
    assert whole["provincial_peak_kw"] == grid_kw
    assert whole["share_of_provincial_peak"] == pytest.approx(60.0 / grid_kw)
    assert (whole["low"], whole["high"]) == (pytest.approx(58.0 / grid_kw), pytest.approx(62.0 / grid_kw))
    # a place is scaled to its whole fleet, the province is scaled already
    assert found["210100", "bus_depot"]["response_kw"] == 60.0
    assert found["210000", "bus_depot"]["response_kw"] == 60.0


def test_the_rows_stand_beside_with_the_difference(inputs: Inputs) -> None:
    params = inputs.params()
    found = by_key(
        peak_response(
            table(rows("bus_depot", "210000", "winter", 10.0, 6.0), rows("airport", "210000", "winter", 1.0, 1.0)), params
        )
    )
    bus = found["210000", "bus_depot"]
    managed, depth = (float(params.get(p, "bus_depot")[0, AT]) for p in ("managed_charging_share", "charging_response_depth"))
    assert bus["response_share_of_rows"] == pytest.approx(managed * depth)
    assert bus["difference"] == pytest.approx(0.4 - managed * depth)
    assert found["210000", ALL]["response_share_of_rows"] == pytest.approx(float(peak_response_share(params)[0, AT]))
    # no segment of the rows is an airport
    assert found["210000", "airport"]["response_share_of_rows"] is None
    assert found["210000", "airport"]["difference"] is None


def test_a_system_of_two_segments_is_weighted_by_its_mix(inputs: Inputs) -> None:
    params = inputs.params()
    names = ("taxi_station", "swap_store")
    mix, managed, depth = (
        [float(params.get(p, s)[0, AT]) for s in names]
        for p in ("charging_peak_mix", "managed_charging_share", "charging_response_depth")
    )
    by_hand = sum(m * a * d for m, a, d in zip(mix, managed, depth, strict=True)) / sum(mix)
    assert rows_share(params, "taxi_city", AT) == pytest.approx(by_hand)


def test_a_single_replication_has_no_interval(inputs: Inputs) -> None:
    found = by_key(peak_response(table(rows("bus_depot", "210000", "winter", 10.0, 6.0, half=None)), inputs.params()))
    assert found["210000", ALL]["low"] is None
    assert found["210000", ALL]["high"] is None


def test_without_charging_there_is_no_response(inputs: Inputs) -> None:
    found = by_key(peak_response(table(rows("bus_depot", "210000", "winter", 0.0, 0.0)), inputs.params()))
    assert found["210000", ALL]["response_share"] == 0.0
    assert peak_response(table(), inputs.params()).height == 0


def test_some_systems_are_not_called_all(inputs: Inputs) -> None:
    params = inputs.params()
    tables = table(rows("bus_depot", SELECTED, "winter", 10.0, 6.0), rows("taxi_city", SELECTED, "winter", 30.0, 30.0))
    found = by_key(peak_response(tables, params, whole=False))
    assert {key for key in found if key[1] in {ALL, SELECTED}} == {(SELECTED, SELECTED)}
    together = found[SELECTED, SELECTED]
    assert together["peak_kw_unmanaged"] == 40.0, "a sum is not scaled again"
    # beside the rows of these systems only, without the private piles
    assert together["response_share_of_rows"] == rows_share(params, ["bus_depot", "taxi_city"], AT)
    assert together["response_share_of_rows"] != rows_share(params, ALL, AT)
    # where truck corridors have no flows, not all systems are there either
    skipped = pl.DataFrame({"year": [2030], "reason": ["no_flows"]})
    assert (SELECTED, SELECTED) in by_key(peak_response({**tables, "simulation_skipped": skipped}, params))


def test_a_system_without_a_plan_says_so(inputs: Inputs) -> None:
    twin = ("bus_depot", 2030, "winter", "210000", "", "peak_kw_unmanaged", 1.0, None, None, "kW", 10, 5, 1.0)
    others = ("taxi_city", "truck_corridor", "airport")
    tables = table(
        rows("bus_depot", "210000", "winter", 10.0, 6.0), [twin], *(rows(s, "210000", "winter", 30.0, 30.0) for s in others)
    )
    found = by_key(peak_response(tables, inputs.params()))
    assert [found["210000", s]["reason"] for s in ("bus_depot", ALL)] == ["", ""]
    # taxis have a plan but nobody is managed, trucks cannot wait, for airports no plan is simulated
    assert [found["210000", s]["reason"] for s in others] == [NONE_MANAGED, CANNOT_WAIT, NO_PLAN]
    # all of them together, where nobody is managed: it is the share that is missing, not a plan
    nobody = by_key(peak_response(table(*(rows(s, "210000", "winter", 30.0, 30.0) for s in others)), inputs.params()))
    assert nobody["210000", ALL]["reason"] == NONE_MANAGED


def test_a_plan_counts_where_and_when_it_is(inputs: Inputs) -> None:
    places = ("210100", "210200")
    parts = [rows("truck_corridor", area, "winter", 10.0, 8.0) for area in (*places, "210000")]
    later = [[(system, 2035, *rest) for system, _, *rest in part] for part in parts]
    twin = ("truck_corridor", 2030, "winter", "210100", "S_1", "peak_kw_unmanaged", 1.0, None, None, "kW", 10, 5, 1.0)
    found = peak_response(table(*parts, *later, [twin]), inputs.params())
    reason = {
        (r["year"], r["area"]): r["reason"] for r in found.filter(pl.col("system") == "truck_corridor").iter_rows(named=True)
    }
    # packs of one prefecture wait in 2030; the other has stations without packs, and in 2035 nobody has any
    assert [reason[2030, a] for a in (*places, "210000")] == ["", CANNOT_WAIT, ""]
    assert {reason[2035, a] for a in (*places, "210000")} == {CANNOT_WAIT}
