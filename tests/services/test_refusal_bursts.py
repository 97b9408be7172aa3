"""Bursts of refusals: noticed by name, told once, and nobody hides one by making many others."""

import pytest

from tokensvc.domain.effects import AuditEvent
from tokensvc.services.refusal_bursts import (
    CLIENT_BURST,
    MOST_CALLERS,
    MOST_OF_A_CALLER,
    SUBJECT_BURST,
    WINDOW,
    RefusalBursts,
    worst_caller,
)


@pytest.fixture
def bursts() -> RefusalBursts:
    """Nothing was counted yet."""
    return RefusalBursts()


def told(count: int, **about: str) -> AuditEvent:
    """The event of a burst at the time 0."""
    callers = about.pop("callers")
    return AuditEvent(
        "suspicion.refusal_burst", 0, details={"count": count, "seconds": 60, "callers": callers}, **about
    )


def test_a_burst_about_a_subject_is_told_once_in_a_window(bursts: RefusalBursts) -> None:
    """When refusals about one subject come thick there is one event of it, and another in the next window."""
    halves = [bursts.of_subject("ada", "bff", SUBJECT_BURST // 2, now=0) for _ in range(4)]
    assert halves == [None, told(SUBJECT_BURST, subject="ada", callers="bff"), None, None]
    assert bursts.of_subject("ada", "bff", SUBJECT_BURST, now=WINDOW)


def test_few_refusals_are_no_burst(bursts: RefusalBursts) -> None:
    """As many, but over a longer time, are nothing special."""
    step = WINDOW // (SUBJECT_BURST - 2)
    assert not any(bursts.of_subject("ada", "bff", 1, now=number * step) for number in range(3 * SUBJECT_BURST))


def test_a_burst_of_a_client_is_told(bursts: RefusalBursts) -> None:
    """A client has a count of its own."""
    assert bursts.of_client("app", "bff", CLIENT_BURST - 1, now=0) is None
    assert bursts.of_client("app", "evil", 1, now=0) == told(CLIENT_BURST, client_id="app", callers="bff evil")


def test_the_callers_are_named_the_worst_first(bursts: RefusalBursts) -> None:
    """Whoever wants to make a subject suspect stands in the event; of very many callers the first ones do."""
    for number in range(10):
        bursts.of_subject("ada", f"caller-{number}", 1 + (number == 3), now=0)
    event = bursts.of_subject("ada", "late", SUBJECT_BURST, now=0)
    assert event
    assert event.details["callers"] == "caller-3 caller-0 caller-1 caller-2 caller-4"
    assert MOST_CALLERS == 5


def test_a_caller_with_ever_new_names_drives_out_nobody(bursts: RefusalBursts) -> None:
    """Others' windows go on; its own name is still counted."""
    bursts.of_subject("ada", "bff", SUBJECT_BURST - 1, now=0)
    for number in range(20 * MOST_OF_A_CALLER):
        bursts.of_subject(str(number), "evil", 1, now=0)
    assert bursts.of_subject("ada", "bff", 1, now=0)
    assert bursts.of_client("evil", "evil", CLIENT_BURST, now=0)


def test_when_its_windows_are_over_a_caller_may_have_others(bursts: RefusalBursts) -> None:
    """What is over takes no room."""
    for number in range(MOST_OF_A_CALLER):
        bursts.of_subject(str(number), "bff", 1, now=0)
    assert bursts.of_subject("ada", "bff", SUBJECT_BURST, now=WINDOW - 1) is None
    assert bursts.of_subject("ada", "bff", SUBJECT_BURST, now=WINDOW)
    assert len(bursts._windows) == 1


def test_the_worst_caller_is_known(bursts: RefusalBursts) -> None:
    """So that bursts of many callers can take turns; strangers have no name."""
    bursts.of_client("app", "bff", 1, now=0)
    event = bursts.of_client("app", "evil", CLIENT_BURST, now=0)
    assert event
    assert worst_caller(event) == "evil"
    event = bursts.of_client("other", "", CLIENT_BURST, now=0)
    assert event
    assert worst_caller(event) == ""


def test_memory_is_bounded(bursts: RefusalBursts) -> None:
    """However many callers name however many subjects."""
    for number in range(15_000):
        bursts.of_subject(str(number), str(number % 100), 1, now=0)
    assert len(bursts._windows) == 10_000
    assert bursts._opened.total() == 10_000
