"""The catalogue of runs: what is written comes back, deletion is safe, two writers at once lose nothing, viewers change nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from transport import catalogue, catalogue_db
from transport.catalogue import FILE, TRASH, Catalogue
from transport.catalogue_cli import take_in
from transport.catalogue_rows import Query
from transport.cli import main
from transport.store import MANIFEST, StoredRun, StoreError, read_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FULL, LOCKED = (("COMMIT", {}, sqlite3.OperationalError(text)) for text in ("the disk is full", "database is locked"))
ROOT = Path(__file__).resolve().parents[2]


def made(place: Path, **changes: object) -> StoredRun:
    """Return a run folder with a manifest and a file that stands for its tables."""
    place.mkdir(parents=True)
    manifest = {
        "run_id": place.name,
        "scenario": "plan_2030",
        "title_zh": "碳达峰方案",
        "title_en": "The plan",
        "created_at": "2026-11-23T08:00:00+00:00",
        "version": "0.1.0",
        "data_hash": "d" * 64,
        "scenario_hash": f"{changes.get('run_id', place.name)}-hash",
        "resolved": {"set": {"rail_tariff": 0.9, "metro_km": {"2030": 4.0}}, "run": {"seed": 1}},
        "seconds": 2.5,
    }
    (place / MANIFEST).write_text(json.dumps(manifest | changes), encoding="utf-8")
    (place / "a.parquet").write_text("table", encoding="utf-8")
    return read_run(place)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def kept(runs: Path) -> Iterator[Catalogue]:
    """Return a catalogue with three runs, the last of them a case of a sweep."""
    with Catalogue(runs=runs, author="李") as found:
        first = made(runs / "aaaa11112222")
        found.register([first])
        second = made(
            runs / "bbbb11112222",
            scenario="baseline",
            title_zh="基准",
            title_en="Baseline",
            created_at="2026-10-01T23:59:59+00:00",
            resolved={"set": {"rail_tariff@210200": {"2030": 0.8}}, "run": {}},
        )
        case = made(runs / "sweep-x" / "cases" / "aaaa11112222", created_at="2026-09-01T00:00:00+00:00")
        found.register([second, case], author="王")
        yield found


# ---- what is written comes back ----


def test_runs_come_back_newest_first_with_who_made_them(kept: Catalogue) -> None:
    found = kept.entries()
    assert [(one.folder, one.author) for one in found] == [
        ("aaaa11112222", "李"),
        ("bbbb11112222", "王"),
        ("sweep-x/cases/aaaa11112222", "王"),
    ]
    first = found[0]
    assert (first.run_id, first.scenario, first.title_zh, first.seconds) == ("aaaa11112222", "plan_2030", "碳达峰方案", 2.5)
    assert first.levers == {"metro_km": {"2030": 4.0}, "rail_tariff": 0.9}
    assert kept.place(first) == kept.runs / "aaaa11112222"
    assert json.loads(json.dumps(first.as_dict()))["levers"] == first.levers


def test_tags_and_notes_stay_until_they_are_taken_away(kept: Catalogue, runs: Path) -> None:
    kept.tag("bbbb", ["上报", "final", "final "])
    kept.note("bbbb", " 已核对 Diesel 100 % ")
    kept.untag("bbbb", ["final", "never there"])
    with Catalogue(runs=runs, author="赵") as later:
        later.note("bbbb11112222", "second")
        found = later.entry(str(runs / "bbbb11112222"))
    assert found.tags == ("上报",)
    assert [(n.text, n.author, n.run_id) for n in found.notes] == [
        ("已核对 Diesel 100 %", "李", "bbbb11112222"),
        ("second", "赵", "bbbb11112222"),
    ]


@pytest.mark.parametrize("work", [lambda c: c.tag("bbbb", [" "]), lambda c: c.tag("bbbb", []), lambda c: c.note("bbbb", " ")])
def test_an_empty_tag_or_note_is_refused(kept: Catalogue, work: Callable[[Catalogue], object]) -> None:
    with pytest.raises(StoreError, match=r"a tag is a word|a note must say something"):
        work(kept)
    assert (kept.entry("bbbb").tags, kept.entry("bbbb").notes) == ((), ())


def test_a_run_is_named_by_folder_or_beginning_and_never_guessed(kept: Catalogue) -> None:
    assert kept.entry("aaaa11112222").folder == "aaaa11112222"
    assert kept.entry("sweep-x/cases/aaaa11112222/").folder == "sweep-x/cases/aaaa11112222"
    with pytest.raises(StoreError, match="more than one run; name the folder: aaaa11112222, sweep-x/cases/aaaa11112222"):
        kept.entry("aaaa1")
    for name in ("bbb", "%", "____", "cccc"):
        with pytest.raises(StoreError, match="holds no run"):
            kept.entry(name)


@pytest.mark.parametrize(
    ("query", "folders"),
    [
        (Query(), "abs"),
        (Query(scenario="baseline"), "b"),
        (Query(scenario="达峰"), "as"),
        (Query(scenario="plan_203"), ""),
        (Query(tag="上报"), "b"),
        (Query(author="王"), "bs"),
        (Query(text="DIESEL 100 %"), "b"),
        (Query(text="ＣＯ２"), "b"),
        (Query(text="100_%"), ""),
        (Query(since="2026-10-01"), "ab"),
        (Query(until="2026-10-01"), "bs"),
        (Query(since="2026-10-01", until="2026-10-01"), "b"),
        (Query(levers=(("rail_tariff", None),)), "abs"),
        (Query(levers=(("rail_tariff", 0.9),)), "as"),
        (Query(levers=(("rail_tariff", {2030: 0.8}),)), "b"),
        (Query(levers=(("metro_km", {2030: 4}), ("rail_tariff", None))), "as"),
        (Query(levers=(("rail", None),)), ""),
        (Query(hash="bbbb"), "b"),
        (Query(hash="dddd"), "abs"),
        (Query(scenario="baseline", author="李"), ""),
    ],
)
def test_find_meets_all_conditions(kept: Catalogue, query: Query, folders: str) -> None:
    kept.tag("bbbb", ["上报"])
    kept.note("bbbb", "已核对 Diesel 100 % ＣＯ２")
    assert "".join(one.folder[0] for one in kept.entries(query)) == folders


def test_a_run_made_again_keeps_tags_and_another_one_in_its_folder_does_not(kept: Catalogue, runs: Path) -> None:
    kept.tag("bbbb", ["final"])
    kept.note("bbbb", "checked")
    kept.register([read_run(runs / "bbbb11112222")], author="赵")
    assert (kept.entry("bbbb").tags, kept.entry("bbbb").author) == (("final",), "赵")
    shutil.rmtree(runs / "bbbb11112222")
    kept.register([made(runs / "bbbb11112222", run_id="cccc11112222")])
    found = kept.entry("bbbb11112222")
    assert (found.run_id, found.tags) == ("cccc11112222", ())
    assert [(note.text, note.run_id) for note in found.notes] == [("checked", "bbbb11112222")]


# ---- folders that are there already ----


def test_scan_takes_in_what_is_new_and_leaves_the_rest(kept: Catalogue, runs: Path) -> None:
    kept.tag("bbbb", ["final"])
    made(runs / "eeee11112222")
    made(runs / "sweep-x" / "cases" / "ffff11112222")
    made(runs / ".gggg.partial-1")
    made(runs / "eeee11112222" / "simulate")
    (runs / "broken").mkdir()
    (runs / "broken" / MANIFEST).write_text("{", encoding="utf-8")
    (runs / "other").mkdir()
    (runs / "other" / MANIFEST).write_text("{}", encoding="utf-8")
    found = kept.scan()
    assert found.new == 2
    assert [line.partition(": ")[0] for line in found.broken] == [str(runs / name / MANIFEST) for name in ("broken", "other")]
    assert kept.scan().new == 0
    assert {one.folder: one.author for one in kept.entries()} == {
        "aaaa11112222": "李",
        "bbbb11112222": "王",
        "sweep-x/cases/aaaa11112222": "王",
        "eeee11112222": "",
        "sweep-x/cases/ffff11112222": "",
    }
    assert kept.entry("bbbb").tags == ("final",)


def test_a_catalogue_can_be_made_again_from_the_folders(kept: Catalogue, runs: Path, tmp_path: Path) -> None:
    with Catalogue(str(tmp_path / "elsewhere" / "c.sqlite"), runs) as anew:
        assert anew.scan().new == 3
        assert [one.folder for one in anew.entries()] == [one.folder for one in kept.entries()]


def test_runs_outside_the_runs_folder_are_left_out(kept: Catalogue, tmp_path: Path) -> None:
    assert kept.register([made(tmp_path / "elsewhere" / "hhhh11112222")]) == 0
    assert len(kept.entries()) == 3


# ---- delete ----


def test_delete_removes_row_and_folder_and_nothing_else(kept: Catalogue, runs: Path) -> None:
    kept.tag("aaaa11112222", ["final"])
    assert kept.delete("aaaa11112222") == runs / "aaaa11112222"
    assert not (runs / "aaaa11112222").exists()
    assert not (runs / TRASH).exists()
    assert [one.folder for one in kept.entries()] == ["bbbb11112222", "sweep-x/cases/aaaa11112222"]
    assert (runs / "sweep-x" / "cases" / "aaaa11112222" / "a.parquet").exists()
    shutil.rmtree(runs / "bbbb11112222")
    assert kept.delete("bbbb") is None
    with closing(sqlite3.connect(runs / FILE)) as file:
        assert file.execute("select count(*) from tags").fetchone() == (0,)


@pytest.mark.parametrize("folder", ["../outside", "/", "", ".", "x/../../outside", "link", "link/inner"])
def test_nothing_outside_the_runs_folder_is_deleted(kept: Catalogue, runs: Path, tmp_path: Path, folder: str) -> None:
    made(tmp_path / "outside")
    made(tmp_path / "outside" / "inner")
    (runs / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    with closing(sqlite3.connect(runs / FILE)) as file:
        file.execute("update runs set folder = ? where folder = 'bbbb11112222'", (folder,))
        file.commit()
    before = sorted(tmp_path.rglob("*.parquet"))
    assert not kept.is_there(kept.entry("bbbb11112222"))
    with pytest.raises(StoreError, match="does not lie in the runs folder"):
        kept.delete("bbbb11112222")
    assert sorted(tmp_path.rglob("*.parquet")) == before
    assert len(kept.entries()) == 3


def test_a_folder_that_is_no_run_is_not_deleted(kept: Catalogue, runs: Path) -> None:
    (runs / "bbbb11112222" / MANIFEST).unlink()
    with pytest.raises(StoreError, match="is no run folder"):
        kept.delete("bbbb")
    assert (runs / "bbbb11112222" / "a.parquet").exists()


def test_a_deletion_that_is_not_committed_puts_the_folder_back(
    kept: Catalogue, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = sa.engine.base.Connection._commit_impl

    def fails(connection: sa.Connection) -> None:
        if (runs / "bbbb11112222").exists():
            commit(connection)
        else:
            raise OperationalError(*FULL)

    with monkeypatch.context() as patch:
        patch.setattr(sa.engine.base.Connection, "_commit_impl", fails)
        with pytest.raises(StoreError, match="the disk is full"):
            kept.delete("bbbb")
    assert (runs / "bbbb11112222" / "a.parquet").exists()
    assert kept.entry("bbbb").folder == "bbbb11112222"


def test_a_folder_that_cannot_be_moved_keeps_its_row(kept: Catalogue, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "in use", str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="in use; close programs"):
        kept.delete("bbbb")
    assert kept.entry("bbbb").folder == "bbbb11112222"


def test_scan_empties_the_trash_of_what_is_forgotten_only(kept: Catalogue, runs: Path) -> None:
    made(runs / TRASH / "bbbb11112222~1")  # its row is there: a deletion under way
    made(runs / TRASH / "sweep-x%2Fcases%2Fgone~2")
    kept.scan()
    assert [path.name for path in (runs / TRASH).iterdir()] == ["bbbb11112222~1"]


# ---- roles ----


@pytest.mark.parametrize(
    "work",
    [
        lambda c: c.register([]),
        lambda c: c.scan(),
        lambda c: c.tag("bbbb", ["x"]),
        lambda c: c.untag("bbbb", ["x"]),
        lambda c: c.note("bbbb", "x"),
        lambda c: c.delete("bbbb"),
    ],
)
def test_a_viewer_may_read_and_change_nothing(kept: Catalogue, runs: Path, work: Callable[[Catalogue], object]) -> None:
    before = kept.entries()
    with Catalogue(runs=runs, role="viewer") as viewer:
        assert viewer.entries() == before
        with pytest.raises(PermissionError, match="You may read and download, but not run, change or save"):
            work(viewer)
    assert kept.entries() == before


def test_the_database_itself_refuses_a_viewer(kept: Catalogue, runs: Path) -> None:
    with Catalogue(runs=runs, role="viewer") as viewer, viewer._engine.begin() as connection, pytest.raises(OperationalError):
        connection.execute(sa.text("delete from runs"))
    assert len(kept.entries()) == 3


def test_a_viewer_makes_no_catalogue(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")
    with pytest.raises(StoreError, match="there is no catalogue"):
        Catalogue(runs=runs)
    assert not runs.exists()
    monkeypatch.setenv("TRANSPORT_ROLE", "owner")
    with pytest.raises(PermissionError, match=r"owner is no role .*; use one of: viewer, editor"):
        Catalogue(runs=runs)


# ---- schema version and files that are none ----


def test_an_older_catalogue_is_migrated_and_a_viewer_waits_for_that(
    kept: Catalogue, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(connection: sa.Connection) -> None:
        connection.execute(sa.text("update runs set title_zh = title_zh || '（旧）'"))

    monkeypatch.setattr(catalogue_db, "SCHEMA", 2)
    with pytest.raises(StoreError, match="version 1, which this program cannot take to 2"):
        Catalogue(runs=runs)
    monkeypatch.setattr(catalogue_db, "MIGRATIONS", {1: step})
    with pytest.raises(StoreError, match="an editor must open it once"):
        Catalogue(runs=runs, role="viewer")
    for _ in range(2):
        with Catalogue(runs=runs) as later:
            assert later.entry("bbbb").title_zh == "基准（旧）"
    monkeypatch.undo()
    with pytest.raises(StoreError, match="tables of version 2, this program knows 1; install the newer program"):
        Catalogue(runs=runs)


def test_a_migration_that_fails_changes_nothing(kept: Catalogue, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(connection: sa.Connection) -> None:
        connection.execute(sa.text("delete from runs"))
        connection.execute(sa.text("alter table nowhere add column x text"))

    monkeypatch.setattr(catalogue_db, "SCHEMA", 2)
    monkeypatch.setattr(catalogue_db, "MIGRATIONS", {1: step})
    with pytest.raises(StoreError, match="nowhere"):
        Catalogue(runs=runs)
    monkeypatch.undo()
    with Catalogue(runs=runs) as same:
        assert len(same.entries()) == 3


def test_what_is_no_catalogue_is_left_alone(runs: Path) -> None:
    runs.mkdir()
    (runs / FILE).write_text("not a database, but quite a long text in a file of that name\n" * 20, encoding="utf-8")
    with pytest.raises(StoreError, match="file is not a database"):
        Catalogue(runs=runs)
    (runs / FILE).unlink()
    with closing(sqlite3.connect(runs / FILE)) as file:
        file.execute("create table runs (a text)")
    with pytest.raises(StoreError, match="tables runs without a schema version"):
        Catalogue(runs=runs)


@pytest.mark.parametrize(
    "store", ["mysql://a:secret@b/c", "sqlite://", "sqlite:///:memory:", "://secret@", "postgresql://a:secret@h:port/c"]
)
def test_other_stores_are_refused_without_telling_a_password(store: str, runs: Path) -> None:
    with pytest.raises(StoreError, match="is no store; write sqlite:///FILE or postgresql://USER@HOST/DATABASE") as refused:
        Catalogue(store, runs)
    assert "secret" not in str(refused.value)


def test_a_place_where_no_folder_can_be_is_one_message(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="no catalogue can be made in"):
        Catalogue(str(tmp_path / "file" / "inner" / "c.sqlite"), runs)


def test_an_unreachable_server_is_one_message(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"catalogue postgresql\+psycopg://me:\*\*\*@/db") as refused:
        Catalogue(f"postgresql://me:secret@/db?host={tmp_path}", runs)
    assert "secret" not in str(refused.value)


# ---- a run is never lost ----


def test_a_catalogue_that_fails_is_one_warning(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(runs / "aaaa11112222")
    monkeypatch.setenv("TRANSPORT_RUNS", str(runs))
    assert catalogue.register([run]) == ""
    (runs / FILE).write_text("damaged " * 500, encoding="utf-8")
    for left in runs.glob(f"{FILE}-*"):
        left.unlink()
    warning = catalogue.register([run], lang="en")
    assert warning.startswith("The run is written, but the catalogue of runs did not take it: ")
    assert "not a database" in warning
    assert "\n" not in warning


def test_a_run_elsewhere_makes_no_catalogue(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(runs))
    assert catalogue.register([made(tmp_path / "elsewhere")]) == ""
    monkeypatch.setitem(sys.modules, "transport.catalogue", None)  # not even loaded
    take_in([read_run(tmp_path / "elsewhere")], Namespace(lang="en"))
    assert (capsys.readouterr().err, runs.exists()) == ("", False)
    take_in([made(runs / "inside")], Namespace(lang="en"))
    assert capsys.readouterr().err.startswith("The run is written, but the catalogue of runs did not take it: ")


# ---- two writers at once, in SQLite and PostgreSQL ----


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a PostgreSQL of our own without network, as a user that is not root, and return its URL, empty if there is none here."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb", path=os.pathsep.join(map(str, reversed(folders)))) or shutil.which("initdb")
    if found is None:
        yield ""
        return
    tools = Path(found).parent
    place = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket has at most 107 letters
    as_user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if as_user:
        shutil.chown(place, "postgres", "postgres")
    data, log = str(place / "data"), str(place / "log")

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, **as_user)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(str(tools / "initdb"), "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{place}' -c fsync=off"
        run(str(tools / "pg_ctl"), "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield f"postgresql://tester@/postgres?host={place}"
        finally:
            run(str(tools / "pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def postgres(server: str) -> str:
    if not server:
        pytest.skip("needs PostgreSQL: sudo apt-get install postgresql")
    return server


#: Registers its own runs, and tags and notes one that is not its own, all as fast as it can, in every store.
WRITER = """
import sys, time
from pathlib import Path
from transport.catalogue import Catalogue
from transport.store import read_run
runs, who, count, stores = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
mine = [read_run(runs / f"{who}{k:011d}") for k in range(count)]
Path(runs, f".{who}.ready").touch()
while not Path(runs, ".go").exists():
    time.sleep(0.001)
