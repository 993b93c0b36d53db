"""The pages of ``docs/troubleshooting`` do what they say, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from page_blocks import follow
from projects import MODELS, Workspace, revise, write
from servers import Backend
from troubles import CREATE_NOTE, CREATE_THING, NOTE, THING, shop

DOCS = Path(__file__).parents[2] / "docs" / "troubleshooting"


def no_such_revision(workspace: Workspace) -> None:
    lost = revise(shop(workspace.folder, workspace.url).app / "alembic", "ccc3", "bbb2")
    workspace.ok("upgrade")
    lost.unlink()


def two_heads(workspace: Workspace) -> None:
    shop(workspace.folder, workspace.url)
    for id_ in ("ccc3", "ddd4", "eee5"):
        revise(workspace.app / "alembic", id_, "bbb2")
    workspace.ok("upgrade", "ccc3")
    workspace.ok("init")


def tables_exist_but_no_history(workspace: Workspace) -> None:
    shop(workspace.folder, workspace.url)
    workspace.ok("upgrade")
    workspace.execute("DROP TABLE alembic_history_shop")


def from_plain_alembic(workspace: Workspace) -> None:
    """The layout of pyramid-cookiecutter-starter, with its own env.py, and a database that Alembic upgraded."""
    package = workspace.app / "starter"
    write(package / "__init__.py", STARTER)
    write(package / "models" / "meta.py", META)
    write(package / "models" / "__init__.py", STARTER_MODELS)
    write(
        package / "models" / "mymodel.py", "from .meta import Base\nfrom sqlalchemy import *\n" + dedent(THING + NOTE)
    )
    write(package / "alembic" / "env.py", STARTER_ENV)
    for id_, down, create in (("20260304_aaa1", None, CREATE_THING), ("20260305_bbb2", "20260304_aaa1", CREATE_NOTE)):
        revise(package / "alembic", id_, down, create)
    settings = "pyramid.default_locale_name = en\n\n[alembic]\nscript_location = starter/alembic\n"
    workspace.write_ini(settings, start="use = call:starter:main\n")
    ran = workspace.run("upgrade", "20260304_aaa1", script="alembic.config:main")
    assert ran.code == 0, ran


def from_websauna(workspace: Workspace) -> None:
    shop(workspace.folder, workspace.url)
    write(workspace.app / "alembic" / "env.py", "from websauna.system.devop.alembic import run_alembic\n")
    workspace.execute(CREATE.format("alembic_history_shop"), "INSERT INTO alembic_history_shop VALUES ('aaa1')")
    workspace.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE)")
    history = "alembic_history_websauna_system"
    workspace.execute(CREATE.format(history), f"INSERT INTO {history} VALUES ('4a79eaf54317')")
    write(workspace.app / "websauna" / "system" / "__init__.py", "")

    write(workspace.app / "acme" / "blog" / "__init__.py", "")
    write(workspace.app / "acme" / "blog" / "models.py", MODELS + dedent(MEMO))
    blog = workspace.app / "acme" / "blog" / "alembic"
    write(blog / "env.py", "from websauna_migrate.env import run_alembic\n\nrun_alembic(package='blog')\n")
    revise(blog, "mmm1", None, CREATE_MEMO, "op.drop_table('memo')")
    workspace.execute(CREATE.format("alembic_history_blog"), "INSERT INTO alembic_history_blog VALUES ('mmm1')")
    workspace.execute("CREATE TABLE memo (id INTEGER PRIMARY KEY)")


def from_flask_migrate(workspace: Workspace) -> None:
    """What ``flask db init`` creates, with one of two revisions applied, and models that left Flask-SQLAlchemy."""
    shop(workspace.folder, workspace.url)
    (workspace.app / "alembic").rename(workspace.app / "migrations")
    write(workspace.app / "migrations" / "alembic.ini", "[alembic]\n")
    write(workspace.app / "migrations" / "env.py", "from flask import current_app\n")
    write(workspace.app / "shop" / "__init__.py", "")
    workspace.write_ini(start="")
    workspace.execute(CREATE.format("alembic_version"), "INSERT INTO alembic_version VALUES ('aaa1')")
    workspace.execute("CREATE TABLE thing (id INTEGER NOT NULL, name VARCHAR(20), PRIMARY KEY (id), UNIQUE (name))")


def from_kotti_migrate(workspace: Workspace) -> None:
    """An add-on as Kotti's documentation has it, without an ``env.py``, in the metadata that all packages share."""
    workspace.add_app("shop", addons=["kotti_blog"])
    write(workspace.app / "kotti" / "__init__.py", MODELS + "metadata = Base.metadata\n")
    blog = workspace.app / "kotti_blog"
    write(blog / "__init__.py", "from . import resources\n\n\ndef includeme(config):\n    config.scan(__name__)\n")
    write(blog / "resources.py", "from kotti import *\nfrom sqlalchemy import *\n" + dedent(THING + NOTE))
    revise(blog / "alembic", "aaa1", None, CREATE_THING, "op.drop_table('thing')")
    revise(blog / "alembic", "bbb2", "aaa1", CREATE_NOTE, "op.drop_table('note')")
    table = "kotti_blog_alembic_version"
    workspace.execute(CREATE.format(table), f"INSERT INTO {table} VALUES ('aaa1')")
    workspace.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE)")


