"""The command ``transport shift``: tonnes that change their mode between two scenarios, by cause, commodity and pair."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from transport.i18n import t
from transport.layout import YEARS
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

OK, FINDINGS = 0, 2
_YEAR, _TOP = 2030, 20
#: Columns of the table by what the user asks for.
BY: dict[str, tuple[str, ...]] = {
    "cause": ("cause",),
    "commodity": ("commodity", "cause"),
    "pair": ("commodity", "origin", "destination"),
}


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    parser = verbs.add_parser("shift", parents=parents, help="help.command.shift")
    parser.add_argument("a", metavar="A", help="help.shared.scenario")
    parser.add_argument("b", metavar="B", help="help.shift.b")
    parser.add_argument("--year", type=int, choices=YEARS, metavar="YEAR", default=_YEAR, help="help.shift.year")
    parser.add_argument("--by", choices=tuple(BY), default="cause", help="help.shift.by")
    parser.add_argument("--top", type=int, default=_TOP, help="help.shift.top")
    parser.add_argument(
        "--capacity",
        choices=("equilibrium", "fixed"),
        help="help.shift.capacity",
    )
    parser.set_defaults(command=_shift)


def _shift(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.shift import ShiftError, cause_rows, shift_summary, shift_table
    from transport.shift_runs import heading, named, sides

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    first, second = (
        load_scenario(
            name, inputs.folder, inputs.levers, names=names_of(inputs.tables), draws=1, capacity=args.capacity, lang=args.lang
        )
        for name in (args.a, args.b)
    )
    before, after = sides(inputs, first, second, args.year, tell=None if args.json else _tell(args))
    try:
        table = shift_table(before, after, args.year, cause_rows(inputs.table("networks/shift_causes")))
    except ShiftError:
        err(t("shift.other_pairs", args.lang))
        return FINDINGS
    summed = shift_summary(table, BY[args.by])
    shown = summed.head(args.top) if args.top else summed
    if args.json:
        who = {"a": first.name, "b": second.name, "year": args.year, "capacity": first.capacity, "by": args.by}
        out(json.dumps({**who, "rows": shown.to_dicts(), "left_out": summed.height - shown.height}, ensure_ascii=False))
        return OK
    for line in heading(table, first.name, second.name, args.year, args.lang):
        out(line)
    if not shown.is_empty():
        out("")
        print_table(named(shown, inputs, args.lang))
        if shown.height < summed.height:
            out(t("shift.rest", args.lang, count=summed.height - shown.height))
    return OK


def _tell(args: argparse.Namespace) -> Callable[[str], None]:
    return lambda name: err(t("shift.solving", args.lang, scenario=name, year=args.year))
