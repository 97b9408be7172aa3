"""Owns what a history says about each family of tokens: what surely happened to it by some moment, and what may have.

The present state of a family only ever moves on: a token is consumed, the family is ended, by a revocation or by reuse.
So two moments say all there is to know about a step: the end of the earliest answer that proves it, and the beginning
of the earliest operation that could have caused it. An operation without an answer could cause its step at any moment
after its beginning.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TypeVar

from tests.consistency.history import (
    OK,
    REUSED,
    REVOKED,
    Introspect,
    Issue,
    Operation,
    Record,
    Refresh,
    Revoke,
    Rotates,
    Target,
    device_value,
)

T = TypeVar("T", bound=Operation)

_start, _end = attrgetter("start"), attrgetter("end")


class Barriers:
    """The revocations of one subject, device or client."""

    def __init__(self, revokes: Iterable[Revoke]) -> None:
        revokes = [revoke for revoke in revokes if revoke.may_have_happened]
        answered = [revoke for revoke in revokes if revoke.is_ok]
        self._unanswered = min((revoke for revoke in revokes if not revoke.is_ok), key=_start, default=None)
        self._by_start = sorted(answered, key=_start)
        self._by_end = sorted(answered, key=_end)
        self._first_to_end = _least_of_rest(self._by_start, _end)
        self._first_to_start = _least_of_rest(self._by_end, _start)

    def surely_over(self, issue_end: int) -> Revoke | None:
        """The first to be answered of those that began when an Issue had been answered: they certainly end it."""
        place = bisect_right(self._by_start, issue_end, key=_start)
        return self._first_to_end[place] if place < len(self._first_to_end) else None

    def possibly_over(self, issue_start: int) -> Revoke | None:
        """The first to begin of those that were not answered before an Issue began: they may end it."""
        place = bisect_left(self._by_end, issue_start, key=_end)
        answered = self._first_to_start[place] if place < len(self._first_to_start) else None
        return min(filter(None, (answered, self._unanswered)), key=_start, default=None)


def _least_of_rest(operations: Sequence[T], key: Callable[[T], int]) -> list[T]:
    """For each place the least of the operations from there on."""
    least: list[T] = []
    for operation in reversed(operations):
        least.append(min(operation, least[-1], key=key) if least else operation)
    return least[::-1]


class Family:
    """Everything that one Issue led to, and every operation on it."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.refreshes: defaultdict[str, list[Refresh]] = defaultdict(list)
        """By the presented token."""
        self.looks: defaultdict[str, list[Introspect]] = defaultdict(list)
        self.revokes: list[Revoke] = []
        """Those that name the session or one of its refresh tokens."""
        self.token_revokes: defaultdict[str, list[Revoke]] = defaultdict(list)
        """Those that name an access token."""
        self.access_tokens: set[str] = set()

    @property
    def answered(self) -> Sequence[Issue]:
        """The Issues that gave its tokens away: several if an idempotency key was used again."""
        return [issue for issue in self.issues if issue.is_ok]

    @property
    def session(self) -> str:
        """Its session; empty if nobody was told."""
        return self.answered[0].session if self.answered else ""

    @property
    def retries(self) -> bool:
        """Whether a repeated refresh gets the same successor."""
        return self.issues[0].retries

    def keeps(self, token: str, refresh: Refresh) -> bool:
        """Whether `refresh` was rightly answered with the `token` that was presented."""
        return self.issues[0].rotates == Rotates.SOMETIMES and refresh.is_ok and refresh.refresh_token == token

    def consumes(self, token: str, refresh: Refresh) -> bool:
        """Whether `refresh`, if it happened, has consumed `token`."""
        return self.issues[0].rotates != Rotates.UNNOTICED and not self.keeps(token, refresh)

    def learn(self, barriers: Callable[[Target, str], Barriers]) -> None:
        """Draw the conclusions; all operations have been added."""
        self._consumers = {
            token: sorted((one for one in found if one.may_have_happened and self.consumes(token, one)), key=_start)
            for token, found in self.refreshes.items()
        }
        self._consumed = {
            token: first
            for token, found in self.refreshes.items()
            if (first := _first_answered(one for one in found if self.consumes(token, one))) is not None
        }
        self._successors = {token: refresh.refresh_token for token, refresh in self._consumed.items()}
        self._triggers = self._find_triggers()
        over = self._barriers(barriers)
        self._revoking = min((*over[0], *filter(_may, self.revokes)), key=_start, default=None)
        self._revoked = [*over[1], *filter(_ok, self.revokes)]
        self._seen_inactive = {
            token: min(seen, key=_end)
            for token, looks in self.looks.items()
            if (seen := [look for look in looks if look.is_ok and not look.active])
        }
        self._ended = min(self._proofs_of_end(), key=_end, default=None)

    def _barriers(self, barriers: Callable[[Target, str], Barriers]) -> tuple[list[Revoke], list[Revoke]]:
        """The barriers that may be over this family, and those that surely are."""
        issue = self.issues[0]
        began = min((one.start for one in self.issues if one.may_have_happened), default=issue.start)
        concerning = [
            barriers(Target.SUBJECT, issue.subject),
            barriers(Target.DEVICE, device_value(issue.subject, issue.device)),
            barriers(Target.CLIENT, issue.client),
        ]
        possible = [found.possibly_over(began) for found in concerning]
        answered = min((one.end for one in self.answered), default=None)
        sure = [found.surely_over(answered) for found in concerning] if answered is not None else []
        return [one for one in possible if one], [one for one in sure if one]

    def _find_triggers(self) -> list[tuple[int, Refresh]]:
        """The refreshes that may have been found to be reuse, each with the moment from which on that was possible."""
        found = []
        for token, refreshes in self.refreshes.items():
            for refresh in refreshes:
                if refresh.outcome == REUSED or (refresh.may_have_happened and not refresh.is_ok):
                    stale = self._stale_from(token, refresh)
                    if stale is not None:
                        found.append((max(refresh.start, stale), refresh))
        return sorted(found, key=lambda trigger: trigger[0])

    def _stale_from(self, token: str, besides: Refresh) -> int | None:
        """From when on presenting `token` may have been reuse, because of other refreshes than `besides`."""
        spent = self._successors.get(token, "") if self.retries else token
        consumer = _first_besides(self._consumers.get(spent, ()), besides)
        return consumer.start if consumer else None

    def _proofs_of_end(self) -> Iterable[Operation]:
        yield from self._revoked
        for refreshes in self.refreshes.values():
            yield from (one for one in refreshes if one.outcome in (REUSED, REVOKED))
        yield from (look for token, look in self._seen_inactive.items() if self.proves_end(token, look))

    def proves_end(self, token: str, look: Introspect) -> bool:
        """Whether a look at `token` found it inactive with no possible cause but the end of the family."""
        if not look.is_ok or look.active:
            return False
        if token in self.access_tokens:
            return not self.may_have_revoked_token(token, look.end)
        return not self.may_have_consumed(token, look.end)

    def ended(self, before: int) -> Operation | None:
        """The answer before a moment that proves that the whole family has ended."""
        return self._ended if self._ended and self._ended.end < before else None

    def may_have_revoked(self, by: int) -> bool:
        """Whether a revocation of the session, subject, device or client may have taken effect by a moment."""
        return self._revoking is not None and self._revoking.start < by

    def may_have_ended_by_reuse(self, by: int, besides: Refresh | None = None) -> bool:
        """Whether a refresh other than `besides` may have been found to be reuse by a moment."""
        for moment, trigger in self._triggers[:2]:
            if trigger is not besides:
                return moment < by
        return False

    def consumed(self, token: str, before: int) -> Refresh | None:
        """The answer before a moment that proves that `token` was consumed."""
        proof = self._consumed.get(token)
        return proof if proof and proof.end < before else None

    def may_have_consumed(self, token: str, by: int, besides: Refresh | None = None) -> bool:
        """Whether a refresh other than `besides` may have consumed `token` by a moment."""
        consumer = _first_besides(self._consumers.get(token, ()), besides)
        return consumer is not None and consumer.start < by

    def is_stale(self, token: str, before: int) -> Refresh | None:
        """The answer before a moment that proves that presenting `token` is reuse."""
        return self.consumed(self._successors.get(token, "") if self.retries else token, before)

    def may_be_stale(self, token: str, by: int, besides: Refresh) -> bool:
        """Whether presenting `token` may be reuse by a moment, because of other refreshes than `besides`."""
        stale = self._stale_from(token, besides)
        return stale is not None and stale < by

    def token_revoked(self, token: str, before: int) -> Revoke | None:
        """The answered revocation, before a moment, of one access token."""
        proof = _first_answered(self.token_revokes.get(token, ()))
        return proof if proof and proof.end < before else None

    def may_have_revoked_token(self, token: str, by: int) -> bool:
        """Whether one access token may have been revoked by a moment."""
        return any(one.start < by and one.may_have_happened for one in self.token_revokes.get(token, ()))

    def seen_inactive(self, token: str, before: int) -> Introspect | None:
        """The answer before a moment that `token` is inactive."""
        proof = self._seen_inactive.get(token)
        return proof if proof and proof.end < before else None


