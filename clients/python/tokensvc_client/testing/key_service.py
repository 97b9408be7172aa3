"""Owns KeyService: the public keys for everybody, and their rotation."""

from typing import Final

from tokensvc_pb.v1 import key_service_pb2 as pb

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import Refusal, invalid, required
from tokensvc_client.testing.keys import ALGORITHM, LEAD
from tokensvc_client.testing.moments import duration
from tokensvc_client.testing.state import State

_MAX_AGE: Final = 300_000  # milliseconds


def get_jwks(state: State, _request: pb.GetJwksRequest) -> pb.GetJwksResponse:
    """The public keys (RFC 7517, 5)."""
    return pb.GetJwksResponse(jwks=state.keys.jwks(state.now), max_age=duration(_MAX_AGE))


def list_keys(state: State, _caller: Client, _request: pb.ListKeysRequest) -> pb.ListKeysResponse:
    """All keys that sign."""
    return pb.ListKeysResponse(keys=state.keys.messages(state.now))


def rotate_key(state: State, caller: Client, request: pb.RotateKeyRequest) -> pb.RotateKeyResponse:
    """Prepare the next key."""
    _check_purpose(request.purpose)
    if request.algorithm not in ("", ALGORITHM):
        raise Refusal("NOT_IMPLEMENTED", f"the fake signs by {ALGORITHM} alone", "algorithm")
    key = state.keys.add(state.now, state.now if request.immediately else state.now + LEAD)
    state.log.add(changes_keys=True)
    state.record("key.rotated", caller=caller.client_id)
    return pb.RotateKeyResponse(key=state.keys.message(key, state.now))


def revoke_key(state: State, caller: Client, request: pb.RevokeKeyRequest) -> pb.RevokeKeyResponse:
    """End a key at once, with everything that it has signed."""
    _check_purpose(request.purpose)
    if not state.keys.revoke(required(request, "key_id"), state.now):
        raise Refusal("KEY_NOT_FOUND", "there is no key with this key_id and purpose", "key_id")
    state.record("key.revoked", caller=caller.client_id, reason=request.reason)
    return pb.RevokeKeyResponse(revision=state.log.add(changes_keys=True))


def _check_purpose(purpose: pb.KeyPurpose) -> None:
    if purpose == pb.KEY_PURPOSE_UNSPECIFIED:
        raise invalid("purpose", "purpose is none of those that there are")
    if purpose != pb.KEY_PURPOSE_SIGNING:
        raise Refusal("NOT_IMPLEMENTED", "the fake rotates signing keys alone", "purpose")
