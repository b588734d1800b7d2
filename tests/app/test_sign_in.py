"""Who may open the app and change what is kept: rights in a file, a real identity provider on this computer, a proxy's header."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.app.identity_provider import CLIENT, SECRET, provider
from tests.app.serving import OPTIONS, free_port, served
from transport import backcast_tables, ensemble, roles, sweeps
from transport.app import jobs, launch, sign_in
from transport.cli import main
from transport.i18n import LANGUAGES, t
from transport.report import make
from transport.scenario import load_scenario
from transport.store import editors_only, may_write
from transport.sweep_file import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transport.inputs import Inputs

HEADER = """
[access]
mode = "header"
editors = ["Li@bureau.example"]
viewers = ["wang@bureau.example"]
[header]
user = "X-Forwarded-User"
secret_header = "X-Proxy-Secret"
secret = "known to the proxy only"
"""
OIDC = """
[access]
mode = "oidc"
editors = ["li@bureau.example"]
viewers = ["*"]
[auth]
redirect_uri = "{app}/oauth2callback"
cookie_secret = "a long secret of the cookie"
client_id = "{client}"
client_secret = "{secret}"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


@pytest.fixture
def header_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "access.toml"
    path.write_text(HEADER, encoding="utf-8")
    monkeypatch.setenv(sign_in.FILE, str(path))
    return path


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("li@bureau.example", "editor"),
        ("LI@Bureau.example ", "editor"),
        ("wang@bureau.example", "viewer"),
        ("x", None),
        ("", None),
    ],
)
def test_the_lists_give_the_role(header_file: Path, name: str, role: str | None) -> None:
    assert sign_in.read_access(header_file).role(name) == role


def test_everybody_who_signed_in_may_read_where_a_star_stands(tmp_path: Path) -> None:
    path = tmp_path / "access.toml"
    path.write_text(OIDC.format(app="http://x", client="c", secret=SECRET, provider="http://y"), encoding="utf-8")
    rights = sign_in.read_access(path)
    assert (rights.role("zhao@elsewhere.example"), rights.role("")) == ("viewer", None)


def test_all_that_is_wrong_with_a_file_of_rights_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "access.toml"
    path.write_text(
        '[access]\nmode = "oidc"\nediters = ["li"]\nviewers = "all"\n[auth]\ncookie_secret = "short"\n', encoding="utf-8"
    )
    assert main(["app", "--auth", str(path), "--headless"]) == 2
    told = capsys.readouterr().err
    for part in (
        "viewers = 'all' must be a list",
        "nobody could open the app",
        "[auth] redirect_uri is missing",
        "[auth] client_secret is missing",
        "cookie_secret must have 16 characters",
        "'editers' is not known",
    ):
        assert part in told


def test_the_app_does_not_stand_open_in_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", "--host", "10.0.0.8", "--headless"]) == 2
    assert "--auth FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "only_here"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.8", False), ("pc", False)]
)
def test_only_this_computer_is_the_default(host: str, only_here: bool) -> None:
    assert launch.is_loopback(host) is only_here
    assert launch.config(port=1, headless=True)["server.address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("shown", "who", "role"),
    [
        ("known to the proxy only", "li@bureau.example", "editor"),
        ("known to the proxy only", "wang@bureau.example", "viewer"),
        ("guessed", "li@bureau.example", None),
        ("", "li@bureau.example", None),
    ],
)
def test_only_the_proxy_names_a_person(header_file: Path, shown: str, who: str, role: str | None) -> None:
    rights = sign_in.read_access(header_file)
    name = sign_in._of_proxy(rights, {"X-Proxy-Secret": shown, "X-Forwarded-User": who})
    assert rights.role(name) == role


@pytest.mark.parametrize(
    ("lang", "text"), [("zh", "没有收到反向代理给出的用户名"), ("en", "The reverse proxy gave no user name")]
)
def test_who_comes_past_the_proxy_sees_nothing(root: Path, header_file: Path, lang: str, text: str) -> None:
    del header_file
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=120)
    page.query_params["lang"] = lang
    page.run()
    assert not page.exception
    assert text in page.error[0].value
    assert not page.selectbox
    assert not page.dataframe


