"""Completion in a shell."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from argparse import Namespace

import pytest
from sqlalchemy import make_url

from page_blocks import named
from projects import Workspace, revise
from websauna_migrate.scripts.completion import completions, x_values
from websauna_migrate.scripts.parser import build_parser

MODEL = "class {0}(Base):\n    __tablename__ = '{0}'\n    id = Column(Integer, primary_key=True)\n"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("pa", ["packages="]),
        ("", ["packages=", "transaction=", "cascade="]),
        ("packages=", ["packages=shop", "packages=acme.shop", "packages=all"]),
        ("packages=a", ["packages=acme.shop", "packages=all"]),
        ("packages=shop,", ["packages=shop,acme.shop"]),
        ("transaction=a", ["transaction=all"]),
        ("cascade=", ["cascade=no", "cascade=yes"]),
        ("mine=", []),
    ],
)
def test_x_options_and_their_values(prefix, expected):
    assert list(x_values(prefix, lambda: ("shop", "acme.shop"))) == expected


def test_packages_are_only_read_where_they_are_wanted():
    def packages():
        raise AssertionError

    x_values("transaction=", packages)


def test_what_is_wrong_is_shown_and_completes_nothing(capsys, monkeypatch):
    monkeypatch.delenv("ALEMBIC_CONFIG", raising=False)
    [revision] = [action for action in build_parser().subcommands["show"]._actions if action.dest == "rev"]
    assert completions("", revision, Namespace(config=None)) == {}


# --- as a shell does it ----------------------------------------------------------------------------------------

GUIDE = "how-to/shell-completion.rst"
BASH = (
    f"""
{named(GUIDE, "completion-in-bash")}"""
    + """
COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
_python_argcomplete ws-alembic
printf '%s\\n' "${COMPREPLY[@]}"
"""
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("completed"), make_url("sqlite://"))
    workspace.add("notes", MODEL.format("Note"), history=True)
    workspace.add_app("shop", MODEL.format("Thing"), ["notes"])
    revise(workspace.folder / "notes" / "notes" / "alembic", "c1d2", message="create the notes")
    revise(workspace.app / "alembic", "a1b2", message="create the things")
    revise(workspace.app / "alembic", "b2c3", "a1b2")
    return workspace


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ws-alembic up", {"upgrade"}),
        ("ws-alembic upgrade --back", {"--backup"}),
        ("ws-alembic -c dev", {"development.ini"}),
        ("ws-alembic -c development.ini -x packages=n", {"notes"}),
        ("ws-alembic -c development.ini upgrade ", {"a1b2", "b2c3", "head", "heads", "base"}),
        ("ws-alembic -c development.ini upgrade b", {"b2c3", "base"}),
        ("ws-alembic -c development.ini -x packages=notes show c", {"c1d2"}),
        ("ws-alembic revision -c development.ini --head a", {"a1b2"}),
        ("ws-alembic status --format ", {"text", "json"}),
    ],
)
def test_bash_completes_commands_options_packages_and_revisions(workspace, line, expected):
    done = in_bash(workspace, BASH, line)
    assert {word.strip() for word in done.stdout.splitlines()} == expected, done.stderr


def in_bash(workspace, script, *arguments):
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    env = {"PATH": path, "PYTHONPATH": ":".join(map(str, workspace.path)), "HOME": str(workspace.folder)}
    argv = ["bash", "-c", script, "bash", *arguments]
    return subprocess.run(argv, cwd=workspace.app, env=env, capture_output=True, text=True, check=False)


def test_what_the_guide_shows_is_completed_and_fish_gets_a_script_of_its_own(workspace):
    lines = named(GUIDE, "what-is-completed").splitlines()
    assert [line.partition("<TAB>")[1:] for line in lines] == [("<TAB>", "")] * 2
    packages, revisions = (in_bash(workspace, BASH, line.removesuffix("<TAB>")).stdout.split() for line in lines)
    assert {"all", "notes", "shop"} <= set(packages)
    assert {"a1b2", "b2c3"} <= set(revisions)
    in_fish, _, reader = named(GUIDE, "completion-in-fish").strip().partition(" | ")
    assert reader == "source"
    assert "complete --command ws-alembic" in in_bash(workspace, in_fish).stdout
