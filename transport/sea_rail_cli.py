"""The command ``transport sea-rail``: the share of boxes on trains over the years, and what would bring it to a target."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.arguments import Text
from transport.i18n import t
from transport.layout import BASE_YEAR, PROVINCE, YEARS
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from transport.scenario import Scenario
    from transport.sea_rail_needs import Answer

OK, FINDINGS = 0, 2
_TARGET, _TARGET_YEARS = 15.0, (2025, 2030)
_WAN = 1e4
_PATH_SHOWN = (
    "year",
    "sea_rail_teu",
    "teu_throughput",
    "share_pct",
    "growth_pct_per_year",
    "observed_period",
    "observed_teu",
    "observed_share_pct",
    "share_error_points",
    "used_for",
    "quality",
    "target_share_pct",
)
_NEEDS_SHOWN = ("kind", "name", "reached", "share_pct", "strength", "outlay_mcny", "unpriced", "levers")
_TIGHT_SHOWN = ("package", "kind", "place", "line", "vc_ratio", "sea_rail_teu")


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    parser = verbs.add_parser("sea-rail", parents=parents, help="help.command.sea_rail")
    parser.add_argument("scenario", nargs="?", default="baseline", help="help.sea_rail.scenario")
    parser.add_argument("--target", type=_share, default=_TARGET, metavar="PERCENT", help="help.sea_rail.target")
    parser.add_argument(
        "--year",
        type=int,
        choices=[y for y in YEARS if y > BASE_YEAR],
        metavar="YEAR",
        action="append",
        help=Text("help.sea_rail.year", years=" ".join(map(str, _TARGET_YEARS))),
    )
    parser.add_argument(
        "--capacity",
        choices=("equilibrium", "fixed"),
        help="help.sea_rail.capacity",
    )
    parser.set_defaults(command=_sea_rail)


def _share(text: str) -> float:
    found = float(text)
    if not 0.0 < found < 100.0:
        raise ValueError(text)
    return found


def _sea_rail(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.sea_rail_needs import answer

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    scenario = load_scenario(
        args.scenario,
        inputs.folder,
        inputs.levers,
        names=names_of(inputs.tables),
        draws=1,
        capacity=args.capacity,
        lang=args.lang,
    )
    years = sorted(set(args.year or _TARGET_YEARS))
    found = answer(inputs, scenario, args.target, years, tell=None if args.json else _tell(args.lang))
    if args.json:
        out(json.dumps(_json(found, scenario, args.target), ensure_ascii=False))
        return OK
    _print(found, scenario, args)
    return OK


def _tell(lang: str) -> Callable[[str], None]:
    return lambda step: err(t(f"sea_rail.solving_{step}", lang))


# --- output -------------------------------------------------------------------------------------------------------------------------


def _json(found: Answer, scenario: Scenario, target_pct: float) -> dict[str, Any]:
    return {
        "scenario": scenario.name,
        "capacity": scenario.capacity,
        "target_pct": target_pct,
        "path": [{k: _plain(v) for k, v in row.items()} for row in found.path.to_dicts()],
        "needs": found.needs.to_dicts(),
        "tight": found.tight.to_dicts(),
    }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(found: Answer, scenario: Scenario, args: argparse.Namespace) -> None:
    lang = args.lang

    def named(table: pl.DataFrame, columns: Sequence[str], digits: int = 2) -> pl.DataFrame:
        shown = table.select(pl.col(c).round(digits) if table.schema[c].is_float() else pl.col(c) for c in columns)
        return shown.rename({c: t(f"sea_rail.{c}", lang) for c in columns})

    whole = found.path.filter(pl.col("zone_id") == PROVINCE).with_columns(
        pl.col("sea_rail_teu", "teu_throughput", "observed_teu") / _WAN
    )
    out(t("sea_rail.title", lang, scenario=scenario.name))
    print_table(named(whole, _PATH_SHOWN))
    first = whole.filter(pl.col("share_pct") >= args.target)["year"].min()
    out("")
    out(t("sea_rail.met_in" if first else "sea_rail.never", lang, year=first or "", target=f"{args.target:g}"))
    for year in found.needs["year"].unique().sort().to_list():
        out("")
        out(t("sea_rail.needs", lang, year=year, target=f"{args.target:g}"))
        rows = found.needs.filter(pl.col("year") == year)
        print_table(named(rows, _NEEDS_SHOWN))
        best = rows.filter(pl.col("kind") == "package").row(0, named=True)
        if not best["reached"]:
            out(t("sea_rail.none_reaches", lang, target=f"{args.target:g}"))
        for row in rows.filter(pl.col("kind") == "at_capacity").iter_rows(named=True):
            key = "sea_rail.checked_met" if row["reached"] else "sea_rail.checked_missed"
            out(
                t(
                    key,
                    lang,
                    package=row["name"],
                    share=f"{row['share_pct']:.2f}",
                    strength=f"{row['strength']:.2f}",
                    target=f"{args.target:g}",
                )
            )
        out(t("sea_rail.tight", lang))
        print_table(named(found.tight.filter(pl.col("year") == year), _TIGHT_SHOWN))