def remove_a_package(workspace: Workspace) -> None:
    shop(workspace.folder, workspace.url)
    notes = workspace.add("acme.notes", MEMO)
    revise(notes / "alembic", "mmm1", None, CREATE_MEMO, "op.drop_table('memo')")
    workspace.add_app("shop", THING + NOTE, ["acme.notes"])
    workspace.ok("-x", "packages=all", "upgrade")
    workspace.execute("INSERT INTO memo VALUES (1)", "INSERT INTO memo VALUES (2)")


SCENARIOS: dict[str, Callable[[Workspace], None]] = {
    scenario.__name__.replace("_", "-"): scenario
    for scenario in (
        *(no_such_revision, two_heads, tables_exist_but_no_history, from_plain_alembic, from_websauna),
        *(from_flask_migrate, from_kotti_migrate, remove_a_package),
    )
}
MEMO = "class Memo(Base):\n    __tablename__ = 'memo'\n    id = Column(Integer, primary_key=True)\n"
CREATE_MEMO = "op.create_table('memo', sa.Column('id', sa.Integer, primary_key=True))"
CREATE = "CREATE TABLE {0} (version_num VARCHAR(32) NOT NULL, CONSTRAINT {0}_pkc PRIMARY KEY (version_num))"

STARTER = """\
from pyramid.config import Configurator


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.include(".models")
    return config.make_wsgi_app()
"""
META = """\
from sqlalchemy.orm import declarative_base
from sqlalchemy.schema import MetaData

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"})
Base = declarative_base(metadata=metadata)
"""
STARTER_MODELS = """\
from .mymodel import Thing


def includeme(config):
    config.include("pyramid_tm")
"""
STARTER_ENV = """\
from alembic import context
from pyramid.paster import get_appsettings, setup_logging
from sqlalchemy import engine_from_config

from starter.models.meta import Base

settings = get_appsettings(context.config.config_file_name)
engine = engine_from_config(settings, prefix="sqlalchemy.")
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("page", SCENARIOS)
def test_a_page_does_what_it_says(page, database, tmp_path, request):
    backend: Backend = request.getfixturevalue(database)
    workspace = Workspace(tmp_path, backend.new_database())
    workspace.app = tmp_path / ("starter" if page == "from-plain-alembic" else "shop")
    workspace.path.append(workspace.app)
    SCENARIOS[page](workspace)
    follow(workspace, (DOCS / f"{page}.rst").read_text(encoding="utf-8"))


def test_each_page_is_run():
    elsewhere = {"index", "error-messages"}  # the latter is run by tests/docs/test_error_messages.py
    assert {path.stem for path in DOCS.glob("*.rst")} - elsewhere == set(SCENARIOS)
