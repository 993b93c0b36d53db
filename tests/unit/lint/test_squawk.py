"""What squawk says, at the statement that it says it about: by squawk itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from websauna_migrate.exceptions import ClientError
from websauna_migrate.lint import squawk
from websauna_migrate.lint.statements import Statement, read_statement
from websauna_migrate.revisions.plan import PlanStep
from websauna_migrate.revisions.scripts import Revision


def step(id_, *, contract=False):
    revision = Revision(id_, (), (), (), (), (), "", None, Path(f"{id_}.py"), contract=contract)
    return PlanStep("shop", revision, "up", (), (id_,))


def statements(one, *sql):
    begin, commit = Statement(one, None, "BEGIN;"), Statement(one, None, "COMMIT;")
    return [begin, *(read_statement(one, 7 + n, text, "postgresql") for n, text in enumerate(sql)), commit]


def said(found, version=(17, 2)):
    return [
        (one.statement.step.revision.id, one.statement.line, one.rule)
        for one in squawk.remarks(squawk.program(), found, version)
    ]


def test_a_remark_is_about_its_statement_and_one_process_reads_all_revisions(monkeypatch):
    run, started = subprocess.run, []
    monkeypatch.setattr(subprocess, "run", lambda *argv, **how: started.append(argv) or run(*argv, **how))
    long = "SELECT 1,\n\n2,\n3;"
    char = "ALTER TABLE t\n  ADD COLUMN a char(3),\n  ADD COLUMN b char(3);"
    found = [*statements(step("a1"), long, char, long), *statements(step("a2"), char, "DROP INDEX i;")]
    assert said(found) == [
        ("a1", 8, "ban-char-field"),
        ("a1", 8, "ban-char-field"),
        ("a2", 7, "ban-char-field"),
        ("a2", 7, "ban-char-field"),
        ("a2", 8, "require-concurrent-index-deletion"),
    ]
    assert len(started) == 1
    assert said([]) == []


def test_what_our_rules_say_is_left_to_them():
    sql = ("ALTER TABLE t DROP COLUMN a;", "CREATE INDEX i ON t (a);", "CREATE TABLE u (id INTEGER, at TIMESTAMP);")
    assert said(statements(step("a1"), *sql)) == []


def test_a_contract_revision_may_drop_other_things_too():
    assert said(statements(step("a1"), "DROP VIEW v;")) == [("a1", 7, "ban-drop-view")]
    assert said(statements(step("a1", contract=True), "DROP VIEW v;")) == []


def test_the_safe_form_of_an_index_is_outside_of_the_transaction():
    inside = statements(step("a1"), "CREATE INDEX CONCURRENTLY i ON t (a);")
    assert said(inside) == [("a1", 7, "ban-concurrent-index-creation-in-transaction")]
    assert said([inside[0], inside[-1], inside[1], inside[0], inside[-1]]) == []


def test_a_squawk_that_fails_is_an_error_that_says_how_to_leave_it_out(tmp_path):
    program = tmp_path / "squawk"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(ClientError, match=r"squawk failed with exit code 3: broken; .*lint.ignore = squawk"):
        list(squawk.remarks(str(program), statements(step("a1"), "SELECT 1;"), None))


def test_it_is_looked_for_in_this_environment_and_in_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert squawk.program()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "none"))
    assert squawk.program() is None
    (tmp_path / "squawk").write_text("")
    (tmp_path / "squawk").chmod(0o755)
    assert squawk.program() == str(tmp_path / "squawk")