def test_a_viewer_is_refused_by_the_store_and_not_by_the_page_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    may_write(tmp_path / "abc")
    monkeypatch.setenv(roles.ROLE, "viewer")
    with pytest.raises(roles.RoleError, match="ask an editor"):
        may_write(tmp_path / "abc")
    may_write(tmp_path.parent / "elsewhere")
    monkeypatch.setenv(roles.ROLE, "owner")
    with pytest.raises(roles.RoleError, match="owner is no role"):
        may_write(tmp_path / "abc")


@pytest.mark.parametrize(("key", "given"), [("viewer", ""), ("unknown", "owner")])
def test_a_refusal_speaks_the_language_of_the_reader(key: str, given: str) -> None:
    refused = copy.copy(roles.RoleError(key=key, given=given))  # the way a worker process hands it back
    assert re.search("[\u4e00-\u9fff]", refused.text("zh"))
    assert not re.search("[\u4e00-\u9fff]", refused.text("en"))
    assert all(given in refused.text(lang) and refused.text(lang) in str(refused) for lang in LANGUAGES)


def test_a_command_of_a_viewer_changes_nothing(tmp_path: Path) -> None:
    around = os.environ | {"TRANSPORT_RUNS": str(tmp_path / "runs"), roles.ROLE: "viewer"}
    command = [sys.executable, "-m", "transport", "run", "baseline", "--quiet", "--lang", "en"]
    done = subprocess.run(command, env=around, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "ask an editor" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_nothing_in_the_runs_folder_is_written_for_a_viewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs
) -> None:
    """Every writer asks the store: ensembles, sweeps, backcasts, reports, jobs, templates and measures."""
    runs = tmp_path / "runs"
    monkeypatch.setenv("TRANSPORT_RUNS", str(runs))
    monkeypatch.setenv(roles.ROLE, "viewer")
    plan = load_scenario("plan_2030", inputs.folder, inputs.levers)
    cases = ensemble.design_cases(inputs, draws=1, seed=1)
    sweep = Sweep("s", "s", "s", (), ())
    writers: dict[str, Callable[[], object]] = {
        "ensemble": lambda: ensemble.run_ensemble(plan, inputs, draws=1, seed=1),
        "chunks": lambda: ensemble.run_cases(plan, inputs, cases, folder=runs / "ensemble-x" / "chunks"),
        "sweep": lambda: sweeps.run_sweep(sweep, inputs, folder=runs / "sweep-x"),
        "backcast": lambda: backcast_tables.write_backcast(runs / "backcast-x", {}, {}),
        "report": lambda: make.write_files({"a.docx": b"x"}, runs / "abc", "zh"),
        "measures": lambda: main(["measures", "plan_2030", "--out", str(runs / "measures")]),
        "runs folder itself": lambda: editors_only(runs),
        "job": lambda: jobs.start("abc", "transport", ["--version"], about={"kind": "run"}),
        "job of a viewer": lambda: jobs.start("abc", "transport", about={}, environment={roles.ROLE: "viewer"}),
        "end of a job": lambda: jobs.Job(runs / ".jobs" / "abc", {}).cancel(),
        "end of the job of an editor": lambda: jobs.Job(runs / ".jobs" / "abc", {}).cancel("viewer"),
    }
    for name, write in writers.items():
        if name == "measures":
            assert write() == 1
            continue
        with pytest.raises(roles.RoleError, match="ask an editor"):
            write()
    assert not runs.exists()
    monkeypatch.setenv(roles.ROLE, "editor")
    with pytest.raises(roles.RoleError):
        jobs.start("abc", "transport", about={}, environment={**os.environ, roles.ROLE: "viewer"})
    assert not runs.exists()


