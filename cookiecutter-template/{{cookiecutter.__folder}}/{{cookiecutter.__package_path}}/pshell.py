"""The names that ``pshell`` provides, in addition to those of Pyramid."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Engine, Table, create_mock_engine, inspect
from transaction import TransactionManager
from websauna_migrate import get_engine

from . import models

# What the shell shows about these names when it starts.
HELP = {
    "dbsession": "The SQLAlchemy session, also request.dbsession. Commit with tm.commit().",
    "tm": "The transaction manager: tm.commit() keeps changes, tm.abort() discards them.",
    "engine": "The SQLAlchemy engine of the database.",
    "print_ddl": "print_ddl(Model) prints the SQL that creates the table of a model.",
}


def setup(env: dict[str, Any]) -> None:
    """Add ``dbsession``, ``tm``, ``engine``, ``print_ddl`` and the models to ``env``.

    ``tm.commit()`` commits the changes. Other changes are lost when the shell ends.
    """
    request = env["request"]
    # A shell has no tween, so use a manager that begins transactions implicitly.
    request.environ["tm.manager"] = TransactionManager()
    engine = get_engine(request.registry)
    env.update(
        dbsession=request.dbsession,
        tm=request.tm,
        engine=engine,
        models=models,
        print_ddl=partial(print_ddl, engine),
    )
    for name, text in HELP.items():
        env[name].__doc__ = text
    env.update({m.class_.__name__: m.class_ for m in models.Base.registry.mappers})


def print_ddl(engine: Engine, model: type[models.Base]) -> None:
    """Print the SQL that creates the table of ``model`` in the database of ``engine``."""

    def show(statement: Any, *args: Any, **options: Any) -> None:
        print(str(statement.compile(dialect=engine.dialect)).strip() + ";")

    table = inspect(model).local_table
    assert isinstance(table, Table)
    table.create(create_mock_engine(engine.url, show), checkfirst=False)
