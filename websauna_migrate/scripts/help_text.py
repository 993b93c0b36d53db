"""What ``--help`` says about each subcommand of ``ws-alembic``, as data.

The reference page shows the same texts, and ``tests/integration/test_help.py`` runs each example.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

X_OPTIONS = {
    "packages": ("NAME,NAME or packages=all", "the packages; default: the current package"),
    "transaction": ("all", "run all revisions in one transaction; default: each, one transaction for each revision"),
    "cascade": ("yes", "also undo revisions of other packages that require what is undone; default: no"),
}
_PACKAGES = ("packages",)


@dataclass(frozen=True, slots=True)
class Example:
    """A command line without its start, ``ws-alembic -c development.ini``, and what it does."""

    arguments: str
    meaning: str

    @property
    def line(self) -> str:
        """The whole command line."""
        return f"ws-alembic -c development.ini {self.arguments}"


@dataclass(frozen=True, slots=True)
class HelpText:
    """The text of one subcommand: ``summary`` is one sentence, ``details`` are the sentences that follow it."""

    summary: str
    details: str
    examples: tuple[Example, ...]
    x_options: tuple[str, ...] = _PACKAGES

    @property
    def description(self) -> str:
        """The summary and the details."""
        return f"{self.summary} {self.details}"

    @property
    def epilog(self) -> str:
        """What stands below the options: the ``-x`` options and the examples."""
        lines = [_x_options(self.x_options), ""] if self.x_options else []
        lines.append("examples:")
        for example in self.examples:
            lines += [f"  {example.line}", f"      {example.meaning}"]
        return "\n".join(lines)


def _x_options(names: Iterable[str]) -> str:
    lines = ["-x options:"]
    for name in names:
        values, meaning = X_OPTIONS[name]
        lines += [f"  -x {name}={values}", f"      {meaning}"]
    return "\n".join(lines)


HELP = {
    "upgrade": HelpText(
        "Run the pending revisions up to a later revision.",
        "Without REVISION, each selected history is upgraded to its heads. Required revisions of other packages run "
        "too. Concurrent upgrades of one database wait for each other. With --expand, revisions that say "
        "contract = True wait until the new code is deployed.",
        (
            Example("-x packages=all upgrade", "upgrade all packages to their heads"),
            Example("upgrade +1 --sql", "print the SQL of the next revision; needs no database server"),
        ),
        ("packages", "transaction"),
    ),
    "downgrade": HelpText(
        "Undo revisions down to an earlier revision.",
        "'base' undoes all revisions of the selected packages, and asks for confirmation. A downgrade that would undo "
        "what an applied revision of another package requires is refused.",
        (
            Example("downgrade -1", "undo the last revision of the current package"),
            Example("-x packages=all downgrade base --yes", "undo all revisions of all packages"),
        ),
        ("packages", "transaction", "cascade"),
    ),
    "stamp": HelpText(
        "Write revisions into the history tables without running them.",
        "For a database whose tables were created in another way. 'adopt' finds the revision by itself.",
        (
            Example("stamp head", "record that the tables match the newest revision"),
            Example("stamp --purge a1c2e3f4b5d6", "replace what the history table contains"),
        ),
    ),
    "ensure_version": HelpText(
        "Create the history tables that do not exist yet.",
        "'upgrade' and 'stamp' do this too, so it is needed only to grant privileges beforehand.",
        (
            Example("-x packages=all ensure_version", "create the history tables of all packages"),
            Example("ensure_version --sql", "print the SQL instead"),
        ),
    ),
    "current": HelpText(
        "Show the current revision of each history in the database.",
        "The newest revision is marked with (head). After 'current', -c means --check-heads: name the INI before "
        "the subcommand, or with --config.",
        (
            Example("-x packages=all current", "show the current revision of each package"),
            Example("current --check-heads", "exit with 1 unless the newest revisions are applied"),
        ),
    ),
    "heads": HelpText(
        "Show the heads of each history: the newest revision of each branch.",
        "Reads the scripts only. Several heads in one history are joined with 'merge' or 'rebase'.",
        (
            Example("-x packages=all heads", "show the heads of each package"),
            Example("heads --verbose", "show the message and the file of each head too"),
        ),
    ),
    "status": HelpText(
        "Show the state of each history; with --check, exit with 1 unless all are up to date.",
        "The states are: up to date, pending, pending (contract), unknown revision, several heads, no revisions. "
        "Changes nothing.",
        (
            Example("-x packages=all status", "show a table with one row for each history"),
            Example("-x packages=all status --check --wait 60", "in a deployment: wait for the server, then check"),
        ),
    ),
    "plan": HelpText(
        "Show in order the steps that upgrade, or with --down downgrade, would run.",
        "The revisions of all selected packages are in one list, as a run would interleave them. Changes nothing.",
        (
            Example("-x packages=all plan", "show what upgrade would run"),
            Example("plan --down base --format json", "show as JSON what downgrade would undo"),
        ),
        ("packages", "cascade"),
    ),
    "graph": HelpText(
        "Draw the revisions of the selected packages, or with --tables their tables.",
        "Applied revisions are marked with *, pending ones with o. Each line names what the revision requires of other "
        "packages. Mermaid can be pasted into GitHub. Changes nothing.",
        (
            Example("-x packages=all graph", "draw the revisions of all packages in the terminal"),
            Example("graph --tables --format mermaid --output tables.mmd", "write a diagram of the tables"),
        ),
    ),
    "lint": HelpText(
        "Find statements of pending revisions that lock, scan or rewrite tables, or break code that is running.",
        "Shows the size of each table and the safe form, and exits with 1 if there is a finding. For PostgreSQL it "
        "also runs squawk (the extra 'lint'). A script ignores a rule with lint_ignore. Changes nothing.",
        (
            Example("-x packages=all lint", "look at what upgrade would run"),
            Example("lint base:a1c2e3f4b5d6 --format github", "annotate a pull request with the findings in a range"),
        ),
    ),
    "doctor": HelpText(
        "Find problems in scripts, models and database.",
        "For each problem it shows what is wrong, why it matters and how to fix it, and exits with 1 if there is one. "
        "Changes nothing: scripts run in a scratch database only.",
        (
            Example("-x packages=all doctor", "check all packages"),
            Example("doctor --no-replay --format json", "run no scripts, print the problems as JSON"),
        ),
    ),
    "adopt": HelpText(
        "Write the revision of an existing database into the history table.",
        "For a database that another tool migrated, or whose history table was lost. The revision comes from the "
        "table alembic_version (or --from), else from comparing the tables with each revision. Asks for confirmation.",
        (
            Example("adopt --yes", "take over the table alembic_version, or find the matching revision"),
            Example("adopt --revision a1c2e3f4b5d6 --yes", "record this revision, without comparing the tables"),
        ),
    ),
    "rebase": HelpText(
        "Give a revision that is not applied another down revision.",
        "Rewrites down_revision in its script. It joins two heads in one line, when neither branch is released.",
        (
            Example("rebase c3e4f5a6b7d8 b2d3f4a5c6e7", "run c3e4f5a6b7d8 after b2d3f4a5c6e7"),
            Example("rebase c3e4f5a6b7d8 base", "make c3e4f5a6b7d8 the first revision of its branch"),
        ),
    ),
    "init": HelpText(
        "Create the script location of the current package: env.py, script.py.mako and versions/.",
        "Files that exist are not changed. Projects from the template have them already.",
        (
            Example("init", "create the files where they are looked for"),
            Example("init migrations --package", "create them in migrations/, as Python packages"),
        ),
    ),
    "branches": HelpText(
        "Show the revisions where a history branches.",
        "Such a revision is the down revision of several others. Reads the scripts only.",
        (
            Example("branches", "show the branch points of the current package"),
            Example("-x packages=all branches --verbose", "show those of all packages, with messages and files"),
        ),
    ),
    "check": HelpText(
        "Compare the database with the models, and exit with 1 if they differ.",
        "It finds what 'revision --autogenerate' would write, and writes nothing. All revisions must be applied.",
        (
            Example("-x packages=all check", "compare the tables of all packages"),
            Example("check --format json", "print the differences as JSON"),
        ),
    ),
    "edit": HelpText(
        "Open the script of a revision in the editor.",
        "The editor is that of the environment variables VISUAL or EDITOR.",
        (
            Example("edit head", "edit the newest revision of the current package"),
            Example("edit a1c2e3f4b5d6", "edit this revision"),
        ),
    ),
    "history": HelpText(
        "List the revisions of each history, newest first.",
        "Reads the scripts, and the database only for --indicate-current or a range with 'current'.",
        (
            Example("-x packages=all history", "list the revisions of all packages"),
            Example("history -r current:head --verbose", "show the pending revisions in detail"),
        ),
    ),
    "list_templates": HelpText(
        "List the script templates of plain Alembic.",
        "'ws-alembic init' writes files of its own, which serve synchronous and asynchronous drivers alike.",
        (
            Example("list_templates", "list the templates"),
            Example("--quiet list_templates", "the same, without progress on stderr"),
        ),
        (),
    ),
    "merge": HelpText(
        "Write a revision that joins several heads of a history.",
        "It has no operations of its own. Name at least two revisions, or 'heads'. If no database has one "
        "of the heads, 'rebase' gives a simpler history.",
        (
            Example('merge heads -m "Merge the branches"', "join all heads of the current package"),
            Example('merge d4f5a6b7c8e9 e5a6b7c8d9f1 -m "Merge two branches"', "join these two"),
        ),
    ),
    "revision": HelpText(
        "Write a new revision script.",
        "With --autogenerate it contains the operations that turn the database into what the models say; review them. "
        "Packages without a difference get no script, and one that is installed in site-packages gets none either.",
        (
            Example('revision --autogenerate -m "Add the price"', "write the changes of the models"),
            Example('revision -m "Fill the prices"', "write an empty script, for a change of data"),
        ),
    ),
    "show": HelpText(
        "Show one revision: its message, its file and what it follows.",
        "Symbols such as 'head', 'current' and 'head-1' are accepted too.",
        (
            Example("show head", "show the newest revision of the current package"),
            Example("-x packages=all show a1c2e3f4b5d6", "show this revision, of whichever package"),
        ),
    ),
}

#: What stands below the options of ``ws-alembic --help``.
FIRST_STEPS = f"""\
{_x_options(X_OPTIONS)}

first steps:
  ws-alembic -c development.ini -x packages=all status
  ws-alembic -c development.ini revision --autogenerate -m "Describe the change"
  ws-alembic -c development.ini -x packages=all upgrade"""
