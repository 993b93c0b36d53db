"""${message.replace("\\", "\\\\").replace('"""', "'''")}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}
"""
# ruff: noqa: F401, I001

from __future__ import annotations

import datetime

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | tuple[str, ...] | None = ${repr(down_revision)}
branch_labels: str | tuple[str, ...] | None = ${repr(branch_labels)}
depends_on: str | tuple[str, ...] | None = ${repr(depends_on)}

# Revisions of other packages that are applied before this one: {"acme.user": "37e1cb6de47"}.
requires: dict[str, str] = ${repr(context.get("requires", {}))}
% if context.get("run_before"):
# Revisions of other packages that are applied after this one.
run_before: dict[str, str] = ${repr(context.get("run_before"))}
% endif
% if context.get("contract"):
# For after the new code runs everywhere: upgrade --expand leaves it.
contract = True
% endif


def upgrade() -> None:
    """Apply this revision."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Undo this revision."""
    ${downgrades if downgrades else "pass"}
