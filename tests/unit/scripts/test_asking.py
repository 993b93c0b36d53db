"""Questions on the terminal."""

from __future__ import annotations

import io
import os
import pty

import pytest

from websauna_migrate.exceptions import RunError, UsageError
from websauna_migrate.scripts import asking


@pytest.fixture
def typed(monkeypatch):
    """A function that makes a terminal, on which its text was typed, the standard input."""
    opened = []

    def type_(text: str) -> None:
        ours, theirs = pty.openpty()
        stdin = os.fdopen(theirs)
        opened.append((ours, stdin))
        os.write(ours, text.encode())
        monkeypatch.setattr("sys.stdin", stdin)

    yield type_
    for ours, stdin in opened:
        stdin.close()
        os.close(ours)


@pytest.mark.parametrize(
    ("text", "answer"), [("y\n", True), ("YES\n", True), ("n\n", False), ("no\n", False), ("\n", False)]
)
def test_an_answer_is_yes_or_no_and_an_empty_one_is_no(typed, capsys, text, answer):
    typed(text)
    assert asking.ask("Drop it?") is answer
    assert capsys.readouterr() == ("", "Drop it? [y/N] ")


def test_a_question_is_asked_until_the_answer_is_one(typed, capsys):
    typed("perhaps\ny\n")
    assert asking.ask("Drop it?")
    assert capsys.readouterr().err == "Drop it? [y/N] " * 2


def test_the_end_of_the_input_is_no_answer(typed):
    typed("\x04")  # Ctrl-D
    with pytest.raises(EOFError):
        asking.ask("Drop it?")


@pytest.mark.parametrize("text", ["n\n", "\n", "\x04"])
def test_what_is_not_confirmed_does_not_go_on(typed, text):
    typed(text)
    with pytest.raises(RunError, match=r"^adopt: .*--yes$"):
        asking.confirm("adopt", yes=False)


def test_a_confirmation_goes_on(typed):
    typed("y\n")
    asking.confirm("adopt", yes=False)


def test_yes_is_confirmed_without_a_question(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    asking.confirm("adopt", yes=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None], ids=["pipe", "closed"])
def test_without_a_terminal_nobody_is_asked(monkeypatch, capsys, stdin):
    monkeypatch.setattr("sys.stdin", stdin)
    assert not asking.can_answer()
    assert not asking.can_read_and_answer()
    with pytest.raises(UsageError, match=r"^adopt .*--yes$"):
        asking.confirm("adopt", yes=False)
    assert capsys.readouterr() == ("", "")


def test_who_cannot_see_the_question_can_only_answer(typed):
    typed("")
    assert asking.can_answer()
    assert not asking.can_read_and_answer()  # the tests capture stderr
