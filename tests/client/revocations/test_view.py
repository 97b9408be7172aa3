"""The view of live revocations answers as the server's own does, is small, and forgets in small steps."""

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokensvc_client.revocations.view import GRACE, NotUnderstoodError, RevocationView
from tokensvc_client.verification.access_token import read_claims
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.revocations.messages import NOW, of_entry, revocation
from tests.crypto.forging import TOKEN
from tests.harness import ISSUER
from tokensvc.domain.access_token import AccessToken, to_claims
from tokensvc.domain.client import Client
from tokensvc.domain.delegation import Actor, Delegation, Origin
from tokensvc.domain.revocation import BARRIERS, EntryKind, LogEntry, device_key
from tokensvc.domain.view import View

NAMES = st.sampled_from(["a", "b", "c"])
MOMENTS = st.integers(0, 4)
KINDS = st.sampled_from([EntryKind.TOKEN, EntryKind.SESSION, *sorted(BARRIERS)])
DAY = 86_400


@st.composite
def entries(draw: st.DrawFn) -> LogEntry:
    """An entry about names that tokens have, before a moment or not."""
    kind, name = draw(KINDS), draw(NAMES)
    key = device_key(name, draw(NAMES)) if kind is EntryKind.DEVICE else name
    before = draw(st.none() | MOMENTS) if kind in BARRIERS else None
    return LogEntry(kind, key, at=0, expires_at=(NOW + 300) * 1000, issued_before=before)


ORIGINS = st.builds(
    Origin,
    token_id=NAMES,
    client_id=NAMES,
    started_at=MOMENTS,
    started_revision=MOMENTS,
    subject=NAMES | st.just(""),
    session_id=NAMES | st.just(""),
    device_id=NAMES | st.just(""),
)


@st.composite
def tokens(draw: st.DrawFn) -> AccessToken:
    """A token, traded or not."""
    own, origins = draw(ORIGINS), draw(st.lists(ORIGINS, max_size=3))
    return replace(
        TOKEN,
        token_id=own.token_id,
        client_id=own.client_id,
        started_at=own.started_at,
        started_revision=own.started_revision,
        subject=own.subject or "a",
        session_id=own.session_id,
        device_id=own.device_id,
        delegation=Delegation((Actor("a", "a"),), tuple(origins)) if origins else None,
    )


@given(st.lists(entries(), max_size=6), st.lists(tokens(), min_size=1, max_size=5))
def test_it_answers_as_the_server_does(log: list[LogEntry], presented: list[AccessToken]) -> None:
    """Whatever is in the log, what ends a token for Introspect ends it here, and nothing else does."""
    server, local = View(), RevocationView()
    server.clients = {name: Client(name) for name in "abc"}
    for revision, entry in enumerate(log, start=1):
        server.apply(entry.with_revision(revision))
        local.apply(of_entry(entry.with_revision(revision)))
    for token in presented:
        read = read_claims(to_claims(token), ISSUER)
        assert read is not None
        assert local.has_revoked(read.beginnings) is server.has_revoked(token)


def _revoked(view: RevocationView, **changes: object) -> bool:
    read = read_claims({**to_claims(TOKEN), **changes}, ISSUER)
    assert read is not None
    return view.has_revoked(read.beginnings)


def test_a_moment_between_two_milliseconds_counts_up() -> None:
    """What began in a millisecond that a moment falls into began before the moment was over."""
    view = RevocationView()
    view.apply(revocation(1, subject="ada", issued_before=NOW + 0.0005))
    assert _revoked(view, orig_iat=NOW)
    assert not _revoked(view, orig_iat=NOW + 0.001)


def test_a_hundred_thousand_entries_are_small() -> None:
    """An entry takes less than 64 bytes, with all that surrounds it."""
    view = RevocationView()
    for number in range(100_000):
        view.apply(revocation(number, session_id=f"session-{number}"))
    kept = sys.getsizeof(view._buckets) + sum(sys.getsizeof(bucket) for bucket in view._buckets if bucket)
    assert view.size == 100_000
    assert kept / view.size < 64
    assert _revoked(view, sid="session-77777")
    assert not _revoked(view, sid="session-100000")


def test_expired_entries_are_forgotten_in_small_steps() -> None:
    """After 256 steps what expired more than the grace ago is gone, and only that; a step does not drop all at once."""
    view = RevocationView()
    for number in range(2000):
        view.apply(revocation(number, token_id=f"old-{number}", expires_at=NOW))
    view.apply(revocation(3000, token_id="young", expires_at=NOW + DAY))
    view.forget(NOW + GRACE + 2)
    assert 1900 < view.size < 2001
    for _ in range(255):
        view.forget(NOW + GRACE + 2)
    assert view.size == 1
    assert _revoked(view, jti="young")
    assert not _revoked(view, jti="old-1")


def test_what_is_within_its_grace_is_kept() -> None:
    """Who judges tokens by a clock that is an hour or two behind the server's misses nothing."""
    view = RevocationView()
    view.apply(revocation(1, token_id="old", expires_at=NOW))
    for _ in range(256):
        view.forget(NOW + GRACE - 1)
    assert _revoked(view, jti="old")


def test_what_does_not_say_when_it_ends_is_kept() -> None:
    """No entry is forgotten for what it does not say."""
    view = RevocationView()
    view.apply(pb.Revocation(revision=1, token_id="jti-1"))
    for _ in range(256):
        view.forget(NOW + DAY)
    assert _revoked(view)


def test_a_kind_of_the_future_is_not_passed_over() -> None:
    """What this library does not understand may end any token, so it is no news that could be left out."""
    with pytest.raises(NotUnderstoodError):
        RevocationView().apply(pb.Revocation(revision=1))
