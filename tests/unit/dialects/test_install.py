"""Which implementations Alembic uses."""

from __future__ import annotations

from types import SimpleNamespace

from alembic.ddl import impl
from alembic.ddl.impl import DefaultImpl
from alembic.operations import batch

from websauna_migrate.dialects.install import IMPLEMENTATIONS, install_implementations
from websauna_migrate.dialects.sqlite import KeepingBatch


def in_use(name):
    return DefaultImpl.get_by_dialect(SimpleNamespace(name=name))


def test_alembic_uses_ours_on_each_database():
    install_implementations()
    for ours in IMPLEMENTATIONS:
        assert issubclass(in_use(ours.__dialect__), ours)
    assert issubclass(batch.BatchOperationsImpl, KeepingBatch)


def test_an_implementation_of_the_application_stays(monkeypatch):
    monkeypatch.setitem(impl._impls, "sqlite", in_use("sqlite"))  # restored at the end

    class Own(DefaultImpl):
        __dialect__ = "sqlite"

    install_implementations()
    assert in_use("sqlite") is Own
