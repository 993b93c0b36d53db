"""The events of an upgrade, for subscribers of the application and its add-ons: grants, default rows, cache flushes.

::

    def includeme(config):
        config.include("websauna_migrate")
        config.add_migration_subscriber(flush_cache, AfterUpgrade)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from websauna_migrate.exceptions import RegistrationError
from websauna_migrate.packages.directives import SUBSCRIBER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyramid.config import Configurator
    from pyramid.registry import Registry
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.revisions.plan import Plan, PlanStep

__all__ = ["AfterUpgrade", "BeforeUpgrade", "RevisionDone"]

REGISTRY_KEY = "websauna_migrate.subscribers"
CATEGORY = "migration subscribers"


@dataclass(frozen=True, slots=True)
class BeforeUpgrade:
    """The plan of an upgrade is made, and nothing has run yet. An error stops the run.

    The subscribers share one transaction of ``connection``, which is committed before the first revision runs.
    """

    application: Application
    plan: Plan
    connection: Connection


@dataclass(frozen=True, slots=True)
class RevisionDone:
    """The script of ``step`` and its row in the history table are written. An error undoes the revision.

    What is written with ``connection`` is in the transaction of the revision. ``step.direction`` is ``"down"`` in a
    downgrade.
    """

    application: Application
    step: PlanStep
    connection: Connection


@dataclass(frozen=True, slots=True)
class AfterUpgrade:
    """All steps of ``plan`` are committed, and the lock is still held. An error undoes nothing of them.

    Each subscriber has a transaction of its own, and is called whatever the others raise.
    """

    application: Application
    plan: Plan
    connection: Connection


Event: TypeAlias = "BeforeUpgrade | RevisionDone | AfterUpgrade"
Subscriber: TypeAlias = "Callable[[Any], object]"
EVENTS = (BeforeUpgrade, RevisionDone, AfterUpgrade)


def add_migration_subscriber(config: Configurator, subscriber: Subscriber | str, event: type[Event] | str) -> None:
    """Call ``subscriber`` with each ``event``, one of :mod:`websauna_migrate.events`; both can be dotted names.

    Subscribers are called in the order in which they were added.

    :raises RegistrationError: the subscriber cannot be called, or there is no such event
    """
    function, kind = _resolved(config, subscriber), _resolved(config, event)
    if not callable(function):
        raise RegistrationError(
            f"add_migration_subscriber({subscriber!r}): it cannot be called", "give a function with one argument"
        )
    if kind not in EVENTS:
        names = ", ".join(known.__name__ for known in EVENTS)
        raise RegistrationError(
            f"add_migration_subscriber(..., {event!r}): there is no such event",
            f"give one of websauna_migrate.events: {names}",
        )
    introspectable = config.introspectable(CATEGORY, (id(function), kind), name_of(function), "migration subscriber")
    introspectable.update(subscriber=function, event=kind)
    config.action(
        (SUBSCRIBER, id(function), kind),
        lambda: config.registry.setdefault(REGISTRY_KEY, {}).setdefault(kind, []).append(function),
        introspectables=(introspectable,),
    )


def subscribers_of(registry: Registry) -> Mapping[type, Sequence[Subscriber]]:
    """Return the subscribers by the class of their event, in their order; empty where there is none."""
    found: Mapping[type, Sequence[Subscriber]] = registry.get(REGISTRY_KEY, {})
    return found


def name_of(subscriber: object) -> str:
    """Return the dotted name of a subscriber."""
    named = subscriber if hasattr(subscriber, "__qualname__") else type(subscriber)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"


def _resolved(config: Configurator, value: object) -> Any:
    try:
        return config.maybe_dotted(value)
    except (ImportError, AttributeError, ValueError) as error:
        raise RegistrationError(
            f"add_migration_subscriber(): {value!r} cannot be imported: {error}", "correct the dotted name"
        ) from error
