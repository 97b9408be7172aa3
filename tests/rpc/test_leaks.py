"""What was sent in confidence turns up nowhere: not in logs, errors, audit rows, or the database's files."""

import io
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client_keys import Signer
from tests.harness import Caller, Service
from tests.proofs import a_phone, dpop
from tests.rpc.faults import FailingStore, StoreOver, server_over, through
from tests.rpc.steps import introspect, issue, refresh, revoke
from tests.rpc.tables import rows_of
from tests.rpc.test_client_assertions import connected, register
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.ports import Committed, Unit
from tokensvc.services.clients import OPERATOR
from tokensvc.services.issue import IssueOrder
from tokensvc.services.refresh import RefreshOrder
from tokensvc.services.revoke import TokenTarget

CANARY = "canary-5e1f"
URI = f"https://{CANARY}.test/"
METADATA = (
    (f"{CANARY}-key", f"{CANARY}-value"),
    (f"{CANARY}-bin", CANARY.encode()),
    ("x-api-key", CANARY),
    ("cookie", f"session={CANARY}"),
)
# Everything that a caller may say in words, spelt so that it is accepted.
CONTEXT = {"ip": "192.0.2.1", "user_agent": f"{CANARY} agent", "location": f"{CANARY} town"}
ISSUE = {
    "device": {"id": f"{CANARY}-device", "name": f"{CANARY} phone", "platform": CANARY},
    "context": CONTEXT,
    "acr": CANARY,
    "amr": [CANARY],
    "claims": {CANARY: CANARY},
    "credential_version": f"{CANARY}-credentials",
    "idempotency_key": f"{CANARY}-idempotency-key",
}


@pytest.fixture
async def babbling(service: Service, bff: Caller) -> AsyncIterator[Caller]:
    """The caller at a server whose store breaks and says what it was working on."""
    async with server_over(service, _BabblingStore(service.store)) as channel:
        yield through(bff, channel)


class _BabblingStore(StoreOver):
    """Raises an exception that shows what it was given, to every commit."""

    async def commit(self, unit: Unit[Any]) -> Committed[Any]:
        """Fail."""
        raise ValueError(f"cannot commit {unit!r}")


async def _send(caller: Caller, method: str, request: Any) -> str:
    """Call with canaries in the metadata; answer what an error says, in every part of it."""
    service = "SessionService" if isinstance(request, sessions_pb.ListSessionsRequest) else "TokenService"
    call = caller.channel.unary_unary(f"/tokensvc.v1.{service}/{method}")
    try:
        await call(request.SerializeToString(), metadata=(*caller.metadata, *METADATA), timeout=10)
    except grpc.aio.AioRpcError as error:
        return f"{error.details()} {error.debug_error_string()} {error.trailing_metadata()}"
    return ""


