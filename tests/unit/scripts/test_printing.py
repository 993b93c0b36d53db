"""What the scripts print, and where."""

from __future__ import annotations

import warnings
from argparse import Namespace

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError

from websauna_migrate.exceptions import UsageError, command
from websauna_migrate.scripts.printing import (
    fail,
    message,
    program,
    say,
    settings_files,
    show,
    show_json,
    show_warnings_as_lines,
    tell,
    warn,
)

OPTIONS = Namespace(config=["my app.ini"], name="alembic", quiet=False)


def test_results_go_to_stdout_and_all_else_to_stderr(capsys):
    show("a\n")
    show_json({"b": "Ä"})
    tell("c")
    say(OPTIONS, "d")
    warn(OPTIONS, UsageError("e"))
    out, err = capsys.readouterr()
    assert out.startswith("a\n{")
    assert "Ä" in out
    assert err == "c\nd\nWARNING: e\n"


def test_quiet_means_no_lines_about_the_work(capsys):
    say(Namespace(quiet=True), "d")
    assert capsys.readouterr().err == ""


def test_control_characters_are_escaped_and_lines_stay(capsys):
    show("\x1b[2J\nb\n")
    tell("c\x07")
    assert capsys.readouterr() == ("\\x1b[2J\nb\n", "c\\x07\n")


def test_a_failure_is_one_line_with_a_command_that_can_be_run(capsys):
    fail(OPTIONS, UsageError("wrong", command("shop", "upgrade")))
    assert capsys.readouterr().err == "FAILED: wrong; run: ws-alembic -c 'my app.ini' -x packages=shop upgrade\n"


def test_an_error_of_the_database_names_the_settings_and_not_the_statement(capsys):
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(OperationalError) as caught:
        connection.exec_driver_sql("SELECT secret FROM nowhere")
    engine.dispose()
    fail(OPTIONS, caught.value)
    err = capsys.readouterr().err
    assert "my app.ini: the database reports: no such table: nowhere" in err
    assert "secret" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [(CommandError("two\nlines"), "two lines"), (ValueError("x"), "ValueError: x"), (KeyError(), "KeyError")],
)
def test_an_error_of_others_is_named_unless_it_is_alembics(error, told):
    assert message(error) == told


def test_a_command_starts_as_it_was_given(monkeypatch):
    monkeypatch.setenv("ALEMBIC_CONFIG", "env.ini")
    assert program(Namespace(config=None)) == ("ws-alembic", "-c", "env.ini")
    assert program(Namespace(config=["a.ini"], name="other")) == ("ws-alembic", "-c", "a.ini", "-n", "other")
    assert settings_files(Namespace(config=["a.ini", "b.ini"])) == ["a.ini", "b.ini"]
    assert program(Namespace(config=["a.ini", "b.ini"])) == ("ws-alembic",)


def test_a_warning_of_a_library_is_one_line_without_its_place(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    show_warnings_as_lines()
    assert warnings.formatwarning("two\nlines", UserWarning, sa.__file__, 1) == "WARNING: two lines\n"
    assert __file__ in warnings.formatwarning("mine", UserWarning, __file__, 1)
