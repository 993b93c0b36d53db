"""Revisions, read from the text of their scripts.

The text is the authority for what Alembic would load: the scripts are neither imported nor is Alembic. Only
a script whose header is not literal (``down_revision = parent()``) is loaded as Alembic loads it. What the histories
mean to each other is the business of :mod:`websauna_migrate.revisions.graph`.
"""

from __future__ import annotations

import ast
import errno
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from websauna_migrate.ordering import CycleFound, ordered
from websauna_migrate.revisions.errors import InvalidRevision, RevisionScriptFailed, UnreadableRevision
from websauna_migrate.revisions.header import (
    HEADER,
    UNKNOWN,
    module_values,
    no_syntax_warnings,
    parse_start,
    plain_header,
    start_of,
)

if TYPE_CHECKING:
    from types import ModuleType

    from websauna_migrate.packages.package import History

Direction = Literal["up", "down"]

_CREATE_DATE = re.compile(r"^Create Date:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")
_CHUNK = 2**16  # bytes; most scripts are shorter
_ILLEGAL_IN_ID = frozenset("@-+:")


class Requirement(NamedTuple):
    """A revision of another package, as a script names it: an id, the start of one, or a branch label."""

    package: str
    revision: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision script.

    ``down`` and ``depends_on`` stand as written, so ``depends_on`` may hold branch labels. ``message`` is Alembic's
    ``doc`` on one line, ``create_date`` the text of the docstring's "Create Date". ``source`` is the text of the whole
    script, empty for a compiled one. A ``contract`` revision is for after the new code runs everywhere.
    """

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    branch_labels: tuple[str, ...]
    requires: tuple[Requirement, ...]
    run_before: tuple[Requirement, ...]
    message: str
    create_date: str | None
    path: Path
    source: bytes = field(default=b"", repr=False, compare=False)
    contract: bool = False


def read_revisions(history: History) -> tuple[Revision, ...]:
    """Return the revisions of ``history``, each after those that it follows.

    Reads what Alembic would load. A folder that does not exist holds no revisions. Raises a
    :class:`~websauna_migrate.exceptions.RevisionError` for a script that is broken, and for a history that does not
    hold together.
    """
    with no_syntax_warnings():
        revisions = [_read(file) for file in _script_files(history)]
    _check_identifiers(history.package, revisions)
    _check_parents(history.package, revisions)
    try:
        return in_order(revisions)
    except CycleFound as found:
        raise InvalidRevision(
            history.script_location,
            f"{history.package}: revisions follow each other in a circle: {' after '.join(found.path)}",
            "correct a down_revision or a depends_on there",
        ) from None


def in_order(revisions: Iterable[Revision]) -> tuple[Revision, ...]:
    """Return ``revisions`` branch by branch, each after those that it follows, the same for any order of input."""
    by_id = {revision.id: revision for revision in sorted(revisions, key=lambda revision: revision.id)}
    before = {id_: sorted(filter(by_id.__contains__, ids)) for id_, ids in predecessors(by_id.values()).items()}
    followed = set(chain.from_iterable(before.values()))
    heads = (id_ for id_ in by_id if id_ not in followed)
    return tuple(by_id[id_] for id_ in ordered(chain(heads, by_id), before.__getitem__))


def identifiers(revisions: Iterable[Revision]) -> dict[str, str]:
    """Return what names a revision in full, its id and its branch labels, with its id."""
    return {name: revision.id for revision in revisions for name in (revision.id, *revision.branch_labels)}


def predecessors(revisions: Iterable[Revision]) -> dict[str, tuple[str, ...]]:
    """Return for each id those right before it in its history, by ``down_revision`` and ``depends_on``."""
    revisions = tuple(revisions)
    ids = identifiers(revisions)
    return {
        revision.id: tuple(dict.fromkeys((*revision.down, *(ids.get(name, name) for name in revision.depends_on))))
        for revision in revisions
    }


def load_script(path: Path) -> ModuleType:
    """Load a script as Alembic does.

    :raises RevisionScriptFailed: the script raised
    """
    from alembic.util import load_python_file

    try:
        with redirect_stdout(sys.stderr):  # what it prints is no result of a command
            return load_python_file(path.parent, path.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the script raises
        raise RevisionScriptFailed(path, error) from error


def _script_files(history: History) -> Iterator[str]:
    """Yield the files that Alembic takes for revision scripts, each once."""
    seen: set[str] = set()
    for folder in history.version_locations:
        if not folder.exists():
            continue
        for file in _listed_files(os.path.realpath(folder), history.recursive, history.sourceless):
            if file not in seen and _is_script(file, history.sourceless):
                seen.add(file)
                yield file


def _listed_files(folder: str, recursive: bool, sourceless: bool) -> Iterator[str]:
    """Yield the real names of files: the name of the file that a link leads to decides, as in Alembic."""
    if folder.endswith("__pycache__"):
        return
    entries = _entries(folder)
    files = [entry for entry in entries if not entry.is_dir()]
    yield from (os.path.realpath(file) if file.is_symlink() else file.path for file in files)
    if sourceless and any(entry.name == "__pycache__" for entry in entries if entry.is_dir()):
        sources = {file.name.split(".")[0] for file in files}
        compiled = _entries(os.path.join(folder, "__pycache__"))  # noqa: PTH118
        yield from (entry.path for entry in compiled if entry.name.split(".")[0] not in sources)
    for entry in entries:
        if recursive and entry.is_dir(follow_symlinks=False):
            yield from _listed_files(entry.path, recursive, sourceless)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    place = folder
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            place = entry.path
            entry.is_dir()  # fails for a link to itself, and is remembered
    except OSError as error:
        raise UnreadableRevision(Path(place), error.strerror or str(error)) from error
    return found


def _is_script(file: str, sourceless: bool) -> bool:
    if os.path.basename(file).startswith((".#", "__init__")):  # noqa: PTH119 - of thousands of files
        return False
    if file.endswith(".py") or not sourceless:
        return file.endswith(".py")
    # Source counts before .pyc, and .pyc before .pyo.
    path = Path(file)
    better = {".pyc": [".py"], ".pyo": [".py", ".pyc"]}.get(path.suffix)
    return better is not None and not any(path.with_suffix(suffix).exists() for suffix in better)


def _read(file: str) -> Revision:
    path = Path(file)
    if not file.endswith(".py"):
        return _revision(path, b"", *_loaded_header(path))
    source = _source(file)
    start = start_of(source)
    plain = plain_header(start)
    if plain is not None:
        return _revision(path, source, *plain)
    module = parse_start(path, start, source)
    values = module_values(module)
    header = {name: values[name] for name in HEADER if name in values}
    if "*" in values or any(value is UNKNOWN for value in header.values()):
        return _revision(path, source, *_loaded_header(path))
    return _revision(path, source, header, ast.get_docstring(module, clean=False))


def _source(file: str) -> bytes:
    try:
        # The calls of the system themselves: for thousands of small files, Path.read_bytes() takes three times as long.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            _require_regular(os.fstat(descriptor))
            parts = [os.read(descriptor, _CHUNK)]
            while len(parts[-1]) == _CHUNK:
                parts.append(os.read(descriptor, _CHUNK))
            return b"".join(parts)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnreadableRevision(Path(file), error.strerror or str(error)) from error


def check_script_files(history: History) -> None:
    """Refuse what is no regular file among the scripts of ``history``: Alembic would wait for a pipe for ever.

    :raises UnreadableRevision: there is one, or a link leads to itself
    """
    for file in _script_files(history):
        try:
            _require_regular(os.stat(file))  # noqa: PTH116 - of thousands of files
        except OSError as error:
            raise UnreadableRevision(Path(file), error.strerror or str(error)) from error


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _loaded_header(path: Path) -> tuple[dict[str, object], str | None]:
    module = load_script(path)
    return {name: getattr(module, name) for name in HEADER if hasattr(module, name)}, module.__doc__


def _revision(path: Path, source: bytes, header: Mapping[str, object], docstring: str | None) -> Revision:
    doc = (docstring or "").strip()
    created = _CREATE_DATE.search(doc)
    if "down_revision" not in header:
        raise _lacks(path, "down_revision")
    return Revision(
        id=_revision_id(path, header),
        down=_names(path, header, "down_revision"),
        depends_on=_names(path, header, "depends_on"),
        branch_labels=_names(path, header, "branch_labels"),
        requires=_requirements(path, header, "requires"),
        run_before=_requirements(path, header, "run_before"),
        message=" ".join(doc.split("\n\n")[0].split()),
        create_date=created[1] if created else None,
        path=path,
        source=source,
        contract=_is_contract(path, header),
    )


def _revision_id(path: Path, header: Mapping[str, object]) -> str:
    if "revision" not in header:
        # Scripts of Alembic 0.1 have their id in the name of the file only.
        legacy = _LEGACY_NAME.match(path.name)
        if not legacy:
            raise _lacks(path, "revision")
        return legacy[1]
    id_ = header["revision"]
    if not isinstance(id_, str) or not id_ or _ILLEGAL_IN_ID.intersection(id_):
        raise _not_usable(path, "revision", "a string without any of @ - + :")
    return id_


def _is_contract(path: Path, header: Mapping[str, object]) -> bool:
    """Return what ``contract`` says; another object of that name, as a table of contracts, is the script's own."""
    value = header.get("contract")
    if value is not None and not isinstance(value, bool) and isinstance(value, (str, int)):
        raise _not_usable(path, "contract", "True or False")
    return value is True


