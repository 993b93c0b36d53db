"""The command ``graph``, in one project."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from projects import Workspace, revise, write
from servers import GRAPHVIZ

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
CREATE = "op.create_table('{0}', sa.Column('id', sa.Integer, primary_key=True))"
DOT = "#!/bin/sh\n[ \"$*\" = -Tsvg ] && grep -q digraph && echo '<svg/>'\n"


@pytest.fixture
def here(tmp_path, sqlite):
    here = Workspace(tmp_path, sqlite.new_database())
    notes = here.add("notes", THING.replace("Thing", "Note").replace("thing", "note"), history=True)
    here.add_app("shop", THING, ["notes"])
    revise(notes / "alembic", "n1", None, CREATE.format("note"), message="Create notes")
    revise(here.app / "alembic", "a1", None, CREATE.format("thing"), header="requires = {'notes': 'n1'}\n")
    revise(here.app / "alembic", "b1", "a1")
    revise(here.app / "alembic", "c1", "a1")
    revise(here.app / "alembic", "m1", ("b1", "c1"))
    return here


def test_the_graph_is_drawn_in_each_format_and_nothing_is_created(here, tmp_path):
    path = {"PATH": str(tmp_path / "bin")}
    assert here.ok("-x", "packages=all", "graph").splitlines() == [
        "o  m1 (shop, head)",
        "|\\",
        "| o  c1 (shop)",
        "o |  b1 (shop)",
        "|/",
        "o  a1 (shop)  [requires notes n1]",
        "o  n1 (notes, head) Create notes",
    ]
    assert not [file for file in tmp_path.rglob("*") if file.suffix in (".db", ".sqlite")]
    here.ok("-x", "packages=all", "upgrade", "a1")
    assert here.ok("graph").splitlines()[-1] == "*  a1  [requires notes n1]"
    assert "n1" in here.ok("-x", "packages=all", "graph", "--format", "mermaid")
    assert here.ok("graph", "--format", "dot").startswith("digraph {")
    assert here.ok("-x", "packages=all", "graph", "--tables") == "notes\n  note\nshop\n  thing\n"
    assert here.ok("graph", "--format", "mermaid", "--output", "graph.mmd") == ""
    assert (here.app / "graph.mmd").read_text() == here.ok("graph", "--format", "mermaid")
    assert "missing/graph.mmd: the graph cannot be written" in here.fails("graph", "--output", "missing/graph.mmd")
    failed = here.fails("graph", "--format", "svg", env=path)
    assert failed == (
        "dot is not installed, or not in PATH, and --format svg needs it; "
        "install Graphviz, or use --format mermaid, which GitHub shows"
    )
    write(tmp_path / "bin/dot", DOT).chmod(0o755)
    assert here.ok("graph", "--format", "svg", env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}) == "<svg/>\n"
    write(tmp_path / "bin/dot", "#!/bin/sh\necho syntax >&2\nexit 3\n")
    assert "dot ended with exit code 3; syntax" in here.fails("graph", "--format", "svg", env=path)


@pytest.fixture
def graphviz():
    """The folder of Graphviz's program."""
    program = GRAPHVIZ / "bin" / "dot"
    found = str(program) if program.exists() else shutil.which("dot")
    if found is None:
        pytest.skip("Graphviz is missing: make servers on Debian or Ubuntu, elsewhere install graphviz")
    return Path(found).parent


def test_graphviz_draws_the_revisions_and_the_tables(here, graphviz):
    path = {"PATH": f"{graphviz}:{os.environ['PATH']}"}
    revisions = ElementTree.fromstring(here.ok("-x", "packages=all", "graph", "--format", "svg", env=path))
    texts = {element.text for element in revisions.iter("{http://www.w3.org/2000/svg}text")}
    assert {"notes", "shop", "n1", "Create notes", "m1", "requires"} <= texts
    here.ok("-x", "packages=all", "graph", "--tables", "--format", "svg", "--output", "tables.svg", env=path)
    tables = ElementTree.parse(here.app / "tables.svg").getroot()
    assert {"notes", "note", "id PK", "thing"} <= {
        element.text for element in tables.iter("{http://www.w3.org/2000/svg}text")
    }


def test_without_the_database_the_scripts_are_drawn_with_a_warning(here):
    here.write_ini(url="postgresql+psycopg2://app:5ecret@127.0.0.1:1/app")
    ran = here.run("graph")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "*  m1 (head)"
    assert "WARNING: cannot connect" in ran.err
    assert "5ecret" not in ran.err
