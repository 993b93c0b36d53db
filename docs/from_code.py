"""Sphinx directives that let the code speak for itself: commands from their parsers, errors from their classes.

``.. commands:: MODULE`` describes the script of ``MODULE``, every subcommand and option. ``.. errors::`` describes the
tree of ``websauna_migrate.exceptions``. Both make reStructuredText and leave the rest to Sphinx.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from textwrap import indent
from typing import TYPE_CHECKING

from sphinx.util.docutils import SphinxDirective

from websauna_migrate import exceptions

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.application import Sphinx

GLOBAL_OPTIONS = re.compile(r" \[(-c|--config) INI\] \[-n SECTION\] \[-x NAME=VALUE\] \[--raiseerr\] \[-q\]")


class Commands(SphinxDirective):
    """``.. commands:: MODULE``."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Describe the script of the module."""
        text = "\n".join(script_rst(script_parser(self.arguments[0])))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class Errors(SphinxDirective):
    """``.. errors::``."""

    def run(self) -> list[Node]:
        """Describe all error classes."""
        return self.parse_text_to_nodes("\n".join(errors_rst()), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives; Sphinx calls this."""
    app.add_directive("commands", Commands)
    app.add_directive("errors", Errors)
    return {"parallel_read_safe": True}


# --- commands --------------------------------------------------------------------------------------------------


def script_parser(module: str) -> argparse.ArgumentParser:
    """Return the parser of the script in ``module``."""
    parser: argparse.ArgumentParser = importlib.import_module(module).build_parser()
    return parser


def subparsers(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    """Return the action with the subcommands of ``parser``."""
    # argparse has no public list of its actions; sphinx-argparse reads this one too.
    return next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)


def script_rst(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the description of a whole script, line by line."""
    yield from parser_rst(parser)
    commands = subparsers(parser)
    for name in sorted(commands.choices if commands else ()):
        yield from ("", name, "-" * len(name), "")
        yield from parser_rst(commands.choices[name], f"{parser.prog} {name}")


def parser_rst(parser: argparse.ArgumentParser, prog: str = "") -> Iterator[str]:
    """Yield the description of one parser: usage, what it does, its arguments."""
    prog = prog or parser.prog
    yield from (f".. program:: {prog}", "", ".. code-block:: none", "", f"   {usage(parser, prog)}", "")
    yield from (escaped(sentence(" ".join((parser.description or "").split()))), "")
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction) and not is_repeated(action):
            yield from (f".. option:: {signature(action)}", "", f"   {explanation(action)}", "")
    if parser.epilog:
        yield from (".. code-block:: none", "", indent(parser.epilog, "   "), "")


def is_repeated(action: argparse.Action) -> bool:
    """Tell whether ``action`` is an option of ``ws-alembic`` that its subcommands accept too."""
    return action.default is argparse.SUPPRESS and action.dest != "version"


def usage(parser: argparse.ArgumentParser, prog: str) -> str:
    """Return the usage of ``parser`` in one line, with ``prog`` as the name of the program."""
    line = " ".join(parser.format_usage().split())
    line = line.removeprefix("usage:").strip().removeprefix(parser.prog).strip().replace("[-h] ", "")
    line = GLOBAL_OPTIONS.sub("", f" {line}").strip() if " " in prog else line
    return f"{prog} {re.sub(r'{[^}]*,[^}]*} [.]{3}', 'COMMAND ...', line)}".replace(" [-h]", "")


def signature(action: argparse.Action) -> str:
    """Return how an argument is written, as in ``-c INI, --config INI``."""
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    if action.choices is not None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return str(action.metavar or action.dest)
    return ", ".join(f"{name} {value}".strip() for name in action.option_strings)


def explanation(action: argparse.Action) -> str:
    """Return what an argument is for, and its default where it has one to speak of."""
    text = sentence(" ".join((action.help or "").split()))
    if action.choices is not None and action.default is not None:
        text += f" Default: {action.default}."
    return escaped(text) or "As in Alembic."


def sentence(text: str) -> str:
    """Return ``text`` with a full stop, and with a capital first letter unless it begins with code."""
    first, *_ = text.split() or [""]
    start = text[:1].upper() if first.isalpha() else text[:1]
    return f"{start}{text[1:].rstrip(' .')}." if text else ""


def escaped(text: str) -> str:
    """Return plain ``text`` as reStructuredText."""
    return re.sub(r"([*`|_\\])", r"\\\1", text)


# --- errors ----------------------------------------------------------------------------------------------------


def errors_rst() -> Iterator[str]:
    """Yield the description of all errors, line by line, in the order of the wings."""
    yield from (".. py:currentmodule:: websauna_migrate.exceptions", "")
    for base in children(exceptions.MigrateError):
        yield from ("", base.__name__, "-" * len(base.__name__), "")
        yield from error_rst(base)


def error_rst(error: type[exceptions.MigrateError]) -> Iterator[str]:
    """Yield the description of a class, and of those beneath it."""
    yield from (f".. py:exception:: {error.__name__}", "", indent(inspect.cleandoc(error.__doc__ or ""), "   "), "")
    parents = [parent.__name__ for parent in error.__bases__ if not issubclass(parent, exceptions.MigrateError)]
    if parents:
        yield from (f"   Also a ``{'``, ``'.join(parents)}``.", "")
    if "exit_code" in vars(error):
        yield from (f"   Exit code {error.exit_code}.", "")
    for text in message(error):
        yield from (f"   {text}", "")
    if facts(error):
        yield from (f"   Attributes: ``{'``, ``'.join(facts(error))}``.", "")
    for child in children(error):
        yield from error_rst(child)


def children(error: type[exceptions.MigrateError]) -> list[type[exceptions.MigrateError]]:
    """Return the classes right beneath ``error``, in the order of the wings."""
    exceptions.load_all()
    return [child for child in error.__subclasses__() if child.__module__.startswith("websauna_migrate.")]


def facts(error: type[exceptions.MigrateError]) -> list[str]:
    """Return the names of the attributes that ``error`` sets, without those that each error has."""
    if error is exceptions.MigrateError:
        return []
    return re.findall(r"self\.(\w+) =", inspect.getsource(error)) or [
        name for parent in error.__bases__ if issubclass(parent, exceptions.MigrateError) for name in facts(parent)
    ]


def message(error: type[exceptions.MigrateError]) -> Iterator[str]:
    """Yield what ``error`` says, and its remedy, where its source has them as texts; ``...`` stands for values."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(error)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    [call] = [node for node in calls if ast.unparse(node.func) == "super().__init__"] or [None]
    # An error of a file has its path before them.
    for label, part in zip(("Message", "Remedy"), call.args[-2:] if call else (), strict=False):
        text = re.sub(r"(\.\.\.\s?)+(?=\.\.\.)", "", template(part)).strip()
        if len(re.findall(r"\w", text)) > 8:
            yield f"{label}: ``{text}``"


def template(node: ast.expr) -> str:
    """Return a string of the code with ``...`` in place of what it does not tell."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(template, node.values))
    if isinstance(node, ast.Tuple):
        return "".join(map(template, node.elts))
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "command":
        return " ".join(("ws-alembic", "-x packages=...", *map(template, node.args[1:])))
    return "..."
