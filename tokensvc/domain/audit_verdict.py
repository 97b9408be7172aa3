"""Owns what is found by following the chains of audit events."""

from collections.abc import Sequence
from typing import Final

from tokensvc.domain.value import value

NO_CHAIN: Final = 0
"""Stands for the audit events that are in no chain: the position that goes with it is how many there are."""


@value(frozen=True, slots=True)
class AuditHead:
    """The end of a chain of audit events: how many it has had, the last one's hash in base64url, and its time.

    `days` are the positions and times of the first event of each day, as far as they are not pruned.
    """

    chain: int
    position: int
    hash: str
    at: int
    days: Sequence[tuple[int, int]] = ()


@value(frozen=True, slots=True)
class AuditFlaw:
    """The first place where a chain of audit events does not hold.

    `sequence` is the number of the event that stands there, or of one that is missing; zero where that is not known.
    """

    chain: int
    position: int
    sequence: int
    problem: str


@value(frozen=True, slots=True)
class AuditVerdict:
    """What following the chains has found: how many events hold, and how many are in no chain."""

    events: int
    unchained: int
    heads: Sequence[AuditHead]
    flaws: Sequence[AuditFlaw]
