"""The page of the guard as HTML: pure, and without anything that another server would have to send."""

from __future__ import annotations

from datetime import datetime, timezone
from html import escape
from string import Template
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import escaped_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from websauna_migrate.revisions.plan import PlanStep

_HEAD = Template("""\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>$title</title>
  <style>
    :root { color-scheme: light dark; --line: #8884; --quiet: #8889; --accent: #2563eb; --bad: #c2410c }
    body { font: 1.1rem/1.6 system-ui, sans-serif; margin: 4rem auto; max-width: 46rem; padding: 0 1rem }
    table { border-collapse: collapse; width: 100% }
    th, td { border-bottom: 1px solid var(--line); padding: .4rem .8rem .4rem 0; text-align: left }
    td { overflow-wrap: anywhere; vertical-align: top }
    th, time { color: gray; font-weight: normal }
    code, pre { font: .9rem/1.5 ui-monospace, monospace }
    pre { border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; user-select: all;
      white-space: pre-wrap; overflow-wrap: anywhere }
    pre.bad { border-color: var(--bad) }
    button { background: var(--accent); border: 0; border-radius: .4rem; color: white; cursor: pointer;
      font: inherit; padding: .5rem 1.2rem }
    button:focus-visible { outline: 3px solid var(--quiet); outline-offset: 2px }
    @media (max-width: 36rem) {
      body { margin: 1.5rem auto }
      th { display: none }
      td { border: 0; display: block; padding: 0 }
      tr { border-bottom: 1px solid var(--line); display: block; padding: .6rem 0 }
    }
  </style>
</head>
<body>
  <h1>$title</h1>
""")
_FORM = Template("""\
<form method="post" action="$action">
  <input type="hidden" name="token" value="$token">
  <input type="hidden" name="next" value="$next">
  <button>Upgrade the database</button>
</form>
""")
END = "</body>\n</html>\n"
_UNITS = ((365 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))


def head(title: str) -> str:
    """Return the start of a page, up to and with its title."""
    return _HEAD.substitute(title=text(title))


def text(value: object) -> str:
    """Return ``value`` as text in HTML; its control characters are shown escaped."""
    return escape(escaped_lines(str(value)))


def paragraph(value: str) -> str:
    """Return a paragraph."""
    return f"<p>{text(value)}</p>\n"


def preformatted(value: str, *, is_bad: bool = False) -> str:
    """Return text as it is: a command, or what a run said."""
    return f"<pre class='{'bad' if is_bad else 'plain'}'>{text(value)}</pre>\n"


def steps_table(steps: Sequence[PlanStep], now: datetime) -> str:
    """Return the steps of a plan, in their order, with the age of each."""
    rows = (
        f"<tr><td>{text(step.package)}</td><td><code>{text(step.revision.id)}</code></td>"
        f"<td>{text(step.revision.message)}</td><td>{_time(step.revision.create_date, now)}</td></tr>\n"
        for step in steps
    )
    heading = "<tr><th>package</th><th>revision</th><th>message</th><th>created</th></tr>\n"
    return f"<table>\n{heading}{''.join(rows)}</table>\n"


def problem_list(problems: Iterable[str]) -> str:
    """Return what is wrong, one item each."""
    return "<ul>\n" + "".join(f"<li>{text(problem)}</li>\n" for problem in problems) + "</ul>\n"


def upgrade_form(action: str, token: str, asked_for: str) -> str:
    """Return the button that upgrades and then goes to the path ``asked_for``."""
    return _FORM.substitute(action=text(action), token=text(token), next=text(asked_for))


def go_to(path: str, nonce: str) -> str:
    """Return a link to ``path``, which the browser follows by itself where it runs scripts."""
    script = f'<script nonce="{text(nonce)}">location.replace(document.getElementById("next").href)</script>'
    return f'<p><a id="next" href="{text(path)}">Go to the page</a></p>\n{script}\n'


def age(create_date: str | None, now: datetime) -> str | None:
    """Return how long ago ``create_date`` of a script was: ``3 days ago``; None where it does not say."""
    try:
        created = datetime.fromisoformat(create_date or "")
    except ValueError:
        return None
    if created.tzinfo is None:  # Alembic writes the local time without a time zone
        created = created.astimezone()
    seconds = (now - created.astimezone(timezone.utc)).total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def _time(create_date: str | None, now: datetime) -> str:
    shown = age(create_date, now)
    return f'<time title="{text(create_date)}">{shown}</time>' if shown else text(create_date or "")
