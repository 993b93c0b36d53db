"""Why there is no scratch database, and what to do about it."""

from __future__ import annotations

import pytest

from websauna_migrate.scratch.errors import NoScratchPlace, said_by

FULL = {
    "creating files ... ok\nrunning bootstrap script ... 2026-11-29 23:29:51.536 UTC [4514] FATAL:  could not write to "
    'file "pg_wal/x": No space left on device\ninitdb: removing data directory "/d"': (
        'FATAL: could not write to file "pg_wal/x": No space left on device'
    ),
    "2026-11-29 23:30:06 0 [ERROR] InnoDB: preallocating 12582912 bytes for file ./ibdata1 failed with error 28\n"
    "2026-11-29 23:30:06 0 [ERROR] InnoDB: Could not set the file size of './ibdata1'. Probably out of disk space\n"
    "at https://mariadb.org/jira\n": (
        "[ERROR] InnoDB: Could not set the file size of './ibdata1'. Probably out of disk space"
    ),
}


@pytest.mark.parametrize("output", FULL)
def test_a_full_disk_is_told_with_what_to_do(output):
    assert said_by(output) == FULL[output]
    assert NoScratchPlace("postgresql", said_by(output)).remedy.startswith("free some space in ")


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("a\ninitdb: error: cannot be run as root\ninitdb: hint: log in", "error: cannot be run as root"),
        ("LOG: starting\n  it  is over \n\n", "it is over"),
        ("", ""),
    ],
)
def test_another_cause_is_the_line_of_the_error(output, line):
    assert said_by(output) == line
    assert "scratch_url" in NoScratchPlace("postgresql", line).remedy
