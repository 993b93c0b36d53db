"""What the tests of one run of pytest share: the application, and what opens its databases. Made when needed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import URL

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.scratch.copies import Open

OPTION = "--migrations"
SETTING = "websauna_migrate"
_STACK = pytest.StashKey[ExitStack]()
_APPLICATION: pytest.StashKey[Application] = pytest.StashKey()
_OPEN: pytest.StashKey[Open] = pytest.StashKey()


def _config_uri(config: pytest.Config) -> str | None:
    """Return the INI that is named, None without one."""
    given = config.getoption(OPTION)
    if given:
        return str(given)
    named = config.getini(SETTING)
    if not named:
        return None
    has_scheme = "://" in named
    return str(named) if has_scheme else str((config.inipath or config.rootpath / "x").parent / named)


def tested_application(config: pytest.Config) -> Application:
    """Return the application that is named; it is started once."""
    if _APPLICATION not in config.stash:
        from websauna_migrate.bootstrap import load_application

        uri = _config_uri(config)
        if uri is None:
            raise pytest.UsageError(
                f"no application is named: run pytest {OPTION} development.ini, or set {SETTING} = development.ini "
                "in the settings of pytest"
            )
        config.stash[_APPLICATION] = load_application(uri)
    return config.stash[_APPLICATION]


def open_database(config: pytest.Config) -> AbstractContextManager[URL]:
    """Return a context with a database of its own that has all revisions."""
    if _OPEN not in config.stash:
        from websauna_migrate.testing.databases import migrated_databases

        app = tested_application(config)
        stack = config.stash[_STACK] = ExitStack()
        config.stash[_OPEN] = stack.enter_context(migrated_databases(app))
    return config.stash[_OPEN]()


def close(config: pytest.Config) -> None:
    """Drop all databases."""
    if _STACK in config.stash:
        config.stash[_STACK].close()
