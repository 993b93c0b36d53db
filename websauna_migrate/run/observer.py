"""What a run reports to its caller while it works."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from websauna_migrate.database.lock_base import LockHolder
    from websauna_migrate.database.table_holders import TableHolder
    from websauna_migrate.revisions.plan import Plan, PlanStep


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that begins or is done: ``number`` of ``total``, counted from 1, and the seconds that it took."""

    step: PlanStep
    number: int
    total: int
    state: Literal["begins", "done"]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TableWait:
    """A step that waited too long for a table, was rolled back, and is tried again after a ``pause``, in seconds.

    Try ``number`` of ``tries`` is over, ``seconds`` after the first one began. ``table`` and ``holder`` are None where
    the database does not tell.
    """

    step: PlanStep
    table: str | None
    holder: TableHolder | None
    number: int
    tries: int
    seconds: float
    pause: float

    def __str__(self) -> str:
        what = f"the table {self.table}" if self.table else "a table"
        return (
            f"{self.step.package} {self.step.revision.id} waits for {what}, which is in use by "
            f"{self.holder or 'an unknown session'}; rolled back after try {self.number} of {self.tries}, next try in "
            f"{self.pause:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A step that works in batches: how many ``rows`` of ``table`` are done, of about ``estimate`` where that is known.

    ``reason`` tells why it pauses, and is None where it does not.
    """

    step: PlanStep
    table: str
    rows: int
    estimate: int | None
    reason: str | None = None

    def __str__(self) -> str:
        whole = f" of about {max(self.estimate, self.rows):,}" if self.estimate else ""
        pause = f"; pauses, because {self.reason}" if self.reason else ""
        return f"{self.step.package} {self.step.revision.id}: {self.rows:,}{whole} rows of {self.table} are done{pause}"


class Observer:
    """Follows a run. Override the methods that you need; each does nothing by default."""

    def on_wait(self, holder: LockHolder | None, seconds: float) -> None:
        """Another run holds the lock; ``seconds`` is how long this one has waited. Called again and again."""

    def on_plan(self, plan: Plan) -> None:
        """The plan is made, and nothing has run yet; an error stops the run."""

    def before_step(self) -> None:
        """A step is about to begin, or about to be committed where it can still be undone; an error stops the run."""

    def on_progress(self, progress: Progress) -> None:
        """A step begins or is done."""

    def on_revision_done(self, step: PlanStep, connection: Connection) -> None:
        """The script and the row of a step are written, and not committed yet; an error undoes it."""

    def on_table_wait(self, wait: TableWait) -> None:
        """A step waited too long for a table, and is tried again after a pause; an error stops the run."""

    def on_batch(self, batch: BatchProgress) -> None:
        """A step that works in batches has committed one, or pauses; an error stops the run."""

    def interruptible(self, cancel: Callable[[], None]) -> AbstractContextManager[object]:
        """Return a context for the run; ``cancel`` ends the statement under way and may be called in another thread."""
        return nullcontext()


class Callbacks(TypedDict, total=False):
    """The methods of an :class:`Observer` as keyword arguments."""

    on_wait: Callable[[LockHolder | None, float], None] | None
    on_plan: Callable[[Plan], None]
    before_step: Callable[[], None]
    on_progress: Callable[[Progress], None]
    on_revision_done: Callable[[PlanStep, Connection], None]
    on_table_wait: Callable[[TableWait], None]
    on_batch: Callable[[BatchProgress], None]
    interruptible: Callable[[Callable[[], None]], AbstractContextManager[object]]


def observer_of(callbacks: Callbacks, observer: Observer | None = None) -> Observer:
    """Return an observer that calls ``callbacks``, and ``observer`` for what is not among them.

    :raises TypeError: an observer has no such method
    """
    unknown = callbacks.keys() - Callbacks.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword arguments: {', '.join(sorted(unknown))}")
    told = {name: callback for name, callback in callbacks.items() if callback is not None}
    return _Calling(observer or Observer(), told) if told else observer or Observer()


class _Calling(Observer):
    def __init__(self, observer: Observer, callbacks: dict[str, object]) -> None:
        methods = {name: getattr(observer, name) for name in Callbacks.__annotations__}
        vars(self).update({**methods, **callbacks})
