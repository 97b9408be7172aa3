"""Owns base64url without padding (RFC 7515, 2): of what others send only the spelling is read that we write."""

import binascii

_URL_SAFE, _STANDARD = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def encode(data: bytes) -> str:
    """Write `data`."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """Read `text`; None unless it is the one canonical spelling of what it says."""
    try:
        data = decode_own(text)
    except ValueError:
        return None
    return data if encode(data) == text else None


def decode_own(text: str) -> bytes:
    """Read a `text` that we have written; if it is another, the answer is anything, or ValueError is raised."""
    return binascii.a2b_base64(text.encode("ascii").translate(_STANDARD) + b"==")
