"""The tree of the errors, and what an error tells: what happened, and a remedy that is a value."""

from __future__ import annotations

import pytest

from websauna_migrate import exceptions
from websauna_migrate.exceptions import MigrateError, command

#: The families, and the parents that the classes beneath them have besides. Everything else has that of its family.
FAMILIES = {
    "UsageError": (ValueError,),
    "SettingsError": (ValueError,),
    "RegistrationError": (ValueError,),
    "OwnershipError": (),
    "RevisionError": (),
    "PlanError": (),
    "LockError": (),
    "RunError": (RuntimeError,),
    "ClientError": (OSError,),
}
PARENTS = {
    "SettingsFileMissing": FileNotFoundError,
    "SettingsFileUnreadable": OSError,
    "SectionMissing": LookupError,
    "InvalidPasteSection": LookupError,
    "IdTooLong": ValueError,
    "MissingDriver": ImportError,
    "UnwritableHistory": OSError,
    "UnreadableRevision": OSError,
    "InvalidRevision": ValueError,
    "UnknownRevision": LookupError,
    "AmbiguousRevision": LookupError,
    "RequirementError": LookupError,
    "UnknownAppliedRevision": LookupError,
    "UnrenderableType": TypeError,
    "LockTimeout": TimeoutError,
    "TableInUse": TimeoutError,
    "LockLost": ConnectionError,
    "LockUnreachable": ConnectionError,
    "LockFileError": OSError,
    "DatabaseUnreachable": ConnectionError,
    "ConnectionLost": ConnectionError,
    "ClientMissing": FileNotFoundError,
    "DatabaseFileMissing": FileNotFoundError,
    "ResultNotWritten": OSError,
}


def classes(base=MigrateError):
    exceptions.load_all()
    for child in base.__subclasses__():
        yield child
        yield from classes(child)


def test_each_error_is_of_one_family():
    assert {child.__name__ for child in MigrateError.__subclasses__()} == FAMILIES.keys()
    for name, parents in FAMILIES.items():
        assert getattr(exceptions, name).__bases__ == (MigrateError, *parents)


def test_the_parents_are_those_that_fit():
    found = {
        cls.__name__: parent
        for cls in classes()
        if cls.__name__ not in FAMILIES
        for parent in cls.__bases__
        if not issubclass(parent, MigrateError)
    }
    assert found == PARENTS


def test_a_time_out_is_only_what_took_too_long():
    assert [cls.__name__ for cls in classes() if issubclass(cls, TimeoutError)] == ["LockTimeout", "TableInUse"]


def test_each_name_can_be_imported_from_one_place_also_that_of_a_class_that_became_its_family():
    for cls in classes():
        assert getattr(exceptions, cls.__name__) is cls
    assert exceptions.WrongCombination is exceptions.UsageError
    assert exceptions.SeveralHeads is exceptions.AmbiguousRevision
    assert exceptions.WrongPackage is exceptions.EnvFailed
    assert exceptions.NothingMatches is exceptions.RunError
    with pytest.raises(AttributeError, match="NoSuchError"):
        _ = exceptions.NoSuchError


def test_only_the_command_line_exits_with_two():
    assert {cls.exit_code for cls in classes() if issubclass(cls, exceptions.UsageError)} == {2}
    others = [cls for cls in classes() if not issubclass(cls, exceptions.UsageError)]
    assert {cls.__name__: cls.exit_code for cls in others if cls.exit_code != 1} == {"RunInterrupted": 130}


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        ("", "broken"),
        ("fix it", "broken; fix it"),
        (command("a,b", "stamp", "--purge", "x y"), "broken; run: {} -x packages=a,b stamp --purge 'x y'"),
        (
            ("undo it with ", command("a", "downgrade", "base"), " first"),
            "broken; undo it with {} -x packages=a downgrade base first",
        ),
    ],
)
def test_a_command_in_a_remedy_learns_at_the_border_how_it_starts(remedy, said):
    error = MigrateError("broken", remedy)
    assert str(error) == said.format("ws-alembic")
    assert error.text(("ws-alembic", "-c", "my app.ini")) == said.format("ws-alembic -c 'my app.ini'")


def test_a_text_that_looks_like_a_command_stays_as_it_is():
    error = MigrateError("the script says 'ws-alembic -x packages=all'", "fix it")
    assert "'ws-alembic -x packages=all'" in error.text(("ws-alembic", "-c", "app.ini"))


def test_control_characters_are_shown_and_not_sent_to_the_terminal():
    error = MigrateError("\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}\x9b ä", ("see \x07 ", command("a", "show", "\r")))
    assert str(error) == r"\x1b[2J\u202e\x9b ä; see \x07 ws-alembic -x packages=a show '\r'"


def test_a_foreign_text_is_one_line():
    assert exceptions.cause_of(ValueError("two\n  lines\x00")) == r"ValueError: two lines\x00"
    assert exceptions.cause_of(KeyError()) == "KeyError"
