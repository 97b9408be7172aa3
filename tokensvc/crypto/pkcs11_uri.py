"""Owns reading the URI of a key in a PKCS#11 token (RFC 7512)."""

from collections.abc import Mapping
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

from tokensvc.domain.keys import RootKeyError
from tokensvc.domain.value import value

_OF_TOKENS: Final = frozenset({"token", "serial", "manufacturer", "model"})
_OF_KEYS: Final = frozenset({"object", "id"})
_TYPE: Final = "type"
_MODULE: Final = "module-path"


@value(frozen=True, slots=True)
class Pkcs11Uri:
    """Where a key is: in the token that `token` describes, behind the library `module_path`.

    The description goes by the names of RFC 7512 section 2.3. The key is known by its `label` or `key_id` or both.
    """

    module_path: str
    token: Mapping[str, str]
    label: str | None
    key_id: bytes | None


def parse_pkcs11_uri(uri: str) -> Pkcs11Uri:
    """Read `uri`, which has to say which token, which key and which library; fails with RootKeyError.

    What it says beyond that is refused rather than ignored. So is a PIN, which belongs into a setting; no value is
    repeated.
    """
    path, _, query = uri.removeprefix("pkcs11:").partition("?")
    found = _attributes(path, ";", _OF_TOKENS | _OF_KEYS | {_TYPE}) | _attributes(query, "&", {_MODULE})
    token = {name: _text(value, name) for name, value in found.items() if name in _OF_TOKENS}
    if found.get(_TYPE, b"secret-key") != b"secret-key":
        _refuse("its type is not secret-key")
    if not token:
        _refuse("it does not say which token: token=LABEL")
    if not _OF_KEYS & found.keys():
        _refuse("it does not say which key: object=LABEL")
    if _MODULE not in found:
        _refuse("it does not say which library: ?module-path=/PATH")
    label = _text(found["object"], "object") if "object" in found else None
    return Pkcs11Uri(_text(found[_MODULE], _MODULE), token, label, found.get("id"))


def _attributes(text: str, separator: str, allowed: frozenset[str] | set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, _, value = part.partition("=")
        if name in {"pin-value", "pin-source"}:
            _refuse("it speaks of a PIN, which belongs into the setting pkcs11_pin")
        if name not in allowed:
            _refuse(f"it may say {', '.join(sorted(allowed))} here, and nothing else")
        if not value or name in found:
            _refuse(f"it says {name} twice, or nothing of it")
        found[name] = unquote_to_bytes(value)
    return found


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        _refuse(f"its {name} is not UTF-8")


def _refuse(why: str) -> NoReturn:
    raise RootKeyError(f"the pkcs11: URI of the root key cannot be used: {why}")
