"""What commands cost that is the same on every machine: the modules that they import, the statements that they send."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from forked import Program
from projects import Workspace, revise
from scenarios import chain, write_project
from worker import Worker

IMPORTED = """
import json, sys
from websauna_migrate.scripts.ws_alembic import run

for command in json.loads(sys.argv[1]):
    code = run(command)
    print(json.dumps([code, list(sys.modules)]))
"""
COUNTED = """
import json
from sqlalchemy import event
from sqlalchemy.engine import Engine
from websauna_migrate.scripts.ws_alembic import run

def main(argv):
    statements = []
    event.listen(Engine, "before_cursor_execute", lambda c, cursor, statement, *_: statements.append(statement))
    event.listen(Engine, "do_connect", lambda *_: statements.append("connect"))
    code = run(argv)
    print(json.dumps(statements))
    return code
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
import gc
from websauna_migrate.scripts.ws_alembic import run

def main(argv):
    gc.disable()
    run(argv)
    from shop.models import Made
    print(gc.isenabled(), len(Made.all), sum(isinstance(one, Made) for one in gc.get_objects()))
"""
SHOWING = ("status", "plan")
#: What shows tables goes last: a module stays imported.
READING = (["upgrade"], ["current"], ["heads"], ["status", "--format", "json"], ["status"], ["plan"])
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


def modules_of(project, *commands):
    """Run commands of a project, each after the others in one new interpreter, and return its modules after each."""
    words = json.dumps([[str(part) for part in project.argv(*command)[1:]] for command in commands])
    env = {**os.environ, **project.options["env"]}
    argv = [sys.executable, "-c", IMPORTED, words]
    done = subprocess.run(argv, cwd=project.folder, env=env, capture_output=True, text=True, check=True)
    ended = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[0, ", "[1, "))]
    assert [code for code, _ in ended] == [0] * len(commands)
    return [modules for _, modules in ended]


def statements_of(project, *command):
    """Run a command of a project and return the statements that it sends."""
    (project.folder / "counted.py").write_text(COUNTED)
    words = [str(part) for part in project.argv(*command)]
    program = Program("counted:main", words, dict(os.environ), str(project.folder), [str(project.folder)])
    ran = Worker.shared().run(program)
    assert ran.code == 0, ran.err
    return json.loads(ran.out.splitlines()[-1])


def imported(modules, names):
    """Return which of ``names``, or modules inside of them, are among ``modules``."""
    return {name for name in names for module in modules if f"{module}.".startswith(f"{name}.")}


def test_what_only_reads_never_imports_alembic_or_the_orm(sqlite, tmp_path):
    project = write_project(tmp_path, sqlite.new_database(), {name: chain(name, 2) for name in ("red", "blue")})
    [modules] = modules_of(project, ["upgrade"])
    assert imported(modules, NOT_TO_RUN) == set()
    for command, modules in zip(READING, modules_of(project, *READING), strict=True):
        assert imported(modules, NOT_TO_READ) == set(), command
        assert command[0] in SHOWING or "rich" not in modules, command


def test_an_upgrade_sends_few_statements_for_a_revision_and_few_that_depend_on_no_number(postgresql, tmp_path):
    histories = {"red": chain("red", 4), **{name: chain(name, 1) for name in ("blue", "green", "grey")}}
    project = write_project(tmp_path, postgresql.new_database(), histories)
    sent = [statements_of(project, "upgrade", target) for target in ("red1", "red2", "red4")]
    assert [statements.count("connect") for statements in sent] == [2, 2, 2]  # the run, its lock
    first, one, two = map(len, sent)
    of_script = len(histories["red"][0].up)
    assert two - one == of_script + 2  # the limits of its transaction, and its row
    assert first - one <= 3  # the history table
    statements_of(project, "upgrade")
    nothing = statements_of(project, "upgrade")
    assert len(nothing) == 4, nothing  # connects and asks for the search path, the tables, their rows


def test_the_garbage_collector_never_looks_at_the_models_and_their_mappers(sqlite, tmp_path):
    shop = Workspace(tmp_path, sqlite.new_database())
    shop.add_app("shop", MODELS_THAT_NOTE, history=True)
    revise(shop.app / "shop" / "alembic", "aaa1")
    shop.alone = True
    (shop.app / "collected.py").write_text(COLLECTED)
    for command, made in (("upgrade", 1), ("check", 2)):
        ran = shop.run(command, script="collected:main")
        assert ran.out.splitlines()[-1] == f"True {made} 0", (command, ran.err)
