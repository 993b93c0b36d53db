"""Reading revision scripts from their text, held against Alembic's own reading."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.exceptions import RevisionError
from websauna_migrate.packages.package import History
from websauna_migrate.revisions import header
from websauna_migrate.revisions.contents import created_tables, uses_autocommit_block
from websauna_migrate.revisions.errors import (
    InvalidRevision,
    RevisionScriptFailed,
    RevisionSyntaxError,
    UnreadableRevision,
)
from websauna_migrate.revisions.scripts import in_order, read_revisions

SCRIPT = '''"""{message}

Revision ID: {id}
Create Date: 2026-11-22 10:00:00.123456

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision: str = {id!r}
down_revision: Union[str, Sequence[str], None] = {down!r}
branch_labels: Union[str, Sequence[str], None] = {labels!r}
depends_on: Union[str, Sequence[str], None] = {depends!r}
{header}

def upgrade() -> None:
    """Upgrade schema."""
    {upgrade}


def downgrade() -> None:
    """Downgrade schema."""
    {downgrade}
'''


class Folder:
    """A script location under construction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.locations = [path / "versions"]

    def write(self, name: str, text: str, location: int = 0) -> Path:
        path = self.locations[location] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def add(self, id: str, down=None, *, location=0, message="a change", header="", **rest) -> Path:
        values = {"labels": None, "depends": None, "upgrade": "pass", "downgrade": "pass"} | rest
        text = SCRIPT.format(id=id, down=down, message=message, header=header, **values)
        return self.write(f"{id}_x.py", text, location)

    @property
    def history(self) -> History:
        return History("acme.shop", ("acme.shop",), self.path, tuple(self.locations), "alembic_history_acme_shop")

    def read(self, **options):
        return read_revisions(replace(self.history, **options))

    def script_directory(self, **options) -> ScriptDirectory:
        return ScriptDirectory(str(self.path), version_locations=[str(path) for path in self.locations], **options)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def same_as_alembic(folder: Folder, **names: bool) -> None:
    ours = folder.read(**names)
    alembic = {"recursive": "recursive_version_locations", "sourceless": "sourceless"}
    directory = folder.script_directory(**{alembic[name]: value for name, value in names.items()})
    theirs = {script.revision: script for script in directory.walk_revisions()}
    assert {revision.id for revision in ours} == set(theirs)
    for revision in ours:
        script = theirs[revision.id]
        assert revision.down == tuple(script._versioned_down_revisions)
        assert set(revision.branch_labels) == set(script._orig_branch_labels)
        named = script.dependencies
        assert set(revision.depends_on) == set((named,) if isinstance(named, str) else named or ())
        assert revision.message == " ".join(script.doc.split())
        assert revision.path.samefile(script.path)


# --- what Alembic reads ---------------------------------------------------------------------------------------


def test_a_line_of_revisions_is_read_as_alembic_reads_it(folder: Folder) -> None:
    folder.add("aaaa11", message="begin\nover two lines")
    folder.add("bbbb22", "aaaa11", labels="shop")
    folder.add("cccc33", "bbbb22")
    same_as_alembic(folder)
    assert [revision.id for revision in folder.read()] == ["aaaa11", "bbbb22", "cccc33"]


def test_branches_merges_and_dependencies_over_several_locations_are_read_as_alembic_reads_them(
    folder: Folder,
) -> None:
    folder.locations.append(folder.path / "more")
    folder.locations.append(folder.path / "missing")
    folder.add("aaaa11")
    folder.add("bbbb22", "aaaa11", labels=("left",))
    folder.add("cccc33", "aaaa11", location=1)
    folder.add("dddd44", ("bbbb22", "cccc33"), location=1)
    folder.add("eeee55", None, depends=["left"], labels=["own", "other"], location=1)
    folder.add("ffff66", "eeee55", depends=("dddd44", "aaaa11"))
    same_as_alembic(folder)


GLOBAL = "        global down_revision\n        down_revision = 'aaaa11'"
# What a statement may stand in, and what follows.
BLOCKS = {
    "if True:": "",
    "if False:\n        pass\n    else:": "",
    "for _ in '1':": "",
    "while True:": "\n        break",
    "with open(__file__):": "",
    "try:": "\n    finally:\n        pass",
    "try:\n        1 / 0\n    except ZeroDivisionError:": "",
    "try:\n        pass\n    finally:": "",
    "match 1:\n      case 1:": "",
    "def inner():": "\n    inner()",
    "class Inner:": "",
}


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("OLD = 'aaaa11'\nrevision = 'bbbb22'\ndown_revision = OLD", "a constant"),
        ("revision = 'bb' 'bb22'\ndown_revision = ['aaaa11']", "a list"),
        ("revision = 'bbbb22'\ndown_revision = {'aaaa11'}", "a set"),
        ("revision = 'bbbb22'\ndown_revision = f'aaaa{11}'", "an f-string"),
        ("revision = 'bbbb22'\ndown_revision = ''.join(['aaaa', '11'])", "a call"),
        ("revision = 'bbbb22'\ndown_revision = ()\ndown_revision += ('aaaa11',)", "an augmented value"),
        ("revision = 'bbbb22'\nif revision:\n    down_revision = 'aaaa11'\nelse:\n    down_revision = None", "an if"),
        ("revision = 'x'\nrevision, down_revision = 'bbbb22', 'aaaa11'", "an unpacking"),
        (
            "revision = down_revision = 'aaaa11'\nfrom builtins import str as name\nrevision = name('bbbb22')",
            "an import",
        ),
        ("revision = 'bbbb22'\ndown_revision = ['zzzz']\ndown_revision[0] = 'aaaa11'", "a changed list"),
        (
            "revision = 'bbbb22'\ndown_revision = 0\n"
            "def f():\n    global down_revision\n    down_revision = 'aaaa11'\nf()",
            "a global",
        ),
        *(
            (
                f"revision = 'bbbb22'\ndown_revision = 0\ndef f():\n    {before}\n{GLOBAL}{after}\nf()",
                f"a global in {before}",
            )
            for before, after in BLOCKS.items()
        ),
        ("def first():\n    pass\nrevision = 'bbbb22'\ndown_revision = 'aaaa11'", "a header below a function"),
        ("text = '''\ndef no():\nrevision = 9\n'''\nrevision = 'bbbb22'\ndown_revision = 'aaaa11'", "code in a string"),
        ("revision = 'bbbb22'\ndown_revision = 'aaaa11'\ndepends_on: str\nbranch_labels = None", "a bare annotation"),
        ("for revision in ['bbbb22']:\n    down_revision = 'aaaa11'", "a loop"),
        ("from os.path import *\nrevision = 'bbbb22'\ndown_revision = 'aaaa11'", "a star import"),
    ],
)
def test_an_unusual_header_is_read_as_alembic_reads_it(folder: Folder, header: str, what: str) -> None:
    folder.add("aaaa11")
    folder.write("second.py", f'"""Second."""\n{header}\n\ndef upgrade():\n    pass\n')
    same_as_alembic(folder)
    assert folder.read()[1].down == ("aaaa11",), what


def test_what_a_star_import_brings_is_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "common_header.py").write_text("depends_on = 'aaaa11'\n")
    monkeypatch.syspath_prepend(folder.path)
    folder.add("aaaa11")
    folder.write("b.py", "from common_header import *\nrevision = 'bbbb22'\ndown_revision = None\n")
    same_as_alembic(folder)


def test_a_script_that_python_would_warn_of_is_read_in_silence(folder: Folder) -> None:
    folder.write("a.py", '"""Match \\d."""\nrevision = "aaaa11"\ndown_revision = None\n')
    assert folder.read()[0].message == "Match \\d."


def test_only_the_files_that_alembic_loads_are_read(folder: Folder) -> None:
    path = folder.add("aaaa11")
    for name in ("__init__.py", "__init__extra.py", ".#aaaa11_x.py", "notes.txt", "aaaa11_x.pyc", "sub/broken.py"):
        folder.write(name, "not python at all (")
    (path.parent / "again.py").symlink_to(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Alembic warns of the link.
        same_as_alembic(folder)


def test_folders_inside_are_read_on_request(folder: Folder) -> None:
    folder.add("aaaa11")
    folder.write("2026/b.py", "revision = 'bbbb22'\ndown_revision = 'aaaa11'\n")
    same_as_alembic(folder, recursive=True)
    assert len(folder.read()) == 1


def test_compiled_scripts_without_source_are_read_on_request(folder: Folder) -> None:
    folder.add("aaaa11")
    gone = folder.add("bbbb22", "aaaa11")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(gone.parent)], check=True)
    gone.unlink()
    same_as_alembic(folder, sourceless=True)
    assert len(folder.read(sourceless=True)) == 2
    assert created_tables(folder.read(sourceless=True)) == {}


def test_a_legacy_script_has_its_id_in_the_name(folder: Folder) -> None:
    folder.write("aaaa11.py", "down_revision = None\n")
    same_as_alembic(folder)


@pytest.mark.parametrize("size", [2**16, 2**16 + 1, 2**18])
def test_a_long_script_is_read_to_its_end(folder: Folder, size: int) -> None:
    script = folder.add("aaaa11")
    later = "\ndown_revision = 'bbbb22'\n"
    text = script.read_text()
    script.write_text(text + "#" * (size - len(text) - len(later)) + later)
    folder.add("bbbb22")
    assert folder.read()[-1].down == ("bbbb22",)


def test_a_script_in_another_encoding_is_read(folder: Folder) -> None:
    path = folder.add("aaaa11")
    text = "# -*- coding: latin-1 -*-\n" + path.read_text().replace("a change", "größer")
    path.write_bytes(text.encode("latin-1"))
    same_as_alembic(folder)
    assert folder.read()[0].message == "größer"


def test_a_folder_that_does_not_exist_holds_no_revisions(folder: Folder) -> None:
    assert folder.read() == ()


def test_the_create_date_is_the_text_of_the_docstring(folder: Folder) -> None:
    folder.add("aaaa11")
    folder.write("b.py", "revision = 'bbbb22'\ndown_revision = None\n")
    assert {revision.create_date for revision in folder.read()} == {"2026-11-22 10:00:00.123456", None}


def test_requirements_are_pairs_of_package_and_revision(folder: Folder) -> None:
    folder.add(
        "aaaa11", header="requires = {'acme.user': '99', 'acme.blog': ('1a', '2b')}\nrun_before = {'acme.x': 'y'}"
    )
    (revision,) = folder.read()
    assert revision.requires == (("acme.user", "99"), ("acme.blog", "1a"), ("acme.blog", "2b"))
    assert revision.run_before == (("acme.x", "y"),)


def test_requirements_that_are_computed_are_read_from_the_loaded_script(folder: Folder) -> None:
    folder.add("aaaa11", header="requires = dict(zip(['acme.user'], ['99']))")
    folder.add("bbbb22", "aaaa11", header="def later():\n    pass\nrequires = {'acme.user': '98'}")
    assert [revision.requires for revision in folder.read()] == [(("acme.user", "99"),), (("acme.user", "98"),)]


def test_a_literal_header_is_read_without_running_the_script_or_importing_alembic(folder: Folder) -> None:
    folder.add("aaaa11", header="1 / 0")
    code = (
        "import sys; from pathlib import Path; from websauna_migrate.packages.package import History;"
        "from websauna_migrate.revisions.scripts import read_revisions;"
        f"read_revisions(History('a', ('a',), Path('.'), (Path({str(folder.locations[0])!r}),), 't'));"
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- what is wrong --------------------------------------------------------------------------------------------


def error_of(folder: Folder, kind: type[RevisionError]) -> str:
    with pytest.raises(kind) as caught:
        folder.read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_script_that_is_not_python_is_named_with_its_line(folder: Folder) -> None:
    path = folder.write("a.py", "revision = 'aaaa11'\ndown_revision = = None\n")
    assert f"{path}, line 2" in error_of(folder, RevisionSyntaxError)


def test_a_null_byte_in_a_script_is_an_error(folder: Folder) -> None:
    assert "null bytes" in error_of_text(folder, "revision = 'a\0'\n", RevisionSyntaxError)


def error_of_text(folder: Folder, text: str, kind: type[RevisionError]) -> str:
    path = folder.write("some.py", text)
    message = error_of(folder, kind)
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("down_revision = None\n", InvalidRevision, "'revision'"),
        ("revision = 'aaaa11'\n", InvalidRevision, "'down_revision'"),
        ("revision = 7\ndown_revision = None\n", InvalidRevision, "revision"),
        ("revision = 'a-1'\ndown_revision = None\n", InvalidRevision, "@ - + :"),
        ("revision = 'aaaa11'\ndown_revision = {'a': 'b'}\n", InvalidRevision, "down_revision"),
        ("revision = 'aaaa11'\ndown_revision = (1,)\n", InvalidRevision, "down_revision"),
        ("revision = 'aaaa11'\ndown_revision = None\nrequires = 'acme.user'\n", InvalidRevision, "a dict like"),
        ("revision = 'aaaa11'\ndown_revision = None\nrequires = {'acme.user': 9}\n", InvalidRevision, "strings"),
        ("revision = 'aaaa11'\ndown_revision = None\nrun_before = {'a': []}\n", InvalidRevision, "run_before"),
        ("revision = open('/no/such')\n", RevisionScriptFailed, "FileNotFoundError"),
        ("revision = 'aaaa11'\ndown_revision = {{}: 'a'}\n", RevisionScriptFailed, "unhashable"),
    ],
)
def test_a_broken_header_is_an_error_that_names_file_and_remedy(
    folder: Folder, text: str, kind: type[RevisionError], said: str
) -> None:
    assert said in error_of_text(folder, text, kind)


def test_two_scripts_with_one_id_are_an_error_that_names_both(folder: Folder) -> None:
    first = folder.add("aaaa11")
    second = folder.write("other.py", "revision = 'aaaa11'\ndown_revision = None\n")
    message = error_of(folder, InvalidRevision)
    assert str(first) in message
    assert str(second) in message


def test_a_branch_label_taken_twice_is_an_error(folder: Folder) -> None:
    folder.add("aaaa11", labels=("shop",))
    folder.add("bbbb22", labels=("shop",))
    error_of(folder, InvalidRevision)


@pytest.mark.parametrize("names", [{"down": "zzzz"}, {"depends": "zzzz"}, {"down": "shop"}])
def test_a_parent_that_the_history_does_not_have_is_an_error(folder: Folder, names: dict[str, str]) -> None:
    folder.add("aaaa11", labels="shop")
    folder.add("bbbb22", **names)
    assert "acme.shop bbbb22" in error_of(folder, InvalidRevision)


def test_revisions_in_a_circle_are_an_error_that_shows_the_path(folder: Folder) -> None:
    folder.add("aaaa11", "cccc33")
    folder.add("bbbb22", "aaaa11")
    folder.add("cccc33", "bbbb22")
    assert "aaaa11 after cccc33 after bbbb22 after aaaa11" in error_of(folder, InvalidRevision)


def test_a_revision_that_depends_on_itself_is_an_error(folder: Folder) -> None:
    folder.add("aaaa11", depends="aaaa11")
    error_of(folder, InvalidRevision)


def test_a_script_that_cannot_be_opened_is_an_error(folder: Folder) -> None:
    folder.add("aaaa11")
    (folder.locations[0] / "gone.py").symlink_to(folder.path / "nowhere.py")
    error_of(folder, UnreadableRevision)


# --- what the scripts do --------------------------------------------------------------------------------------


def tables(folder: Folder) -> dict[tuple[str | None, str], str]:
    return {tuple(table): revision.id for table, revision in created_tables(folder.read()).items()}


def test_the_tables_created_are_those_not_dropped_or_renamed_since(folder: Folder) -> None:
    folder.add("aaaa11", upgrade='op.create_table("a"); op.create_table("b", schema="s"); op.create_table("c")')
    folder.add("bbbb22", "aaaa11", upgrade='op.rename_table("b", "d", schema="s"); op.drop_table("c")')
    folder.add("cccc33", "bbbb22", upgrade='op.drop_table("b")')
    assert tables(folder) == {(None, "a"): "aaaa11", ("s", "d"): "bbbb22"}


def test_a_table_rebuilt_under_another_name_is_followed(folder: Folder) -> None:
    folder.add("aaaa11", upgrade='op.create_table("a")')
    rebuild = 'op.create_table("_a"); op.drop_table("a"); op.rename_table("_a", "a")'
    folder.add("bbbb22", "aaaa11", upgrade=rebuild)
    assert tables(folder) == {(None, "a"): "bbbb22"}


def test_tables_are_found_in_blocks_and_in_functions_that_upgrade_calls(folder: Folder) -> None:
    header = """SCHEMA = "s"
def helper():
    op.create_table("c")
    helper()
def unused():
    op.create_table("z")"""
    upgrade = """if sa:
        op.create_table(table_name="a", schema=SCHEMA)
    else:
        with op.get_context() as x:
            for _ in ():
                op.create_table("b", sa.Column("x"))
    helper()
    op.drop_table("c")
    op.create_table("d" + "e"); op.create_table("f", schema=sa.schema)"""
    folder.add("aaaa11", header=header, upgrade=upgrade, downgrade='op.create_table("no")')
    assert tables(folder) == {("s", "a"): "aaaa11", (None, "b"): "aaaa11"}


def test_an_autocommit_block_is_found_where_it_is_used(folder: Folder) -> None:
    block = "with op.get_context().autocommit_block():\n        pass"
    folder.add("aaaa11", upgrade=block)
    folder.add("bbbb22", "aaaa11", downgrade="go()", header=f"def go():\n    {block}")
    folder.add("cccc33", "bbbb22", upgrade="pass # no autocommit_block() here")
    up, down, none = folder.read()
    assert [uses_autocommit_block(up), uses_autocommit_block(up, "up"), uses_autocommit_block(up, "down")] == [1, 1, 0]
    assert [uses_autocommit_block(down), uses_autocommit_block(down, "up"), uses_autocommit_block(down, "down")] == [
        1,
        0,
        1,
    ]
    assert not uses_autocommit_block(none)


# --- speed ----------------------------------------------------------------------------------------------------


def test_the_order_is_the_same_for_any_order_of_input_and_as_deep_as_you_like(folder: Folder) -> None:
    folder.add("0000")
    (first,) = folder.read()
    line = [first]
    for number in range(1, 5000):
        id_ = f"{(number * 7919) % 100_000:06}"
        line.append(type(first)(id_, (line[-1].id,), (), (), (), (), "", None, first.path))
    assert in_order(reversed(line)) == tuple(line) == in_order(sorted(line, key=lambda revision: revision.id))


# --- the quick way ----------------------------------------------------------------------------------------------

LITERALS = st.sampled_from(
    ["None", '"a1"', "'b2'", "{}", "()", '"a\\tb"', '"it\'s"', '("a", "b")', 'f"{1}"', "other", '"a" "b"', '"a"; x = 1']
)
ASSIGNMENTS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "", "", " ", "if True: "]),
    st.sampled_from(["revision", "down_revision", "depends_on", "branch_labels", "requires", "run_before", "other"]),
    st.sampled_from(
        ["", ": str", ": Union[str, Sequence[str], None]", ": str | None", ": 'x = 1'", ": dict[str, str]"]
    ),
    st.sampled_from([" = ", " = ", "=", " == "]),
    LITERALS,
)
LINES = st.one_of(
    ASSIGNMENTS,
    st.sampled_from(
        [
            "",
            "# revision = 'no'",
            "import sqlalchemy as sa",
            "from alembic import op",
            "from alembic import op, context",
            "from elsewhere import revision",
            "from elsewhere import other as down_revision",
            "import revision",
            "from elsewhere import *",
            '"""A text."""',
            "'''",
            '"""',
            "(",
            "del revision",
            "\ufeff",
            "# é",
            "# \0",
            "revision = '\0'",
            "# coding: latin-1",
            "\\",
            "\r",
            "def upgrade():",
            "    pass",
        ]
    ),
)
DOCSTRINGS = st.sampled_from(
    ["", '"""Text é."""\n', '"""Two\n\nlines.\n"""\n', '"""a\\tb"""\n', "'''Other.'''\n", '"""a"b"""\n']
)


