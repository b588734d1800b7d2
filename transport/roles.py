"""Who may change what is kept: an editor writes results, scenarios and the catalogue; a viewer reads.

The role of a process is the environment variable TRANSPORT_ROLE, ``editor`` where it is not set. Everything that writes into the runs folder asks here,
so that a page that forgets to hide a button changes nothing. An app with sign-in starts as a viewer and names the role of the person for every
write and for every command that it starts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Role: TypeAlias = Literal["viewer", "editor"]
ROLES: tuple[Role, ...] = ("viewer", "editor")
#: Environment variables of the role and of the name that is written beside what somebody makes.
ROLE, AUTHOR = "TRANSPORT_ROLE", "TRANSPORT_AUTHOR"


class RoleError(PermissionError):
    """Exception for a change that a viewer asked for, or a role that does not exist."""


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
        msg = f"{ROLE}={named} is no role; use one of {', '.join(ROLES)}"
        raise RoleError(msg)
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
        msg = "results are open for a viewer, who may read but not change them; ask an editor"
        raise RoleError(msg)
