"""Owns which root keys there are: each is named by a word, the key itself or the URI of one that is kept elsewhere."""

from importlib.metadata import entry_points
from typing import Final

from tokensvc.crypto.root_keys import RootKey, parse_root_key
from tokensvc.crypto.wrapping import KeyProvider
from tokensvc.domain.keys import RootKeyError

ENTRY_POINTS: Final = "tokensvc.key_providers"
"""The group of entry points of packages that bring a provider: its name is the scheme of the URIs, and what it names is
called with the URI and answers the `KeyProvider`."""


def open_providers(text: str, place: str, pin: str = "") -> list[KeyProvider]:
    """Open the root keys that the words of `text` name, which stands in `place`. The first one wraps, all of them open.

    A token is logged in to with `pin`. Fails with RootKeyError.
    """
    words = text.split()
    if not words:
        raise RootKeyError(f"there is no root key: {place}")
    return [_open(word, place, pin) for word in words]


def _open(word: str, place: str, pin: str) -> KeyProvider:
    scheme, colon, _ = word.partition(":")  # no letter of base64
    if not colon:
        return RootKey(parse_root_key(word, place))
    if scheme == "pkcs11":
        return _pkcs11(word, pin)
    found = entry_points(group=ENTRY_POINTS, name=scheme)
    if len(found) != 1:
        raise RootKeyError(f"of the installed packages {len(found)} bring root keys of such a kind, not one: {place}")
    (entry_point,) = found
    provider: KeyProvider = entry_point.load()(word)
    return provider


def _pkcs11(uri: str, pin: str) -> KeyProvider:
    try:
        from tokensvc.crypto.pkcs11_key import Pkcs11Key  # noqa: PLC0415 - the library is an extra
    except ModuleNotFoundError as error:
        raise RootKeyError(f"PKCS#11 needs the package {error.name}: pip install 'tokensvc[pkcs11]'") from error
    return Pkcs11Key(uri, pin)
