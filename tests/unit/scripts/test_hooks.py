"""Programs of [post_write_hooks] that fail."""

from __future__ import annotations

import sys

import pytest
from alembic.script import write_hooks

from websauna_migrate.exceptions import ClientError
from websauna_migrate.scripts.hooks import hooks_checked


def run(*argv):
    vars(write_hooks)["subprocess"].run(argv)


def test_a_hook_that_works_is_no_error():
    with hooks_checked():
        run(sys.executable, "-c", "pass")


@pytest.mark.parametrize(
    ("argv", "told"), [((sys.executable, "-c", "exit(3)"), "exit code 3"), (("/nosuchhook",), "No such file")]
)
def test_a_hook_that_fails_is_told_at_the_end_of_the_block(argv, told):
    ended = False
    with pytest.raises(ClientError, match=told), hooks_checked():
        run(*argv)
        ended = True
    assert ended
