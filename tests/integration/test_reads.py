"""Each script of a history is read once by a command, however many questions about it the command has."""

from __future__ import annotations

import json

import pytest

from forked import Program
from scenarios import chain, write_project
from worker import run_alone

# The audit event of ``os.open()``, by which we read scripts, has no mode; the import system, which runs them, has.
PROGRAM = """
import collections, json, sys
from pathlib import Path

from websauna_migrate.scripts.ws_alembic import run

reads = collections.Counter()

def hear(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(".py"):
        path = Path(arguments[0])
        if path.parent.name == "versions" and arguments[1] is None:
            reads[path.name] += 1

def main(argv):
    sys.addaudithook(hear)
    code = run(argv)
    Path("reads.json").write_text(json.dumps(reads))
    return code
"""


@pytest.fixture
def project(tmp_path, sqlite):
    return write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 3), "blue": chain("blue", 2)})


def call(project, *argv):
    """Run a command and return how often it read each script, and its exit code."""
    (project.folder / "hearing.py").write_text(PROGRAM)
    words = [str(part) for part in project.argv(*argv)]
    path = [str(project.folder)]
    done = run_alone(Program("hearing:main", words, {"PATH": "/usr/bin:/bin"}, path[0], path))
    return json.loads((project.folder / "reads.json").read_text()), done


ONCE = {f"{name}.py": 1 for name in ("red1", "red2", "red3", "blue1", "blue2")}


@pytest.mark.parametrize(
    "argv", [["status"], ["plan"], ["upgrade"], ["stamp", "heads"], ["current"], ["upgrade", "--sql"], ["doctor"]]
)
def test_a_command_reads_each_script_once(project, argv):
    reads, done = call(project, *argv)

    assert done.code == 0, done.err
    assert reads == ONCE


def test_doctor_reads_each_script_once_also_where_it_has_to_find_out_what_the_tables_match(project):
    assert call(project, "upgrade")[1].code == 0
    with project.engine().begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_history_red")
        connection.exec_driver_sql("UPDATE alembic_history_blue SET version_num = 'gone'")
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('red2')")

    reads, done = call(project, "doctor", "--format", "json")

    assert {found["problem"] for found in json.loads(done.out)} >= {"unknown-revision", "plain-alembic-version"}
    assert reads == ONCE
