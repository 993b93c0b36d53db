"""Revisions, read from the text of their scripts.

Floor 1. The text is the authority for what Alembic would load: the scripts are neither imported nor is Alembic. Only
a script whose header is not literal (``down_revision = parent()``) is loaded as Alembic loads it. What the histories
mean to each other is the business of :mod:`websauna_migrate.graph`.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from websauna_migrate.exceptions import (
    DuplicateBranchLabel,
    DuplicateRevision,
    InvalidRevisionHeader,
    MissingParent,
    MissingRevisionHeader,
    RevisionCycle,
    RevisionScriptFailed,
    RevisionSyntaxError,
    UnreadableRevision,
)
from websauna_migrate.ordering import CycleFound, ordered
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from types import ModuleType

    from websauna_migrate.packages.package import History

Direction = Literal["up", "down"]

_HEADER = ("revision", "down_revision", "depends_on", "branch_labels", "requires", "run_before")
_MENTION = re.compile(rb"\b(?:%s)\b" % b"|".join(name.encode() for name in _HEADER))
# A header as templates write it: a docstring, comments, imports, and names with a literal on one line each.
_NAMES = "|".join(_HEADER)
_PLAIN_LITERAL = r"""None|"[^"\\\n]*"|'[^'\\\n]*'|\{\}|\(\)"""
_PLAIN_NAME = rf"(?:{_NAMES})(?:: [\w\[\], .|]+)? = (?:{_PLAIN_LITERAL})"
_PLAIN_IMPORT = r"(?:import [\w.]+|from [\w.]+ import \w+(?:, \w+)*)(?: as \w+)?"
_PLAIN_BLANK = r"(?:#[^\n]*)?"
_PLAIN_DOC = r'(?:"""([^"\\]*)"""\n)?'
_PLAIN_HEADER = re.compile(
    rf"(?:{_PLAIN_BLANK}\n)*{_PLAIN_DOC}(?:(?:{_PLAIN_BLANK}|{_PLAIN_IMPORT}|{_PLAIN_NAME})\n)*", re.ASCII
)
_PLAIN_VALUES = re.compile(rf"^({_NAMES})(?:: [^=\n]*)? = ({_PLAIN_LITERAL})$", re.MULTILINE | re.ASCII)
_PLAIN_VALUE: Mapping[str, object] = {"None": None, "{}": {}, "()": ()}
_NOT_PLAIN = ("\r", "\0", "coding")
_IMPORT_OF_A_NAME = re.compile(rf"^(?:import|from) .*\b(?:{_NAMES})\b", re.MULTILINE | re.ASCII)
_BODY = re.compile(rb"\n(?:(?:def|class|async)\b|@)")
_CREATE_DATE = re.compile(r"^Create Date:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")
_CHUNK = 2**16  # bytes; most scripts are shorter
_ILLEGAL_IN_ID = frozenset("@-+:")
_UNKNOWN = object()


class Requirement(NamedTuple):
    """A revision of another package, as a script names it: an id, the start of one, or a branch label."""

    package: str
    revision: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision script.

    ``down`` and ``depends_on`` stand as written, so ``depends_on`` may hold branch labels. ``message`` is Alembic's
    ``doc`` on one line, ``create_date`` the text of the docstring's "Create Date".
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


def read_revisions(history: History) -> tuple[Revision, ...]:
    """Return the revisions of ``history``, each after those that it follows.

    Reads what Alembic would load. A folder that does not exist holds no revisions. Raises a
    :class:`~websauna_migrate.exceptions.RevisionError` for a script that is broken, and for a history that does not
    hold together.
    """
    with _no_syntax_warnings():
        revisions = [_read(file) for file in _script_files(history)]
    _check_identifiers(history.package, revisions)
    _check_parents(history.package, revisions)
    try:
        return in_order(revisions)
    except CycleFound as found:
        raise RevisionCycle(history.package, found.path) from None


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


def created_tables(revisions: Iterable[Revision]) -> dict[TableName, Revision]:
    """Return the tables that these revisions of one history create and keep, with the revision each has its name from.

    Follows ``op.create_table``, ``op.rename_table`` and ``op.drop_table`` through ``upgrade()`` and the functions of
    the script that it calls. A call whose names are not literal is passed over.
    """
    tables: dict[TableName, Revision] = {}
    for revision in in_order(revisions):
        for old, new in _table_changes(revision):
            if old:
                tables.pop(old, None)
            if new:
                tables[new] = revision
    return tables


def uses_autocommit_block(revision: Revision, direction: Direction | None = None) -> bool:
    """Tell whether the script leaves its transaction on the way ``direction``, or on either way when None."""
    ways = {"up": ["upgrade"], "down": ["downgrade"], None: ["upgrade", "downgrade"]}[direction]
    module = _parsed_if_it_has(revision, b"autocommit_block")
    return module is not None and any(
        isinstance(node, ast.Attribute) and node.attr == "autocommit_block" for node in _walk_calls(module, ways)
    )


