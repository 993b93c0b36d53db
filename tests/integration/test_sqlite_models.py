"""What models of SQLite say, compared and written so that it comes back as it was."""

from __future__ import annotations

from projects import Workspace

WELL = "No new upgrade operations detected.\n"
MODELS = """
class Place(Base):
    __tablename__ = "place"
    id = Column(Integer, primary_key=True)
    a = Column(String(20))
    b = Column(Integer)
    full = Column(String(40), Computed('''a ||
        ' Of  Here -- (' -- why
        || b'''))
    gone = Column(String(40), Computed('''coalesce(a,
        '\\\\:b "C"')'''))
    __table_args__ = (
        Index("ix_where", "a", sqlite_where=text("a = 'Ab  C'")),
        Index("ix_expression", text("a || 'X y'")),
        Index("ix_literal", text("a || 'same'")),
        Index("ix_down", desc("b"), "a"),
        Index("ix_collated", text("a COLLATE NOCASE"), text("b")),
        Index("ix_no_longer", desc("a")),
        Index("ix_stays", desc("b")),
    )
"""
CHANGES = (
    ("'Ab  C'", "'ab  C'"),
    ("'X y'", "'X  y'"),
    ("|| 'same'", " ||\\n 'same'"),
    ('Index("ix_down", desc("b"), "a"),', ""),
    ('Index("ix_collated", text("a COLLATE NOCASE"), text("b")),', ""),
    ('Index("ix_no_longer", desc("a"))', 'Index("ix_no_longer", "a")'),
    ("Of  Here", "of  Here"),
)


def indexes(workspace):
    return set(workspace.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))


def test_literals_count_and_what_is_dropped_comes_back_as_it_was(tmp_path, sqlite):
    here = Workspace(tmp_path, sqlite.new_database())
    package = here.add_app("shop", MODELS, history=True)
    here.autogenerate()
    assert here.ok("check") == WELL
    here.execute("INSERT INTO place (id, a, b) VALUES (1, 'x', 2)")
    models = MODELS
    for old, new in CHANGES:
        assert old in models
        models = models.replace(old, new)
    start, _, rest = models.partition("    gone =")
    here.models(package, start + rest[rest.index("    __table_args__") :])
    told = here.run("check").out
    for name in ("ix_where", "ix_expression", "ix_down (b DESC, a)", "ix_collated", "ix_no_longer", "full", "gone"):
        assert name in told
    for name in ("ix_literal", "ix_stays"):
        assert name not in told
    (script,) = here.autogenerate()
    here.goes_both_ways(script, MODELS)
    assert here.execute("SELECT full FROM place") == [("x of  Here -- (2",)]
    here.ok("downgrade", "-1")
    assert here.execute("SELECT full, gone FROM place") == [("x Of  Here -- (2", "x")]
    assert {name for name, sql in indexes(here) if "DESC" in sql} == {"ix_down", "ix_no_longer", "ix_stays"}
