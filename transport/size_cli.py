"""The command ``transport size``: the fewest plugs of a place for limits of its service, and the smallest feeder of a depot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.arguments import Text, refuse
from transport.i18n import labels, t
from transport.layout import YEARS
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from transport.inputs import Inputs

OK, FINDINGS = 0, 2
_YEAR, _SCENARIO, _WEEK = 2030, "plan_2030", "winter"


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    parser = verbs.add_parser(
        "size",
        parents=parents,
        help="help.command.size",
    )
    parser.add_argument("system", metavar="SYSTEM", help="help.size.system")
    parser.add_argument("--area", required=True, metavar="CODE", help="help.size.area")
    parser.add_argument(
        "--place",
        default="",
        metavar="NODE",
        help="help.size.place",
    )
    parser.add_argument("--year", type=int, choices=YEARS, metavar="YEAR", default=_YEAR, help="help.size.year")
    parser.add_argument("--scenario", default=_SCENARIO, metavar="NAME", help="help.size.scenario")
    parser.add_argument(
        "--week",
        nargs="+",
        default=[_WEEK],
        metavar="WEEK",
        help=Text("help.size.week", week=_WEEK),
    )
    parser.add_argument(
        "--limit",
        nargs="+",
        type=_limit,
        default=[],
        metavar="STATISTIC=VALUE",
        help="help.size.limit",
    )
    parser.add_argument(
        "--fleet",
        action="store_true",
        help="help.size.fleet",
    )
    parser.add_argument(
        "--schedule",
        type=Path,
        metavar="FILE",
        help="help.size.schedule",
    )
    parser.add_argument("--set", action="append", default=[], metavar="LEVER=VALUE", help="help.shared.set")
    parser.add_argument("--out", type=Path, metavar="FILE", help="help.size.out")
    parser.set_defaults(command=_size)


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not name or not number >= 0.0:
        refuse("sizing.bad_limit", given=text)
    return name, number


def _size(args: argparse.Namespace) -> int:
    from fleets.formats import read_schedule
    from transport.cli import settings
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.sizing import BY_VISIT, SYSTEMS, SizingError, airport_fleet, place_of, size_place
    from transport.sizing_text import sizing_text, sizing_view
    from transport.weeks.airports import SIZES

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    named = labels(inputs, "area", args.lang)
    if args.area not in named:
        err(t("sizing.unknown_area", args.lang, area=args.area))
        return FINDINGS
    scenario = load_scenario(
        args.scenario,
        inputs.folder,
        inputs.levers,
        extra=settings(args.set, args.lang),
        names=names_of(inputs.tables),
        lang=args.lang,
        simulate="none",
    )
    if args.schedule is not None and args.system in SYSTEMS and args.system != "airport":
        err(t("sizing.no_schedule", args.lang, system=args.system))
        return FINDINGS
    try:
        place = place_of(
            inputs,
            scenario,
            args.system,
            args.area,
            place=args.place,
            year=args.year,
            weeks=args.week,
            limits=dict(args.limit),
            schedule=None if args.schedule is None else read_schedule(args.schedule, SIZES),
        )
    except SizingError as problem:
        err(problem.said(args.lang))
        return FINDINGS
    except ValueError as problem:
        err(t("cli.failed", args.lang, problem=str(problem)))
        return FINDINGS
    table = size_place(place)
    fleet = airport_fleet(place) if args.fleet and args.system == "airport" else None
    if args.out is not None:
        _write(table, args.out)
        if fleet is not None:
            _write(fleet, args.out.with_stem(f"{args.out.stem}_fleet"))
    if args.json:
        rows = _plain(table)
        out(json.dumps(rows if fleet is None else {"sizing": rows, "fleet": _plain(fleet)}))
        return OK
    key = "sizing.heading_visits" if args.system in BY_VISIT else "sizing.heading"
    out(t(key, args.lang, **_heading(table, inputs, args)))
    for what in table["what"].unique(maintain_order=True):
        part = table.filter(table["what"] == what)
        out("")
        out(sizing_text(part, args.lang))
        print_table(sizing_view(part, args.lang))
    if fleet is not None:
        _fleet(fleet, inputs, args)
    out("")
    out(t("sizing.weak", args.lang))
    if args.out is not None:
        out(t("sizing.written", args.lang, file=str(args.out)))
    return OK


def _fleet(table: pl.DataFrame, inputs: Inputs, args: argparse.Namespace) -> None:
    """Print what an all-electric fleet needs with charging in gaps and at night only, beside the published figures."""
    kinds = {
        **labels(inputs, "ground_equipment", args.lang),
        **{item: t(f"sizing.item_{item}", args.lang) for item in ("units", "plugs")},
    }
    rules = {rule: t(f"sizing.rule_{rule}", args.lang) for rule in ("gaps", "overnight")}
    heads = {
        column: t(f"sizing.column_{column}", args.lang) for column in ("rule", "item", "number", "charges", "extra", "meets")
    }
    rows = [
        {
            heads["rule"]: rules[r["rule"]],
            heads["item"]: kinds[r["item"]],
            heads["number"]: str(r["number"]),
            heads["charges"]: "" if r["charges_per_day"] is None else f"{r['charges_per_day']:.1f}",
            heads["extra"]: "" if r["extra_share"] is None else f"{100 * r['extra_share']:+.0f} %",
            heads["meets"]: t("sizing.yes" if r["feasible"] else "sizing.no", args.lang),
        }
        for r in table.iter_rows(named=True)
    ]
    out("")
    out(t("sizing.fleet", args.lang))
    print_table(pl.DataFrame(rows))
    published = inputs.parameters.filter(pl.col("parameter") == "ref_gse_overnight_extra_units").sort("value")
    if not published.is_empty():
        said = ", ".join(f"{s} {v:g} {u}" for s, v, u in published.select("subject", "value", "unit").iter_rows())
        out(t("sizing.published", args.lang, values=said))


def _plain(table: pl.DataFrame) -> list[dict[str, object]]:
    """Return rows for JSON, which knows no infinite wait: it is missing, as what nobody is served within."""
    floats = pl.col(pl.Float64)
    return table.with_columns(pl.when(floats.is_finite()).then(floats)).to_dicts()


def _heading(table: pl.DataFrame, inputs: Inputs, args: argparse.Namespace) -> dict[str, object]:
    first = table.row(0, named=True)
    weeks = labels(inputs, "week", args.lang)
    area = labels(inputs, "area", args.lang)[args.area]
    return {
        "system": labels(inputs, "system", args.lang)[args.system],
        "area": f"{area} {args.place}".strip(),
        "year": first["year"],
        "weeks": ("、" if args.lang == "zh" else ", ").join(weeks.get(w, w) for w in args.week),
        "vehicles": first["vehicles"],
        "scale": f"{first['scale']:.1f}",
    }


def _write(table: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        # a mark at the beginning tells spreadsheets that the file is UTF-8
        table.write_csv(path, include_bom=True)
    else:
        table.write_parquet(path)
