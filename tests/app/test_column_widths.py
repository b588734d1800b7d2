"""Widths of columns: headings and numbers whole, texts cut last and the name of the row never before them."""

from __future__ import annotations

import polars as pl

from transport.app.column_widths import fitted, text_px
from transport.app.widgets import number, text

CONFIG = {
    "name": text("Target", width=60),
    "verdict": text("Verdict"),
    "value": number("达标概率", "%.1f", width=40),
    "year": number("Year", "%d"),
}
TABLE = pl.DataFrame({"name": ["a" * 30], "verdict": ["b" * 50], "value": [1234567.25], "year": [2030]})


def test_headings_and_numbers_are_whole_and_texts_give_way() -> None:
    roomy, tight = ({c: options["width"] for c, options in fitted(TABLE, CONFIG, room).items()} for room in (2000, 650))
    for widths in (roomy, tight):
        assert widths["value"] > text_px("1,234,567.2")
        assert widths["value"] > text_px("达标概率")
        assert widths["year"] > text_px("2030")
        assert widths["name"] > text_px("a" * 30)
    assert roomy["verdict"] > text_px("b" * 50) > tight["verdict"]
    assert sum(tight.values()) == 650


def test_room_that_is_too_small_still_shows_every_heading() -> None:
    widths = {c: options["width"] for c, options in fitted(TABLE, CONFIG, 100).items()}
    assert all(widths[c] > text_px(str(CONFIG[c]["label"])) for c in widths)


def test_widths_that_are_enough_stay() -> None:
    config = {c: dict(options) | {"width": 500} for c, options in CONFIG.items()}
    assert fitted(TABLE, config) == config


def test_numbers_of_fixed_digits_have_separators_and_years_have_none() -> None:
    forms = [number("x", form)["type_config"]["format"] for form in ("%.1f", "%+.2f", "%d", "localized")]
    assert forms == ["%,.1f", "%+,.2f", "%d", "localized"]
