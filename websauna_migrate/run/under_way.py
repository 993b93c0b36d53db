"""The step that runs on a connection, for what its script calls."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from websauna_migrate.revisions.plan import PlanStep
    from websauna_migrate.run.failures import Account
    from websauna_migrate.run.lock_wait import TableTries
    from websauna_migrate.run.observer import Observer


@dataclass(slots=True)
class UnderWay:
    """A step that runs: ``checks`` come before each of its commits, ``batched`` counts its calls of in_batches()."""

    step: PlanStep
    history_table: str
    account: Account
    observer: Observer
    tries: TableTries
    checks: Sequence[Callable[[], None]]
    batched: int = 0


_running: WeakKeyDictionary[Connection, UnderWay] = WeakKeyDictionary()


@contextmanager
def running(connection: Connection, under_way: UnderWay) -> Iterator[None]:
    """Let :func:`step_under_way` find the step while the block runs its script."""
    under_way.batched = 0
    _running[connection] = under_way
    try:
        yield
    finally:
        del _running[connection]


def step_under_way(connection: Connection) -> UnderWay | None:
    """Return the step that a run of ours runs on ``connection``, None where Alembic itself runs one."""
    return _running.get(connection)
