"""Saved scenarios: known answers, what is refused, and texts that come back as they were."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from transport.roles import RoleError
from transport.scenario import RunOptions, ScenarioFile, load_scenario
from transport.scenario_shelf import Shelf, ShelfError, as_toml, notes_of, parsed, safe_name, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs

FILE = ScenarioFile(
    title_zh="公转铁加强",
    base="plan_2030",
    overrides=("power_stretch",),
    set={"road_toll": {2025: 1.0, 2030: 1.5}, "bus_priority@210100": 0.25},
    projects={"berth_bayuquan": 2029, "berth_dagang": "never"},
    run=RunOptions(capacity="fixed"),
)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "scenarios", bundled=["plan_2030"], role="editor", author="李")


def test_what_is_saved_is_what_the_command_line_reads(shelf: Shelf, inputs: Inputs) -> None:
    name = shelf.add("公转铁/加强?", FILE)
    assert name == "公转铁_加强_"
    assert shelf.names() == (name,)
    found = load_scenario(str(shelf.path(name)), inputs.folder, inputs.levers)
    assert found.title_zh == "公转铁/加强?"
    assert found.settings["road_toll"] == {2025: 1.0, 2030: 1.5}
    assert found.settings["bus_priority@210100"] == 0.25
    assert found.projects == {"berth_bayuquan": 2029, "berth_dagang": None}
    assert (found.capacity, found.lineage[0], found.lineage[-1]) == ("fixed", "baseline", name)
    notes = shelf.read(name).notes
    assert notes["author"] == "李"
    assert notes["saved_at"].endswith("+00:00")


def test_a_name_is_taken_whatever_its_capitals(shelf: Shelf) -> None:
    shelf.add("Rail", FILE)
    for title, key in (("rAIL", "taken"), ("Plan_2030", "bundled"), (" . ", "empty")):
        with pytest.raises(ShelfError) as refused:
            shelf.add(title, FILE)
        assert refused.value.key == key, title
    assert shelf.names() == ("Rail",)


def test_nobody_overwrites_what_somebody_else_has_saved(shelf: Shelf) -> None:
    name = shelf.add("Rail", FILE)
    mine = shelf.read(name).key
    shelf.replace(name, FILE.model_copy(update={"set": {"road_toll": 2.0}}), mine)
    with pytest.raises(ShelfError) as refused:
        shelf.replace(name, FILE, mine)
    assert refused.value.key == "changed"
    assert parsed(shelf.read(name).text).set == {"road_toll": 2.0}
    assert parsed(shelf.read(name).text).title_zh == "Rail", "it keeps its title"


def test_renaming_moves_the_file_and_deleting_removes_it(shelf: Shelf) -> None:
    name = shelf.add("Rail", FILE)
    shelf.add("Sea", FILE)
    assert shelf.rename(name, "Rail: more") == "Rail_ more"
    assert shelf.names() == ("Rail_ more", "Sea")
    assert parsed(shelf.read("Rail_ more").text).title_zh == "Rail: more"
    assert shelf.rename("Rail_ more", "rail_ MORE") == "rail_ MORE", "other capitals are the same file on some systems"
    assert shelf.names() == ("Sea", "rail_ MORE")
    with pytest.raises(ShelfError, match="taken"):
        shelf.rename("Sea", "RAIL_ more")
    shelf.remove("Sea")
    assert shelf.names() == ("rail_ MORE",)
    for lost in ("Sea", "../plan_2030"):
        with pytest.raises(ShelfError, match="gone"):
            shelf.read(lost)
    assert [path.name for path in shelf.folder.iterdir()] == ["rail_ MORE.toml"], "nothing half-written is left"


def test_a_viewer_changes_nothing(shelf: Shelf) -> None:
    name = shelf.add("Rail", FILE)
    reader = Shelf(shelf.folder, role="viewer")
    key = reader.read(name).key
    for change in (
        lambda: reader.add("Sea", FILE),
        lambda: reader.replace(name, FILE, key),
        lambda: reader.rename(name, "Sea"),
        lambda: reader.remove(name),
    ):
        with pytest.raises(RoleError):
            change()
    assert shelf.names() == (name,)


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    write_whole(path, "first", new=True)
    with pytest.raises(FileExistsError):
        write_whole(path, "second", new=True)
    assert path.read_text(encoding="utf-8") == "first"
    write_whole(path, "third")
    assert path.read_text(encoding="utf-8") == "third"
    assert [one.name for one in tmp_path.iterdir()] == ["a.toml"]


def test_notes_end_with_the_first_line_of_the_scenario() -> None:
    text = as_toml(FILE, {"author": "李 \n mallory = 1", "empty": " "})
    assert notes_of(text) == {"author": "李 mallory = 1"}
    assert notes_of('title_zh = "x"\n#: author = 王\n') == {}
    assert parsed(text) == FILE


@given(some.text(max_size=80))
def test_a_safe_name_is_one_on_every_system_and_stays_as_it_is(title: str) -> None:
    name = safe_name(title)
    assert safe_name(name) == name
    assert not set(name) & set('<>:"/\\|?*')
    assert name == name.strip(" .")
    assert name.casefold().partition(".")[0] not in {"con", "nul", "com1"}


_NUMBERS = some.floats(-1e6, 1e6).map(lambda x: round(x, 6))
_VALUES = _NUMBERS | some.dictionaries(some.integers(2021, 2060), _NUMBERS, min_size=1, max_size=4)


@given(
    some.text(some.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    some.dictionaries(some.sampled_from(["road_toll", "bus_priority@210100", "a b", "轨道"]), _VALUES, max_size=4),
)
def test_a_file_comes_back_as_it_was(title: str, settings: dict[str, float | dict[int, float]]) -> None:
    file = ScenarioFile(title_zh=title, base="plan_2030", set=settings)
    text = as_toml(file, {"author": title})
    assert parsed(text) == file
    assert list(tomllib.loads(text).get("set", {})) == list(settings), "in the order of the settings"
