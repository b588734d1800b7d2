"""The command ``transport simulate``: the charging of every bus, taxi, airport, truck corridor and berth of a province, hour by hour."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.account_cli import model_options
from transport.arguments import Text, refuse
from transport.i18n import has_text, labels, listed, t
from transport.layout import PROVINCE, YEARS
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from transport.inputs import Inputs
    from transport.scenario import Scenario
    from transport.simulate_run import Request
    from transport.store import StoredRun

OK, FINDINGS = 0, 2
#: Areas and systems of the rows that are sums of what was asked for.
_TOTALS = (PROVINCE, "selected")
_TOGETHER = ("all", "selected")
#: System -> its indicators that are printed, as far as it has them.
MAIN: dict[str, tuple[str, ...]] = {
    "bus_depot": (
        "grid_kwh",
        "energy_kwh_per_km",
        "served_share",
        "electricity_cny_per_kwh",
        "evening_kw",
        "peak_response_share",
    ),
    "taxi_city": ("grid_kwh", "energy_kwh_per_km", "lost_km_share", "electricity_cny_per_kwh", "evening_kw"),
    "airport": ("turnarounds", "missed_share", "ground_power_share", "turbine_fuel_t", "equipment_kwh", "evening_kw"),
    "truck_corridor": ("visits", "visits_served_share", "wait_mean_min", "plug_wait_mean_min", "grid_kwh", "evening_kw"),
    "shore_power": (
        "calls",
        "shore_power_energy_share",
        "shore_power_kwh",
        "auxiliary_fuel_t",
        "anchorage_wait_mean_h",
        "peak_kw",
    ),
}
_SHARE_UNITS = ("dimensionless",)
_PERCENT = 100.0


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
        "simulate",
        parents=parents,
        help="help.command.simulate",
    )
    parser.add_argument("scenario", help="help.shared.scenario")
    parser.add_argument("--years", nargs="+", type=int, metavar="YEAR", help="help.simulate.years")
    parser.add_argument("--systems", nargs="+", metavar="SYSTEM", help=Text("help.simulate.systems", systems=" ".join(MAIN)))
    parser.add_argument("--areas", nargs="+", metavar="CODE", help="help.simulate.areas")
    parser.add_argument(
        "--schedule",
        action="append",
        default=[],
        metavar="AIRPORT=FILE",
        help="help.simulate.schedule",
    )
    parser.add_argument("--set", action="append", default=[], metavar="LEVER=VALUE", help="help.shared.set")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="help.simulate.out")
    parser.add_argument("--workers", type=_positive, metavar="N", help="help.shared.workers")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="help.simulate.scheduler")
    parser.add_argument(
        "--feedback",
        action="store_true",
        help="help.simulate.feedback",
    )
    parser.add_argument("--again", action="store_true", help="help.simulate.again")
    parser.add_argument("--quiet", action="store_true", help="help.shared.quiet_run")
    parser.add_argument("--progress", type=Path, metavar="FILE", help="help.shared.progress")
    model_options(parser)
    parser.set_defaults(command=_simulate)


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        refuse("simulate.workers", given=text)
    return number


def _simulate(args: argparse.Namespace) -> int:
    from transport.cli import settings
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.simulate_run import make_request, simulate_scenario, simulation_folder, stored_simulation

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    wrong = _wrong(args, inputs)
    if wrong:
        err(wrong)
        return FINDINGS
    schedules, findings = _schedules(args, inputs)
    if findings:
        for finding in findings:
            err(finding)
        return FINDINGS
    scenario = load_scenario(
        args.scenario,
        inputs.folder,
        inputs.levers,
        extra=settings(args.set, args.lang),
        names=names_of(inputs.tables),
        simulate=args.simulate,
        capacity=args.capacity,
        network=args.network,
        sales=args.sales,
        lang=args.lang,
    )
    if args.feedback:
        return _feedback(args, scenario, inputs)
    request = make_request(inputs, years=args.years, systems=args.systems, areas=args.areas, schedules=schedules)
    folder = args.out or simulation_folder(scenario, inputs, request)
    kept = not args.again and stored_simulation(folder, scenario, inputs, request) is not None
    with _bar(args) as tell:
        stored = simulate_scenario(
            scenario,
            inputs,
            request,
            folder=folder,
            workers=args.workers,
            scheduler=args.scheduler,
            again=args.again,
            progress=tell,
        )
    if args.json:
        out(json.dumps(_json(stored, kept=kept), ensure_ascii=False))
        return OK
    _show(stored, scenario, request, inputs, args.lang)
    seconds = f"{stored.manifest['seconds']:.1f}"
    out(t("simulate.kept" if kept else "cli.written", args.lang, folder=str(stored.folder), seconds=seconds))
    return OK


def _feedback(args: argparse.Namespace, scenario: Scenario, inputs: Inputs) -> int:
    """Make and print the table of factors for the year model."""
    from transport.simulate_run import feedback_scenario
    from transport.weeks.province import DEFAULT_YEARS

    with _bar(args) as tell:
        stored = feedback_scenario(
            scenario,
            inputs,
            years=args.years or DEFAULT_YEARS,
            folder=args.out,
            workers=args.workers,
            scheduler=args.scheduler,
            again=args.again,
            progress=tell,
        )
    table = stored.table("feedback")
    if args.json:
        who = {"scenario": stored.manifest["scenario"], "hash": stored.manifest["run_id"], "folder": str(stored.folder)}
        out(json.dumps({**who, "feedback": table.to_dicts()}, ensure_ascii=False))
        return OK
    out(t("simulate.feedback_heading", args.lang, title=scenario.title_zh if args.lang == "zh" else scenario.title_en))
    print_table(_factors(table, inputs, args.lang))
    out(t("cli.written", args.lang, folder=str(stored.folder), seconds=f"{stored.manifest['seconds']:.1f}"))
    out(t("simulate.feedback_use", args.lang, folder=str(stored.folder)))
    return OK


def _factors(table: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    import polars as pl

    from transport.weeks.feedback import NEUTRAL, SMALL_CITIES

    systems = labels(inputs, "system", lang)
    areas = {**labels(inputs, "area", lang), SMALL_CITIES: t("simulate.small_cities", lang)}
    rows = []
    for key, cells in table.group_by(["system", "area", "year", "supply_ratio"], maintain_order=True):
        system, area, year, ratio = (str(part) for part in key)
        of = dict(cells.select("factor", "value").iter_rows())
        shown = {
            t(f"simulate.factor_{name}", lang): f"{of[name]:.3f}" if neutral else f"{of[name] * _PERCENT:.1f}"
            for name, neutral in NEUTRAL.items()
        }
        rows.append(
            {
                t("simulate.system", lang): systems[system],
                t("simulate.area", lang): areas[area],
                t("simulate.year", lang): year,
                t("simulate.ratio", lang): ratio,
                **shown,
            }
        )
    return pl.DataFrame(rows)


def _wrong(args: argparse.Namespace, inputs: Inputs) -> str:
    """Return what is wrong with the years, systems and areas named; empty where nothing is."""
    from transport.travel import prefectures
    from transport.weeks.province import known_systems

    for option in ("systems", "areas", "schedule"):
        if args.feedback and getattr(args, option):
            return t("simulate.feedback_alone", args.lang, option=f"--{option}")
    known: dict[str, Sequence[Any]] = {
        "years": YEARS,
        "systems": known_systems(),
        "areas": prefectures(inputs.table("codes")),
    }
    for option, allowed in known.items():
        for name in getattr(args, option) or ():
            if name not in allowed:
                listed = f"{YEARS[0]}-{YEARS[-1]}" if option == "years" else ", ".join(allowed)
                return t("simulate.unknown", args.lang, option=f"--{option}", value=name, known=listed)
    return ""


def _schedules(args: argparse.Namespace, inputs: Inputs) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """Return the timetables named, and what is wrong with any of them, files and airports alike."""
    from fleets.formats import read_schedule
    from fleets.gtfs import FormatError
    from transport.weeks.airports import SIZES, known_airports

    known = known_airports(inputs) if args.schedule else {}
    here = [place for place, area in known.items() if not args.areas or area in args.areas]
    found: dict[str, pl.DataFrame] = {}
    seen: set[str] = set()
    wrong: list[str] = []
    if args.schedule and args.systems and "airport" not in args.systems:
        wrong.append(t("simulate.schedule_system", args.lang))
    for text in args.schedule:
        place, _, file = (part.strip() for part in text.partition("="))
        if not place or not file:
            wrong.append(t("simulate.schedule_syntax", args.lang, value=text))
        elif place not in here:
            wrong.append(t("simulate.schedule_airport", args.lang, value=place, known=", ".join(here) or "-"))
        elif place in seen:
            wrong.append(t("simulate.schedule_twice", args.lang, value=place))
        else:
            seen.add(place)
            try:
                found[place] = read_schedule(file, SIZES)
            except FormatError as problem:
                wrong.append(t("simulate.schedule_file", args.lang, place=place, problem=str(problem)))
    return found, wrong


def _show(stored: StoredRun, scenario: Scenario, request: Request, inputs: Inputs, lang: str) -> None:
    """Print the indicators of every system and year, what was simulated, and what was not."""
    import polars as pl

    table = stored.table("simulation")
    title = scenario.title_zh if lang == "zh" else scenario.title_en
    whole = set(request.areas) == set(_all_areas(inputs))
    # a choice of places has a sum of its own
    where = (
        labels(inputs, "area", lang)[PROVINCE]
        if whole
        else listed((labels(inputs, "area", lang)[a] for a in request.areas), lang)
    )
    for one in request.timetables:
        out(t("simulate.scheduled", lang, place=one.place, count=one.table.height))
    for year in request.years:
        out(t("simulate.heading", lang, title=title, year=year, where=where))
        of_year = table.filter(pl.col("year") == year, pl.col("area").is_in(_TOTALS), pl.col("week") == "year")
        if of_year.is_empty():
            out(t("simulate.nothing", lang))
            continue
        print_table(_indicators(of_year, inputs, lang))
        print_table(_counts(of_year, stored, year, inputs, lang))
        answer = stored.table("peak_response").filter(pl.col("year") == year, pl.col("area").is_in(_TOTALS))
        for row in answer.filter(pl.col("system").is_in(_TOGETHER)).iter_rows(named=True):
            out(_peak_line(row, lang))
        told = answer.filter(pl.col("reason") != "", ~pl.col("system").is_in(_TOGETHER)).unique(["reason", "system"])
        for (reason,), rows in told.sort("reason", "system").group_by(["reason"], maintain_order=True):
            names = labels(inputs, "system", lang)
            said = listed((names.get(s, s) for s in rows["system"].to_list()), lang)
            out(t(f"simulate.{reason}", lang, systems=said))
        out("")
    skipped = stored.table("simulation_skipped")
    for (year, system, reason), rows in skipped.group_by(["year", "system", "reason"], maintain_order=True):
        names = labels(inputs, "area", lang)
        areas = listed((names.get(a, a) for a in rows["area"].to_list()), lang)
        name = labels(inputs, "system", lang).get(str(system), str(system))
        out(t(f"simulate.skipped_{reason}", lang, system=name, year=year, areas=areas))


def _indicators(rows: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    import polars as pl

    names = labels(inputs, "system", lang)
    shown: list[dict[str, str]] = []
    for system, metrics in MAIN.items():
        found = {r["metric"]: r for r in rows.filter(pl.col("system") == system).iter_rows(named=True)}
        for metric in metrics:
            if metric in found:
                row = found[metric]
                unit = row["unit"]
                key = f"simulate.metric_{metric}"
                shown.append(
                    {
                        t("simulate.system", lang): names.get(system, system),
                        t("simulate.indicator", lang): t(key, lang) if has_text(key, lang) else metric,
                        t("simulate.value", lang): _number(row["value"], unit),
                        t("simulate.interval", lang): _interval(row["low"], row["high"], unit),
                        t("simulate.unit", lang): "%" if unit in _SHARE_UNITS else _SCALED.get(unit, (1.0, unit))[1],
                    }
                )
    return pl.DataFrame(shown)


def _counts(rows: pl.DataFrame, stored: StoredRun, year: int, inputs: Inputs, lang: str) -> pl.DataFrame:
    import polars as pl

    names = labels(inputs, "system", lang)
    seconds = stored.manifest.get("system_seconds", {})
    first = rows.unique("system", keep="first", maintain_order=True)
    return pl.DataFrame(
        [
            {
                t("simulate.system", lang): names.get(row["system"], row["system"]),
                t("simulate.vehicles", lang): f"{row['vehicles']:,}",
                t("simulate.scale", lang): f"{row['scale']:.2f}",
                t("simulate.events", lang): f"{row['events']:,}",
                t("simulate.seconds", lang): f"{seconds.get(' '.join((row['system'], str(year))), 0.0):.1f}",
            }
            for row in first.iter_rows(named=True)
        ]
    )


def _peak_line(row: dict[str, Any], lang: str) -> str:
    return t(
        "simulate.peak",
        lang,
        week=t(f"simulate.week_{row['week']}", lang),
        unmanaged=f"{row['peak_kw_unmanaged'] / 1e3:,.0f}",
        managed=f"{row['peak_kw'] / 1e3:,.0f}",
        response=f"{row['response_kw'] / 1e3:,.0f}",
        share=f"{row['response_share'] * _PERCENT:.1f}",
        rows=_percent(row["response_share_of_rows"], ".1f"),
        difference=_percent(row["difference"], "+.1f"),
        grid=f"{row['share_of_provincial_peak'] * _PERCENT:.2f}",
        interval=_interval(row["low"], row["high"], "dimensionless", digits=2),
    )


def _percent(share: float | None, shape: str) -> str:
    return "-" if share is None else f"{share * _PERCENT:{shape}}"


#: Units that are shown on another scale: divisor and unit.
_SCALED: dict[str, tuple[float, str]] = {
    "kWh/yr": (1e6, "GWh/yr"),
    "kW": (1e3, "MW"),
    "dimensionless": (1 / _PERCENT, "%"),
}


def _number(value: float, unit: str, digits: int | None = None) -> str:
    size = value / _SCALED.get(unit, (1.0, unit))[0]
    if digits is None:
        digits = 0 if abs(size) >= 1000 else 1 if abs(size) >= 10 else 3
    return f"{size:,.{digits}f}"


def _interval(low: float | None, high: float | None, unit: str, digits: int | None = None) -> str:
    return "-" if low is None or high is None else f"{_number(low, unit, digits)} - {_number(high, unit, digits)}"


def _all_areas(inputs: Inputs) -> tuple[str, ...]:
    from transport.travel import prefectures

    return prefectures(inputs.table("codes"))


def _json(stored: StoredRun, *, kept: bool) -> dict[str, Any]:
    import polars as pl

    manifest = stored.manifest
    table = stored.table("simulation").filter(pl.col("area").is_in(_TOTALS))
    return {
        "scenario": manifest["scenario"],
        "hash": manifest["run_id"],
        "folder": str(stored.folder),
        "kept": kept,
        **({"schedules": manifest["schedules"]} if "schedules" in manifest else {}),
        "seconds": manifest["seconds"],
        "system_seconds": manifest.get("system_seconds", {}),
        "simulation": table.to_dicts(),
        "peak_response": stored.table("peak_response").filter(pl.col("area").is_in(_TOTALS)).to_dicts(),
        "skipped": stored.table("simulation_skipped").to_dicts(),
    }


@contextmanager
def _bar(args: argparse.Namespace) -> Iterator[Callable[[int, int, str], None]]:
    """Show a progress bar on a terminal, and write JSON lines for the app."""
    quiet = args.quiet or args.json or not sys.stderr.isatty()
    bar: Any = None

    def tell(done: int, count: int, name: str) -> None:
        nonlocal bar
        if args.progress is not None:
            with args.progress.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": done, "steps": count, "name": name}) + "\n")
        if quiet:
            return
        if bar is None:
            from tqdm import tqdm

            bar = tqdm(total=count, bar_format="{l_bar}{bar:24}| {n_fmt}/{total_fmt} {elapsed}", ascii=True, leave=False)
        bar.set_description_str(name)
        bar.update(done - bar.n)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()
