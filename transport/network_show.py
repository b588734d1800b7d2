"""Rows of a network as people read them: labels and units of the dictionary, labels of codes; and ``transport network show``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from transport.i18n import t

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    import polars as pl

    from transport.inputs import Inputs

OK, FINDINGS = 0, 2
#: Code list of the columns that hold codes.
_LISTS = {
    "mode": "mode",
    "link_class": "link_class",
    "kind": "node_kind",
    "area": "area",
    "quality": "quality",
    "capacity_quality": "quality",
}
_KEYS = {"links": "link_id", "nodes": "node_id", "zones": "zone_id"}
#: Columns of the list of links.
_LINK = [
    "link_id",
    "line_zh",
    "from_node",
    "to_node",
    "mode",
    "link_class",
    "length_km",
    "capacity_t_per_year",
    "capacity_quality",
]


def show(tables: Mapping[str, pl.DataFrame], inputs: Inputs, args: argparse.Namespace) -> int:
    """Print a link, node or zone with what belongs to it, or the links of a mode or line.

    Parameters
    ----------
    tables
        Network tables by name.
    inputs
        Labels and units.
    args
        ``what`` or ``mode`` and ``line``; ``lang``, ``json``.

    Returns
    -------
    int
        0, or 2 if nothing has that id.
    """
    import polars as pl

    if args.what is None:
        found = tables["links"]
        if args.mode:
            found = found.filter(pl.col("mode") == args.mode)
        if args.line:
            found = found.filter(pl.col("line_zh").fill_null("").str.contains(args.line, literal=True))
        return rows(found.select(_LINK), "networks/links", inputs, args)
    code = FINDINGS
    for table, key in _KEYS.items():
        hit = tables[table].filter(pl.col(key) == args.what)
        if hit.is_empty():
            continue
        more: dict[str, pl.DataFrame] = {}
        if table == "nodes":
            ends = (pl.col("from_node") == args.what) | (pl.col("to_node") == args.what)
            more["links"] = tables["links"].filter(ends).select([*_LINK[:5], "length_km"])
            more["connectors"] = tables["connectors"].filter(pl.col("node_id") == args.what)
        elif table == "zones":
            more["connectors"] = tables["connectors"].filter(pl.col("zone_id") == args.what)
        code = _record(hit.row(0, named=True), f"networks/{table}", more, inputs, args)
    if code != OK:
        import difflib

        ids = [i for table, key in _KEYS.items() for i in tables[table][key].to_list()]
        near = difflib.get_close_matches(args.what, ids, n=3)
        err(t("network.unknown", args.lang, what=args.what, near=", ".join(near) or "-"))
    return code


def _record(
    row: Mapping[str, Any], table: str, more: Mapping[str, pl.DataFrame], inputs: Inputs, args: argparse.Namespace
) -> int:
    """Print one row as pairs of label and value, then the rows that belong to it."""
    if args.json:
        out(json.dumps({"table": table, **row, **{k: v.to_dicts() for k, v in more.items()}}, ensure_ascii=False))
        return OK
    import polars as pl

    field, value = t("network.field", args.lang), t("network.value", args.lang)
    pairs = [(heading(inputs, table, name, args.lang), shown(inputs, name, cell, args.lang)) for name, cell in row.items()]
    print_table(pl.DataFrame([{field: a, value: b} for a, b in pairs if b]))
    for name, frame in more.items():
        if not frame.is_empty():
            rows(frame, f"networks/{name}", inputs, args)
    return OK


def rows(frame: pl.DataFrame, table: str, inputs: Inputs, args: argparse.Namespace) -> int:
    """Print rows under the labels of the dictionary."""
    import polars as pl

    if args.json:
        out(json.dumps({"table": table, "rows": frame.to_dicts()}, ensure_ascii=False))
        return OK
    if frame.is_empty():
        err(t("cli.nothing_found", args.lang, text=" ".join(filter(None, (args.mode, args.line))) or "-"))
        return OK
    names = frame.columns
    rows = [[shown(inputs, n, c, args.lang) for n, c in zip(names, row, strict=True)] for row in frame.iter_rows()]
    print_table(pl.DataFrame(rows, schema=[heading(inputs, table, n, args.lang) for n in names], orient="row"))
    return OK


def shown(inputs: Inputs, column: str, cell: object, lang: str) -> str:
    """Return a cell as people read it: labels for codes, yes and no, plain numbers."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return t("network.yes" if cell else "network.no", lang)
    if column in _LISTS:
        return label_of(inputs, _LISTS[column], str(cell), lang)
    return f"{cell:,.10g}" if isinstance(cell, float) else str(cell)


def heading(inputs: Inputs, table: str, column: str, lang: str) -> str:
    """Return the label of a column with its unit."""
    import polars as pl

    from transport.i18n import column_label

    found = inputs.table("dictionary").filter(pl.col("table") == table, pl.col("column") == column)["unit"]
    unit = "" if found.is_empty() else str(found[0] or "")
    name = column_label(inputs, table, column, lang)
    return name if unit in {"", "dimensionless"} else f"{name} [{unit}]"


def label_of(inputs: Inputs | None, list_name: str, code: str, lang: str) -> str:
    """Return the label of a code; without inputs the code itself."""
    from transport.i18n import label

    return code if inputs is None else label(inputs, list_name, code, lang)


def print_table(table: pl.DataFrame) -> None:
    """Print a table as aligned lines."""
    from transport.text import table_lines

    for line in table_lines(table):
        out(line)


def out(text: str) -> None:
    """Print a line of results."""
    sys.stdout.write(text + "\n")


def err(text: str) -> None:
    """Print a line that is no result."""
    sys.stderr.write(text + "\n")
