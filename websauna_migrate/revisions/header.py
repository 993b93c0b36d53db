"""The variables at the start of a revision script, read from its text: ``revision``, ``down_revision`` and the like.

A pattern reads headers as templates write them; the parser of Python reads all others. Nothing is imported.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from websauna_migrate.revisions.errors import RevisionSyntaxError

HEADER = ("revision", "down_revision", "depends_on", "branch_labels", "requires", "run_before", "contract")

_MENTION = re.compile(rb"\b(?:%s)\b" % b"|".join(name.encode() for name in HEADER))

# A header as templates write it: a docstring, comments, imports, and names with a literal on one line each.
_NAMES = "|".join(HEADER)

_PLAIN_LITERAL = r"""None|True|False|"[^"\\\n]*"|'[^'\\\n]*'|\{\}|\(\)"""

_PLAIN_NAME = rf"(?:{_NAMES})(?:: [\w\[\], .|]+)? = (?:{_PLAIN_LITERAL})"

_PLAIN_IMPORT = r"(?:import [\w.]+|from [\w.]+ import \w+(?:, \w+)*)(?: as \w+)?"

_PLAIN_BLANK = r"(?:#[^\n]*)?"

_PLAIN_DOC = r'(?:"""([^"\\]*)"""\n)?'

_PLAIN_HEADER = re.compile(
    rf"(?:{_PLAIN_BLANK}\n)*{_PLAIN_DOC}(?:(?:{_PLAIN_BLANK}|{_PLAIN_IMPORT}|{_PLAIN_NAME})\n)*", re.ASCII
)

_PLAIN_VALUES = re.compile(rf"^({_NAMES})(?:: [^=\n]*)? = ({_PLAIN_LITERAL})$", re.MULTILINE | re.ASCII)

_PLAIN_VALUE: Mapping[str, object] = {"None": None, "True": True, "False": False, "{}": {}, "()": ()}

_NOT_PLAIN = ("\r", "\0", "coding")

_IMPORT_OF_A_NAME = re.compile(rf"^(?:import|from) .*\b(?:{_NAMES})\b", re.MULTILINE | re.ASCII)

_BODY = re.compile(rb"\n(?:(?:def|class|async)\b|@)")

UNKNOWN = object()


def start_of(source: bytes) -> bytes:
    """Return as much of a script as its header needs: most of the time of a reading goes into the parser."""
    body = _BODY.search(source)
    return source[: body.start() + 1] if body and not _MENTION.search(source, body.start()) else source


def plain_header(start: bytes) -> tuple[dict[str, object], str | None] | None:
    """Return the header and the docstring of a script without the parser, None where it is not as templates write it.

    Most are, and this takes a fifth of the time of :func:`parse_script` and :func:`module_values`.
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


def parse_start(path: Path, start: bytes, source: bytes) -> ast.Module:
    """Parse the ``start`` of the script ``source``."""
    if start is not source:
        with suppress(RevisionSyntaxError):  # the cut went through a string, or the script is broken: all of it tells
            return parse_script(path, start)
    return parse_script(path, source)


def parse_script(path: Path, source: bytes) -> ast.Module:
    """Return the syntax tree of the script ``path``.

    :raises RevisionSyntaxError: it is no Python
    """
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise RevisionSyntaxError(path, error.lineno, error.msg) from error
    except ValueError as error:
        raise RevisionSyntaxError(path, None, str(error)) from error


@contextmanager
def no_syntax_warnings() -> Iterator[None]:
    """Let scripts be parsed in silence: "\\d" in a docstring warns when Alembic compiles them, and once is enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)  # before Python 3.12
        yield


def module_values(module: ast.Module) -> dict[str, object]:
    """Return the module's names with the literals they stand for at the end, ``UNKNOWN`` where that is not plain."""
    values: dict[str, object] = {}
    for statement in module.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=expression)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as expression)
            ) if (value := literal_value(expression, values)) is not UNKNOWN:
                values[name] = value
            case ast.Expr(value=ast.Constant()):  # the docstring
                pass
            case _:
                values.update(dict.fromkeys(_names_in(statement), UNKNOWN))
    return values


def literal_value(node: ast.expr, names: Mapping[str, object]) -> object:
    """Return the value of ``node``, with what ``names`` stand for; ``UNKNOWN`` where it is no literal."""
    with suppress(TypeError):  # A dict or a set of what cannot be in one: loading the script tells.
        return _folded(node, names)
    return UNKNOWN


def _folded(node: ast.expr, names: Mapping[str, object]) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names.get(name, UNKNOWN)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            items = [literal_value(part, names) for part in parts]
            if UNKNOWN not in items:
                return frozenset(items) if isinstance(node, ast.Set) else tuple(items)
        case ast.Dict(keys=keys, values=parts) if None not in keys:
            found = {
                literal_value(key, names): literal_value(part, names)
                for key, part in zip(keys, parts, strict=True)
                if key
            }
            if UNKNOWN not in found and UNKNOWN not in found.values():
                return found
    return UNKNOWN


def _names_in(statement: ast.stmt) -> Iterator[str]:
    """Yield the names whose values ``statement`` may set or change; too many is safe, too few is not."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield statement.name
        yield from _globals_in(statement)
        return
    # An import is looked at without ast.walk(): half of a header's statements are imports.
    plain = statement.names if isinstance(statement, (ast.Import, ast.ImportFrom)) else None
    for node in plain or ast.walk(statement):
        match node:
            case ast.Name(id=name):
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


def _globals_in(function: ast.stmt) -> Iterator[str]:
    """Yield what ``function``, or one in it, says to be global. Most of a script are expressions, which cannot."""
    left: list[ast.AST] = [function]
    while left:
        node = left.pop()
        if isinstance(node, ast.Global):
            yield from node.names
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            left += getattr(node, block, ())
