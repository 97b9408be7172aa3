"""The fake's audit trail, watched."""

from typing import Any

import grpc
import pytest
from tokensvc_client.testing import FakeTokenService
from tokensvc_pb.v1 import audit_service_pb2 as pb

from tests.client.fake.dialling import Dialled, refused


def watching(bff: Dialled, after: int = 0, **where: Any) -> Any:
    """A stream of the events behind a number."""
    return bff.WatchAuditEvents(pb.WatchAuditEventsRequest(filter=pb.AuditFilter(**where), after_sequence=after))


def position(stream: Any) -> int:
    """From where to resume it, as it says at its beginning."""
    return int(dict(stream.initial_metadata())["tokensvc-after-sequence"])


def test_a_watcher_that_has_seen_nothing_misses_nothing(fake: FakeTokenService, bff: Dialled) -> None:
    """Also at a trail that is empty yet: behind its position comes all that has happened since."""
    after = position(watching(bff))
    issued = fake.issue("ada")
    event = next(watching(bff, after)).event
    assert (event.type, event.session_id) == ("session.issued", issued.session_id)


def test_a_watcher_hears_of_what_it_asked_for(fake: FakeTokenService, bff: Dialled) -> None:
    """Events come in their order, those alone that the filter lets through."""
    stream = watching(bff, types=["session.revoked", "subject.revoked"])
    position(stream)
    session_id = fake.issue("ada").session_id
    fake.revoke(session_id=session_id)
    fake.revoke(subject="ada")
    assert [next(stream).event.type for _ in range(2)] == ["session.revoked", "subject.revoked"]


@pytest.mark.parametrize("after", [-1, 99])
def test_a_place_where_the_trail_never_was_is_refused(bff: Dialled, after: int) -> None:
    """Nothing would ever come."""
    code, reason, _ = refused(lambda: next(watching(bff, after)))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
