"""The scenario page in both languages: what it shows is the resolved scenario, and what is edited is kept, saved, passed on and never lost."""

from __future__ import annotations

import json
import shutil
import zlib
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from streamlit.testing.v1 import AppTest

from transport.app import jobs, scenario_draft, scenario_edit, scenario_levers, scenario_link, scenario_places, sign_in
from transport.findings import DataError
from transport.i18n import t
from transport.scenario import RunOptions, ScenarioFile, load_scenario
from transport.scenario_shelf import Shelf, as_toml, parsed
from transport.store import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun

TOLL = "lever:road_toll:"
CHANGED = {"road_toll": 1.5}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty runs folder of the app."""
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    monkeypatch.setenv("TRANSPORT_RESULTS", str(tmp_path / "none"))
    monkeypatch.setenv("TRANSPORT_AUTHOR", "李")
    return tmp_path


@pytest.fixture
def plan_done(runs: Path, stored_run: StoredRun, inputs: Inputs) -> Path:
    """Return a runs folder with the result of the plan."""
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    shutil.copytree(stored_run.folder, runs / run_id(scenario, inputs.data_hash))
    return runs


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=120)
    for key, value in query.items():
        page.query_params[key] = value
    page.run()
    assert not page.exception
    return page.switch_page(str(root / "transport" / "app" / "views" / "scenario.py")).run()


def texts(page: AppTest) -> str:
    shown = [*page.markdown, *page.caption, *page.error, *page.success, *page.info, *page.warning]
    return "\n".join(str(one.value) for one in shown)


def toll(page: AppTest, value: float) -> AppTest:
    page.text_input(key="lever_search").set_value("road_toll").run()
    page.number_input(key=TOLL).set_value(value).run()
    assert not page.exception
    return page


# ---- levers ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_shown_values_are_those_of_the_resolved_scenario(root: Path, runs: Path, inputs: Inputs, lang: str) -> None:
    del runs
    page = opened(root, lang=lang, scenario="plan_2030")
    assert not page.exception
    known = scenario_levers.facts(inputs, lang)
    settings = load_scenario("plan_2030", inputs.folder, inputs.levers).settings
    shown = [box for box in page.number_input if str(box.key).startswith("lever:")]
    assert len({str(box.key).split(":")[1] for box in shown}) == scenario_levers.PAGE
    for box in shown:
        _, name, year = str(box.key).split(":")
        fact = known[name]
        value = scenario_edit.value_of(settings, name, fact.lever)
        wanted = float(value) if isinstance(value, (int, float)) else value[int(year)]
        assert box.value == pytest.approx(fact.scale.factor * wanted), box.key
        assert (box.min, box.max) == pytest.approx(
            (fact.scale.factor * fact.lever.minimum, fact.scale.factor * fact.lever.maximum)
        )
        assert f"**{fact.label}**" in texts(page)
    assert t("scenario.levers_found", lang, count=len(inputs.levers), changed=0) in texts(page)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_changed_lever_begins_a_draft_and_says_what_differs(root: Path, runs: Path, inputs: Inputs, lang: str) -> None:
    page = opened(root, lang=lang, scenario="plan_2030")
    page.text_input(key="lever_search").set_value("road_toll").run()
    page.number_input(key=TOLL).set_value(1.5).run()
    assert not page.exception
    name = page.session_state["scenario"]
    assert scenario_draft.is_draft(name)
    assert page.query_params["draft"] == name
    said = {"zh": "- 高速公路货车通行费 +50 %", "en": "- Expressway toll of trucks +50 %"}[lang]
    assert said in texts(page)
    file = parsed((runs / ".drafts" / f"{name}.toml").read_text(encoding="utf-8"))
    assert (file.base, file.set) == ("plan_2030", CHANGED)
    found = load_scenario(str(runs / ".drafts" / f"{name}.toml"), inputs.folder, inputs.levers)
    plan = load_scenario("plan_2030", inputs.folder, inputs.levers)
    assert found.settings == {**plan.settings, **CHANGED}
    page.number_input(key=TOLL).set_value(1.0).run()
    assert parsed((runs / ".drafts" / f"{name}.toml").read_text(encoding="utf-8")).set == {}, "what the base has is not written"


def test_a_lever_is_given_by_year_and_for_a_city(root: Path, runs: Path) -> None:
    page = toll(opened(root, scenario="plan_2030"), 2.0)
    page.multiselect(key="years:road_toll").set_value([2025, 2035]).run()
    page.number_input(key=f"{TOLL}2035").set_value(3.0).run()
    assert not page.exception
    page.text_input(key="lever_search").set_value("bus_priority").run()
    page.selectbox(key="area:bus_priority").set_value("210100").run()
    box = next(one for one in page.number_input if str(one.key).startswith("lever:bus_priority@210100:"))
    box.set_value(30.0).run()
    assert not page.exception
    own = parsed(next((runs / ".drafts").glob("*.toml")).read_text(encoding="utf-8")).set
    assert own["road_toll"] == {2025: 2.0, 2035: 3.0}
    city = own["bus_priority@210100"]
    assert 0.3 in ([city] if isinstance(city, float) else city.values()), "per cent on the page is a share in the file"
    page.button(key="back:bus_priority@210100").click().run()
    own = parsed(next((runs / ".drafts").glob("*.toml")).read_text(encoding="utf-8")).set
    assert list(own) == ["road_toll"]


def test_search_groups_and_changes_narrow_the_list(root: Path, runs: Path, inputs: Inputs) -> None:
    del runs
    page = toll(opened(root, scenario="plan_2030"), 1.2)
    page.text_input(key="lever_search").set_value("").run()
    page.toggle(key="lever_only").set_value(True).run()
    assert [str(box.key) for box in page.number_input if str(box.key).startswith("lever:")] == [TOLL]
    page.toggle(key="lever_only").set_value(False).run()
    page.selectbox(key="lever_sector").set_value("charging").run()
    known = scenario_levers.facts(inputs, "zh")
    names = {str(box.key).split(":")[1] for box in page.number_input if str(box.key).startswith("lever:")}
    assert names
    assert {known[name].sector for name in names} == {"charging"}
    page.text_input(key="lever_search").set_value("没有这样的参数").run()
    assert t("scenario.levers_none", "zh") in texts(page)


def test_every_lever_has_a_sector_a_measure_and_a_scale(inputs: Inputs) -> None:
    known = scenario_levers.facts(inputs, "zh")
    assert {fact.sector for fact in known.values()} == set(scenario_levers.SECTORS)
    assert "other" not in {fact.measure for fact in known.values()}
    for name, fact in known.items():
        for value in (fact.lever.minimum, fact.lever.maximum, fact.lever.default):
            assert fact.scale.value(fact.scale.shown(value)) == pytest.approx(value, abs=1e-12), name
    assert known["clean_sales_share_taxi"].unit == "%"
    assert scenario_levers.said(known["clean_sales_share_taxi"], {2030: 0.8}, "zh") == "2030: 80 %"
    assert scenario_levers.matching(known, "TOLL 六轴") == ["road_toll_six_axle"]


# ---- projects, closures, sites, options --------------------------------------------------------------------------------------------


def test_projects_closures_sites_and_options_are_part_of_the_draft(root: Path, runs: Path, inputs: Inputs) -> None:
    page = opened(root)
    page.selectbox(key="project_name").set_value("berth_bayuquan")
    page.number_input(key="project_year").set_value(2027)
    page.button(key="project_add").click().run()
    assert not page.exception
    link = inputs.table("networks/links").filter(inputs.table("networks/links")["mode"] == "rail")["link_id"][0]
    page.selectbox(key="closures_name").set_value(link)
    page.number_input(key="closures_share").set_value(25.0)
    page.button(key="closures_add").click().run()
    assert not page.exception
    zone = inputs.table("networks/zones")["zone_id"][0]
    page.selectbox(key="sites_name").set_value(zone)
    page.number_input(key="sites_share").set_value(0.0)
    page.button(key="sites_add").click().run()
    assert not page.exception
    page.radio(key="option:network").set_value("fine")
    page.radio(key="option:capacity").set_value("fixed").run()
    assert not page.exception
    file = parsed(next((runs / ".drafts").glob("*.toml")).read_text(encoding="utf-8"))
    assert file.projects == {"berth_bayuquan": 2027}
    assert file.closures == {link: {2028: 0.25}}
    assert file.sites == {zone: {2028: 0.0}}
    assert file.run == RunOptions(capacity="fixed", network="fine")
    assert "相比有 5 处改动" in texts(page)
    page.button(key=f"out:closures:{link}").click().run()
    assert parsed(next((runs / ".drafts").glob("*.toml")).read_text(encoding="utf-8")).closures == {}


def test_everything_that_may_be_named_has_a_name(inputs: Inputs) -> None:
    for lang in ("zh", "en"):
        for names in (
            scenario_places.project_names(inputs, lang),
            scenario_places.closure_names(inputs, lang),
            scenario_places.site_names(inputs, lang),
        ):
            assert names
            assert not [code for code, name in names.items() if "None" in name or not name.strip()]
    assert all(name != code for code, name in scenario_places.project_names(inputs, "zh").items())


# ---- keeping -----------------------------------------------------------------------------------------------------------------------


def test_a_scenario_is_saved_opened_copied_renamed_and_deleted(root: Path, runs: Path) -> None:
    page = toll(opened(root, scenario="plan_2030"), 1.5)
    page.text_input(key="save_name").set_value("公转铁: 加强").run()
    page.button(key="save").click().run()
    assert not page.exception
    assert page.session_state["scenario"] == "公转铁_ 加强"
    assert t("scenario.saved", "zh", title="公转铁: 加强") in texts(page)
    assert list((runs / ".drafts").glob("*.toml")) == [], "the draft has become the saved scenario"
    shelf = Shelf(runs / "scenarios")
    assert shelf.read("公转铁_ 加强").notes["author"] == "李"
    assert page.dataframe[-1].value["title"].to_list() == ["公转铁: 加强"]

    other = opened(root, lang="en")  # another session
    assert "公转铁: 加强" in other.selectbox(key="scenario").options
    other.button(key="saved_open").click().run()
    assert other.session_state["scenario"] == "公转铁_ 加强"
    other.button(key="saved_copy").click().run()
    assert not other.exception
    copy = other.session_state["scenario"]
    assert parsed(shelf.read(copy).text).set == CHANGED

    page.run()
    page.selectbox(key="saved_pick").set_value(copy).run()
    page.text_input(key="rename_to").set_value("Variant B").run()
    page.button(key="saved_rename").click().run()
    assert not page.exception
    assert set(shelf.names()) == {"公转铁_ 加强", "Variant B"}
    page.selectbox(key="saved_pick").set_value("Variant B").run()
    page.button(key="saved_delete").click().run()
    assert shelf.names() == ("公转铁_ 加强",)
    other.run()
    assert not other.exception, "the scenario that it looked at is gone"
    assert other.session_state["scenario"] == "plan_2030"


def test_a_name_that_cannot_be_used_is_refused(root: Path, runs: Path) -> None:
    page = toll(opened(root), 1.5)
    for title, key in (("", "empty"), ("plan_2030", "bundled")):
        page.text_input(key="save_name").set_value(title).run()
        page.button(key="save").click().run()
        assert t(f"scenario.shelf_{key}", "zh", name=title) in [box.value for box in page.error]
    assert Shelf(runs / "scenarios").names() == ()


def test_what_somebody_else_has_updated_is_not_overwritten(root: Path, runs: Path) -> None:
    shelf = Shelf(runs / "scenarios")
    name = shelf.add("Rail", ScenarioFile(title_zh="Rail", base="plan_2030", set={"road_toll": 1.1}))
    first, second = (toll(opened(root, scenario=name), value) for value in (1.2, 1.3))
    first.button(key="save_over").click().run()
    assert not first.exception
    assert parsed(shelf.read(name).text).set == {"road_toll": 1.2}
    second.button(key="save_over").click().run()
    assert t("scenario.shelf_changed", "zh", name=name) in [box.value for box in second.error]
    assert parsed(shelf.read(name).text).set == {"road_toll": 1.2}
    assert scenario_draft.is_draft(second.session_state["scenario"]), "the edit is still there"


def test_a_reload_and_another_page_keep_the_draft(root: Path, runs: Path) -> None:
    page = toll(opened(root), 1.5)
    name = page.session_state["scenario"]
    page.switch_page(str(root / "transport" / "app" / "views" / "overview.py")).run()
    page.switch_page(str(root / "transport" / "app" / "views" / "scenario.py")).run()
    assert page.session_state["scenario"] == name
    again = opened(root, draft=name, scenario=name)  # the link of the browser after a reload
    assert again.session_state["scenario"] == name
    assert "高速公路货车通行费 +50 %" in texts(again)
    assert not again.exception
    again.button(key="discard").click().run()
    assert not again.exception
    assert again.session_state["scenario"] == "plan_2030"
    page.run()
    assert not page.exception
    assert page.session_state["scenario"] == name, "the session that still edits it has written it again"
    assert (runs / ".drafts" / f"{name}.toml").is_file()


def test_two_sessions_on_one_address_do_not_overwrite_each_other(root: Path, runs: Path) -> None:
    first = toll(opened(root), 1.5)
    name = first.session_state["scenario"]
    second = toll(opened(root, draft=name, scenario=name), 2.5)
    first.run()
    assert not first.exception
    moved = first.session_state["scenario"]
    assert moved != name
    assert second.session_state["scenario"] == name
    values = {path.stem: parsed(path.read_text(encoding="utf-8")).set for path in (runs / ".drafts").glob("*.toml")}
    assert values == {moved: {"road_toll": 1.5}, name: {"road_toll": 2.5}}


def test_a_viewer_reads_only(root: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = Shelf(runs / "scenarios").add("Rail", ScenarioFile(title_zh="Rail", base="plan_2030"))
    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")
    for packed in ("", scenario_link.packed(ScenarioFile(title_zh="x", base="plan_2030", set={"road_toll": 1.5}))):
        page = opened(root, **({"edit": packed} if packed else {"scenario": name}))
        assert not page.exception
        levers = [box for box in page.number_input if str(box.key).startswith("lever:")]
        assert levers
        assert all(box.disabled for box in levers)
        # what a viewer may do is look: no button runs, saves or changes anything, and nothing can be uploaded
        changing = {"run", "run_here", "run_whole", "discard", "save", "save_over", "saved_copy", "saved_rename", "saved_delete"}
        assert not {str(button.key) for button in page.button} & {
            *changing,
            "project_add",
            "closures_add",
            "sites_add",
            "cancel_run",
        }
        assert not page.get("file_uploader")
        assert t("sign_in.read_only", "zh") in [box.value for box in page.sidebar.caption]
        assert not (runs / ".drafts").exists()
        assert not jobs.home().exists()
    assert page.session_state["scenario"].startswith(scenario_draft.BEGINNING), "a link can be looked at"
    assert "draft" not in page.query_params, "and is no file"


def test_an_editor_goes_on_with_the_draft_of_somebody_else_in_a_new_file(
    root: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "person", lambda: sign_in.Person("li", "editor"))
    name = toll(opened(root), 1.5).session_state["scenario"]
    file = runs / ".drafts" / f"{name}.toml"
    before = file.read_bytes()
    monkeypatch.setattr(sign_in, "person", lambda: sign_in.Person("wang", "editor"))
    page = toll(opened(root, draft=name, scenario=name), 2.5)
    mine = page.session_state["scenario"]
    assert mine != name
    assert file.read_bytes() == before
    assert parsed((runs / ".drafts" / f"{mine}.toml").read_text(encoding="utf-8")).set == {"road_toll": 2.5}
    other = opened(root, draft=name, scenario=name)
    other.button(key="discard").click().run()
    assert not other.exception
    assert file.read_bytes() == before, "what is taken out of a session is still there for its author"


@pytest.mark.parametrize("name", ["../scenarios/Rail", "draft-../../x", "draft-0123456789/../x", "Rail", "draft-ABCDEF0123"])
def test_a_link_names_drafts_only(root: Path, runs: Path, name: str) -> None:
    Shelf(runs / "scenarios").add("Rail", ScenarioFile(title_zh="Rail", base="plan_2030", set={"road_toll": 1.1}))
    page = opened(root, draft=name, scenario=name if name != "Rail" else "plan_2030")
    assert not page.exception
    assert page.session_state["scenario"] == "plan_2030"
    assert "draft" not in page.query_params


# ---- passing on --------------------------------------------------------------------------------------------------------------------


def test_a_shared_link_opens_the_same_scenario(root: Path, runs: Path, inputs: Inputs) -> None:
    page = toll(opened(root, scenario="rebound_only"), 1.5)
    mine = load_scenario(str(runs / ".drafts" / f"{page.session_state['scenario']}.toml"), inputs.folder, inputs.levers)
    link = page.code[-1].value
    assert len(link) < 500
    packed = link.rpartition("edit=")[2]
    other = opened_raw(root, lang="en", edit=packed)
    assert not other.exception
    name = other.session_state["scenario"]
    assert name != page.session_state["scenario"], "whoever opens it has a draft of their own"
    theirs = load_scenario(str(runs / ".drafts" / f"{name}.toml"), inputs.folder, inputs.levers)
    assert theirs.scenario_hash() == mine.scenario_hash()
    assert "edit" not in other.query_params
    assert any("rebound" in box.value.lower() or "疫情" in box.value for box in other.main.success), "it says what it has opened"


def pressed(value: Any) -> str:
    return urlsafe_b64encode(zlib.compress(json.dumps(value).encode())).decode().rstrip("=")


@pytest.mark.parametrize(
    "bad",
    [
        "not-a-scenario",
        "%%%",
        pressed("x" * 10)[:-4],
        pressed([1, 2]),
        pressed({"title_zh": "x", "wings": 2}),
        pressed({"title_zh": "\ud800", "base": "plan_2030"}),
        pressed({"title_zh": "x", "base": "plan_2030", "set": {"road_toll": float("nan")}}),
        pressed({"title_zh": "x" * (scenario_link.LONGEST + 1)}),
        pressed({"title_zh": "x", "base": "../../secrets"}),
        pressed({"title_zh": "x", "overrides": ["../plan_2030"]}),
        pressed({"title_zh": "x", "run": {"feedback": "/etc/passwd"}}),
        pressed({"title_zh": "x", "base": "plan_2030", "set": {"road_toll": 99.0}}),
        pressed({"title_zh": "x", "base": "plan_2030", "set": {"no_such_lever": 1.0}}),
    ],
)
def test_a_bad_link_is_no_scenario(bad: str, inputs: Inputs) -> None:
    with pytest.raises((scenario_link.LinkError, DataError)):
        scenario_link.checked(scenario_link.unpacked(bad), inputs, "zh")


def test_the_texts_of_a_link_are_plain_lines(inputs: Inputs) -> None:
    """A picture in a title would make the browser ask another computer for it."""
    title = "![x](http://elsewhere.example/x.png)\n\x7f<b>a</b>" + "y" * 500
    file = scenario_link.checked(scenario_link.unpacked(pressed({"title_zh": title, "base": "plan_2030"})), inputs, "zh")
    assert not set("[]<>\n\x7f`") & set(file.title_zh)
    assert len(file.title_zh) <= 120
    assert parsed(as_toml(ScenarioFile(title_zh=title))).title_zh == title, "a file holds any sign"


def test_a_bad_link_gives_a_message_and_the_page(root: Path, runs: Path) -> None:
    page = opened_raw(root, edit="damaged")
    assert not page.exception
    assert [box.value for box in page.error] == [t("scenario.link_bad", "zh")]
    page = opened_raw(root, edit=pressed({"title_zh": "x", "base": "plan_2030", "set": {"road_toll": 99.0}}))
    assert "road_toll" in page.error[0].value
    assert not (runs / ".drafts").exists()


def opened_raw(root: Path, **query: str) -> AppTest:
    """Open the first page, on which a link of any page may be opened."""
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=120)
    for key, value in query.items():
        page.query_params[key] = value
    return page.run()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_file_is_uploaded_or_refused_with_reasons(root: Path, runs: Path, lang: str) -> None:
    page = opened(root, lang=lang)
    bad = b'title_zh = "x"\nbase = "plan_2030"\n[set]\nroad_toll = 99\nrail_tarif = 1\n'
    page.file_uploader(key="scenario_upload").set_value([("bad.toml", bad, "application/toml")]).run()
    assert not page.exception
    assert "bad.toml" in page.error[0].value
    assert "road_toll" in page.error[0].value
    assert "rail_tariff" in page.error[0].value, "a remedy for the misspelt lever"
    assert not (runs / ".drafts").exists()
    good = as_toml(ScenarioFile(title_zh="带来的情景", base="stretch", set=CHANGED)).encode()
    page.file_uploader(key="scenario_upload").set_value([("good.toml", good, "application/toml")]).run()
    assert not page.exception
    assert parsed((runs / ".drafts" / f"{page.session_state['scenario']}.toml").read_text(encoding="utf-8")).set == CHANGED
    assert t("scenario.uploaded", lang, name="good.toml") in texts(page)


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe\x00", b"[set", b"x" * (scenario_link.LONGEST + 1), b'title_zh = "x"\n[set]\n"bus_priority@999999" = 0.1\n'],
)
def test_what_is_no_scenario_file_is_refused(data: bytes, inputs: Inputs) -> None:
    with pytest.raises(DataError) as refused:
        scenario_link.read_upload(data, "..\\evil/x.toml", inputs, "zh")
    assert refused.value.findings[0].file == "x.toml"


# ---- results -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_changed_lever_shows_the_last_result_under_a_banner(root: Path, plan_done: Path, lang: str, inputs: Inputs) -> None:
    page = opened(root, lang=lang, scenario="plan_2030")
    assert not page.warning
    page.text_input(key="lever_search").set_value("road_toll").run()
    page.number_input(key=TOLL).set_value(1.5).run()
    banner = {"zh": "参数已改，结果未更新", "en": "Levers changed, results not updated"}[lang]
    assert [box for box in page.warning if banner in box.value]
    page.switch_page(str(root / "transport" / "app" / "views" / "overview.py")).run()
    assert not page.exception
    assert [box for box in page.warning if banner in box.value], "on every page"
    assert page.metric, "the last result is shown"

    # the result of the changed scenario, made by whomever, shows at once
    name = page.session_state["scenario"]
    draft = load_scenario(str(plan_done / ".drafts" / f"{name}.toml"), inputs.folder, inputs.levers)
    plan = load_scenario("plan_2030", inputs.folder, inputs.levers)
    made = plan_done / run_id(draft, inputs.data_hash)
    shutil.copytree(plan_done / run_id(plan, inputs.data_hash), made)
    manifest = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"run_id": made.name, "scenario_hash": draft.scenario_hash(), "resolved": draft.resolved()}
    (made / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    page.run()
    assert not page.exception
    assert not [box for box in page.warning if banner in box.value]


def test_other_data_show_the_last_result_under_a_banner(root: Path, plan_done: Path) -> None:
    only = next(path.parent for path in plan_done.glob("*/manifest.json"))
    manifest = json.loads((only / "manifest.json").read_text(encoding="utf-8"))
    only.rename(plan_done / "000000000000")
    (plan_done / "000000000000" / "manifest.json").write_text(
        json.dumps(manifest | {"run_id": "000000000000", "data_hash": "other"}), encoding="utf-8"
    )
    page = opened(root, scenario="plan_2030")
    page.switch_page(str(root / "transport" / "app" / "views" / "overview.py")).run()
    assert not page.exception
    assert [box for box in page.warning if "数据已改，结果未更新" in box.value]
    assert page.metric
    assert page.sidebar.button(key="run").label == "运行情景"


def test_a_run_under_way_is_found_by_every_session(
    root: Path, runs: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, list[str]]] = []

    def start(identity: str, module: str, arguments: list[str], **more: Any) -> jobs.Job:
        del module
        folder = jobs.home() / identity
        folder.mkdir(parents=True)
        for name, text in {**more["files"], jobs.ABOUT: json.dumps({**more["about"], "at": 4e9})}.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / jobs.BEGAN).write_text(json.dumps({"at": 0.0}), encoding="utf-8")
        (folder / jobs.PROGRESS).write_text('{"step": 1, "steps": 4, "name": "freight"}\n', encoding="utf-8")
        started.append((identity, arguments))
        return jobs.Job(folder, more["about"])

    monkeypatch.setattr(jobs, "start", start)
    page = toll(opened(root, scenario="plan_2030"), 1.5)
    page.button(key="run_here").click().run()
    assert not page.exception
    name = page.session_state["scenario"]
    draft = load_scenario(str(runs / ".drafts" / f"{name}.toml"), inputs.folder, inputs.levers)
    [(identity, arguments)] = started
    assert identity == run_id(draft, inputs.data_hash)
    assert arguments[:2] == ["run", f"{{folder}}/{name}.toml"]
    assert parsed((jobs.home() / identity / f"{name}.toml").read_text(encoding="utf-8")).set == CHANGED
    assert page.sidebar.button(key="cancel_run").label == "取消"
    reloaded = opened(root, draft=name, scenario=name)
    assert reloaded.sidebar.button(key="cancel_run").label == "取消"
    elsewhere = opened(root, scenario="baseline")
    assert "草稿：碳达峰方案情景（25%）" in texts(elsewhere)
    reloaded.sidebar.button(key="cancel_run").click()
    monkeypatch.setattr(jobs, "PATIENCE", 0.0)
    reloaded.run()
    assert reloaded.sidebar.button(key="cancel_run").disabled, "it is stopping"
    (jobs.home() / identity / jobs.END).write_text(json.dumps({"code": 1, "cancelled": False}), encoding="utf-8")
    (jobs.home() / identity / jobs.MESSAGES).write_text("内存不足", encoding="utf-8")
    page.run()
    assert [box.value for box in page.sidebar.warning] == ["内存不足"]
    assert page.sidebar.button(key="run").label == "运行情景"
