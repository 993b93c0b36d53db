"""What commands cost that is the same on every machine: the modules that they import, the statements that they send."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from projects import Workspace, revise
from scenarios import chain, write_project

COUNTED = """
import json, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine

statements = []
event.listen(Engine, "before_cursor_execute", lambda c, cursor, statement, *_: statements.append(statement))
event.listen(Engine, "do_connect", lambda *_: statements.append("connect"))
from websauna_migrate.scripts.ws_alembic import run

code = run(sys.argv[1:])
print(json.dumps({"modules": list(sys.modules), "statements": statements}))
sys.exit(code)
"""
MODELS_THAT_NOTE = """
from sqlalchemy import event
from sqlalchemy.orm import Mapper

class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)

class Made:
    all = []

    def __init__(self):
        self.all.append(self)

Made()
event.listen(Mapper, "after_configured", Made)
"""
COLLECTED = """
import gc, sys

gc.disable()
from websauna_migrate.scripts.ws_alembic import run

run(sys.argv[1:])
from shop.models import Made

print(gc.isenabled(), len(Made.all), sum(isinstance(one, Made) for one in gc.get_objects()))
"""
READING = (["upgrade"], ["current"], ["heads"], ["status"], ["status", "--format", "json"], ["plan"])
NOT_TO_READ = (
    "alembic",
    "mako",
    "cookiecutter",
    "psycopg2",
    "pkg_resources",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.orm",
    "pyramid.paster",
)
NOT_TO_RUN = (
    "pygments",
    "websauna_migrate.autogenerate",
    "websauna_migrate.repair",
    "websauna_migrate.scratch",
    "cookiecutter",
)


@pytest.fixture
def costs(tmp_path):
    """Return a function that runs a command of a project and returns its modules, or the statements that it sends."""

    def costs(project, what, *argv):
        program = [sys.executable, "-c", COUNTED, *map(str, project.argv(*argv)[1:])]
        env = {**os.environ, **project.options["env"]}
        done = subprocess.run(program, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])[what]

    return costs


def imported(modules, names):
    """Return which of ``names``, or modules inside of them, are among ``modules``."""
    return {name for name in names for module in modules if f"{module}.".startswith(f"{name}.")}


def test_what_only_reads_never_imports_alembic_or_the_orm(sqlite, tmp_path, costs):
    project = write_project(tmp_path, sqlite.new_database(), {name: chain(name, 2) for name in ("red", "blue")})
    assert imported(costs(project, "modules", "upgrade"), NOT_TO_RUN) == set()
    for command in READING:
        modules = costs(project, "modules", *command)
        assert imported(modules, NOT_TO_READ) == set(), command
        assert command[0] in ("status", "plan") or "rich" not in modules, command


def test_an_upgrade_sends_few_statements_for_a_revision_and_few_that_depend_on_no_number(postgresql, tmp_path, costs):
    histories = {"red": chain("red", 4), **{name: chain(name, 1) for name in ("blue", "green", "grey")}}
    project = write_project(tmp_path, postgresql.new_database(), histories)
    sent = [costs(project, "statements", "upgrade", target) for target in ("red1", "red2", "red4")]
    assert [statements.count("connect") for statements in sent] == [2, 2, 2]  # the run, its lock
    first, one, two = map(len, sent)
    of_script = len(histories["red"][0].up)
    assert two - one == of_script + 2  # the limits of its transaction, and its row
    assert first - one <= 3  # the history table
    costs(project, "statements", "upgrade")
    nothing = costs(project, "statements", "upgrade")
    assert len(nothing) == 4, nothing  # connects and asks for the search path, the tables, their rows


def test_the_garbage_collector_never_looks_at_the_models_and_their_mappers(sqlite, tmp_path):
    shop = Workspace(tmp_path, sqlite.new_database())
    shop.add_app("shop", MODELS_THAT_NOTE, history=True)
    revise(shop.app / "shop" / "alembic", "aaa1")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, shop.path))}
    for command, made in (("upgrade", 1), ("check", 2)):
        argv = [sys.executable, "-c", COLLECTED, "-c", str(shop.ini), command]
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == f"True {made} 0", (command, done.stderr)