def load_script(path: Path) -> ModuleType:
    """Load a script as Alembic does.

    :raises RevisionScriptFailed: the script raised
    """
    from alembic.util import load_python_file

    try:
        with redirect_stdout(sys.stderr):  # what it prints is no result of a command
            return load_python_file(path.parent, path.name)
    except (SystemExit, Exception) as error:  # whatever the script raises
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
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UnreadableRevision(Path(folder), error.strerror or str(error)) from error


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
        return _revision(path, *_loaded_header(path))
    source = _source(file)
    start = _start(source)
    plain = _plain_header(start)
    if plain is not None:
        return _revision(path, *plain)
    module = _parse_start(path, start, source)
    values = _module_values(module)
    header = {name: values[name] for name in _HEADER if name in values}
    if "*" in values or any(value is _UNKNOWN for value in header.values()):
        return _revision(path, *_loaded_header(path))
    return _revision(path, header, ast.get_docstring(module, clean=False))


def _source(file: str) -> bytes:
    try:
        # The calls of the system themselves: for thousands of small files, Path.read_bytes() takes three times as long.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            parts = [os.read(descriptor, _CHUNK)]
            while len(parts[-1]) == _CHUNK:
                parts.append(os.read(descriptor, _CHUNK))
            return b"".join(parts)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnreadableRevision(Path(file), error.strerror or str(error)) from error


def _start(source: bytes) -> bytes:
    """Return as much of a script as its header needs: most of the time of a reading goes into the parser."""
    body = _BODY.search(source)
    return source[: body.start() + 1] if body and not _MENTION.search(source, body.start()) else source


def _plain_header(start: bytes) -> tuple[dict[str, object], str | None] | None:
    """Return the header and the docstring of a script without the parser, None where it is not as templates write it.

    Most are, and this takes a fifth of the time of :func:`_parse` and :func:`_module_values`.
    """
    try:
        text = start.decode()
    except UnicodeDecodeError:
        return None
    plain = _PLAIN_HEADER.fullmatch(text)
    if plain is None or any(word in text for word in _NOT_PLAIN) or _IMPORT_OF_A_NAME.search(text):
        return None
    header = {
        name: _PLAIN_VALUE.get(literal, literal[1:-1])
        for name, literal in _PLAIN_VALUES.findall(text, plain.end(1) + 1)
    }
    return header, plain[1]


def _parse_start(path: Path, start: bytes, source: bytes) -> ast.Module:
    """Parse the ``start`` of the script ``source``."""
    if start is not source:
        with suppress(RevisionSyntaxError):  # the cut went through a string, or the script is broken: all of it tells
            return _parse(path, start)
    return _parse(path, source)


def _parse(path: Path, source: bytes) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise RevisionSyntaxError(path, error.lineno, error.msg) from error
    except ValueError as error:
        raise RevisionSyntaxError(path, None, str(error)) from error


@contextmanager
def _no_syntax_warnings() -> Iterator[None]:
    """Let scripts be parsed in silence: "\\d" in a docstring warns when Alembic compiles them, and once is enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)  # before Python 3.12
        yield


def _loaded_header(path: Path) -> tuple[dict[str, object], str | None]:
    module = load_script(path)
    return {name: getattr(module, name) for name in _HEADER if hasattr(module, name)}, module.__doc__


def _module_values(module: ast.Module) -> dict[str, object]:
    """Return the module's names with the literals they stand for at the end, ``_UNKNOWN`` where that is not plain."""
    values: dict[str, object] = {}
    for statement in module.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=expression)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as expression)
            ) if (value := _literal(expression, values)) is not _UNKNOWN:
                values[name] = value
            case ast.Expr(value=ast.Constant()):  # the docstring
                pass
            case _:
                values.update(dict.fromkeys(_names_in(statement), _UNKNOWN))
    return values


def _literal(node: ast.expr, names: Mapping[str, object]) -> object:
    with suppress(TypeError):  # A dict or a set of what cannot be in one: loading the script tells.
        return _folded(node, names)
    return _UNKNOWN


def _folded(node: ast.expr, names: Mapping[str, object]) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names.get(name, _UNKNOWN)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            items = [_literal(part, names) for part in parts]
            if _UNKNOWN not in items:
                return frozenset(items) if isinstance(node, ast.Set) else tuple(items)
        case ast.Dict(keys=keys, values=parts) if None not in keys:
            found = {_literal(key, names): _literal(part, names) for key, part in zip(keys, parts, strict=True) if key}
            if _UNKNOWN not in found and _UNKNOWN not in found.values():
                return found
    return _UNKNOWN