for store in stores:
    with Catalogue(store, runs, author=who) as catalogue:  # both make the tables
        catalogue.register([read_run(runs / "shared000000")])
    for k, run in enumerate(mine):
        with Catalogue(store, runs, author=who) as catalogue:
            catalogue.register([run])
            catalogue.tag("shared000000", [f"{who}{k}"])
            catalogue.note("shared000000", f"{who} {k}")
"""
COUNT = 6


@pytest.fixture(scope="module")
def two_writers(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let two processes write at once to an SQLite file and, where there is one, to PostgreSQL; return the runs folder."""
    runs = tmp_path_factory.mktemp("written") / "runs"
    made(runs / "shared000000")
    for who in "pq":
        for k in range(COUNT):
            made(runs / f"{who}{k:011d}", scenario_hash=f"hash {k}")  # both name the same scenarios
    stores = [str(runs / FILE), *([server] if server else [])]  # none of them is there yet
    start = partial(subprocess.Popen, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    writers = [start([sys.executable, "-c", WRITER, str(runs), who, str(COUNT), *stores]) for who in "pq"]
    while not all((runs / f".{who}.ready").exists() or w.poll() is not None for who, w in zip("pq", writers, strict=True)):
        time.sleep(0.005)
    (runs / ".go").touch()
    for writer in writers:
        _, told = writer.communicate(timeout=300)
        assert writer.returncode == 0, told.decode()
    return runs


def nothing_is_lost(store: str, runs: Path) -> None:
    with Catalogue(store, runs, role="viewer") as catalogue:
        found = {one.folder: one for one in catalogue.entries()}
    wanted = {f"{who}{k:011d}" for who in "pq" for k in range(COUNT)}
    assert found.keys() == wanted | {"shared000000"}
    assert all(one.author == folder[0] for folder, one in found.items() if folder != "shared000000")
    assert set(found["shared000000"].tags) == {f"{who}{k}" for who in "pq" for k in range(COUNT)}
    texts = [note.text for note in found["shared000000"].notes]
    assert {who: [text for text in texts if text[0] == who] for who in "pq"} == {
        who: [f"{who} {k}" for k in range(COUNT)] for who in "pq"
    }


def test_two_processes_write_to_sqlite_at_once_and_nothing_is_lost(two_writers: Path) -> None:
    nothing_is_lost(str(two_writers / FILE), two_writers)
    with closing(sqlite3.connect(two_writers / FILE)) as file:
        assert file.execute("pragma journal_mode").fetchone() == ("wal",)


def test_two_processes_write_to_postgresql_at_once_and_nothing_is_lost(two_writers: Path, postgres: str) -> None:
    nothing_is_lost(postgres, two_writers)


@pytest.mark.parametrize("wait", [0.05, 5.0])
def test_a_writer_waits_for_another_as_long_as_it_may(
    kept: Catalogue, runs: Path, monkeypatch: pytest.MonkeyPatch, wait: float
) -> None:
    tries = []

    def work(connection: sa.Connection) -> None:
        tries.append(1)
        if len(tries) < 4:
            raise OperationalError(*LOCKED)
        connection.execute(sa.text("update runs set seconds = 7"))

    undone: list[int] = []
    if wait < 1:
        with pytest.raises(OperationalError, match="locked"):
            catalogue_db.in_transaction(kept._engine, work, undo=lambda: undone.append(1), wait=wait)
        assert len(undone) == len(tries) < 4
    else:
        catalogue_db.in_transaction(kept._engine, work, undo=lambda: undone.append(1), wait=wait)
        assert (len(tries), len(undone)) == (4, 3)
        assert {one.seconds for one in kept.entries()} == {7.0}


# ---- both databases ----


def test_postgresql_answers_as_sqlite_does(postgres: str, runs: Path) -> None:
    answers = []
    for store in (postgres, str(runs / "again.sqlite")):
        with Catalogue(store, runs, author="李") as found:
            with found._engine.begin() as connection:
                connection.execute(sa.text("delete from runs"))
            for name, day in (("aaaa11112222", 1), ("bbbb11112222", 2)):
                shutil.rmtree(runs / name, ignore_errors=True)
                found.register([made(runs / name, created_at=f"2026-11-0{day}T00:00:00+00:00")])
            found.tag("aaaa", ["甲", "b"])
            found.note("aaaa", "Ä 100 %")
            asked = (
                Query(tag="甲"),
                Query(text="100 %"),
                Query(text="Ä 1"),
                Query(levers=(("rail_tariff", 0.9),)),
                Query(until="2026-11-01"),
            )
            answers += [[(one.folder, one.tags, one.levers) for one in found.entries(query)] for query in asked]
            assert found.delete("bbbb") == runs / "bbbb11112222"
            with Catalogue(store, runs, role="viewer") as viewer:
                assert [one.folder for one in viewer.entries()] == ["aaaa11112222"]
                with viewer._engine.begin() as connection, pytest.raises(sa.exc.DBAPIError, match=r"read-only|readonly"):
                    connection.execute(sa.text("delete from runs"))
    assert answers[:5] == answers[5:]
    assert [len(found) for found in answers[:5]] == [1, 1, 1, 2, 1]


def test_ensembles_and_backcasts_are_taken_in_beside_runs(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(runs))
    drawn = {"kind": "ensemble", "draws": 1000, "seed": 7, "design": "lhs", "effective_sample_size": 310.2, "failed": 2}
    made(runs / "ensemble-cccc11112222", run_id="cccc11112222", **drawn)
    answer = made(runs / "backcast-dddd11112222", backcast="dddd11112222")
    lacking = {name: value for name, value in answer.manifest.items() if name not in {"run_id", "scenario_hash", "created_at"}}
    (answer.folder / MANIFEST).write_text(json.dumps(lacking), encoding="utf-8")
    assert (main(["runs", "scan", "--lang", "en"]), main(["runs", "list", "--lang", "en"])) == (0, 0)
    listed = capsys.readouterr().out
    assert "2 runs taken in" in listed
    assert all(one in listed for one in ("The plan (1000 draws)", "backcast-dddd11112222"))
    assert main(["runs", "show", "cccc", "--lang", "en"]) == 0
    assert "Draws: 1000, seed 7, design lhs, effective sample size 310, 2 without a result" in capsys.readouterr().out
    assert main(["runs", "delete", "dddd", "--yes"]) == 0
    assert not answer.folder.exists()