def _names(path: Path, header: Mapping[str, object], name: str) -> tuple[str, ...]:
    names = _strings(header.get(name))
    if names is None:
        raise _not_usable(path, name, "None, a string, or a tuple of strings")
    return names


def _requirements(path: Path, header: Mapping[str, object], name: str) -> tuple[Requirement, ...]:
    asked = header.get(name)
    if not asked:
        return ()
    if not isinstance(asked, Mapping):
        raise _not_usable(path, name, "a dict like {'my.app': '37e1cb6de47'}")
    found = []
    for package, value in asked.items():
        revisions = _strings(value)
        if not isinstance(package, str) or not revisions:
            raise _not_usable(path, name, "a dict like {'my.app': '37e1cb6de47'}, of strings")
        found += [Requirement(package, revision) for revision in revisions]
    return tuple(found)


def _lacks(path: Path, name: str) -> InvalidRevision:
    return InvalidRevision(
        path, f"{path}: sets no {name!r}", "add it, or move the file out of the folder of the revisions"
    )


def _not_usable(path: Path, name: str, expected: str) -> InvalidRevision:
    return InvalidRevision(path, f"{path}: {name} is not valid", f"make it {expected}")


def _strings(value: object) -> tuple[str, ...] | None:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (tuple, list, set, frozenset)) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(dict.fromkeys(sorted(value) if isinstance(value, (set, frozenset)) else value))


