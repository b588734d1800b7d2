"""Observed choices as arrays: the check of the long table, listing every problem at once, and the sample it becomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.logit import Segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: Cases named per kind of problem; the others are counted.
_NAMED = 10


class EstimationError(ValueError):
    """Exception for observations or a specification that cannot be estimated.

    Parameters
    ----------
    problems
        Every problem found, each naming the case or the coefficient, the column, the value and the remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        head = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n- ".join([f"{head} in the choice model:", *self.problems]))


@dataclass(frozen=True)
class Layout:
    """What a specification says, by code.

    Attributes
    ----------
    alternatives, coefficients, scales
        Names in order of first mention; ``scales`` are the nest parameters.
    columns
        ``(alternative, coefficient) -> column``; ``None`` is the constant 1.
    nest_of
        Nest of each alternative; an alternative outside all nests is a nest by itself.
    scale_of
        Nest parameter of each nest, -1 where the scale is fixed at 1.
    """

    alternatives: tuple[str, ...]
    coefficients: tuple[str, ...]
    scales: tuple[str, ...]
    columns: dict[tuple[int, int], str | None]
    nest_of: NDArray[np.int64]
    scale_of: NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Available alternatives of all cases on one long axis, sorted by case and nest.

    Attributes
    ----------
    x
        Attributes ``[row, coefficient]``.
    chosen
        Weight with which the alternative was chosen ``[row]``: case weight times choice (0 or 1, or a quantity).
    segments
        Nests and cases.
    scale_of
        Nest parameter of each nest of each case, -1 where the scale is fixed at 1.
    n_scales
        Number of nest parameters.
    alternative
        Code of the alternative ``[row]``.
    position
        Row of the observations ``[row]``.
    n_observed
        Rows of the observations, unavailable ones included.
    """

    x: NDArray[np.float64]
    chosen: NDArray[np.float64]
    segments: Segments
    scale_of: NDArray[np.int64]
    n_scales: int
    alternative: NDArray[np.int64]
    position: NDArray[np.int64]
    n_observed: int

    @property
    def n_cases(self) -> int:
        """Number of cases with an available alternative."""
        return self.segments.case_start.size

    @property
    def row_start(self) -> NDArray[np.int64]:
        """First row of each case."""
        return self.segments.nest_start[self.segments.case_start]

    @property
    def case_of_row(self) -> NDArray[np.int64]:
        """Case of each row."""
        return self.segments.case_of[self.segments.nest_of]


def read_layout(
    specification: Mapping[str, Mapping[str, str | int]], nests: Mapping[str, Sequence[str]] | None, *, shared: bool
) -> tuple[Layout, list[str]]:
    """Return the specification by code and what is wrong with it.

    Parameters
    ----------
    specification
        ``{alternative: {coefficient: column}}``, a column of 1 or ``"1"`` is a constant.
    nests
        ``{nest: [alternatives]}``.
    shared
        Whether all nests share one parameter.
    """
    problems = []
    alternatives = tuple(str(a) for a in specification)
    code = {name: i for i, name in enumerate(alternatives)}
    coefficients = tuple(dict.fromkeys(c for terms in specification.values() for c in terms))
    columns: dict[tuple[int, int], str | None] = {}
    for alternative, terms in specification.items():
        for name, column in terms.items():
            constant = column in (1, "1") and not isinstance(column, bool)
            if not constant and not isinstance(column, str):
                problems.append(
                    f"specification of {alternative!r}, coefficient {name!r}: {column!r} is no column; give a column name or 1"
                )
            columns[code[str(alternative)], coefficients.index(name)] = None if constant else str(column)
    if len(alternatives) < 2:
        problems.append(f"specification: {len(alternatives)} alternative(s); a choice needs two, an empty {{}} is the reference")
    if not coefficients:
        problems.append("specification: no coefficient; name at least one")
    nest_of, scale_of = np.zeros(len(alternatives), dtype=np.int64), np.full(1, -1)
    scales: tuple[str, ...] = ()
    if nests is not None:
        seen = Counter(str(member) for members in nests.values() for member in members)
        problems += [
            f"nest {nest!r}: unknown alternative {member!r}; the specification has {', '.join(alternatives)}"
            for nest, members in nests.items()
            for member in members
            if str(member) not in code
        ]
        problems += [
            f"alternative {member!r} stands {n} times in the nests; one nest each" for member, n in seen.items() if n > 1
        ]
        problems += [
            f"nest {nest!r}: {len(members)} alternative(s) give its scale nothing to act on; leave it out"
            for nest, members in nests.items()
            if len(members) < 2
        ]
        scales = ("mu",) if shared else tuple(f"mu_{nest}" for nest in nests)
        problems += [f"coefficient {s!r} has the name of a nest parameter; rename it" for s in scales if s in coefficients]
        within = {code[str(m)]: n for n, members in enumerate(nests.values()) for m in members if str(m) in code}
        alone = iter(range(len(nests), len(nests) + len(alternatives)))
        nest_of = np.array([within[a] if a in within else next(alone) for a in range(len(alternatives))], dtype=np.int64)
        scale_of = np.full(len(nests) + len(alternatives), -1)
        scale_of[: len(nests)] = 0 if shared else np.arange(len(nests))
    return Layout(alternatives, coefficients, scales, columns, nest_of, scale_of), problems


def _cases(bad: pl.DataFrame, text: str) -> list[str]:
    """Return one line for the cases of a kind of problem, the first few by name."""
    if bad.is_empty():
        return []
    named = [text.format(**row) for row in bad.head(_NAMED).iter_rows(named=True)]
    more = [f"... and {bad.height - _NAMED} more of this kind"] if bad.height > _NAMED else []
    return named + more


def _check_rows(table: pl.DataFrame, layout: Layout) -> list[str]:
    """Return the problems of keys and availability; ``table`` has row, case, alternative, code, available."""
    flag = pl.col("available")
    known = ", ".join(layout.alternatives)
    return [
        *_cases(table.filter(pl.col("case").is_null()), "row {row}, column 'case': empty; name the case"),
        *_cases(
            table.filter(pl.col("code").is_null()),
            f"case {{case}}, column 'alternative': {{alternative!r}} is not in the specification ({known})",
        ),
        *_cases(
            table.group_by("case", "alternative", maintain_order=True).len().filter(pl.col("len") > 1),
            "case {case}, column 'alternative': {alternative!r} occurs {len} times; one row each",
        ),
        *_cases(
            table.filter(flag.is_null() | ~flag.is_in([0.0, 1.0])),
            "case {case}, column 'available': {available} of {alternative!r} is neither 0 nor 1",
        ),
        *_cases(
            table.group_by("case", maintain_order=True).agg(flag.max()).filter(flag == 0),
            "case {case}, column 'available': no alternative is available; drop the case",
        ),
    ]


def _check_choices(table: pl.DataFrame, layout: Layout, *, grouped: bool) -> list[str]:
    """Return the problems of what was chosen; ``table`` has case, alternative, code, available, chosen."""
    absent = sorted(set(range(len(layout.alternatives))) - set(table["code"].drop_nulls().unique()))
    found = [
        f"specification: alternative {layout.alternatives[a]!r} never occurs in the observations; remove or rename it"
        for a in absent
    ]
    took = pl.col("chosen")
    if grouped:
        what = "weight"
        wrong = took.is_null() | ~took.is_finite() | (took < 0)
        text = "give a finite quantity of 0 or more"
    else:
        what = "chosen"
        wrong = took.is_null() | ~took.is_in([0.0, 1.0])
        text = "give 0 or 1; shares and tonnes go in a column 'weight'"
    found += _cases(table.filter(wrong), f"case {{case}}, column {what!r}: {{chosen}} of {{alternative!r}}; {text}")
    found += _cases(
        table.filter(~wrong & (took > 0) & (pl.col("available") == 0)),
        f"case {{case}}, column {what!r}: {{alternative!r}} was chosen but is not available; correct one of the two",
    )
    total = table.filter(~wrong).group_by("case", maintain_order=True).agg(took.sum())
    found += _cases(total.filter(took <= 0), f"case {{case}}, column {what!r}: nothing is chosen; mark it or drop the case")
    if not grouped:
        found += _cases(total.filter(took > 1), "case {case}, column 'chosen': {chosen:.0f} alternatives are chosen; mark one")
    return found


def _check_attributes(observations: pl.DataFrame, table: pl.DataFrame, layout: Layout) -> list[str]:
    """Return attributes that are no finite number where their alternative is available."""
    found = []
    uses: dict[str, set[int]] = {}
    for (alternative, _), column in layout.columns.items():
        if column is not None:
            uses.setdefault(column, set()).add(alternative)
    for column, alternatives in uses.items():
        values = observations[column]
        if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
            found.append(f"column {column!r}: {values.dtype} is no number; cast it")
            continue
        bad = table.with_columns(value=values.cast(pl.Float64)).filter(
            pl.col("code").is_in(sorted(alternatives))
            & (pl.col("available") == 1)
            & (pl.col("value").is_null() | ~pl.col("value").is_finite())
        )
        found += _cases(
            bad,
            f"case {{case}}, column {column!r}: {{value}} for the available alternative {{alternative!r}}; "
            "give a number or set available to 0",
        )
    return found


def _case_weights(
    observations: pl.DataFrame, table: pl.DataFrame, weights: str | Mapping[object, float] | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the case weight of each row and what is wrong with the weights."""
    if weights is None:
        return np.ones(table.height), []
    found: list[str] = []
    if isinstance(weights, str):
        if not observations[weights].dtype.is_numeric():
            return np.ones(table.height), [f"column {weights!r}: {observations[weights].dtype} is no number; cast it"]
        column, values = weights, observations[weights].cast(pl.Float64)
    else:
        column = "weights"
        values = pl.Series([weights.get(case) for case in table["case"]], dtype=pl.Float64, strict=False)
        strange = sorted(str(case) for case in set(weights) - set(table["case"]))
        found += [f"weights: case {case} is not in the observations" for case in strange[:_NAMED]]
    with_weight = table.with_columns(value=values)
    value = pl.col("value")
    found += _cases(
        with_weight.filter(value.is_null() | ~value.is_finite() | (value < 0)).unique("case", keep="first", maintain_order=True),
        f"case {{case}}, column {column!r}: weight {{value}}; give a finite number of 0 or more",
    )
    found += _cases(
        with_weight.group_by("case", maintain_order=True)
        .agg(low=value.min(), high=value.max())
        .filter(pl.col("low") < pl.col("high")),
        f"case {{case}}, column {column!r}: weights from {{low}} to {{high}} in one case; a case has one weight",
    )
    return values.fill_null(0.0).to_numpy().astype(np.float64), found


