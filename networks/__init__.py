"""The multimodal freight network: graph, skims, chains, demand, choice, measures.

Pure functions over arrays and frames: tables in, new tables out; no file is read here (only ``networks.formats`` and ``networks.osm`` may).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from networks.solve import solve_freight

__all__ = ["solve_freight"]


def __getattr__(name: str) -> object:
    """Return the public function on first use, so that importing the package stays cheap."""
    if name == "solve_freight":
        from networks.solve import solve_freight

        return solve_freight
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
