"""Owns the comparison of HTTP URIs: their normal form, without query and fragment (RFC 9449, 4.3; RFC 3986, 6.2)."""

import re
from typing import Final

_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_URI: Final = re.compile(
    rf"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|{_CHARACTER}+)(?::(?P<port>[0-9]{{0,5}}))?"
    rf"(?P<path>(?:/(?:{_CHARACTER}|[:@])*)*)(?:[?#][!-~]*)?",
    re.IGNORECASE | re.ASCII,
)
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def normalized(uri: str) -> str | None:
    """The normal form of an absolute `uri`: that of all that mean the same by their syntax and scheme.

    None for what is no such URI; one that names a user is none either.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        return None
    scheme, host = found["scheme"].lower(), _decoded(found["host"]).lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    authority = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{authority}{_without_dots(_decoded(found['path']) or '/')}"


def _decoded(text: str) -> str:
    """Percent-encoding for nothing that needs none, and in capitals (RFC 3986, 6.2.2.1 and 6.2.2.2)."""
    return _ENCODED.sub(lambda found: _decoded_octet(found[0]), text)


def _decoded_octet(encoded: str) -> str:
    character = chr(int(encoded[1:], 16))
    return character if _UNRESERVED.fullmatch(character) else encoded.upper()


def _without_dots(path: str) -> str:
    """The path without segments that lead elsewhere (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
