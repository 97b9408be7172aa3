"""Owns the server's TLS (gRPC speaks 1.2 and newer, and HTTP/2 alone), with its certificate as the files hold it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

import grpc
import structlog

from tokensvc.domain.certificate import CertificateError, ServerCertificate
from tokensvc.ports import Clock

_LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class LiveCertificate:
    """The certificate in use. The files are looked at when somebody connects, once a second at most.

    What is found there counts for the connections that begin then; those that are open stay. As long as it cannot be
    used, the certificate from before is.
    """

    def __init__(
        self,
        read: Callable[[], ServerCertificate],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` answers what the files hold; fails as it does. `monotonic` is in seconds."""
        self._read = read
        self._clock = clock
        self._monotonic = monotonic
        self._look = Lock()
        self._next_look = 0.0
        self._complaint = ""
        self.current = read()
        if not self.current.is_valid_at(clock()):
            _log.warning("the certificate is not valid at this time: clients will refuse it", **_told(self.current))

    def credentials(self) -> grpc.ServerCredentials:
        """What a port has to be given. With client authorities it takes nobody without a certificate."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self.current),
            self.fetch,  # type: ignore[arg-type]  # it may answer None: its types do not know that
            require_client_authentication=self._is_mutual,
        )

    @property
    def _is_mutual(self) -> bool:
        return self.current.client_authorities is not None

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Answer what a handshake is to use from now on, None for what there was. gRPC's threads call it for each.

        What a client has shown once is not verified again when it resumes a session (RFC 8446, 2.2). So where clients
        have certificates, a session ends with the configuration it was made under, and that with each look.
        """
        if not self._look.acquire(blocking=False):
            return None  # another handshake looks
        try:
            if (now := self._monotonic()) < self._next_look:
                return None
            self._next_look = now + _LOOK_SECONDS
            return _configuration(self.current) if self._has_changed() or self._is_mutual else None
        finally:
            self._look.release()

    def _has_changed(self) -> bool:
        try:
            found = self._read()
        except CertificateError as error:
            self._complain(str(error))
            return False
        if found == self.current:
            self._complaint = ""
            return False
        now = self._clock()
        if self.current.is_valid_at(now) and not found.is_valid_at(now):
            self._complain(f"the certificate in {found.file} is not valid at this time")
            return False
        self.current, self._complaint = found, ""
        _log.info("the certificate was replaced", **_told(found))
        return True

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            _log.warning("the new certificate cannot be used, the one before stays", error=complaint)


def _configuration(certificate: ServerCertificate) -> grpc.ServerCertificateConfiguration:
    pairs = [(certificate.private_key, certificate.chain)]
    return grpc.ssl_server_certificate_configuration(pairs, certificate.client_authorities)


def _told(certificate: ServerCertificate) -> dict[str, Any]:
    times = {"not_before": certificate.not_before, "not_after": certificate.not_after}
    moments = {name: datetime.fromtimestamp(value / 1000, UTC).isoformat() for name, value in times.items()}
    return {"file": certificate.file, **moments}
