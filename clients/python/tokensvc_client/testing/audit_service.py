"""Owns ListAuditEvents."""

from tokensvc_pb.v1 import audit_service_pb2 as pb

from tokensvc_client.testing.clients import Client
from tokensvc_client.testing.pages import page_of
from tokensvc_client.testing.state import State


def list_audit_events(state: State, _caller: Client, request: pb.ListAuditEventsRequest) -> pb.ListAuditEventsResponse:
    """A page of events, newest first."""
    found = [event for event in reversed(state.audit) if _is_wanted(event, request.filter)]
    page, next_page_token = page_of(found, request.page_size, request.page_token, lambda event: str(event.sequence))
    return pb.ListAuditEventsResponse(events=page, next_page_token=next_page_token)


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
