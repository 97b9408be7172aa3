"""Owns the form of JWTs: taken apart strictly, as long as nothing in it is trusted (RFC 7515, RFC 8725)."""

from functools import lru_cache
from typing import Final, NamedTuple

from tokensvc_client.verification import base64url
from tokensvc_client.verification.json_object import JsonObject, read_object

MAX_TOKEN: Final = 32_768  # characters: the service makes none that is longer
_DOTS: Final = 2


class Jwt(NamedTuple):
    """A JWT in compact form: what its header says, its other segments as they are written, and what is signed."""

    header: JsonObject
    claims: str
    signature: bytes
    signing_input: bytes


def taken_apart(text: str, type_: str, *, most: int = MAX_TOKEN, most_of_header: int = 512) -> Jwt | None:
    """The parts of a JWT of `type_`; None if it is none, is longer than `most`, or says what we might misunderstand."""
    if len(text) > most or text.count(".") != _DOTS or not text.isascii():
        return None
    signing_input, _, last = text.rpartition(".")
    first, _, claims = signing_input.partition(".")
    header = _read_header(first) if len(first) <= most_of_header else None
    signature = base64url.decode(last)
    if header is None or signature is None or header.get("typ") != type_:
        return None
    if "crit" in header or "b64" in header:  # RFC 7515, 4.1.11; RFC 7797
        return None
    return Jwt(header, claims, signature, signing_input.encode("ascii"))


@lru_cache(maxsize=128)
def _read_header(segment: str) -> JsonObject | None:
    """A header, which nobody changes: those of one key, or of one phone, are all the same."""
    return read_segment(segment)


def read_segment(segment: str) -> JsonObject | None:
    """The JSON object in a segment; None if it is none."""
    return read_object(base64url.decode(segment))
