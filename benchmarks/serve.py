"""Starts an application with one package, and answers requests in this process, without a server::

    DATABASE_URL=... python benchmarks/serve.py MODE NUMBER

``MODE`` is that of the guard; with ``none`` the guard is not included. The view does nothing: what a request costs is
Pyramid's own, so that of the guard is seen best.
"""

from __future__ import annotations

import os
import sys

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response


def main() -> None:
    """Answer the requests."""
    mode, number = sys.argv[1], int(sys.argv[2])
    settings = {"sqlalchemy.url": os.environ["DATABASE_URL"], "websauna_migrate.app": "p00"}
    config = Configurator(settings=settings if mode == "none" else {**settings, "websauna_migrate.guard": mode})
    config.include("websauna_migrate" if mode == "none" else "websauna_migrate.guard")
    config.add_migration_package("p00", "p00.models:Base")
    config.add_view(lambda request: Response("done"))
    application = config.make_wsgi_app()
    environ = Request.blank("/").environ
    for _ in range(number):
        answer = application(dict(environ), _start_response)
        assert b"".join(answer) == b"done"


def _start_response(status: str, headers: list[tuple[str, str]]) -> None:
    assert status == "200 OK", status


if __name__ == "__main__":
    main()
