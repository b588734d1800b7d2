"""The command ``transport access``: who lives near a stop, how well cycling and walking hang together, on streets from a file or the map services."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.access_pack import DEFINITIONS, origin_of, pack_files, write_pack
from transport.i18n import labels, t
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    import polars as pl

    from networks.access import AccessRules
    from networks.streets import Streets
    from transport.access_pack import Origin
    from transport.inputs import Inputs

OK, FINDINGS = 0, 2


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    parser = verbs.add_parser("access", parents=parents, help="help.command.access")
    parser.add_argument("--area", required=True, metavar="CODE", help="help.access.area")
    parser.add_argument("--walk", type=Path, metavar="FILE", help="help.access.walk")
    parser.add_argument("--cycle", type=Path, metavar="FILE", help="help.access.cycle")
    parser.add_argument("--stops", type=Path, metavar="FILE", help="help.access.stops")
    parser.add_argument("--population", type=Path, required=True, metavar="FILE", help="help.access.population")
    online = parser.add_mutually_exclusive_group()
    online.add_argument("--place", help="help.access.place")
    online.add_argument("--point", type=_point, metavar="LAT,LON", help="help.access.point")
    parser.add_argument("--dist", type=_positive, default=5000.0, metavar="M", help="help.access.dist")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="help.access.cache")
    parser.add_argument("--km2", type=_positive, help="help.access.km2")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="help.access.out")
    parser.add_argument("--force", action="store_true", help="help.access.force")
    parser.add_argument(
        "--definition",
        choices=tuple(DEFINITIONS),
        default="network",
        help="help.access.definition",
    )
    parser.set_defaults(command=_access)


def _point(text: str) -> tuple[float, float]:
    lat, lon = (float(part) for part in text.split(","))
    if not (abs(lat) <= 90.0 and abs(lon) <= 180.0):
        raise ValueError(text)
    return lat, lon


def _positive(text: str) -> float:
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise ValueError(text)
    return number


def _access(args: argparse.Namespace) -> int:
    from networks.access import access_rules, measure
    from networks.errors import NetworkError
    from transport.inputs import load_inputs

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    wrong = _misused(args, labels(inputs, "area", args.lang))
    if wrong:
        return _refuse(wrong, args)
    try:
        rules = access_rules(inputs.parameters)
        streets, stops, homes = _read(args, rules)
        table = measure(streets["walk"], streets["cycle"], stops, homes, rules, km2=args.km2)
    except NetworkError as error:
        return _refuse(_told(error), args)
    named = [path.name for path in (args.walk, args.cycle, args.stops) if path is not None]
    asked = [args.place or "{:g},{:g}".format(*args.point)] if args.place or args.point else []
    origin = origin_of((*named, *asked, args.population.name), *(net.about for net in streets.values()))
    files = {} if args.out is None else pack_files(args.area, table, homes, origin, args.definition)
    if files:
        write_pack(args.out, files, lang=args.lang)
    _print(table, origin, inputs, args, is_written=bool(files))
    return OK


def _misused(args: argparse.Namespace, areas: dict[str, str]) -> list[str]:
    """Return what is wrong with the options themselves."""
    wrong = []
    if args.area not in areas:
        wrong.append(t("access.unknown_area", args.lang, area=args.area, known=", ".join(sorted(areas))))
    absent = [f"--{name}" for name in ("walk", "cycle", "stops") if getattr(args, name) is None]
    if absent and not args.place and not args.point:
        wrong.append(t("access.absent", args.lang, options=", ".join(absent)))
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        wrong.append(t("access.no_folder", args.lang, path=args.out))
    elif args.out is not None and args.out.is_dir() and any(args.out.iterdir()) and not args.force:
        wrong.append(t("network.taken", args.lang, path=args.out))
    return wrong


def _refuse(wrong: Sequence[str], args: argparse.Namespace) -> int:
    if args.json:
        out(json.dumps({"error": list(wrong)}, ensure_ascii=False))
        return FINDINGS
    err(t("access.refused", args.lang, count=len(wrong)))
    for line in wrong:
        err(f"- {line}")
    return FINDINGS


# ---- reading ----


def _read(args: argparse.Namespace, rules: AccessRules) -> tuple[dict[str, Streets], pl.DataFrame, pl.DataFrame]:
    """Return streets, stops and homes.

    Raises
    ------
    NetworkError
        Everything wrong with all of them at once.
    """
    import polars as pl

    from networks.access import problems
    from networks.errors import NetworkError
    from networks.formats import read_points
    from networks.osm import stops_from, streets_from

    point = None if args.point is None else (*args.point, args.dist)
    there: dict[str, Any] = {"place": args.place, "point": point, "cache": args.cache}
    place = {"lat": pl.Float64(), "lon": pl.Float64()}
    wrong: list[str] = []

    def read(load: Callable[[], Any]) -> Any:
        try:
            return load()
        except NetworkError as error:
            wrong.extend(_told(error))
            return None

    def load_streets(mode: str, file: Path | None) -> Streets:
        return streets_from(mode=mode, piece_m=rules.piece_m, **(there if file is None else {"graphml": file}))

    def load_stops() -> pl.DataFrame:
        return (
            stops_from(**there)
            if args.stops is None
            else read_points(args.stops, {"stop_id": pl.String(), "kind": pl.String(), **place})
        )

    nets = {mode: read(partial(load_streets, mode, getattr(args, mode))) for mode in ("walk", "cycle")}
    stops = read(load_stops)
    homes = read(lambda: read_points(args.population, {"point_id": pl.String(), **place, "population": pl.Float64()}))
    wrong += problems({mode: net for mode, net in nets.items() if net is not None}, stops, homes)
    if wrong:
        raise NetworkError("\n".join(wrong))
    return nets, stops, homes


def _told(error: Exception) -> list[str]:
    """Return the problems that an error lists, one per line."""
    lines = [line.removeprefix("- ") for line in str(error).splitlines()]
    return [line for line in lines if not re.fullmatch(r"\d+ problem(\(s\))?:", line)]


# ---- printing ----


def _print(table: pl.DataFrame, origin: Origin, inputs: Inputs, args: argparse.Namespace, *, is_written: bool) -> None:
    lang = args.lang
    if args.json:
        out(
            json.dumps(
                {
                    "area": args.area,
                    "files": list(origin.files),
                    "date": origin.date,
                    "attribution": origin.attribution,
                    "measures": table.to_dicts(),
                    "pack": str(args.out) if is_written else None,
                },
                ensure_ascii=False,
            )
        )
        return
    out(
        t(
            "access.title",
            lang,
            area=labels(inputs, "area", lang)[args.area],
            files=", ".join(origin.files),
            date=origin.date or "-",
        )
    )
    print_table(_shown(table, lang))
    out(t("access.definitions", lang))
    out(t("access.attribution", lang, attribution=origin.attribution))
    if is_written:
        out(t("access.written", lang, path=args.out, definition=t(f"access.{args.definition}", lang)))
    elif args.out is not None:
        out(t("access.nothing", lang))


def _shown(table: pl.DataFrame, lang: str) -> pl.DataFrame:
    import polars as pl

    rows = []
    for row in table.iter_rows(named=True):
        is_share = "share" in row["measure"]
        unit = "%" if is_share else "" if row["unit"] == "dimensionless" else row["unit"]
        digits = 0 if row["measure"] in {"stops", "calm_parts"} else 1 if is_share else 2
        scale = 100.0 if is_share else 1.0
        value, low, high = (None if row[c] is None else f"{scale * row[c]:,.{digits}f}" for c in ("value", "low", "high"))
        rows.append(
            {
                t("access.measure", lang): t(f"access.measures.{row['measure']}", lang),
                t("access.kind", lang): t(f"access.kinds.{row['kind']}", lang) if row["kind"] else "",
                t("access.value", lang): "-" if value is None else value,
                t("access.range", lang): "" if low is None else f"{low} - {high}",
                t("access.unit", lang): unit,
            }
        )
    return pl.DataFrame(rows)
