"""What people wrote is shown on a terminal as they wrote it: never markup, never obeyed."""

import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from bezant.cli.console import _Console, write_json
from bezant.cli.main import app
from bezant.cli.session import Connection, facts, rows
from bezant.cli.visible import visible
from bezant.verifier import audit_log

MARKUP = [
    "Acme [/eu] Ltd",
    "invoice [paid] order:100:7",
    "[red]x[/red]",
    "[link=x]y",
    "\\[x]",
    ":smile:",
    "[/]",
    "[@click=quit]z",
]
HOSTILE = {
    "a\x1b]0;t\x07b\x1b[2Jc": r"a\u001b]0;t\u0007b\u001b[2Jc",
    "a\x9b2Jb\x85c\x7fd": r"a\u009b2Jb\u0085c\u007fd",
    "PAID\rOWED": r"PAID\rOWED",
    "a\u202egnp.exe": r"a\u202egnp.exe",
    "\u2066x\u2069": r"\u2066x\u2069",
    "a\u2028b\u2029c\ufeffd\u200be": r"a\u2028b\u2029c\ufeffd\u200be",
    "a\U000e0041b": r"a\udb40\udc41b",
}


@pytest.fixture
def terminal() -> _Console:
    return _Console(file=io.StringIO(), force_terminal=True, color_system=None, width=200, legacy_windows=False)


def written(console: _Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("text", MARKUP)
def test_markup_and_names_of_emoji_are_shown_as_they_were_written(terminal: _Console, text: str) -> None:
    terminal.print(text)
    terminal.print(rows(text, [text], [[text]]))
    terminal.print(facts(text, {text: text}))
    terminal.print(Panel(text, title="x"))
    terminal.print(Table(text, title=text, caption=text))
    assert written(terminal).count(text) == 11


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items())
def test_control_characters_are_shown_and_not_obeyed(terminal: _Console, text: str, shown: str) -> None:
    assert visible(text) == shown
    terminal.print(text)
    terminal.print(rows(text, [text], [[text]]))
    terminal.print(Text(text).copy() if "\x07" not in text and "\r" not in text else text)
    assert written(terminal).count(shown) == 5
    assert not [character for character in written(terminal) if character != "\n" and not character.isprintable()]


def test_a_line_feed_in_a_cell_makes_no_line_of_its_own(terminal: _Console) -> None:
    terminal.print(rows("x", ["name"], [["paid\n│ owed"]]))
    assert r"paid\n│ owed" in written(terminal)


@pytest.mark.parametrize("text", ["[bold]x[/bold]", ":100:", "\x1b[2J"])
def test_lines_of_progress_are_text(terminal: _Console, text: str) -> None:
    with terminal.status(Text(text)), Live(text, console=terminal, transient=True):
        pass
    shown = visible(text)
    assert shown in written(terminal)
    assert shown == text or text not in written(terminal)


@given(st.text())
def test_what_is_shown_holds_nothing_that_a_terminal_obeys_and_says_the_same_in_json(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in shown)
    document = msgspec.json.encode([text]).decode()
    assert json.loads(visible(document)) == [text]


@pytest.mark.parametrize("text", ["Müller & Söhne", "株式会社", "عربى", "👩‍👩‍👧", "naïve — “ok”", "a b\u00a0c"])
def test_what_people_write_in_their_languages_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_json_on_a_terminal_escapes_what_it_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    write_json(msgspec.json.encode({"name": "a\x9b2Jb\u202e"}).decode())
    out = capsys.readouterr().out
    assert out == '{"name":"a\\u009b2Jb\\u202e"}\n'
    assert json.loads(out) == {"name": "a\x9b2Jb\u202e"}


def test_a_failure_is_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException, match="1"):
        Connection("http://x", None).fail("code", "no [/eu] :100:\nsecond\x1b[2J", 1)
    assert capsys.readouterr().err == "bezant: no [/eu] :100:\\nsecond\\u001b[2J\n"
    with pytest.raises(BaseException, match="1"):
        Connection("http://x", None, as_json=True).fail("code", "no\x9b", 1)
    assert json.loads(capsys.readouterr().out) == {"error": "code", "message": "no\x9b"}


@pytest.mark.parametrize("word", ["[/eu] :100:", "a\x1b[2Jb", "a\x9bb"])
def test_an_error_about_an_option_quotes_it_as_text(word: str) -> None:
    result = CliRunner().invoke(app, ["topology", "check", "--rule", word])
    assert result.exit_code == 2
    assert f"no rule {visible(word)}; " in result.output
    assert word.isprintable() or word not in result.output


def test_a_forged_log_writes_no_verdict_on_the_auditors_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "entry 7 belongs to tenant \x1b[2J\rVERIFIED\n\u202e"

    def refused(_arguments: object) -> dict[str, str]:
        raise audit_log.VerificationFailed(hostile)

    monkeypatch.setattr(audit_log, "_run", refused)
    assert audit_log.main(["export", "log.jsonl"]) == 1
    assert capsys.readouterr().err == "NOT VERIFIED: entry 7 belongs to tenant \\x1b[2J\\rVERIFIED\\n\\u202e\n"
    monkeypatch.setattr(audit_log, "_run", lambda _arguments: {"tenant_id": hostile})
    assert audit_log.main(["export", "log.jsonl"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(r"\u202e")
