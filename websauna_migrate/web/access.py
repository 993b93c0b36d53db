"""Who may upgrade the database with a request: somebody at this machine, on a page of this application.

Pure: decides on the parts of a request.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[\w-]{43}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The parts of a request that tell who sent it; a part that is missing is None.

    ``cookie`` and ``token`` are the two copies of the token, of which another site can send one and know none.
    """

    address: str | None
    host: str | None
    origin: str | None = None
    cookie: str | None = None
    token: str | None = None


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(32)


def valid_token(text: str | None) -> str | None:
    """Return ``text`` where it can be a token of :func:`new_token`."""
    return text if text is not None and _TOKEN.fullmatch(text) else None


def is_local(caller: Caller) -> bool:
    """Tell whether the request comes from this machine, and names it: a proxy or a changed DNS would name another."""
    host = urlsplit(f"//{caller.host or ''}").hostname if _is_plain(caller.host) else None
    return _is_loopback(caller.address) and (host == "localhost" or _is_loopback(host))


def refusal(caller: Caller) -> str | None:
    """Return why ``caller`` may not upgrade, None where it may."""
    if not is_local(caller):
        return "only a browser on this machine may upgrade, at an address such as http://localhost"
    if caller.origin is not None and urlsplit(caller.origin).netloc.lower() != (caller.host or "").lower():
        return "the request comes from a page of another site"
    cookie, token = valid_token(caller.cookie), (caller.token or "").encode()
    if cookie is None or not secrets.compare_digest(cookie.encode(), token):
        return "the token is missing or wrong; load the page again, and allow its cookie"
    return None


def local_path(path: str | None) -> str:
    """Return ``path`` where a browser takes it for one of the same site, else the root."""
    is_safe = path is not None and re.fullmatch(r"/(?![/\\])[!-~]*", path) and "\\" not in path
    return path if is_safe and path is not None else "/"


def _is_plain(host: str | None) -> bool:
    """Tell whether ``host`` is a name and a port, and nothing that an URL would read in another way."""
    return host is not None and re.fullmatch(r"[\w.\-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", host) is not None


def _is_loopback(text: str | None) -> bool:
    try:
        address = ip_address(text or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
