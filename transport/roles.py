"""Who may change what is kept: an editor writes results, scenarios and the catalogue; a viewer reads.

The role of a process is the environment variable TRANSPORT_ROLE, ``editor`` where it is not set. Everything that writes into the runs folder asks here,
so that a page that forgets to hide a button changes nothing. An app with sign-in starts as a viewer and names the role of the person for every
write and for every command that it starts.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from transport.i18n import LANGUAGES, listed, t

if TYPE_CHECKING:
    from collections.abc import Mapping

Role: TypeAlias = Literal["viewer", "editor"]
ROLES: tuple[Role, ...] = ("viewer", "editor")
#: Environment variables of the role and of the name that is written beside what somebody makes.
ROLE, AUTHOR = "TRANSPORT_ROLE", "TRANSPORT_AUTHOR"


class RoleError(PermissionError):
    """Exception for a change that a viewer asked for, or a role that does not exist.

    Parameters
    ----------
    key
        Of its text below ``roles.``.
    given
        The role that does not exist.
    """

    def __init__(self, *, key: str, given: str = "") -> None:
        super().__init__(key)
        self._key, self._given = key, given

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RoleError, key=self._key, given=self._given), ()

    def __str__(self) -> str:
        """Return the message in every language, for whoever does not know the reader's."""
        return " / ".join(self.text(lang) for lang in LANGUAGES)

    def text(self, lang: str) -> str:
        """Return the message in a language."""
        return t(f"roles.{self._key}", lang, variable=ROLE, given=self._given, known=listed(ROLES, lang))


def named_role(environment: Mapping[str, str] | None = None) -> Role:
    """Return the role of a process.

    Parameters
    ----------
    environment
        Of the process; default this one's.

    Raises
    ------
    RoleError
        If TRANSPORT_ROLE names no role: a misspelt viewer must not become an editor.
    """
    named = (os.environ if environment is None else environment).get(ROLE) or "editor"
    if named not in ROLES:
        raise RoleError(key="unknown", given=named)
    return named


def require_editor(role: Role | None = None) -> None:
    """Refuse a viewer.

    Parameters
    ----------
    role
        Of whoever asks; default that of the process.

    Raises
    ------
    RoleError
        If it is a viewer.
    """
    if (role or named_role()) != "editor":
        raise RoleError(key="viewer")
