"""Whatever the service accepts is read back as it was written, on every kind of store."""

import asyncio
import json
from dataclasses import fields, replace
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.samples import a_session, sid, stored, writing
from tokensvc.domain import base64url
from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.policy import MAX_ACCESS_TTL
from tokensvc.domain.refresh_token import MAX_GENERATION
from tokensvc.domain.session import Device, Grant, Session, Traces
from tokensvc.ports import Store, Unit

# Every character that the service lets through, with those preferred that JSON or SQL give a meaning.
CHARACTERS = st.sampled_from("\"'\\%_{}[]$,:;é漢🙂\u202e") | st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
TEXT = st.text(CHARACTERS, max_size=40)
NAME = st.text(CHARACTERS, min_size=1, max_size=40)
MOMENT = st.integers(0, 253_402_300_799_999)  # until the end of the year 9999
SPAN = st.integers(0, MAX_ACCESS_TTL)
TOKENS = st.lists(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1), max_size=4).map(tuple)
WORDS = st.lists(NAME, max_size=4).map(tuple)
CLAIMS = st.dictionaries(st.text(), st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), max_size=3)

PART = st.text("0123456789.-_abcXYZ", max_size=14)
THUMBPRINT = st.binary(min_size=32, max_size=32).map(base64url.encode)
TRACES = st.builds(Traces, PART, PART)

OF_A_GRANT = {
    "session_id": st.just(""),  # given below, so that no two are alike
    "client_id": NAME,
    "subject": NAME,
    "scopes": TOKENS,
    "audiences": TOKENS,
    "started_at": MOMENT,
    "started_revision": st.integers(0, 2**53),
    "expires_at": MOMENT,
    "idle_ttl": MOMENT,
    "access_ttl": SPAN,
    "device": st.builds(Device, TEXT, TEXT, TEXT),
    "login": TRACES,
    "location": TEXT,
    "auth_time": st.none() | MOMENT,
    "acr": TEXT,
    "amr": WORDS,
    "claims": st.just("") | CLAIMS.map(json.dumps),
    "credential_digest": TEXT,
    "confirmation": st.none() | THUMBPRINT.map(Confirmation) | THUMBPRINT.map(lambda text: Confirmation(x5t_s256=text)),
}
OF_A_SESSION = {
    "grant": st.builds(Grant, **{field.name: OF_A_GRANT[field.name] for field in fields(Grant)}),
    "generation": st.integers(0, MAX_GENERATION),
    "rotated_at": MOMENT,
    "used_at": MOMENT,
    "retry_window": SPAN,
    "revoked_at": st.none() | MOMENT,
    "revoke_reason": TEXT,
    "last_seen": TRACES,
    "last_location": TEXT,
    "is_stateless": st.just(False),  # such a session has no row
}
# By the names of the fields: one that is added and not drawn here fails.
SESSIONS = st.builds(Session, **{field.name: OF_A_SESSION[field.name] for field in fields(Session)})

ids = map("session-{}".format, count())
# The examples share one store: each session has an id of its own, so they do not meet.
sharing_a_store = settings(max_examples=60, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@sharing_a_store
@given(drawn=st.lists(SESSIONS, min_size=1, max_size=6))
async def test_every_field_of_new_sessions_is_read_back(store: Store, drawn: list[Session]) -> None:
    """Sessions that are begun together are each read back equal, in every field of the grant and of the state."""
    sessions = [replace(each, grant=replace(each.grant, session_id=sid(next(ids)))) for each in drawn]
    await asyncio.gather(*(store.commit(writing(session=session)) for session in sessions))
    found = await store.sessions_by_id([session.grant.session_id for session in sessions])
    assert [found[session.grant.session_id].session for session in sessions] == sessions


async def test_however_many_are_begun_together_each_is_there(store: Store) -> None:
    """No session is lost or mixed with another, whatever numbers of rows a statement of the database takes."""
    for number in (1, 2, 63, 64, 65, 150):
        sessions = [a_session(f"{place} of {number}", subject=f"user-{place}") for place in range(number)]
        await asyncio.gather(*(store.commit(writing(session=session)) for session in sessions))
        found = await store.sessions_by_id([session.grant.session_id for session in sessions])
        assert [found[session.grant.session_id].session for session in sessions] == sessions


@sharing_a_store
@given(first=SESSIONS, second=SESSIONS)
async def test_every_field_of_the_state_changes(store: Store, first: Session, second: Session) -> None:
    """A change replaces the whole state of a session and nothing of its grant."""
    name = next(ids)
    grant = replace(first.grant, session_id=sid(name))
    await store.commit(writing(session=replace(first, grant=grant)))
    changed = replace(second, grant=grant)
    await store.commit(Unit(writing(session=changed).decide, session_id=grant.session_id))
    assert await stored(store, name) == changed
