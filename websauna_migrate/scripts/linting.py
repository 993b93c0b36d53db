"""The command ``lint``: what the SQL of pending revisions does to an application that is running."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from websauna_migrate.lint.examining import lint as examine
from websauna_migrate.lint.findings import findings_github, findings_json, findings_rows, findings_text
from websauna_migrate.scripts.border import FAILED
from websauna_migrate.scripts.printing import show, show_json, warn
from websauna_migrate.scripts.report import table

if TYPE_CHECKING:
    from argparse import Namespace

    from websauna_migrate.scripts.loading import Loaded


def lint(options: Namespace, loaded: Loaded) -> int:
    """Show what the pending revisions do to an application that is running; exit with 1 if there is a finding.

    :raises ClientError: squawk is not installed; what our rules find is shown before
    """
    found = examine(loaded.app, loaded.selected, options.revision, lambda error: warn(options, error), options)
    if options.format == "json":
        show_json(findings_json(found.findings))
    elif options.format == "github":
        show(findings_github(found.findings))
    else:
        if found.findings and sys.stdout.isatty():
            headings = ("package", "revision", "place", "rule", "table")
            show(table(headings, findings_rows(found.findings), colour=True) + "\n", coloured=True)
        show(findings_text(found.findings))
    sys.stdout.flush()
    if found.missing is not None:
        raise found.missing
    return FAILED if found.findings else 0
