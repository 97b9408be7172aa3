"""Owns what clients are looked for by beside their ids: what they have registered to be recognised by."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from tokensvc.domain.certificate import PeerCertificate
from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.errors import invalid

_SPIFFE_ID: Final = "tls_spiffe_id"
_DNS_NAME: Final = "tls_dns_name"
_SHA256: Final = "tls_sha256"

_Name = tuple[str, str]
"""A name in a certificate with its kind: what a certificate says under one kind is never taken for another."""


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
        self._by_name: dict[_Name, list[Client]] = defaultdict(list)
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
        names = [(_SPIFFE_ID, certificate.spiffe_id), (_SHA256, certificate.sha256.hex())]
        names += [(_DNS_NAME, name) for name in certificate.dns_names]
        found = {client.client_id: client for name in names for client in self._by_name.get(name, ())}
        return next(iter(found.values())) if len(found) == 1 else None


def _names(client: Client) -> list[_Name]:
    if client.auth_method is not AuthMethod.TLS:
        return []
    return [(kind, name) for kind in (_SPIFFE_ID, _DNS_NAME, _SHA256) if (name := getattr(client.keys, kind))]
