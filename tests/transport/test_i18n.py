"""Texts of both languages stay in step, and labels come from the code lists."""

from __future__ import annotations

import re
import string

import polars as pl
import pytest

from transport.i18n import LANGUAGES, TextError, column_label, has_text, label, labels, t, texts


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


CODES = pl.DataFrame(
    {
        "list": ["mode", "mode", "scope"],
        "code": ["road", "rail", "direct"],
        "label_zh": ["公路", "铁路", "直接排放"],
        "label_en": ["Road", "Rail", "Direct"],
    }
)


def test_both_files_hold_the_same_keys() -> None:
    assert set(texts("zh")) == set(texts("en"))


def test_both_texts_of_a_key_hold_the_same_placeholders() -> None:
    differ = {key for key in texts("zh") if placeholders(texts("zh")[key]) != placeholders(texts("en")[key])}
    assert differ == set()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_placeholders_are_named_and_texts_not_empty(lang: str) -> None:
    for key, text in texts(lang).items():
        assert text.strip() == text != "", key
        assert all(re.fullmatch(r"[a-z_][a-z0-9_]*", name) for name in placeholders(text)), key


def test_english_texts_hold_no_chinese() -> None:
    assert [
        key for key, text in texts("en").items() if re.search(r"[\u4e00-\u9fff]", text) and not key.startswith("language")
    ] == []


def test_placeholders_are_filled() -> None:
    assert t("finding.value.range:both.rule", "zh", minimum=0, maximum=1) == "应在 0 到 1 之间"
    assert t("finding.value.range:both.rule", "en", minimum=0, maximum=1) == "must lie between 0 and 1"


def test_braces_in_a_value_stay_as_they_are() -> None:
    assert t("finding.toml.syntax.rule", "en", detail="{x}") == "is not proper TOML: {x}"


def test_errors_help() -> None:
    with pytest.raises(TextError, match=r"did you mean 'finding.value.range.rule'"):
        t("finding.value.rang.rule")
    with pytest.raises(TextError, match="needs a value for 'detail'"):
        t("finding.toml.syntax.rule")
    with pytest.raises(TextError, match="no language 'fr'"):
        t("finding.file.empty.rule", "fr")
    assert has_text("finding.file.empty.rule")
    assert not has_text("finding.file.emptyx.rule")


def test_labels() -> None:
    assert label(CODES, "mode", "rail") == "铁路"
    assert label(CODES, "mode", "rail", "en") == "Rail"
    assert label(CODES, "mode", "maglev", "en") == "maglev"
    assert labels(CODES, "mode", "en") == {"road": "Road", "rail": "Rail"}
    with pytest.raises(TextError, match="did you mean 'mode'"):
        labels(CODES, "modes")


def test_column_labels() -> None:
    class Tables:
        tables = {  # noqa: RUF012
            "dictionary": pl.DataFrame({"table": ["levers"], "column": ["min"], "label_zh": ["最小值"], "label_en": ["Minimum"]})
        }

    assert column_label(Tables(), "levers", "min") == "最小值"
    assert column_label(Tables(), "levers", "min", "en") == "Minimum"
    assert column_label(Tables(), "levers", "max") == "max"
