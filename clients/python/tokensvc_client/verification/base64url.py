"""Owns base64url without padding, in the one canonical spelling (RFC 7515, 2)."""

import binascii

_URL_SAFE, _STANDARD = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def encode(data: bytes) -> str:
    """Write `data`."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """Read `text`; None unless it is what `encode` writes of the answer."""
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_STANDARD) + b"==")
    except ValueError:
        return None
    return data if encode(data) == text else None
