"""Which filled number changed what: known answers of small models, states of the data row by row, and the model itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport.i18n import LANGUAGES, t
from transport.inputs import load_inputs
from transport.scenario import load_scenario
from transport.template.cause_words import cause_lines, cause_rows, points
from transport.template.causes import ACTUALS, FREE, HEADLINE, OTHER, causes, groups_of, light_evaluation
from transport.template.changes import VERDICTS
from transport.template.layout import data_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from transport.inputs import Inputs

TAXI, BUS = "annual_distance|taxi|2023", "annual_distance|urban_bus|2023"
GRID = "grid_factor|all|2022"
SHIP = "ship_fuel_use|coastal_ship:marine_diesel|"
TARGET = -20.0


def with_numbers(inputs: Inputs, changes: Mapping[str, float]) -> Inputs:
    """Return the data with other values of parameters."""
    key = pl.concat_str(*[pl.col(c).cast(pl.String).fill_null("") for c in ("parameter", "subject", "year")], separator="|")
    value = key.replace_strict(dict(changes), default=pl.col("value"), return_dtype=pl.Float64)
    assert inputs.parameters.filter(key.is_in(list(changes))).height == len(changes)
    return replace(inputs, parameters=inputs.parameters.with_columns(value=value), data_hash="b" * 64)


def with_actual(inputs: Inputs, value: float) -> Inputs:
    """Return the data with an actual value of the sea-rail share in 2025."""
    at = (pl.col("series") == "sea_rail_share") & (pl.col("period") == "2025")
    own = inputs.table(ACTUALS).with_columns(value=pl.when(at).then(pl.lit(value)).otherwise("value"))
    assert own.filter(at).height == 1
    return replace(inputs, tables={**inputs.tables, ACTUALS: own}, data_hash="c" * 64)


class Model:
    """A small model of the headline: a formula of the changed numbers, and the states that it was asked for."""

    def __init__(self, inputs: Inputs, formula: Callable[[Mapping[str, float]], float]) -> None:
        self.formula = formula
        self.states: list[Inputs] = []
        self.calls = 0
        self.reading = inputs.table("indicators").filter(id=HEADLINE).select("scope", "boundary", "base", "variant").row(0)

    def __call__(self, states: Sequence[Inputs]) -> list[pl.DataFrame]:
        self.calls += 1
        self.states += states
        return [self._table(state) for state in states]

    def _table(self, state: Inputs) -> pl.DataFrame:
        numbers = {key.split("|", 1)[1]: row["value"] for key, row in data_rows(state).items() if key.startswith("parameters|")}
        value = self.formula(numbers)
        scope, boundary, base, variant = self.reading
        row = {
            "id": HEADLINE, "area": "210000", "year": 2030, "scope": scope, "boundary": boundary, "base": base or "", "variant": variant or "",
            "value": value, "actual": None, "unit": "percent", "target": TARGET, "direction": "at_most", "tolerance": None,
            "strength": "binding", "verdict": "met" if value <= TARGET else "missed", "quality": "assumption",
        }  # fmt: skip
        return pl.DataFrame([row], schema_overrides={"actual": pl.Float64, "tolerance": pl.Float64})


def found_by(
    inputs: Inputs, changes: Mapping[str, float], formula: Callable[[Mapping[str, float]], float]
) -> dict[str, pl.DataFrame]:
    return causes(inputs, with_numbers(inputs, changes), Model(inputs, formula))


def now(inputs: Inputs, *keys: str) -> list[float]:
    rows = data_rows(inputs)
    return [float(rows[f"parameters|{key}"]["value"]) for key in keys]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_headline_without_value_is_told_in_words(inputs: Inputs, lang: str) -> None:
    (taxi,) = now(inputs, TAXI)

    class Unknown(Model):
        def _table(self, state: Inputs) -> pl.DataFrame:
            known = super()._table(state)
            is_new = known["value"][0] != 1.0
            return known.with_columns(value=pl.lit(None, pl.Float64), verdict=pl.lit("tracked")) if is_new else known

    model = Unknown(inputs, lambda x: 1.0 if x[TAXI] == taxi else 2.0)
    after = with_numbers(inputs, {TAXI: taxi * 0.9})
    found = causes(inputs, after, model)
    assert cause_lines(found, None, inputs, lang)[0] == t("template.causes_no_total", lang)
    (row,) = cause_rows(found, inputs, lang).to_dicts()
    assert row[t("template.col_alone", lang)] == row[t("template.col_last", lang)] == "-"


def test_one_changed_number_explains_all(inputs: Inputs) -> None:
    (taxi,) = now(inputs, TAXI)
    found = found_by(inputs, {TAXI: taxi * 0.9}, lambda x: -19.0 - 20.0 * (1.0 - x[TAXI] / taxi))
    (row,) = found["effects"].to_dicts()
    assert (row["name"], row["subject"], row["year"], row["before"]) == ("annual_distance", "taxi", "2023", taxi)
    assert row["alone"] == row["last"] == pytest.approx(-2.0)
    assert found["total"].select("before", "after", "count").row(0) == pytest.approx((-19.0, -21.0, 1))
    assert found["changed"].select("place", "id", "verdict_before", "verdict_after", "is_alone", "is_needed").rows() == [
        (0, HEADLINE, "missed", "met", True, True)
    ]


def test_two_independent_numbers_add_up_in_a_linear_indicator(inputs: Inputs) -> None:
    taxi, bus = now(inputs, TAXI, BUS)
    found = found_by(
        inputs, {TAXI: taxi * 1.1, BUS: bus * 1.1}, lambda x: -19.0 - 3.0 * (x[TAXI] / taxi - 1.0) - 5.0 * (x[BUS] / bus - 1.0)
    )
    effects = {row["subject"]: (row["alone"], row["last"]) for row in found["effects"].iter_rows(named=True)}
    assert effects["taxi"] == pytest.approx((-0.3, -0.3))
    assert effects["urban_bus"] == pytest.approx((-0.5, -0.5))
    before, after = found["total"].select("before", "after").row(0)
    assert found["effects"]["alone"].sum() == pytest.approx(after - before)
    assert found["changed"].is_empty()


@pytest.mark.parametrize(
    ("needed", "wanted"),
    [
        (1, [(0, True, False), (1, True, False), (2, True, False)]),  # any one is enough
        (3, [(0, False, True), (1, False, True), (2, False, True)]),  # all are needed
        (2, [(None, False, False)]),  # two of three: none alone, and none is needed
    ],
)
def test_a_verdict_has_the_numbers_that_change_it_alone_or_without_which_it_stays(
    needed: int, wanted: list[tuple[int | None, bool, bool]], inputs: Inputs
) -> None:
    keys = (TAXI, BUS, GRID)
    old = dict(zip(keys, now(inputs, *keys), strict=True))
    found = found_by(
        inputs,
        {key: value * 1.1 for key, value in old.items()},
        lambda x: -30.0 if sum(x[key] != old[key] for key in keys) >= needed else -10.0,
    )
    assert sorted(found["changed"].select("place", "is_alone", "is_needed").rows(), key=str) == sorted(wanted, key=str)
    for lang in LANGUAGES:
        rows = cause_rows(found, inputs, lang)
        assert rows.height == 3
        said = rows[t("template.col_by_it", lang)].to_list()
        assert (said == [t("template.unchanged", lang)] * 3) == (needed == 2)
        assert sum("2030" in line for line in cause_lines(found, None, inputs, lang)) == (2 if needed == 2 else 1)


def test_what_comes_first_has_changed_a_verdict_and_then_the_largest(inputs: Inputs) -> None:
    taxi, bus = now(inputs, TAXI, BUS)
    found = found_by(
        inputs, {TAXI: taxi * 1.1, BUS: bus * 1.1}, lambda x: -19.9 - 0.2 * (x[TAXI] != taxi) + 0.05 * (x[BUS] != bus)
    )
    rows = cause_rows(found, inputs, "zh")
    assert rows[t("template.col_alone", "zh")].to_list() == ["-0.200", "+0.050"]
    assert [points(x, "zh") for x in (None, 0.0, -2e-14, 1e-9, -0.0014)] == ["-", "0", "0", t("template.tiny", "zh"), "-0.001"]


def test_many_numbers_are_taken_by_sheet(inputs: Inputs) -> None:
    keys = [TAXI, BUS, GRID, "ship_speed_exponent|all|"]
    after = with_numbers(inputs, {key: value * 1.01 for key, value in zip(keys, now(inputs, *keys), strict=True)})
    assert [(g.kind, len(g.keys)) for g in groups_of(inputs, after)] == [("row", 1)] * 4
    groups = groups_of(inputs, after, most=3)
    assert {g.name: len(g.keys) for g in groups} == {"urban": 2, "power": 1, FREE: 1}
    found = causes(inputs, after, Model(inputs, lambda x: -x[GRID]), most=3)
    for lang in LANGUAGES:
        rows = cause_rows(found, inputs, lang)
        assert rows[t("template.col_item", lang)][0] == t(
            "template.sheet_count", lang, sheet=t("template.sheet_power", lang), count=1
        )
        assert cause_lines(found, None, inputs, lang)[0] == t("template.causes_by_sheet", lang, count=4)


def test_other_tables_of_a_pack_are_one_group(inputs: Inputs) -> None:
    links = inputs.table("networks/links").with_columns(pl.col("length_km") * 1.01)
    after = replace(with_numbers(inputs, {GRID: 0.5}), tables={**inputs.tables, "networks/links": links})
    assert [g.kind for g in groups_of(inputs, after)] == ["row", OTHER]
    model = Model(inputs, lambda x: -x[GRID])
    causes(inputs, after, model)
    seen = {
        (state.table("networks/links") is links, dict(data_rows(state))[f"parameters|{GRID}"]["value"]) for state in model.states
    }
    (old,) = now(inputs, GRID)
    assert seen == {(False, old), (True, 0.5), (False, 0.5), (True, old)}


def test_numbers_that_are_only_compared_are_no_cause(inputs: Inputs) -> None:
    observed = inputs.table("observed/freight").with_columns(pl.col("value") * 1.01)
    cited = inputs.parameters.with_columns(quality=pl.lit("official"))
    after = replace(inputs, tables={**inputs.tables, "observed/freight": observed}, parameters=cited)
    assert groups_of(inputs, after) == []
    for lang in LANGUAGES:
        model = Model(inputs, lambda _: 0.0)
        assert cause_lines(causes(inputs, after, model), None, inputs, lang) == [t("template.causes_none", lang)]
        assert model.calls == 0


def test_each_state_is_the_data_of_a_pack_with_these_numbers(inputs: Inputs, tmp_path: Path) -> None:
    """New rows and rows in place: what is evaluated is what a run on such a pack would read, in the same order."""
    header = "parameter,subject,year,value,low,high,distribution,unit,source,quality,note\n"
    rows = {
        "new": "port_container_throughput,Z_PT_BAYUQUAN,2025,5700000,,,fixed,TEU/year,mine,official,\n",
        "old": "annual_distance,taxi,2023,125000,,,fixed,km/veh/yr,mine,measured,\n",
    }
    packs = {}
    for name, parts in {"both": ["new", "old"], "new": ["new"], "old": ["old"]}.items():
        folder = tmp_path / name
        (folder / "parameters").mkdir(parents=True)
        (folder / "sources.csv").write_text(
            "source,citation,publisher,date,licence,location,accessed\nmine,台账,,,,,\n", encoding="utf-8"
        )
        (folder / "parameters" / "own.csv").write_text(header + "".join(rows[p] for p in parts), encoding="utf-8")
        packs[name] = load_inputs(pack=folder)
    model = Model(inputs, lambda _: 0.0)
    causes(inputs, packs["both"], model)
    states = [state.parameters.drop("file") for state in model.states]
    wanted = [packs[name].parameters.drop("file") for name in ("both", "new", "old")] + [inputs.parameters.drop("file")]
    assert len(states) == 4
    assert all(any(state.equals(frame) for state in states) for frame in wanted)
    assert len({state.data_hash for state in model.states}) == 4


def test_states_of_one_base_year_come_one_after_the_other(inputs: Inputs) -> None:
    """The fuel of ships holds for 2020, too, the others only later: a model that keeps one base year makes two."""
    keys = (GRID, SHIP, TAXI)
    model = Model(inputs, lambda _: 0.0)
    causes(inputs, with_numbers(inputs, {key: x * 1.01 for key, x in zip(keys, now(inputs, *keys), strict=True)}), model)
    ships = [data_rows(state)[f"parameters|{SHIP}"]["value"] for state in model.states]
    assert len(ships) == 8
    assert sum(one != other for one, other in pairwise(ships)) == 1


def test_actual_values_are_judged_without_another_evaluation(inputs: Inputs) -> None:
    model, steps = Model(inputs, lambda _: -10.0), list[tuple[int, int, str]]()
    after = with_actual(with_numbers(inputs, {GRID: 0.5}), 14.2)
    causes(inputs, after, model, tell=lambda *step: steps.append(step))
    assert model.calls == 2
    assert [step[:2] for step in steps] == [(0, 2), (1, 2)]
    assert len(model.states) == 4


def test_the_model_itself(inputs: Inputs) -> None:
    """A statistic of a target moves its verdict and not the headline; the fuel of ships moves the headline by all of its change."""
    (old,) = now(inputs, SHIP)
    after = with_actual(with_numbers(inputs, {SHIP: old * 1.02}), 14.2)
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers, capacity="fixed")
    found = causes(inputs, after, light_evaluation(scenario), capacity="fixed")
    effects = {row["name"]: (row["alone"], row["last"]) for row in found["effects"].iter_rows(named=True)}
    before, now_ = found["total"].select("before", "after").row(0)
    assert effects["sea_rail_share"] == (0.0, 0.0)
    assert effects["ship_fuel_use"][0] == effects["ship_fuel_use"][1] == now_ - before != 0.0
    place = found["effects"]["name"].to_list().index("sea_rail_share")
    assert (place, "sea_rail_share", 2025, "actual_pending", True, True) in found["changed"].select(
        "place", "id", "year", "verdict_before", "is_alone", "is_needed"
    ).rows()

    # what only a whole run has changed is told, and what both have is not
    whole = found["changed"].unique(["id", "area", "year"]).select("id", "area", "year", "verdict_before", "verdict_after")
    whole = whole.with_columns(is_verdict_changed=pl.lit(value=True))
    assert set(whole.columns) <= VERDICTS.keys()
    assert not any("actual_pending" in line for line in cause_lines(found, whole, inputs, "en"))
    more = whole.head(1).with_columns(id=pl.lit("rail_electrified_share"), year=pl.lit(2030, dtype=pl.Int64))
    for lang in LANGUAGES:
        few, many = (cause_lines(found, frame, inputs, lang) for frame in (whole, pl.concat([whole, more])))
        assert len(many) == len(few) + 1
        assert t("template.causes_fixed", lang) in many
    assert all(one != other for one, other in pairwise(cause_lines(found, whole, inputs, "zh")))
