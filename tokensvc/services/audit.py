"""Owns ListAuditEvents and WatchAuditEvents: the audit trail for operators and for what collects it."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from tokensvc.domain import bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.effects import LAST_NUMBER
from tokensvc.domain.errors import invalid
from tokensvc.domain.value import value
from tokensvc.ports import AuditFilter, AuditQuery, AuditRecord, Store
from tokensvc.services.audit_feed import AuditFeed
from tokensvc.services.call import Call
from tokensvc.services.paging import page_size, page_token, place_in

_WATCH_PAGE: Final = 500
_MOST_TYPES: Final = 100
_ENOUGH_SECONDS: Final = 1.0  # after which a page goes out as full as it is
_FIRST_NUMBER: Final = 1  # its event is older than any watcher, which had to become a client first

_PLACE = re.compile(r"[1-9][0-9]{0,17}")  # a number that a database can hold


@value(frozen=True, slots=True)
class AuditListing:
    """Which events, and which page, not yet checked."""

    where: AuditFilter
    page_size: int = 0
    page_token: str = ""


@value(frozen=True, slots=True)
class AuditWatch:
    """The events behind number `after`, in order and without an end. Who has seen none goes on behind `after` too."""

    after: int
    records: AsyncIterator[AuditRecord]


def page_behind(number: int) -> str:
    """The token of the page that begins behind the event with that number."""
    return page_token(str(number))


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
                return found, page_behind(before)

    async def watch(self, where: AuditFilter, after: int) -> AuditWatch:
        """Answer the events behind number `after`; zero stands for now. Who may watch is the stream's to say.

        When this returns, what happens next will be among them.
        """
        _check(where)
        if not 0 <= after < LAST_NUMBER:
            raise invalid("after_sequence", "after_sequence is not the number of an event")
        if after:
            await self._refuse_what_is_ahead(after)
            return AuditWatch(after, self._events(where, after, frozenset()))
        frontier, known = await self._feed.now()
        return AuditWatch(max(frontier, _FIRST_NUMBER), self._events(where, frontier, known))

    async def _refuse_what_is_ahead(self, after: int) -> None:
        """Events up to there would never come. A trail that is empty is pruned: its numbers go on."""
        if not await self._store.audit_numbers(after - 1, 1) and await self._store.audit_numbers(0, 1):
            raise invalid("after_sequence", "after_sequence is ahead of the trail; was the database restored?")

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
