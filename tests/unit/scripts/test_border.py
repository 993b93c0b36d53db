"""Where an error becomes a line and an exit code."""

from __future__ import annotations

import errno
import io
import sys
from argparse import Namespace

import pytest

from websauna_migrate.exceptions import RunError, UsageError
from websauna_migrate.run.errors import RunInterrupted
from websauna_migrate.scripts.border import run_script

OPTIONS = Namespace(raiseerr=False, config=["a.ini"])


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunError("broken"), 1),
        (UsageError("wrong"), 2),
        (RunInterrupted((), ()), 130),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (BrokenPipeError(), 141),
    ],
)
def test_each_kind_of_end_has_its_exit_code(error, code, capsys):
    assert run_script(raising(error), OPTIONS) == code
    err = capsys.readouterr().err
    assert err.count("\n") == (code != 141)
    assert "Traceback" not in err


def test_the_code_of_the_work_is_that_of_the_script():
    assert run_script(lambda: 1, OPTIONS) == 1


def test_the_stack_trace_is_shown_when_it_is_asked_for(capsys):
    run_script(raising(ValueError("x")), Namespace(raiseerr=True, config=["a.ini"]))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "FAILED: ValueError: x"


def test_a_full_disk_is_told_as_what_it_is(capsys):
    assert run_script(raising(OSError(errno.ENOSPC, "No space left")), OPTIONS) == 1
    assert "cannot write to standard output or a file: No space left" in capsys.readouterr().err


@pytest.mark.parametrize(("encoding", "of_stdout"), [("utf-8", False), ("ascii", True)])
def test_text_that_cannot_be_encoded_is_told_of_stdout_only_where_it_may_be(encoding, of_stdout, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    run_script(lambda: len("\udcc3".encode(encoding)), OPTIONS)
    assert ("cannot write to standard output" in capsys.readouterr().err) == of_stdout


def test_what_leaves_python_leaves_it():
    with pytest.raises(SystemExit):
        run_script(raising(SystemExit(4)), OPTIONS)