@given(DOCSTRINGS, st.lists(LINES, max_size=8), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["utf-8", "latin-1"]))
def test_a_header_that_is_read_without_the_parser_is_what_the_parser_reads(docstring, lines, newline, encoding):
    source = (docstring + "".join(line + newline for line in lines)).encode(encoding, "replace")
    plain = header.plain_header(source)
    if plain is not None:
        module = ast.parse(source)
        values = {name: value for name, value in header.module_values(module).items() if name in header.HEADER}
        assert plain == (values, ast.get_docstring(module, clean=False))


def test_the_parser_is_spared_where_a_script_is_as_templates_write_it(folder, monkeypatch):
    folder.add("a1", None)
    folder.add("b2", "a1")
    monkeypatch.setattr(header, "parse_script", lambda *_arguments: pytest.fail("parsed"))
    assert [revision.id for revision in read_revisions(folder.history)] == ["a1", "b2"]


def test_a_contract_revision_says_true(folder):
    folder.add("a1", header="contract = True")
    folder.add("b2", "a1", header="contract = False")
    folder.add("c3", "b2", header="contract = sa.table('contract')")
    assert {revision.id: revision.contract for revision in folder.read()} == {"a1": True, "b2": False, "c3": False}


@pytest.mark.parametrize("wrong", ["'yes'", "1"])
def test_a_contract_that_is_neither_true_nor_false_is_refused(folder, wrong):
    folder.add("a1", header=f"contract = {wrong}")
    with pytest.raises(InvalidRevision, match="contract is not valid; make it True or False"):
        folder.read()
