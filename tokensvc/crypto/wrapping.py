"""Owns the root keys and how private keys are wrapped with them: AES-256-GCM, bound to the row that holds them."""

import base64
import binascii
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tokensvc.domain.keys import KeyPurpose, RootKeyError

ROOT_KEY_BYTES = 32
_NONCE_BYTES = 12


def load_root_keys(path: Path) -> list[bytes]:
    """Read the root keys from `path`, which its owner alone may read; see `parse_root_keys`."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise RootKeyError(f"the root key is not in a regular file: {path}")
        text = path.read_text()
    except OSError as error:
        raise RootKeyError(f"cannot read the root key: {error.strerror}: {path}") from error
    except ValueError as error:
        raise RootKeyError(f"the root key is not base64: {path}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RootKeyError(f"others can read the root key; run: chmod 600 {path}")
    return parse_root_keys(text, str(path))


def parse_root_keys(text: str, place: str) -> list[bytes]:
    """Read root keys, each 32 bytes in base64 on a line of its own. The first one wraps, all of them open."""
    try:
        keys = [base64.b64decode(line, validate=True) for line in text.split()]
    except (binascii.Error, ValueError) as error:
        raise RootKeyError(f"the root key is not base64: {place}") from error
    if not keys or any(len(key) != ROOT_KEY_BYTES for key in keys):
        raise RootKeyError(f"the root key is not {ROOT_KEY_BYTES} bytes: {place}")
    return keys


def create_root_key(path: Path) -> None:
    """Write a new root key to `path` unless there is a file already; complete or not at all, mode 0600."""
    # A name of its own for each attempt: what one left behind that died half-way does not stop the next.
    descriptor, scratch = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(base64.b64encode(os.urandom(ROOT_KEY_BYTES)).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(scratch, path)  # fails if another process was first
    except FileExistsError:
        pass
    finally:
        Path(scratch).unlink()
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    """Make a new name in `path` durable: keys that the database keeps must not outlive the one that opens them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def binding(purpose: KeyPurpose, key_id: str, algorithm: str) -> str:
    """Names the row that a wrapped key belongs to, and what the key is for."""
    return f"tokensvc key {purpose} {key_id} {algorithm}"


class Wrapper:
    """Wraps private keys under the first of some root keys, and opens what any of them has wrapped.

    `binding` names the row: a key that was moved to another does not open.
    """

    def __init__(self, root_key: bytes, *others: bytes) -> None:
        self._ciphers = [AESGCM(key) for key in (root_key, *others)]

    def wrap(self, secret: bytes, binding: str) -> bytes:
        """Encrypt `secret` for the row named by `binding`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret, binding.encode())

    def unwrap(self, wrapped: bytes, binding: str) -> bytes:
        """Decrypt; fails with RootKeyError under other root keys or for another row."""
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], binding.encode())
        raise RootKeyError("a stored key does not open: wrong root key, or the row was changed")

    def wrapped_anew(self, wrapped: bytes, binding: str) -> bytes:
        """The same secret under the first root key; as it is if that has wrapped it."""
        with suppress(InvalidTag, ValueError):
            self._ciphers[0].decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], binding.encode())
            return wrapped
        return self.wrap(self.unwrap(wrapped, binding), binding)