def _check_identifiers(package: str, revisions: Sequence[Revision]) -> None:
    taken: dict[str, Revision] = {}
    for revision in revisions:
        if revision.id in taken:
            what = (
                f"{package}: two scripts have the revision id {revision.id}: {taken[revision.id].path}, {revision.path}"
            )
            raise InvalidRevision(revision.path, what, "give one of them a new id")
        taken[revision.id] = revision
    for revision in revisions:
        for label in revision.branch_labels:
            if label in taken:
                what = f"{package}: two scripts have the branch label {label!r}: {taken[label].path}, {revision.path}"
                raise InvalidRevision(revision.path, what, "choose another label")
            taken[label] = revision


def _check_parents(package: str, revisions: Sequence[Revision]) -> None:
    names = identifiers(revisions)
    ids = set(names.values())
    for revision in revisions:
        for name in revision.down:
            if name not in ids:
                raise _missing_parent(package, revision, "down_revision", name, "restore its script")
        for name in revision.depends_on:
            if name not in names:
                remedy = "use requires for a revision of another package"
                raise _missing_parent(package, revision, "depends_on", name, remedy)


def _missing_parent(package: str, revision: Revision, header: str, name: str, remedy: str) -> InvalidRevision:
    what = f"{package} {revision.id}: {header} names {name!r}, which this history does not have"
    return InvalidRevision(revision.path, what, f"{remedy}, or correct {revision.path}")
