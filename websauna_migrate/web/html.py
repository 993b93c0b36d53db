"""The pages of the guard as HTML: pure, and without anything that another server would have to send."""

from __future__ import annotations

from datetime import datetime, timezone
from html import escape
from string import Template
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import escaped_lines
from websauna_migrate.web.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from websauna_migrate.revisions.plan import PlanStep
    from websauna_migrate.run.observer import Progress

_HEAD = Template(f"""\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="icon" href="data:,">
  <title>$title</title>
  <style>
{STYLE}  </style>
</head>
<body>
<main>
<h1>$title</h1>
""")
_FORM = Template("""\
<form method="post" action="$action">
  <input type="hidden" name="token" value="$token">
  <input type="hidden" name="next" value="$next">
  <button>Upgrade the database</button>
</form>
""")
# The button needs a script, and a page that may use the clipboard: one of this machine, or HTTPS.
_COMMAND = Template("""\
<div class="panel command"><pre id="command">$command</pre> <button type="button" id="copy" hidden>Copy</button></div>
<script nonce="$nonce">
  const button = document.getElementById("copy");
  if (navigator.clipboard) {
    button.hidden = false;
    button.onclick = () => navigator.clipboard.writeText(document.getElementById("command").textContent)
      .then(() => { button.textContent = "Copied" });
  }
</script>
""")
_FAILURE = Template("""\
<section class="panel bad" role="alert">
<h2>$title</h2>
$failure</section>
""")
END = "</main>\n</body>\n</html>\n"
STEPS_BEGIN = """\
<div class="bar" aria-hidden="true"><div></div></div>
<ol class="steps" role="log" aria-label="Progress">
"""
STEPS_END = "</ol>\n"
STEP_FAILED = '<b class="failed">failed</b></li>\n'
_UNITS = ((365 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))


def head(title: str) -> str:
    """Return the start of a page, up to and with its title."""
    return _HEAD.substitute(title=text(title))


def text(value: object) -> str:
    """Return ``value`` as text in HTML; its control characters are shown escaped."""
    return escape(escaped_lines(str(value)))


def paragraph(value: str, *, is_quiet: bool = False) -> str:
    """Return a paragraph."""
    return f"""<p{' class="quiet"' if is_quiet else ""}>{text(value)}</p>\n"""


def preformatted(value: str) -> str:
    """Return text as it is, such as a command."""
    return f"<pre>{text(value)}</pre>\n"


def failure(title: str, value: str) -> str:
    """Return what a run said when it failed."""
    return _FAILURE.substitute(title=text(title), failure=preformatted(value))


def command(value: str, nonce: str) -> str:
    """Return a command of the shell, to be copied."""
    return _COMMAND.substitute(command=text(value), nonce=text(nonce))


def steps_table(steps: Sequence[PlanStep], now: datetime) -> str:
    """Return the steps of a plan, in their order, with the age of each."""
    rows = (
        f"<tr><td>{text(step.package)}</td><td><code>{text(step.revision.id)}</code></td>"
        f"<td>{text(step.revision.message)}</td><td>{_time(step.revision.create_date, now)}</td></tr>\n"
        for step in steps
    )
    names = "".join(f'<th scope="col">{name}</th>' for name in ("package", "revision", "message", "created"))
    caption = "<caption>In the order in which an upgrade runs them</caption>\n"
    return f"<table>\n{caption}<thead><tr>{names}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table>\n"


def problem_list(problems: Iterable[str]) -> str:
    """Return what is wrong, one item each."""
    return "<ul>\n" + "".join(f"<li>{text(problem)}</li>\n" for problem in problems) + "</ul>\n"


def upgrade_form(action: str, token: str, asked_for: str) -> str:
    """Return the button that upgrades and then goes to the path ``asked_for``."""
    return _FORM.substitute(action=text(action), token=text(token), next=text(asked_for))


def link(path: str, label: str) -> str:
    """Return a link to ``path`` that looks like a button."""
    return f'<p class="actions"><a class="button" href="{text(path)}">{text(label)}</a></p>\n'


def go_to(path: str, nonce: str) -> str:
    """Return a link to ``path``, which the browser follows by itself where it runs scripts."""
    script = f'<script nonce="{text(nonce)}">location.replace(document.getElementById("next").href)</script>'
    return f'<p class="actions"><a class="button" id="next" href="{text(path)}">Go to the page</a></p>\n{script}\n'


def step_begins(progress: Progress) -> str:
    """Return the start of an item of the progress, which is left open until the step is done."""
    revision = progress.step.revision
    what = f"{text(progress.step.package)} <code>{text(revision.id)}</code> {text(revision.message)}"
    return f"<li>{progress.number} of {progress.total}: {what} <i>running</i>\n"


def step_done(progress: Progress) -> str:
    """Return the end of an item of the progress, and the new width of the bar."""
    width = f"<style>:root {{ --done: {progress.number / progress.total:.3f} }}</style>"
    return f"<b>{progress.seconds:.2f} s</b></li>\n{width}\n"


def said(value: str, *, in_step: bool) -> str:
    """Return why the progress does not go on: as a part of the item that is left open, or as an item."""
    name = "span" if in_step else "li"
    return f'<{name} class="said">{text(value)}</{name}>\n'


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
