"""The names that a command line gives to revisions: ids and their prefixes, labels, ``head``, ``base``, ``+1``."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from websauna_migrate.exceptions import PlanError, RevisionError, command
from websauna_migrate.ordering import closure
from websauna_migrate.revisions.errors import AmbiguousRevision, UnknownRevision
from websauna_migrate.revisions.history import applied

if TYPE_CHECKING:
    from websauna_migrate.revisions.history import HistoryGraph


SYMBOLS = frozenset({"head", "heads", "base", "current"})

_GIVE_AN_ID = "give a revision id"
_NAME_A_HEAD = "name one of them, write 'heads' for all, or merge them"

_RELATIVE = re.compile(r"(?:(.+?)@)?(\w+)?([+-]\d+)")


class Symbol(NamedTuple):
    """A revision as a person names it, taken apart: ``branch@name+step``."""

    branch: str | None
    name: str | None
    step: int

    @property
    def is_relative(self) -> bool:
        """Whether it counts from the current revision of a history, so that it differs from history to history."""
        return self.step != 0 and not self.anchors

    @property
    def anchors(self) -> tuple[str, ...]:
        """The names in it that belong to one history: a branch, a revision."""
        return tuple(name for name in (self.branch, self.name) if name is not None and name not in SYMBOLS)


def parse_symbol(text: str) -> Symbol:
    """Take ``branch@name+step`` apart; each part but one may be missing."""
    if match := _RELATIVE.fullmatch(text):
        return Symbol(match[1], match[2], int(match[3]))
    branch, _, name = text.rpartition("@")
    return Symbol(branch or None, name, 0)


def find(history: HistoryGraph, text: str) -> tuple[str, ...]:
    """Return the revisions that ``text`` may stand for: an id or a branch label, else the start of some."""
    if text in history.names:
        return (history.names[text],)
    names = history.sorted_names
    starting = takewhile(lambda name: name.startswith(text), names[bisect_left(names, text) :]) if text else ()
    return tuple(dict.fromkeys(history.names[name] for name in starting))


def resolve(history: HistoryGraph, text: str, rows: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the revisions that ``text`` asks to upgrade to, ``()`` for base, when the database is at ``rows``."""
    symbol = parse_symbol(text)
    branch, name, step = symbol
    if name is None:
        if step < 0:
            raise _too_far(history, text)
        start = _one(history, text, _standing(history, text, symbol, rows), _GIVE_AN_ID)
    elif step == 0:
        return _named(history, text, name, branch, rows)
    else:
        start = _one(history, text, _named(history, text, name, branch if step < 0 else None, rows), _NAME_A_HEAD)
    end = _walk(history, text, start, symbol)
    return () if end is None else (end,)


def undone_by(history: HistoryGraph, text: str, rows: Sequence[str]) -> set[str]:
    """Return the applied revisions that a downgrade to ``text`` undoes in this history."""
    now = applied(history, rows)
    targets, branch = _downgrade_target(history, text, rows)
    if not now.issuperset(targets):
        raise _not_applied(history, text)
    roots = {child for target in targets for child in history.children[target]} if targets else set(history.bases)
    if branch is not None and len(roots) > 1:
        line = closure([_branch(history, text, branch)], history.parents.__getitem__)
        roots &= line
        if not roots:
            raise _not_applied(history, text)
    return closure(roots, history.after.__getitem__) & now


def _lineage(history: HistoryGraph, id_: str) -> set[str]:
    return closure([id_], history.parents.__getitem__) | closure([id_], history.children.__getitem__)


def _branch(history: HistoryGraph, text: str, branch: str) -> str:
    return _only(history, text, find(history, branch))


def _only(history: HistoryGraph, text: str, found: tuple[str, ...]) -> str:
    if not found:
        raise UnknownRevision(text, (history.package,))
    if len(found) > 1:
        raise AmbiguousRevision(text, f" in {history.package}", found, "write more of it")
    return found[0]


