"""Where secrets have got out elsewhere, under each format of refresh tokens: cases 51 to 53."""

import base64
import hashlib
import hmac
import io
import json
from dataclasses import replace
from typing import Any

import grpc
import pytest
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, Service
from tests.rpc.faults import FailingStore, StoreOver, server_over, through
from tests.rpc.refresh_formats import (
    IN_EVERY_FORMAT,
    STATELESS,
    WHERE_A_ROW_COUNTS,
    WITHOUT_A_ROW,
    app_under,
    both,
    refused,
    rotated,
)
from tests.rpc.steps import is_active, issue, refresh, revoke
from tests.rpc.tables import rows_of, tables_of
from tokensvc.crypto.key_providers import open_providers
from tokensvc.crypto.key_ring import open_mac_keys
from tokensvc.crypto.root_keys import parse_root_key, read_root_keys
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.keys import KeyPurpose
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import RefreshToken, encode
from tokensvc.ports import Committed, Unit

CANARY = "canary-7d20"
METADATA = ((f"{CANARY}-key", CANARY), (f"{CANARY}-bin", CANARY.encode()), ("cookie", f"session={CANARY}"))
CONTEXT = {"ip": "192.0.2.1", "user_agent": CANARY, "location": CANARY}
ISSUE: dict[str, Any] = {
    "subject": "ada",
    "device": {"id": f"{CANARY}-device", "name": CANARY, "platform": CANARY},
    "context": CONTEXT,
    "acr": CANARY,
    "amr": [CANARY],
    "claims": {CANARY: CANARY},
    "credential_version": CANARY,
}
FORGED = "x\r\n2026-01-01T00:00:00Z [info     ] forged"


@pytest.fixture
async def app(service: Service, token_format: RefreshTokenFormat) -> Caller:
    """A client with the format under test."""
    return await app_under(service, token_format)


class _BabblingStore(StoreOver):
    """Fails at every commit, and says what it was given."""

    async def commit(self, unit: Unit[Any]) -> Committed[Any]:
        """Fail."""
        raise ValueError(f"cannot commit {unit!r}")


