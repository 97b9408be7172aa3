"""Who is refused cannot tell from the time why: not whether there is such a client, nor whether it is disabled.

What is compared is the median CPU time of recognising a caller, of each kind of stranger in turn. They may differ by a
twentieth: of a secret that is 0.3 µs, of an assertion 5. To tell so much apart through a network whose times vary by
50 µs, at two standard errors, takes about 8 · (50 / 0.3)² = 220,000 refused calls for secrets, and for assertions 800,
if nothing else varied; what a signature costs by itself varies by more. The refusal delay answers 20 a second of them.
A test that skipped the comparison, the signature, or the look at `disabled` would differ by a fifth and more.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from tests.client_keys import Signer, by_assertion
from tests.fakes import FakeClock
from tests.harness import ISSUER
from tests.rpc.test_remembered_callers import BFF, NOW, SECRET, basic, new_callers, view_of
from tokensvc.crypto.client_assertions import ClientAssertionVerifier
from tokensvc.domain.client import Client
from tokensvc.domain.client_directory import ClientDirectory
from tokensvc.domain.errors import RefusedError

MOST_DIFFERENCE = 0.05
TRIALS = 5
"""A real difference shows in each of them; one that a busy machine makes does not."""

Attempt = Callable[[], object]


def differences(attempts: Mapping[str, Attempt], turns: int, calls: int) -> dict[str, float]:
    """By how much the median time of each attempt differs from that of the first, as a share."""
    spent: dict[str, list[int]] = {name: [] for name in attempts}
    order = list(attempts)
    for _ in range(turns):
        random.shuffle(order)
        for name in order:
            attempt, began = attempts[name], time.thread_time_ns()
            for _ in range(calls):
                attempt()
            spent[name].append(time.thread_time_ns() - began)
    first, *_ = medians = [statistics.median(spent[name]) for name in attempts]
    return {name: abs(median / first - 1) for name, median in zip(attempts, medians, strict=True)}


def are_alike(attempts: Mapping[str, Attempt], turns: int, calls: int) -> bool:
    """Whether in one of the trials no attempt takes longer or shorter than another."""
    return any(max(differences(attempts, turns, calls).values()) <= MOST_DIFFERENCE for _ in range(TRIALS))


def recognising(client_id: str, secret: str, *clients: Client) -> Attempt:
    """An attempt to call by a secret, which is refused."""
    callers, view, context = new_callers(), view_of(*clients), basic(client_id, secret)

    def attempt() -> None:
        with suppress(RefusedError):
            callers.recognise(context, view, NOW)
            raise AssertionError("the caller is recognised")

    return attempt


def test_secrets_take_the_same_time() -> None:
    """An unknown client, a wrong secret, and a disabled client with the right one."""
    attempts = {
        "wrong": recognising("bff", f"{SECRET}x", BFF),
        "unknown": recognising("bfg", SECRET, BFF),
        "disabled": recognising("bff", SECRET, replace(BFF, disabled=True)),
    }
    assert are_alike(attempts, turns=150, calls=20)


def test_assertions_take_the_same_time(clock: FakeClock) -> None:
    """An unknown client, another client's key, and a disabled client with its own."""
    known = Client("bff", **by_assertion())
    assertion = Signer("bff", clock).assertion()
    verifier = ClientAssertionVerifier(ISSUER)
    clients: dict[str, dict[str, Client]] = {
        "another key": {"bff": replace(known, **by_assertion(name="another"))},
        "unknown": {"bfg": known},
        "disabled": {"bff": replace(known, disabled=True)},
    }
    attempts = {
        name: partial(verifier.verify, assertion, ClientDirectory(those), clock()) for name, those in clients.items()
    }
    assert all(attempt() is None for attempt in attempts.values())
    assert are_alike(attempts, turns=150, calls=2)


def test_a_difference_is_seen() -> None:
    """Of a tenth: so the tests above can fail."""
    attempts = {"ten": lambda: sum(range(1000)), "eleven": lambda: sum(range(1150))}
    assert not are_alike(attempts, turns=60, calls=20)
