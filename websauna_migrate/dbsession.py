"""``config.include("websauna_migrate.dbsession")``: a database session for each request, and the engine it uses.

Nothing here connects before a session is used.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, cast

from sqlalchemy.orm import Session

from websauna_migrate.database.connection import read_database

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry
    from pyramid.request import Request
    from sqlalchemy import Engine

NAME = "dbsession"
ENVIRON_KEY = "app.dbsession"
REGISTRY_KEY = "websauna_migrate.engine"

# Pyramid runs the application's own add_request_method() at 0; what it added is not replaced.
_AFTER_THE_APPLICATION = 10

# Names the settings in errors: the path of the INI is not known here.
_ORIGIN = "the application"
_lock = threading.Lock()


def includeme(config: Configurator) -> None:
    """Add ``request.dbsession``, a session that joins the transaction ``request.tm`` and is closed with the request.

    A ``dbsession`` that the application or another add-on adds is not replaced, and a session in
    ``environ["app.dbsession"]`` is used unchanged.
    """
    config.include("pyramid_tm")
    config.action(None, _register, args=(config.registry,), order=_AFTER_THE_APPLICATION)


def _register(registry: Registry) -> None:
    from pyramid.decorator import reify
    from pyramid.interfaces import IRequestExtensions, IRequestFactory

    extensions = registry.getUtility(IRequestExtensions)
    taken = NAME in extensions.descriptors or NAME in extensions.methods
    if not taken and not hasattr(registry.queryUtility(IRequestFactory), NAME):
        extensions.descriptors[NAME] = reify(dbsession)


def dbsession(request: Request) -> Session:
    """Return the session of ``request``; it joins ``request.tm`` when it is first used."""
    if ENVIRON_KEY in request.environ:
        return cast("Session", request.environ[ENVIRON_KEY])
    import zope.sqlalchemy

    session = Session(get_engine(request.registry), info={"request": request})
    zope.sqlalchemy.register(session, transaction_manager=request.tm)
    request.add_finished_callback(lambda _request: session.close())
    return session


def get_engine(registry: Registry) -> Engine:
    """Return the engine of an application: created from its ``sqlalchemy.*`` settings on the first call, then kept.

    Nothing connects yet. The connections in the pool are closed when ``registry`` is garbage-collected; ``dispose()``
    closes them earlier.

    :raises SettingsError: the URL is missing or invalid, or its driver is not installed
    """
    with _lock:
        if REGISTRY_KEY not in registry:
            engine = registry[REGISTRY_KEY] = read_database(registry.settings, _ORIGIN).engine()
            # Not at exit: a forked child would close the connections of its parent.
            weakref.finalize(registry, engine.dispose).atexit = False
        return cast("Engine", registry[REGISTRY_KEY])
