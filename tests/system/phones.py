"""Phones that refresh at two nodes, and verifiers beside them that keep the public keys for a while."""

import json
import time
from collections.abc import Callable

import jwt
from tokensvc_pb.v1 import key_service_pb2 as keys_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller

CACHED = 1.5  # seconds for which a verifier keeps the public keys, whatever it meets


class Verifier:
    """Verifies access tokens by the public keys, which it fetches anew when they are old, and for no other reason."""

    def __init__(self, node: Caller) -> None:
        self._node = node
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -CACHED

    async def verify(self, token: str) -> str:
        """Answer the algorithm of `token`; fails if it does not verify."""
        if time.monotonic() - self._fetched_at >= CACHED:
            document = json.loads((await self._node.GetJwks(keys_pb.GetJwksRequest())).jwks)
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in document["keys"]}
            self._fetched_at = time.monotonic()
        header = jwt.get_unverified_header(token)
        jwt.decode(token, self._keys[header["kid"]], algorithms=[header["alg"]], audience="api", leeway=1)
        return str(header["alg"])


async def phone(nodes: tuple[Caller, Caller], subject: str, is_over: Callable[[], bool]) -> set[tuple[str, str]]:
    """Refresh at one node and then the other, with a retry each time; every token must be good everywhere.

    Answers the algorithms of the access tokens with the MAC keys of the refresh tokens beside them.
    """
    verifiers, seen = [Verifier(node) for node in nodes], set()
    token = (await nodes[0].Issue(pb.IssueRequest(subject=subject))).refresh_token
    turn = 0
    while not is_over():
        one, other = nodes if turn % 2 else nodes[::-1]
        turn += 1
        request = pb.RefreshRequest(refresh_token=token)
        refreshed, retried = await one.Refresh(request), await other.Refresh(request)
        assert is_stateless(token) or retried.refresh_token == refreshed.refresh_token
        token = refreshed.refresh_token
        for text in (refreshed.access_token, retried.access_token, token):
            assert (await other.Introspect(pb.IntrospectRequest(token=text))).active
        for verifier in verifiers:
            seen.add((await verifier.verify(refreshed.access_token), key_of(token)))
    return seen


def is_stateless(token: str) -> bool:
    """Whether a refresh token, which is opaque or stateless here, is the latter."""
    return not token.startswith("tsr1_")


def key_of(token: str) -> str:
    """The MAC key that a refresh token names; what a stateless one names says so."""
    if is_stateless(token):
        return str(jwt.get_unverified_header(token)["kid"])
    return str(jwt.utils.base64url_decode(token.removeprefix("tsr1_"))[0])
