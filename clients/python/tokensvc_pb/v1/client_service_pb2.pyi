import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClientType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLIENT_TYPE_UNSPECIFIED: _ClassVar[ClientType]
    CLIENT_TYPE_CONFIDENTIAL: _ClassVar[ClientType]
    CLIENT_TYPE_PUBLIC: _ClassVar[ClientType]

class ClientAuthMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLIENT_AUTH_METHOD_UNSPECIFIED: _ClassVar[ClientAuthMethod]
    CLIENT_AUTH_METHOD_SECRET: _ClassVar[ClientAuthMethod]
    CLIENT_AUTH_METHOD_PRIVATE_KEY_JWT: _ClassVar[ClientAuthMethod]
    CLIENT_AUTH_METHOD_TLS: _ClassVar[ClientAuthMethod]

class Permission(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERMISSION_UNSPECIFIED: _ClassVar[Permission]
    PERMISSION_ISSUE: _ClassVar[Permission]
    PERMISSION_REFRESH: _ClassVar[Permission]
    PERMISSION_INTROSPECT: _ClassVar[Permission]
    PERMISSION_REVOKE: _ClassVar[Permission]
    PERMISSION_EXCHANGE: _ClassVar[Permission]
    PERMISSION_WATCH: _ClassVar[Permission]
    PERMISSION_ADMIN: _ClassVar[Permission]

class RotationPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROTATION_POLICY_UNSPECIFIED: _ClassVar[RotationPolicy]
    ROTATION_POLICY_ALWAYS: _ClassVar[RotationPolicy]
    ROTATION_POLICY_GRACEFUL: _ClassVar[RotationPolicy]
    ROTATION_POLICY_PERIODIC: _ClassVar[RotationPolicy]
    ROTATION_POLICY_SELECTIVE: _ClassVar[RotationPolicy]
    ROTATION_POLICY_NEVER: _ClassVar[RotationPolicy]

class RefreshTokenFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFRESH_TOKEN_FORMAT_UNSPECIFIED: _ClassVar[RefreshTokenFormat]
    REFRESH_TOKEN_FORMAT_OPAQUE: _ClassVar[RefreshTokenFormat]
    REFRESH_TOKEN_FORMAT_JWT: _ClassVar[RefreshTokenFormat]
    REFRESH_TOKEN_FORMAT_STATELESS_JWT: _ClassVar[RefreshTokenFormat]

class BindingAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BINDING_ACTION_UNSPECIFIED: _ClassVar[BindingAction]
    BINDING_ACTION_IGNORE: _ClassVar[BindingAction]
    BINDING_ACTION_AUDIT: _ClassVar[BindingAction]
    BINDING_ACTION_REJECT: _ClassVar[BindingAction]
    BINDING_ACTION_END_SESSION: _ClassVar[BindingAction]

class SessionLimitAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_LIMIT_ACTION_UNSPECIFIED: _ClassVar[SessionLimitAction]
    SESSION_LIMIT_ACTION_END_OLDEST: _ClassVar[SessionLimitAction]
    SESSION_LIMIT_ACTION_REFUSE: _ClassVar[SessionLimitAction]

class SenderConstraint(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SENDER_CONSTRAINT_UNSPECIFIED: _ClassVar[SenderConstraint]
    SENDER_CONSTRAINT_NONE: _ClassVar[SenderConstraint]
    SENDER_CONSTRAINT_DPOP: _ClassVar[SenderConstraint]
    SENDER_CONSTRAINT_TLS: _ClassVar[SenderConstraint]
CLIENT_TYPE_UNSPECIFIED: ClientType
CLIENT_TYPE_CONFIDENTIAL: ClientType
CLIENT_TYPE_PUBLIC: ClientType
CLIENT_AUTH_METHOD_UNSPECIFIED: ClientAuthMethod
CLIENT_AUTH_METHOD_SECRET: ClientAuthMethod
CLIENT_AUTH_METHOD_PRIVATE_KEY_JWT: ClientAuthMethod
CLIENT_AUTH_METHOD_TLS: ClientAuthMethod
PERMISSION_UNSPECIFIED: Permission
PERMISSION_ISSUE: Permission
PERMISSION_REFRESH: Permission
PERMISSION_INTROSPECT: Permission
PERMISSION_REVOKE: Permission
PERMISSION_EXCHANGE: Permission
PERMISSION_WATCH: Permission
PERMISSION_ADMIN: Permission
ROTATION_POLICY_UNSPECIFIED: RotationPolicy
ROTATION_POLICY_ALWAYS: RotationPolicy
ROTATION_POLICY_GRACEFUL: RotationPolicy
ROTATION_POLICY_PERIODIC: RotationPolicy
ROTATION_POLICY_SELECTIVE: RotationPolicy
ROTATION_POLICY_NEVER: RotationPolicy
REFRESH_TOKEN_FORMAT_UNSPECIFIED: RefreshTokenFormat
REFRESH_TOKEN_FORMAT_OPAQUE: RefreshTokenFormat
REFRESH_TOKEN_FORMAT_JWT: RefreshTokenFormat
REFRESH_TOKEN_FORMAT_STATELESS_JWT: RefreshTokenFormat
BINDING_ACTION_UNSPECIFIED: BindingAction
BINDING_ACTION_IGNORE: BindingAction
BINDING_ACTION_AUDIT: BindingAction
BINDING_ACTION_REJECT: BindingAction
BINDING_ACTION_END_SESSION: BindingAction
SESSION_LIMIT_ACTION_UNSPECIFIED: SessionLimitAction
SESSION_LIMIT_ACTION_END_OLDEST: SessionLimitAction
SESSION_LIMIT_ACTION_REFUSE: SessionLimitAction
SENDER_CONSTRAINT_UNSPECIFIED: SenderConstraint
SENDER_CONSTRAINT_NONE: SenderConstraint
SENDER_CONSTRAINT_DPOP: SenderConstraint
SENDER_CONSTRAINT_TLS: SenderConstraint

class BindingPolicy(_message.Message):
    __slots__ = ("device", "ip", "user_agent", "credential_version", "ipv4_prefix_length", "ipv6_prefix_length")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_VERSION_FIELD_NUMBER: _ClassVar[int]
    IPV4_PREFIX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    IPV6_PREFIX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    device: BindingAction
    ip: BindingAction
    user_agent: BindingAction
    credential_version: BindingAction
    ipv4_prefix_length: int
    ipv6_prefix_length: int
    def __init__(self, device: _Optional[_Union[BindingAction, str]] = ..., ip: _Optional[_Union[BindingAction, str]] = ..., user_agent: _Optional[_Union[BindingAction, str]] = ..., credential_version: _Optional[_Union[BindingAction, str]] = ..., ipv4_prefix_length: _Optional[int] = ..., ipv6_prefix_length: _Optional[int] = ...) -> None: ...

class TokenPolicy(_message.Message):
    __slots__ = ("access_ttl", "refresh_idle_ttl", "refresh_absolute_ttl", "retry_window", "scopes", "audiences", "rotation", "rotation_interval", "refresh_token_format", "max_sessions", "session_limit_action", "binding", "sender_constraint")
    ACCESS_TTL_FIELD_NUMBER: _ClassVar[int]
    REFRESH_IDLE_TTL_FIELD_NUMBER: _ClassVar[int]
    REFRESH_ABSOLUTE_TTL_FIELD_NUMBER: _ClassVar[int]
    RETRY_WINDOW_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    ROTATION_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_FORMAT_FIELD_NUMBER: _ClassVar[int]
    MAX_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    SESSION_LIMIT_ACTION_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    SENDER_CONSTRAINT_FIELD_NUMBER: _ClassVar[int]
    access_ttl: _duration_pb2.Duration
    refresh_idle_ttl: _duration_pb2.Duration
    refresh_absolute_ttl: _duration_pb2.Duration
    retry_window: _duration_pb2.Duration
    scopes: _containers.RepeatedScalarFieldContainer[str]
    audiences: _containers.RepeatedScalarFieldContainer[str]
    rotation: RotationPolicy
    rotation_interval: _duration_pb2.Duration
    refresh_token_format: RefreshTokenFormat
    max_sessions: int
    session_limit_action: SessionLimitAction
    binding: BindingPolicy
    sender_constraint: SenderConstraint
    def __init__(self, access_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., refresh_idle_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., refresh_absolute_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., scopes: _Optional[_Iterable[str]] = ..., audiences: _Optional[_Iterable[str]] = ..., rotation: _Optional[_Union[RotationPolicy, str]] = ..., rotation_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., refresh_token_format: _Optional[_Union[RefreshTokenFormat, str]] = ..., max_sessions: _Optional[int] = ..., session_limit_action: _Optional[_Union[SessionLimitAction, str]] = ..., binding: _Optional[_Union[BindingPolicy, _Mapping]] = ..., sender_constraint: _Optional[_Union[SenderConstraint, str]] = ...) -> None: ...

class ExchangePolicy(_message.Message):
    __slots__ = ("subject_clients", "audiences", "scopes")
    SUBJECT_CLIENTS_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    subject_clients: _containers.RepeatedScalarFieldContainer[str]
    audiences: _containers.RepeatedScalarFieldContainer[str]
    scopes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subject_clients: _Optional[_Iterable[str]] = ..., audiences: _Optional[_Iterable[str]] = ..., scopes: _Optional[_Iterable[str]] = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ("per_second", "burst")
    PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    per_second: float
    burst: int
    def __init__(self, per_second: _Optional[float] = ..., burst: _Optional[int] = ...) -> None: ...

class ClientKeys(_message.Message):
    __slots__ = ("jwks", "algorithms", "tls_spiffe_id", "tls_dns_name", "tls_sha256")
    JWKS_FIELD_NUMBER: _ClassVar[int]
    ALGORITHMS_FIELD_NUMBER: _ClassVar[int]
    TLS_SPIFFE_ID_FIELD_NUMBER: _ClassVar[int]
    TLS_DNS_NAME_FIELD_NUMBER: _ClassVar[int]
    TLS_SHA256_FIELD_NUMBER: _ClassVar[int]
    jwks: str
    algorithms: _containers.RepeatedScalarFieldContainer[str]
    tls_spiffe_id: str
    tls_dns_name: str
    tls_sha256: str
    def __init__(self, jwks: _Optional[str] = ..., algorithms: _Optional[_Iterable[str]] = ..., tls_spiffe_id: _Optional[str] = ..., tls_dns_name: _Optional[str] = ..., tls_sha256: _Optional[str] = ...) -> None: ...

class Client(_message.Message):
    __slots__ = ("client_id", "name", "type", "disabled", "permissions", "acts_for", "audiences", "token_policy", "auth_method", "keys", "rate_limit", "exchange_policy", "created_at", "updated_at")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    ACTS_FOR_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_POLICY_FIELD_NUMBER: _ClassVar[int]
    AUTH_METHOD_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    name: str
    type: ClientType
    disabled: bool
    permissions: _containers.RepeatedScalarFieldContainer[Permission]
    acts_for: _containers.RepeatedScalarFieldContainer[str]
    audiences: _containers.RepeatedScalarFieldContainer[str]
    token_policy: TokenPolicy
    auth_method: ClientAuthMethod
    keys: ClientKeys
    rate_limit: RateLimit
    exchange_policy: ExchangePolicy
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, client_id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[ClientType, str]] = ..., disabled: _Optional[bool] = ..., permissions: _Optional[_Iterable[_Union[Permission, str]]] = ..., acts_for: _Optional[_Iterable[str]] = ..., audiences: _Optional[_Iterable[str]] = ..., token_policy: _Optional[_Union[TokenPolicy, _Mapping]] = ..., auth_method: _Optional[_Union[ClientAuthMethod, str]] = ..., keys: _Optional[_Union[ClientKeys, _Mapping]] = ..., rate_limit: _Optional[_Union[RateLimit, _Mapping]] = ..., exchange_policy: _Optional[_Union[ExchangePolicy, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateClientRequest(_message.Message):
    __slots__ = ("client",)
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: Client
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ...) -> None: ...

class CreateClientResponse(_message.Message):
    __slots__ = ("client", "client_secret")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    client: Client
    client_secret: str
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ..., client_secret: _Optional[str] = ...) -> None: ...

class GetClientRequest(_message.Message):
    __slots__ = ("client_id",)
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    def __init__(self, client_id: _Optional[str] = ...) -> None: ...

class GetClientResponse(_message.Message):
    __slots__ = ("client",)
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: Client
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ...) -> None: ...

class ListClientsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListClientsResponse(_message.Message):
    __slots__ = ("clients", "next_page_token")
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    clients: _containers.RepeatedCompositeFieldContainer[Client]
    next_page_token: str
    def __init__(self, clients: _Optional[_Iterable[_Union[Client, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateClientRequest(_message.Message):
    __slots__ = ("client", "update_mask")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    client: Client
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateClientResponse(_message.Message):
    __slots__ = ("client",)
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: Client
    def __init__(self, client: _Optional[_Union[Client, _Mapping]] = ...) -> None: ...

class DeleteClientRequest(_message.Message):
    __slots__ = ("client_id",)
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    def __init__(self, client_id: _Optional[str] = ...) -> None: ...

class DeleteClientResponse(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class RotateClientSecretRequest(_message.Message):
    __slots__ = ("client_id", "overlap")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    overlap: _duration_pb2.Duration
    def __init__(self, client_id: _Optional[str] = ..., overlap: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RotateClientSecretResponse(_message.Message):
    __slots__ = ("client_secret", "previous_expires_at")
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    client_secret: str
    previous_expires_at: _timestamp_pb2.Timestamp
    def __init__(self, client_secret: _Optional[str] = ..., previous_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