async def _send(caller: Caller, request: Any, token: str) -> str:
    """Call with canaries and `token` in the metadata; answer what an error says, in every part of it."""
    method = type(request).__name__.removesuffix("Request")
    call = caller.channel.unary_unary(f"/tokensvc.v1.TokenService/{method}")
    metadata = (*caller.metadata, *METADATA, ("x-refresh-token", token))
    try:
        await call(request.SerializeToString(), metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return f"{error.details()} {error.debug_error_string()} {error.trailing_metadata()}"
    return ""


def _key(token_format: RefreshTokenFormat) -> dict[str, str]:
    """What makes an Issue repeatable, where a session is kept that can be answered again."""
    return {} if token_format is STATELESS else {"idempotency_key": f"{CANARY}-idempotency-key"}


def _requests(*tokens: str) -> list[Any]:
    """Every method with each token, answered or refused; canaries stand in what is not meant for the audit trail."""
    fields: dict[str, Any] = {"device_id": CANARY, "context": CONTEXT}
    return [
        request
        for token in tokens
        for request in (
            pb.IntrospectRequest(token=token, token_type_hint=CANARY, audience=CANARY),
            pb.BatchIntrospectRequest(tokens=[token, CANARY]),
            pb.RefreshRequest(refresh_token=token, scopes=[CANARY], **fields),
            pb.RefreshRequest(refresh_token=token, credential_version="other", **fields),
            pb.RefreshRequest(refresh_token=token[:-1], credential_version=CANARY, **fields),
            pb.RefreshRequest(refresh_token=token, credential_version=CANARY, **fields),
            pb.RefreshRequest(refresh_token=f"{token}\r\n{CANARY}"),
            pb.ExchangeRequest(subject_token=token, actor_token=token, audiences=["api"], scopes=["read"]),
            pb.ExchangeRequest(subject_token=token, audiences=[CANARY]),
            pb.ExchangeRequest(subject_token=f"{token}{CANARY}", actor_token=token, audiences=["api"]),
            pb.RevokeRequest(token=token[:-1], token_type_hint=CANARY),
            pb.RevokeRequest(token=token, issued_before={"seconds": 1}),
            pb.RevokeRequest(token=token, token_type_hint=CANARY),
        )
    ]


def _pieces(token: str) -> list[str]:
    """What of a token nobody may see: all of it in pieces, but for the header, which is the same in all."""
    secret = token.partition(".")[2] or token.removeprefix("tsr1_")
    return [secret[start : start + 16] for start in range(0, len(secret) - 15, 16)]


async def _secrets(service: Service, app: Caller, *tokens: str) -> list[str]:
    opened = service.keys.refresh_tokens.open(tokens[-1])
    assert opened is not None
    handle = base64.urlsafe_b64encode(opened.handle).decode().rstrip("=")
    basic = app.metadata[0][1].removeprefix("Basic ")
    pieces = [piece for token in tokens for piece in _pieces(token)]
    return [*pieces, handle, opened.handle.hex(), repr(opened.handle), app.secret, basic, CANARY]


@IN_EVERY_FORMAT
async def test_case_51_no_secret_gets_out(
    service: Service,
    app: Caller,
    token_format: RefreshTokenFormat,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Tokens, secrets and canaries: none in a log line, an error or an audit event, also when the store breaks."""
    issued = await issue(app, **ISSUE, **_key(token_format))
    second = await refresh(app, issued.refresh_token, credential_version=CANARY)
    tokens = (*both(issued), *both(second))
    errors = []
    async with server_over(service, _BabblingStore(service.store)) as channel:
        for caller in (Caller(CANARY, CANARY, app.channel), replace(app, secret=CANARY), through(app, channel), app):
            requests = (*_requests(*tokens), pb.IssueRequest(**ISSUE, **_key(token_format)))
            errors += [await _send(caller, request, tokens[-1]) for request in requests]
    await service.server._refusals.flush()
    trail = rows_of(service, "audit_events")
    said = log.getvalue() + "".join(capfd.readouterr())
    assert said.count("internal error") >= 3
    assert sum(map(bool, errors)) > 40
    assert {"session.refreshed", "session.revoked", "refused"} <= {event["type"] for event in trail}
    for secret in await _secrets(service, app, *tokens):
        assert secret not in said
        assert secret not in "".join(errors)
        assert secret not in repr(trail)


@IN_EVERY_FORMAT
async def test_case_52_no_value_forges_a_log_line(service: Service, app: Caller, log: io.StringIO) -> None:
    """Line breaks in any field, in a token, or in what a session carries along do not begin a line of the log."""
    token = (await issue(app, claims={FORGED: FORGED})).refresh_token
    error = RuntimeError(FORGED)
    context = {"ip": FORGED, "user_agent": FORGED, "location": FORGED}
    requests = [
        pb.IssueRequest(subject=FORGED, claims={FORGED: FORGED}),
        pb.IssueRequest(subject="ada", claims={FORGED: FORGED}),
        *(pb.RefreshRequest(refresh_token=one) for one in (token, token + FORGED, FORGED + token, FORGED)),
        *(pb.RefreshRequest(refresh_token=token, **{name: FORGED}) for name in ("client_id", "device_id")),
        pb.RefreshRequest(refresh_token=token, credential_version=FORGED, scopes=[FORGED], audiences=[FORGED]),
        pb.RefreshRequest(refresh_token=token, context=context),
        pb.RevokeRequest(token=token, token_type_hint=FORGED),
        pb.RevokeRequest(token=token + FORGED, reason=FORGED),
        pb.IntrospectRequest(token=token, token_type_hint=FORGED, audience=FORGED, required_scopes=[FORGED]),
        pb.BatchIntrospectRequest(tokens=[token, token + FORGED, FORGED]),
    ]
    async with server_over(service, FailingStore(service.store, error, "commit", "sessions_by_id", "brought")) as there:
        answers = [
            await _send(through(app, channel), one, token) for channel in (there, app.channel) for one in requests
        ]
    assert sum(map(bool, answers)) > 15
    await service.server._refusals.flush()
    lines = log.getvalue().splitlines()
    assert sum("forged" in line for line in lines) >= 3
    assert not any(line.startswith("2026-01-01") for line in lines)


def _files(service: Service) -> bytes:
    return b"".join(path.read_bytes() for path in service.settings.data_dir.glob("tokensvc.db*"))


def _spellings(value: bytes) -> list[bytes]:
    in_base64 = [base64.b64encode(value), base64.urlsafe_b64encode(value)]
    return [value, value.hex().encode(), value.hex().upper().encode(), *(text.rstrip(b"=") for text in in_base64)]


@IN_EVERY_FORMAT
async def test_case_53_no_token_and_no_key_is_in_the_file(
    service: Service, app: Caller, token_format: RefreshTokenFormat
) -> None:
    """Not in any of its bytes: tokens, their pieces, handles, the keys in clear, the client's secret."""
    issued = await issue(app, credential_version=CANARY, **_key(token_format))
    second = await refresh(app, issued.refresh_token)
    lost = await rotated(app, 1, subject="eve")
    await revoke(app, token=lost[0].refresh_token)
    data = _files(service)
    assert (
        issued.session_id.encode() in data
    )  # which anybody may know: a search that finds nothing else means something
    root_key = parse_root_key(read_root_keys(service.settings.root_key_path).strip(), "")
    keys = [root_key, *[await _mac_key(service, purpose) for purpose in KeyPurpose if purpose.endswith("mac")]]
    handles = []
    for token in (issued.refresh_token, second.refresh_token, lost[1].refresh_token):
        opened = service.keys.refresh_tokens.open(token)
        assert opened is not None
        handles.append(opened.handle)
    secrets = [secret for value in (*keys, *handles) for secret in _spellings(value)]
    given = [token for one in (issued, second, *lost) for token in both(one)]
    pieces = [piece for token in given for piece in _pieces(token)]
    for secret in (*secrets, *(text.encode() for text in (*pieces, app.secret, CANARY))):
        assert secret not in data


def _values(service: Service) -> list[bytes]:
    """Every value of every table, and every part of a value that may be a key or a handle, as bytes."""
    found: set[bytes] = set()
    for rows in tables_of(service).values():
        for value in (value for row in rows for value in row if value not in (None, "")):
            raw = value if isinstance(value, bytes) else str(value).encode()
            found |= {raw, hashlib.sha256(raw).digest(), *_decoded(raw)}
            if isinstance(value, bytes):
                found |= {raw[start : start + 32] for start in range(0, len(raw), 4)}
    return sorted(found - {b""})


def _decoded(raw: bytes) -> list[bytes]:
    try:
        return [base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))]
    except ValueError:
        return []


