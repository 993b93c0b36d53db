"""How long the statements of revisions may wait for a table, and how long they may take."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.connection import commits_by_itself, reading
from websauna_migrate.database.remedies import codes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection

_LONGEST = 2147483.0  # seconds; PostgreSQL counts milliseconds in 32 bits
_TIMED_OUT = frozenset({"55P03", 1205})  # lock_not_available of PostgreSQL; MySQL and MariaDB

_LOST = frozenset({"40P01", "40001", 1213})  # deadlock_detected, serialization_failure; MySQL and MariaDB


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The seconds that a statement may wait for a table, and that it may take; 0 is no limit."""

    lock_wait: float = 0
    statement: float = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lock_wait", min(self.lock_wait, _LONGEST))
        object.__setattr__(self, "statement", min(self.statement, _LONGEST))


_NONE = TimeLimits()

# How a script sets a variable: for the session, or for the transaction only.
_SETS = (
    r"\b(?:RE)?SET\b[^;]{{0,200}}?\b(?:{0})\b|\bset_config\s*\([^;]{{0,200}}?\b(?:{0})\b|\bRESET\s+ALL\b"
    r"|\bPRAGMA\s+(?:{0})\s*[=(]"
)
_LOCAL = re.compile(r"\bSET\s+LOCAL\b|\bset_config\s*\([^)]*,\s*'?(?:true|on|t)\b", re.IGNORECASE)


class LimitedConnection(ABC):
    """A connection whose transactions get limits when they begin; a shorter one that is set already stays.

    A script may set a limit itself: then it keeps that until it ends. ``session`` is the number of the session on the
    server, as far as that is known. ``names`` are those of the variables.
    """

    names: ClassVar[tuple[str, ...]]
    waits_for_tables: ClassVar[bool] = True

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.limits = _NONE
        self.session: int | None = None
        self._sets = re.compile(_SETS.format("|".join(self.names)), re.IGNORECASE | re.DOTALL)
        self._is_ours = False
        self._was_set = False
        self._is_kept = False

    def hear(self, statement: str) -> None:
        """Notice whether ``statement``, which is about to run, sets a limit in place of ours."""
        if self._is_ours or not self._sets_one(statement):
            return
        with self._ours():
            self.remember()
        self._was_set = True
        self._is_kept = self._is_kept or not _LOCAL.search(statement)

    def _sets_one(self, statement: str) -> bool:
        text = statement.lower()  # a long one is not searched for a pattern in vain
        is_likely = any(name in text for name in self.names) or "reset" in text
        return is_likely and self._sets.search(statement) is not None

    def begin_step(self) -> None:
        """Forget what a script has set whose transaction was rolled back: it begins anew, or another one does."""
        if self._was_set:
            self._was_set = self._is_kept = False
            self.distrust()

    def end_step(self) -> None:
        """Take back what a script has set, in the transaction that is open: the next script has the usual limits."""
        if self._was_set:
            self._was_set = self._is_kept = False
            with self._ours():
                self.take_back()
                self.apply(_NONE)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        before, self._is_ours = self._is_ours, True
        try:
            yield
        finally:
            self._is_ours = before

    def use(self, limits: TimeLimits) -> None:
        """Set ``limits`` in the transaction that is open, if one is, and in those that begin from now on."""
        before, self.limits = self.limits, limits
        if self.connection.in_transaction() and before != limits:
            with self._ours():
                self.apply(before)

    def begun(self, connection: Connection) -> None:
        """Set the limits in a transaction that begins; what runs outside of one, in an autocommit block, has none."""
        with self._ours():
            if self._is_kept:
                self.leave_to_script()
            elif commits_by_itself(connection):
                self.lift()
            else:
                self.apply(_NONE)

    @abstractmethod
    def apply(self, before: TimeLimits) -> None:
        """Set the limits in the transaction that is open and has those of ``before``."""

    @abstractmethod
    def lift(self) -> None:
        """Take the limits away for what runs outside of a transaction."""

    def leave_to_script(self) -> None:  # noqa: B027
        """Take away the limits that are still ours: what a script has set is in place of them until it ends."""

    @abstractmethod
    def remember(self) -> None:
        """Read the limits of the session, where that was not done: a script is about to set one."""

    def distrust(self) -> None:  # noqa: B027
        """Assume nothing of what the session has."""

    @abstractmethod
    def take_back(self) -> None:
        """Give the session the limits that it had before a script set others."""

    @abstractmethod
    def restore(self) -> None:
        """Leave the session as it was."""

    def leave(self) -> None:
        """Leave the session as it was before the run."""
        with self._ours():
            self.restore()


