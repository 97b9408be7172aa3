"""Owns the methods of AuditService."""

from tokensvc_pb.v1 import audit_service_pb2 as pb

from tokensvc_client import rpcs
from tokensvc_client.caller import Caller
from tokensvc_client.streams import AuditEvents
from tokensvc_client.values.audit import AuditEvent, AuditFilter, AuditPage
from tokensvc_client.values.plain import read, write


class AuditCalls:
    """Lists and streams audit events. Every method fails with TokenServiceError; `timeout` is in seconds."""

    _caller: Caller

    async def list_audit_events(
        self,
        *,
        filter: AuditFilter | None = None,  # noqa: A002 - the field's name
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> AuditPage:
        """A page of the events that `filter` lets through, newest first: 1 to 1,000 of them, 100 if it is not said."""
        fields = {"filter": filter, "page_size": page_size, "page_token": page_token}
        request = write(pb.ListAuditEventsRequest(), fields)
        answer = await self._caller.call(rpcs.LIST_AUDIT_EVENTS, request, self._caller.deadline(timeout))
        return read(AuditPage, answer)

    def watch_audit_events(
        self,
        *,
        filter: AuditFilter | None = None,  # noqa: A002 - the field's name
        after_sequence: int = 0,
        timeout: float | None = None,
    ) -> AuditEvents:
        """Follow the events as they are committed, behind `after_sequence`, or from now on where that is zero.

        A stream without a time limit, unless `timeout` is given. Where it ends or fails, go on behind the last
        `sequence`.
        """
        request = write(pb.WatchAuditEventsRequest(), {"filter": filter, "after_sequence": after_sequence})
        return AuditEvents(self._caller.stream(rpcs.WATCH_AUDIT_EVENTS, request, timeout), _event)


def _event(answer: pb.WatchAuditEventsResponse) -> AuditEvent:
    return read(AuditEvent, answer.event)
