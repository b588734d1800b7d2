"""Start the app from the command line: on this computer only, or for a network with sign-in."""

from __future__ import annotations

import os
import tomllib
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from transport.app.warm import lifespan
from transport.roles import ROLE

_HERE = Path(__file__).resolve().parent
LOOPBACK = "127.0.0.1"


class LaunchError(ValueError):
    """Exception for an app that would stand open in the network without anybody signing in, or where nobody could."""


def config(
    *, port: int, headless: bool, host: str = LOOPBACK, base_path: str = "", secrets: Path | None = None
) -> dict[str, Any]:
    """Return the app's Streamlit options by dotted name, from ``.streamlit/config.toml`` beside this file.

    Parameters
    ----------
    port
        Port of the app.
    headless
        Whether no browser window is opened.
    host
        Address that the app listens on.
    base_path
        Path under which a proxy shows the app, for example ``transport``.
    secrets
        File with the section ``auth`` for signing in.
    """
    with (_HERE / ".streamlit" / "config.toml").open("rb") as file:
        sections = tomllib.load(file)
    flat = {f"{section}.{name}": value for section, options in sections.items() for name, value in options.items()}
    flat |= {"server.port": port, "server.headless": headless, "server.address": host}
    if base_path.strip("/"):
        flat["server.baseUrlPath"] = base_path.strip("/")
    if secrets is not None:
        flat["secrets.files"] = [str(secrets)]
    return flat


def launch(
    *,
    port: int,
    headless: bool,
    pack: Path | None = None,
    host: str = LOOPBACK,
    base_path: str = "",
    auth: Path | None = None,
) -> int:
    """Serve the app until it is stopped; return an exit code.

    Parameters
    ----------
    port, headless, host, base_path
        As in :func:`config`.
    pack
        Data pack the app starts with.
    auth
        File of rights (:func:`transport.app.sign_in.read_access`); nobody signs in without.

    Raises
    ------
    LaunchError
        If others could reach the app and nobody has to sign in, or a package that signing in needs is missing.
    transport.app.sign_in.AccessError
        If the file of rights cannot be used.
    """
    secrets: Path | None = None
    if auth is None and not is_loopback(host):
        msg = f"--host {host} lets other computers open the app; name who may with --auth FILE (docs/how-to/share-the-app.md)"
        raise LaunchError(msg)
    if auth is not None:
        from transport.app import sign_in

        secrets = auth.absolute() if sign_in.read_access(auth).mode == "oidc" else None
        if secrets is not None and find_spec("authlib") is None:
            msg = f"{auth}: mode = 'oidc' needs Authlib; install it with pip install \".[auth]\""
            raise LaunchError(msg)
        os.environ[sign_in.FILE] = str(auth.absolute())
        # Whatever does not ask for the rights of the person has none to write.
        os.environ[ROLE] = "viewer"
    import streamlit as st

    if pack is not None:
        os.environ["TRANSPORT_PACK"] = str(pack.absolute())
    options = config(port=port, headless=headless, host=host, base_path=base_path, secrets=secrets)
    _scan_no_packages()
    _ask_for_no_console()
    st.App(_HERE / "entry.py", lifespan=lifespan).run(config=options)
    return 0


def _scan_no_packages() -> None:
    """Keep Streamlit from reading the metadata of every installed package in search of components, which the app has none of.

    The search takes as long as everything else before the server answers. A Streamlit that keeps it elsewhere searches, and starts later.
    """
    with suppress(ImportError):
        from streamlit.components.v2 import manifest_scanner

        manifest_scanner.scan_component_manifests = lambda *_, **__: []


def _ask_for_no_console() -> None:
    """Keep Streamlit from looking whether somebody types at a console, for which it reads the source of every caller: a served app has none.

    It looks at the first thing that is drawn, while the reader waits for it. A Streamlit that keeps the mark elsewhere looks, and draws later.
    """
    from streamlit import delta_generator

    delta_generator._use_warning_has_been_displayed = True  # noqa: SLF001  (Streamlit has no setting for it)


def is_loopback(host: str) -> bool:
    """Return whether only this computer reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
