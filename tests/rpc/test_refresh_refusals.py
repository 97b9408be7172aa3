"""What a Refresh is refused for, and that a refusal consumes nothing."""

import base64
from typing import Any

import pytest

from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import change_policy, introspect, issue, refresh, sealed
from tests.rpc.tables import tables_of
from tokensvc.domain.policy import BindingAction, BindingPolicy
from tokensvc.services.clients import OPERATOR


async def test_another_clients_token_is_refused_and_still_works(service: Service, bff: Caller) -> None:
    """A caller that may not act for the token's client is refused, nothing is consumed, the owner can refresh."""
    thief = await service.caller("thief", acts_for=frozenset())
    issued = await issue(bff)
    before = tables_of(service)
    refused = await failure(refresh(thief, issued.refresh_token))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CLIENT_MISMATCH")
    assert tables_of(service) == before
    assert (await refresh(bff, issued.refresh_token)).refresh_token


async def test_an_old_token_in_the_wrong_hands_reveals_nothing(service: Service, bff: Caller) -> None:
    """A caller that may not act for the client cannot trip reuse detection, and hears nothing of the generation."""
    thief = await service.caller("thief", acts_for=frozenset())
    first = (await issue(bff)).refresh_token
    third = await refresh(bff, (await refresh(bff, first)).refresh_token)
    assert (await failure(refresh(thief, first))) == (await failure(refresh(thief, third.refresh_token)))
    assert (await refresh(bff, third.refresh_token)).refresh_token


async def test_naming_another_client_consumes_nothing(service: Service, bff: Caller) -> None:
    """A client_id that is not the token's is refused, and the token works afterwards."""
    await service.public_client("app")
    issued = await issue(bff)
    before = tables_of(service)
    refused = await failure(refresh(bff, issued.refresh_token, client_id="app"))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CLIENT_MISMATCH")
    assert tables_of(service) == before
    assert (await refresh(bff, issued.refresh_token, client_id="bff")).refresh_token


async def test_a_caller_that_is_not_recognised_consumes_nothing(service: Service, bff: Caller) -> None:
    """With a wrong secret nothing happens to the token, and the true caller can refresh."""
    issued = await issue(bff)
    before = tables_of(service)
    impostor = Caller("bff", "wrong", service.channel)
    assert (await failure(refresh(impostor, issued.refresh_token))).reason == "CALLER_UNAUTHENTICATED"
    assert tables_of(service) == before
    assert (await refresh(bff, issued.refresh_token)).refresh_token


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"scopes": ["read", "write"]}, "INVALID_SCOPE"), ({"audiences": ["billing"]}, "INVALID_AUDIENCE")],
)
async def test_a_wider_wish_consumes_nothing(
    service: Service, bff: Caller, fields: dict[str, Any], reason: str
) -> None:
    """A scope or audience beyond the grant is refused with its field named, and the token works afterwards."""
    issued = await issue(bff, scopes=["read"], audiences=["api"])
    before = tables_of(service)
    refused = await failure(refresh(bff, issued.refresh_token, **fields))
    assert (refused.code.name, refused.reason, refused.fields) == ("INVALID_ARGUMENT", reason, tuple(fields))
    assert tables_of(service) == before
    assert (await refresh(bff, issued.refresh_token)).refresh_token


async def test_what_the_policy_no_longer_allows_is_not_handed_out_again(service: Service, bff: Caller) -> None:
    """A scope and an audience taken from the client's policy are missing at the next refresh of an old session."""
    issued = await issue(bff)
    await change_policy(service, "bff", scopes=("read",), audiences=("api",))
    refreshed = await refresh(bff, issued.refresh_token)
    seen = await introspect(bff, refreshed.access_token)
    assert refreshed.scopes == seen.scopes == ["read"]
    assert seen.audiences == ["api"]


async def test_asking_for_a_withdrawn_scope_is_refused(service: Service, bff: Caller) -> None:
    """A scope of the grant that the policy has lost is refused by name as well."""
    issued = await issue(bff)
    await change_policy(service, "bff", scopes=("read",))
    assert (await failure(refresh(bff, issued.refresh_token, scopes=["write"]))).reason == "INVALID_SCOPE"


async def test_a_session_with_no_audience_left_is_refused(service: Service, bff: Caller) -> None:
    """When the policy has lost every audience of the grant, no token for nobody is made and nothing is consumed."""
    issued = await issue(bff, audiences=["billing"])
    await change_policy(service, "bff", audiences=("api",))
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "INVALID_AUDIENCE"
    await change_policy(service, "bff", audiences=("api", "billing"))
    assert (await refresh(bff, issued.refresh_token)).refresh_token


async def test_a_disabled_client_cannot_refresh(service: Service, bff: Caller) -> None:
    """The tokens of a disabled client are not refreshed and introspect inactive."""
    await service.public_client("app")
    issued = await issue(bff, client_id="app")
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)
    refused = await failure(refresh(bff, issued.refresh_token))
    assert (refused.code.name, refused.reason) == ("PERMISSION_DENIED", "CLIENT_DISABLED")
    assert not (await introspect(bff, issued.access_token)).active
    assert not (await introspect(bff, issued.refresh_token)).active


