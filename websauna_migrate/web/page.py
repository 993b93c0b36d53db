"""The page of the guard, for development: what is pending, the command that runs it, and a button that does."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import MigrateError, command, summed
from websauna_migrate.web import html
from websauna_migrate.web.access import Caller, is_local, local_path, new_token, refusal, valid_token
from websauna_migrate.web.state import program_of
from websauna_migrate.web.upgrading import Ended, Upgrades
from websauna_migrate.web.watch import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyramid.request import Request
    from pyramid.response import Response

    from websauna_migrate.revisions.plan import PlanStep
    from websauna_migrate.web.upgrading import Told
    from websauna_migrate.web.watch import Watch

PATH = "/websauna_migrate/upgrade"
COOKIE = "websauna_migrate_token"
_BEHIND = "The database is behind the code"
_DIFFERS = "The database does not fit the code"
_ELSEWHERE = (
    "A browser on the machine of the application, at an address such as http://localhost, shows a button that upgrades."
)


class Page:
    """Answers requests in place of the application until its database is well."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._upgrades = Upgrades(watch.registry)

    def answers(self, request: Request) -> bool:
        """Tell whether ``request`` is the button: also where the database is well, as of a page that is still open."""
        return bool(request.path_info == PATH)

    def answer(self, request: Request) -> Response:
        """Show what is pending, or run it."""
        if request.path_info == PATH:
            return self._upgrade(request)
        if not request.accept.acceptable_offers(["text/html"]):
            return unavailable(request)
        return self._show(request)

    def _show(self, request: Request) -> Response:
        may_upgrade = is_local(_caller(request))
        token = valid_token(request.cookies.get(COOKIE)) or new_token()
        nonce = new_token()
        asked_for = request.path_qs if request.method in ("GET", "HEAD") else f"{request.script_name}/"
        form = html.upgrade_form(request.script_name + PATH, token, asked_for) if may_upgrade else ""
        steps, problems = self._found()
        parts = [html.head(_BEHIND if steps else _DIFFERS)]
        if problems:
            parts.append(html.problem_list(problems))
        if steps:
            parts += [html.paragraph(_counted(steps)), self._failure() if may_upgrade else ""]
            parts += [form or html.paragraph(_ELSEWHERE, is_quiet=True), self._command(nonce)]
            parts.append(html.steps_table(steps, _now()))
        else:
            parts.append(html.link(asked_for, "Check again"))
        response = _page(503, nonce)
        response.text = "".join([*parts, html.END])
        if may_upgrade:
            # For all ports of this machine; a page on another one is refused by its origin.
            response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path=f"{request.script_name}/")
        return response

    def _found(self) -> tuple[Sequence[PlanStep], list[str]]:
        """Return what is pending, and what is wrong beside that."""
        program = program_of(self._watch.registry)
        found = self._watch.found
        try:
            if isinstance(found, MigrateError):
                raise found
            if found is None:
                return (), []
            return found.pending(), [problem.text(program) for problem in found.problems(pending=False)]
        except MigrateError as error:
            return (), [error.text(program)]

    def _failure(self) -> str:
        """Return what the last upgrade said that failed."""
        found = self._watch.found
        rows = None if found is None or isinstance(found, MigrateError) else found.rows
        failure = self._upgrades.last_failure.read(rows)
        if failure is None:
            return ""
        return html.failure(f"The last upgrade failed, {html.age(failure.at, _now())}", failure.said)

    def _command(self, nonce: str) -> str:
        what = html.paragraph("Or run this command, then load the page again:")
        return what + html.command(command("all", "upgrade").text(program_of(self._watch.registry)), nonce)

    def _upgrade(self, request: Request) -> Response:
        """Run what is pending, and answer with a page that grows meanwhile."""
        if request.method != "POST":
            return _refused(405, "use the button on the page")
        reason = refusal(_caller(request))
        if reason is not None:
            return _refused(403, reason)
        nonce = new_token()
        response = _page(200, nonce)
        lines = self._upgrades.start()
        response.app_iter = self._told(lines, local_path(request.POST.get("next")), nonce)
        return response

    def _told(self, told: Iterator[Told], asked_for: str, nonce: str) -> Iterator[bytes]:
        yield (html.head("Upgrading the database") + html.STEPS_BEGIN).encode()
        is_open = False
        for item in told:
            if isinstance(item, Ended):
                yield (html.STEP_FAILED if is_open else "").encode()
                yield self._end(item, asked_for, nonce).encode()
            elif isinstance(item, str):
                yield html.said(item, in_step=is_open).encode()
            else:
                is_open = item.state == "begins"
                yield (html.step_begins(item) if is_open else html.step_done(item)).encode()
        yield html.END.encode()

    def _end(self, ended: Ended, asked_for: str, nonce: str) -> str:
        self._watch.ask()
        if ended.failure is not None:
            return html.STEPS_END + html.failure("The upgrade failed", ended.failure) + html.link(asked_for, "Back")
        return html.STEPS_END + html.paragraph("Done.") + html.go_to(asked_for, nonce)


def _counted(steps: Sequence[PlanStep]) -> str:
    packages = summed(tuple(dict.fromkeys(step.package for step in steps)))
    counted = "1 revision" if len(steps) == 1 else f"{len(steps)} revisions"
    return f"{counted} of {packages} {'is' if len(steps) == 1 else 'are'} pending."


def _caller(request: Request) -> Caller:
    token = request.POST.get("token") if request.method == "POST" else None
    headers = request.headers
    return Caller(request.remote_addr, headers.get("Host"), headers.get("Origin"), request.cookies.get(COOKIE), token)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _page(status: int, nonce: str) -> Response:
    """Return an empty page that loads nothing from elsewhere, runs no script but its own, and stands in no frame.

    The button of pyramid_debugtoolbar, which gets into each page, has its style and its picture from the application.
    """
    from pyramid.response import Response

    response = Response(content_type="text/html", charset="utf-8", status=status)
    response.cache_control = "no-store"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'nonce-{nonce}'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return response


def _refused(status: int, reason: str) -> Response:
    from pyramid.response import Response

    return Response(f"The database was not upgraded: {reason}.\n", content_type="text/plain", status=status)