def test_a_job_has_the_rights_and_the_name_of_the_person(
    header_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del header_file
    runs = tmp_path / "runs"
    monkeypatch.setenv("TRANSPORT_RUNS", str(runs))
    monkeypatch.setenv(roles.ROLE, "viewer")  # as the launcher does
    for name, role in (("wang@bureau.example", "viewer"), ("stranger", None), ("li@bureau.example", "editor")):
        monkeypatch.setattr(sign_in, "person", lambda name=name, role=role: sign_in.Person(name, role))
        around = sign_in.environment()
        assert (around[roles.AUTHOR], around[roles.ROLE]) == (name, role or "viewer")
        if role != "editor":
            with pytest.raises(roles.RoleError):
                jobs.start("abc", "transport", ["--version"], about={"kind": "run"}, environment=around)
            assert not runs.exists()
            continue
        job = jobs.start("abc", "transport", ["--version"], about={"kind": "run"}, environment=around)
        end = time.monotonic() + 60.0
        while not job.finished():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert job.succeeded(), job.message()


@pytest.mark.parametrize("damage", ["", "[access]\nmode = 'open'\n", None])
def test_a_file_of_rights_that_cannot_be_read_closes_the_app(
    root: Path, header_file: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    monkeypatch.setattr(sign_in, "_of_proxy", lambda *_: "li@bureau.example")
    if damage is None:
        header_file.unlink()
    else:
        header_file.write_text(damage, encoding="utf-8")
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=120).run()
    assert not page.exception
    assert [box.value for box in page.error] == [t("sign_in.broken", "zh")]
    assert not page.selectbox


def _polling() -> None:
    """Draw a page with a part that polls, as the script of an app."""
    import streamlit as st

    from transport.app import sign_in

    @sign_in.polled
    def part() -> None:
        st.markdown("the update")

    if sign_in.gate("zh"):
        part()


@pytest.mark.parametrize("lost", ["stranger", ""])
def test_a_part_that_polls_shows_nothing_to_who_has_lost_the_right(
    header_file: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    del header_file
    names = ["wang@bureau.example", "wang@bureau.example"]
    monkeypatch.setattr(sign_in, "_of_proxy", lambda *_: names.pop(0) if names else lost)
    page = AppTest.from_function(_polling).run()
    assert [box.value for box in page.markdown] == ["the update"]
    names += ["wang@bureau.example"]  # the gate of the page lets in, then the right is gone
    page.run()
    assert not page.exception
    assert not page.markdown
    assert len(page.error) == 1


def _badged() -> None:
    """Draw the gate and then who is there, as the script of an app."""
    from transport.app import sign_in

    if sign_in.gate("zh"):
        sign_in.badge("zh")


def test_who_goes_out_while_the_page_is_drawn_is_shown_the_gate(header_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del header_file
    names = ["wang@bureau.example"]
    monkeypatch.setattr(sign_in, "_of_proxy", lambda *_: names.pop(0) if names else "stranger")
    page = AppTest.from_function(_badged).run()
    assert not page.exception
    assert not page.caption
    assert len(page.error) == 1


def test_a_part_that_polls_stops_while_the_file_of_rights_cannot_be_read(
    header_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "_of_proxy", lambda *_: "wang@bureau.example")
    assert sign_in.may_see()
    header_file.write_text("[access", encoding="utf-8")
    os.utime(header_file, (1.0, 1.0))
    assert not sign_in.may_see()
    monkeypatch.delenv(sign_in.FILE)
    assert sign_in.may_see()


def test_every_part_that_polls_asks_who_is_there(root: Path) -> None:
    users = [path.name for path in (root / "transport" / "app").rglob("*.py") if "fragment(" in path.read_text(encoding="utf-8")]
    assert users == ["sign_in.py"]


def test_a_name_in_chinese_comes_through_a_header(header_file: Path) -> None:
    rights = sign_in.read_access(header_file)
    for sent, name in (("李", "李"), ("Müller", "Müller"), ("li@bureau.example", "li@bureau.example")):
        headers = {"X-Proxy-Secret": "known to the proxy only", "X-Forwarded-User": sent.encode().decode("latin-1")}
        assert sign_in._of_proxy(rights, headers) == name
    headers = {"X-Proxy-Secret": "known to the proxy only", "X-Forwarded-User": "M\xfcller"}
    assert sign_in._of_proxy(rights, headers) == "Müller"


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "li@bureau.example"}, "li@bureau.example"),
        ({"email": "li@bureau.example", "email_verified": True}, "li@bureau.example"),
        ({"email": "li@bureau.example", "email_verified": False}, ""),
        ({"sub": "42"}, ""),
    ],
)
def test_an_address_that_nobody_has_verified_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claims: dict[str, object], name: str
) -> None:
    class User(dict[str, object]):
        is_logged_in = True

    path = tmp_path / "access.toml"
    path.write_text(OIDC.format(app="http://x", client="c", secret=SECRET, provider="http://y"), encoding="utf-8")
    monkeypatch.setattr("transport.app.sign_in.st.user", User(claims))
    assert sign_in._of_provider(sign_in.read_access(path)) == name