def _names_in(statement: ast.stmt) -> Iterator[str]:
    """Yield the names whose values ``statement`` may set or change; too many is safe, too few is not."""
    deferred = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
    # An import is looked at without ast.walk(): half of a header's statements are imports.
    plain = statement.names if isinstance(statement, (ast.Import, ast.ImportFrom)) else None
    for node in plain or ast.walk(statement):
        match node:
            case ast.Name(id=name) if not deferred:
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]
            case ast.Global(names=names):
                yield from names
            case (
                ast.FunctionDef(name=str(name))
                | ast.AsyncFunctionDef(name=str(name))
                | ast.ClassDef(name=str(name))
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name


def _revision(path: Path, header: Mapping[str, object], docstring: str | None) -> Revision:
    doc = (docstring or "").strip()
    created = _CREATE_DATE.search(doc)
    if "down_revision" not in header:
        raise MissingRevisionHeader(path, "down_revision")
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
    )


def _revision_id(path: Path, header: Mapping[str, object]) -> str:
    if "revision" not in header:
        # Scripts of Alembic 0.1 have their id in the name of the file only.
        legacy = _LEGACY_NAME.match(path.name)
        if not legacy:
            raise MissingRevisionHeader(path, "revision")
        return legacy[1]
    id_ = header["revision"]
    if not isinstance(id_, str) or not id_ or _ILLEGAL_IN_ID.intersection(id_):
        raise InvalidRevisionHeader(path, "revision", "a string without any of @ - + :")
    return id_


def _names(path: Path, header: Mapping[str, object], name: str) -> tuple[str, ...]:
    names = _strings(header.get(name))
    if names is None:
        raise InvalidRevisionHeader(path, name, "None, a string, or a tuple of strings")
    return names


def _requirements(path: Path, header: Mapping[str, object], name: str) -> tuple[Requirement, ...]:
    asked = header.get(name)
    if not asked:
        return ()
    if not isinstance(asked, Mapping):
        raise InvalidRevisionHeader(path, name, "a dict like {'my.app': '37e1cb6de47'}")
    found = []
    for package, value in asked.items():
        revisions = _strings(value)
        if not isinstance(package, str) or not revisions:
            raise InvalidRevisionHeader(path, name, "a dict like {'my.app': '37e1cb6de47'}, of strings")
        found += [Requirement(package, revision) for revision in revisions]
    return tuple(found)


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
            raise DuplicateRevision(package, revision.id, (taken[revision.id].path, revision.path))
        taken[revision.id] = revision
    for revision in revisions:
        for label in revision.branch_labels:
            if label in taken:
                raise DuplicateBranchLabel(package, label, (taken[label].path, revision.path))
            taken[label] = revision


def _check_parents(package: str, revisions: Sequence[Revision]) -> None:
    names = identifiers(revisions)
    ids = set(names.values())
    for revision in revisions:
        for name in revision.down:
            if name not in ids:
                raise MissingParent(package, revision.id, "down_revision", name, revision.path)
        for name in revision.depends_on:
            if name not in names:
                raise MissingParent(package, revision.id, "depends_on", name, revision.path)


def _parsed_if_it_has(revision: Revision, word: bytes) -> ast.Module | None:
    """Parse a whole script, but only one that has ``word``; what has no source has nothing to read."""
    if revision.path.suffix != ".py":
        return None
    source = _source(str(revision.path))
    with _no_syntax_warnings():
        return _parse(revision.path, source) if word in source else None


def _table_changes(revision: Revision) -> Iterator[tuple[TableName | None, TableName | None]]:
    """Yield what each operation on a table takes away and what it brings."""
    module = _parsed_if_it_has(revision, b"_table")
    if module is None:
        return
    constants = _module_values(module)
    for node in _walk_calls(module, ["upgrade"]):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr="create_table")):
                yield None, _table(node, constants, 0, "table_name")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr="drop_table")):
                yield _table(node, constants, 0, "table_name"), None
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr="rename_table")):
                old = _table(node, constants, 0, "old_table_name")
                yield old, _table(node, constants, 1, "new_table_name")


def _walk_calls(module: ast.Module, entries: Iterable[str]) -> Iterator[ast.AST]:
    """Yield the nodes of the functions named and of those of the module that they call, in the order of the text."""
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    waiting: list[ast.AST] = [functions.pop(name) for name in entries if name in functions]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            waiting.append(functions.pop(node.func.id))
        waiting += reversed(list(ast.iter_child_nodes(node)))


def _table(call: ast.Call, constants: Mapping[str, object], position: int, keyword: str) -> TableName | None:
    keywords = {argument.arg: argument.value for argument in call.keywords}
    node = call.args[position] if position < len(call.args) else keywords.get(keyword)
    name = _literal(node, constants) if node else _UNKNOWN
    schema = _literal(keywords["schema"], constants) if "schema" in keywords else None
    if isinstance(name, str) and (schema is None or isinstance(schema, str)):
        return TableName(schema, name)
    return None
