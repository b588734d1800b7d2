"""The multimodal freight network: graph, skims, chains, demand, choice, equilibrium, measures.

Pure functions over arrays and frames: tables in, new tables out; files are read and written only by ``networks.formats`` and ``networks.osm``.
"""

from __future__ import annotations

import importlib

#: Public name -> module that holds it; resolved on first use, so that importing the package stays cheap.
_HOME = {
    "assign_equilibrium": "networks.equilibrium",
    "build_graph": "networks.graph",
    "read_tntp": "networks.formats",
    "solve_freight": "networks.solve",
}

__all__ = ["assign_equilibrium", "build_graph", "read_tntp", "solve_freight"]


def __getattr__(name: str) -> object:
    """Return a public function on first use."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
