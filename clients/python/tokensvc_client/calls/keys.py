"""Owns the methods of KeyService."""

from tokensvc_pb.v1 import key_service_pb2 as pb

from tokensvc_client import rpcs
from tokensvc_client.caller import Caller
from tokensvc_client.values.keys import Jwks, Key, KeyPurpose
from tokensvc_client.values.plain import read, read_all, write
from tokensvc_client.values.tokens import Change


class KeyCalls:
    """Publishes and rotates keys. Every method fails with TokenServiceError; `timeout` is in seconds."""

    _caller: Caller

    async def get_jwks(self, *, timeout: float | None = None) -> Jwks:
        """The public keys that verify access tokens. Needs no credentials."""
        answer = await self._caller.call(rpcs.GET_JWKS, pb.GetJwksRequest(), self._caller.deadline(timeout))
        return read(Jwks, answer)

    async def list_keys(self, *, timeout: float | None = None) -> tuple[Key, ...]:
        """All keys with their states, newest first."""
        answer = await self._caller.call(rpcs.LIST_KEYS, pb.ListKeysRequest(), self._caller.deadline(timeout))
        return read_all(Key, answer.keys)

    async def rotate_key(
        self, purpose: KeyPurpose, *, algorithm: str = "", immediately: bool = False, timeout: float | None = None
    ) -> Key:
        """Prepare the next key of a purpose, by the present algorithm unless another is named.

        It becomes active when every cache can know it, or at once if it has to be `immediately`.
        """
        fields = {"purpose": purpose, "algorithm": algorithm, "immediately": immediately}
        request = write(pb.RotateKeyRequest(), fields)
        answer = await self._caller.call(rpcs.ROTATE_KEY, request, self._caller.deadline(timeout))
        return read(Key, answer.key)

    async def revoke_key(
        self, key_id: str, *, purpose: KeyPurpose, reason: str = "", timeout: float | None = None
    ) -> Change:
        """End a key at once, with everything that it has signed. Fails with KeyNotFoundError."""
        request = write(pb.RevokeKeyRequest(), {"key_id": key_id, "purpose": purpose, "reason": reason})
        answer = await self._caller.call(rpcs.REVOKE_KEY, request, self._caller.deadline(timeout))
        return read(Change, answer)
