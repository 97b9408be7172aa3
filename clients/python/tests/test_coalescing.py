"""Who travels together: the decisions alone, without a call."""

import math
import random
from typing import Any

import pytest
from tokensvc_client.coalescing import MOST_CHARACTERS, MOST_TOKENS, Asker, Coalescing, may_travel
from tokensvc_pb.v1 import token_service_pb2 as pb


class Scene:
    """A Coalescing, and who was woken."""

    def __init__(self) -> None:
        self.coalescing = Coalescing()
        self.woken: list[str] = []

    def arrives(self, token: str, deadline: float = math.inf, key: Any = "key") -> Asker:
        asker = Asker(token, deadline, lambda: self.woken.append(token))
        self.coalescing.arrive(key, asker)
        return asker

    def settles(self, leader: Asker) -> None:
        outcomes = [pb.IntrospectResponse(active=True, subject=member.token) for member in leader.leads]
        for member in self.coalescing.settle("key", leader, outcomes):
            member.wake()


def tokens_of(asker: Asker) -> list[str]:
    """Whose party it leads."""
    return [member.token for member in asker.leads]


def test_who_comes_first_goes_at_once_and_alone() -> None:
    """Nobody waits while nothing is under way."""
    assert tokens_of(Scene().arrives("a")) == ["a"]


def test_who_comes_meanwhile_goes_together_next() -> None:
    """Those who wait form one party, in their order, and one of them leads it: it is woken before all others."""
    scene = Scene()
    first, second, third = (scene.arrives(token) for token in "abc")
    assert (second.leads, third.leads) == ((), ())
    scene.settles(first)
    assert tokens_of(second) == ["b", "c"]
    assert scene.woken == ["b", "a"]


def test_each_gets_its_own_outcome() -> None:
    """Outcomes are given out in the order of the party."""
    scene = Scene()
    first, second, third = (scene.arrives(token) for token in "abc")
    scene.settles(first)
    scene.settles(second)
    assert [asker.outcome for asker in (first, second, third)] == [
        pb.IntrospectResponse(active=True, subject=token) for token in "abc"
    ]


def test_who_can_wait_longest_leads() -> None:
    """So the call's time is over no earlier than any member's."""
    scene = Scene()
    first, second, third = scene.arrives("a"), scene.arrives("b", 5.0), scene.arrives("c", 7.0)
    scene.settles(first)
    assert (second.leads, tokens_of(third)) == ((), ["b", "c"])


def test_others_who_ask_for_something_else_do_not_wait() -> None:
    """Each key has a party of its own under way."""
    scene = Scene()
    scene.arrives("a")
    assert tokens_of(scene.arrives("b", key="another")) == ["b"]


def test_nothing_is_kept_when_nobody_asks() -> None:
    """After the last party the next asker goes at once again."""
    scene = Scene()
    scene.settles(scene.arrives("a"))
    assert scene.coalescing._waiting == {}
    assert tokens_of(scene.arrives("b")) == ["b"]


def test_a_party_has_a_limit() -> None:
    """A thousand go together; the others after them."""
    scene = Scene()
    first, *others = (scene.arrives(str(number)) for number in range(MOST_TOKENS + 3))
    scene.settles(first)
    assert len(others[0].leads) == MOST_TOKENS
    scene.settles(others[0])
    assert tokens_of(others[MOST_TOKENS]) == ["1001", "1002"]


def test_long_tokens_make_smaller_parties() -> None:
    """The characters of all tokens of a party are bounded, because its answer is."""
    scene = Scene()
    first, *others = (scene.arrives("x" * (MOST_CHARACTERS // 4)) for _ in range(6))
    scene.settles(first)
    assert len(others[0].leads) == 4


def test_who_gives_up_while_waiting_is_left_out() -> None:
    """The others go without it."""
    scene = Scene()
    first, second, third = (scene.arrives(token) for token in "abc")
    scene.coalescing.leave("key", second)
    scene.settles(first)
    assert tokens_of(third) == ["c"]


def test_a_member_that_gives_up_changes_nothing_for_the_others() -> None:
    """Its party is under way already."""
    scene = Scene()
    first, second, third = (scene.arrives(token) for token in "abc")
    scene.settles(first)
    scene.coalescing.leave("key", third)
    scene.settles(second)
    assert second.outcome is not None


def test_a_leader_that_breaks_off_hands_over() -> None:
    """Those it has led go again at once under another leader, before those who came later; who has left does not."""
    scene = Scene()
    first, second, third, fourth = (scene.arrives(token) for token in "abcd")
    scene.settles(first)
    later = scene.arrives("e")
    scene.coalescing.leave("key", fourth)
    scene.coalescing.leave("key", second)
    assert tokens_of(third) == ["c", "e"]
    scene.settles(third)
    assert (later.outcome is not None, scene.coalescing._waiting) == (True, {})


def test_a_lone_leader_that_breaks_off_leaves_nothing() -> None:
    """The next asker goes at once."""
    scene = Scene()
    scene.coalescing.leave("key", scene.arrives("a"))
    assert tokens_of(scene.arrives("b")) == ["b"]


@pytest.mark.parametrize("seed", range(200))
def test_nobody_is_forgotten(seed: int) -> None:
    """Whoever comes and goes in whatever order: all who stay get an outcome, and one party is under way at a time."""
    chance, scene = random.Random(seed), Scene()
    askers: list[Asker] = []
    for number in range(60):
        stay = [asker for asker in askers if asker.outcome is None and not asker.has_left]
        leaders = [asker for asker in stay if asker.leads]
        assert len(leaders) == bool(stay)
        match chance.choice(["arrive", "arrive", "leave", "settle"]):
            case "arrive":
                askers.append(scene.arrives(str(number), chance.random()))
            case "leave" if stay:
                scene.coalescing.leave("key", chance.choice(stay))
            case "settle" if leaders:
                scene.settles(leaders[0])
    while leaders := [asker for asker in askers if asker.leads]:
        scene.settles(leaders[0])
    assert all(asker.outcome.subject == asker.token for asker in askers if not asker.has_left)
    assert scene.coalescing._waiting == {}


def test_what_could_spoil_a_party_does_not_travel() -> None:
    """A batch with an empty token is refused as a whole, and one with a text that is no UTF-8 cannot be sent."""
    assert [may_travel(token) for token in ("a.b.c", "", "\ud800", "x" * 40_000)] == [True, False, False, False]
