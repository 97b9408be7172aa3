"""Owns which client a certificate names (RFC 8705, 2)."""

from collections import defaultdict
from collections.abc import Mapping

from tokensvc.domain.certificate import PeerCertificate
from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import AuthMethod
from tokensvc.domain.view import View


class ClientCertificates:
    """Finds the client that has registered a name in a certificate, or its fingerprint."""

    def __init__(self) -> None:
        self._clients: Mapping[str, Client] = {}  # every change of a client makes a new mapping
        self._by_name: dict[str, list[str]] = {}

    def client(self, certificate: PeerCertificate, view: View) -> Client | None:
        """Answer the one client that `certificate` names; None if there is none, or several that it might be."""
        if view.clients is not self._clients:
            self._clients, self._by_name = view.clients, _by_name(view.clients)
        names = (certificate.spiffe_id, *certificate.dns_names, certificate.sha256.hex())
        match list({client_id for name in names for client_id in self._by_name.get(name, ())}):
            case [client_id]:
                return view.clients[client_id]
        return None


def _by_name(clients: Mapping[str, Client]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = defaultdict(list)
    for client in clients.values():
        if client.auth_method is AuthMethod.TLS:
            for name in client.keys.certificate_names:
                named[name].append(client.client_id)
    return dict(named)
