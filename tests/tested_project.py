"""A project of two packages that tests its migrations with pytest, as users do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projects import Workspace
from troubles import look

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from servers import Backend
    from worker import Ended

NOTE = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
    kind = Column(Enum("short", "long", name="note_kind"))
"""
THING = """
import notes.models

class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    twice = Column(Integer, Computed("id * 2"))
    note_id = Column(ForeignKey(notes.models.Note.id))
"""


def project_with_tests(folder: Path, backend: Backend, *, throw_away: bool = False) -> Workspace:
    """Write the application ``shop`` and the package ``notes``, with their revisions, which are applied."""
    work = Workspace(folder, backend.new_database(), throw_away=throw_away)
    work.add("notes", NOTE, history=True)
    work.add_app("shop", THING, ["notes"], history=True)
    work.autogenerate("-x", "packages=all")
    return work


def run_pytest(work: Workspace, *argv: str, env: Mapping[str, str] | None = None, looks: bool = True) -> Ended:
    """Run pytest in the project; where one ``looks``, it has to leave the database as it was."""
    before = look(work.url)
    ran = work.call("pytest", ["-p", "no:cacheprovider", "-o", "addopts=", "--tb=short", *argv], env=env)
    assert not looks or look(work.url) == before, "it left something behind"
    return ran
