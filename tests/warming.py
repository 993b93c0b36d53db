"""Commands that fill the caches of the libraries, in the process that is forked for the programs of tests."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from pathlib import Path

from sqlalchemy import event, make_url

from forked import Job, become
from projects import WS_ALEMBIC, Workspace
from worker import Found, code_of

MODELS = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String(20), unique=True, index=True)

class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    thing_id = Column(ForeignKey(Thing.id))
"""
COMMANDS = (
    ["revision", "--autogenerate", "-m", "things"],
    ["upgrade"],
    ["check"],
    ["status"],
    ["upgrade", "--sql"],
    ["downgrade", "base", "--yes"],
)


def warm_up() -> None:
    """Run :data:`COMMANDS`; what they did is undone, but the standard streams lead nowhere afterwards."""
    listen, threshold = event.listen, gc.get_threshold()
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        here = Workspace(Path(folder), make_url(f"sqlite:///{folder}/app.sqlite"))
        here.add_app("warm", MODELS, history=True)
        for command in COMMANDS:
            program = here.program(WS_ALEMBIC, ["-c", str(here.ini), *command])
            become(Job(program, [os.open(os.devnull, os.O_RDWR) for _ in range(3)]))
            code_of(program)
            found.restore()
        os.chdir("/")
    event.listen = event.api.listen = listen
    gc.set_threshold(*threshold)
    assert threading.active_count() == 1, threading.enumerate()
