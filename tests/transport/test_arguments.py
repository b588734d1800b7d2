"""The command line speaks the language of its reader: help of every command and option, and what argparse says itself."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from transport.arguments import Parser, Text, language_of, refuse, speaking
from transport.cli import _parser, main
from transport.i18n import LANGUAGES, texts

if TYPE_CHECKING:
    from collections.abc import Iterator


def every_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from every_parser(below)


PARSERS = {parser.prog: parser for parser in every_parser(_parser(""))}


def asked(parser: argparse.ArgumentParser) -> list[str]:
    """Return the keys of the help of a parser: what it and its groups are, its options, and the commands below it."""
    keys = [str(one.description) for one in (parser, *parser._action_groups) if one.description]
    for action in parser._actions:
        below = action._get_subactions() if isinstance(action, argparse._SubParsersAction) else [action]
        if isinstance(action, argparse._SubParsersAction):
            assert len(below) == len(action.choices), "a command without help is not listed"
        keys += [str(one.help) for one in below if one.help is not argparse.SUPPRESS]
    return keys


@pytest.mark.parametrize("prog", PARSERS)
def test_every_command_and_option_has_help_in_both_languages(prog: str) -> None:
    for key in asked(PARSERS[prog]):
        for lang in LANGUAGES:
            assert key in texts(lang), (prog, key)


def test_no_help_is_kept_that_nothing_asks_for() -> None:
    used = {key for parser in PARSERS.values() for key in asked(parser)}
    assert {key for key in texts("zh") if key.startswith("help.")} == used


def test_chinese_help_is_chinese() -> None:
    for key, text in texts("zh").items():
        if key.startswith("help."):
            assert re.search(r"[\u4e00-\u9fff]", text), key


@pytest.mark.parametrize("prog", PARSERS)
def test_help_holds_no_sentence_of_the_other_language(prog: str) -> None:
    with speaking("zh"):
        shown = PARSERS[prog].format_help()
    told = shown.partition("\n\n")[2]  # after the usage line, which is names
    assert "选项:" in told
    assert not re.search(r"(?:\b[a-z]{2,} ){3}[a-z]{2,}", told), told
    with speaking("en"):
        shown = PARSERS[prog].format_help()
    assert "options:" in shown
    assert not re.search(r"[\u4e00-\u9fff]", shown)


def test_defaults_and_values_are_filled_in() -> None:
    parser = Parser(prog="p")
    parser.add_argument("--target", default=0.15, help="help.sea_rail.target")
    parser.add_argument("--year", help=Text("help.account.year", year=2030))
    with speaking("en"):
        shown = parser.format_help()
    assert "share to be reached (default 0.15)" in shown
    assert "year of the comparison (default 2030)" in shown


def test_chinese_lines_break_at_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with speaking("zh"):
        lines = PARSERS["transport network explain"].format_help().partition("\n\n")[2].splitlines()
    assert max(sum(1 + (sign > "\u2e80") for sign in line) for line in lines) <= 60
    assert not [line for line in lines if line.strip()[:1] in {"，", "。", "；", "）"}]
    assert len([line for line in lines if re.search(r"[\u4e00-\u9fff]", line)]) > 15


@pytest.mark.parametrize(
    ("line", "zh", "en"),
    [
        ("", "缺少必需的参数：COMMAND", "the following arguments are required: COMMAND"),
        (
            "fly",
            "参数 COMMAND：'fly' 不在可选范围内（可选：'check', ",
            "argument COMMAND: invalid choice: 'fly' (choose from 'check', ",
        ),
        ("run", "缺少必需的参数：scenario", "the following arguments are required: scenario"),
        ("check a b", "无法识别的参数：b", "unrecognized arguments: b"),
        ("app --port 0", "参数 --port：'0' 不是有效的取值", "argument --port: '0' is no valid value"),
        ("app --port", "参数 --port：须给出一个值", "argument --port: expected one argument"),
        (
            "run x --pro a=2030",
            "选项 --pro 不明确，可能是 --project, --progress",
            "ambiguous option: --pro could match --project, --progress",
        ),
        ("app --headless=3", "该选项不带值，却给出了 '3'", "this option takes no value, but '3' was given"),
        (
            "ensemble plan_2030 --draws 0",
            "参数 --draws：应为不小于 1 的整数，收到 0",
            "argument --draws: a whole number of at least 1, not 0",
        ),
        (
            "green-travel --with-transfers --without-transfers",
            "不能与参数 --with-transfers 同时使用",
            "not allowed with argument --with-transfers",
        ),
    ],
)
def test_wrong_use_is_one_clear_message(line: str, zh: str, en: str, capsys: pytest.CaptureFixture[str]) -> None:
    for lang, said, prefix in (("zh", zh, "用法: transport"), ("en", en, "usage: transport")):
        with pytest.raises(SystemExit) as stopped:
            main([*line.split(), "--lang", lang])
        assert stopped.value.code == 2
        told = capsys.readouterr().err
        assert told.startswith(prefix)
        assert said in told.splitlines()[-1]
        assert len(re.findall("错误：|: error:", told)) == 1


def test_the_language_stands_anywhere_and_chinese_is_the_default() -> None:
    assert language_of(["run", "x", "--lang", "en"]) == ("en", ["run", "x"])
    assert language_of(["--lang=en", "show", "levers"]) == ("en", ["show", "levers"])
    assert language_of(["show"]) == ("zh", ["show"])
    assert language_of(["show", "--lang"]) == ("zh", ["show"])
    assert language_of(["show", "--lang", "fr"])[0] == "zh"


def test_the_language_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "en", "show", "scenarios", "plan_2030"]) == 0
    assert not re.search(r"[\u4e00-\u9fff]", capsys.readouterr().out.splitlines()[0])


def test_a_wrong_language_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["show", "levers", "--lang", "fr"])
    assert "参数 --lang：'fr' 不在可选范围内" in capsys.readouterr().err


def test_argparse_has_its_own_words_back() -> None:
    own = vars(argparse)["_"], vars(argparse)["ngettext"]
    with pytest.raises(argparse.ArgumentTypeError, match="整数"), speaking("zh"):
        refuse("ensemble.whole_number", given="0")
    assert (vars(argparse)["_"], vars(argparse)["ngettext"]) == own


def test_no_text_is_read_before_one_is_shown() -> None:
    code = (
        "import transport.i18n as i\nfrom transport.arguments import speaking\nfrom transport.cli import _parser\n"
        "parser = _parser('app')\nwith speaking('zh'):\n    parser.parse_args(['app'])\nprint(i.texts.cache_info().misses)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
