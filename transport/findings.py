"""One problem of the input data, as the analyst reads it."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A problem found in an input file.

    Attributes
    ----------
    file
        File relative to the data folder or pack.
    row
        Line in the file, the header being line 1; 0 = the whole file.
    column
        Column name as in the file, empty for a whole row or file.
    code
        Stable machine code, for example ``value.range``.
    value
        What stands there.
    rule, remedy
        What should hold and what to do, in the reader's language.
    """

    file: str
    row: int
    column: str
    code: str
    value: str
    rule: str
    remedy: str

    def as_dict(self) -> dict[str, str | int]:
        """Return the finding as a plain mapping in the order of the contract."""
        found = asdict(self)
        return {name: found[name] for name in ("code", "file", "row", "column", "value", "rule", "remedy")}


class DataError(ValueError):
    """Exception that carries every finding of a failed check."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__(f"{len(findings)} problem(s) in the data; first: {findings[0] if findings else ''}")
