"""An application whose history goes wrong, for the tests of what mends it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, inspect, text

from looking import looking
from projects import WS_ALEMBIC, Workspace, revise

THING = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String(20), unique=True)
"""
NOTE = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    thing_id = Column(Integer, index=True)
"""
CREATE_THING = (
    "op.create_table('thing', sa.Column('id', sa.Integer, primary_key=True),"
    " sa.Column('name', sa.String(20), unique=True))"
)
CREATE_NOTE = (
    "op.create_table('note', sa.Column('id', sa.Integer, primary_key=True), sa.Column('thing_id', sa.Integer));"
    " op.create_index('ix_note_thing_id', 'note', ['thing_id'])"
)


def shop(folder: Path, url: URL) -> Workspace:
    """Write an application of two tables and two revisions."""
    workspace = Workspace(folder, url)
    workspace.add_app("shop", THING + NOTE)
    revise(workspace.app / "alembic", "aaa1", None, CREATE_THING, "op.drop_table('thing')")
    revise(workspace.app / "alembic", "bbb2", "aaa1", CREATE_NOTE, "op.drop_table('note')")
    return workspace


def findings(workspace: Workspace, *options: str) -> list[dict[str, Any]]:
    """Return what ``doctor`` finds."""
    ran = workspace.run(*options, "doctor", "--format", "json")
    found: list[dict[str, Any]] = json.loads(ran.out)
    assert ran.code == (1 if found else 0), ran
    assert all(list(finding) == ["problem", "package", "detail", "remedy"] for finding in found)
    return found


def follow(workspace: Workspace, finding: dict[str, Any]) -> None:
    """Run the remedy of ``finding``, a command for a shell, as it is."""
    program, *argv = shlex.split(finding["remedy"])
    assert program == "ws-alembic"
    ran = workspace.call(WS_ALEMBIC, argv)
    assert ran.code == 0, (finding["remedy"], ran)


def look(url: URL) -> dict[str, object]:
    """Return all that is in a database: databases, schemas, tables, columns, indexes and rows."""
    seen: dict[str, object] = {}
    with looking(url) as connection:
        inspector = inspect(connection)
        seen["schemas"] = sorted(inspector.get_schema_names()) if url.get_backend_name() == "postgresql" else []
        seen["databases"] = databases(connection)
        for name in sorted(inspector.get_table_names()):
            rows = connection.execute(text(f"SELECT * FROM {name}")).all()
            seen[name] = (repr(inspector.get_columns(name)), repr(inspector.get_indexes(name)), sorted(map(repr, rows)))
        if url.get_backend_name() == "postgresql":
            counts = "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_type)"
            seen["catalogue"] = repr(connection.execute(text(counts)).all())
    return seen


_DATABASES = {"postgresql": "SELECT datname FROM pg_database", "sqlite": "SELECT 'main'"}


def databases(connection: Connection) -> list[str]:
    """Return the databases of the server that are not of a test; those of commands that run now get time to go."""
    names: list[str] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        rows = connection.exec_driver_sql(_DATABASES.get(connection.dialect.name, "SHOW DATABASES")).scalars()
        names = sorted(name for name in rows if not name.startswith("test_"))
        if not any("scratch" in name for name in names):
            break
        time.sleep(0.05)
    return names


def everything(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Return all files in ``folder`` but what the run of the test itself writes."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".out", ".err"))
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def until(is_so: Callable[[], object]) -> None:
    """Wait until ``is_so()``, a minute at most."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