def _forged(token: str, handle: bytes, key: bytes) -> str:
    """The token once more, for eve where it says for whom it is, with a seal made by `key`."""
    if token.startswith("tsr1_"):
        return encode(RefreshToken(1, handle, 0), key)
    header, claims, _ = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"sub": "eve", "subject": "eve"}
    signing_input = f"{header}.{_segment(json.dumps(changed, separators=(',', ':')).encode())}"
    return f"{signing_input}.{_segment(hmac.digest(key, signing_input.encode(), 'sha256'))}"


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def _opens_nothing(app: Caller, attempts: list[str]) -> bool:
    """Whether none of the texts is active, and none that is spelt like a token can be refreshed."""
    for start in range(0, len(attempts), 500):
        answer = await app.BatchIntrospect(pb.BatchIntrospectRequest(tokens=attempts[start : start + 500]))
        if any(result.active for result in answer.results):
            return False
    return {await refused(refresh(app, attempt)) for attempt in attempts[::10]} == {"REFRESH_TOKEN_INVALID"}


@IN_EVERY_FORMAT
async def test_case_53_no_value_of_a_dump_is_a_token(service: Service, app: Caller) -> None:
    """However each value of every table is spelt, it neither introspects active nor refreshes."""
    await rotated(app, 1, credential_version=CANARY)
    values = _values(service)
    assert len(values) > 100
    texts = {text for value in values for text in (value.decode("latin-1"), value.hex(), _segment(value))}
    assert await _opens_nothing(app, sorted(texts | {f"tsr1_{text}" for text in texts}))


async def _mac_key(service: Service, purpose: KeyPurpose = KeyPurpose.REFRESH_MAC) -> bytes:
    wrapper = Wrapper(*open_providers(read_root_keys(service.settings.root_key_path), ""))
    return open_mac_keys(await service.store.keys(), wrapper, purpose)[0].secret


@IN_EVERY_FORMAT
async def test_case_53_no_value_of_a_dump_is_the_key(
    service: Service, app: Caller, token_format: RefreshTokenFormat
) -> None:
    """Also who knows a whole token but for its seal finds nothing to seal it with; with the key itself it would do."""
    token = (await issue(app)).refresh_token
    opened = service.keys.refresh_tokens.open(token)
    assert opened is not None
    forged = [_forged(token, opened.handle, value) for value in _values(service)]
    assert len(forged) > 100
    assert await _opens_nothing(app, forged)
    purpose = KeyPurpose.SESSION_MAC if token_format is STATELESS else KeyPurpose.REFRESH_MAC
    assert await is_active(app, _forged(token, opened.handle, await _mac_key(service, purpose)))


@WITHOUT_A_ROW
async def test_case_53_the_key_that_seals_for_rows_makes_none(service: Service, app: Caller) -> None:
    """Where the seal is all that vouches for a session, another key makes it: with the MAC key alone there is none."""
    token = (await issue(app)).refresh_token
    opened = service.keys.refresh_tokens.open(token)
    assert opened is not None
    assert await _opens_nothing(app, [_forged(token, opened.handle, await _mac_key(service))])


@WHERE_A_ROW_COUNTS
async def test_case_53_the_key_and_the_dump_together_make_none(
    service: Service, app: Caller, token_format: RefreshTokenFormat
) -> None:
    """A row holds a hash of the handle alone; what stands in its place is no use, though the seal be right."""
    token = (await issue(app)).refresh_token
    opened = service.keys.refresh_tokens.open(token)
    assert opened is not None
    session = (await service.store.sessions_by_id([opened.session_id]))[opened.session_id].session
    handles = [value[:16] for value in _values(service) if len(value) >= 16]
    mint = service.keys.refresh_tokens.mint
    assert await _opens_nothing(app, [mint(handle, session, token_format) for handle in handles])
    assert mint(opened.handle, session, token_format) == token
