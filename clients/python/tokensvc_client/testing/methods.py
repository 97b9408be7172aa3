"""Owns the table of methods: what serves each, and the permission that it needs."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tokensvc_pb.v1 import (
    audit_service_pb2,
    client_service_pb2,
    key_service_pb2,
    session_service_pb2,
    token_service_pb2,
)

from tokensvc_client.testing.audit_service import check_watch_audit, list_audit_events
from tokensvc_client.testing.client_service import (
    create_client,
    delete_client,
    get_client,
    list_clients,
    rotate_client_secret,
    update_client,
)
from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.exchange import exchange
from tokensvc_client.testing.introspect import batch_introspect, introspect
from tokensvc_client.testing.issue import issue
from tokensvc_client.testing.key_service import list_keys, revoke_key, rotate_key
from tokensvc_client.testing.refresh import refresh
from tokensvc_client.testing.revoke import revoke
from tokensvc_client.testing.session_service import flag_subject, get_session, list_sessions, unflag_subject
from tokensvc_client.testing.state import State
from tokensvc_client.testing.watch import check_watch

Serve = Callable[[State, Client, Any], Any]

SERVICES: Final = tuple(
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (token_service_pb2, "TokenService"),
        (session_service_pb2, "SessionService"),
        (key_service_pb2, "KeyService"),
        (client_service_pb2, "ClientService"),
        (audit_service_pb2, "AuditService"),
    )
)
NAMES: Final = frozenset(method.name for service in SERVICES for method in service.methods)
"""All methods of the contract."""

_ADMIN: Final = client_service_pb2.PERMISSION_ADMIN
_INTROSPECT: Final = client_service_pb2.PERMISSION_INTROSPECT
METHODS: Final[Mapping[str, tuple[Serve, client_service_pb2.Permission]]] = {
    "Issue": (issue, client_service_pb2.PERMISSION_ISSUE),
    "Refresh": (refresh, client_service_pb2.PERMISSION_REFRESH),
    "Revoke": (revoke, client_service_pb2.PERMISSION_REVOKE),
    "Introspect": (introspect, _INTROSPECT),
    "BatchIntrospect": (batch_introspect, _INTROSPECT),
    "Exchange": (exchange, client_service_pb2.PERMISSION_EXCHANGE),
    "WatchRevocations": (check_watch, client_service_pb2.PERMISSION_WATCH),
    "ListSessions": (list_sessions, _INTROSPECT),
    "GetSession": (get_session, _INTROSPECT),
    "FlagSubject": (flag_subject, _ADMIN),
    "UnflagSubject": (unflag_subject, _ADMIN),
    "ListKeys": (list_keys, _ADMIN),
    "RotateKey": (rotate_key, _ADMIN),
    "RevokeKey": (revoke_key, _ADMIN),
    "CreateClient": (create_client, _ADMIN),
    "GetClient": (get_client, _ADMIN),
    "ListClients": (list_clients, _ADMIN),
    "UpdateClient": (update_client, _ADMIN),
    "DeleteClient": (delete_client, _ADMIN),
    "RotateClientSecret": (rotate_client_secret, _ADMIN),
    "ListAuditEvents": (list_audit_events, _ADMIN),
    "WatchAuditEvents": (check_watch_audit, _ADMIN),
}
"""The methods for callers that are known; of a stream what is checked before it begins. GetJwks is for everybody."""
