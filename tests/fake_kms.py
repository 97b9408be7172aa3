"""A key management service, as somebody else's package would bring it: its keys stay with it, and it may be away."""

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tokensvc.domain.keys import RootKeyError


class FakeKms:
    """Implements `KeyProvider`. A nonce goes behind what it wraps."""

    scheme = "fakekms"

    def __init__(self, uri: str = "fakekms:one") -> None:
        self._cipher = AESGCM(hashlib.sha256(uri.encode()).digest())
        self.is_away = False
        self.opened = 0

    def wrap(self, secret: bytes, binding: str) -> bytes:
        self._answer()
        nonce = os.urandom(12)
        return self._cipher.encrypt(nonce, secret, binding.encode()) + nonce

    def unwrap(self, wrapped: bytes, binding: str) -> bytes:
        self._answer()
        self.opened += 1
        try:
            return self._cipher.decrypt(wrapped[-12:], wrapped[:-12], binding.encode())
        except (InvalidTag, ValueError) as error:
            raise RootKeyError("the KMS does not open a stored key") from error

    def _answer(self) -> None:
        if self.is_away:
            self.away()

    @staticmethod
    def away(*_arguments: object) -> None:
        raise RootKeyError("the KMS is away")


def install(site: Path) -> None:
    """What pip leaves of a package that brings this provider, in a directory of `sys.path`."""
    (site / "fakekms-1.dist-info").mkdir(parents=True)
    (site / "fakekms-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: fakekms\nVersion: 1\n")
    entry_point = "[tokensvc.key_providers]\nfakekms = tests.fake_kms:FakeKms\n"
    (site / "fakekms-1.dist-info" / "entry_points.txt").write_text(entry_point)