async def _requests(bff: Caller) -> list[tuple[str, Any]]:
    """Requests of every method with canaries in every text, some answered and some refused."""
    issued, phone = await issue(bff), a_phone()
    bound = await issue(bff, confirmation={"jkt": phone.jkt})
    with_token = phone.proof_with(bound.access_token, jti=f"{CANARY}-with-token")
    fields = {"device_id": CANARY, "context": CONTEXT, "credential_version": CANARY}
    return [
        ("Issue", pb.IssueRequest(subject=CANARY, **ISSUE)),
        ("Issue", pb.IssueRequest(subject=CANARY, client_id=CANARY)),
        ("Issue", pb.IssueRequest(subject=CANARY, scopes=[CANARY])),
        ("Issue", pb.IssueRequest(subject=CANARY, audiences=[CANARY])),
        ("Issue", pb.IssueRequest(subject=f"{CANARY}\r\n{CANARY}")),
        ("Issue", pb.IssueRequest(subject=CANARY, context={"ip": CANARY})),
        ("Issue", pb.IssueRequest(subject=CANARY, claims={"sub": CANARY})),
        ("Issue", pb.IssueRequest(subject=CANARY, confirmation={"jkt": CANARY})),
        ("Refresh", pb.RefreshRequest(refresh_token=issued.refresh_token, **fields)),
        ("Refresh", pb.RefreshRequest(refresh_token=issued.refresh_token, client_id=CANARY)),
        ("Refresh", pb.RefreshRequest(refresh_token=CANARY, scopes=[CANARY], audiences=[CANARY])),
        ("Refresh", pb.RefreshRequest(refresh_token=issued.refresh_token, dpop={"proof": CANARY, "uri": CANARY})),
        ("Refresh", pb.RefreshRequest(refresh_token=bound.refresh_token, dpop=dpop(phone.proof(jti=CANARY), uri=URI))),
        ("Refresh", pb.RefreshRequest(refresh_token=bound.refresh_token, dpop=dpop(phone.proof(jti=CANARY)))),
        ("Introspect", pb.IntrospectRequest(token=bound.access_token, dpop=dpop(with_token))),
        ("Introspect", pb.IntrospectRequest(token=bound.access_token, dpop=dpop(f"{CANARY}.{CANARY}.{CANARY}"))),
        ("Revoke", pb.RevokeRequest(token=CANARY, token_type_hint=CANARY, reason=CANARY)),
        ("Revoke", pb.RevokeRequest(session_id=issued.session_id, reason=CANARY)),
        ("Revoke", pb.RevokeRequest(client_id=f"{CANARY} ")),
        ("Revoke", pb.RevokeRequest(subject=CANARY, reason=f"{CANARY}\n")),
        ("Exchange", pb.ExchangeRequest(subject_token=issued.access_token, actor_token=CANARY, audiences=["ledger"])),
        ("Exchange", pb.ExchangeRequest(subject_token=CANARY, audiences=[CANARY], scopes=[CANARY])),
        ("Introspect", pb.IntrospectRequest(token=CANARY, token_type_hint=CANARY, audience=CANARY)),
        ("Introspect", pb.IntrospectRequest(token=f"{CANARY}.{CANARY}.{CANARY}", required_scopes=[f"{CANARY} "])),
        ("BatchIntrospect", pb.BatchIntrospectRequest(tokens=[CANARY, issued.access_token, ""])),
        ("ListSessions", sessions_pb.ListSessionsRequest(subject=CANARY, page_token=CANARY)),
    ]


async def _everything(bff: Caller, sender: Caller) -> list[str]:
    return [await _send(sender, method, request) for method, request in await _requests(bff)]


async def test_no_log_line_holds_what_was_sent(bff: Caller, log: io.StringIO, capfd: pytest.CaptureFixture) -> None:
    """Whatever is said in fields and metadata, with success or without, nothing of it is logged or printed."""
    await _everything(bff, bff)
    await _everything(bff, Caller("bff", CANARY, bff.channel))
    await _everything(bff, Caller(CANARY, CANARY, bff.channel))
    assert CANARY not in log.getvalue() + "".join(capfd.readouterr())


async def test_no_log_line_of_a_defect_holds_what_was_sent(
    bff: Caller, babbling: Caller, log: io.StringIO, capfd: pytest.CaptureFixture
) -> None:
    """Also when the service breaks in the middle of a request, the log shows the defect and not the request."""
    await _everything(bff, babbling)
    assert log.getvalue().count("internal error") >= 3
    assert CANARY not in log.getvalue() + "".join(capfd.readouterr())


async def test_nothing_of_an_assertion_gets_out(
    service: Service, bff: Caller, log: io.StringIO, capfd: pytest.CaptureFixture
) -> None:
    """Of a good one neither the text nor its jti, and of a bad one nothing at all: in no log, error, event or row."""
    await register(service, "signing")
    good = Signer("signing", service.clock).assertion(claims=Signer("signing", service.clock).claims(jti=CANARY))
    bad = [f"{CANARY}.{CANARY}.{CANARY}", CANARY, Signer(CANARY, service.clock).assertion()]
    request = pb.IntrospectRequest(token="x")
    errors = []
    for assertion in (good, good, *bad):
        async with connected(service, assertion) as caller:
            errors.append(await _send(caller, "Introspect", request))
    assert [bool(error) for error in errors] == [False, True, True, True, True]
    files = b"".join(path.read_bytes() for path in service.settings.data_dir.glob("tokensvc.db*"))
    said = log.getvalue() + "".join(errors) + "".join(capfd.readouterr()) + files.decode("latin-1")
    for secret in (CANARY, *(part for text in (good, *bad) for part in text.split("."))):
        assert secret not in said


