"""The pages can be read on a phone: short commands, titles of short words, and code that is wrapped at good places."""

from __future__ import annotations

import re
import runpy

import pytest

from projects import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.rst"), ROOT / "README.rst"])
PROGRAMS = "alembic|cookiecutter|git|grep|make|pip|pserve|pshell|python|ws-[a-z-]+"
COMMAND = re.compile(rf"(?m)^ +((?:\$ )?(?:[\w./]*/)?(?:{PROGRAMS}) .*)$")
TITLE = re.compile(r"(?m)^(\S.*)\n(?:=+|-+|~+)$")
# In characters: the column of a page on a desktop, and a word of a title on a phone.
LINE, TITLE_WORD = 88, 22

marked = runpy.run_path(str(DOCS / "line_breaks.py"))["marked"]


@pytest.mark.parametrize("page", PAGES)
def test_no_command_is_wider_than_the_column(page):
    lines = COMMAND.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [line for line in lines if len(line) > LINE] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_word_of_a_title_is_wider_than_a_phone(page):
    titles = TITLE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert titles or page == "docs/changes.rst"
    assert [word for title in titles for word in title.split() if len(word) > TITLE_WORD] == []


SPACE = '<span class="w"> </span>'


@pytest.mark.parametrize(
    ("line", "result"),
    [
        (f"check{SPACE}--format{SPACE}json", f'check{SPACE}<span class="whole">--format</span>{SPACE}json'),
        (f"-c{SPACE}my.ini{SPACE}up", f'<span class="whole">-c{SPACE}my.ini</span>{SPACE}up'),
        (
            f'-x{SPACE}<span class="nv">packages</span><span class="o">=</span>all',
            f'<span class="whole">-x{SPACE}<span class="nv">packages</span><span class="o">=</span>all</span>',
        ),
        (
            f'-m{SPACE}<span class="s2">"a b"</span>',
            f'<span class="whole">-m</span>{SPACE}<span class="s2">"a b"</span>',
        ),
        ("-c my.ini up", '<span class="whole">-c my.ini</span> up'),
        ("my-app/a-b.py", "my-app/a-b.py"),
        ("shop   up to date   0", '<span class="columns">shop   up to date   0</span>'),
        ("+    text: str", "+    text: str"),
        ("───────────", '<span class="columns">───────────</span>'),
    ],
)
def test_code_is_marked_where_it_must_not_be_broken(line, result):
    assert marked(f"<p>{line}</p><pre>{line}\n{line}</pre>") == f"<p>{line}</p><pre>{result}\n{result}</pre>"


def test_a_short_word_of_code_in_a_sentence_is_kept_whole():
    short, long = (
        '<span class="pre">' + name + "</span>" for name in ("ws-alembic", "websauna_migrate.statement_timeout")
    )
    assert marked(short + long) == short.replace('"pre"', '"pre whole"') + long
