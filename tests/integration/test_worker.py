"""The process of the tests that runs one program after another."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing

import pytest

from forked import Program
from projects import write
from worker import Worker, run_alone

LEAVES_ALL = """
import atexit, logging, os, signal, sys, warnings
from sqlalchemy import Engine, create_engine, event, text

import subject


def main(argv):
    found = {
        "argv": argv,
        "word": subject.WORD,
        "environment": os.environ.get("LEFT"),
        "here": os.getcwd(),
        "filters": len(warnings.filters),
        "handlers": len(logging.root.handlers),
        "levels": (logging.root.level, logging.getLogger("left").level),
        "signal": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
        "path": "/left" in sys.path,
        "seen": getattr(subject, "SEEN", 0),
    }
    print(found)
    os.environ["LEFT"] = "left"
    os.chdir("/")
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("left").setLevel(logging.DEBUG)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.path.append("/left")
    subject.SEEN = 1
    event.listen(Engine, "connect", lambda *_: print("listened"))
    create_engine("sqlite://").connect().close()
    atexit.register(print, "at exit")
    sys.stdout.flush()
    return 3
"""
ENDS = """
import os, signal, sys

def killed(argv):
    os.kill(os.getpid(), signal.SIGKILL)

def left(argv):
    os._exit(7)

def raised(argv):
    raise ValueError("no")

def message(argv):
    sys.exit("a message")

def builtin(argv):
    exit(5)

def asleep(argv):
    import time
    time.sleep(60)

def well(argv):
    return 0
"""


@pytest.fixture
def worker():
    with closing(Worker()) as worker:
        yield worker


@pytest.fixture
def program(tmp_path):
    def program(function: str) -> Program:
        return Program(function, ["program"], {}, str(tmp_path), [str(tmp_path)])

    return program


def test_a_program_finds_nothing_of_the_one_before(worker, program, tmp_path):
    write(tmp_path / "subject.py", "WORD = 'first'\n")
    write(tmp_path / "leaves.py", LEAVES_ALL)
    first = worker.run(program("leaves:main"))
    write(tmp_path / "subject.py", "WORD = 'second'\n")
    second = worker.run(program("leaves:main"))
    assert (first.code, first.err) == (3, "")
    assert second.out == first.out.replace("first", "second")
    assert first.out.splitlines()[1:] == ["listened", "at exit"]


@pytest.mark.parametrize(
    ("function", "code", "said"),
    [
        ("killed", -signal.SIGKILL, ""),
        ("left", 7, ""),
        ("raised", 1, "ValueError: no\n"),
        ("message", 1, "a message\n"),
        ("builtin", 5, ""),
    ],
)
def test_however_a_program_ends_the_next_one_runs(worker, program, tmp_path, function, code, said):
    write(tmp_path / "ends.py", ENDS)
    ended = worker.run(program(f"ends:{function}"))
    assert ended.code == code
    assert ended.err.endswith(said)
    assert worker.run(program("ends:well")) == (0, "", "")


def test_a_program_that_has_a_fork_of_its_own_ends_as_in_the_worker(worker, program, tmp_path):
    write(tmp_path / "ends.py", ENDS)
    for function in ("killed", "left", "message", "well"):
        assert run_alone(program(f"ends:{function}")) == worker.run(program(f"ends:{function}"))
    with pytest.raises(subprocess.TimeoutExpired):
        run_alone(program("ends:asleep"), timeout=0.3)


def test_a_program_prints_in_the_encoding_that_is_asked_for_and_the_next_one_as_ever(worker, tmp_path):
    write(tmp_path / "says.py", "def main(argv):\n    print('Größe')\n")

    def said(**environment):
        program = Program("says:main", ["says"], environment, str(tmp_path), [str(tmp_path)])
        assert run_alone(program)[:2] == worker.run(program)[:2]
        return worker.run(program)

    assert said(PYTHONIOENCODING="latin-1") == (0, "Größe\n", "")
    refused = said(PYTHONIOENCODING="ascii")
    assert (refused.code, refused.out) == (1, "")
    assert "'ascii' codec can't encode" in refused.err
    assert said() == (0, "Größe\n", "")


def test_a_fork_may_begin_without_streams(tmp_path):
    looks = "import os, sys\n\ndef main(argv):\n    opened = os.open('seen', os.O_CREAT | os.O_WRONLY)\n"
    write(tmp_path / "looks.py", f"{looks}    os.write(opened, str([opened, sys.stdin, sys.stderr]).encode())\n")
    program = Program("looks:main", ["looks"], {}, str(tmp_path), [str(tmp_path)], closed=(0, 2))
    assert run_alone(program) == (0, "", "")
    assert (tmp_path / "seen").read_text() == "[0, None, None]"


LOOKS_AT_ITSELF = """
import gc, logging, os, signal, sys, tempfile, threading, warnings
from sqlalchemy import event

