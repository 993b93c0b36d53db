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
    :root { color-scheme: light dark }
    body { font: 1.05rem/1.6 system-ui, sans-serif; margin: 4rem auto; max-width: 46rem; padding: 0 1.25rem }
    h1 { font-size: 1.9rem; line-height: 1.25 }
    code, pre { font: .9rem/1.55 ui-monospace, monospace }
    pre { border: 1px solid #8885; border-radius: .5rem; padding: .8rem 1rem; white-space: pre-wrap }
    ul { list-style: none; padding: 0 }
    li { margin: .6rem 0; overflow-wrap: anywhere }
    time { opacity: .7 }
  </style>
</head>
<body>
  <h1>$title</h1>
  $content
</body>
</html>
""")


NO_NOTES = """\
<p>There are no notes yet. What to do next:</p>
<ol>
  <li>Add a note in the shell, <code>pshell ws://development.ini</code>, and load this page again:
    <pre>dbsession.add(Note(text="Bread and butter"))
tm.commit()</pre></li>
  <li>Change the model in <code>models.py</code>, and write a revision:
    <pre>ws-alembic -c development.ini revision --autogenerate -m "Describe the change"</pre></li>
  <li>Load this page again: it lists what is pending, and has a button that upgrades the database.</li>
</ol>
"""


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
    return page(f"<ul>{items}</ul>" if items else NO_NOTES)


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
