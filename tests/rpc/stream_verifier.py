"""A verifier that knows the stream of WatchRevocations and the claims of a token, and asks nobody."""

import asyncio
import base64
import json
from typing import Any

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller

LIMIT = 30  # seconds after which a test has failed


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def watch(caller: Caller, from_revision: int = 0) -> Any:
    """A stream."""
    return caller.within(LIMIT).WatchRevocations(pb.WatchRevocationsRequest(from_revision=from_revision))


async def read(stream: Any) -> pb.WatchRevocationsResponse:
    """The next step."""
    step: pb.WatchRevocationsResponse = await asyncio.wait_for(stream.read(), LIMIT)
    assert step is not grpc.aio.EOF
    return step


class StreamVerifier:
    """Keeps every revocation that it is told, and goes through all of them for each token."""

    def __init__(self, stream: Any) -> None:
        self.revocations: list[pb.Revocation] = []
        self.revision = 0
        self.keys_changed = 0
        self._stream = stream

    async def follow(self, revision: int) -> None:
        """Read until everything up to `revision` is known."""
        while self.revision < revision:
            step = await read(self._stream)
            self.revocations += step.revocations
            self.revision = step.revision
            self.keys_changed += step.keys_changed

    def accepts(self, token: str) -> bool:
        """Whether nothing that it was told ends the token; its signature and its lifetime are another matter."""
        claims = claims_of(token)
        origins = claims.get("exchanged_from", [claims])
        return not any(_ends(revocation, origin) for revocation in self.revocations for origin in origins)


def _ends(revocation: pb.Revocation, claims: dict[str, Any]) -> bool:
    match revocation.WhichOneof("target"):
        case "token_id":
            return bool(claims["jti"] == revocation.token_id)
        case "session_id":
            return claims.get("sid") == revocation.session_id
        case "subject":
            concerned = claims.get("sub") == revocation.subject
        case "client_id":
            concerned = claims["client_id"] == revocation.client_id
        case "device":
            named = (claims.get("sub"), claims.get("device_id"))
            concerned = named == (revocation.device.subject, revocation.device.device_id)
        case _:
            raise AssertionError("a revocation of nothing")
    if revocation.HasField("issued_before"):
        before = revocation.issued_before.seconds * 1000 + revocation.issued_before.nanos // 1_000_000
        return concerned and round(claims["orig_iat"] * 1000) < before
    return bool(concerned and claims["rev"] < revocation.revision)
