"""Owns wrapping by a key in a PKCS#11 token: an HSM, or SoftHSM."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error
from pkcs11.mechanisms import GCMParams

from tokensvc.crypto.pkcs11_uri import parse_pkcs11_uri
from tokensvc.domain.keys import RootKeyError

PATIENCE: Final = 5.0
"""Seconds that a token may take."""

_NONCE_BYTES = 12
_KEY_BITS = 256
_PIN_REFUSED = (
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinExpired,
    pkcs11.PinLocked,
    pkcs11.UserPinNotInitialized,
)
_OF_TOKENS = {"token": "label", "serial": "serial", "manufacturer": "manufacturer_id", "model": "model"}

_turn = Lock()  # whoever is logged in, the whole process is; and libraries need not bear several threads


class Pkcs11Key:
    """Implements `KeyProvider` with an AES-256 key that its token does not let out (CKM_AES_GCM).

    Every use has a session of its own: so none can be lost, and the token is logged out of in between.
    """

    scheme: Final = "pkcs11"

    def __init__(self, uri: str, pin: str, *, patience: float = PATIENCE) -> None:
        """Name the key by its URI; the token is asked for it when it is used. Fails with RootKeyError."""
        self._uri = parse_pkcs11_uri(uri)
        if not pin:
            raise RootKeyError("a PKCS#11 token needs a PIN: set pkcs11_pin, or TOKENSVC_PKCS11_PIN_FILE")
        self._pin = pin
        self._pin_refused = ""
        self._patience = patience

    def wrap(self, secret: bytes, binding: str) -> bytes:
        """As the interface says. That it opens again is tried: a token may put another nonce in the place of ours."""
        nonce = os.urandom(_NONCE_BYTES)
        how = _aes_gcm(nonce, binding)

        def encrypt(key: Any) -> bytes:
            encrypted: bytes = key.encrypt(secret, **how)
            if key.decrypt(encrypted, **how) != secret:
                raise self._error("does not open what it has wrapped")
            return encrypted

        return nonce + self._answer(encrypt, "cannot wrap with CKM_AES_GCM and a nonce that it is given")

    def unwrap(self, wrapped: bytes, binding: str) -> bytes:
        """As the interface says."""
        nonce, encrypted = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]

        def decrypt(key: Any) -> bytes:
            return bytes(key.decrypt(encrypted, **_aes_gcm(nonce, binding)))

        return self._answer(decrypt, "does not open a stored key: wrong root key, or the row was changed")

    def _answer(self, work: Callable[[Any], bytes], failure: str) -> bytes:
        """Do `work` with the key, in a thread that is left alone if it hangs: nobody waits for ever."""
        answer: Future[bytes] = Future()

        def run() -> None:
            if not _turn.acquire(timeout=self._patience):
                return
            try:
                answer.set_result(self._tried_twice(work, failure))
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
                answer.set_exception(error)
            finally:
                _turn.release()

        Thread(target=run, daemon=True).start()
        try:
            return answer.result(self._patience)
        except TimeoutError:
            raise self._error(f"has not answered for {self._patience:g} seconds") from None

    def _tried_twice(self, work: Callable[[Any], bytes], failure: str) -> bytes:
        """A library that has lost its token finds it again when it is begun anew."""
        try:
            return self._tried(work, failure)
        except PKCS11Error:
            with suppress(PKCS11Error):
                pkcs11.lib(self._uri.module_path).finalize()
        try:
            return self._tried(work, failure)
        except PKCS11Error as error:
            raise self._error(f"cannot be used: {_said(error)}") from error

    def _tried(self, work: Callable[[Any], bytes], failure: str) -> bytes:
        if self._pin_refused:  # once is enough: tokens lock themselves
            raise self._error(f"has refused the PIN ({self._pin_refused}); it is not tried again before a restart")
        try:
            session = self._token().open(user_pin=self._pin)
        except _PIN_REFUSED as error:
            self._pin_refused = _said(error)
            raise self._error(f"refuses the PIN ({self._pin_refused})") from error
        with session:
            key = self._key(session)
            try:
                return work(key)
            except PKCS11Error as error:
                raise self._error(f"{failure} ({_said(error)})") from error

    def _token(self) -> Any:
        wanted = {_OF_TOKENS[name]: value for name, value in self._uri.token.items()}
        tokens = pkcs11.lib(self._uri.module_path).get_tokens()
        found = [token for token in tokens if all(_text(getattr(token, name)) == wanted[name] for name in wanted)]
        if len(found) != 1:
            raise PKCS11Error(f"there are {len(found)} such tokens, not one")
        return found[0]

    def _key(self, session: Any) -> Any:
        named = {Attribute.LABEL: self._uri.label, Attribute.ID: self._uri.key_id}
        wanted = {attribute: value for attribute, value in named.items() if value is not None}
        found = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, **wanted}))
        if len(found) != 1:
            raise self._error(f"has {len(found)} secret keys such as the root key's URI names, not one")
        (key,) = found
        if key.key_type is not KeyType.AES or key.key_length != _KEY_BITS:
            raise self._error("has a root key that is not one of AES-256")
        if key[Attribute.EXTRACTABLE]:
            raise self._error("would let the root key out: it must not be extractable")
        return key

    def _error(self, what: str) -> RootKeyError:
        return RootKeyError(f"the PKCS#11 token {', '.join(self._uri.token.values())} {what}")


def _aes_gcm(nonce: bytes, binding: str) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, binding.encode())}


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _said(error: PKCS11Error) -> str:
    return str(error) or type(error).__name__
