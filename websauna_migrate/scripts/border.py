"""The one border of the scripts: an error becomes a line on stderr and an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from typing import TYPE_CHECKING

from websauna_migrate.scripts.errors import ResultNotWritten
from websauna_migrate.scripts.printing import fail, tell
from websauna_migrate.scripts.signals import INTERRUPTED
from websauna_migrate.scripts.streams import fits

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

FAILED = 1
_BROKEN_PIPE = 141


def run_script(work: Callable[[], int], options: Namespace) -> int:
    """Call ``work`` and return its exit code; an error becomes one line on stderr.

    With ``--raiseerr`` the stack trace comes before that line.
    """
    try:
        code = work()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return _BROKEN_PIPE  # the reader ended, as `head` does
    except KeyboardInterrupt as error:
        tell("FAILED: interrupted")
        return int(getattr(error, "exit_code", INTERRUPTED))
    except SystemExit:
        raise
    except BaseException as error:  # what scripts raise may be no Exception
        if options.raiseerr:
            tell(traceback.format_exc().rstrip())
        fail(options, _not_written(error) or error)
        return int(getattr(error, "exit_code", FAILED))
    return code


def _is_of_stdout(error: UnicodeEncodeError) -> bool:
    """Tell whether stdout may have raised ``error``; what could not be encoded as UTF-8 was a path or a URL."""
    is_utf8 = [name.lower().replace("_", "-") in ("utf-8", "utf8") for name in (error.encoding, sys.stdout.encoding)]
    return is_utf8 != [True, False] and not fits(error.object, sys.stdout)


def _not_written(error: BaseException) -> ResultNotWritten | None:
    """Return the error of a result that could not be written, if ``error`` is one; Python does not name the stream."""
    if isinstance(error, UnicodeEncodeError) and _is_of_stdout(error):
        lacks = f"its encoding {sys.stdout.encoding} lacks {error.object[error.start]!r}"
        return ResultNotWritten("standard output", lacks, "set PYTHONIOENCODING=utf-8")
    if not isinstance(error, OSError) or error.filename is not None:
        return None
    try:
        sys.stdout.flush()
    except OSError:  # the same error again: the stream is stdout
        return ResultNotWritten("standard output", error.strerror)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    return ResultNotWritten("standard output or a file", error.strerror)
