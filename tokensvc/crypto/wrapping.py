"""Owns the root key and how private keys are wrapped with it: AES-256-GCM, bound to the row that holds them."""

import base64
import binascii
import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT_KEY_BYTES = 32
_NONCE_BYTES = 12


class RootKeyError(Exception):
    """The root key cannot be used; the message says what to do."""


def load_root_key(path: Path) -> bytes:
    """Read the root key from `path`: 32 bytes in base64, readable by its owner alone."""
    try:
        mode = path.stat().st_mode
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except OSError as error:
        raise RootKeyError(f"cannot read the root key: {error.strerror}: {path}") from error
    except (binascii.Error, ValueError) as error:
        raise RootKeyError(f"the root key is not base64: {path}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RootKeyError(f"others can read the root key; run: chmod 600 {path}")
    if len(key) != ROOT_KEY_BYTES:
        raise RootKeyError(f"the root key is not {ROOT_KEY_BYTES} bytes: {path}")
    return key


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


class Wrapper:
    """Wraps private keys under one root key. `binding` names the row: a key that was moved to another does not open."""

    def __init__(self, root_key: bytes) -> None:
        self._cipher = AESGCM(root_key)

    def wrap(self, secret: bytes, binding: str) -> bytes:
        """Encrypt `secret` for the row named by `binding`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, binding.encode())

    def unwrap(self, wrapped: bytes, binding: str) -> bytes:
        """Decrypt; fails with RootKeyError under another root key or for another row."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], binding.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise RootKeyError("a stored key does not open: wrong root key, or the row was changed") from error