def test_signing_out_ends_one_sign_in_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All windows of the browser are out, whatever clears the caches; another person, and the same one elsewhere or later, is in."""

    class User(dict[str, object]):
        is_logged_in = True

    path = tmp_path / "access.toml"
    path.write_text(OIDC.format(app="http://x", client="c", secret=SECRET, provider="http://y"), encoding="utf-8")
    monkeypatch.setenv(sign_in.FILE, str(path))
    monkeypatch.setattr(sign_in, "_ENDED", set())
    monkeypatch.setattr("transport.app.sign_in.st.logout", lambda: None)
    first = {"email": "li@bureau.example", "sub": "1", "iat": 100, "nonce": "a"}
    others = [first | {"email": "wang@bureau.example", "sub": "2"}, first | {"nonce": "b"}, first | {"iat": 200}]

    def name_of(claims: dict[str, object]) -> str:
        monkeypatch.setattr("transport.app.sign_in.st.user", User(claims, tokens=object()))
        return sign_in.person().name

    assert name_of(first) == "li@bureau.example"
    sign_in._sign_out()
    st.cache_resource.clear()
    assert not name_of(first)
    assert [name_of(claims) for claims in others] == [claims["email"] for claims in others]


def test_the_placeholders_of_the_how_to_are_no_secrets(tmp_path: Path, root: Path) -> None:
    text = (root / "docs" / "how-to" / "share-the-app.md").read_text(encoding="utf-8")
    found = [block.partition("```")[0] for block in text.split("```toml\n")[1:]]
    assert len(found) == 2
    for block in found:
        path = tmp_path / "access.toml"
        path.write_text(block, encoding="utf-8")
        with pytest.raises(sign_in.AccessError, match="random letters and digits"):
            sign_in.read_access(path)


def test_signing_in_needs_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "access.toml"
    path.write_text(OIDC.format(app="http://x", client="c", secret=SECRET, provider="http://y"), encoding="utf-8")
    monkeypatch.setattr(launch, "find_spec", {}.get)
    assert main(["app", "--auth", str(path), "--headless"]) == 2
    assert "[auth]" in capsys.readouterr().err


@pytest.mark.browser
def test_people_sign_in_with_an_identity_provider(tmp_path: Path, chromium_path: str) -> None:
    """An editor gets in with the button to run, a viewer without; whoever is not signed in sees neither data nor pages."""
    from playwright.sync_api import sync_playwright

    port = free_port()
    rights = tmp_path / "access.toml"
    runs = tmp_path / "runs"
    runs.mkdir()
    with provider() as identity:
        text = OIDC.format(app=f"http://127.0.0.1:{port}", client=CLIENT, secret=SECRET, provider=identity.address)
        rights.write_text(text, encoding="utf-8")
        with served(runs, "--auth", str(rights), port=port) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium_path, args=OPTIONS)
            for name, role, may_run in (("li@bureau.example", "可编辑", 1), ("wang@bureau.example", "只读", 0)):
                identity.person = name
                page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
                page.goto(f"{address}/?scenario=rebound_only")
                button = page.get_by_role("button", name="登录")
                button.wait_for(timeout=60_000)
                assert page.locator("[data-testid=stSelectbox]").count() == 0
                button.click()
                page.get_by_text(f"{name}（{role}）").wait_for(timeout=60_000)
                page.locator("[data-testid=stSelectbox]").first.wait_for(timeout=60_000)
                page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
                assert page.get_by_role("button", name="运行情景").count() == may_run
                # a second window of the browser is shut with the first
                other = page.context.new_page()
                other.goto(f"{address}/?scenario=rebound_only")
                other.get_by_text(f"{name}（{role}）").wait_for(timeout=60_000)
                page.get_by_role("button", name="退出登录").click()
                page.get_by_role("button", name="登录", exact=True).wait_for(timeout=60_000)
                other.get_by_text("English").click()
                other.get_by_role("button", name="Sign in", exact=True).wait_for(timeout=60_000)
                # what the page before it showed goes when the page's program ends, a moment after the button comes
                other.locator("[data-testid=stSelectbox]").first.wait_for(state="detached", timeout=60_000)
            browser.close()
    assert not [p for p in runs.iterdir() if p.is_dir() and (p / "manifest.json").is_file()]
