"""The commands that write history tables: ``upgrade``, ``downgrade``, ``stamp`` and ``ensure_version``."""

from __future__ import annotations

import gc
import sys
import time
from contextlib import AbstractContextManager, redirect_stdout
from typing import TYPE_CHECKING, TypedDict

from websauna_migrate.exceptions import UsageError, summed
from websauna_migrate.later import import_alembic
from websauna_migrate.revisions.errors import UnknownAppliedRevision
from websauna_migrate.scripts.backup import back_up
from websauna_migrate.scripts.loading import collect_garbage_again, import_models
from websauna_migrate.scripts.others import say_elsewhere
from websauna_migrate.scripts.printing import say, show, tell
from websauna_migrate.scripts.progress import Waiting, shown_progress
from websauna_migrate.scripts.repairing import confirm_removal
from websauna_migrate.scripts.showing import warn_of_reports
from websauna_migrate.scripts.signals import ended_by_signals
from websauna_migrate.scripts.streams import Output

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from websauna_migrate.revisions.plan import Plan
    from websauna_migrate.revisions.scripts import Direction
    from websauna_migrate.run.dry_run import DryRun
    from websauna_migrate.run.observer import BatchProgress, Progress
    from websauna_migrate.scripts.loading import Loaded

_SECONDS_BETWEEN_BATCHES = 10


class _RunOptions(TypedDict):
    """The options that a run and its ``--sql`` share."""

    direction: Direction
    cascade: bool
    expand: bool
    one_transaction: bool
    cmd_opts: Namespace


def upgrade(options: Namespace, loaded: Loaded) -> int:
    """Run the upgrades of revisions."""
    return _migrate(options, loaded, "up")


def downgrade(options: Namespace, loaded: Loaded) -> int:
    """Run the downgrades of revisions."""
    return _migrate(options, loaded, "down")


def stamp(options: Namespace, loaded: Loaded) -> int:
    """Write revisions into the history tables without running them."""
    from websauna_migrate.run.offline import write_stamp_sql
    from websauna_migrate.run.stamp import stamp as write_rows

    if options.sql and options.purge:
        raise UsageError("--sql does not read the rows that --purge deletes", "leave out one of them")
    app, selected = loaded.app, loaded.selected
    if options.sql:
        write_stamp_sql(app, selected, options.revisions, sys.stdout)
        return 0
    heads = write_rows(app, selected, options.revisions, Waiting(options), purge=options.purge)
    for package, rows in heads.items():
        say(options, f"{package}: stamped {', '.join(rows) or 'base'}")
    return 0


def ensure_version(options: Namespace, loaded: Loaded) -> int:
    """Create the history tables that do not exist yet."""
    from websauna_migrate.run.offline import write_ensure_version_sql
    from websauna_migrate.run.stamp import ensure_version as create_history_tables

    if options.sql:
        write_ensure_version_sql(loaded.app, loaded.selected, sys.stdout)
    else:
        create_history_tables(loaded.app, loaded.selected, Waiting(options))
    return 0


def _migrate(options: Namespace, loaded: Loaded, direction: Direction) -> int:
    _refuse_combinations(options)
    run_options: _RunOptions = {
        "direction": direction,
        "cascade": loaded.x.cascade,
        "expand": options.expand,
        "one_transaction": loaded.x.one_transaction,
        "cmd_opts": options,
    }
    if options.sql:
        _print_sql(options, loaded, run_options)
        return 0
    if direction == "down" and options.revision == "base":
        confirm_removal(options, loaded)
    _run(options, loaded, run_options)
    return 0


def _refuse_combinations(options: Namespace) -> None:
    if options.sql and options.allow_ahead:
        raise UsageError("--sql reads no database, so none can be ahead", "leave out --allow-ahead")
    if options.sql and options.dry_run:
        raise UsageError("--sql runs nothing, so there is no dry run of it", "leave out one of them")
    if options.backup and (options.sql or options.dry_run):
        option = "--sql" if options.sql else "--dry-run"
        raise UsageError(f"{option} changes no database, so there is nothing to back up", "leave out --backup")


