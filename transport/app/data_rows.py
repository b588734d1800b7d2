"""Every number of the data as one table with source and quality, and what belongs to one of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.check_problems import nearest
from transport.i18n import has_text, labels, t
from transport.inputs import REFERENCE_PREFIX
from transport.layout import QUALITY_ORDER
from transport.template.layout import cited, subject_label, subject_words
from transport.template.words import words_of_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs

#: Columns of the table: codes first, then words.
COLUMNS: dict[str, type[pl.DataType]] = {
    "table": pl.String,
    "name": pl.String,
    "subject": pl.String,
    "year": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "quality": pl.String,
    "source": pl.String,
    "note": pl.String,
    "use": pl.String,
}
#: What a number is for: read by runs, held against results, kept for comparison, a fact of the network or of demand.
USES = ("model", "observed", "reference", "table")
#: Chinese characters.
_CHINESE = re.compile("[\u4e00-\u9fff]")
#: A part of a unit.
_UNIT = re.compile(r"\w+")
#: Items of statistics that say nothing: the whole.
_WHOLE = frozenset({"headline", "total"})
#: In which order the page shows them: what a bureau publishes itself comes first.
_ORDER = ("observed", "model", "table", "reference")
#: Tables whose numbers are points of a drawing or of a map graph; the page of licences says where they are from.
_DRAWN = frozenset({"networks/shapes", "networks/fine/links", "networks/fine/nodes"})
_HIDDEN_NUMBERS = frozenset({"low", "high", "year", "lat", "lon"})


def all_rows(inputs: Inputs) -> pl.DataFrame:
    """Return every number with its source and quality: parameters, observed statistics, and the numbers of all other tables that name a source.

    Parameters
    ----------
    inputs
        Checked data.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`COLUMNS`; a number of another table has the column as its name and the key of its row as its subject.
    """
    is_reference = pl.col("parameter").str.starts_with(REFERENCE_PREFIX)
    parts = [
        inputs.parameters.select(
            table="file",
            name="parameter",
            subject="subject",
            year=pl.col("year").cast(pl.String),
            value="value",
            low="low",
            high="high",
            unit="unit",
            quality="quality",
            source="source",
            note="note",
            use=pl.when(is_reference).then(pl.lit("reference")).otherwise(pl.lit("model")),
        )
    ]
    for name, table in inputs.tables.items():
        if name.startswith("observed/"):
            parts.append(_observed(name, table))
        elif {"source", "quality"} <= set(table.columns) and name not in _DRAWN and not table.is_empty():
            parts += _numbers(name, table, inputs)
    return pl.concat([part.cast(pl.Schema(COLUMNS)) for part in parts])


def _observed(name: str, table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        table=pl.lit(name),
        name="series",
        subject=pl.concat_str("area", "mode", "item", separator=" ", ignore_nulls=True),
        year="period",
        value="value",
        low="low",
        high="high",
        unit="unit",
        quality="quality",
        source="source",
        note="footnote",
        use=pl.lit("observed"),
    )


def _numbers(name: str, table: pl.DataFrame, inputs: Inputs) -> list[pl.DataFrame]:
    """Return the numbers of a table of another kind, one part per column."""
    described = inputs.table("dictionary").filter(pl.col("table") == name)
    keys = described.filter("key", pl.col("column") != "year")["column"].to_list()
    made = []
    for column, dtype, unit, is_key in described.select("column", "dtype", "unit", "key").iter_rows():
        if dtype not in {"float", "int"} or is_key or column in _HIDDEN_NUMBERS or column not in table.columns:
            continue
        first = column in {"value", "t_per_year", "cost_cny"}
        year = next((c for c in ("year", "period") if c in table.columns), None)
        made.append(
            table.filter(pl.col(column).is_not_null()).select(
                table=pl.lit(name),
                name=pl.lit(column),
                subject=pl.concat_str([pl.col(k).cast(pl.String) for k in keys], separator=" ", ignore_nulls=True),
                year=pl.col(year).cast(pl.String) if year else pl.lit(None, dtype=pl.String),
                value=pl.col(column).cast(pl.Float64),
                low=pl.col("low") if first and "low" in table.columns else pl.lit(None, dtype=pl.Float64),
                high=pl.col("high") if first and "high" in table.columns else pl.lit(None, dtype=pl.Float64),
                unit=pl.col("unit") if "unit" in table.columns else pl.lit(unit or ""),
                quality="quality",
                source="source",
                note=pl.col("note") if "note" in table.columns else pl.lit(None, dtype=pl.String),
                use=pl.lit("table"),
            )
        )
    return made


def worded(rows: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the table with words beside the codes, statistics first, what was not found last.

    Added are ``table_name``, ``called``, ``of``, ``quality_name``, ``citation``, ``use_name``, ``unit_name`` and the range as a text ``span``.

    Parameters
    ----------
    rows
        As :func:`all_rows` makes them.
    inputs
        Checked data.
    lang
        Language of the words.
    """
    words = subject_words(inputs, lang)
    subjects = rows["subject"].unique().drop_nulls().to_list()
    said = {
        s: " ".join(subject_label(part, words, lang) for part in s.split(" ") if part not in _WHOLE or part == s)
        for s in subjects
    }
    columns = {
        (table, column): label
        for table, column, label in inputs.table("dictionary").select("table", "column", f"label_{lang}").iter_rows()
    }
    names = words_of_names(inputs, lang)
    pairs = rows.select("table", "name").unique().rows()
    called = {f"{a}|{b}": names.get(b) or columns.get((a, b)) or b for a, b in pairs}
    uses = {use: t(f"data_page.use_{use}", lang) for use in USES}
    order = {use: place for place, use in enumerate(_ORDER)}
    units = {unit: unit_name(unit, lang) for unit in rows["unit"].unique().drop_nulls().to_list()}
    tables = {name: table_name(name, lang) for name in rows["table"].unique().to_list()}
    return rows.with_columns(
        table_name=pl.col("table").replace_strict(tables),
        called=pl.concat_str("table", pl.lit("|"), "name").replace_strict(called),
        of=pl.col("subject").replace_strict(said, default=None),
        quality_name=pl.col("quality").replace(labels(inputs, "quality", lang)),
        citation=pl.col("source").replace(cited(inputs, lang)),
        use_name=pl.col("use").replace_strict(uses),
        unit_name=pl.col("unit").replace_strict(units, default=None),
        span=pl.Series([_span(low, high) for low, high in rows.select("low", "high").iter_rows()], dtype=pl.String),
    ).sort(pl.col("value").is_null(), pl.col("use").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)


