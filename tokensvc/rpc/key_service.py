"""Owns KeyService: the public keys, for everybody."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from tokensvc_pb.v1 import key_service_pb2 as pb

from tokensvc.ports import AccessTokens
from tokensvc.rpc.guard import Context, OpenMethod

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["KeyService"]

_MAX_AGE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class KeyService:
    """The RPCs of KeyService."""

    access_tokens: AccessTokens

    def methods(self) -> Mapping[str, OpenMethod]:
        """The methods by their names in the proto."""
        return {"GetJwks": OpenMethod(self.get_jwks)}

    async def get_jwks(self, _request: pb.GetJwksRequest, _context: Context) -> pb.GetJwksResponse:
        """RFC 7517, 5."""
        return pb.GetJwksResponse(jwks=self.access_tokens.jwks(), max_age=Duration(seconds=_MAX_AGE_SECONDS))