def _print_sql(options: Namespace, loaded: Loaded, run_options: _RunOptions) -> None:
    from websauna_migrate.run.offline import write_sql

    import_models(options, loaded)
    output = Output()
    with redirect_stdout(sys.stderr):  # what an env.py or a revision prints is not SQL
        write_sql(loaded.app, loaded.selected, options.revision, output, **run_options)
    print(output.getvalue(), end="")


class _Shown(Waiting):
    """Shows a run on stderr, makes its backup, and ends it on a signal."""

    def __init__(self, options: Namespace, loaded: Loaded, show: Callable[[Progress], None]) -> None:
        super().__init__(options)
        self.loaded = loaded
        self.show = show
        self.seconds: dict[str, float] = {}
        self.pauses = False
        self.told = time.monotonic()

    def on_plan(self, plan: Plan) -> None:
        if plan.steps:
            import_alembic()
            import_models(self.options, self.loaded)
        collect_garbage_again()
        warn_of_reports(self.options, plan, self.loaded.ahead)
        back_up(self.options, self.loaded.app, plan)

    def on_progress(self, progress: Progress) -> None:
        self.seconds[progress.step.package] = self.seconds.get(progress.step.package, 0) + progress.seconds
        self.show(progress)

    def on_batch(self, batch: BatchProgress) -> None:
        now, pauses = time.monotonic(), batch.reason is not None
        if pauses != self.pauses or now - self.told >= _SECONDS_BETWEEN_BATCHES:
            self.pauses, self.told = pauses, now
            say(self.options, str(batch))

    def interruptible(self, cancel: Callable[[], None]) -> AbstractContextManager[object]:
        return ended_by_signals(cancel)


def _run(options: Namespace, loaded: Loaded, run_options: _RunOptions) -> None:
    gc.disable()  # until there is a plan, which may need the models
    run = _tried if options.dry_run else _migrated
    try:
        done = run(options, loaded, run_options)
    except UnknownAppliedRevision as error:  # before anything is done
        if not options.allow_ahead:
            raise
        from websauna_migrate.scripts.ahead import without_ahead

        rest = without_ahead(options, loaded, error)
        if not rest.selected:
            _say_nothing_to_do(options)
            return
        done = run(options, rest, run_options)
    if done.held_back:
        say(options, f"left for an upgrade after the deployment: {summed(tuple(map(str, done.held_back)))}")
    if done.direction == "up":
        say_elsewhere(options, loaded, done.elsewhere)


def _migrated(options: Namespace, loaded: Loaded, run_options: _RunOptions) -> Plan:
    from websauna_migrate.run.executor import migrate_selected

    # What a revision prints is not a result.
    with redirect_stdout(sys.stderr), shown_progress(quiet=options.quiet) as show_progress:
        shown = _Shown(options, loaded, show_progress)
        done = migrate_selected(loaded.app, loaded.selected, options.revision, shown, **run_options)
    if not done.steps:
        _say_nothing_to_do(options)
    elif not options.quiet:
        from websauna_migrate.scripts.report import summary_text

        tell(summary_text(done, shown.seconds, colour=sys.stderr.isatty()).rstrip(), coloured=True)
    return done


def _say_nothing_to_do(options: Namespace) -> None:
    say(options, "nothing to do")


def _tried(options: Namespace, loaded: Loaded, run_options: _RunOptions) -> Plan:
    from websauna_migrate.run.dry_run import dry_run

    failed: list[DryRun] = []
    try:
        with redirect_stdout(sys.stderr), shown_progress(quiet=options.quiet) as show_progress:
            shown = _Shown(options, loaded, show_progress)
            done = dry_run(
                loaded.app, loaded.selected, options.revision, shown, on_failure=failed.append, **run_options
            )
    finally:
        for before in failed:
            _show_dry_run(options, before)
    _show_dry_run(options, done)
    return done.plan


def _show_dry_run(options: Namespace, done: DryRun) -> None:
    from websauna_migrate.scripts.report import dry_run_text

    show(dry_run_text(done, colour=sys.stdout.isatty()), coloured=True)
    if done.steps:
        say(options, "dry run: everything was rolled back")
