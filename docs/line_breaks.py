"""Where a line of code may be broken on a narrow screen.

Code is wrapped, so that no command has to be scrolled. Options such as ``--autogenerate`` stay whole, because a browser
would break them at their hyphens, and so do ``-c development.ini``, and lines with columns, such as those of
``ws-alembic status``. This marks them; ``_static/custom.css`` does the rest.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PRE = re.compile(r"(<pre>)(.*?)(</pre>)", re.DOTALL)
TAG = re.compile(r"(<[^>]*>)")
# The value of a short option is kept with it where it has no spaces.
VALUE = r'(?:<span class="w"> </span>| )(?:<span class="\w+">[^<\s]*</span>|[^<\s])+'
OPTION = re.compile(rf"(?<![\w/.-])(?:-[a-z]{VALUE}|--?[A-Za-z][\w-]*)")
# A word of code in a sentence; a longer one would not fit on a phone.
WORD = re.compile(r'<span class="pre">(?=[^<]{1,24}</span>)')
WHOLE = r'<span class="whole">\g<0></span>'
COLUMNS = re.compile(r"\S {3,}\S|─{3}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Mark the code of each page; Sphinx calls this."""
    app.connect("html-page-context", mark_page)
    return {"parallel_read_safe": True}


def mark_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Mark the code in the body of a page."""
    if "body" in context:
        context["body"] = marked(context["body"])


def marked(body: str) -> str:
    """Return the HTML ``body`` with spans around what must not be broken."""
    body = WORD.sub('<span class="pre whole">', body)
    return PRE.sub(lambda match: match[1] + "\n".join(map(marked_line, match[2].split("\n"))) + match[3], body)


def marked_line(line: str) -> str:
    """Return a line of code, with the tags that highlight it, with spans around what must not be broken."""
    if COLUMNS.search(unescape(TAG.sub("", line)), 1):
        return f'<span class="columns">{line}</span>'
    return OPTION.sub(WHOLE, line)
