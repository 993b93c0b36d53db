"""The programs of ``[post_write_hooks]``, which fail without a word from Alembic."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from websauna_migrate.exceptions import ClientError
from websauna_migrate.private import hooks_run_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def hooks_checked() -> Iterator[None]:
    """Raise at the end of the block if a hook failed in it: the script that it was for is written all the same.

    :raises ClientError: a program is missing, or its exit code is not 0
    """
    failed: list[str] = []

    def run(argv: Sequence[str], **options: object) -> None:
        if reason := _failure(argv, options):
            failed.append(f"{shlex.join(argv)}: {reason}")

    with hooks_run_by(run):
        yield
    if failed:
        raise ClientError(
            f"the revision was written, but a hook of [post_write_hooks] failed: {'; '.join(failed)}",
            "run the hook again by hand, or correct [post_write_hooks]",
        )


def _failure(argv: Sequence[str], options: dict[str, Any]) -> str | None:
    """Run ``argv`` and return why it failed, None where it did not."""
    try:
        code = subprocess.run(argv, check=False, **options).returncode
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    return f"exit code {code}" if code else None
