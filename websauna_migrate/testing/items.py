"""Tests of the revisions themselves, which pytest runs beside those of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from websauna_migrate.testing.session import open_database, tested_application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import TypeAlias

    from sqlalchemy.engine import URL

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.selection import Selected

    _Open: TypeAlias = Callable[[], AbstractContextManager[URL]]

NAME = "migrations"


class Migrations(pytest.Collector):
    """The tests of the revisions of an application, under ``migrations::``."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield a test for each check."""
        for name in CHECKS:
            yield MigrationItem.from_parent(self, name=name)


class MigrationItem(pytest.Item):
    """One check. What it finds is told in its own words, without a traceback."""

    def runtest(self) -> None:
        """Run the check."""
        from websauna_migrate.packages.selection import select

        app = tested_application(self.config)
        CHECKS[self.name](app, select(app.histories, app.packages), lambda: open_database(self.config))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what is told of a check that failed."""
        from websauna_migrate.exceptions import MigrateError

        if isinstance(excinfo.value, (AssertionError, MigrateError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the check stands, and its name."""
        return self.config.rootpath, None, f"{NAME}::{self.name}"


def _one_head(app: Application, selected: Sequence[Selected], _open: _Open) -> None:
    from websauna_migrate.testing.assertions import assert_one_head

    assert_one_head(app, selected)


def _owners(app: Application, _selected: Sequence[Selected], _open: _Open) -> None:
    app.ownership.require()


def _up_and_down(app: Application, selected: Sequence[Selected], _open: _Open) -> None:
    from websauna_migrate.testing.assertions import assert_up_and_down

    assert_up_and_down(app, selected)


def _models_match(app: Application, selected: Sequence[Selected], open_database: _Open) -> None:
    from dataclasses import replace

    from websauna_migrate.testing.assertions import assert_models_match

    with open_database() as url:
        moved = replace(app, moved_to=replace(app.database, url=url))
        with moved.connected(writes=False) as connection:
            assert_models_match(moved, selected, connection)


CHECKS: dict[str, Callable[[Application, Sequence[Selected], _Open], None]] = {
    "one_head": _one_head,
    "tables_have_owners": _owners,
    "up_and_down": _up_and_down,
    "models_match": _models_match,
}
