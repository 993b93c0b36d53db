"""The page of the guard, for development: what is pending, the command that runs it, and a button that does."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import MigrateError, command
from websauna_migrate.web import html
from websauna_migrate.web.access import Caller, is_local, local_path, new_token, refusal, valid_token
from websauna_migrate.web.state import program_of
from websauna_migrate.web.upgrading import Ended, Upgrades
from websauna_migrate.web.watch import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.request import Request
    from pyramid.response import Response

    from websauna_migrate.web.watch import Watch

PATH = "/websauna_migrate/upgrade"
COOKIE = "websauna_migrate_token"
_TITLE = "The database is behind the code"


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
        body = html.head(_TITLE) + self._content(is_local=may_upgrade)
        if may_upgrade:
            asked_for = request.path_qs if request.method in ("GET", "HEAD") else f"{request.script_name}/"
            body += html.upgrade_form(request.script_name + PATH, token, asked_for)
        response = _page(503, new_token())
        response.text = body + html.END
        if may_upgrade:
            # For all ports of this machine; a page on another one is refused by its origin.
            response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path=f"{request.script_name}/")
        return response

    def _content(self, *, is_local: bool) -> str:
        """Return what is wrong, what is pending and what the last run said, which is for people at this machine."""
        program = program_of(self._watch.registry)
        found = self._watch.found
        parts = []
        try:
            if isinstance(found, MigrateError):
                raise found
            steps = found.pending() if found is not None else ()
            if steps:
                parts += [html.paragraph("These revisions are pending:"), html.steps_table(steps, _now())]
            else:
                parts.append(html.problem_list(problem.text(program) for problem in self._watch.problems()))
        except MigrateError as error:
            parts.append(html.problem_list([error.text(program)]))
        if is_local and self._upgrades.failure is not None:
            parts += [
                html.paragraph("The last upgrade failed:"),
                html.preformatted(self._upgrades.failure, is_bad=True),
            ]
        parts += [
            html.paragraph("Upgrade the database with this command, then load the page again:"),
            html.preformatted(command("all", "upgrade").text(program)),
        ]
        return "".join(parts)

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

    def _told(self, lines: Iterator[str | Ended], asked_for: str, nonce: str) -> Iterator[bytes]:
        yield html.head("Upgrading the database").encode()
        for line in lines:
            part = html.paragraph(line) if isinstance(line, str) else self._end(line, asked_for, nonce)
            yield part.encode()
        yield html.END.encode()

    def _end(self, ended: Ended, asked_for: str, nonce: str) -> str:
        self._watch.ask()
        if ended.failure is not None:
            back = f'<p><a href="{html.text(asked_for)}">Back</a></p>\n'
            return html.paragraph("The upgrade failed:") + html.preformatted(ended.failure, is_bad=True) + back
        return html.paragraph("Done.") + html.go_to(asked_for, nonce)


def _caller(request: Request) -> Caller:
    token = request.POST.get("token") if request.method == "POST" else None
    headers = request.headers
    return Caller(request.remote_addr, headers.get("Host"), headers.get("Origin"), request.cookies.get(COOKIE), token)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _page(status: int, nonce: str) -> Response:
    """Return an empty page that loads nothing, runs no script but its own, and stands in no frame."""
    from pyramid.response import Response

    response = Response(content_type="text/html", charset="utf-8", status=status)
    response.cache_control = "no-store"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; form-action 'self'; "
        f"base-uri 'none'; frame-ancestors 'none'"
    )
    return response


def _refused(status: int, reason: str) -> Response:
    from pyramid.response import Response

    return Response(f"The database was not upgraded: {reason}.\n", content_type="text/plain", status=status)
