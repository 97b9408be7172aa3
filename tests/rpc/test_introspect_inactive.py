"""Every cause of inactive is answered with the same bytes."""

import base64
import json
from collections.abc import Awaitable, Callable

import jwt
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, policy_of
from tests.rpc.steps import issue, refresh, revoke, sealed
from tokensvc.domain.client import Permission
from tokensvc.services.clients import OPERATOR

Tokens = Callable[[Service, Caller], Awaitable[str]]


async def _expired_access(service: Service, bff: Caller) -> str:
    token = (await issue(bff)).access_token
    service.clock.advance(seconds=301)
    return token


async def _expired_refresh(service: Service, bff: Caller) -> str:
    token = (await issue(bff)).refresh_token
    service.clock.advance(days=31)
    return token


async def _revoked_access(_: Service, bff: Caller) -> str:
    token = (await issue(bff)).access_token
    await revoke(bff, token=token)
    return token


async def _access_of_ended_session(_: Service, bff: Caller) -> str:
    issued = await issue(bff)
    await revoke(bff, session_id=issued.session_id)
    return issued.access_token


async def _refresh_of_ended_session(_: Service, bff: Caller) -> str:
    issued = await issue(bff)
    await revoke(bff, session_id=issued.session_id)
    return issued.refresh_token


async def _access_of_ended_subject(_: Service, bff: Caller) -> str:
    token = (await issue(bff)).access_token
    await revoke(bff, subject="ada")
    return token


async def _refresh_of_ended_subject(_: Service, bff: Caller) -> str:
    token = (await issue(bff)).refresh_token
    await revoke(bff, subject="ada")
    return token


async def _consumed_refresh(_: Service, bff: Caller) -> str:
    token = (await issue(bff)).refresh_token
    await refresh(bff, token)
    return token


async def _of_a_disabled_client(service: Service, bff: Caller) -> str:
    await service.public_client("app")
    token = (await issue(bff, client_id="app")).access_token
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)
    return token


async def _for_another_audience(service: Service, _: Caller) -> str:
    other = await service.caller("other", policy=policy_of(audiences=("mail",)))
    return (await issue(other)).access_token


async def _refresh_token_of_a_stranger(service: Service, _: Caller) -> str:
    return (await issue(await service.caller("stranger"))).refresh_token


async def _unknown_refresh(service: Service, _: Caller) -> str:
    return sealed(service, bytes(16), 0)


async def _tampered_access(_: Service, bff: Caller) -> str:
    header, claims, signature = (await issue(bff)).access_token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"sub": "eve"}
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b'=').decode()}.{signature}"


async def _unsigned(_: Service, bff: Caller) -> str:
    token = (await issue(bff)).access_token
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, None, algorithm="none", headers={"typ": "at+jwt"})


async def _signed_with_the_public_key(_: Service, bff: Caller) -> str:
    token = (await issue(bff)).access_token
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = {"typ": "at+jwt", "kid": jwt.get_unverified_header(token)["kid"]}
    return jwt.encode(claims, "a public key taken for a secret, long enough for HS256", "HS256", headers=headers)


async def _truncated_refresh(_: Service, bff: Caller) -> str:
    return (await issue(bff)).refresh_token[:-1]


async def _nonsense(_: Service, __: Caller) -> str:
    return "nonsense"


async def _with_other_characters(_: Service, __: Caller) -> str:
    return "a.b.\u00e9\u2603\n\x00"


async def _dots(_: Service, __: Caller) -> str:
    return "." * 100_000


async def _megabyte(_: Service, __: Caller) -> str:
    return f"{'A' * 1_000_000}.e30.AAAA"


CAUSES: list[Tokens] = [
    _expired_access,
    _expired_refresh,
    _revoked_access,
    _access_of_ended_session,
    _refresh_of_ended_session,
    _access_of_ended_subject,
    _refresh_of_ended_subject,
    _consumed_refresh,
    _of_a_disabled_client,
    _for_another_audience,
    _refresh_token_of_a_stranger,
    _unknown_refresh,
    _tampered_access,
    _unsigned,
    _signed_with_the_public_key,
    _truncated_refresh,
    _nonsense,
    _with_other_characters,
    _dots,
    _megabyte,
]


async def _bytes_on_the_wire(caller: Caller, method: str, request: bytes) -> tuple[bytes, tuple[object, ...]]:
    call = caller.channel.unary_unary(f"/tokensvc.v1.TokenService/{method}")(request, metadata=caller.metadata)
    answer = await call
    return answer, (*(await call.initial_metadata() or ()), *(await call.trailing_metadata() or ()))


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__.strip("_"))
async def test_inactive_is_an_empty_message(service: Service, bff: Caller, cause: Tokens) -> None:
    """Whatever the cause, the answer is an empty message and metadata without a word, one by one and in a batch."""
    reader = await service.caller("reader", permissions=frozenset({Permission.INTROSPECT}), acts_for=frozenset({"bff"}))
    token = await cause(service, bff)
    single = pb.IntrospectRequest(token=token).SerializeToString()
    assert await _bytes_on_the_wire(reader, "Introspect", single) == (b"", ())
    batch = await reader.BatchIntrospect(pb.BatchIntrospectRequest(tokens=[token]))
    assert [result.SerializeToString() for result in batch.results] == [b""]


async def test_a_living_token_is_not_answered_so(service: Service, bff: Caller) -> None:
    """The caller of the test above does see what is alive: the empty answers are not its own fault."""
    reader = await service.caller("reader", permissions=frozenset({Permission.INTROSPECT}), acts_for=frozenset({"bff"}))
    issued = await issue(bff)
    batch = await reader.BatchIntrospect(pb.BatchIntrospectRequest(tokens=[issued.access_token, issued.refresh_token]))
    assert [result.active for result in batch.results] == [True, True]
