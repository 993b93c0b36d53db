"""Alembic's own tests pass with ours switched in, but for those that ``answers`` lists with the reason.

They come with Alembic's source distribution: ``make servers`` unpacks that of the installed version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import alembic
import pytest
from sqlalchemy import create_engine

from servers import UNPACKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import Backend

HERE = Path(__file__).parent
SUITE = UNPACKED / f"alembic-{alembic.__version__}"
# Batch mode, operations, databases, and what autogenerate finds. What needs no server runs with SQLite alone.
ON_A_SERVER = ("batch", "suite", "autogen_[!r]*")
FILES = {
    "sqlite": (*ON_A_SERVER, "autogen_render", "op", "sqlite", "postgresql", "mysql"),
    "postgresql": (*ON_A_SERVER, "postgresql"),
    "mariadb": (*ON_A_SERVER, "mysql"),
}
# Without their options, and what watches each test or rewrites it: a fifth of the time.
WITHOUT = ("cacheprovider", "logging", "warnings", "threadexception", "unraisableexception")
PLAIN = ("-o", "addopts=", *(f"-pno:{name}" for name in WITHOUT), "--assert=plain")
OPTIONS = (*PLAIN, "-q", "-rfEX", "--tb=native", "-p", "switched_in")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with Alembic's tests; they write into it."""
    if not SUITE.exists():
        remedy = f"the tests of Alembic {alembic.__version__} are missing: make servers, where packages can be fetched"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(remedy)
    shutil.copytree(SUITE / "tests", tmp_path / "tests")
    shutil.copy(SUITE / "setup.cfg", tmp_path)
    # Their conftest.py executes this file by its place beside the tests.
    plugin = Path("alembic", "testing", "plugin", "bootstrap.py")
    (tmp_path / plugin).parent.mkdir(parents=True)
    shutil.copy(SUITE / plugin, tmp_path / plugin)
    return tmp_path


@contextmanager
def database_with_test_schema(backend: Backend) -> Iterator[str]:
    """Yield the URL of a database beside which there is the ``test_schema`` that SQLAlchemy's test support expects."""
    if backend.name == "sqlite":
        yield "sqlite:///:memory:"
        return
    url = backend.new_database()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA test_schema")
    yield url.render_as_string(hide_password=False)
    if backend.name == "mariadb":  # where a schema is a database of its own
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA test_schema")
    engine.dispose()


def test_alembics_own_tests_pass_with_ours_switched_in(backend: Backend, suite: Path) -> None:
    files = sorted(path for name in FILES[backend.name] for path in (suite / "tests").glob(f"test_{name}.py"))
    only = () if backend.name == "sqlite" else ("--backend-only",)
    with database_with_test_schema(backend) as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, "--answers-on", backend.name, "--dburi", url, *only, *files],
            cwd=suite,
            env={**os.environ, "PYTHONPATH": str(HERE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert done.returncode == 0, done.stdout
