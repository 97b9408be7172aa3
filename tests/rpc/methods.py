"""The methods of the contract: all of them are offered."""

from tokensvc_pb.v1 import (
    audit_service_pb2,
    client_service_pb2,
    key_service_pb2,
    session_service_pb2,
    token_service_pb2,
)

_FILES = (token_service_pb2, session_service_pb2, key_service_pb2, client_service_pb2, audit_service_pb2)
OFFERED = [
    method for file in _FILES for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods
]
