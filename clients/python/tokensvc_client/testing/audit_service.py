"""Owns AuditService: the audit trail listed, and watched."""

from collections.abc import Iterator
from typing import Final

import grpc
from tokensvc_pb.v1 import audit_service_pb2 as pb

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.errors import invalid
from tokensvc_client.testing.pages import page_of
from tokensvc_client.testing.state import FIRST_NUMBER, State

_AFTER_KEY: Final = "tokensvc-after-sequence"
_LOOK_SECONDS: Final = 0.05  # of real time, after which a watcher that has gone away is noticed


def list_audit_events(state: State, _caller: Client, request: pb.ListAuditEventsRequest) -> pb.ListAuditEventsResponse:
    """A page of events, newest first."""
    found = [event for event in reversed(state.audit) if _is_wanted(event, request.filter)]
    page, next_page_token = page_of(found, request.page_size, request.page_token, lambda event: str(event.sequence))
    return pb.ListAuditEventsResponse(events=page, next_page_token=next_page_token)


def check_watch_audit(state: State, _caller: Client, request: pb.WatchAuditEventsRequest) -> None:
    """Refuse a place where the trail has never been."""
    if not 0 <= request.after_sequence <= _newest(state):
        raise invalid("after_sequence", "after_sequence is not the number of an event, or ahead of the trail")


def watch_audit_events(
    state: State, request: pb.WatchAuditEventsRequest, context: grpc.ServicerContext
) -> Iterator[pb.WatchAuditEventsResponse]:
    """The events that follow one another, until the caller goes away."""
    with state.lock:
        after = request.after_sequence or _newest(state)
    context.send_initial_metadata(((_AFTER_KEY, str(after)),))
    while context.is_active():
        with state.lock:
            news = state.audit[after - FIRST_NUMBER :]
            if not news:
                state.lock.wait(_LOOK_SECONDS)
        for event in news:
            after = event.sequence
            if _is_wanted(event, request.filter):
                yield pb.WatchAuditEventsResponse(event=event)


def _newest(state: State) -> int:
    return state.audit[-1].sequence if state.audit else FIRST_NUMBER


def _is_wanted(event: pb.AuditEvent, where: pb.AuditFilter) -> bool:
    at = event.time.ToNanoseconds()
    return (
        where.subject in ("", event.subject)
        and where.session_id in ("", event.session_id)
        and where.client_id in ("", event.client_id, event.caller)
        and (not where.types or event.type in where.types)
        and (not where.HasField("from_time") or at >= where.from_time.ToNanoseconds())
        and (not where.HasField("to_time") or at < where.to_time.ToNanoseconds())
    )
