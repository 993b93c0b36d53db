"""Tests of an application and of its migrations: checks, and fixtures with a migrated database for each test.

Nothing here is imported before it is used: ``websauna_migrate.testing.plugin`` belongs to every run of pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websauna_migrate.testing.assertions import assert_migrations

__all__ = ["assert_migrations"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from websauna_migrate.testing import assertions

        return getattr(assertions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
