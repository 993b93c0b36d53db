"""Errors of a revision script, of a name for a revision, and of an order that cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from websauna_migrate.exceptions import PlanError, Remedy, RevisionError, UsageError, command, listed, reason_of

if TYPE_CHECKING:
    from pathlib import Path


class RelativeStepOverSeveral(UsageError):
    """A relative step is asked of several histories at once."""

    def __init__(self, symbol: str, packages: tuple[str, ...]) -> None:
        self.symbol = symbol
        self.packages = packages
        super().__init__(
            f"the relative step {symbol!r} is for one history, not for {listed(packages)}; "
            f"say which with -x packages={packages[0]}"
        )


class UnreadableRevision(RevisionError):
    """A revision script, or the folder of the scripts, cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: cannot be read: {reason}; mend its permissions")


class RevisionSyntaxError(RevisionError):
    """A revision script is not Python."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{where}: not valid Python: {reason}; correct the script")


class RevisionScriptFailed(RevisionError):
    """A revision script fails while it is loaded."""

    def __init__(self, path: Path, error: BaseException) -> None:
        self.path = path
        self.error = error
        super().__init__(
            f"{path}: loading it failed with {type(error).__name__}: {reason_of(error)}; "
            f"nothing was run; correct the script and run the same command again"
        )


class MissingRevisionHeader(RevisionError):
    """A file among the revision scripts lacks a name that every revision has."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        super().__init__(f"{path}: sets no {name!r}; add it, or move the file out of the folder of the revisions")


class InvalidRevisionHeader(RevisionError):
    """A name in the header of a revision script has a value that it cannot have."""

    def __init__(self, path: Path, name: str, expected: str) -> None:
        self.path = path
        self.name = name
        self.expected = expected
        super().__init__(f"{path}: {name} is not usable; make it {expected}")


class DuplicateRevision(RevisionError):
    """Two scripts of one history have the same revision id."""

    def __init__(self, package: str, revision: str, paths: tuple[Path, Path]) -> None:
        self.package = package
        self.revision = revision
        self.paths = paths
        super().__init__(
            f"{package}: revision {revision} is in two scripts, {paths[0]} and {paths[1]}; give one of them a new id"
        )


class DuplicateBranchLabel(RevisionError):
    """A branch label names another revision of the history already."""

    def __init__(self, package: str, label: str, paths: tuple[Path, Path]) -> None:
        self.package = package
        self.label = label
        self.paths = paths
        super().__init__(
            f"{package}: branch label {label!r} in {paths[1]} is taken by {paths[0]}; choose another label"
        )


class MissingParent(RevisionError):
    """``down_revision`` or ``depends_on`` names what the history does not have."""

    def __init__(self, package: str, revision: str, name: str, parent: str, path: Path) -> None:
        self.package = package
        self.revision = revision
        self.name = name
        self.parent = parent
        self.path = path
        remedy = "restore its script" if name == "down_revision" else "use requires for a revision of another package"
        super().__init__(
            f"{package} {revision}: {name} names {parent!r}, which this history does not have; "
            f"{remedy}, or correct {path}"
        )


class RevisionCycle(RevisionError):
    """The revisions of one history follow each other in a circle."""

    def __init__(self, package: str, path: tuple[str, ...]) -> None:
        self.package = package
        self.path = path
        super().__init__(
            f"{package}: revisions follow each other in a circle, {' after '.join(path)}; "
            f"correct a down_revision or a depends_on there"
        )


class UnknownRevision(RevisionError):
    """A name stands for no revision of the histories asked; ``elsewhere`` are the packages that do have it."""

    def __init__(self, symbol: str, packages: tuple[str, ...], elsewhere: tuple[str, ...] = ()) -> None:
        self.symbol = symbol
        self.packages = packages
        self.elsewhere = elsewhere
        remedy: Remedy = ("list the revisions with: ", command(",".join(packages), "history"))
        if elsewhere:
            remedy = f"{elsewhere[0]} has it: pass -x packages={elsewhere[0]}"
        super().__init__(f"no revision {symbol!r} in {listed(packages)}", remedy)


class AmbiguousRevision(RevisionError):
    """Several revisions of one history begin with the text given."""

    def __init__(self, symbol: str, package: str, matches: tuple[str, ...]) -> None:
        self.symbol = symbol
        self.package = package
        self.matches = matches
        super().__init__(f"{symbol!r} may be any of {listed(matches)} in {package}; write more of it")


class RevisionInSeveralHistories(RevisionError):
    """Several of the selected histories have the revision."""

    def __init__(self, symbol: str, packages: tuple[str, ...]) -> None:
        self.symbol = symbol
        self.packages = packages
        super().__init__(
            f"revision {symbol!r} is in several histories: {listed(packages)}; say which with -x packages={packages[0]}"
        )


