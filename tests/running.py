"""An application of two packages in this process, whose revisions lie in a folder: ``shop`` requires ``user``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

from projects import revise
from websauna_migrate import get_engine

if TYPE_CHECKING:
    from sqlalchemy import URL

USERS = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))"
ORDERS = "op.create_table('orders', sa.Column('id', sa.Integer, primary_key=True), sa.Column('user', sa.Integer))"
REQUIRES = "requires = {'user': 'u1'}\n"


def write_revisions(folder: Path) -> None:
    """Write two revisions of ``user``, and one of ``shop`` that requires the first of them."""
    revise(folder / "user", "u1", None, USERS, "op.drop_table('users')", message="Create users")
    revise(folder / "user", "u2", "u1", message="Add nothing")
    revise(folder / "shop", "s1", None, ORDERS, "op.drop_table('orders')", REQUIRES, "Create <b>orders</b>")


def configure(folder: Path, url: URL | str, **settings: object) -> Configurator:
    """Return the configurator of an application whose database is ``url``; ``__`` in a setting's name is ``.``."""
    given = {name.replace("__", "."): value for name, value in settings.items()}
    shown = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    config = Configurator(settings={"sqlalchemy.url": shown, "websauna_migrate.app": "shop", **given})
    metadata = MetaData()
    users = Table("users", metadata, Column("id", Integer, primary_key=True), info={"package": "user"})
    key = Column("user", Integer, ForeignKey(users.c.id))
    Table("orders", metadata, Column("id", Integer, primary_key=True), key, info={"package": "shop"})
    config.include("websauna_migrate")
    for name in ("user", "shop"):
        config.add_migration_package(name, metadata, script_location=str(folder / name))
    config.add_route("home", "/orders")
    config.add_view(lambda request: Response("the application"), route_name="home")
    return config


def dispose(config: Configurator) -> None:
    """Close the connections of the application."""
    if "websauna_migrate.engine" in config.registry:
        get_engine(config.registry).dispose()
