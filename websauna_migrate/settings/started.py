"""How an application is started: with which settings file, which its registry keeps, and whether for a script."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REGISTRY_KEY = "websauna_migrate.global_config"

_IS_LOADING: ContextVar[bool] = ContextVar("is_loading", default=False)
_GIVEN: ContextVar[Mapping[str, object] | None] = ContextVar("global_config", default=None)


@contextmanager
def starting_from(global_config: Mapping[str, object]) -> Iterator[None]:
    """Return a context in which an application is started with PasteDeploy's ``global_config``."""
    token = _GIVEN.set(global_config)
    try:
        yield
    finally:
        _GIVEN.reset(token)


@contextmanager
def loading() -> Iterator[None]:
    """Return a context in which an application is started for a script."""
    token = _IS_LOADING.set(True)
    try:
        yield
    finally:
        _IS_LOADING.reset(token)


def is_loading() -> bool:
    """Tell whether an application is being started for a script, and not to answer requests."""
    return _IS_LOADING.get()


def keep_global_config(registry: Any, global_config: Mapping[str, object] | None = None) -> None:
    """Keep ``global_config`` in ``registry``, or without one what the application under way is started with.

    What is kept already stays: it was given by the application itself.
    """
    given = _GIVEN.get() if global_config is None else global_config
    if given:
        registry.setdefault(REGISTRY_KEY, dict(given))


def kept_global_config(registry: Any) -> Mapping[str, object]:
    """Return what was kept in ``registry``; empty where nobody knows it."""
    kept: Mapping[str, object] = registry.get(REGISTRY_KEY, {})
    return kept
