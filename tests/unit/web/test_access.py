"""Who may upgrade the database with a request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from websauna_migrate.web.access import Caller, is_local, local_path, new_token, refusal, valid_token

TOKEN, OTHER = "a" * 43, "b" * 43
HERE = Caller("127.0.0.1", "localhost:6543", "http://localhost:6543", TOKEN, TOKEN)


def test_a_browser_at_this_machine_with_both_copies_of_the_token_may():
    assert refusal(HERE) is None
    assert refusal(replace(HERE, origin=None)) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:6543", "127.0.0.1:6543", "[::1]:6543", "[::1]"])
def test_loopback_is_local(address, host):
    assert is_local(Caller(address, host))


@pytest.mark.parametrize("address", [None, "", "192.168.1.2", "::ffff:192.168.1.2", "0.0.0.0", "localhost", "::2"])
def test_another_machine_is_not(address):
    assert not is_local(replace(HERE, address=address))
    assert "only a browser on this machine" in str(refusal(replace(HERE, address=address)))


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "app.example.com",
        "localhost.example.com",
        "evil@localhost",
        "localhost#.example.com",
        "[::1",
        "192.168.1.2",
    ],
)
def test_another_name_of_this_machine_is_not_either(host):
    """A name server of somebody else can point a name of theirs to 127.0.0.1."""
    assert not is_local(replace(HERE, host=host))


@pytest.mark.parametrize("origin", ["http://localhost:9999", "https://example.com", "null", ""])
def test_a_page_of_another_site_may_not(origin):
    assert refusal(replace(HERE, origin=origin)) == "the request comes from a page of another site"


@pytest.mark.parametrize(
    ("cookie", "token"),
    [(None, None), (TOKEN, None), (None, TOKEN), (TOKEN, OTHER), ("", ""), ("short", "short"), (TOKEN, "é" * 43)],
)
def test_without_the_token_nobody_may(cookie, token):
    assert "the token is missing or wrong" in str(refusal(replace(HERE, cookie=cookie, token=token)))


def test_only_what_can_be_a_token_is_one():
    assert valid_token(TOKEN) == TOKEN
    made = new_token()
    assert valid_token(made) == made != new_token()
    assert valid_token(TOKEN + '"') is None
    assert valid_token(None) is None


@pytest.mark.parametrize("path", ["/", "/orders?a=1&b=%C3%A9", "/a//b"])
def test_a_path_of_the_same_site_is_kept(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path", [None, "", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/\té", "a"]
)
def test_any_other_path_is_the_root(path):
    assert local_path(path) == "/"