async def test_enabling_a_client_revives_no_session(service: Service, bff: Caller) -> None:
    """What a client held when it was disabled stays dead after it is enabled again."""
    await service.public_client("app")
    issued = await issue(bff, client_id="app")
    await service.clients.set_disabled("app", disabled=True, caller=OPERATOR)
    await service.clients.set_disabled("app", disabled=False, caller=OPERATOR)
    assert (await failure(refresh(bff, issued.refresh_token))).reason == "REFRESH_TOKEN_REVOKED"
    assert not (await introspect(bff, issued.access_token)).active


async def test_any_flipped_bit_makes_a_token_invalid(bff: Caller) -> None:
    """Each of the token's bits counts: with any one flipped it is refused, and the true token still works."""
    issued = await issue(bff)
    prefix, encoded = issued.refresh_token[:5], issued.refresh_token[5:]
    body = base64.urlsafe_b64decode(encoded + "==")
    for bit in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        forged = prefix + base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()
        assert (await failure(refresh(bff, forged))).reason == "REFRESH_TOKEN_INVALID", bit
    assert (await refresh(bff, issued.refresh_token)).refresh_token


async def test_any_other_spelling_of_a_token_is_invalid(bff: Caller) -> None:
    """Truncated, extended, padded, re-cased or re-prefixed, a token is not the token."""
    token = (await issue(bff)).refresh_token
    last = chr(ord(token[-1]) + 1)
    truncated = [token[:length] for length in range(1, len(token))]
    spellings = [token + "A", token + "=", token + "==", token + "\n", " " + token, token.swapcase(), token[:-1] + last]
    prefixes = ["tsr2_" + token[5:], "TSR1_" + token[5:], token[5:], "tsr1_" + token, "tsr1_" + "-" * 50, "é" * 55]
    for forged in truncated + spellings + prefixes:
        assert (await failure(refresh(bff, forged))).reason == "REFRESH_TOKEN_INVALID", forged


async def test_an_access_token_is_no_refresh_token(bff: Caller) -> None:
    """An access token presented to Refresh is as invalid as any other text."""
    issued = await issue(bff)
    refused = await failure(refresh(bff, issued.access_token))
    assert (refused.code.name, refused.reason) == ("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID")


async def test_a_genuine_token_without_a_session_is_invalid(service: Service, bff: Caller) -> None:
    """A token that our key made for a session that does not exist is answered as a forged one is."""
    genuine = sealed(service, bytes(16), 0)
    assert await failure(refresh(bff, genuine)) == await failure(refresh(bff, "nonsense"))


async def test_a_session_bound_to_its_device_is_refreshed_from_there_alone(service: Service) -> None:
    """Under a policy that binds the device, another or no device is refused before the generation is looked at."""
    bound = await service.caller("bound", policy=policy_of(binding=BindingPolicy(device=BindingAction.REJECT)))
    issued = await issue(bound, device={"id": "phone-1"})
    second = await refresh(bound, issued.refresh_token, device_id="phone-1")
    third = await refresh(bound, second.refresh_token, device_id="phone-1")
    before = tables_of(service)
    for token in (issued.refresh_token, third.refresh_token):
        for device_id in ("phone-2", ""):
            refused = await failure(refresh(bound, token, device_id=device_id))
            assert (refused.code.name, refused.reason) == ("UNAUTHENTICATED", "BINDING_MISMATCH")
    assert tables_of(service) == before
    assert (await refresh(bound, third.refresh_token, device_id="phone-1")).refresh_token


async def test_without_the_policy_the_device_is_not_compared(bff: Caller) -> None:
    """A policy that does not bind the device lets any device refresh."""
    issued = await issue(bff, device={"id": "phone-1"})
    assert (await refresh(bff, issued.refresh_token, device_id="phone-2")).refresh_token


async def test_changed_credentials_end_the_old_sessions(service: Service, bff: Caller) -> None:
    """A Refresh that names another credential version fails, for old generations too, and consumes nothing."""
    issued = await issue(bff, credential_version="password-1")
    second = await refresh(bff, issued.refresh_token, credential_version="password-1")
    third = await refresh(bff, second.refresh_token, credential_version="password-1")
    before = tables_of(service)
    for token in (issued.refresh_token, third.refresh_token):
        refused = await failure(refresh(bff, token, credential_version="password-2"))
        assert (refused.code.name, refused.reason) == ("UNAUTHENTICATED", "CREDENTIAL_CHANGED")
    assert tables_of(service) == before


@pytest.mark.parametrize(("at_issue", "at_refresh"), [("", ""), ("", "v1"), ("v1", ""), ("v1", "v1")])
async def test_a_credential_version_is_compared_where_both_know_one(
    bff: Caller, at_issue: str, at_refresh: str
) -> None:
    """Without a version at Issue or at Refresh there is nothing to compare."""
    issued = await issue(bff, credential_version=at_issue)
    assert (await refresh(bff, issued.refresh_token, credential_version=at_refresh)).refresh_token
