"""Errors of a revision script, of a name for a revision, and of an order that cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import PlanError, Remedy, RevisionError, cause_of, command, listed

if TYPE_CHECKING:
    from pathlib import Path


class UnreadableRevision(RevisionError, OSError):
    """A revision script, or the folder of the scripts, cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: cannot be read: {reason}", "make it a file that this user may read, or remove it")


class InvalidRevision(RevisionError, ValueError):
    """The header of a revision script is not valid, or contradicts another script."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        self.path = path
        super().__init__(what, remedy)


class RevisionSyntaxError(InvalidRevision):
    """A revision script is not Python."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.line = line
        self.reason = reason
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(path, f"{where}: not valid Python: {reason}", "correct the script")


class RevisionScriptFailed(RevisionError):
    """A revision script raises while it is loaded."""

    def __init__(self, path: Path, error: BaseException) -> None:
        self.path = path
        self.error = error
        super().__init__(
            f"{path}: loading it failed with {cause_of(error)}; nothing was run",
            "correct the script and run the command again",
        )


class UnknownRevision(RevisionError, LookupError):
    """No revision of the selected histories has this name; ``elsewhere`` are the packages that have one."""

    def __init__(self, symbol: str, packages: tuple[str, ...], elsewhere: tuple[str, ...] = ()) -> None:
        self.symbol = symbol
        self.packages = packages
        self.elsewhere = elsewhere
        remedy: Remedy = ("list the revisions with: ", command(",".join(packages), "history"))
        if elsewhere:
            remedy = f"{elsewhere[0]} has it: pass -x packages={elsewhere[0]}"
        super().__init__(f"no revision {symbol!r} in {listed(packages)}", remedy)


class AmbiguousRevision(RevisionError, LookupError):
    """A name or a step has several ``matches``: revisions, or packages that have the revision."""

    def __init__(self, symbol: str, where: str, matches: tuple[str, ...], remedy: str) -> None:
        self.symbol = symbol
        self.matches = matches
        super().__init__(f"{symbol!r} is ambiguous{where}: {' or '.join(matches)}", remedy)


class RequirementError(RevisionError, LookupError):
    """``requires`` or ``run_before`` of a revision names something that does not exist."""

    def __init__(
        self, asking: tuple[str, str], header: str, asked: tuple[str, str], path: Path, *, reason: str, remedy: str
    ) -> None:
        self.asking = asking
        self.header = header
        self.asked = asked
        self.path = path
        verb = {"requires": "requires", "run_before": "is to run before"}[header]
        super().__init__(
            f"{asking[0]} {asking[1]} {verb} {asked[0]} {asked[1]}, but {reason}", f"{remedy}, or correct {path}"
        )


class UnknownAppliedRevision(RevisionError, LookupError):
    """The database is at a revision that no script has."""

    def __init__(self, package: str, revision: str, history_table: str) -> None:
        self.package = package
        self.revision = revision
        self.history_table = history_table
        super().__init__(
            f"{package}: the database is at revision {revision} (table {history_table}), which no script has: "
            f"the code is older than the database or on another branch, or the script was deleted or rewritten",
            command(package, "doctor"),
        )


class OverlappingRevisions(RevisionError):
    """A history table has a row for a revision and one for an ancestor of it."""

    def __init__(self, package: str, rows: tuple[str, ...], heads: tuple[str, ...]) -> None:
        self.package = package
        self.rows = rows
        self.heads = heads
        ancestors = tuple(row for row in rows if row not in heads)
        super().__init__(
            f"{package}: the history table lists {listed(rows)}, but {listed(ancestors)} "
            f"{'is an ancestor' if len(ancestors) == 1 else 'are ancestors'} of {listed(heads)}",
            command(package, "stamp", "--purge", *heads),
        )


class RequirementCycle(PlanError):
    """The requirements of revisions form a cycle.

    ``path`` are ``"package revision"`` texts, each of which waits for the next; ``reasons`` say why.
    """

    def __init__(self, path: tuple[str, ...], reasons: tuple[str, ...]) -> None:
        self.path = path
        self.reasons = reasons
        verbs = {
            "down_revision": "follows",
            "depends_on": "depends on",
            "requires": "requires",
            "run_before": "waits for the run_before of",
        }
        steps = (f"{verbs[reason]} {node}" for reason, node in zip(reasons, path[1:], strict=True))
        super().__init__(
            f"the requirements of revisions form a cycle: {path[0]} {', which '.join(steps)}",
            "remove one requires or run_before",
        )


class DowngradeBreaksOthers(PlanError):
    """A downgrade would undo what applied revisions of other packages require.

    ``broken`` are pairs of ``"package revision"`` texts: the one applied, and the one it requires.
    """

    def __init__(self, broken: tuple[tuple[str, str], ...]) -> None:
        self.broken = broken
        pairs = ", ".join(f"{asking} requires {asked}" for asking, asked in broken)
        super().__init__(
            f"the downgrade would undo what other packages require: {pairs}", "pass -x cascade=yes to undo those too"
        )
