"""Owns the rules: a pure function from the history of a run to what in it breaks a guarantee."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from operator import attrgetter

from tests.consistency.families import Family, families_in
from tests.consistency.history import (
    MOVED_ON,
    NOT_SENT,
    OK,
    REUSED,
    REVOKED,
    UNKNOWN,
    Introspect,
    Issue,
    Operation,
    Record,
    Refresh,
)


class Rule(StrEnum):
    """What is guaranteed."""

    ONE_SUCCESSOR = "a refresh token has at most one successor, an idempotency key at most one session"
    STAYS_ENDED = "what has been ended is inactive in every look that begins later, and cannot be refreshed"
    REUSE_ENDS = "a consumed token that comes back ends its family, and is told so"
    KEPT = "what was acknowledged is kept, until something could have ended it"
    FRESH = "no answer is based on less of the revocation log than an answer before it"
    ONE_STATE = "the answers of a batch are about one state"
    ABOUT_IT = "an answer is about the family of the token that was presented"
    STATUS = "no status that was not to be expected"


@dataclass(frozen=True, slots=True)
class Violation:
    """What breaks a rule: a statement, and the operations that show it, in the order in which they are spoken of."""

    rule: Rule
    statement: str
    operations: tuple[Operation, ...]

    def __str__(self) -> str:
        return "\n    ".join((f"{self.rule.name}: {self.statement}", *map(str, self.operations)))


def check(records: Iterable[Record]) -> list[Violation]:
    """The violations in a history, in the order of their last operations."""
    operations = [record for record in records if isinstance(record, Operation)]
    found = [*_statuses(operations), *_revisions(operations)]
    for family in families_in(operations):
        found += _successors(family)
        found += _issues(family)
        found += _refreshes(family)
        found += _looks(family)
        found += _batches(family)
    return sorted(found, key=lambda violation: violation.operations[-1].end)


def _statuses(operations: Iterable[Operation]) -> Iterator[Violation]:
    for operation in operations:
        expected = {OK, UNKNOWN, NOT_SENT}
        if isinstance(operation, Refresh):
            expected |= {REUSED, REVOKED}
        elif isinstance(operation, Issue) and operation.key:
            expected.add(MOVED_ON)
        if operation.outcome not in expected:
            yield Violation(Rule.STATUS, f"{operation.outcome} was answered", (operation,))


def _revisions(operations: Iterable[Operation]) -> Iterator[Violation]:
    told = sorted((one for one in operations if one.is_ok and one.revision), key=attrgetter("end"))
    ends = [one.end for one in told]
    highest = list(accumulate(told, _higher))
    for operation in told:
        before = bisect_left(ends, operation.start)
        if before and highest[before - 1].revision > operation.revision:
            yield Violation(Rule.FRESH, "a revision went back", (highest[before - 1], operation))


def _higher(one: Operation, other: Operation) -> Operation:
    return other if other.revision > one.revision else one


def _successors(family: Family) -> Iterator[Violation]:
    givers: dict[str, tuple[str, Operation]] = {}

    def given(token: str, origin: str, operation: Operation) -> Iterator[Violation]:
        before, first = givers.setdefault(token, (origin, operation))
        if before != origin:
            yield Violation(Rule.ONE_SUCCESSOR, "one token was answered in two places", (first, operation))

    for issue in family.answered:
        first = family.answered[0]
        if (issue.session, issue.refresh_token) != (first.session, first.refresh_token):
            yield Violation(Rule.ONE_SUCCESSOR, "an idempotency key has two sessions", (first, issue))
        yield from given(issue.refresh_token, "", issue)
        yield from given(issue.access_token, issue.name, issue)
    for token, refreshes in family.refreshes.items():
        answered = [refresh for refresh in refreshes if refresh.is_ok]
        yield from _consumptions(family, [refresh for refresh in answered if family.consumes(token, refresh)])
        for refresh in answered:
            if refresh.session != family.session:
                yield Violation(Rule.ABOUT_IT, "a refresh answered for another session", (family.issues[0], refresh))
            if not family.keeps(token, refresh):
                # Siblings that no row tells apart have one successor if they are presented in the same moment.
                origin = token if family.consumes(token, refresh) else "siblings"
                yield from given(refresh.refresh_token, origin, refresh)
            yield from given(refresh.access_token, refresh.name, refresh)


def _consumptions(family: Family, answered: Sequence[Refresh]) -> Iterator[Violation]:
    """What is wrong with the answers that have all consumed one token."""
    for refresh in answered:
        if refresh.refresh_token != answered[0].refresh_token:
            yield Violation(Rule.ONE_SUCCESSOR, "a refresh token has two successors", (answered[0], refresh))
    if len(answered) > 1 and not family.retries:
        yield Violation(Rule.REUSE_ENDS, "without a retry window a token was refreshed twice", tuple(answered[:2]))


def _issues(family: Family) -> Iterator[Violation]:
    """A repeated Issue is told the same, as long as nobody used or ended what it began."""
    for issue in family.issues:
        first_token = family.answered[0].refresh_token if family.answered else ""
        if issue.outcome == MOVED_ON:
            others = [one for one in family.issues if one is not issue and one.may_have_happened]
            moved = any(one.start < issue.end for one in others) and (
                family.may_have_revoked(issue.end)
                or family.may_have_ended_by_reuse(issue.end)
                or family.may_have_consumed(first_token, issue.end)
            )
            if not moved:
                yield Violation(Rule.KEPT, "an idempotency key was refused before its session was used", (issue,))
        elif issue.is_ok:
            if proof := family.ended(issue.start):
                yield Violation(_rule_of(proof), "an ended session was answered as new", (proof, issue))
            if used := family.consumed(first_token, issue.start):
                yield Violation(Rule.KEPT, "a session that was used was answered as new", (used, issue))


def _refreshes(family: Family) -> Iterator[Violation]:
    for token, refreshes in family.refreshes.items():
        for refresh in refreshes:
            if refresh.outcome == OK:
                yield from _successful(family, token, refresh)
            elif refresh.outcome == REUSED:
                yield from _called_reused(family, token, refresh)
            elif refresh.outcome == REVOKED:
                yield from _called_revoked(family, token, refresh)


def _successful(family: Family, token: str, refresh: Refresh) -> Iterator[Violation]:
    if proof := family.ended(refresh.start):
        yield Violation(_rule_of(proof), "a token of an ended family was refreshed", (proof, refresh))
    if proof := family.is_stale(token, refresh.start):
        yield Violation(Rule.REUSE_ENDS, "a consumed token was refreshed", (proof, refresh))
    if family.keeps(token, refresh) and (used := family.consumed(token, refresh.start)):
        yield Violation(Rule.REUSE_ENDS, "a consumed token was kept", (used, refresh))


def _called_reused(family: Family, token: str, refresh: Refresh) -> Iterator[Violation]:
    """It must have been consumed by another refresh, and be too old to be repeated unless others had ended all."""
    by = refresh.end
    late = family.may_be_stale(token, by, besides=refresh) or family.may_have_ended_by_reuse(by, besides=refresh)
    if not (late and family.may_have_consumed(token, by, besides=refresh)):
        known = tuple(family.refreshes[token][:3])
        yield Violation(Rule.KEPT, "REUSED without a cause", (*(one for one in known if one is not refresh), refresh))


def _called_revoked(family: Family, token: str, refresh: Refresh) -> Iterator[Violation]:
    """It must have been revoked, or be the newest token of a family that reuse has ended."""
    if family.may_have_revoked(refresh.end):
        return
    if not family.may_have_ended_by_reuse(refresh.end, besides=refresh):
        yield Violation(Rule.KEPT, "REVOKED without a cause", (*family.answered[:1], refresh))
    elif proof := family.consumed(token, refresh.start):
        yield Violation(Rule.REUSE_ENDS, "a consumed token was not called REUSED", (proof, refresh))


def _looks(family: Family) -> Iterator[Violation]:
    for token, looks in family.looks.items():
        for look in looks:
            if look.is_ok and look.active:
                yield from _active(family, token, look)
            elif look.is_ok and not _may_be_inactive(family, token, look.end):
                yield Violation(Rule.KEPT, "a token is inactive without a cause", (*family.answered[:1], look))


def _active(family: Family, token: str, look: Introspect) -> Iterator[Violation]:
    if proof := family.ended(look.start) or family.token_revoked(token, look.start):
        yield Violation(_rule_of(proof), "a token that was ended is active", (proof, look))
    elif before := family.seen_inactive(token, look.start):
        yield Violation(Rule.STAYS_ENDED, "a token that was inactive is active", (before, look))
    if used := family.consumed(token, look.start):
        yield Violation(Rule.KEPT, "a consumed refresh token is active", (used, look))
    if look.session != family.session:
        yield Violation(Rule.ABOUT_IT, "a look answered for another session", (*family.answered[:1], look))


def _batches(family: Family) -> Iterator[Violation]:
    looks = [(token, look) for token, found in family.looks.items() for look in found if look.batch]
    ended = {look.batch: look for token, look in looks if family.proves_end(token, look)}
    for _, look in looks:
        if look.active and look.batch in ended:
            yield Violation(Rule.ONE_STATE, "a family lives and has ended in one batch", (ended[look.batch], look))


def _may_be_inactive(family: Family, token: str, by: int) -> bool:
    own_end = family.may_have_revoked_token if token in family.access_tokens else family.may_have_consumed
    return family.may_have_revoked(by) or family.may_have_ended_by_reuse(by) or own_end(token, by)


def _rule_of(proof: Operation) -> Rule:
    return Rule.REUSE_ENDS if proof.outcome == REUSED else Rule.STAYS_ENDED


def summary(violations: Sequence[Violation], most: int = 3) -> str:
    """The first violations of each sort in full, and the number of all of that sort."""
    sorts: dict[tuple[Rule, str], list[Violation]] = {}
    for violation in violations:
        sorts.setdefault((violation.rule, violation.statement), []).append(violation)
    return "\n".join("\n".join((f"{len(found)} times:", *map(str, found[:most]))) for found in sorts.values())
