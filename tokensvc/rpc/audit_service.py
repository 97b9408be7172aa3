"""Owns AuditService: each RPC as a translation around one use case."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.struct_pb2 import Struct
from tokensvc_pb.v1 import audit_service_pb2 as pb

from tokensvc.domain.client import Permission
from tokensvc.domain.value import value
from tokensvc.ports import AuditFilter, AuditRecord
from tokensvc.rpc import convert
from tokensvc.rpc.guard import Method
from tokensvc.rpc.streams import Stream, StreamMethod
from tokensvc.services.audit import AuditListing, AuditTrail, page_behind
from tokensvc.services.call import Call

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["AuditService"]
AFTER_KEY: Final = "tokensvc-after-sequence"
"""Of the initial metadata of WatchAuditEvents."""

_LARGEST_PAGE: Final = 3 * 1024 * 1024  # bytes, of the 4 MiB that gRPC's clients take unless they are told otherwise


@value(frozen=True, slots=True)
class AuditService:
    """The RPCs of AuditService."""

    trail: AuditTrail

    def methods(self) -> Mapping[str, Method | StreamMethod]:
        """The methods by their names in the proto."""
        return {
            "ListAuditEvents": Method(self.list_audit_events),
            "WatchAuditEvents": StreamMethod(self.watch_audit_events, Permission.ADMIN),
        }

    async def list_audit_events(self, call: Call, request: pb.ListAuditEventsRequest) -> pb.ListAuditEventsResponse:
        """A page of events, of as many bytes as every caller takes."""
        listing = AuditListing(_filter(request.filter), request.page_size, request.page_token)
        found, next_page_token = await self.trail.list_events(call, listing)
        page = pb.ListAuditEventsResponse(next_page_token=next_page_token)
        size = 0
        for event in map(_message, found):
            size += event.ByteSize()
            if size > _LARGEST_PAGE:  # a single event is far from it
                page.next_page_token = page_behind(page.events[-1].sequence)
                break
            page.events.append(event)
        return page

    async def watch_audit_events(self, request: pb.WatchAuditEventsRequest) -> Stream:
        """The events that follow one another."""
        watch = await self.trail.watch(_filter(request.filter), request.after_sequence)
        messages = (pb.WatchAuditEventsResponse(event=_message(record)) async for record in watch.records)
        return Stream({AFTER_KEY: str(watch.after)}, messages)


def _filter(message: pb.AuditFilter) -> AuditFilter:
    with convert.within("filter"):
        return AuditFilter(
            subject=message.subject,
            client_id=message.client_id,
            session_id=message.session_id,
            types=tuple(message.types),
            from_time=convert.moment_of(message, "from_time"),
            to_time=convert.moment_of(message, "to_time"),
        )


def _message(record: AuditRecord) -> pb.AuditEvent:
    event = record.event
    details = Struct()
    details.update(event.details)
    return pb.AuditEvent(
        sequence=record.sequence,
        time=convert.timestamp(event.at),
        type=event.type,
        caller=event.caller,
        client_id=event.client_id,
        subject=event.subject,
        session_id=event.session_id,
        reason=event.reason,
        ip=event.ip,
        details=details if event.details else None,
        chain_hash=record.chain_hash,
    )