def _ok(operation: Operation) -> bool:
    return operation.is_ok


def _may(operation: Operation) -> bool:
    return operation.may_have_happened


def _first_answered(operations: Iterable[T]) -> T | None:
    return min(filter(_ok, operations), key=_end, default=None)


def _first_besides(operations: Sequence[T], besides: Operation | None) -> T | None:
    return next((one for one in operations[:2] if one is not besides), None)


def families_in(records: Iterable[Record]) -> list[Family]:
    """The families of a history; every token in it was given away by an answer in it."""
    operations = sorted((one for one in records if isinstance(one, Operation)), key=attrgetter("end", "name"))
    families: dict[str, Family] = {}
    owners: dict[str, Family] = {}
    # In the order of the answers: a token is presented after the answer that gave it away.
    for operation in operations:
        if isinstance(operation, Issue) and (name := operation.key or operation.session):
            family = families.setdefault(name, Family())
            family.issues.append(operation)
        elif isinstance(operation, Refresh):
            family = owners[operation.token]
            family.refreshes[operation.token].append(operation)
        else:
            continue
        if operation.outcome == OK:
            family.access_tokens.add(operation.access_token)
            for name in (operation.session, operation.access_token, operation.refresh_token):
                owners.setdefault(name, family)
    over = _assign(operations, owners)
    revocations = {place: Barriers(revokes) for place, revokes in over.items()}
    nothing = Barriers(())
    for family in families.values():
        family.learn(lambda target, value: revocations.get((target, value), nothing))
    return list(families.values())


def _assign(
    operations: Iterable[Operation], owners: dict[str, Family]
) -> defaultdict[tuple[Target, str], list[Revoke]]:
    """Add looks and revocations to their families; answer the others by what they name."""
    others: defaultdict[tuple[Target, str], list[Revoke]] = defaultdict(list)
    for operation in operations:
        if isinstance(operation, Introspect):
            owners[operation.token].looks[operation.token].append(operation)
        elif isinstance(operation, Revoke):
            if operation.target not in (Target.TOKEN, Target.SESSION):
                others[operation.target, operation.value].append(operation)
                continue
            family = owners[operation.value]
            if operation.value in family.access_tokens:
                family.token_revokes[operation.value].append(operation)
            else:
                family.revokes.append(operation)
    return others
