"""Errors of the running application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import Remedy, RunError, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websauna_migrate.exceptions import MigrateError


class StartRefused(RunError):
    """The application is not started, because of the ``problems`` of its database; see the setting of the guard."""

    def __init__(self, problems: Sequence[MigrateError]) -> None:
        self.problems = tuple(problems)
        remedy: Remedy = command("all", "upgrade")
        if len(problems) == 1:
            remedy = problems[0].remedy
        said = "; ".join(problem.what for problem in problems)
        super().__init__(f"the application is not started, as websauna_migrate.guard = refuse says: {said}", remedy)
