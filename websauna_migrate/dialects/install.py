"""Puts our implementations of Alembic's operations in the place of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from alembic.ddl.impl import DefaultImpl, ImplMeta
from alembic.operations import batch

from websauna_migrate.dialects.mysql import ComparingMariaDBImpl, ComparingMySQLImpl
from websauna_migrate.dialects.postgresql import ReadingPostgresqlImpl
from websauna_migrate.dialects.sqlite import KeepingBatch, KeepingSQLiteImpl

IMPLEMENTATIONS: tuple[type[DefaultImpl], ...] = (
    KeepingSQLiteImpl,
    ReadingPostgresqlImpl,
    ComparingMySQLImpl,
    ComparingMariaDBImpl,
)


def install_implementations() -> None:
    """Let Alembic use :data:`IMPLEMENTATIONS`. An implementation that the application brought itself stays."""
    for ours in IMPLEMENTATIONS:
        asked: Any = SimpleNamespace(name=ours.__dialect__)
        if DefaultImpl.get_by_dialect(asked) in ours.__bases__:
            _register(ours)
    if batch.BatchOperationsImpl in KeepingBatch.__bases__:
        batch.BatchOperationsImpl = KeepingBatch  # type: ignore[misc]


def _register(implementation: type[DefaultImpl]) -> None:
    """Register ``implementation`` for its dialect: Alembic does so with a class that names one, when it is made."""
    names = {"__dialect__": implementation.__dialect__, "__module__": implementation.__module__}
    ImplMeta(implementation.__name__, (implementation,), names)
