"""The table of figures in the README, which a run of the benchmarks writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

WRITE = """
import sys
from pathlib import Path
import readme
from cases import BARE, OURS, PLAIN
from measure import Result

readme.README = Path(sys.argv[1])
sides = {OURS: Result(1, 50), PLAIN: Result(4, 60), BARE: Result(0.5, 14)}
readme.write(dict.fromkeys(readme._ROWS, sides), {OURS: (8, 8), PLAIN: (5, 8)})
"""


def test_the_table_is_written_between_its_comments_again_and_again(tmp_path):
    copy = tmp_path / "README.rst"
    real = (BENCHMARKS.parent / "README.rst").read_text()
    copy.write_text(real)
    texts = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WRITE, str(copy)], cwd=BENCHMARKS, check=True)
        texts.append(copy.read_text())
    assert texts[0] == texts[1]
    begin, end = "The table begins here", "The table ends here"
    assert texts[0].partition(begin)[0] == real.partition(begin)[0]
    assert texts[0].partition(end)[2] == real.partition(end)[2]
    row = texts[0].partition("* - ``current`` with 5,000 revisions, SQLite")[2].split("*")[0]
    cells = [line.strip().removeprefix("-").strip() for line in row.splitlines()[1:8]]
    assert cells == ["", "0.25", "", "", "2.00", "50", "60"]
    assert "8 of 8 processes\nsucceed. With Alembic, 5 of 8 succeed." in texts[0]
