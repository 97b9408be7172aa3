"""Owns the translation between protobuf messages and the values of domain and services."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.protobuf import duration_pb2, json_format, struct_pb2, timestamp_pb2
from tokensvc_pb.v1 import session_service_pb2, token_pb2

from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.dpop_proof import RelayedProof
from tokensvc.domain.errors import RefusedError, invalid
from tokensvc.domain.numbers import whole
from tokensvc.domain.session import ClientContext, Device
from tokensvc.services.sessions import ListedSession, SessionState
from tokensvc.services.token_set import TokenSet

_STATES = {
    SessionState.ACTIVE: session_service_pb2.SESSION_STATE_ACTIVE,
    SessionState.REVOKED: session_service_pb2.SESSION_STATE_REVOKED,
    SessionState.EXPIRED: session_service_pb2.SESSION_STATE_EXPIRED,
}
_NANOS = 1_000_000_000
# The well-known types allow no more: the years 1 to 9999, and 10,000 years with one sign for both parts.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_LONGEST_SPAN = 315_576_000_000


@contextmanager
def within(message: str) -> Iterator[None]:
    """Let the field of a refusal inside begin with the name of the `message` that it is a part of."""
    try:
        yield
    except RefusedError as error:
        if error.field:
            error.field = f"{message}.{error.field}"
        raise


def moment_of(message: Any, field: str) -> int | None:
    """The Timestamp `field` of `message` in milliseconds since the epoch; None if it is absent."""
    if not message.HasField(field):
        return None
    value: timestamp_pb2.Timestamp = getattr(message, field)
    if not (_FIRST_SECOND <= value.seconds <= _LAST_SECOND and 0 <= value.nanos < _NANOS):
        raise invalid(field, f"{field} is out of range")
    return value.seconds * 1000 + value.nanos // 1_000_000


def span_of(message: Any, field: str) -> int | None:
    """The Duration `field` of `message` in milliseconds; None if it is absent."""
    if not message.HasField(field):
        return None
    value: duration_pb2.Duration = getattr(message, field)
    if abs(value.seconds) > _LONGEST_SPAN or not -_NANOS < value.nanos < _NANOS or value.seconds * value.nanos < 0:
        raise invalid(field, f"{field} is out of range")
    return value.seconds * 1000 + value.nanos // 1_000_000


def timestamp(milliseconds: int) -> timestamp_pb2.Timestamp:
    """The Timestamp of a moment."""
    return timestamp_pb2.Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def device_of(message: token_pb2.Device) -> Device:
    """The device in `message`."""
    return Device(message.id, message.name, message.platform)


def context_of(message: token_pb2.ClientContext) -> ClientContext:
    """The context in `message`."""
    return ClientContext(message.ip, message.user_agent, message.location)


def claims_of(message: struct_pb2.Struct) -> Mapping[str, Any]:
    """The JSON object in `message`."""
    try:
        claims: dict[str, Any] = whole(json_format.MessageToDict(message))
    except (json_format.Error, ValueError):
        raise invalid("claims", "claims has a value that JSON does not know") from None
    return claims


def confirmation_of(message: Any) -> Confirmation | None:
    """The key that `message` names, if it does."""
    if not message.HasField("confirmation"):
        return None
    named = message.confirmation
    return Confirmation(named.jkt, named.x5t_s256)


def confirmation_message(confirmation: Confirmation | None) -> token_pb2.Confirmation | None:
    """The key that a token is bound to."""
    if confirmation is None:
        return None
    return token_pb2.Confirmation(jkt=confirmation.jkt, x5t_s256=confirmation.x5t_s256)


def proof_of(message: Any) -> RelayedProof | None:
    """The proof that `message` relays, if it does."""
    if not message.HasField("dpop"):
        return None
    relayed = message.dpop
    return RelayedProof(relayed.proof, relayed.method, relayed.uri)


def token_fields(tokens: TokenSet) -> dict[str, Any]:
    """The fields that IssueResponse and RefreshResponse share."""
    return {
        "access_token": tokens.access_token,
        "token_type": tokens.token_type,
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
        "refresh_expires_in": tokens.refresh_expires_in,
        "scopes": tokens.scopes,
        "session_id": tokens.session_id,
        "revision": tokens.revision,
    }


def session_message(listed: ListedSession, current_session_id: str = "") -> session_service_pb2.Session:
    """A session as SessionService shows it."""
    session, grant = listed.session, listed.session.grant
    return session_service_pb2.Session(
        session_id=grant.session_id,
        client_id=grant.client_id,
        subject=grant.subject,
        device=token_pb2.Device(id=grant.device.id, name=grant.device.name, platform=grant.device.platform),
        context=token_pb2.ClientContext(location=grant.location),
        last_context=token_pb2.ClientContext(location=session.last_location),
        scopes=grant.scopes,
        audiences=grant.audiences,
        state=_STATES[listed.state],
        generation=session.generation,
        started_at=timestamp(grant.started_at),
        last_used_at=timestamp(session.used_at),
        idle_expires_at=timestamp(session.idle_expires_at),
        expires_at=timestamp(grant.expires_at),
        revoked_at=timestamp(session.revoked_at) if session.revoked_at is not None else None,
        revoke_reason=session.revoke_reason,
        auth_time=timestamp(grant.auth_time) if grant.auth_time is not None else None,
        acr=grant.acr,
        amr=grant.amr,
        confirmation=confirmation_message(grant.confirmation),
        current=bool(current_session_id) and current_session_id == grant.session_id,
    )
