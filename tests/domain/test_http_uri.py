"""The normal form of HTTP URIs: what means the same compares equal, what does not does not (RFC 3986, 6.2)."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokensvc.domain.http_uri import normalized

SAME = [
    ("https://bff.test/token", "HTTPS://BFF.Test/token"),
    ("https://bff.test/token", "https://bff.test:443/token"),
    ("https://bff.test/token", "https://bff.test:/token"),
    ("http://bff.test/token", "http://bff.test:80/token"),
    ("https://bff.test:8443/token", "https://bff.test:08443/token"),
    ("https://bff.test/token", "https://bff.test/token?a=b&c=d"),
    ("https://bff.test/token", "https://bff.test/token#part"),
    ("https://bff.test/token", "https://bff.test/token?a#b?c"),
    ("https://bff.test/", "https://bff.test"),
    ("https://bff.test/", "https://bff.test?a"),
    ("https://bff.test/~ada", "https://bff.test/%7Eada"),
    ("https://bff.test/~ada", "https://bff.test/%7eada"),
    ("https://bff.test/a%2Fb", "https://bff.test/a%2fb"),
    ("https://bff.test/b", "https://bff.test/a/../b"),
    ("https://bff.test/b", "https://bff.test/a/%2E%2e/b"),
    ("https://bff.test/a/", "https://bff.test/a/b/.."),
    ("https://bff.test/a/", "https://bff.test/a/."),
    ("https://bff.test/", "https://bff.test/../.."),
    ("https://[2001:db8::1]/", "https://[2001:DB8::1]:443/"),
]
OTHER = [
    ("https://bff.test/token", "http://bff.test/token"),
    ("https://bff.test/token", "https://bff.test/token/"),
    ("https://bff.test/token", "https://bff.test/Token"),
    ("https://bff.test/token", "https://bff.test:444/token"),
    ("https://bff.test/token", "https://bff.test.evil.test/token"),
    ("https://bff.test/token", "https://evil.test/token"),
    ("https://bff.test/a/b", "https://bff.test/a%2Fb"),
    ("https://bff.test/a", "https://bff.test//a"),
    ("https://bff.test/%2E", "https://bff.test/%252E"),
]
NONE = [
    "",
    "token",
    "/token",
    "//bff.test/token",
    "bff.test/token",
    "ftp://bff.test/token",
    "https:/bff.test/token",
    "https://",
    "https:///token",
    "https://?a",
    "https://ada@bff.test/token",
    "https://bff.test:port/token",
    "https://bff.test:123456/",
    "https://bff.test:-1/",
    "https://bff.test/to ken",
    "https://bff.test/token\n",
    " https://bff.test/token",
    "https://bff.test/%zz",
    "https://bff.test/%2",
    "https://bff.test\\evil.test/",
    "https://bff.té/",
    "https://bff.test/é",
    "https://bff.test/token?é",
    "https://[::1/",
    "https://[::g]/",
    "https://bff.test/\ud800",
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_what_means_the_same_is_the_same(first: str, second: str) -> None:
    """Case, default ports, needless encoding, dots, query and fragment make no difference."""
    assert normalized(second) == first == normalized(first)


@pytest.mark.parametrize(("first", "second"), OTHER)
def test_what_means_something_else_is_not_the_same(first: str, second: str) -> None:
    """Scheme, host, port and path do."""
    assert normalized(first) != normalized(second)
    assert None not in (normalized(first), normalized(second))


@pytest.mark.parametrize("uri", NONE)
def test_what_is_no_such_uri_has_no_normal_form(uri: str) -> None:
    """Nothing is repaired or guessed."""
    assert normalized(uri) is None


SEGMENT = st.text(string.ascii_letters + string.digits + "-._~:@!$&'()*+,;=", max_size=6) | st.sampled_from(
    [".", "..", "%2e", "%2E%2e", "%7e", "%2f", "%41", "%c3%a9"]
)
URIS = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP", "hTTps"]),
    st.sampled_from(["bff.test", "BFF.test", "%62ff.test", "127.0.0.1", "[::1]"]),
    st.sampled_from(["", ":", ":80", ":443", ":0443", ":8443"]),
    st.lists(SEGMENT.map("/{}".format), max_size=5).map("".join),
    st.sampled_from(["", "?", "?a=b", "#", "?a#b"]),
)


@given(URIS)
def test_a_normal_form_is_its_own(uri: str) -> None:
    """It needs no query, no dots, no default port, and is in lower case but for the path."""
    form = normalized(uri)
    assert form is not None
    assert normalized(form) == form
    assert not {"?", "#"} & {*form}
    assert not {".", ".."} & {*form.split("/")[3:]}
    assert re.fullmatch(r"https?://[a-z0-9.:\[\]]+", "/".join(form.split("/")[:3]))
    assert ":443/" not in form or form.startswith("http:")


@given(st.text() | st.text("htps:/?#@%.[]1aé\n", max_size=30).map("https://{}".format))
def test_any_text_is_read(text: str) -> None:
    """Whatever it is, there is a normal form or none."""
    form = normalized(text)
    assert form is None or normalized(form) == form
