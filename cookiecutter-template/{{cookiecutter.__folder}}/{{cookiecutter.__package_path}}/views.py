"""Views."""

from __future__ import annotations

import html
{% if cookiecutter.kind == "app" %}
import logging
{% endif %}
from string import Template

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import {% if cookiecutter.kind == "app" %}exception_view_config, {% endif %}view_config
from sqlalchemy import select
{% if cookiecutter.kind == "app" %}
from sqlalchemy.exc import DBAPIError
{% endif %}

from .models import Note

{% if cookiecutter.kind == "app" %}
log = logging.getLogger(__name__)

{% endif %}
TITLE = "{{ cookiecutter.project_name }}"
PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>$title</title>
  <style>
    body { font: 1.1rem/1.6 system-ui, sans-serif; margin: 4rem auto; max-width: 40rem }
    time { color: gray }
  </style>
</head>
<body>
  <h1>$title</h1>
  $content
</body>
</html>
""")


def includeme(config: Configurator) -> None:
    """Add the route and the views of this module."""
{% if cookiecutter.kind == "app" %}
    config.add_route("home", "/")
{% else %}
    config.add_route("{{ cookiecutter.package_name }}", "/{{ cookiecutter.package_name }}")
{% endif %}
    config.scan(__name__)


@view_config(route_name="{{ 'home' if cookiecutter.kind == 'app' else cookiecutter.package_name }}")
def notes(request: Request) -> Response:
    """List the notes, newest first."""
    rows = request.dbsession.scalars(select(Note).order_by(Note.created_at.desc()))
    items = "\n".join(f"<li>{item(note)}</li>" for note in rows)
    return page(f"<ul>{items}</ul>" if items else "<p>There are no notes yet.</p>")


def item(note: Note) -> str:
    """Return ``note`` as HTML."""
    return f"<time>{note.created_at:%Y-%m-%d %H:%M}</time> {html.escape(note.text)}"


def page(content: str) -> Response:
    """Return a page that shows ``content``, which is HTML."""
    return Response(PAGE.substitute(title=html.escape(TITLE), content=content))
{% if cookiecutter.kind == "app" %}


@exception_view_config(DBAPIError)
def database_error(request: Request) -> Response:
    """Show what to do if the database or a table is missing."""
    log.error("A database query failed", exc_info=request.exc_info)
    response = page(
        "<p>A database query failed; see the log. To upgrade the database, run:</p>"
        "<pre>ws-alembic -c development.ini -x packages=all upgrade</pre>"
    )
    response.status_int = 503
    return response
{% endif %}