@contextmanager
def limited(connection: Connection) -> Iterator[LimitedConnection | None]:
    """Yield ``connection`` as one with limits, None where its database has none; it begins without."""
    make = _KINDS.get(connection.dialect.name)
    if make is None:
        yield None
        return
    limits = make(connection)
    event.listen(connection, "begin", limits.begun)
    try:
        yield limits
    finally:
        event.remove(connection, "begin", limits.begun)
        if not connection.invalidated:
            with suppress(SQLAlchemyError):  # the error of the run matters more
                limits.leave()


def waited_too_long(error: BaseException) -> bool:
    """Tell whether a statement failed because it did not get a lock in the time that it had."""
    return not _TIMED_OUT.isdisjoint(codes_of(error))


def lost_against_another(error: BaseException) -> bool:
    """Tell whether a transaction was chosen to fail so that another one can go on: a deadlock, or a serialization."""
    return not _LOST.isdisjoint(codes_of(error))


class _Postgresql(LimitedConnection):
    """``SET LOCAL``, so that nothing is left behind on a connection of a pooler."""

    names = ("lock_timeout", "statement_timeout")

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._original: tuple[str, str] | None = None

    def apply(self, before: TimeLimits) -> None:
        if self.limits == before == _NONE:
            return
        # Asked in each transaction: behind a pooler each may be in another session.
        if before == _NONE and self._are_first():
            return
        self.session = self.connection.scalar(
            _PG_LIMITS,
            {
                "lock": _milliseconds(self.limits.lock_wait),
                "statement": _milliseconds(self.limits.statement),
                "lock_before": _milliseconds(before.lock_wait),
                "statement_before": _milliseconds(before.statement),
            },
        )

    def _are_first(self) -> bool:
        """Set the limits where none is set, which the server does in a third of the time; tell whether that was so."""
        wanted = {"lock_timeout": self.limits.lock_wait, "statement_timeout": self.limits.statement}
        limits = [_PG_FIRST.format(name, _milliseconds(seconds)) for name, seconds in wanted.items() if seconds]
        asked = ", ".join(["SELECT pg_backend_pid()", *_PG_READ, *limits])
        self.session, lock, statement, *are_set = self.connection.exec_driver_sql(asked).one()
        if self._original is None:
            self._original = lock, statement
        return None not in are_set

    def lift(self) -> None:
        self.session = None

    def remember(self) -> None:
        if self._original is None:  # we have set none in its place
            self._original = tuple(self.connection.exec_driver_sql(f"SELECT {', '.join(_PG_READ)}").one())

    def take_back(self) -> None:
        assert self._original is not None
        values = dict(zip(("lock", "statement"), self._original, strict=True))
        self.connection.execute(_PG_TAKE_BACK, values)

    def restore(self) -> None:
        if self._was_set:  # by a script that committed and did not come to its end
            with self.connection.begin():
                self.take_back()


_PG_READ = ("current_setting('lock_timeout')", "current_setting('statement_timeout')")
_PG_TAKE_BACK = text(
    "SELECT set_config('lock_timeout', :lock, false), set_config('statement_timeout', :statement, false)"
)
_PG_FIRST = "CASE current_setting('{0}') WHEN '0' THEN set_config('{0}', '{1}', true) END"

# A limit of ours may be replaced by a longer one; one that the role, the URL or a script has set may not.
_PG_LIMITS = text(
    "SELECT pg_backend_pid(), count(set_config(name, CAST(wanted AS text), true)) FROM ("
    " SELECT name, wanted, before * interval '1 millisecond' AS ours, CAST(current_setting(name) AS interval) AS now"
    " FROM (VALUES ('lock_timeout', CAST(:lock AS bigint), CAST(:lock_before AS bigint)),"
    " ('statement_timeout', CAST(:statement AS bigint), CAST(:statement_before AS bigint)))"
    " AS limits (name, wanted, before)) AS limits"
    " WHERE now = ours AND ours > interval '0'"
    " OR wanted > 0 AND (now = interval '0' OR now > wanted * interval '1 millisecond')"
)


