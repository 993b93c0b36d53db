"""Which driver an URL gets, and what to install for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from websauna_migrate.database import drivers
from websauna_migrate.database.drivers import how_to_install, other_name, synchronous

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def installed(monkeypatch):
    """Tell which modules are installed."""

    def tell(*modules):
        monkeypatch.setattr(drivers, "find_spec", lambda name: name in modules or None)

    return tell


@pytest.mark.parametrize(
    ("url", "modules", "replaced"),
    [
        (
            "postgresql+asyncpg://u@h/d?ssl=require&timeout=3",
            ["psycopg2", "psycopg"],
            "postgresql+psycopg2://u@h/d?sslmode=require",
        ),
        ("postgresql+asyncpg://u@h/d", ["psycopg"], "postgresql+psycopg://u@h/d"),
        ("postgresql+psycopg_async://u@h/d", ["psycopg"], "postgresql+psycopg://u@h/d"),
        ("mysql+aiomysql://u@h/d?charset=utf8mb4", ["pymysql"], "mysql+pymysql://u@h/d?charset=utf8mb4"),
        ("mariadb+asyncmy://u@h/d", ["MySQLdb"], "mariadb+mysqldb://u@h/d"),
        ("sqlite+aiosqlite:///x.db", ["sqlite3"], "sqlite+pysqlite:///x.db"),
        ("postgresql+asyncpg://u@h/d", [], "postgresql+asyncpg://u@h/d"),
        ("postgresql+pg8000://u@h/d", ["psycopg2"], "postgresql+pg8000://u@h/d"),
        ("nowhere://u@h/d", [], "nowhere://u@h/d"),
    ],
)
def test_an_asynchronous_driver_gives_way_to_an_installed_synchronous_one(installed, url, modules, replaced):
    installed(*modules)
    assert synchronous(make_url(url)) == make_url(replaced)


@pytest.mark.parametrize(
    ("url", "modules", "told"),
    [
        (
            "postgresql+psycopg://h/d",
            ["psycopg2"],
            "'psycopg[binary]'; or use psycopg2, which is installed: postgresql+psycopg2://",
        ),
        ("postgresql+psycopg2://h/d", [], "'psycopg2-binary'"),
        ("postgresql+asyncpg://h/d", [], "'psycopg2-binary'"),
        ("mysql://h/d", ["pymysql"], "'mysqlclient'; or use pymysql, which is installed: mysql+pymysql://"),
        ("mysql://h/d", [], "'mysqlclient'; or write mysql+pymysql:// and: pip install 'pymysql'"),
        ("mssql+pymssql://h/d", [], "'pymssql'"),
    ],
)
def test_the_package_of_a_driver_and_another_spelling_are_named(installed, url, modules, told):
    installed(*modules)
    assert how_to_install(make_url(url)) == f"install it with: pip install {told}"


def test_the_name_of_a_dialect_is_corrected():
    assert other_name("postgres") == "postgresql"
    assert other_name("postgres+psycopg2") == "postgresql+psycopg2"
    assert other_name("mysq") == "mysql"
    assert other_name("nowhere") is None


def test_our_extra_installs_the_default_driver_of_each_sqlalchemy():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert {"psycopg2-binary", "psycopg[binary]"} <= set(project["optional-dependencies"]["postgresql"])
