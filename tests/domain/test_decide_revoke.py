"""What a revocation writes, and for whom it writes nothing."""

from dataclasses import replace

import pytest

from tests.domain.samples import BFF, GRANT, NOW, STRANGER, a_session
from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.effects import AuditEvent, Effects
from tokensvc.domain.policy import MAX_ACCESS_TTL, MAX_REFRESH_TTL
from tokensvc.domain.revocation import EntryKind, LogEntry, device_key
from tokensvc.domain.revoke import (
    Revocation,
    end_access_token,
    end_client,
    end_device,
    end_session,
    end_subject,
)
from tokensvc.domain.session import Session

ORDER = Revocation(BFF, NOW, "logout")
TOKEN = AccessToken(
    issuer="https://issuer.test",
    subject="ada",
    client_id="phone",
    audiences=("api",),
    scopes=("read",),
    issued_at=NOW - 60_000,
    expires_at=NOW + 60_000,
    token_id="jti-1",
    started_at=NOW - 60_000,
    started_revision=7,
    session_id=GRANT.session_id,
)
NOTHING: Effects[None] = Effects(None)


def test_a_session_is_ended_in_its_row() -> None:
    """The row keeps when and why the session ended, and stays what it was otherwise."""
    assert end_session(ORDER, a_session(3)).session == replace(a_session(3), revoked_at=NOW, revoke_reason="logout")


def test_a_session_is_ended_in_the_log() -> None:
    """The log ends the session's access tokens, for as long as the last of them can live."""
    (entry,) = end_session(ORDER, a_session()).log
    assert entry == LogEntry(
        EntryKind.SESSION, GRANT.session_id, at=NOW, expires_at=NOW + GRANT.access_ttl, reason="logout"
    )


def test_the_end_of_a_session_is_audited() -> None:
    """The audit trail says who ended whose session, and why."""
    assert end_session(ORDER, a_session()).audit == (
        AuditEvent(
            "session.revoked",
            at=NOW,
            caller="bff",
            client_id="phone",
            subject="ada",
            session_id=GRANT.session_id,
            reason="logout",
        ),
    )


@pytest.mark.parametrize(
    ("order", "session"),
    [
        pytest.param(ORDER, None, id="unknown"),
        pytest.param(ORDER, replace(a_session(), revoked_at=NOW - 1, revoke_reason="reuse"), id="ended"),
        pytest.param(replace(ORDER, caller=STRANGER), a_session(), id="another client's"),
    ],
)
def test_what_cannot_be_ended_writes_nothing(order: Revocation, session: Session | None) -> None:
    """An unknown session, one that has ended, and one of a client out of reach all look the same."""
    assert end_session(order, session) == NOTHING


def test_an_access_token_is_ended_until_it_expires() -> None:
    """The log holds the token's id for as long as the token would have lived, and the session is left alone."""
    effects = end_access_token(ORDER, TOKEN)
    assert effects.log == (LogEntry(EntryKind.TOKEN, "jti-1", at=NOW, expires_at=TOKEN.expires_at, reason="logout"),)
    assert effects.session is None
    assert [(event.type, event.session_id) for event in effects.audit] == [("token.revoked", GRANT.session_id)]


@pytest.mark.parametrize(
    ("order", "token"),
    [
        pytest.param(ORDER, replace(TOKEN, expires_at=NOW), id="expired"),
        pytest.param(replace(ORDER, caller=STRANGER), TOKEN, id="another client's"),
    ],
)
def test_an_access_token_out_of_reach_writes_nothing(order: Revocation, token: AccessToken) -> None:
    """A dead token needs no entry, and another client's token gets none."""
    assert end_access_token(order, token) == NOTHING


@pytest.mark.parametrize("issued_before", [None, NOW - 5000])
@pytest.mark.parametrize(
    ("kind", "key", "decide"),
    [
        (EntryKind.SUBJECT, "ada", lambda cut: end_subject(ORDER, "ada", cut)),
        (EntryKind.DEVICE, device_key("ada", "device-1"), lambda cut: end_device(ORDER, "ada", "device-1", cut)),
        (EntryKind.CLIENT, "phone", lambda cut: end_client(ORDER, "phone", cut)),
    ],
)
def test_a_barrier_outlives_everything_it_can_concern(kind, key, decide, issued_before) -> None:
    """A subject, device or client is ended by one entry, kept for the longest lifetimes that a policy may give."""
    assert decide(issued_before).log == (
        LogEntry(
            kind,
            key,
            at=NOW,
            expires_at=NOW + MAX_ACCESS_TTL,
            issued_before=issued_before,
            reason="logout",
            barrier_expires_at=NOW + MAX_REFRESH_TTL,
        ),
    )


def test_barriers_are_audited() -> None:
    """The audit trail names the subject, the device or the client that was ended."""
    (subject,) = end_subject(ORDER, "ada", None).audit
    (device,) = end_device(ORDER, "ada", "device-1", None).audit
    (client,) = end_client(ORDER, "phone", None).audit
    assert (subject.type, subject.subject, subject.reason) == ("subject.revoked", "ada", "logout")
    assert (device.type, device.subject, device.details) == ("device.revoked", "ada", {"device_id": "device-1"})
    assert (client.type, client.client_id, client.caller) == ("client.revoked", "phone", "bff")
