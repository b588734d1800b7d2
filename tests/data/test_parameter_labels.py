"""Every parameter and every subject of the model has a name in both languages that says more than its code."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from transport.i18n import LANGUAGES, parameter_labels
from transport.inputs import REFERENCE_PREFIX, load_inputs
from transport.template.layout import subject_words
from transport.template.words import input_names, words_of_names

DATA = Path(__file__).resolve().parents[2] / "data"
LONGEST = {"zh": 24, "en": 60}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_labels_and_parameters_stand_for_each_other() -> None:
    parameters = {row["parameter"] for path in (DATA / "parameters").glob("*.csv") for row in rows(path)}
    labelled = [row["parameter"] for row in rows(DATA / "parameter_labels.csv")]
    assert labelled == sorted(parameters)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_labels_are_names(lang: str) -> None:
    labels = {row["parameter"]: row[f"label_{lang}"] for row in rows(DATA / "parameter_labels.csv")}
    assert [name for name, n in Counter(labels.values()).items() if n > 1] == []
    for parameter, name in labels.items():
        assert name.strip() == name, parameter
        assert name not in {"", parameter}, parameter
        assert len(name) <= LONGEST[lang], parameter
        assert not re.search(r"[。.!！?？]$", name), parameter
        assert bool(re.search(r"[\u4e00-\u9fff]", name)) == (lang == "zh"), parameter


@pytest.mark.parametrize("lang", LANGUAGES)
def test_tables_name_every_parameter(lang: str) -> None:
    inputs = load_inputs()
    named, labels = words_of_names(inputs, lang), parameter_labels(inputs, lang)
    assert {parameter: named[parameter] for parameter in labels} == labels


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_subject_of_the_model_has_a_name(lang: str) -> None:
    inputs = load_inputs()
    words = subject_words(inputs, lang)
    subjects = set(inputs.own_parameters()["subject"]) - words.keys()
    assert {part for subject in subjects for part in re.split("[:.]", subject)} - words.keys() == {"all"}


def test_inputs_are_called_by_parameter_and_subject() -> None:
    keys = [("grid_factor", "all"), ("berth_hours", "cruise"), ("clean_sales_share", "taxi")]
    assert input_names(keys, load_inputs(), "zh") == [
        "电网平均排放因子",
        "船舶在泊时间（邮轮）",
        "新增中清洁能源占比（巡游出租车）",
    ]


def test_reference_values_say_so() -> None:
    for row in rows(DATA / "parameter_labels.csv"):
        is_reference = row["parameter"].startswith(REFERENCE_PREFIX)
        assert ("参考）" in row["label_zh"]) == is_reference, row["parameter"]
        assert row["label_en"].endswith("(reference)") == is_reference, row["parameter"]
