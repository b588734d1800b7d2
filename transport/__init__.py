"""Mode shift, fleet electrification and carbon targets of a province's transport.

The public functions are resolved when they are first used, so that ``import transport`` stays light::

    results = transport.run("plan_2030", capacity="fixed")
    results.tables["indicators"]
    transport.compare(transport.run("baseline", capacity="fixed"), results, by="commodity")
    transport.sweep("my_cases.toml", jobs=2).table("indicators")
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

# A matrix product that several threads share out is summed in another order for each number of threads: one thread, so that the bytes of a result
# do not depend on the processor. Processes share out the work already. Takes effect where numpy is imported later, as in the command line and its processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"

#: Public name -> (module, name in it).
_PUBLIC = {
    "account": ("transport.accounts", "account"),
    "compare": ("transport.api", "compare"),
    "load_inputs": ("transport.inputs", "load_inputs"),
    "load_scenario": ("transport.api", "load_scenario"),
    "run": ("transport.api", "run"),
    "sweep": ("transport.api", "sweep"),
    "write_run": ("transport.store", "write_run"),
}


def __getattr__(name: str) -> Any:
    """Return a public function of the package, importing its module now."""
    if name not in _PUBLIC:
        msg = f"module 'transport' has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
