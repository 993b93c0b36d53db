"""The operations of alembic-utils, as revisions run them.

They do nothing on a database that is not PostgreSQL, so an application that is deployed on PostgreSQL can run its
revisions on SQLite in its tests. An extension that is there already stays: often somebody with more privileges installs
it, and a scratch database gets those of the database of the application first.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


@cache
def adapt_operations() -> None:
    """Replace what alembic-utils does for its operations, once in a process.

    Without alembic-utils there is nothing to do: a script that needs it says so itself.
    """
    if find_spec("alembic_utils") is None:
        return
    from alembic_utils import reversible_op

    for operation, run in (
        (reversible_op.CreateOp, _or_extension(reversible_op.create_entity)),
        (reversible_op.DropOp, reversible_op.drop_entity),
        (reversible_op.ReplaceOp, reversible_op.replace_or_revert_entity),
        (reversible_op.RevertOp, reversible_op.replace_or_revert_entity),
    ):
        Operations.implementation_for(operation, replace=True)(_on_postgresql(run))


def _on_postgresql(run: Callable[[Operations, Any], None]) -> Callable[[Operations, Any], None]:
    def run_or_skip(operations: Operations, operation: Any) -> None:
        dialect = operations.get_context().dialect.name
        if dialect == "postgresql":
            run(operations, operation)
        else:
            log.info("skipped on %s: %s", dialect, operation.target.identity)

    return run_or_skip


def _or_extension(run: Callable[[Operations, Any], None]) -> Callable[[Operations, Any], None]:
    def create(operations: Operations, operation: Any) -> None:
        if operation.target.type_ == "extension":
            sql = str(operation.target.to_sql_statement_create())
            operations.execute(sql.replace("CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS", 1))
        else:
            run(operations, operation)

    return create
