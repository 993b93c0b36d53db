"""The examples of ``--help``, run one after the other in one project, and what Alembic's ``init`` accepts."""

from __future__ import annotations

import shlex

import pytest

from projects import MODELS, WS_ALEMBIC, Workspace, revise
from websauna_migrate.scripts.help_text import HELP

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
CREATE = "op.create_table('{0}', sa.Column('id', sa.Integer, primary_key=True))"
A, B, C, D, E = "a1c2e3f4b5d6", "b2d3f4a5c6e7", "c3e4f5a6b7d8", "d4f5a6b7c8e9", "e5a6b7c8d9f1"


class Examples:
    """Runs the examples, each one once."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.left = {example.arguments: example.line for text in HELP.values() for example in text.examples}

    def run(self, *examples):
        outputs = []
        for arguments in examples:
            argv = shlex.split(self.left.pop(arguments))[1:]
            ran = self.workspace.call(WS_ALEMBIC, argv, env={"EDITOR": "true"})
            assert ran.code == 0, (arguments, ran)
            outputs.append(ran.out)
        return outputs[-1]


@pytest.fixture
def workspace(tmp_path, sqlite):
    workspace = Workspace(tmp_path, sqlite.new_database())
    notes = workspace.add("notes", THING.replace("Thing", "Note").replace("thing", "note"), history=True)
    workspace.add_app("shop", THING, ["notes"])
    workspace.ok("-x", "packages=all", "init")
    revise(notes / "alembic", "n1", None, CREATE.format("note"), "op.drop_table('note')")
    revise(workspace.app / "alembic", A, None, CREATE.format("thing"), "op.drop_table('thing')")
    revise(workspace.app / "alembic", B, A)
    return workspace


def test_each_example_works(workspace):
    examples, folder, run = Examples(workspace), workspace.app / "alembic", workspace.execute
    examples.run("list_templates", "--quiet list_templates", "init", "init migrations --package")
    examples.run("-x packages=all ensure_version", "ensure_version --sql", "-x packages=all plan", "upgrade +1 --sql")
    examples.run("-x packages=all lint", "lint base:a1c2e3f4b5d6 --format github")
    examples.run("-x packages=all graph", "graph --tables --format mermaid --output tables.mmd")
    examples.run("-x packages=all upgrade", "plan --down base --format json", "downgrade -1", "stamp head")
    examples.run("-x packages=all status", "-x packages=all status --check --wait 60")
    assert examples.run("-x packages=all current", "current --check-heads") == f"{B} (head)\n"
    examples.run("-x packages=all heads", "heads --verbose", "branches", "-x packages=all branches --verbose")
    examples.run("-x packages=all check", "check --format json")
    examples.run("-x packages=all doctor", "doctor --no-replay --format json")
    examples.run("show head", "-x packages=all show a1c2e3f4b5d6", "edit head", "edit a1c2e3f4b5d6")
    examples.run("-x packages=all history")
    examples.run("stamp --purge a1c2e3f4b5d6")
    assert B in examples.run("history -r current:head --verbose")
    run("ALTER TABLE alembic_history_shop RENAME TO alembic_version")
    examples.run("adopt --yes")
    run("DROP TABLE alembic_history_shop", "DROP TABLE alembic_version")
    examples.run("adopt --revision a1c2e3f4b5d6 --yes")
    workspace.ok("upgrade")
    for onto in (B, "base"):
        revise(folder, C, A)
        examples.run(f"rebase {C} {onto}")
    (folder / "versions" / f"{C}.py").unlink()
    for merge in ('merge heads -m "Merge the branches"', f'merge {D} {E} -m "Merge two branches"'):
        revise(folder, D, B)
        revise(folder, E, B)
        before = workspace.scripts()
        examples.run(merge)
        [merged] = workspace.scripts() - before
        for script in (merged, folder / "versions" / f"{D}.py", folder / "versions" / f"{E}.py"):
            script.unlink()
    (workspace.app / "shop" / "models.py").write_text(MODELS + THING + "    price = Column(Integer)\n")
    before = workspace.scripts()
    examples.run('revision --autogenerate -m "Add the price"', 'revision -m "Fill the prices"')
    assert len(workspace.scripts() - before) == 2
    examples.run("-x packages=all downgrade base --yes")
    assert examples.left == {}


def test_init_accepts_what_alembic_accepts(workspace):
    workspace.ok("init", "places", "-t", "async", "--package")
    files = {path.relative_to(workspace.app / "places").as_posix() for path in (workspace.app / "places").rglob("*.*")}
    assert files == {"__init__.py", "env.py", "script.py.mako", "versions/README.rst", "versions/__init__.py"}
    assert "run_alembic(package=" in (workspace.app / "places" / "env.py").read_text()
    ran = workspace.run("init", "-t", "multidb")
    assert (ran.code, "invalid choice: 'multidb'" in ran.err) == (2, True)


def test_options_may_follow_the_subcommand_and_go_on_to_env_py(workspace):
    env = workspace.app / "alembic" / "env.py"
    env.write_text("from alembic import context\nprint(context.get_x_argument())\n" + env.read_text())
    argv = ["-x", "mine=1", "upgrade", "-x", "packages=shop", "-c", str(workspace.ini)]
    ran = workspace.call(WS_ALEMBIC, argv)
    assert ran.code == 0, ran
    assert "['mine=1', 'packages=shop']" in ran.err
    assert workspace.tables() == {"thing", "alembic_history_shop"}
