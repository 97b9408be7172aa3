"""Owns the audit trail of the store in memory: one chain, in a list."""

from collections.abc import Iterator, Sequence

from tokensvc.domain.effects import AuditEvent
from tokensvc.ports import AuditFilter, AuditPage, AuditQuery, AuditRecord
from tokensvc.store.audit_chain import link
from tokensvc.store.dialects import digest_bytes
from tokensvc.store.rows import audit_row


class MemoryTrail:
    """Events with their numbers, the oldest first."""

    def __init__(self) -> None:
        self._records: list[AuditRecord] = []
        self._last = 0
        self._hash = ""

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Add `events` at the end."""
        for event in events:
            self._last += 1
            self._hash = link(self._hash, 1, self._last, (self._last, *audit_row(event)))
            self._records.append(AuditRecord(self._last, event, digest_bytes(self._hash)))

    def events(self, wanted: AuditQuery) -> AuditPage:
        """As `Store.audit_events`."""
        records = list(self._matching(wanted))
        if len(records) > wanted.limit:
            records = records[: wanted.limit]
            return AuditPage(records, records[-1].sequence, complete=False)
        return AuditPage(records, wanted.after if wanted.newest_first else wanted.before - 1, complete=True)

    def numbers(self, after: int, limit: int) -> Sequence[int]:
        """As `Store.audit_numbers`."""
        return [record.sequence for record in self._records if record.sequence > after][:limit]

    def prune(self, before: int, limit: int) -> int:
        """Drop up to `limit` events from before that moment, the oldest first; answer how many."""
        count = 0
        while count < min(limit, len(self._records)) and self._records[count].event.at < before:
            count += 1
        del self._records[:count]
        return count

    def _matching(self, wanted: AuditQuery) -> Iterator[AuditRecord]:
        for record in reversed(self._records) if wanted.newest_first else self._records:
            if wanted.after < record.sequence < wanted.before and _matches(record.event, wanted.where):
                yield record


def _matches(event: AuditEvent, where: AuditFilter) -> bool:
    return (
        where.subject in ("", event.subject)
        and where.session_id in ("", event.session_id)
        and where.client_id in ("", event.caller, event.client_id)
        and (not where.types or event.type in where.types)
        and (where.from_time is None or event.at >= where.from_time)
        and (where.to_time is None or event.at < where.to_time)
    )
