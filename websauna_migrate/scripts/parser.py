"""The parser of ``ws-alembic``: all subcommands with our own texts. It is built without Alembic."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Mapping
from textwrap import fill
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from websauna_migrate._version import __version__
from websauna_migrate.packages.selection import closest
from websauna_migrate.private import add_missing_options, option_names
from websauna_migrate.scripts.arguments import add_global_options, add_options_again, after_subcommand
from websauna_migrate.scripts.subcommands import TABLE

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Sequence

    from websauna_migrate.scripts.help_text import HelpText
    from websauna_migrate.scripts.subcommands import Subcommand

PROG = "ws-alembic"
_WIDTH = 79
_DESCRIPTION = (
    "Alembic's commands for all packages of a Pyramid application. Options before COMMAND are accepted after it too. "
    "'ws-alembic COMMAND --help' explains a command and shows examples."
)


class Parser(ArgumentParser):
    """The parser of a command line, which knows its subcommands."""

    subcommands: Mapping[str, ArgumentParser] = MappingProxyType({})


class SubcommandParser(ArgumentParser):
    """The parser of a subcommand. Its texts are imported when somebody asks for them: a run needs none."""

    def format_help(self) -> str:
        """Return the text of ``--help``."""
        from websauna_migrate.scripts.help_text import HELP

        _describe(self, HELP[self.prog.rpartition(" ")[2]])
        return super().format_help()


def build_parser(of_alembic: Mapping[str, ArgumentParser] = MappingProxyType({})) -> Parser:
    """Return the parser of all subcommands, with their texts.

    ``of_alembic`` are the parsers of Alembic's subcommands: options and subcommands that only they have are added.
    """
    from websauna_migrate.scripts.help_text import FIRST_STEPS, HELP

    parser, subparsers = _new_parser()
    parser.epilog = FIRST_STEPS
    for subcommand in TABLE.values():
        help_text = HELP[subcommand.name]
        subparser = subparsers.add_parser(subcommand.name, help=help_text.summary)
        _describe(subparser, help_text)
        _add_arguments(subparser, subcommand, of_alembic.get(subcommand.name))
    for name in of_alembic.keys() - TABLE.keys():  # of a newer Alembic
        newer = subparsers.add_parser(name, help="As in Alembic.", parents=[of_alembic[name]], add_help=False)
        add_options_again(newer)
    parser.subcommands = MappingProxyType(subparsers.choices)
    return parser


def build_parser_of(subcommand: Subcommand, of_alembic: ArgumentParser | None = None) -> Parser:
    """Return the parser of command lines with this one ``subcommand``. It is quicker to build than all of them.

    ``of_alembic`` is Alembic's parser of the subcommand: options that only it has are added.
    """
    parser, subparsers = _new_parser()
    _add_arguments(subparsers.add_parser(subcommand.name), subcommand, of_alembic)
    parser.subcommands = MappingProxyType(subparsers.choices)
    return parser


def _new_parser() -> tuple[Parser, _SubParsersAction[Any]]:
    parser = Parser(PROG, description=fill(_DESCRIPTION, _WIDTH), formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    add_global_options(parser)
    subparsers = parser.add_subparsers(
        required=True, dest="subcommand", metavar="COMMAND", title="commands", parser_class=SubcommandParser
    )
    return parser, subparsers


def _describe(parser: ArgumentParser, help_text: HelpText) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.description = fill(help_text.description, _WIDTH)
    parser.epilog = help_text.epilog


def _add_arguments(parser: ArgumentParser, subcommand: Subcommand, of_alembic: ArgumentParser | None) -> None:
    subcommand.add_arguments(parser)
    if of_alembic is not None:
        add_missing_options(parser, of_alembic)
    add_options_again(parser)


def parse(parser: Parser, argv: Sequence[str]) -> Namespace:
    """Return the options of ``argv``, or exit with 2 as argparse does.

    What was given before and after the subcommand is put together.
    """
    name = command_of(argv)
    if name is not None and name not in parser.subcommands:
        parser.error(f"there is no command {name!r}{_suggestion(name, parser.subcommands)}")
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        named = parser.subcommands[options.subcommand]
        listed = ", ".join(f"{one}{_suggestion(one, option_names(named))}" for one in unknown)
        named.error(f"unrecognized arguments: {listed}")
    for option in ("config", "x"):
        after = vars(options).pop(after_subcommand(option), None)
        if after:
            setattr(options, option, [*(getattr(options, option) or ()), *after])
    return options


def command_of(argv: Sequence[str]) -> str | None:
    """Return the subcommand in ``argv``, None when there is none or something before it asks for the help of all."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    add_global_options(parser)
    parser.add_argument("-h", "--help", "--version", action="store_true")
    parser.add_argument("rest", nargs=REMAINDER)
    try:
        options = parser.parse_known_args(argv)[0]
    except Exception:  # argparse raises many things; the complete parser reports what is wrong
        return None
    return options.rest[0] if options.rest and not options.help else None


def _suggestion(name: str, names: Iterable[str]) -> str:
    if name.endswith(".ini"):  # as of the other scripts, or after a -c that means --check-heads
        return f" (pass --config {name})"
    similar = closest(name, names)
    return f" (did you mean {similar}?)" if similar else ""
