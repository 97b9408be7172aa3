"""Owns the table of the service's methods: their names and messages, and which are always safe to repeat."""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message
from tokensvc_pb.v1 import audit_service_pb2 as audit
from tokensvc_pb.v1 import client_service_pb2 as clients
from tokensvc_pb.v1 import key_service_pb2 as keys
from tokensvc_pb.v1 import session_service_pb2 as sessions
from tokensvc_pb.v1 import token_service_pb2 as tokens

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, eq=False)
class Rpc(Generic[Request, Answer]):
    """One method. `is_repeatable`: a second call does what the first did, whatever the request carries."""

    name: str
    request: type[Request]
    answer: type[Answer]
    is_repeatable: bool = False

    @property
    def path(self) -> str:
        """Its name on the wire."""
        return f"/tokensvc.v1.{self.name}"


ISSUE: Final = Rpc("TokenService/Issue", tokens.IssueRequest, tokens.IssueResponse)
REFRESH: Final = Rpc("TokenService/Refresh", tokens.RefreshRequest, tokens.RefreshResponse)
REVOKE: Final = Rpc("TokenService/Revoke", tokens.RevokeRequest, tokens.RevokeResponse, is_repeatable=True)
INTROSPECT: Final = Rpc("TokenService/Introspect", tokens.IntrospectRequest, tokens.IntrospectResponse)
BATCH_INTROSPECT: Final = Rpc(
    "TokenService/BatchIntrospect",
    tokens.BatchIntrospectRequest,
    tokens.BatchIntrospectResponse,
    is_repeatable=True,
)
EXCHANGE: Final = Rpc("TokenService/Exchange", tokens.ExchangeRequest, tokens.ExchangeResponse)
WATCH_REVOCATIONS: Final = Rpc(
    "TokenService/WatchRevocations", tokens.WatchRevocationsRequest, tokens.WatchRevocationsResponse
)

LIST_SESSIONS: Final = Rpc(
    "SessionService/ListSessions", sessions.ListSessionsRequest, sessions.ListSessionsResponse, is_repeatable=True
)
GET_SESSION: Final = Rpc(
    "SessionService/GetSession", sessions.GetSessionRequest, sessions.GetSessionResponse, is_repeatable=True
)
FLAG_SUBJECT: Final = Rpc("SessionService/FlagSubject", sessions.FlagSubjectRequest, sessions.FlagSubjectResponse)
UNFLAG_SUBJECT: Final = Rpc(
    "SessionService/UnflagSubject", sessions.UnflagSubjectRequest, sessions.UnflagSubjectResponse
)

GET_JWKS: Final = Rpc("KeyService/GetJwks", keys.GetJwksRequest, keys.GetJwksResponse, is_repeatable=True)
LIST_KEYS: Final = Rpc("KeyService/ListKeys", keys.ListKeysRequest, keys.ListKeysResponse, is_repeatable=True)
ROTATE_KEY: Final = Rpc("KeyService/RotateKey", keys.RotateKeyRequest, keys.RotateKeyResponse)
REVOKE_KEY: Final = Rpc("KeyService/RevokeKey", keys.RevokeKeyRequest, keys.RevokeKeyResponse)

CREATE_CLIENT: Final = Rpc("ClientService/CreateClient", clients.CreateClientRequest, clients.CreateClientResponse)
GET_CLIENT: Final = Rpc(
    "ClientService/GetClient", clients.GetClientRequest, clients.GetClientResponse, is_repeatable=True
)
LIST_CLIENTS: Final = Rpc(
    "ClientService/ListClients", clients.ListClientsRequest, clients.ListClientsResponse, is_repeatable=True
)
UPDATE_CLIENT: Final = Rpc("ClientService/UpdateClient", clients.UpdateClientRequest, clients.UpdateClientResponse)
DELETE_CLIENT: Final = Rpc("ClientService/DeleteClient", clients.DeleteClientRequest, clients.DeleteClientResponse)
ROTATE_CLIENT_SECRET: Final = Rpc(
    "ClientService/RotateClientSecret", clients.RotateClientSecretRequest, clients.RotateClientSecretResponse
)

LIST_AUDIT_EVENTS: Final = Rpc(
    "AuditService/ListAuditEvents", audit.ListAuditEventsRequest, audit.ListAuditEventsResponse, is_repeatable=True
)
WATCH_AUDIT_EVENTS: Final = Rpc(
    "AuditService/WatchAuditEvents", audit.WatchAuditEventsRequest, audit.WatchAuditEventsResponse
)
