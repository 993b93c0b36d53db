"""``upgrade --backup FILE``: a dump of the database before the first revision runs."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import ClientError, MigrateError
from websauna_migrate.run.errors import RunInterrupted
from websauna_migrate.scripts.outputs import refuse_database
from websauna_migrate.scripts.printing import say, tell
from websauna_migrate.scripts.signals import ended_by_signals

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from sqlalchemy.engine import URL

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.revisions.plan import Plan


def back_up(options: Namespace, app: Application, plan: Plan) -> None:
    """Dump the database of ``app`` to the file of ``--backup``, if ``plan`` has steps.

    :raises ClientError: the dump is not complete; a file that was there before is kept
    :raises RunInterrupted: a signal stopped the dump
    """
    if options.backup is None or not plan.steps:
        return
    url = app.url
    say(options, f"backing up to {options.backup}")
    with ended_by_signals(lambda: None):
        try:
            _write(url, options.backup)
        except KeyboardInterrupt as error:
            left = tuple(f"{step.package} {step.revision.id}" for step in plan.steps)
            raise RunInterrupted((), left) from error
        except MigrateError as error:
            raise ClientError(f"the backup failed, nothing was upgraded: {error.what}", error.remedy) from error


def _write(url: URL, path: Path) -> None:
    from websauna_migrate.database.dump import dump, write_whole

    refuse_database(path, url, "--backup")
    with closing(dump(url, folder=path.absolute().parent, on_message=tell)) as pieces:
        write_whole(path, pieces)
