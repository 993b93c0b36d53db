"""Errors of the running application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import PROGRAM, Remedy, RunError, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websauna_migrate.exceptions import MigrateError


class StartRefused(RunError):
    """The application is not started, because of the ``problems`` of its database; see the setting of the guard.

    ``program`` starts the commands of ``str()``: what shows the error of an application that does not start does not
    know the settings file.
    """

    def __init__(self, problems: Sequence[MigrateError], program: Sequence[str] = PROGRAM) -> None:
        self.problems = tuple(problems)
        self.program = tuple(program)
        remedy: Remedy = command("all", "upgrade")
        if len(problems) == 1:
            remedy = problems[0].remedy
        said = "; ".join(problem.what for problem in problems)
        super().__init__(f"the application is not started, as websauna_migrate.guard = refuse says: {said}", remedy)

    def __str__(self) -> str:
        return self.text(self.program)