def read_sample(
    observations: pl.DataFrame,
    layout: Layout,
    problems: list[str],
    *,
    weights: str | Mapping[object, float] | None = None,
    choices: bool = True,
) -> Sample:
    """Check observations and turn them into arrays.

    Parameters
    ----------
    observations
        Long table as in :func:`networks.estimation.estimate`.
    layout, problems
        From :func:`read_layout`; the problems are raised together with those of the observations.
    weights
        Case weights.
    choices
        Whether the table must say what was chosen; a forecast needs no choice.

    Raises
    ------
    EstimationError
        Listing every problem.
    """
    grouped = "chosen" not in observations.columns and "weight" in observations.columns
    needed = {"case", "alternative", *(c for c in layout.columns.values() if c is not None)}
    if isinstance(weights, str):
        needed.add(weights)
    absent = [f"column {name!r} is missing" for name in sorted(needed - set(observations.columns))]
    if choices and not grouped and "chosen" not in observations.columns:
        absent.append("column 'chosen' (0 or 1) or 'weight' (quantity of each alternative) is missing")
    if absent or observations.is_empty():
        raise EstimationError([*problems, *(absent or ["the observations have no rows"])])
    codes = {name: i for i, name in enumerate(layout.alternatives)}
    alternative = observations["alternative"].cast(pl.String)
    numbers = {"available": "available", "chosen": "weight" if grouped else "chosen"}
    text = [c for c in numbers.values() if c in observations.columns and observations[c].dtype == pl.String]
    if text:
        raise EstimationError([*problems, *(f"column {c!r}: {observations[c].dtype} is no number; cast it" for c in text)])
    took = observations[numbers["chosen"]].cast(pl.Float64) if choices else pl.Series(np.zeros(observations.height))
    table = pl.DataFrame(
        {
            "row": np.arange(observations.height),
            "case": observations["case"],
            "alternative": alternative,
            "code": alternative.replace_strict(codes, default=None, return_dtype=pl.Int64),
            "available": observations["available"].cast(pl.Float64)
            if "available" in observations.columns
            else np.ones(observations.height),
            "chosen": took,
        }
    )
    case_weight, weight_problems = _case_weights(observations, table, weights)
    problems = [
        *problems,
        *_check_rows(table, layout),
        *(_check_choices(table, layout, grouped=grouped) if choices else []),
        *_check_attributes(observations, table, layout),
        *weight_problems,
    ]
    if problems:
        raise EstimationError(problems)
    first = table.select("case").unique(maintain_order=True).with_row_index("case_code")
    keyed = table.select("case").join(first, on="case", how="left", maintain_order="left")
    case, code = keyed["case_code"].to_numpy().astype(np.int64), table["code"].to_numpy().astype(np.int64)
    rows = np.flatnonzero(table["available"].to_numpy() > 0)
    rows = rows[np.lexsort((code[rows], layout.nest_of[code[rows]], case[rows]))]
    x = np.zeros((rows.size, len(layout.coefficients)))
    for (a, k), column in layout.columns.items():
        mine = code[rows] == a
        x[mine, k] = 1.0 if column is None else observations[column].cast(pl.Float64).to_numpy()[rows[mine]]
    nest = layout.nest_of[code[rows]]
    segments = Segments.build(case[rows], nest)
    return Sample(
        x=x,
        chosen=(case_weight * table["chosen"].to_numpy())[rows],
        segments=segments,
        scale_of=layout.scale_of[nest[segments.nest_start]],
        n_scales=len(layout.scales),
        alternative=code[rows],
        position=rows,
        n_observed=observations.height,
    )
