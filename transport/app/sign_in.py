"""Who sits before the app: nobody in particular on this computer, or a person whom an identity provider or a reverse proxy names.

The rights stand in one file (``docs/how-to/share-the-app.md``). It is read at every turn of a page, so that a name that is taken out loses its rights
with the next click. Without the file the app serves this computer only and everybody is an editor.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

import streamlit as st

from transport.i18n import t
from transport.roles import AUTHOR, ROLE, Role, named_role

#: Environment variable of the file with the rights, set by the launcher.
FILE = "TRANSPORT_ACCESS"
MODES = ("oidc", "header")
#: What Streamlit needs in the section ``auth``.
OIDC_KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_EVERYBODY = "*"
_SHORTEST_SECRET = 16
_P = ParamSpec("_P")
#: Sign-ins that were ended in one window of a browser: Streamlit itself lets the other windows go on with them.
#: Not in a cache of Streamlit, which any window can ask the server to clear.
_ENDED: set[str] = set()


class AccessError(ValueError):
    """Exception for a file of rights that cannot be used; its text lists everything that is wrong."""


@dataclass(frozen=True)
class Access:
    """Rights of the people who may open the app.

    Attributes
    ----------
    mode
        ``oidc``: an identity provider names the person; ``header``: a reverse proxy does.
    claim
        Claim of the identity provider that names a person, for example ``email``.
    editors, viewers
        Names; ``*`` = everybody who has signed in. Who is in neither is turned away.
    header, secret_header, secret
        Header in which the proxy names the person, and the one with which it shows that it is the proxy.
    """

    mode: str
    claim: str
    editors: frozenset[str]
    viewers: frozenset[str]
    header: str
    secret_header: str
    secret: str

    def role(self, name: str) -> Role | None:
        """Return the role of a person, None for a stranger; names do not tell capitals apart."""
        known = name.strip().lower()
        if not known:
            return None
        if known in self.editors or _EVERYBODY in self.editors:
            return "editor"
        return "viewer" if known in self.viewers or _EVERYBODY in self.viewers else None


@dataclass(frozen=True)
class Person:
    """Who sits before the app: name (empty where nobody signs in) and role (None for a stranger)."""

    name: str
    role: Role | None


def read_access(path: Path) -> Access:
    """Read a file of rights.

    Parameters
    ----------
    path
        TOML file.

    Raises
    ------
    AccessError
        If anything is missing or wrong in it; all of it at once.
    """
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: {error}"
        raise AccessError(msg) from error
    rights, auth, header = (_section(text, name) for name in ("access", "auth", "header"))
    wrong: list[str] = []
    mode = rights.get("mode")
    if mode not in MODES:
        wrong.append(f"[access] mode = {mode!r} must be one of {', '.join(MODES)}")
    people: dict[str, frozenset[str]] = {}
    for kind in ("editors", "viewers"):
        names = rights.get(kind, [])
        if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
            wrong.append(f'[access] {kind} = {names!r} must be a list of names, for example ["li@bureau.example"], or ["*"]')
            names = []
        people[kind] = frozenset(n.strip().lower() for n in names)
    if not people["editors"] and not people["viewers"]:
        wrong.append("[access] editors and viewers are empty: nobody could open the app")
    if mode == "oidc":
        wrong += [f"[auth] {key} is missing" for key in OIDC_KEYS if not _text(auth, key)]
        wrong += _weak("[auth] cookie_secret", _text(auth, "cookie_secret"))
    if mode == "header":
        wrong += [f"[header] {key} is missing" for key in ("user", "secret_header", "secret") if not _text(header, key)]
        wrong += _weak("[header] secret", _text(header, "secret"))
    unknown = sorted(set(rights) - {"mode", "claim", "editors", "viewers"}) + sorted(set(text) - {"access", "auth", "header"})
    wrong += [f"{name!r} is not known" for name in unknown]
    if wrong:
        raise AccessError("\n".join(f"{path}: {line}" for line in wrong))
    return Access(
        str(mode),
        str(rights.get("claim") or "email"),
        people["editors"],
        people["viewers"],
        _text(header, "user"),
        _text(header, "secret_header"),
        _text(header, "secret"),
    )


def access() -> Access | None:
    """Return the rights in force, None where nobody signs in."""
    named = os.environ.get(FILE)
    if not named:
        return None
    path = Path(named)
    return _read(named, path.stat().st_mtime_ns)


def person() -> Person:
    """Return who sits before the app."""
    rights = access()
    if rights is None:
        return Person("", named_role())
    name = _of_provider(rights) if rights.mode == "oidc" else _of_proxy(rights, st.context.headers)
    return Person(name, rights.role(name))


def may_change() -> bool:
    """Return whether the person may run scenarios and change what is kept."""
    return person().role == "editor"


def may_see() -> bool:
    """Return whether the person may still see the app."""
    try:
        return access() is None or person().role is not None
    except (AccessError, OSError):
        return False


def polled(part: Callable[_P, None]) -> Callable[_P, None]:
    """Return a part of a page that draws itself again twice a second while the person may see the app.

    It does so without the page around it, and so without the gate: whoever has lost the right or has signed out since gets the whole page anew.

    Parameters
    ----------
    part
        Draws the part.
    """

    @st.fragment(run_every="0.5s")
    @wraps(part)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> None:
        if not may_see():
            st.rerun()
        part(*args, **kwargs)

    return drawn


def environment() -> dict[str, str]:
    """Return the environment of a command that the person starts: it has the rights of the person, a stranger's are those of a viewer."""
    who = person()
    return {**os.environ, ROLE: who.role or "viewer", **({AUTHOR: who.name} if who.name else {})}


