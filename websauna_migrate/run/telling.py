"""A plan run with the events of it told to the subscribers of the application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from websauna_migrate.events import AfterUpgrade, BeforeUpgrade, RevisionDone, name_of, subscribers_of
from websauna_migrate.run.errors import SubscriberFailed
from websauna_migrate.run.failures import names
from websauna_migrate.run.observer import observer_of
from websauna_migrate.run.steps import run_plan

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.events import Event, Subscriber
    from websauna_migrate.revisions.plan import Plan, PlanStep
    from websauna_migrate.run.observer import Observer


def run_and_tell(
    app: Application,
    plan: Plan,
    connection: Connection,
    observer: Observer,
    *,
    one_transaction: bool,
    cmd_opts: Namespace | None,
) -> None:
    """Run ``plan`` and call the subscribers; without any, this is :func:`~websauna_migrate.run.steps.run_plan`.

    :raises SubscriberFailed: one raised before the run, so that nothing was run, or after it
    :raises MigrateError: as :func:`~websauna_migrate.run.steps.execute`
    """
    subscribers = subscribers_of(app.registry) if plan.steps else {}
    is_upgrade = plan.direction == "up"
    before = subscribers.get(BeforeUpgrade, ()) if is_upgrade else ()
    done = subscribers.get(RevisionDone, ())
    after = subscribers.get(AfterUpgrade, ()) if is_upgrade else ()
    if before:
        _tell_before(before, BeforeUpgrade(app, plan, connection))
    if done:
        observer = observer_of({"on_revision_done": partial(_tell_done, app, done)}, observer)
    run_plan(app, plan, connection, observer, one_transaction=one_transaction, cmd_opts=cmd_opts)
    if after:
        _tell_after(after, AfterUpgrade(app, plan, connection))


def _tell_before(subscribers: Iterable[Subscriber], event: BeforeUpgrade) -> None:
    with event.connection.begin():
        for subscriber in subscribers:
            _call(subscriber, event, "nothing was run")


def _tell_done(app: Application, subscribers: Iterable[Subscriber], step: PlanStep, connection: Connection) -> None:
    event = RevisionDone(app, step, connection)
    for subscriber in subscribers:
        _call(subscriber, event)


def _tell_after(subscribers: Iterable[Subscriber], event: AfterUpgrade) -> None:
    """Call all of them, and raise what the first said that failed."""
    failed: SubscriberFailed | None = None
    for subscriber in subscribers:
        try:
            with event.connection.begin():
                _call(subscriber, event, f"applied in this run: {', '.join(names(event.plan.steps))}")
        except SubscriberFailed as error:
            failed = failed or error
    if failed is not None:
        raise failed


def _call(subscriber: Subscriber, event: Event, outcome: str = "") -> None:
    try:
        subscriber(event)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the application's own code raises
        if isinstance(event, RevisionDone) and getattr(error, "connection_invalidated", False):
            raise  # the run finds out what was committed
        raise SubscriberFailed(name_of(subscriber), type(event).__name__, error, outcome) from error