async def test_no_error_holds_what_was_sent(bff: Caller, babbling: Caller, log: io.StringIO) -> None:
    """No message, detail or trailer of an error repeats a field or the metadata."""
    errors = [
        *await _everything(bff, bff),
        *await _everything(bff, babbling),
        *await _everything(bff, Caller(CANARY, CANARY, bff.channel)),
    ]
    assert sum(map(bool, errors)) > 40
    assert CANARY not in "".join(errors)


async def test_the_audit_trail_holds_no_more_than_it_should(service: Service, bff: Caller) -> None:
    """Of all that Issue and Refresh are told, the audit trail keeps who, for whom, which scopes and the address."""
    issued = await issue(bff, **ISSUE)
    await _send(bff, "Refresh", pb.RefreshRequest(refresh_token=issued.refresh_token, context=CONTEXT))
    await _send(bff, "Introspect", pb.IntrospectRequest(token=CANARY))
    events = rows_of(service, "audit_events")
    assert {"session.issued", "session.refreshed"} <= {event["type"] for event in events}
    assert CANARY not in str(events)


async def test_the_database_holds_no_token_and_no_secret(service: Service, bff: Caller) -> None:
    """No token, secret, idempotency key or credential version is in the database's files, in any of its bytes."""
    issued = await issue(bff, idempotency_key=ISSUE["idempotency_key"], credential_version=ISSUE["credential_version"])
    refreshed = await refresh(bff, issued.refresh_token)
    await introspect(bff, refreshed.access_token)
    await revoke(bff, token=issued.access_token)
    await revoke(bff, token=issued.refresh_token)
    opened = service.keys.refresh_tokens.open(issued.refresh_token)
    assert opened is not None
    tokens = [issued.access_token, issued.refresh_token, refreshed.access_token, refreshed.refresh_token]
    signatures = [token.rpartition(".")[2] for token in tokens]
    files = b"".join(path.read_bytes() for path in service.settings.data_dir.glob("tokensvc.db*"))
    assert issued.session_id.encode() in files
    for secret in (*tokens, *signatures, bff.secret, CANARY, opened.handle.hex()):
        assert secret.encode() not in files
    assert opened.handle not in files


@pytest.mark.parametrize(
    "value",
    [
        IssueOrder("ada", credential_version=CANARY, idempotency_key=CANARY),
        RefreshOrder(CANARY, credential_version=CANARY),
        TokenTarget(CANARY),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_order_does_not_print_its_secrets(value: object) -> None:
    """An order that ends up in a message or a debugger's output shows no token and no fingerprint."""
    assert CANARY not in repr(value)


async def test_an_attempt_does_not_print_its_secrets(service: Service, bff: Caller) -> None:
    """An opened refresh token and the attempt around it show neither the handle nor the credential version."""
    opened = service.keys.refresh_tokens.open((await issue(bff)).refresh_token)
    assert opened is not None
    attempt = RefreshAttempt(opened, await service.clients.get("bff", caller=OPERATOR), 0, credential_version=CANARY)
    assert CANARY not in repr(attempt)
    assert repr(opened.handle) not in repr(attempt)


FORGED = "x\r\n2026-01-01T00:00:00Z [info     ] forged"


async def test_no_value_forges_a_log_line(service: Service, bff: Caller, log: io.StringIO) -> None:
    """Line breaks in a field, or in the text of a defect, do not begin a line of the log."""
    async with server_over(
        service, FailingStore(service.store, RuntimeError(FORGED), "commit", "sessions_by_id")
    ) as channel:
        there = through(bff, channel)
        for request in (
            ("Issue", pb.IssueRequest(subject=FORGED)),
            ("Issue", pb.IssueRequest(subject="ada", claims={FORGED: FORGED})),
            ("Refresh", pb.RefreshRequest(refresh_token=FORGED)),
            ("Revoke", pb.RevokeRequest(token=FORGED, token_type_hint=FORGED)),
            ("Revoke", pb.RevokeRequest(session_id="A" * 22)),
            ("Introspect", pb.IntrospectRequest(token=(await issue(bff)).refresh_token, token_type_hint=FORGED)),
        ):
            await _send(there, *request)
    lines = log.getvalue().splitlines()
    assert sum("forged" in line for line in lines) >= 3
    assert not any(line.startswith("2026-01-01") for line in lines)
