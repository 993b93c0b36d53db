"""A script that was written is read once more before the command succeeds."""

from __future__ import annotations

import pytest

from websauna_migrate.autogenerate.errors import UnrenderableType, UnusableScript
from websauna_migrate.autogenerate.script_check import check_script

HEAD = "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = 'a1'\n\n\ndef upgrade():\n"


@pytest.fixture
def written(tmp_path):
    def write(body, head=HEAD):
        path = tmp_path / "a1.py"
        path.write_text(head + body)
        return path

    return write


@pytest.mark.parametrize(
    "body",
    [
        "    op.create_table('a', sa.Column('id', sa.Integer(), nullable=False))\n",
        "    op.add_column('a', *[sa.Column('b', sa.String(3))])\n",
        "    with op.batch_alter_table('a') as batch_op:\n        batch_op.alter_column('b', type_=sa.Text())\n",
        "    for name in ['a']:\n        op.drop_table(name)\n",
    ],
)
def test_what_runs_passes(written, body):
    check_script(written(body))


def test_annotations_pass(written):
    head = "down_revision: str | None = None\nif down_revision:\n    labels: tuple[str, ...] = ()\n"
    check_script(written("    name: str = 'a'\n    op.drop_table(name)\n", head + HEAD))


@pytest.mark.parametrize(
    ("body", "head", "line", "told"),
    [
        ("    op.create_table(\n", HEAD, 8, "never closed"),
        ("    op.execute(missing)\n", HEAD, 8, "'missing' is not defined"),
        ("    pass\n", "import nosuchmodule\ndef upgrade():\n", 1, "nosuchmodule"),
    ],
)
def test_what_does_not_run_is_an_error_with_its_line(written, body, head, line, told):
    with pytest.raises(UnusableScript, match=told) as caught:
        check_script(written(body, head))
    assert (caught.value.script, caught.value.line) == ("a1.py", line)


def test_a_type_that_does_not_evaluate_is_named_with_its_column(written):
    with pytest.raises(UnrenderableType) as caught:
        check_script(written("    op.create_table('a', sa.Column('b', sa.NoSuchType(3)))\n"))
    assert (caught.value.table, caught.value.column) == ("a", "b")
