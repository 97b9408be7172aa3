"""Owns the root keys that are kept here, in a file or a setting: 32 bytes that wrap with AES-256-GCM."""

import base64
import binascii
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tokensvc.domain.keys import RootKeyError

ROOT_KEY_BYTES = 32
_NONCE_BYTES = 12


class RootKey:
    """Implements `KeyProvider` with a key in this process's memory. A nonce goes before what it wraps."""

    scheme: Final = ""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def wrap(self, secret: bytes, binding: str) -> bytes:
        """As the interface says."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, binding.encode())

    def unwrap(self, wrapped: bytes, binding: str) -> bytes:
        """As the interface says."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], binding.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise RootKeyError("a stored key does not open: wrong root key, or the row was changed") from error


def parse_root_key(text: str, place: str) -> bytes:
    """Read a root key: 32 bytes in base64."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RootKeyError(f"the root key is not base64: {place}") from error
    if len(key) != ROOT_KEY_BYTES:
        raise RootKeyError(f"the root key is not {ROOT_KEY_BYTES} bytes: {place}")
    return key


def read_root_keys(path: Path) -> str:
    """Read the lines that name the root keys from `path`, which its owner alone may read."""
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
    return text


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
