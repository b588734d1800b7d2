"""Start the app from the command line, on this computer only."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent


def config(*, port: int, headless: bool) -> dict[str, Any]:
    """Return the app's Streamlit options by dotted name, from ``.streamlit/config.toml`` beside this file."""
    with (_HERE / ".streamlit" / "config.toml").open("rb") as file:
        sections = tomllib.load(file)
    flat = {f"{section}.{name}": value for section, options in sections.items() for name, value in options.items()}
    return flat | {"server.port": port, "server.headless": headless}


def launch(*, port: int, headless: bool, pack: Path | None = None) -> int:
    """Serve the app until it is stopped; return an exit code.

    Parameters
    ----------
    port
        Port on 127.0.0.1.
    headless
        Whether no browser window is opened.
    pack
        Data pack the app starts with.
    """
    import streamlit as st

    if pack is not None:
        os.environ["TRANSPORT_PACK"] = str(pack.absolute())
    st.App(_HERE / "entry.py").run(config=config(port=port, headless=headless))
    return 0
