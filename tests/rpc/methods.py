"""The methods of the contract: those that are offered, and those that are not yet."""

from tokensvc_pb.v1 import (
    audit_service_pb2,
    client_service_pb2,
    key_service_pb2,
    session_service_pb2,
    token_service_pb2,
)

_FILES = (token_service_pb2, session_service_pb2, key_service_pb2, client_service_pb2, audit_service_pb2)
_NAMES = {
    *("Issue", "Refresh", "Revoke", "Introspect", "BatchIntrospect", "Exchange", "WatchRevocations"),
    *("ListSessions", "GetSession", "FlagSubject", "UnflagSubject"),
    *("GetJwks", "ListKeys", "RotateKey", "RevokeKey"),
    *("ListAuditEvents", "WatchAuditEvents"),
    *("CreateClient", "GetClient", "ListClients", "UpdateClient", "DeleteClient", "RotateClientSecret"),
}
_METHODS = [
    method for file in _FILES for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods
]
OFFERED = [method for method in _METHODS if method.name in _NAMES]
LATER = [method for method in _METHODS if method.name not in _NAMES]