def main(argv):
    print(tempfile.tempdir, gc.isenabled())
    print(sorted(name for name in sys.modules if name.partition(".")[0] in ("warm", "call")))
    print(logging.root.handlers, logging.root.level, len(threading.enumerate()), event.listen.__module__)
    print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, gc.isenabled(), gc.get_threshold()[0])
    print([filter for filter in warnings.filters if filter[0] == "error"], os.getcwd(), sys.path[0])
    print(len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 4)
"""


def test_a_fork_finds_nothing_of_the_commands_that_filled_the_caches(tmp_path):
    write(tmp_path / "looks.py", LOOKS_AT_ITSELF)
    ran = run_alone(Program("looks:main", ["looks"], {}, str(tmp_path), [str(tmp_path)]))
    assert ran.out.splitlines() == [
        "None True",
        "[]",
        "[] 30 1 sqlalchemy.event.api",
        f"True True {gc_threshold()}",
        f"[] {tmp_path} {tmp_path}",
        "4",
    ]


def gc_threshold() -> int:
    """Return that of an interpreter that has just begun."""
    return int(subprocess.check_output([sys.executable, "-c", "import gc; print(gc.get_threshold()[0])"]))


def test_packages_without_a_file_go_in_any_order(worker, program, tmp_path):
    write(tmp_path / "deep.py", "import a.b.c.d.e\n\n\ndef main(argv):\n    return 0\n")
    write(tmp_path / "a" / "b" / "c" / "d" / "e.py", "")
    for _ in range(3):
        assert worker.run(program("deep:main")) == (0, "", "")


def test_a_program_that_does_not_end_is_killed(worker, program, tmp_path):
    write(tmp_path / "ends.py", ENDS)
    with pytest.raises(TimeoutError):
        worker.run(program("ends:asleep"), timeout=0.3)
    assert worker.run(program("ends:well")).code == 0


LOOKS = """
import sys

def main(argv):
    found = [one for one in sys.meta_path if getattr(one, "__name__", "") == "Finder"]
    print(len(found), "installed" in sys.modules, len(sys.path_hooks))
"""
FINDER = """
import sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None

sys.meta_path.append(Finder)
sys.path_hooks.append(Finder)
"""


def test_an_environment_of_its_own_is_seen_by_the_program_that_has_it_and_by_no_other(worker, tmp_path):
    """As that of a page of the documentation, where packages are installed by a file that begins with ``import``."""
    write(tmp_path / "installed.py", FINDER)
    write(tmp_path / "installed.pth", "import installed\n")
    write(tmp_path / "program" / "looks.py", LOOKS)

    def seen(**how):
        program = Program("looks:main", ["looks"], {}, str(tmp_path), [str(tmp_path / "program")], **how)
        return worker.run(program).out.split()

    before = seen()
    assert before[:2] == ["0", "False"]
    assert seen(site_packages=str(tmp_path)) == ["1", "True", str(int(before[2]) + 1)]
    assert seen() == before
