"""The progress of a run: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import escaped
from websauna_migrate.run.observer import Observer
from websauna_migrate.scripts.printing import say, tell

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from websauna_migrate.database.lock_base import LockHolder
    from websauna_migrate.run.observer import Progress, TableWait


class Waiting(Observer):
    """Prints who holds what a run waits for: its lock, once for each holder, and tables."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self._known: list[object] = []

    def on_wait(self, holder: LockHolder | None, seconds: float) -> None:
        """Print who holds the lock, unless that was printed before."""
        which = holder and (holder.process, holder.host)
        if which not in self._known:
            self._known.append(which)
            say(self.options, f"waiting for another run on this database: {holder or 'unknown process'}")

    def on_table_wait(self, wait: TableWait) -> None:
        """Print who holds the table that a revision waits for, and when it is tried again."""
        say(self.options, str(wait))


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows each progress of a run on stderr, or nothing when ``quiet``."""
    with ExitStack() as stack:
        if quiet:
            yield lambda progress: None
        elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            yield _progress_bar(stack)
        else:
            yield _say


def _progress_bar(stack: ExitStack) -> Callable[[Progress], None]:
    """Return a function that moves a progress bar, shown from the first step until ``stack`` is closed."""

    @cache
    def line(total: int) -> tuple[Bar, TaskID]:
        bar = stack.enter_context(_bar())
        return bar, bar.add_task("", total=total)

    def show(progress: Progress) -> None:
        bar, task = line(progress.total)
        bar.update(task, completed=progress.number - (progress.state == "begins"), description=_what(progress))

    return show


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    what = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (SpinnerColumn(), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), what)
    return RichProgress(*columns, console=Console(stderr=True), transient=True)


def _say(progress: Progress) -> None:
    if progress.state == "begins":
        tell(f"[{progress.number}/{progress.total}] {_what(progress)}")


def _what(progress: Progress) -> str:
    step = progress.step
    return escaped(f"{step.package} {step.revision.id} {step.direction}: {step.revision.message}")
