"""Texts with half a character (a lone surrogate), as JSON may bring them: no message can carry one."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

import grpc
import pytest
from flavours import Flavour
from scripted import Scripted
from tokensvc_client import AuditFilter, Client, Device, DeviceTarget, InvalidRequestError, KeyPurpose, TokenPolicy
from tokensvc_client.calls.every import Calls

HALF = "never said: \ud800"
TEXTS = {str: HALF, Sequence[str]: ["read", HALF], Mapping[str, Any]: {"tenant": [{"name": HALF}]}}
NEEDED: dict[str, Any] = {"client": Client("bff"), "purpose": KeyPurpose.SIGNING, "audiences": ["api"]}
TARGETS = {"token", "session_id", "subject", "client_id"}


def _arguments() -> list[tuple[str, str, Any]]:
    """Each argument of each method that is a text, texts, or has some in it."""
    found = []
    for name, method in inspect.getmembers(Calls, inspect.isfunction):
        for argument, hint in get_type_hints(method).items():
            kinds = [hint, *get_args(hint)] if get_origin(hint) not in (Sequence, Mapping) else [hint]
            text = next((TEXTS[kind] for kind in kinds if kind in TEXTS), None)
            if text is not None and not name.startswith("_"):
                found.append((name, argument, text))
    return found


def _needed(method: str, argument: str) -> dict[str, Any]:
    """What a call with `argument` cannot do without; Introspect asks for an audience, so as to be a call of its own."""
    if method == "revoke":
        return {} if argument in TARGETS else {"session_id": "x"}
    required = inspect.signature(getattr(Calls, method)).parameters.values()
    needed = {
        parameter.name: NEEDED.get(parameter.name, "x")
        for parameter in required
        if parameter.default is parameter.empty and parameter.name != "self"
    }
    return needed | ({"audience": "api"} if method == "introspect" else {})


CASES = _arguments()


@pytest.mark.parametrize(("method", "argument", "text"), CASES, ids=["-".join(case[:2]) for case in CASES])
def test_no_method_sends_half_a_character(
    flavour: Flavour, script: Scripted, method: str, argument: str, text: Any
) -> None:
    """It is refused as a bad argument, with the name of the field and without its text, and nothing is sent."""
    client = flavour.client(script.address)
    with pytest.raises(InvalidRequestError) as caught:
        getattr(client, method)(**{**_needed(method, argument), argument: text})
    error = caught.value
    assert (error.code, error.field.partition(".")[0]) == (grpc.StatusCode.INVALID_ARGUMENT, argument)
    assert (str(error), error.__cause__, error.__context__) == (
        f"a text is no Unicode (INVALID_ARGUMENT {error.field})",
        None,
        None,
    )
    assert script.calls == []


def test_parts_of_a_request_are_named(flavour: Flavour, script: Scripted) -> None:
    """A field within another is named by its path."""
    client = flavour.client(script.address)
    policy = TokenPolicy(scopes=("read", HALF))
    for path, call in {
        "device.platform": lambda: client.issue(subject="ada", device=Device("phone", platform=HALF)),
        "device.subject": lambda: client.revoke(device=DeviceTarget(HALF, "phone")),
        "client.token_policy.scopes": lambda: client.create_client(Client("bff", token_policy=policy)),
        "filter.types": lambda: client.list_audit_events(filter=AuditFilter(types=(HALF,))),
    }.items():
        with pytest.raises(InvalidRequestError) as caught:
            call()
        assert caught.value.field == path
