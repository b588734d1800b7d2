"""A data pack in the address of a page: a reload keeps it, and nothing else can be named."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from transport.app import pack_link, sign_in
from transport.app.pack_uploads import SESSION, take

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs


@pytest.fixture
def folder(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a pack that a session has laid down."""
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("observed/actuals.csv", (inputs.folder / "observed" / "actuals.csv").read_bytes())
    upload = take("我的数据.zip", file.getvalue(), inputs, pack_link.packs() / f"{SESSION}0123456789ab", "zh")
    assert not upload.findings
    assert upload.folder is not None
    return upload.folder


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=120)
    for key, value in query.items():
        page.query_params[key] = value
    return page.run()


def test_a_reload_keeps_the_pack_and_another_session_removes_nothing(root: Path, folder: Path) -> None:
    address = f"0123456789ab-{folder.name}"
    page = opened(root, pack=address)
    assert not page.exception
    assert page.session_state[pack_link.PACK] == str(folder)
    assert page.session_state[pack_link.NAME] == "我的数据.zip"
    assert page.query_params["pack"] == address
    page.switch_page(str(root / "transport" / "app" / "views" / "scenario.py")).run()
    page.button(key="pack_back").click().run()
    assert not page.exception
    assert pack_link.PACK not in page.session_state
    assert "pack" not in page.query_params
    assert folder.is_dir(), "who opened a copied address leaves the pack to whoever laid it down"


@pytest.mark.parametrize(
    "given", ["../../scenarios", "0123456789ab-../../x", "0123456789ab-0123456789abcdef", "session-0123456789ab"]
)
def test_an_address_names_packs_only(root: Path, folder: Path, given: str) -> None:
    del folder
    page = opened(root, pack=given)
    assert not page.exception
    assert pack_link.PACK not in page.session_state
    assert "pack" not in page.query_params


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_pack_that_has_gone_bad_does_not_come_back(root: Path, folder: Path, lang: str) -> None:
    for table in folder.rglob("*.csv"):
        table.write_text("nonsense\n1\n", encoding="utf-8")
    page = opened(root, pack=f"0123456789ab-{folder.name}", lang=lang)
    assert not page.exception
    assert page.error
    assert page.code
    assert bool(re.search("[\u4e00-\u9fff]", page.code[0].value)) == (lang == "zh"), "findings are in the language of the reader"
    page.run()
    assert not page.exception
    assert not page.error
    assert pack_link.PACK not in page.session_state


def test_a_viewer_sees_the_data_that_everybody_sees(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "person", lambda: sign_in.Person("wang", "viewer"))
    page = opened(root, pack=f"0123456789ab-{folder.name}")
    assert not page.exception
    assert pack_link.PACK not in page.session_state