class RevisionNotOnBranch(RevisionError):
    """``branch@revision`` where the revision is on another branch."""

    def __init__(self, symbol: str, package: str, revision: str, branch: str) -> None:
        self.symbol = symbol
        self.package = package
        self.revision = revision
        self.branch = branch
        super().__init__(
            f"{symbol!r}: revision {revision} of {package} is not on the branch {branch!r}; "
            f"write the revision without the branch"
        )


class SeveralHeads(RevisionError):
    """One revision is asked for where the history has several heads."""

    def __init__(self, symbol: str, package: str, heads: tuple[str, ...]) -> None:
        self.symbol = symbol
        self.package = package
        self.heads = heads
        super().__init__(
            f"{symbol!r} may be any of {listed(heads)} in {package}; name one, say 'heads' for all, or run merge"
        )


class AmbiguousStep(RevisionError):
    """A relative step comes to a place from where several revisions go on."""

    def __init__(self, symbol: str, package: str, choices: tuple[str, ...]) -> None:
        self.symbol = symbol
        self.package = package
        self.choices = choices
        super().__init__(f"{symbol!r} has several ways in {package}: {listed(choices)}; name the revision to go to")


class StepTooFar(RevisionError):
    """A relative step goes past the end of the history."""

    def __init__(self, symbol: str, package: str) -> None:
        self.symbol = symbol
        self.package = package
        super().__init__(f"{symbol!r}: {package} has not that many revisions that way; name the revision to go to")


class RequirementError(RevisionError):
    """``requires`` or ``run_before`` of a revision names something that is not there."""

    reason: ClassVar[str]
    advice: ClassVar[str]

    def __init__(self, asking: tuple[str, str], header: str, asked: tuple[str, str], path: Path) -> None:
        self.asking = asking
        self.header = header
        self.asked = asked
        self.path = path
        verb = {"requires": "requires", "run_before": "is to run before"}[header]
        super().__init__(
            f"{asking[0]} {asking[1]} {verb} {asked[0]} {asked[1]}, {self.reason}", f"{self.advice}, or correct {path}"
        )


class UnregisteredRequirement(RequirementError):
    """The package that is asked for is not registered, or has no history of its own."""

    reason = "a package that is not registered with revisions of its own"
    advice = "register the package"


class UnknownRequirement(RequirementError):
    """The package that is asked for has no such revision."""

    reason = "a revision which that package does not have"
    advice = "install the version of the package that has it"


class AmbiguousRequirement(RequirementError):
    """Several revisions of the package begin with the text asked for."""

    reason = "which several revisions there begin with"
    advice = "write the whole id"


class UnknownAppliedRevision(RevisionError):
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
    """A history table has a row for a revision and one for a revision before it."""

    def __init__(self, package: str, rows: tuple[str, ...], heads: tuple[str, ...]) -> None:
        self.package = package
        self.rows = rows
        self.heads = heads
        super().__init__(
            f"{package}: the history table lists {listed(rows)}, but some of these are ancestors of others",
            command(package, "stamp", "--purge", *heads),
        )


class RebaseRefused(RevisionError):
    """``rebase`` cannot put a revision after another one."""

    def __init__(self, package: str, revision: str, reason: str, remedy: Remedy) -> None:
        self.package = package
        self.revision = revision
        self.reason = reason
        super().__init__(f"{package} {revision} was not rebased: {reason}", remedy)


class RequirementCycle(PlanError):
    """Revisions of several packages wait for each other.

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
            f"revisions wait for each other in a circle: {path[0]} {', which '.join(steps)}; "
            f"take one requires or run_before out"
        )


class RevisionNotApplied(PlanError):
    """A downgrade to a revision that the database is not past."""

    def __init__(self, package: str, symbol: str) -> None:
        self.package = package
        self.symbol = symbol
        super().__init__(
            f"{package}: cannot downgrade to {symbol!r}, it is not applied",
            ("see what is applied with: ", command(package, "current")),
        )


class DowngradeBreaksOthers(PlanError):
    """A downgrade would undo what applied revisions of other packages require.

    ``broken`` are pairs of ``"package revision"`` texts: the one applied, and the one it requires.
    """

    def __init__(self, broken: tuple[tuple[str, str], ...]) -> None:
        self.broken = broken
        pairs = ", ".join(f"{asking} requires {asked}" for asking, asked in broken)
        super().__init__(f"the downgrade would undo what others need: {pairs}; undo those too with -x cascade=yes")
