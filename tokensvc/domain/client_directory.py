"""Owns what clients are looked for by beside their ids: what they have registered to be recognised by."""

from collections import defaultdict
from collections.abc import Mapping

from tokensvc.domain.certificate import PeerCertificate
from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import DNS_NAME, FINGERPRINT, SPIFFE_ID, AuthMethod, CertificateName
from tokensvc.domain.errors import invalid


class ClientDirectory:
    """The clients of a moment. Who changes one makes another directory."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self.clients = clients
        self.assertion_algorithms = frozenset(
            algorithm
            for client in clients.values()
            if client.auth_method is AuthMethod.PRIVATE_KEY_JWT
            for algorithm in client.keys.algorithms
        )
        """The algorithms that any client signs its assertions by."""
        self._by_name: dict[CertificateName, list[Client]] = defaultdict(list)
        for client in clients.values():
            for name in _names(client):
                self._by_name[name].append(client)

    def require_own_names(self, client: Client) -> None:
        """Refuse `client` if another one has registered the same name of a certificate: it would name neither."""
        for kind, name in _names(client):
            if any(other.client_id != client.client_id for other in self._by_name.get((kind, name), ())):
                raise invalid(f"keys.{kind}", f"another client has this {kind}")

    def named_by(self, certificate: PeerCertificate) -> Client | None:
        """Answer the one client that `certificate` names (RFC 8705, 2); None if it is none, or might be several."""
        names = [(SPIFFE_ID, certificate.spiffe_id), (FINGERPRINT, certificate.sha256.hex())]
        names += [(DNS_NAME, name) for name in certificate.dns_names]
        found = {client.client_id: client for name in names for client in self._by_name.get(name, ())}
        return next(iter(found.values())) if len(found) == 1 else None


def _names(client: Client) -> tuple[CertificateName, ...]:
    return client.keys.certificate_names if client.auth_method is AuthMethod.TLS else ()