class _Mysql(LimitedConnection):
    """Variables of the session, because a transaction has none."""

    names = ("lock_wait_timeout", "innodb_lock_wait_timeout", "max_statement_time", "max_execution_time")

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._original: Mapping[str, float] | None = None
        self._set: Mapping[str, float] = {}

    def apply(self, before: TimeLimits) -> None:
        if self.limits == _NONE and self._original is None:
            return
        original = self._read()
        wanted = _mysql_variables(self.limits)
        self._change({name: _shorter(name, original[name], wanted[name]) for name in original})

    def lift(self) -> None:
        if self._original is not None:
            self._change(self._original)

    def remember(self) -> None:
        self._read()

    def distrust(self) -> None:
        self._set = {}

    def take_back(self) -> None:
        self.distrust()
        self.lift()

    def restore(self) -> None:
        if self._was_set:
            self.distrust()
        with reading(self.connection):
            self.lift()

    def leave_to_script(self) -> None:
        if self._original is None or self._set == self._original:
            return
        ours, self._set = self._set, self._values()
        original = self._original
        self._change({name: original[name] if ours.get(name) == now else now for name, now in self._set.items()})
        self._set = original  # nothing is ours any more

    def _read(self) -> Mapping[str, float]:
        if self._original is None:
            self._original = self._set = self._values()
        return self._original

    def _values(self) -> Mapping[str, float]:
        is_mariadb = bool(getattr(self.connection.dialect, "is_mariadb", False))
        names = (*_MYSQL_LOCKS, "max_statement_time" if is_mariadb else "max_execution_time")
        asked = ", ".join(f"@@SESSION.{name}" for name in names)
        self.session, *values = self.connection.exec_driver_sql(f"SELECT CONNECTION_ID(), {asked}").one()
        return dict(zip(names, map(float, values), strict=True))

    def _change(self, values: Mapping[str, float]) -> None:
        changed = {name: value for name, value in values.items() if self._set.get(name) != value}
        if changed:
            self.connection.exec_driver_sql(
                "SET " + ", ".join(f"SESSION {name} = {value:.12g}" for name, value in changed.items())
            )
            self._set = values


class _Sqlite(LimitedConnection):
    """No limits: a transaction locks the whole file. What a script sets is how long it waits for that."""

    names = ("busy_timeout",)
    waits_for_tables = False

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._original: int | None = None

    def apply(self, before: TimeLimits) -> None:
        pass

    def lift(self) -> None:
        pass

    def begin_step(self) -> None:
        if self._was_set:
            self._was_set = self._is_kept = False
            self.take_back()

    def end_step(self) -> None:
        pass  # the commit that follows waits as long as the script has set

    def remember(self) -> None:
        if self._original is None:
            (self._original,) = self._execute("PRAGMA busy_timeout").fetchone()

    def take_back(self) -> None:
        self._execute(f"PRAGMA busy_timeout = {self._original}")

    def restore(self) -> None:
        if self._was_set:
            self.take_back()

    def _execute(self, statement: str) -> Any:
        """Run ``statement`` on the driver's own connection: through SQLAlchemy it would begin a transaction."""
        return self.connection.connection.cursor().execute(statement)


_MYSQL_LOCKS = ("lock_wait_timeout", "innodb_lock_wait_timeout")
_KINDS: Mapping[str, type[_Postgresql] | type[_Mysql] | type[_Sqlite]] = {
    "postgresql": _Postgresql,
    "sqlite": _Sqlite,
    "mysql": _Mysql,
    "mariadb": _Mysql,
}


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _mysql_variables(limits: TimeLimits) -> Mapping[str, float]:
    """Return the variables that say ``limits``, 0 for none; the server takes whole seconds for locks."""
    return {
        **dict.fromkeys(_MYSQL_LOCKS, float(math.ceil(limits.lock_wait))),
        "max_statement_time": limits.statement,
        "max_execution_time": float(_milliseconds(limits.statement)),
    }


def _shorter(name: str, original: float, wanted: float) -> float:
    """Return the value of a variable: 0 means no limit, but not to wait at all for a lock."""
    if not wanted or (not original and name not in _MYSQL_LOCKS):
        return wanted or original
    return min(original, wanted)
