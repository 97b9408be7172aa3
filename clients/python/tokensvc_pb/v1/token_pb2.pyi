from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TokenUse(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOKEN_USE_UNSPECIFIED: _ClassVar[TokenUse]
    TOKEN_USE_ACCESS: _ClassVar[TokenUse]
    TOKEN_USE_REFRESH: _ClassVar[TokenUse]
TOKEN_USE_UNSPECIFIED: TokenUse
TOKEN_USE_ACCESS: TokenUse
TOKEN_USE_REFRESH: TokenUse

class Device(_message.Message):
    __slots__ = ("id", "name", "platform")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    platform: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., platform: _Optional[str] = ...) -> None: ...

class ClientContext(_message.Message):
    __slots__ = ("ip", "user_agent", "location")
    IP_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    ip: str
    user_agent: str
    location: str
    def __init__(self, ip: _Optional[str] = ..., user_agent: _Optional[str] = ..., location: _Optional[str] = ...) -> None: ...

class Confirmation(_message.Message):
    __slots__ = ("jkt", "x5t_s256")
    JKT_FIELD_NUMBER: _ClassVar[int]
    X5T_S256_FIELD_NUMBER: _ClassVar[int]
    jkt: str
    x5t_s256: str
    def __init__(self, jkt: _Optional[str] = ..., x5t_s256: _Optional[str] = ...) -> None: ...

class DpopProof(_message.Message):
    __slots__ = ("proof", "method", "uri")
    PROOF_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    proof: str
    method: str
    uri: str
    def __init__(self, proof: _Optional[str] = ..., method: _Optional[str] = ..., uri: _Optional[str] = ...) -> None: ...
