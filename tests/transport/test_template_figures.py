"""Numbers as people write them: what is certain is read, everything else is refused with its kind of mistake."""

from __future__ import annotations

import math
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transport.i18n import LANGUAGES, has_text
from transport.template.figures import read_figure, read_year

FULL_WIDTH = {ord(ch): ord(ch) + 0xFEE0 for ch in string.digits + "+-.,%"}
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
FAULTS = {"error", "empty", "underscore", "date", "thousands", "about", "unit", "text"}


@given(NUMBERS)
@example(0.0)
@example(-0.0)
@example(1e300)
@example(5e-324)
def test_every_number_is_read_back_as_it_is_written(number: float) -> None:
    for text in (repr(number), repr(number).translate(FULL_WIDTH), f"  {number!r}\u3000", f"{number:+}"):
        assert read_figure(text) == (number, False, ""), text


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_thousands_commas_and_full_width_digits_mean_the_same(number: int, digits: int) -> None:
    for text in (f"{number:,}", f"{number:,}".translate(FULL_WIDTH), f"{number:,}.{'0' * digits}", f"{number:,}\u3000"):
        assert read_figure(text).number == number, text


@given(NUMBERS, st.sampled_from(["%", " %", "％", "\u00a0%"]))
def test_a_percent_sign_is_told_and_not_applied(number: float, sign: str) -> None:
    assert read_figure(f"{number!r}{sign}") == (number, True, "")


@given(st.text(max_size=20))
@example("１_０００")
@example("𝟏𝟐")
@example("١٢٣")
@example("1e9999")
def test_any_text_is_a_finite_number_or_has_a_known_fault(text: str) -> None:
    figure = read_figure(text)
    if figure.number is None:
        assert figure.fault in FAULTS
        assert not figure.is_percent
    else:
        assert math.isfinite(figure.number)
        assert figure.fault == ""


@given(st.integers(0, 10**9), st.integers(0, 12), st.sampled_from(",._ -+eE0年万亿约~'"))
@example(1000, 1, ",")
@example(123, 0, "0")
@example(12, 2, ".")
def test_nothing_is_guessed(number: int, place: int, sign: str) -> None:
    """One slip of a finger in a number with commas: it is read only where Python reads the same digits and the commas part thousands."""
    written = f"{number:,}"
    text = written[:place] + sign + written[place:]
    body = text.strip()
    whole, *groups = body.lstrip("+-").split(".")[0].split(",")
    certain = not set(body) & set("_ ") and all(len(g) == 3 and g.isdigit() for g in groups)
    certain = certain and (not groups or (1 <= len(whole) <= 3 and whole.isdigit() and whole[0] != "0"))
    certain = certain and "," not in "".join(body.split(".")[1:])
    try:
        wanted = float(body.replace(",", "")) if certain else None
    except ValueError:
        wanted = None
    assert read_figure(text).number == wanted


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1_000", "underscore"), ("１＿０００", "underscore"), ("1,5", "thousands"), ("12,34,567", "thousands"), ("0,123", "thousands"),
        ("1 000", "thousands"), ("1,00", "thousands"), ("13.86亿吨", "unit"), ("120万", "unit"), ("5‰", "unit"), ("2024-01-02", "date"),
        ("2024/1", "date"), ("3月", "date"), ("12:30:00", "date"), ("2024年6月", "date"), ("约120", "about"), (">5", "about"), ("5左右", "about"),
        ("10~12", "about"), ("10–12", "about"), ("多", "text"), ("TRUE", "text"), ("inf", "text"), ("nan", "empty"), ("-", "empty"), ("/", "empty"),
        ("无", "empty"), ("#DIV/0!", "error"), ("#N/A", "error"), ("1e999", "text"), ("٣", "text"), ("½", "text"), ("0x10", "unit"), ("(5)", "text"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_refused_with_its_reason(text: str, fault: str) -> None:
    assert read_figure(text) == (None, False, fault)


def test_every_fault_has_words() -> None:
    for lang in LANGUAGES:
        for fault in [*sorted(FAULTS - {"text"}), "percent"]:
            assert has_text(f"finding.template.number:{fault}.rule", lang), fault


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2024", "2024"),
        ("２０２４", "2024"),
        ("2024年", "2024"),
        ("2024.0", "2024"),
        ("明年", ""),
        ("24", ""),
        ("2024-01-01", ""),
        ("20245", ""),
    ],
)
def test_years(text: str, year: str) -> None:
    assert read_year(text) == year