def _one(history: HistoryGraph, text: str, ids: tuple[str, ...], remedy: str) -> str | None:
    if len(ids) > 1:
        raise AmbiguousRevision(text, f" in {history.package}", ids, remedy)
    return ids[0] if ids else None


def _too_far(history: HistoryGraph, text: str) -> RevisionError:
    return RevisionError(f"{text!r} goes past the end of {history.package}", _GIVE_AN_ID)


def _not_applied(history: HistoryGraph, text: str) -> PlanError:
    remedy = ("see what is applied with: ", command(history.package, "current"))
    return PlanError(f"{history.package}: cannot downgrade to {text!r}, it is not applied", remedy)


def _named(history: HistoryGraph, text: str, name: str, branch: str | None, rows: Sequence[str]) -> tuple[str, ...]:
    line = set(history.revisions) if branch is None else _lineage(history, _branch(history, text, branch))
    match name:
        case "base":
            return ()
        case "current":
            here = tuple(row for row in rows if row in line)
            if branch is not None and not here:
                raise UnknownRevision(text, (history.package,))
            return here
        case "heads":
            # A branch that another depends on is no head of the whole, yet the head of itself.
            return tuple(id_ for id_ in (history.branch_heads if branch else history.heads) if id_ in line)
        case "head":
            head = _one(history, text, tuple(id_ for id_ in history.branch_heads if id_ in line), _NAME_A_HEAD)
            return () if head is None else (head,)
    found = find(history, name)
    if branch is not None and found and line.isdisjoint(found):
        raise RevisionError(
            f"{text!r}: revision {name} of {history.package} is not on the branch {branch!r}",
            "write the revision without the branch",
        )
    return (_only(history, text, tuple(id_ for id_ in found if id_ in line)),)


def _standing(history: HistoryGraph, text: str, symbol: Symbol, rows: Sequence[str]) -> tuple[str, ...]:
    """Return the current revisions of the database, on the branch if one is named."""
    known = tuple(row for row in rows if row in history.revisions)
    if symbol.branch is None:
        return known
    line = _lineage(history, _branch(history, text, symbol.branch))
    if here := tuple(row for row in known if row in line):
        return here
    # Up a branch not begun starts where it forks off; down it there is nothing, and the trunk is not to be undone.
    active = applied(history, known) & line if symbol.step > 0 else applied(history, known)
    tips = (id_ for id_ in history.revisions if id_ in active and active.isdisjoint(history.children[id_]))
    return tuple(id_ for id_ in tips if id_ in line)


def _walk(history: HistoryGraph, text: str, start: str | None, symbol: Symbol) -> str | None:
    line = None if symbol.branch is None else _lineage(history, _branch(history, text, symbol.branch))
    here = start
    for _ in range(abs(symbol.step)):
        ways: tuple[str | None, ...]
        if symbol.step > 0:
            further = history.bases if here is None else history.children[here]
            ways = tuple(id_ for id_ in further if line is None or id_ in line)
        else:
            ways = () if here is None else history.parents[here] or (None,)
        if not ways:
            raise _too_far(history, text)
        if len(ways) > 1:
            ids = tuple(id_ or "base" for id_ in ways)
            raise AmbiguousRevision(text, f" in {history.package}, the next revision is", ids, _GIVE_AN_ID)
        here = ways[0]
    return here


def _downgrade_target(history: HistoryGraph, text: str, rows: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the revisions that stay on top, and the branch that the downgrade keeps to."""
    symbol = parse_symbol(text)
    branch, name, step = symbol
    if name is None:
        start = _one(history, text, _standing(history, text, symbol, rows), _GIVE_AN_ID)
        if start is None or step >= 0:
            raise _too_far(history, text)
        branch = branch or start
    else:
        # Alembic asks whether the revision is on the branch only where it counts down from it.
        targets = _named(history, text, name, branch if step < 0 or name in SYMBOLS else None, rows)
        if step == 0:
            return targets, branch
        start = _one(history, text, targets, _NAME_A_HEAD)
    end = _walk(history, text, start, symbol)
    return () if end is None else (end,), branch
