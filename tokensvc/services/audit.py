"""Owns ListAuditEvents and WatchAuditEvents: the audit trail for operators and for what collects it."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from tokensvc.domain import bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.errors import invalid
from tokensvc.ports import LAST_NUMBER, AuditFilter, AuditQuery, AuditRecord, Store
from tokensvc.services.audit_feed import AuditFeed
from tokensvc.services.call import Call
from tokensvc.services.paging import page_size, page_token, place_in

_WATCH_PAGE: Final = 500
_MOST_TYPES: Final = 100
_ENOUGH_SECONDS: Final = 1.0  # after which a page goes out as full as it is

_PLACE = re.compile(r"[1-9][0-9]{0,17}")  # a number that a database can hold


@dataclass(frozen=True, slots=True)
class AuditListing:
    """Which events, and which page, not yet checked."""

    where: AuditFilter
    page_size: int = 0
    page_token: str = ""


class AuditTrail:
    """The use cases of AuditService."""

    def __init__(self, store: Store, feed: AuditFeed) -> None:
        self._store = store
        self._feed = feed

    async def list_events(self, call: Call, listing: AuditListing) -> tuple[Sequence[AuditRecord], str]:
        """Answer a page, newest first, and the token of the next page.

        A long trail in which little is found is gone through over several pages: one may be short, or empty.
        """
        call.require(Permission.ADMIN)
        _check(listing.where)
        size = page_size(listing.page_size)
        before = int(place_in(listing.page_token, _PLACE)[0]) if listing.page_token else LAST_NUMBER
        found: list[AuditRecord] = []
        loop = asyncio.get_running_loop()
        enough_at = loop.time() + _ENOUGH_SECONDS
        while True:
            wanted = AuditQuery(listing.where, before=before, newest_first=True, limit=size - len(found))
            page = await self._store.audit_events(wanted)
            found += page.records
            before = page.reached
            if page.complete:
                return found, ""
            if len(found) == size or loop.time() > enough_at:
                return found, page_token(str(before))

    async def watch(self, call: Call, where: AuditFilter, after: int) -> AsyncIterator[AuditRecord]:
        """Answer the events behind number `after`, in order and without an end; zero stands for now.

        When this returns, what happens next will be among them.
        """
        call.require(Permission.ADMIN)
        _check(where)
        if not 0 <= after < LAST_NUMBER:
            raise invalid("after_sequence", "after_sequence is not the number of an event")
        if after:
            return self._events(where, after, frozenset())
        return self._events(where, *await self._feed.now())

    async def _events(self, where: AuditFilter, after: int, known: frozenset[int]) -> AsyncIterator[AuditRecord]:
        loop = asyncio.get_running_loop()
        while True:
            frontier = await self._feed.beyond(after)
            began = loop.time()
            wanted = AuditQuery(where, after=after, before=frontier + 1, limit=_WATCH_PAGE)
            page = await self._store.audit_events(wanted)
            took = loop.time() - began
            for record in page.records:
                if record.sequence not in known:
                    yield record
            after = page.reached
            if not page.complete:
                await asyncio.sleep(took)  # half of the time is the traffic's


def _check(where: AuditFilter) -> None:
    bounds.text(where.subject, "filter.subject")
    bounds.text(where.session_id, "filter.session_id")
    if where.client_id:
        bounds.client_id(where.client_id, "filter.client_id")
    if len(where.types) > _MOST_TYPES:
        raise invalid("filter.types", f"filter.types has more than {_MOST_TYPES} entries")
    for name in where.types:
        bounds.text(name, "filter.types", required=True)
