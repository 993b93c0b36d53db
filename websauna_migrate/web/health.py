"""``config.add_migration_health("/health/migrations")``: what ``status`` says, for a load balancer or a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import MigrateError
from websauna_migrate.revisions.states import status_json
from websauna_migrate.web.state import standing

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry
    from pyramid.request import Request
    from pyramid.response import Response

REGISTRY_KEY = "websauna_migrate.health"
_ROUTE = "websauna_migrate.health:"


def add_migration_health(config: Configurator, pattern: str) -> None:
    """Add a route with ``pattern`` that answers what ``status --format json`` says about all packages.

    The status is 200 where the guard would find nothing wrong, else 503. Where the database does not answer, it is
    503, and the JSON is an object with the key ``error``, without secrets. Anybody may ask, and nothing is cached.
    """
    from pyramid.security import NO_PERMISSION_REQUIRED

    name = _ROUTE + pattern
    config.registry.setdefault(REGISTRY_KEY, set()).add(name)
    config.add_route(name, pattern, request_method=("GET", "HEAD"))
    config.add_view(health, route_name=name, permission=NO_PERMISSION_REQUIRED, http_cache=0)


def health(request: Request) -> Response:
    """Answer whether the database is where the application needs it."""
    from pyramid.response import Response

    code, body = answer(request.registry)
    return Response(json_body=body, status=code)


def answer(registry: Registry) -> tuple[int, object]:
    """Return the status of the response and its JSON."""
    try:
        found = standing(registry)
        return 200 if found.is_fine() else 503, status_json(found.app.histories, found.states())
    except MigrateError as error:
        return 503, {"error": error.what}


def is_health_path(registry: Registry, path: str) -> bool:
    """Tell whether ``path`` is one of those that answer :func:`health`, so that a guard lets it pass."""
    from pyramid.interfaces import IRoutesMapper

    names = registry.get(REGISTRY_KEY)
    mapper = registry.queryUtility(IRoutesMapper) if names else None
    routes = [route for route in mapper.get_routes() if route.name in names] if mapper is not None else []
    return any(route.match(path) is not None for route in routes)
