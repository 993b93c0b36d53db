"""What is not to be reported: ``lint_ignore`` of a script, and ``websauna_migrate.lint.ignore`` of the INI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from websauna_migrate.revisions.errors import InvalidRevision
from websauna_migrate.revisions.header import module_values, no_syntax_warnings, parse_script

if TYPE_CHECKING:
    from websauna_migrate.revisions.scripts import Revision

IGNORE = "websauna_migrate.lint.ignore"

#: Among the ignored rules of the INI it means all that squawk finds.
SQUAWK = "squawk"

_NAME = "lint_ignore"


def ignored_by_settings(settings: Mapping[str, str]) -> frozenset[str]:
    """Return the rules that the INI ignores in all revisions."""
    return frozenset(settings.get(IGNORE, "").replace(",", " ").split())


def ignored_by_script(revision: Revision) -> Mapping[str, str]:
    """Return the rules that a script ignores, each with the reason.

    :raises InvalidRevision: ``lint_ignore`` is no dict of rules with reasons
    """
    if _NAME.encode() not in revision.source:
        return {}
    with no_syntax_warnings():
        values = module_values(parse_script(revision.path, revision.source))
    said = values.get(_NAME, {})
    if isinstance(said, dict) and all(isinstance(rule, str) and _is_reason(why) for rule, why in said.items()):
        return said
    raise InvalidRevision(
        revision.path,
        f"{revision.path}: {_NAME} is not valid",
        "write the rules with the reasons, as in {'drop-column': 'it was never released'}",
    )


def _is_reason(why: object) -> bool:
    return isinstance(why, str) and bool(why.strip())