def table_name(table: str, lang: str) -> str:
    """Return what a table is called; one without a name of its own is named by its file."""
    key = f"data_page.table.{table.replace('/', '_')}"
    return t(key, lang) if has_text(key, lang) else table


def unit_name(unit: str, lang: str) -> str:
    """Return a unit as people write it, part by part unless the whole has a name; nothing for a pure number.

    Parameters
    ----------
    unit
        Of the data, for example ``t/yr``.
    lang
        Language.

    Examples
    --------
    >>> unit_name("CNY/TEU/km", "zh"), unit_name("CNY/TEU/km", "en"), unit_name("dimensionless", "zh")
    ('元/标箱/公里', 'CNY/TEU/km', '')
    """
    if unit in {"", "dimensionless"}:
        return ""
    whole = _unit_word(unit.replace("/", "_per_"), lang)
    return whole or _UNIT.sub(lambda part: _unit_word(part[0], lang) or part[0], unit)


def _unit_word(unit: str, lang: str) -> str:
    key = f"data_page.unit.{unit}"
    return t(key, lang) if has_text(key, lang) else ""


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{plain(low)} – {plain(high)}"


def searched(
    rows: pl.DataFrame,
    text: str = "",
    *,
    tables: Sequence[str] = (),
    qualities: Sequence[str] = (),
    uses: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the rows that hold every word of a text and belong to what was chosen; nothing chosen leaves all.

    Parameters
    ----------
    rows
        As :func:`worded` makes them.
    text
        Words to look for in names, subjects, sources and notes, apart by spaces; case does not count.
    tables, qualities, uses, sources
        Codes.
    """
    found = rows
    for column, chosen in (("table", tables), ("quality", qualities), ("use", uses), ("source", sources)):
        if chosen:
            found = found.filter(pl.col(column).is_in(list(chosen)))
    texts = ["name", "called", "subject", "of", "year", "table", "table_name", "citation", "note"]
    whole = pl.concat_str([pl.col(c).fill_null("") for c in texts], separator="\n").str.to_lowercase()
    for word in text.lower().split():
        found = found.filter(whole.str.contains(word, literal=True))
    return found


def linked(rows: pl.DataFrame, query: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows that a link names, see :mod:`transport.app.data_links`; none where it names nothing.

    Parameters
    ----------
    rows
        As :func:`all_rows` makes them.
    query
        Of the address.
    """
    if query.get("parameter"):
        wanted = pl.col("use").is_in(["model", "reference"]) & (pl.col("name") == query["parameter"])
        for name in ("subject", "year"):
            if query.get(name):
                wanted &= pl.col(name) == query[name]
        return rows.filter(wanted)
    if query.get("series"):
        wanted = (pl.col("use") == "observed") & (pl.col("name") == query["series"])
        parts = [query[name] for name in ("area", "mode", "item") if query.get(name)]
        if query.get("period"):
            wanted &= pl.col("year") == query["period"]
        # a statistic without a mode has no part that tells it from the same one by mode: what is named in full stands alone
        exact = rows.filter(wanted, pl.col("subject") == " ".join(parts))
        if exact.height:
            return exact
        for part in parts:
            wanted &= pl.col("subject").str.split(" ").list.contains(part)
        return rows.filter(wanted)
    if query.get("source"):
        return rows.filter(pl.col("source") == query["source"])
    return rows.clear()


def near_names(rows: pl.DataFrame, query: Mapping[str, str]) -> str:
    """Return the name nearest to one that a link names and the data do not know; empty if none is near.

    Parameters
    ----------
    rows
        As :func:`all_rows` makes them.
    query
        Of the address.
    """
    asked = query.get("parameter") or query.get("series") or query.get("source") or ""
    column = "source" if query.get("source") and not (query.get("parameter") or query.get("series")) else "name"
    return nearest(asked, rows[column].drop_nulls().unique().to_list())


def details(row: Mapping[str, Any], inputs: Inputs, reads: int | None) -> dict[str, str]:
    """Return what belongs to one number beyond its row: everything about its source, its formula, how often a run read it.

    Parameters
    ----------
    row
        One row of :func:`all_rows`.
    inputs
        Checked data.
    reads
        How often a run read it, None where it is not known.

    Returns
    -------
    dict
        ``citation``, ``publisher``, ``date``, ``licence``, ``location``, ``formula`` and ``reads``, empty texts where there is nothing.
    """
    found = inputs.table("sources").filter(pl.col("source") == row["source"])
    about = found.row(0, named=True) if found.height else {}
    said = {name: str(about.get(name) or "") for name in ("citation", "publisher", "date", "licence", "location")}
    formula = ""
    if row["use"] in {"model", "reference"} and "derivations" in inputs.tables:
        year = pl.col("year").cast(pl.String)
        rules = inputs.table("derivations").filter(
            pl.col("parameter") == row["name"],
            pl.col("subject").is_in([row["subject"], "*"]),
            pl.col("year").is_null() | year.eq_missing(pl.lit(row["year"], dtype=pl.String)),
        )
        formula = "" if rules.is_empty() else str(rules["formula"][0])
    note = str(row["note"] or "")
    if row["use"] == "observed" and note.startswith("= "):
        formula = note.split(";", maxsplit=1)[0].removeprefix("= ")
    return {**said, "formula": formula, "reads": "" if reads is None else str(reads)}


def is_foreign(text: str, lang: str) -> bool:
    """Return whether a text of the data is not in the language of the reader: notes are written in English, publications cited as they are.

    Parameters
    ----------
    text
        Note or citation.
    lang
        Language of the reader.

    Examples
    --------
    >>> is_foreign("cargo plus box", "zh"), is_foreign("2020年铁道统计公报", "zh"), is_foreign("cargo plus box", "en")
    (True, False, False)
    """
    return lang == "zh" and not _CHINESE.search(text)


def plain(value: float) -> str:
    """Return a number as people write it: no exponent, thousands apart, no digits that say nothing.

    Parameters
    ----------
    value
        Any number.

    Examples
    --------
    >>> plain(210000000.0), plain(0.5626), plain(2e-7)
    ('210,000,000', '0.5626', '0.0000002')
    """
    whole = abs(value) >= 1e4 or value == int(value)
    return f"{value:,.0f}" if whole else f"{value:.10f}".rstrip("0").rstrip(".")


def quality_counts(rows: pl.DataFrame, uses: Sequence[str], used: pl.DataFrame | None) -> pl.DataFrame:
    """Return how many numbers there are of each quality, by what they are for.

    Parameters
    ----------
    rows
        As :func:`all_rows` makes them.
    uses
        Of :data:`USES`.
    used
        Table ``parameters_used`` of a run: adds ``read``, how many of the parameters that it read have the quality; without it null.

    Returns
    -------
    polars.DataFrame
        ``quality`` from the best to the weakest, a column per use, ``all``, ``share`` [%] and ``read``.
    """
    given = rows.filter(pl.col("value").is_not_null())
    total = max(given.height, 1)
    read = {} if used is None else dict(used.filter(pl.col("reads") > 0).group_by("quality").len().iter_rows())
    made = []
    for quality in QUALITY_ORDER:
        mine = given.filter(pl.col("quality") == quality)
        counts = {use: mine.filter(pl.col("use") == use).height for use in uses}
        read_here = None if used is None else int(read.get(quality, 0))
        made.append({"quality": quality, **counts, "all": mine.height, "share": 100.0 * mine.height / total, "read": read_here})
    kinds: dict[str, Any] = {"quality": pl.String, **dict.fromkeys(uses, pl.Int64), "all": pl.Int64, "share": pl.Float64}
    return pl.DataFrame(made, schema={**kinds, "read": pl.Int64})
