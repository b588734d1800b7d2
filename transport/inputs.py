"""Loading the data: the bundled folder, a data pack laid over it, and what the model reads from them.

A data pack is a folder or a zip file with the same relative paths as ``data/``. Its rows replace the rows with the same key (for parameters:
parameter, subject, year, whatever the file is called) and new rows are added; nothing is ever deleted. Reading and checking are one pass, so
a run cannot start on data that ``transport check`` would refuse.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import os
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.check_problems import Problem, words
from transport.check_run import BINARY, Examined, Layer, examine
from transport.checked import read_checked
from transport.findings import DataError
from transport.params import Lever, Params
from transport.sampling import Correlation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from transport.sampling import Design, Key

#: A pack beyond these limits is refused: the bundled data has some 60 files and a few MB.
MAX_FILES = 2_000
MAX_BYTES = 256 * 1024 * 1024
#: What file managers and spreadsheets leave in folders.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", ".ds_store"})
_READ = (".csv", ".toml", ".txt", ".parquet", ".omx")
#: Parameters of the reference library: kept beside the model for comparison and derivations, never read by a run.
REFERENCE_PREFIX = "ref_"
#: Files of a pack that speak to people.
_NOTES = (".md", ".txt", ".doc", ".docx", ".pdf")
_FOLDERS = frozenset({"parameters", "networks", "demand", "observed", "fleets", "targets", "scenarios", "sweeps", "accounts"})
#: Tables that make a network.
NETWORK_TABLES = ("nodes", "links", "zones", "connectors")
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Target:
    """One ``[[target]]`` of ``data/targets/*.toml``; optional texts are empty, optional numbers None.

    Attributes
    ----------
    id
        Indicator.
    area
        Six-digit area code.
    year
        Year of the target.
    value
        Target value in ``unit``; a change in percent is negative when falling. None for a tracked indicator.
    unit
        Unit of value and tolerance.
    direction
        ``at_most`` or ``at_least``.
    base_year
        Year that a change refers to.
    tolerance
        Distance from the value that still counts as reached within tolerance.
    strength
        ``binding``, ``approximate``, ``strive`` or ``tracked``.
    document, clause, wording_zh
        Where the target stands and its words.
    lead_department
        Department in charge.
    scope, boundary, base
        Reading of the headline indicator.
    """

    id: str
    area: str
    year: int | None
    value: float | None
    unit: str
    direction: str
    base_year: int | None
    tolerance: float | None
    strength: str
    document: str
    clause: str
    wording_zh: str
    lead_department: str
    scope: str
    boundary: str
    base: str


@dataclass(frozen=True)
class Inputs:
    """Everything a run reads, checked.

    Attributes
    ----------
    folder, pack
        Where it came from.
    tables
        Typed tables by their path under the data folder without ``.csv``; parameters stand in ``parameters``.
    parameters
        All parameter rows with the pack laid over, and the table each came from in ``file``.
    levers
        Levers in file order.
    targets
        Targets in file order.
    data_hash
        sha256 over the paths and contents of all files, newlines normalised.
    reads
        Record shared by all parameters made from these inputs; None = each has its own.
    """

    folder: Path
    pack: Path | None
    tables: Mapping[str, pl.DataFrame]
    parameters: pl.DataFrame
    levers: tuple[Lever, ...]
    targets: tuple[Target, ...]
    data_hash: str
    reads: dict[tuple[str, str], int] | None = None

    def table(self, name: str) -> pl.DataFrame:
        """Return a table by name.

        Raises
        ------
        KeyError
            If there is no such table; the message names the nearest.
        """
        try:
            return self.tables[name]
        except KeyError:
            near = difflib.get_close_matches(name, self.tables, n=1, cutoff=0.4)
            msg = f"no table {name!r} in {self.folder}" + (f"; did you mean {near[0]!r}?" if near else "")
            raise KeyError(msg) from None

    def params(
        self,
        *,
        draws: int = 1,
        seed: int = 0,
        only: Iterable[int] | None = None,
        design: Design = "lhs",
        drawn: Mapping[Key, NDArray[np.float64]] | None = None,
    ) -> Params:
        """Return the parameters of the model as arrays ``[draw, year]``, without the reference library; with one draw the central values.

        Parameters
        ----------
        draws, seed, only, design
            As in :meth:`transport.params.Params.from_frame`; inputs are correlated as ``correlations`` says.
        drawn
            Quantiles of the draws in place of a design, as in :meth:`transport.params.Params.from_quantiles`.
        """
        if drawn is not None:
            return Params.from_quantiles(self.own_parameters(), drawn, draws=draws, reads=self.reads)
        if draws == 1 and only is None:
            return self._central.recorded(self.reads)
        return Params.from_frame(
            self.own_parameters(),
            draws=draws,
            seed=seed,
            reads=self.reads,
            only=only,
            design=design,
            correlations=self.correlations(),
        )

    @cached_property
    def _central(self) -> Params:
        """Return the central values, which a run and a page ask for many times over."""
        return Params.from_frame(self.own_parameters())

    def own_parameters(self) -> pl.DataFrame:
        """Return the parameter rows of the model, without the reference library."""
        return self.parameters.filter(~pl.col("parameter").str.starts_with(REFERENCE_PREFIX))

    def place_of(self, parameter: str, subject: str) -> tuple[str, int]:
        """Return the file and the line of the first row of an input that has a range, that of the pack before that of the data folder.

        Raises
        ------
        KeyError
            If no row has a range.
        """
        layers = [_read_pack(self.pack)[0]] if self.pack else []
        rows = self.parameters.filter(pl.col("parameter") == parameter, pl.col("subject") == subject)
        for name in rows["file"].unique(maintain_order=True):
            path = f"{name}.csv"
            files = [layer[path] for layer in layers if path in layer]
            files += [(self.folder / path).read_bytes()] if (self.folder / path).is_file() else []
            for data in files:
                lines = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
                for line in lines:
                    if (line["parameter"], line["subject"]) == (parameter, subject) and line["low"]:
                        return path, lines.line_num
        msg = f"no row of {parameter} {subject} has a range"
        raise KeyError(msg)

    def correlations(self) -> tuple[Correlation, ...]:
        """Return the correlations between parameters; none where the data has no such table."""
        if "correlations" not in self.tables:
            return ()
        names = ("parameter", "subject", "with_parameter", "with_subject", "correlation")
        return tuple(Correlation((a, b), (c, d), r) for a, b, c, d, r in self.tables["correlations"].select(names).iter_rows())


def data_folder() -> Path:
    """Return the data folder: ``TRANSPORT_DATA``, else the copy in the installed package, else ``data/`` of the checkout.

    Raises
    ------
    FileNotFoundError
        If none of them exists.
    """
    named = os.environ.get("TRANSPORT_DATA")
    here = Path(__file__).resolve().parent
    tried = [Path(named)] if named else [here / "_data", here.parent / "data"]
    for folder in tried:
        if folder.is_dir():
            return folder
    msg = f"no data folder at {' or '.join(str(folder) for folder in tried)}"
    raise FileNotFoundError(msg)


def load_inputs(folder: Path | None = None, pack: Path | None = None, *, lang: str = "zh") -> Inputs:
    """Return the checked inputs of a run.

    Parameters
    ----------
    folder
        Data folder; the bundled one by default.
    pack
        Data pack to lay over it: a folder or a zip file.
    lang
        Language of the findings.

    Raises
    ------
    DataError
        If the check finds anything; it carries every finding.
    """
    where = folder or data_folder()
    base, over, problems = read_layers(where, pack)
    known = read_checked(base) if over is None and not problems else None
    found = known or examine(base, over)
    problems = [*problems, *found.problems]
    if problems:
        raise DataError(words(problems, lang))
    return Inputs(
        folder=where,
        pack=pack,
        tables=found.tables,
        parameters=found.parameters,
        levers=_levers(found),
        targets=_targets(found),
        data_hash=data_hash(base, over),
    )


def network_tables(inputs: Inputs, name: str = "compact") -> dict[str, pl.DataFrame]:
    """Return nodes, links, zones and connectors of a bundled network with the pack laid over.

    Parameters
    ----------
    inputs
        Checked inputs.
    name
        ``compact`` (the tables of the data folder) or ``fine`` (the finer road network).

    Raises
    ------
    NetworkError
        If the data holds no such network.
    """
    from networks.errors import NetworkError

    compact = {table: inputs.table(f"networks/{table}") for table in NETWORK_TABLES}
    if name == "compact":
        return compact
    needed = ["networks/fine/nodes", "networks/fine/links", "networks/shapes"]
    if name != "fine" or any(table not in inputs.tables for table in needed):
        msg = f"the data holds no network {name!r}; fine needs {', '.join(needed)}; use --network compact"
        raise NetworkError(msg)
    from networks.fine import fine_tables, road_rules

    nodes, links, shapes = (inputs.table(table) for table in needed)
    return fine_tables(nodes, links, {**compact, "shapes": shapes}, road_rules(inputs.parameters))


def on_network(inputs: Inputs, name: str) -> Inputs:
    """Return inputs whose network tables are those of a chosen network: whoever reads them asks for no other name.

    Parameters
    ----------
    inputs
        Checked inputs, on the compact network.
    name
        As in :func:`network_tables`.

    Raises
    ------
    NetworkError
        As in :func:`network_tables`.
    """
    if name == "compact":
        return inputs
    chosen = {f"networks/{table}": frame for table, frame in network_tables(inputs, name).items()}
    return replace(inputs, tables={**inputs.tables, **chosen})


def read_layers(folder: Path, pack: Path | None) -> tuple[Layer, Layer | None, list[Problem]]:
    """Return the files of the data folder and of the pack, and what is wrong with reading them."""
    found, problems = _read_folder(folder, "data/")
    problems += _as_csv(found, "data/")
    base = Layer(found, "data/", is_pack=False)
    if pack is None:
        return base, None, problems
    files, wrong = _read_pack(pack)
    wrong += _as_csv(files, "")
    if not files and not wrong:
        wrong.append(Problem(pack.name, 0, "", "file.empty", variant="pack"))
    return base, Layer(files, "", is_pack=True), problems + wrong


def pack_files(pack: Path) -> dict[str, bytes]:
    """Return the files of a data pack as they lie in it, by relative path.

    Parameters
    ----------
    pack
        Folder or zip file that the check has passed; of one that it has not, what can be read.
    """
    files, _ = _read_pack(pack)
    return dict(sorted(files.items()))


def data_hash(base: Layer, pack: Layer | None) -> str:
    """Return the sha256 over the sorted paths and contents of all files, with newlines normalised and byte-order marks left out."""
    digest = hashlib.sha256()
    for kind, layer in (("data", base), ("pack", pack)):
        for path, data in sorted(layer.files.items() if layer else ()):
            if not path.endswith((".csv", ".toml", "units.txt")) and path not in BINARY:
                continue
            content = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            digest.update(f"{kind}:{path}:{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def _read_folder(folder: Path, prefix: str = "", limit: int | None = None) -> tuple[dict[str, bytes], list[Problem]]:
    """Return the files of a folder by relative path; of files that are no tables or texts only the name counts."""
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _is_litter(name) or not path.is_file():
            continue
        if len(files) == limit:
            return {}, [Problem(folder.name, 0, "", "file.size", variant="count", values={"limit": limit})]
        try:
            files[name] = path.read_bytes() if name.lower().endswith(_READ) else b""
        except OSError as refused:  # a spreadsheet on Windows locks the file it shows
            problems.append(Problem(prefix + name, 0, "", "file.unreadable", values={"detail": refused.strerror or str(refused)}))
    return files, problems


def _read_pack(pack: Path) -> tuple[dict[str, bytes], list[Problem]]:
    if pack.is_dir():
        files, problems = _read_folder(pack, limit=MAX_FILES)
    elif pack.is_file() and zipfile.is_zipfile(pack):
        files, problems = _read_zip(pack)
    else:
        return {}, [Problem(pack.name, 0, "", "file.pack", value=str(pack))]
    inner = _inner_folder(files)
    if inner:
        files = {name.removeprefix(inner): data for name, data in files.items() if name.startswith(inner)}
    return {
        name: data for name, data in files.items() if "/" in name or not name.lower().endswith(_NOTES) or name == "units.txt"
    }, problems


def _as_csv(files: dict[str, bytes], prefix: str) -> list[Problem]:
    """Turn the tables that came as Parquet or OMX into CSV in place, numbers to the last digit; what cannot be read is left out."""
    problems: list[Problem] = []
    for name in sorted(BINARY & files.keys()):
        from networks.errors import NetworkError
        from networks.formats import od_frame, read_omx

        try:
            table = od_frame(*read_omx(files[name])) if name.endswith(".omx") else pl.read_parquet(io.BytesIO(files[name]))
            files[name] = table.write_csv().encode()
        except (NetworkError, pl.exceptions.PolarsError, OSError) as broken:
            del files[name]
            detail = str(broken).splitlines()[0] if str(broken) else type(broken).__name__
            problems.append(Problem(prefix + name, 0, "", "file.syntax", variant="binary", values={"detail": detail}))
    return problems


def _inner_folder(files: Mapping[str, bytes]) -> str:
    """Return the one folder that holds the whole pack (zipping a folder adds one, and so does a ``data/`` inside), or nothing."""
    inner = ""
    while True:
        names = [name.removeprefix(inner) for name in files if name.startswith(inner)]
        tops = {name.split("/", 1)[0] for name in names if "/" in name}
        loose = [name for name in names if "/" not in name and not name.lower().endswith(_NOTES)]
        if loose or len(tops) != 1 or tops <= _FOLDERS:
            return inner
        inner += f"{tops.pop()}/"


def _read_zip(pack: Path) -> tuple[dict[str, bytes], list[Problem]]:
    """Return the files of a zip without trusting it: names that leave the folder, sizes, counts and broken archives are problems."""
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    left = MAX_BYTES
    try:
        with zipfile.ZipFile(pack) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES:
                return {}, [
                    Problem(pack.name, 0, "", "file.size", variant="count", value=str(len(members)), values={"limit": MAX_FILES})
                ]
            for member in members:
                name = _zip_name(member)
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts or ":" in name:
                    problems.append(Problem(pack.name, 0, "", "file.unsafe", value=name))
                    continue
                if _is_litter(name):
                    continue
                if member.flag_bits & _ENCRYPTED:
                    return {}, [Problem(pack.name, 0, "", "file.pack", value=name, variant="locked")]
                with archive.open(member) as stream:
                    data = stream.read(left + 1)  # the size in the header may lie
                left -= len(data)
                if left < 0:
                    return {}, [Problem(pack.name, 0, "", "file.size", value=name, values={"limit": MAX_BYTES // 1024**2})]
                files[path.as_posix()] = data
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError) as broken:
        return {}, [Problem(pack.name, 0, "", "file.pack", variant="broken", values={"detail": str(broken)})]
    return dict(sorted(files.items())), problems


def _zip_name(member: zipfile.ZipInfo) -> str:
    """Return a member's name; Windows in China writes GBK without saying so, which zipfile reads as cp437."""
    name = member.filename
    if not member.flag_bits & _UTF8_NAME:
        raw = name.encode("cp437", errors="replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/")


def _is_litter(name: str) -> bool:
    parts = name.split("/")
    return any(part.lower() in _LITTER or part.startswith((".", "~$")) for part in parts)


def _levers(found: Examined) -> tuple[Lever, ...]:
    if "levers" not in found.tables:
        return ()
    columns = ["lever", "parameter", "subject", "operation", "min", "max", "default", pl.col("by_area").fill_null(value=False)]
    rows = found.tables["levers"].select(columns)
    return tuple(Lever(*row) for row in rows.iter_rows())


def _targets(found: Examined) -> tuple[Target, ...]:
    return tuple(_target(row) for row in found.targets.iter_rows(named=True))


def _target(row: Mapping[str, Any]) -> Target:
    def text(name: str) -> str:
        return str(row.get(name) or "")

    return Target(
        id=text("id"),
        area=text("area"),
        year=row.get("year"),
        value=row.get("value"),
        unit=text("unit"),
        direction=text("direction"),
        base_year=row.get("base_year"),
        tolerance=row.get("tolerance"),
        strength=text("strength"),
        document=text("document"),
        clause=text("clause"),
        wording_zh=text("wording_zh"),
        lead_department=text("lead"),
        scope=text("scope"),
        boundary=text("boundary"),
        base=text("base"),
    )
