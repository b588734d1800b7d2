"""The panel of own numbers: a second workbook adds to the pack in use, and what each number did stands in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from tests.app.test_data_page import frame_with, opened, runs, said  # noqa: F401  (runs is a fixture)
from tests.transport.test_template import RAIL, SHARE, Book
from tests.transport.test_template_causes import Model
from transport.app import calculation_panel, pack_jobs, pack_panel
from transport.app.pack_uploads import take
from transport.i18n import LANGUAGES, t
from transport.inputs import load_inputs
from transport.scenario import load_scenario
from transport.store import run_id, write_run
from transport.template import causes as module
from transport.template.causes import causes, groups_of
from transport.template.layout import data_rows, template_lines
from transport.template.workbook import workbook_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun


@pytest.fixture(scope="module")
def empty(inputs: Inputs) -> bytes:
    return workbook_bytes(template_lines(inputs, "zh"), inputs, "zh")


def filled(empty: bytes, key: str, value: object) -> bytes:
    book = Book(empty)
    book.fill(key, value=value)
    return book.content()


def test_a_second_workbook_keeps_the_numbers_of_the_first_unless_it_stands_alone(
    empty: bytes, inputs: Inputs, tmp_path: Path, stored_run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = take("一.xlsx", filled(empty, RAIL, "１９，８００"), inputs, tmp_path, "zh")
    assert one.folder is not None
    second = filled(empty, SHARE, 14.2)
    both = take("二.xlsx", second, inputs, tmp_path, "zh", extends=one.folder)
    alone = take("二.xlsx", second, inputs, tmp_path, "zh")
    assert both.folder is not None
    assert alone.folder is not None
    assert len({one.folder, both.folder, alone.folder}) == 3
    assert both.digest == alone.digest
    assert (both.changed, alone.changed) == (3, 1)
    values = [data_rows(load_inputs(pack=folder)) for folder in (both.folder, alone.folder)]
    assert [rows[SHARE]["value"] for rows in values] == [14.2, 14.2]
    assert [rows[RAIL]["value"] for rows in values] == [1.98e8, 2.1e8]

    # the calculation compares with the pack that was below
    asked: list[str] = []

    def evaluation(scenario: object) -> Model:
        asked.append(getattr(scenario, "capacity"))  # noqa: B009  (a Scenario, which this needs nothing else of)
        return Model(inputs, lambda _: -10.0)

    monkeypatch.setattr(module, "light_evaluation", evaluation)
    request = {"lang": "zh", "manifest": stored_run.manifest, "capacity": "fixed"}
    after = load_inputs(pack=both.folder)
    for below, names in (("", ["observed_rail_freight_t", "sea_rail_share"]), (str(one.folder), ["sea_rail_share"])):
        found = pack_jobs.solve({**request, "before": below}, after, lambda *_: None)
        assert sorted(found["effects"]["name"]) == names
    assert asked == ["fixed", "fixed"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_shows_what_each_number_did(
    root: Path,
    runs: Path,  # noqa: F811
    empty: bytes,
    inputs: Inputs,
    stored_run: StoredRun,
    monkeypatch: pytest.MonkeyPatch,
    lang: str,
) -> None:
    upload = take("填报.xlsx", filled(empty, RAIL, 19800), inputs, runs.parent / "packs" / "session-0123456789ab", "zh")
    assert upload.folder is not None
    after = load_inputs(pack=upload.folder)
    scenario = load_scenario("plan_2030", after.folder, after.levers)
    tables = {name: stored_run.table(name) for name in stored_run.manifest["tables"]}
    write_run(runs.parent / run_id(scenario, after.data_hash), tables, scenario, after.data_hash, seconds=1.0)
    assert len(groups_of(inputs, after)) == 1
    found = causes(inputs, after, Model(inputs, lambda x: -10.0 - x["observed_rail_freight_t|all|2020"] / 2e7), capacity="fixed")
    monkeypatch.setattr(calculation_panel, "identity_of", lambda *_: "the question")

    page = opened(root, lang=lang)
    page.session_state[pack_panel.PACK] = str(upload.folder)
    page.run()
    assert not page.exception
    assert t("pack_panel.extends", lang) in [box.label for box in page.checkbox]
    assert [b.key for b in page.button if b.key == "pack_panel_start_causes"]
    page.session_state[pack_panel.DESK.answers] = {"the question": found}
    page.run()
    assert not page.exception
    table = pl.from_pandas(frame_with(page, t("template.col_alone", lang)))
    assert table[t("template.col_alone", lang)].to_list() == table[t("template.col_last", lang)].to_list() == ["+0.600"]
    assert t("template.by_it_only", lang) in table[t("template.col_by_it", lang)][0]
    assert t("template.causes_fixed", lang) in said(page)
