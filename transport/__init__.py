"""Mode shift, fleet electrification and carbon targets of a province's transport.

The public functions are resolved when they are first used, so that ``import transport`` stays light::

    inputs = transport.load_inputs()
    scenario = transport.load_scenario("plan_2030", inputs.folder, inputs.levers)
    results = transport.run(scenario, inputs)
    results.tables["indicators"]
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: Public name -> (module, name in it).
_PUBLIC = {
    "account": ("transport.accounts", "account"),
    "compare": ("transport.scorecard", "compare_runs"),
    "load_inputs": ("transport.inputs", "load_inputs"),
    "load_scenario": ("transport.scenario", "load_scenario"),
    "run": ("transport.study", "run"),
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
