"""Commands on the accounts of a run: ``transport attribute``.

Commands stand in :data:`VERBS`: a function that adds a parser with ``set_defaults(command=...)``. A command returns its exit code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.arguments import Text
from transport.balance_cli import add_balance
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, YEARS
from transport.network_cli import NETWORKS
from transport.network_show import err, out
from transport.progress_cli import PROGRESS_VERBS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from transport.inputs import Inputs
    from transport.parts import Parts
    from transport.scenario import Scenario

    Adder = Callable[[Any, Sequence[argparse.ArgumentParser]], None]

OK, FAILURE, FINDINGS = 0, 1, 2
#: Year of the targets, to which a change is split where no other is named.
TARGET_YEAR = 2030
_HEADLINE = "operating_co2_intensity"
_READING = ("boundary", "scope", "base")
#: Options of :func:`model_options`: they say how a scenario is run, and nothing about a run that is stored.
MODEL_OPTIONS = ("simulate", "capacity", "network", "sales")


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the commands on the accounts to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options: language, JSON, data pack.
    """
    for add in VERBS:
        add(verbs, parents)


def _add_attribute(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("attribute", parents=parents, help="help.command.attribute")
    parser.add_argument("a", metavar="A", help="help.account.a")
    parser.add_argument("b", metavar="B", nargs="?", help="help.account.b")
    year: dict[str, Any] = {"type": int, "choices": YEARS, "metavar": "YEAR"}
    parser.add_argument("--year", **year, help=Text("help.account.year", year=TARGET_YEAR))
    parser.add_argument("--from", dest="from_year", **year, help=Text("help.account.from", year=BASE_YEAR))
    parser.add_argument("--to", dest="to_year", **year, help=Text("help.account.to", year=TARGET_YEAR))
    for name in _READING:
        parser.add_argument(f"--{name}", help=f"help.account.{name}")
    model_options(parser)
    parser.set_defaults(command=_attribute)


def _add_decompose(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    from transport.targets import RULES, SHARED

    parser = verbs.add_parser("decompose", parents=parents, help="help.command.decompose")
    parser.add_argument("target", metavar="TARGET", help=Text("help.account.target", indicators=" ".join(SHARED)))
    parser.add_argument("--rule", choices=RULES, default=RULES[0], help="help.account.rule")
    parser.add_argument("--by", choices=("city", "sector"), default="city", help="help.account.by")
    parser.add_argument(
        "--scenario",
        default="plan_2030",
        metavar="NAME",
        help="help.account.scenario",
    )
    model_options(parser)
    parser.set_defaults(command=_decompose)


#: What this module adds to ``transport``, in the order of the help.
VERBS: tuple[Adder, ...] = (_add_attribute, add_balance, _add_decompose, *PROGRESS_VERBS)


# ---- runs --------------------------------------------------------------------------------------------------------------------------


def model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that runs the models itself: how they are run, whatever the scenario file says.

    The commands that read no simulation take ``none`` where ``--simulate`` is not given: its outcome enters no account.
    """
    parser.add_argument("--simulate", choices=("none", "sample", "full"), help="help.account.simulate")
    parser.add_argument(
        "--capacity",
        choices=("equilibrium", "fixed"),
        help="help.account.capacity",
    )
    parser.add_argument("--network", choices=NETWORKS, help="help.account.network")
    parser.add_argument("--sales", choices=("path", "tco"), help="help.account.sales")


def useless_options(names: Sequence[str], args: argparse.Namespace) -> str | None:
    """Return the options that say how to run where every name is the folder of a stored run; None where they have a use.

    Parameters
    ----------
    names
        Scenarios, .toml files or run folders.
    args
        With some of the options of :func:`model_options`.
    """
    given = [
        f"--{option}" for option in ("set", "draws", "project", "close", "site", *MODEL_OPTIONS) if getattr(args, option, None)
    ]
    return " ".join(given) if given and all(Path(name).is_dir() for name in names) else None


def models_of(name: str, inputs: Inputs, args: argparse.Namespace) -> tuple[Scenario, Parts]:
    """Return a scenario and the parts of its run, without simulations unless they are asked for.

    Parameters
    ----------
    name
        Name of a bundled scenario, or a .toml file.
    inputs
        Checked data.
    args
        With ``lang``, ``capacity`` and where the command has them the other options of :func:`model_options`.

    Raises
    ------
    DataError
        If the scenario is not known or malformed.
    """
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.study import model_parts

    options: dict[str, Any] = {option: getattr(args, option, None) for option in MODEL_OPTIONS}
    options["simulate"] = options["simulate"] or "none"
    scenario = load_scenario(
        name, inputs.folder, inputs.levers, names=names_of(inputs.tables), draws=1, lang=args.lang, **options
    )
    return scenario, model_parts(scenario, inputs)


def title_of(scenario: Scenario, lang: str) -> str:
    """Return the title of a scenario in one language."""
    return scenario.title_zh if lang == "zh" else scenario.title_en


# ---- attribute ---------------------------------------------------------------------------------------------------------------------


def _attribute(args: argparse.Namespace) -> int:
    from transport.attribution_state import AttributionError
    from transport.inputs import load_inputs

    wrong = _wrong_years(args)
    if wrong:
        err(t(wrong, args.lang))
        return FINDINGS
    useless = useless_options([name for name in (args.a, args.b) if name is not None], args)
    if useless:
        err(t("cli.useless_options", args.lang, options=useless))
        return FINDINGS
    inputs = load_inputs(pack=args.pack, lang=args.lang)
    wanted = {name: getattr(args, name) for name in _READING if getattr(args, name) is not None}
    for name, value in wanted.items():
        known = labels(inputs, name, args.lang)
        if value not in known:
            err(t("attribution.unknown", args.lang, option=f"--{name}", value=value, known=", ".join(known)))
            return FINDINGS
    try:
        names, table, speeds = _attribution(args, inputs)
    except AttributionError as error:
        err(t("cli.failed", args.lang, problem=str(error)))
        return FAILURE
    if not args.json:
        headline = inputs.table("indicators").filter(pl.col("id") == _HEADLINE).row(0, named=True)
        wanted = {name: wanted.get(name, headline[name]) for name in _READING}
    for name, value in wanted.items():
        table = table.filter(pl.col(name) == value)
    if args.json:
        notes = [t(key, args.lang) for key in _notes(args)]
        out(json.dumps({"a": args.a, "b": args.b, "attribution": table.to_dicts(), "notes": notes}, ensure_ascii=False))
        return OK
    for line in attribution_lines(table, names, wanted, inputs, args.lang):
        out(line)
    for key in (*_notes(args), *(f"readings.speed_{capacity}" for capacity in speeds)):
        out(t(key, args.lang))
    return OK


def _wrong_years(args: argparse.Namespace) -> str | None:
    """Return the key of the complaint about the years, None where they fit together."""
    if args.b is not None and (args.from_year or args.to_year):
        return "attribution.one_year"
    if args.year and args.to_year:
        return "attribution.year_or_to"
    if Path(args.a).is_dir() and (args.b is not None or (args.from_year or BASE_YEAR) != BASE_YEAR):
        return "attribution.folder"
    if Path(args.a).is_dir() and (args.to_year or args.year or TARGET_YEAR) <= BASE_YEAR:
        return "attribution.folder"
    return None


def _attribution(args: argparse.Namespace, inputs: Inputs) -> tuple[tuple[str, str], pl.DataFrame, tuple[str, ...]]:
    """Return the names of both sides, the table, and the speed of the runs made now."""
    from transport.attribution import attribution_between
    from transport.store import read_run

    to_year = args.to_year or args.year or TARGET_YEAR
    from_year = to_year if args.b is not None else args.from_year or BASE_YEAR
    if Path(args.a).is_dir():
        stored = read_run(Path(args.a))
        title = str(stored.manifest[f"title_{args.lang}"])
        return (
            (f"{title} {from_year}", f"{title} {to_year}"),
            stored.table("attribution").filter(pl.col("to_year") == to_year),
            (),
        )
    first, a = models_of(args.a, inputs, args)
    second, b = (first, a) if args.b is None else models_of(args.b, inputs, args)
    names = (f"{title_of(first, args.lang)} {from_year}", f"{title_of(second, args.lang)} {to_year}")
    speeds = tuple(dict.fromkeys((first.capacity, second.capacity)))
    return names, attribution_between(a, b, from_year, to_year), speeds


def _notes(args: argparse.Namespace) -> tuple[str, ...]:
    shared = ("attribution.note.prices", "attribution.note.structure", "attribution.note.covid")
    return ("attribution.note.scenarios", *shared) if args.b is not None else shared


def attribution_lines(
    table: pl.DataFrame, names: tuple[str, str], reading: Mapping[str, str], inputs: Inputs, lang: str
) -> list[str]:
    """Return one reading of an attribution as lines of text.

    Parameters
    ----------
    table
        Rows of one reading of the result table ``attribution``.
    names
        What is compared, from and to.
    reading
        Boundary, scope and base.
    inputs
        For the labels.
    lang
        Language of the text.
    """
    from transport.text import table_lines

    of = {name: labels(inputs, name, lang).get(code, code) for name, code in reading.items()}
    rows = []
    for row in table.iter_rows(named=True):
        key = f"attribution.line.{row['detail']}" if row["detail"] else f"attribution.factor.{row['factor']}"
        rows.append(
            {
                t("attribution.factor_column", lang): ("    " if row["detail"] else "") + t(key, lang),
                t("attribution.points", lang): f"{row['change_pct']:+.2f}",
                "g CO2/tkm": f"{row['g_per_tkm']:+.3f}",
            }
        )
    return [
        t("attribution.title", lang, a=names[0], b=names[1]),
        t("attribution.reading", lang, **of),
        *table_lines(pl.DataFrame(rows)),
    ]


# ---- decompose ---------------------------------------------------------------------------------------------------------------------


def _decompose(args: argparse.Namespace) -> int:
    from transport.decompose import DecomposeError, target_shares
    from transport.inputs import load_inputs
    from transport.store import read_run
    from transport.targets import SHARED

    if args.target not in SHARED:
        err(t("decompose.unknown", args.lang, target=args.target, known=", ".join(SHARED)))
        return FINDINGS
    useless = useless_options([args.scenario], args)
    if useless:
        err(t("cli.useless_options", args.lang, options=useless))
        return FINDINGS
    inputs = load_inputs(pack=args.pack, lang=args.lang)
    folder = Path(args.scenario)
    try:
        if folder.is_dir():
            stored = read_run(folder)
            title = str(stored.manifest[f"title_{args.lang}"])
            if "target_shares" not in stored.manifest["tables"]:
                err(t("decompose.old_run", args.lang, folder=args.scenario))
                return FAILURE
            shares = stored.table("target_shares")
        else:
            scenario, parts = models_of(args.scenario, inputs, args)
            title, shares = title_of(scenario, args.lang), target_shares(parts)
    except DecomposeError as error:
        err(t("cli.failed", args.lang, problem=str(error)))
        return FAILURE
    chosen = shares.filter(pl.col("target") == args.target, pl.col("rule") == args.rule)
    if chosen.is_empty():
        err(t("decompose.nothing", args.lang, rule=labels(inputs, "share_rule", args.lang)[args.rule]))
        return FAILURE
    if args.json:
        out(json.dumps({"scenario": args.scenario, "target_shares": chosen.to_dicts()}, ensure_ascii=False))
        return OK
    for line in share_lines(chosen, args.by, title, inputs, args.lang):
        out(line)
    return OK


def share_lines(chosen: pl.DataFrame, by: str, title: str, inputs: Inputs, lang: str) -> list[str]:
    """Return the shares of one target under one rule as lines of text.

    Parameters
    ----------
    chosen
        Rows of one target and rule of the result table ``target_shares``.
    by
        ``city`` or ``sector``.
    title
        Title of the scenario.
    inputs
        For the labels.
    lang
        Language of the text.
    """
    from transport.decompose import summed
    from transport.text import table_lines

    axis = "area" if by == "city" else "sector"
    named = labels(inputs, "area" if by == "city" else "area_sector", lang) | {"unallocated": t("decompose.unallocated", lang)}
    first = chosen.row(0, named=True)
    unit, scale = t(f"decompose.unit_{'co2' if first['unit'] == 'tCO2/yr' else 'coal'}", lang), _scale(str(first["unit"]), lang)
    table = summed(chosen, axis)
    amounts = ("base", "reference", "cut", "allowed", "modelled", "gap")
    total = table.select(pl.lit("total").alias(axis), *[pl.col(name).sum() for name in amounts]).with_columns(
        cut_pct=100.0 * pl.col("cut") / pl.col("reference")
    )
    rows = []
    for row in (*table.iter_rows(named=True), total.row(0, named=True)):
        code = str(row[axis])
        rows.append(
            {t(f"decompose.by_{by}", lang): t("decompose.total", lang) if code == "total" else named.get(code, code)}
            | {t(f"decompose.{name}", lang): float(row[name]) / scale for name in amounts}
            | {t("decompose.cut_pct", lang): float(row["cut_pct"])}
        )
    target, rule = labels(inputs, "indicator", lang)[str(first["target"])], labels(inputs, "share_rule", lang)[str(first["rule"])]
    return [
        t("decompose.title", lang, target=target, year=first["year"], rule=rule),
        t("decompose.of", lang, scenario=title, unit=unit),
        *table_lines(pl.DataFrame(rows)),
        t("decompose.note", lang),
        t(f"decompose.rule_{first['rule']}", lang),
    ]


def _scale(unit: str, lang: str) -> float:
    """Return units per shown unit: 10^4 t in Chinese, kt in English; coal equivalent is in kg."""
    return (1.0 if unit == "tCO2/yr" else 1e3) * (1e4 if lang == "zh" else 1e3)
