"""Sessions, keys, clients and the audit trail, over both clients."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flavours import Flavour
from served import Served
from tokensvc_client import (
    AuditFilter,
    Client,
    ClientExistsError,
    ClientNotFoundError,
    ClientType,
    Device,
    ExchangePolicy,
    KeyNotFoundError,
    KeyPurpose,
    KeyState,
    Permission,
    PermissionDeniedError,
    RateLimit,
    RotationPolicy,
    Secret,
    SessionNotFoundError,
    SessionState,
    SubjectTokenInvalidError,
    TokenPolicy,
)


def test_sessions_come_in_pages(bff: Any, subject: str) -> None:
    """Each page names the next, newest first, until there is none."""
    started = [bff.issue(subject=subject, device=Device(f"phone-{number}")).session_id for number in range(3)]
    first = bff.list_sessions(subject=subject, page_size=2)
    second = bff.list_sessions(subject=subject, page_size=2, page_token=first.next_page_token)
    assert [session.session_id for session in (*first.sessions, *second.sessions)] == [*reversed(started)]
    assert second.next_page_token == ""


def test_one_session_is_told(bff: Any, subject: str) -> None:
    """A session says its state and its device."""
    issued = bff.issue(subject=subject, device=Device("phone-1", platform="ios"))
    session = bff.get_session(issued.session_id)
    assert (session.state, session.subject) == (SessionState.ACTIVE, subject)
    assert session.device == Device("phone-1", platform="ios")
    assert session.revoked_at is None
    assert abs(session.started_at - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(SessionNotFoundError):
        bff.get_session("nothing")


def test_a_subject_is_flagged_and_unflagged(admin: Any, subject: str) -> None:
    """Both are durable at a revision, the later at a higher one."""
    flagged = admin.flag_subject(subject, reason="phishing", expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert admin.unflag_subject(subject).revision > flagged.revision


def test_keys_are_listed_rotated_and_revoked(admin: Any) -> None:
    """A prepared key is published before it is used, and can be ended by its name."""
    prepared = admin.rotate_key(KeyPurpose.SIGNING)
    assert (prepared.state, prepared.purpose) == (KeyState.PREPARED, KeyPurpose.SIGNING)
    assert prepared.key_id in {key.key_id for key in admin.list_keys()}
    published = admin.get_jwks()
    assert prepared.key_id in {key["kid"] for key in json.loads(published.jwks)["keys"]}
    assert published.max_age > timedelta(0)
    assert admin.revoke_key(prepared.key_id, purpose=KeyPurpose.SIGNING).revision > 0
    with pytest.raises(KeyNotFoundError):
        admin.revoke_key("0000", purpose=KeyPurpose.SIGNING)


def test_a_client_comes_back_as_it_was_registered(admin: Any, subject: str) -> None:
    """Every part of a client goes in and comes out."""
    policy = TokenPolicy(
        access_ttl=timedelta(minutes=2),
        scopes=("read",),
        rotation=RotationPolicy.PERIODIC,
        rotation_interval=timedelta(days=1),
    )
    wanted = Client(
        f"web-{subject}",
        name="Web",
        permissions=(Permission.ISSUE, Permission.EXCHANGE),
        acts_for=("app",),
        token_policy=policy,
        rate_limit=RateLimit(5.0, 10),
        exchange_policy=ExchangePolicy(("*",), ("billing",)),
    )
    created = admin.create_client(wanted)
    assert created.client_secret
    got = admin.get_client(wanted.client_id)
    assert got == created.client
    assert (got.permissions, got.rate_limit, got.exchange_policy) == (
        wanted.permissions,
        wanted.rate_limit,
        wanted.exchange_policy,
    )
    assert got.token_policy.rotation_interval == timedelta(days=1)
    with pytest.raises(ClientExistsError):
        admin.create_client(wanted)


def test_a_client_is_changed_and_deleted(admin: Any, subject: str) -> None:
    """What the mask names is changed, nothing else; a deleted client is gone."""
    client_id = f"web-{subject}"
    admin.create_client(Client(client_id, name="Web", type=ClientType.PUBLIC))
    wanted = Client(client_id, name="ignored", token_policy=TokenPolicy(max_sessions=5))
    changed = admin.update_client(wanted, update_mask=["token_policy.max_sessions"])
    assert (changed.name, changed.token_policy.max_sessions) == ("Web", 5)
    page = admin.list_clients(page_size=1)
    assert (len(page.clients), bool(page.next_page_token)) == (1, True)
    assert admin.delete_client(client_id).revision > 0
    with pytest.raises(ClientNotFoundError):
        admin.get_client(client_id)


def test_a_rotated_secret_replaces_the_one_before(admin: Any, bff: Any) -> None:
    """Without an overlap the secret before is over at once, and the new one is put in while the client is in use."""
    client_id = bff.credentials.client_id
    rotated = admin.rotate_client_secret(client_id, overlap=timedelta(0))
    with pytest.raises(Exception, match="CALLER_UNAUTHENTICATED"):
        bff.introspect("nonsense")
    bff.credentials = Secret(client_id, rotated.client_secret)
    assert not bff.introspect("nonsense")


def test_the_audit_trail_is_listed_by_a_filter(admin: Any, bff: Any, subject: str) -> None:
    """Events of one subject, newest first, in pages."""
    issued = bff.issue(subject=subject)
    bff.refresh(issued.refresh_token)
    first = admin.list_audit_events(filter=AuditFilter(subject=subject), page_size=1)
    second = admin.list_audit_events(filter=AuditFilter(subject=subject), page_size=1, page_token=first.next_page_token)
    assert [page.events[0].type for page in (first, second)] == ["session.refreshed", "session.issued"]
    assert first.events[0].chain_hash


def test_the_audit_trail_is_watched(admin: Any, bff: Any, subject: str) -> None:
    """Events come as they happen; a stream can be resumed behind any of them, and ends when it is cancelled."""
    with admin.watch_audit_events(filter=AuditFilter(subject=subject)) as events:
        position = events.position()
        issued = bff.issue(subject=subject)
        event = next(events)
        assert (event.type, event.session_id) == ("session.issued", issued.session_id)
        assert event.sequence > position
    with admin.watch_audit_events(filter=AuditFilter(subject=subject), after_sequence=position) as again:
        assert next(again) == event
        again.cancel()
        assert list(again) == []


def test_a_refused_stream_says_why(bff: Any) -> None:
    """The first step of a stream fails as a call does."""
    with bff.watch_audit_events() as events, pytest.raises(PermissionDeniedError):
        next(events)


def test_a_token_is_exchanged(server: Served, flavour: Flavour, register: Any, subject: str) -> None:
    """For a narrower one for the next service, which ends with the one that it was made from."""
    trades = ExchangePolicy(subject_clients=("*",), audiences=("billing",))
    client = flavour.client(server.address, credentials=register(exchange_policy=trades))
    issued = client.issue(subject=subject, scopes=["read", "write"])
    exchanged = client.exchange(issued.access_token, audiences=["billing"], scopes=["read"])
    said = client.introspect(exchanged.access_token)
    assert (said.subject, said.audiences, said.scopes) == (subject, ("billing",), ("read",))
    assert said.actor["client_id"] == said.client_id
    client.revoke(token=issued.access_token)
    assert not client.introspect(exchanged.access_token)


def test_an_exchange_is_refused_for_a_token_that_is_not_active(bff: Any) -> None:
    """The method is there, with a reason of its own."""
    with pytest.raises((SubjectTokenInvalidError, PermissionDeniedError)):
        bff.exchange("nonsense", audiences=["api"])
