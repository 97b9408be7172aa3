"""Every field that is out of bounds is refused with its name, and nothing is written."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service, failure
from tests.rpc.steps import issue
from tests.rpc.tables import tables_of

MESSAGES: dict[str, type[Message]] = {
    "Issue": pb.IssueRequest,
    "Refresh": pb.RefreshRequest,
    "Revoke": pb.RevokeRequest,
    "Introspect": pb.IntrospectRequest,
    "BatchIntrospect": pb.BatchIntrospectRequest,
}
LONG = "x" * 256
CONTROLS = ("a\nb", "a\rb", "\x00", "\x1b[31m", "\x7f", "a\u0085b", "a\u2028b", "a\u2029b")
TEXTS = (LONG, *CONTROLS)
CLIENT_IDS = ("a b", "é", "a\nb", "a%b", "a\x00", LONG)
LISTS = ([""], ["a b"], ['a"b'], ["a\\b"], ["é"], ["a\nb"], ["ok", LONG], [f"s{number}" for number in range(101)])
AUDIENCES = ([""], ["a b"], ["é"], ["a\nb"], ["ok", LONG], [f"a{number}" for number in range(101)])
ADDRESSES = (
    "nonsense",
    "300.1.1.1",
    "1.2.3",
    "1.2.3.4/24",
    "1.2.3.4\n",
    "fe80::1%\r\nforged",
    "::1%" + LONG,
    "1" * 9999,
)
SPANS = (
    {"seconds": 0},
    {"nanos": 999_999_999},
    {"seconds": -1},
    {"seconds": 2**62},
    {"seconds": -(2**62)},
    {"seconds": 5, "nanos": 2_000_000_000},
    {"seconds": 5, "nanos": -(2**31)},
    {"seconds": 5, "nanos": -1},
)
MOMENTS = (
    {"seconds": -1},
    {"seconds": 2**62},
    {"seconds": -(2**62)},
    {"seconds": 253_402_300_800},
    {"seconds": 5, "nanos": 1_000_000_000},
    {"seconds": 5, "nanos": -1},
)
STALENESS = ({"seconds": -1}, {"nanos": -1_000_000}, {"seconds": 2**62}, {"seconds": 5, "nanos": 2_000_000_000})
CLAIMS = ({"x": float("nan")}, {"x": [float("inf")]}, {"x": {"y": float("-inf")}}, {"x": "é" * 2050}, {LONG * 17: 1})
CONTEXTS = {
    "context.ip": ADDRESSES,
    "context.user_agent": ("x" * 1025, *CONTROLS),
    "context.location": TEXTS,
}

BAD: dict[str, dict[str, Any]] = {
    "Issue": {
        "subject": ("", *TEXTS),
        "client_id": CLIENT_IDS,
        "scopes": LISTS,
        "audiences": AUDIENCES,
        "device.id": TEXTS,
        "device.name": TEXTS,
        "device.platform": TEXTS,
        **CONTEXTS,
        "access_ttl": SPANS,
        "refresh_ttl": SPANS,
        "auth_time": MOMENTS,
        "acr": TEXTS,
        "amr": ([""], ["pwd", LONG], ["a\nb"], ["x"] * 101),
        "claims": CLAIMS,
        "credential_version": TEXTS,
        "idempotency_key": ("15-characters--", LONG, "long enough, but\nnot one line"),
    },
    "Refresh": {
        "refresh_token": ("",),
        "client_id": CLIENT_IDS,
        "scopes": LISTS,
        "audiences": AUDIENCES,
        "device_id": TEXTS,
        **CONTEXTS,
        "credential_version": TEXTS,
    },
    "Revoke": {
        "token": ("",),
        "session_id": ("", *TEXTS),
        "subject": ("", *TEXTS),
        "device.subject": ("", *TEXTS),
        "device.device_id": ("", *TEXTS),
        "client_id": ("", *CLIENT_IDS),
        "reason": TEXTS,
        "issued_before": (*MOMENTS, {"seconds": 1_800_000_061}),
    },
    "Introspect": {
        "token": ("",),
        "required_scopes": LISTS,
        "audience": ("a b", "é", "a\nb", LONG),
        "min_revision": (-1, -(2**63)),
        "max_staleness": STALENESS,
    },
    "BatchIntrospect": {
        "tokens": ([], [""], ["a", ""], ["a"] * 1001),
        "min_revision": (-1, -(2**63)),
        "max_staleness": STALENESS,
    },
}
ALL = [(method, field) for method, fields in BAD.items() for field in fields]


async def _good(method: str, bff: Caller) -> dict[str, Any]:
    """A request that would be answered."""
    issued = await issue(bff)
    return {
        "Issue": {"subject": "ada"},
        "Refresh": {"refresh_token": issued.refresh_token},
        "Revoke": {"subject": "ada"},
        "Introspect": {"token": issued.access_token},
        "BatchIntrospect": {"tokens": [issued.access_token]},
    }[method]


def _spoiled(method: str, good: dict[str, Any], field: str, value: Any) -> Message:
    """The good request with one bad value; of Revoke's targets only one can be there."""
    outer, _, inner = field.partition(".")
    if method == "Revoke" and field not in {"reason", "issued_before"}:
        good = {}
    if inner:
        other = {"subject": "ada", "device_id": "phone"} if method == "Revoke" else {}
        value = {**other, inner: value}
    return MESSAGES[method](**{**good, outer: value})


def _requests(method: str, good: dict[str, Any], field: str) -> Iterator[Message]:
    for value in BAD[method][field]:
        yield _spoiled(method, good, field, value)


@pytest.mark.parametrize(("method", "field"), ALL)
async def test_a_bad_value_is_refused_with_its_field(service: Service, bff: Caller, method: str, field: str) -> None:
    """Each value that the field may not have is answered INVALID_REQUEST with the field, and changes no table."""
    good = await _good(method, bff)
    before = tables_of(service)
    for request in _requests(method, good, field):
        refused = await failure(getattr(bff, method)(request))
        answered = (refused.code.name, refused.reason, refused.fields)
        assert answered == ("INVALID_ARGUMENT", "INVALID_REQUEST", (field,)), request
    assert tables_of(service) == before


@pytest.mark.parametrize("method", BAD)
async def test_the_good_request_is_answered(bff: Caller, method: str) -> None:
    """Without the bad value the requests of the test above succeed: the refusals are not for something else."""
    assert await getattr(bff, method)(MESSAGES[method](**await _good(method, bff))) is not None


async def test_a_revocation_needs_a_target(service: Service, bff: Caller) -> None:
    """Revoke without a target is refused, and nothing is written."""
    before = tables_of(service)
    refused = await failure(bff.Revoke(pb.RevokeRequest(reason="why")))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("target",))
    assert tables_of(service) == before


@pytest.mark.parametrize("target", ["token", "session_id"])
async def test_a_cut_off_goes_with_barriers_alone(bff: Caller, target: str) -> None:
    """A single token or session has no cut-off: asking for one is refused, not ignored."""
    issued = await issue(bff)
    value = issued.session_id if target == "session_id" else issued.refresh_token
    refused = await failure(bff.Revoke(pb.RevokeRequest(**{target: value}, issued_before={"seconds": 1})))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("issued_before",))


async def test_a_message_never_repeats_what_was_sent(bff: Caller) -> None:
    """What a refusal says is fixed: the bad value is not in it."""
    for field, values in BAD["Issue"].items():
        for value in values:
            if isinstance(value, str) and len(value) > 4:
                refused = await failure(bff.Issue(_spoiled("Issue", {"subject": "ada"}, field, value)))
                assert value not in refused.message
