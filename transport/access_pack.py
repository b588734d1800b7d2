"""What access by network measured, as rows of a data pack: shares of one city in the place of those that the data state."""

from __future__ import annotations

import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Definition of coverage by stops -> the measure that holds it.
DEFINITIONS = {"network": "stop_share_network", "straight": "stop_share_straight"}
#: Columns that name a row of the files of a pack that several cities share.
_KEYS = {"sources.csv": ["source"], "derivations.csv": ["parameter", "subject", "year"]}
_SOURCES = ("source", "citation", "publisher", "date", "licence", "location", "accessed")
_FORMULAS = ("parameter", "subject", "year", "formula", "note")
_PARAMETERS = ("parameter", "subject", "year", "value", "low", "high", "distribution", "unit", "source", "quality", "note")
_DIGITS = 4
_OSM = "© OpenStreetMap contributors, ODbL 1.0"


@dataclass(frozen=True)
class Origin:
    """What was measured on.

    Attributes
    ----------
    files
        Names of the files, or what was asked for, in the order walk, cycle, stops, population.
    date
        Day on which the networks were made; empty if they do not say.
    attribution
        Whom to name.
    """

    files: tuple[str, ...]
    date: str
    attribution: str

    @property
    def is_osm(self) -> bool:
        """Whether the networks come from OpenStreetMap."""
        return _OSM in self.attribution


def origin_of(files: tuple[str, ...], *networks: Mapping[str, str]) -> Origin:
    """Return the origin of a measurement.

    Parameters
    ----------
    files
        Names of the files.
    *networks
        What each network says about itself; one that names nobody in ``attribution`` is taken for one that osmnx made of OpenStreetMap.
    """
    dates = sorted({about.get("created_date", "")[:10] for about in networks})
    named = sorted({about.get("attribution", _OSM) for about in networks})
    return Origin(files, " / ".join(d for d in dates if d), "; ".join(named))


def pack_files(area: str, table: pl.DataFrame, homes: pl.DataFrame, origin: Origin, definition: str) -> dict[str, str]:
    """Return the files of the pack.

    Parameters
    ----------
    area
        Prefecture code.
    table
        From :func:`networks.access.measure`.
    homes
        ``population`` of each point.
    origin
        Where the numbers come from.
    definition
        Distance to stops: ``network`` or ``straight``.

    Returns
    -------
    dict
        Path in the pack -> text: ``sources.csv``, ``derivations.csv``, ``parameters/access_<area>.csv``. A share that could not be measured or is
        zero has no row: the model needs a positive one.
    """
    wanted = {
        "bus_stop_coverage_share": (DEFINITIONS[definition], "bus"),
        "cycle_connectivity_share": ("cycle_connectivity_share", ""),
    }
    people = float(homes["population"].sum())
    source = f"access_{area}"
    parameters, formulas = [], []
    for parameter, (name, kind) in wanted.items():
        found = table.filter(pl.col("measure") == name, pl.col("kind") == kind)
        if found.is_empty() or not found["value"][0]:
            continue
        value, low, high = (round(float(found[c][0]), _DIGITS) for c in ("value", "low", "high"))
        ends = ("", "", "fixed") if low == high else (f"{low:.{_DIGITS}f}", f"{high:.{_DIGITS}f}", "triangular")
        note = f"measure {name} of transport access; range: population points moved by access_point_error"
        parameters.append((parameter, area, "", f"{value:.{_DIGITS}f}", *ends, "dimensionless", source, "derived", note))
        formulas.append(
            (parameter, area, "", f"{float(found['value'][0]) * people:.6f} / {people:.6f}", "residents counted / residents")
        )
    row = (
        source,
        f"Access by network, measured by transport access on {', '.join(origin.files)}; {origin.attribution}",
        "OpenStreetMap contributors" if origin.is_osm else "",
        origin.date,
        "ODbL 1.0" if origin.is_osm else "",
        ", ".join(origin.files),
        "",
    )
    return {
        "sources.csv": _csv(_SOURCES, [row]),
        "derivations.csv": _csv(_FORMULAS, formulas),
        f"parameters/access_{area}.csv": _csv(_PARAMETERS, parameters),
    } if parameters else {}  # fmt: skip


def _csv(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    table = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String()), orient="row")
    return table.with_columns(pl.when(pl.all() != "").then(pl.all())).write_csv()


def write_pack(folder: Path, files: Mapping[str, str], *, lang: str = "zh") -> None:
    """Write files into a data pack, whole and checked or not at all.

    Rows of an earlier pack stay; those with the same key give way, so the cities of a province can go into one pack one after the other.

    Parameters
    ----------
    folder
        A new or empty folder, or a data pack.
    files
        From :func:`pack_files`.
    lang
        Language of the findings.

    Raises
    ------
    DataError
        If the check of the pack finds anything; nothing is written then.
    """
    from transport.inputs import load_inputs

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        made = Path(place) / folder.name
        if folder.is_dir():
            shutil.copytree(folder, made)
        for name, text in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_laid_over(path, text, _KEYS.get(name)), encoding="utf-8", newline="\n")
        load_inputs(pack=made, lang=lang)
        if not folder.exists() or not any(folder.iterdir()):
            if folder.exists():
                folder.rmdir()
            made.rename(folder)
            return
        for name in files:  # the rows of parameters last: they need the others
            (folder / name).parent.mkdir(exist_ok=True)
            (made / name).replace(folder / name)


def _laid_over(path: Path, text: str, key: list[str] | None) -> str:
    """Return the rows of a file that stands there with new ones laid over."""
    if key is None or not path.is_file():
        return text
    new, old = (pl.read_csv(io.BytesIO(raw), infer_schema=False) for raw in (text.encode(), path.read_bytes()))
    kept = old.join(new, on=key, how="anti", nulls_equal=True, maintain_order="left")
    return pl.concat([kept, new], how="diagonal").write_csv()
