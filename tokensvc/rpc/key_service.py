"""Owns KeyService: the public keys for everybody, and the rotation of all keys for administrators."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.duration_pb2 import Duration
from tokensvc_pb.v1 import key_service_pb2 as pb

from tokensvc.domain.errors import invalid
from tokensvc.domain.keys import KeyPurpose, KeyState, StoredKey
from tokensvc.domain.value import value
from tokensvc.ports import AccessTokens
from tokensvc.rpc.convert import timestamp
from tokensvc.rpc.guard import Method, OpenMethod
from tokensvc.rpc.incoming import Context
from tokensvc.services.call import Call
from tokensvc.services.keys import KeyAdministration

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["KeyService"]

_NUMBERS: Final = {
    KeyPurpose.SIGNING: pb.KEY_PURPOSE_SIGNING,
    KeyPurpose.REFRESH_MAC: pb.KEY_PURPOSE_REFRESH_MAC,
    KeyPurpose.SESSION_MAC: pb.KEY_PURPOSE_SESSION_MAC,
}
_PURPOSES: Final[Mapping[int, KeyPurpose]] = {number: purpose for purpose, number in _NUMBERS.items()}
_STATES: Final = {
    KeyState.PREPARED: pb.KEY_STATE_PREPARED,
    KeyState.ACTIVE: pb.KEY_STATE_ACTIVE,
    KeyState.RETIRING: pb.KEY_STATE_RETIRING,
    KeyState.RETIRED: pb.KEY_STATE_RETIRED,
}


@value(frozen=True, slots=True)
class KeyService:
    """The RPCs of KeyService."""

    access_tokens: AccessTokens
    administration: KeyAdministration
    max_age: int
    """Seconds for which the public keys may be kept."""

    def methods(self) -> Mapping[str, Method | OpenMethod]:
        """The methods by their names in the proto."""
        return {
            "GetJwks": OpenMethod(self.get_jwks),
            "ListKeys": Method(self.list_keys),
            "RotateKey": Method(self.rotate_key),
            "RevokeKey": Method(self.revoke_key),
        }

    async def get_jwks(self, _request: pb.GetJwksRequest, _context: Context) -> pb.GetJwksResponse:
        """RFC 7517, 5."""
        await self.administration.look()
        return pb.GetJwksResponse(jwks=self.access_tokens.jwks(), max_age=Duration(seconds=self.max_age))

    async def list_keys(self, call: Call, _request: pb.ListKeysRequest) -> pb.ListKeysResponse:
        """All keys."""
        return pb.ListKeysResponse(keys=[_message(*found) for found in self.administration.list_keys(call)])

    async def rotate_key(self, call: Call, request: pb.RotateKeyRequest) -> pb.RotateKeyResponse:
        """Prepare the next key."""
        purpose = _purpose(request.purpose)
        made = await self.administration.rotate(call, purpose, request.algorithm, immediately=request.immediately)
        return pb.RotateKeyResponse(key=_message(*made))

    async def revoke_key(self, call: Call, request: pb.RevokeKeyRequest) -> pb.RevokeKeyResponse:
        """End a key at once."""
        purpose = _purpose(request.purpose)
        revision = await self.administration.revoke(call, request.key_id, purpose, request.reason)
        return pb.RevokeKeyResponse(revision=revision)


def _purpose(number: int) -> KeyPurpose:
    purpose = _PURPOSES.get(number)
    if purpose is None:
        raise invalid("purpose", "purpose is none of those that there are")
    return purpose


def _message(key: StoredKey, state: KeyState) -> pb.Key:
    return pb.Key(
        key_id=key.key_id,
        purpose=_NUMBERS[key.purpose],
        algorithm=key.algorithm,
        state=_STATES[state],
        created_at=timestamp(key.created_at),
        activates_at=timestamp(key.activates_at),
        retires_at=timestamp(key.retires_at) if key.retires_at is not None else None,
        public_jwk=key.public_jwk,
    )