def gate(lang: str) -> bool:
    """Return whether the app may be shown; if not, say why and offer to sign in.

    Parameters
    ----------
    lang
        Language.
    """
    try:
        rights = access()
    except (AccessError, OSError) as error:
        # somebody is editing the file: nobody comes in until it can be read again
        sys.stderr.write(f"{error}\n")
        st.title(t("app.title", lang))
        st.error(t("sign_in.broken", lang))
        return False
    if rights is None:
        return True
    who = person()
    if who.role is not None:
        return True
    st.title(t("app.title", lang))
    is_in = rights.mode == "oidc" and _is_signed_in()
    if who.name:
        st.error(t("sign_in.stranger", lang, name=who.name))
    elif rights.mode == "header":
        st.error(t("sign_in.no_header", lang))
    elif is_in:
        st.error(t("sign_in.no_claim", lang, claim=rights.claim))
    else:
        st.info(t("sign_in.please", lang))
        st.button(t("sign_in.button", lang), type="primary", on_click=st.login)
    if is_in:
        st.button(t("sign_in.out", lang), on_click=_sign_out)
    return False


def badge(lang: str) -> None:
    """Show in the sidebar who is signed in, as what, and the way out.

    Parameters
    ----------
    lang
        Language.
    """
    rights = access()
    if rights is None:
        return
    who = person()
    if who.role is None:
        # out since the gate let the page begin: it begins again, and the gate says so
        st.rerun()
    st.caption(t(f"sign_in.as_{who.role}", lang, name=who.name))
    if rights.mode == "oidc":
        st.button(t("sign_in.out", lang), on_click=_sign_out, key="sign_out")


@lru_cache(maxsize=2)
def _read(path: str, changed: int) -> Access:
    del changed
    return read_access(Path(path))


def _is_signed_in() -> bool:
    return bool(st.user.is_logged_in) and _this_sign_in() not in _ENDED


def _sign_out() -> None:
    _ENDED.add(_this_sign_in())
    st.logout()


def _this_sign_in() -> str:
    """Return what names one sign-in: all windows of a browser share it, and the next one of the same person differs in its time."""
    # the claims only: the tokens beside them are another object at every turn
    claims = {name: said for name, said in st.user.items() if isinstance(said, (str, int, float))}
    return hashlib.sha256(json.dumps(claims, sort_keys=True).encode()).hexdigest()


def _of_provider(rights: Access) -> str:
    if not _is_signed_in():
        return ""
    if rights.claim == "email" and st.user.get("email_verified") is False:
        # an address that anybody may write into their own account names nobody
        return ""
    return str(st.user.get(rights.claim) or "")


def _of_proxy(rights: Access, headers: Mapping[str, str]) -> str:
    """Return the name that the proxy gives; who cannot show the secret of the proxy has none."""
    shown = headers.get(rights.secret_header) or ""
    if not rights.secret or not hmac.compare_digest(shown.encode(), rights.secret.encode()):
        return ""
    name = headers.get(rights.header) or ""
    try:
        # a header is read as Latin letters, whatever the proxy wrote
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name


def _section(text: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = text.get(name, {})
    return found if isinstance(found, Mapping) else {}


def _text(section: Mapping[str, Any], key: str) -> str:
    value = section.get(key, "")
    return value.strip() if isinstance(value, str) else ""


def _weak(name: str, secret: str) -> list[str]:
    """Return what is wrong with a secret: too short, or no plain letters, as the placeholder of the how-to that stands in every copy of it."""
    if not secret:
        return []
    wrong = [f"{name} must have {_SHORTEST_SECRET} characters or more"] if len(secret) < _SHORTEST_SECRET else []
    return wrong if secret.isascii() else [*wrong, f"{name} must be made of random letters and digits (ASCII)"]
