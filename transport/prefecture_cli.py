"""The command ``transport prefectures``: every indicator by prefecture, ranked, per head and per GDP, with qualities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.account_cli import model_options, models_of, title_of, useless_options
from transport.arguments import Text
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, SCOPES, YEARS
from transport.network_show import err, out

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    import polars as pl

    from transport.inputs import Inputs
    from transport.prefecture_series import Unplaced

OK, FAILURE, FINDINGS = 0, 1, 2
_SCENARIO, _YEAR = "plan_2030", 2030
_ENDINGS = (".csv", ".parquet")


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
        "prefectures",
        parents=parents,
        help="help.command.prefectures",
    )
    parser.add_argument(
        "scenario",
        nargs="?",
        default=_SCENARIO,
        metavar="SCENARIO|RUN",
        help="help.prefecture.scenario",
    )
    parser.add_argument("--area", metavar="CODE", help="help.prefecture.area")
    parser.add_argument("--indicator", metavar="ID", help="help.prefecture.indicator")
    parser.add_argument(
        "--year",
        type=int,
        choices=YEARS,
        default=_YEAR,
        metavar="YEAR",
        help=Text("help.prefecture.year", year=BASE_YEAR),
    )
    parser.add_argument("--per", choices=("head", "gdp"), help="help.prefecture.per")
    parser.add_argument("--scope", choices=SCOPES, help="help.prefecture.scope")
    parser.add_argument("--out", type=Path, metavar="FILE", help="help.prefecture.out")
    model_options(parser)
    parser.set_defaults(command=_prefectures)


def _prefectures(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs
    from transport.prefecture_profile import mix_scope, place_mix, prefecture_profile

    wrong = _wrong(args)
    if wrong:
        err(wrong)
        return FINDINGS
    inputs = load_inputs(pack=args.pack, lang=args.lang)
    area = None if args.area is None else _area(args.area, inputs)
    if args.area is not None and area is None:
        names = labels(inputs, "area", args.lang)
        known = ", ".join(f"{code} {names[code]}" for code in _prefecture_codes(inputs))
        err(t("prefecture.unknown_area", args.lang, area=args.area, known=known))
        return FINDINGS
    title, tables = _tables(args, inputs)
    table, without = prefecture_profile(tables, inputs, args.year, scope=args.scope)
    if args.indicator is not None and args.indicator not in set(table["id"].to_list()):
        err(_no_indicator(args, without, table))
        return FINDINGS
    chosen = table
    if area is not None:
        chosen = chosen.filter(_places(area))
    if args.indicator is not None:
        chosen = chosen.filter(_column("id") == args.indicator)
    scope = args.scope or mix_scope(table)
    mix = None if area is None else place_mix(tables, area, args.year, scope=scope)
    if args.out is not None:
        _write(args.out, chosen)
    if args.json:
        out(_json(args, chosen, without, mix))
        return OK
    for line in _lines(args, title, chosen, table, without, mix, inputs, area):
        out(line)
    if args.out is not None:
        out(t("prefecture.written", args.lang, file=str(args.out), rows=chosen.height))
    return OK


# ---- options -----------------------------------------------------------------------------------------------------------------------


def _wrong(args: argparse.Namespace) -> str | None:
    """Return the complaint about the options, None where all is well."""
    useless = useless_options([args.scenario], args)
    if useless:
        return t("cli.useless_options", args.lang, options=useless)
    if args.out is not None and args.out.suffix not in _ENDINGS:
        return t("prefecture.ending", args.lang, file=str(args.out))
    return None


def _prefecture_codes(inputs: Inputs) -> tuple[str, ...]:
    from transport.prefectures import prefectures

    return prefectures(inputs)


def _area(text: str, inputs: Inputs) -> str | None:
    """Return the code of a prefecture given by its code or by its name in either language, with or without the last character of the Chinese one."""
    wanted = text.strip().lower()
    for code in _prefecture_codes(inputs):
        names = [labels(inputs, "area", lang)[code].lower() for lang in ("zh", "en")]
        if wanted in {code, *names, names[0].removesuffix("市")}:
            return code
    return None


def _no_indicator(args: argparse.Namespace, without: Sequence[Unplaced], table: pl.DataFrame) -> str:
    from transport.prefecture_text import reason_text

    found = next((one for one in without if one.id == args.indicator), None)
    if found is not None:
        return t("prefecture.unknown_reason", args.lang, indicator=args.indicator, reason=reason_text(found, args.lang))
    known = ", ".join(table["id"].unique(maintain_order=True).to_list())
    return t("prefecture.unknown_indicator", args.lang, indicator=args.indicator, known=known)


def _column(name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name)


def _places(area: str) -> pl.Expr:
    """Return the rows of a prefecture and of the totals."""
    from transport.prefecture_text import TOTALS

    return _column("area").is_in([area, *TOTALS])


def _tables(args: argparse.Namespace, inputs: Inputs) -> tuple[str, Mapping[str, pl.DataFrame]]:
    """Return title and result tables of a run folder, of the stored run of a scenario, or of a run made now."""
    from transport.account_cli import MODEL_OPTIONS
    from transport.prefecture_series import NEEDED
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.store import StoreError, read_run, run_id, runs_folder
    from transport.study import tables_of

    folder = Path(args.scenario)
    if not folder.is_dir() and not any(getattr(args, option) for option in MODEL_OPTIONS):
        scenario = load_scenario(args.scenario, inputs.folder, inputs.levers, names=names_of(inputs.tables), lang=args.lang)
        folder = runs_folder() / run_id(scenario, inputs.data_hash)
    try:
        stored = read_run(folder)
    except StoreError:
        if Path(args.scenario).is_dir():
            raise
        made, parts = models_of(args.scenario, inputs, args)
        return title_of(made, args.lang), tables_of(parts)
    title = str(stored.manifest[f"title_{args.lang}"])
    return title, {name: stored.table(name) for name in NEEDED if name in stored.manifest["tables"]}


# ---- output ------------------------------------------------------------------------------------------------------------------------


def _json(args: argparse.Namespace, chosen: pl.DataFrame, without: Sequence[Unplaced], mix: pl.DataFrame | None) -> str:
    from transport.prefecture_text import reason_text

    found: dict[str, Any] = {"scenario": args.scenario, "year": args.year, "base_year": BASE_YEAR, "profile": chosen.to_dicts()}
    if args.indicator is None:
        found["unplaced"] = [one._asdict() | {"text": reason_text(one, args.lang)} for one in without]
    if mix is not None:
        found["mix"] = mix.to_dicts()
    return json.dumps(found, ensure_ascii=False)


def _write(path: Path, table: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        path.write_bytes(b"\xef\xbb\xbf" + table.write_csv().encode())  # the mark lets a spreadsheet read Chinese
    else:
        table.write_parquet(path, compression="zstd", statistics=False)


def _lines(
    args: argparse.Namespace,
    title: str,
    chosen: pl.DataFrame,
    table: pl.DataFrame,
    without: Sequence[Unplaced],
    mix: pl.DataFrame | None,
    inputs: Inputs,
    area: str | None,
) -> list[str]:
    """Return the answer as lines of text."""
    from transport.prefecture_profile import mix_scope
    from transport.prefecture_text import reason_text

    lang = args.lang
    measure = {"head": "per_head", "gdp": "per_gdp", None: "value"}[args.per]
    if table.is_empty():
        return [t("prefecture.none_here", lang)]
    made = [t("prefecture.overview_title", lang, scenario=title, year=args.year)]
    if area is not None:
        made += _area_lines(chosen, table, area, measure, inputs, lang)
        made += _mix_lines(mix, area, args.year, inputs, lang, scope=args.scope or mix_scope(table))
    elif args.indicator is not None:
        made += _indicator_lines(chosen, measure, inputs, lang)
    else:
        made += _overview_lines(table, measure, inputs, lang)
    if measure != "value":
        made.append(t("prefecture.head_note" if measure == "per_head" else "prefecture.gdp_note", lang, year=args.year))
    if args.indicator is None:
        named = labels(inputs, "indicator", lang)
        made += ["", t("prefecture.unplaced_many", lang)]
        made += [f"- {named.get(one.id, one.id)}: {reason_text(one, lang)}" for one in without]
    return [*made, "", t("prefecture.allocated", lang)]


def _overview_lines(table: pl.DataFrame, measure: str, inputs: Inputs, lang: str) -> list[str]:
    """Return one line per indicator: the province, the first and the last prefecture."""
    import polars as pl

    from transport.prefecture_text import TOTALS, end_text, place_names, series_name, unit_of, written
    from transport.text import table_lines

    names, qualities = place_names(inputs, lang), labels(inputs, "quality", lang)
    rows = []
    for _, mine in table.group_by(["id"], maintain_order=True):
        total = mine.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)
        rows.append(
            {
                t("prefecture.all_indicators", lang): series_name(total, measure, inputs, lang),
                t("prefecture.province", lang): written(total, measure, lang),
                t("prefecture.unit_column", lang): unit_of(total, measure, lang),
                t("prefecture.first", lang): end_text(mine, measure, names, lang),
                t("prefecture.last", lang): end_text(mine, measure, names, lang, last=True),
                t("prefecture.ranked", lang): mine[f"{measure}_rank"].count(),
                t("prefecture.quality", lang): qualities[total["quality"]],
                "ID": total["id"],
            }
        )
    return [*table_lines(pl.DataFrame(rows)), t("prefecture.overview_note", lang)]


def _indicator_lines(rows: pl.DataFrame, measure: str, inputs: Inputs, lang: str) -> list[str]:
    """Return one indicator, the prefectures by rank."""
    import polars as pl

    from transport.prefecture_series import CITIES
    from transport.prefecture_text import (
        headline,
        notes,
        order_text,
        place_names,
        rank_texts,
        series_name,
        sorted_by,
        sum_note,
        target_cells,
        unit_of,
        written,
    )
    from transport.text import table_lines

    rows = sorted_by(rows, measure)
    names, qualities = place_names(inputs, lang), labels(inputs, "quality", lang)
    first = rows.row(0, named=True)
    base = first["base_year"]
    columns = (
        "value",
        "change",
        "contribution",
        *(("by_own", "by_weight") if first["kind"] == "ratio" else ()),
        "per_head",
        "per_gdp",
    )
    total = rows.row(-1, named=True)
    shown = []
    for row, rank in zip(rows.iter_rows(named=True), rank_texts(rows, measure, lang), strict=True):
        cells = {t("prefecture.rank", lang): rank, t("prefecture.area", lang): names[row["area"]]}
        for column in columns:
            head = t(f"prefecture.{column}", lang, year=row["year"], base=base)
            cells[f"{head} [{unit_of(row, column, lang)}]"] = written(row, column, lang)
            if column == "change":
                cells[t("prefecture.numerator_pct" if first["kind"] == "ratio" else "prefecture.amount_pct", lang)] = _share(
                    row["numerator_pct"]
                )
        if total["area"] == CITIES:
            cells[t("prefecture.target", lang)], cells[t("prefecture.verdict", lang)] = target_cells(row, inputs, lang)
        quality = {"per_head": "per_head_quality", "per_gdp": "per_gdp_quality"}.get(measure, "quality")
        cells[t("prefecture.quality", lang)] = qualities.get(row[quality] or "", "-")
        shown.append(cells)
    title = t(
        "prefecture.indicator_title",
        lang,
        indicator=series_name(first, measure, inputs, lang),
        year=first["year"],
        unit=unit_of(first, measure, lang),
    )
    made = [
        title,
        *table_lines(pl.DataFrame(shown)),
        order_text(rows, measure, lang),
        sum_note(rows, lang),
    ]
    return [*made, *filter(None, [headline(rows, inputs, lang)]), *notes(rows, inputs, lang)]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _area_lines(chosen: pl.DataFrame, table: pl.DataFrame, area: str, measure: str, inputs: Inputs, lang: str) -> list[str]:
    """Return every indicator of one prefecture beside the total."""
    import polars as pl

    from transport.prefecture_text import TOTALS, place_names, rank_of, series_name, unit_of, with_unit, written
    from transport.text import table_lines

    names, qualities = place_names(inputs, lang), labels(inputs, "quality", lang)
    rows = []
    for (name,), mine in chosen.group_by(["id"], maintain_order=True):
        whole = table.filter(pl.col("id") == name)
        at = whole["area"].to_list().index(area)
        row = whole.row(at, named=True)
        total = mine.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)
        quality = {"per_head": "per_head_quality", "per_gdp": "per_gdp_quality"}.get(measure, "quality")
        rows.append(
            {
                t("prefecture.all_indicators", lang): series_name(row, measure, inputs, lang),
                t(f"prefecture.{measure}", lang, year=row["year"]): written(row, measure, lang),
                t("prefecture.province", lang): written(total, measure, lang),
                t("prefecture.unit_column", lang): unit_of(row, measure, lang),
                t("prefecture.rank", lang): rank_of(whole, area, measure, lang) or "-",
                t("prefecture.change", lang, base=row["base_year"]): with_unit(row, "change", lang),
                t("prefecture.share_of_province", lang): _share(row["numerator_pct"]),
                t("prefecture.contribution", lang): with_unit(row, "contribution", lang),
                t("prefecture.quality", lang): qualities.get(row[quality] or "", "-"),
            }
        )
    title = t("prefecture.area_title", lang, area=names[area], year=table["year"][0])
    return [title, *table_lines(pl.DataFrame(rows))]


def _mix_lines(mix: pl.DataFrame | None, area: str, year: int, inputs: Inputs, lang: str, *, scope: str) -> list[str]:
    """Return what the prefecture's transport is made of beside the province's."""
    import polars as pl

    from transport.prefecture_text import mix_names, place_names
    from transport.text import table_lines

    if mix is None or mix.is_empty():
        return []
    name = place_names(inputs, lang)[area]
    codes = mix_names(inputs, lang)
    made = ["", t("prefecture.mix_title", lang, area=name, year=year)]
    for (of,), rows in mix.group_by(["of"], maintain_order=True):
        head = t(f"prefecture.mix_{of}", lang, scope=labels(inputs, "scope", lang)[scope])
        cells = [
            {head: codes.get(code, code), name: _share(share), t("prefecture.province", lang): _share(whole)}
            for code, share, whole in rows.select("code", "share_pct", "province_pct").iter_rows()
        ]
        made += table_lines(pl.DataFrame(cells))
    return made
