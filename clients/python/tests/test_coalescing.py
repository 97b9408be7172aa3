"""Who travels together: the decisions alone, without a call."""

import math
import random
from typing import Any

import pytest
from tokensvc_client.coalescing import MOST_CHARACTERS, MOST_TOKENS, Asker, Coalescing, may_travel
from tokensvc_pb.v1 import token_service_pb2 as pb


class Scene:
    """A Coalescing with room for one more party, and who was woken."""

    def __init__(self, *, is_empty: bool = False) -> None:
        """With `is_empty` nothing is under way yet, so there is room for two."""
        self.coalescing = Coalescing()
        self.woken: list[str] = []
        self.away = None if is_empty else self.arrives("away")

    def comes(self, token: str, deadline: float = math.inf, key: Any = "key") -> Asker:
        """Somebody comes, and no time passes."""
        asker = Asker(token, deadline, lambda: self.woken.append(token))
        self.coalescing.arrive(key, asker)
        return asker

    def arrives(self, token: str, deadline: float = math.inf, key: Any = "key") -> Asker:
        """Somebody comes, and gathers nobody."""
        asker = self.comes(token, deadline, key)
        if asker.gathers:
            self.coalescing.set_out(key, asker)
        return asker

    def keeps_nothing(self) -> bool:
        """Whether nothing is left when the last party is back."""
        if self.away is not None:
            self.settles(self.away)
        return not self.coalescing._lines

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


def test_no_token_is_in_a_text() -> None:
    """Neither one's own nor those that travel along."""
    assert "secret" not in repr(Scene().arrives("secret"))


def test_who_comes_meanwhile_goes_together_next() -> None:
    """Those who wait form one party, in their order, and one of them leads it: it is woken before all others."""
    scene = Scene()
    first, second, third = (scene.arrives(token) for token in "abc")
    assert (second.leads, third.leads) == ((), ())
    scene.settles(first)
    assert tokens_of(second) == ["b", "c"]
    assert scene.woken[2:] == ["b", "a"]


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
    assert scene.keeps_nothing()
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
    assert (later.outcome is not None, scene.keeps_nothing()) == (True, True)


def test_a_lone_leader_that_breaks_off_leaves_nothing() -> None:
    """The next asker goes at once."""
    scene = Scene()
    scene.coalescing.leave("key", scene.arrives("a"))
    assert tokens_of(scene.arrives("b")) == ["b"]


@pytest.mark.parametrize("seed", range(200))
def test_nobody_is_forgotten(seed: int) -> None:
    """Whoever comes and goes in whatever order: all who stay get an outcome, and two parties at most are under way."""
    chance, scene = random.Random(seed), Scene(is_empty=True)
    askers: list[Asker] = []
    for number in range(120):
        stay = [asker for asker in askers if asker.outcome is None and not asker.has_left]
        leaders, gatherers = [asker for asker in stay if asker.leads], [asker for asker in stay if asker.gathers]
        assert bool(leaders or gatherers) == bool(stay)
        assert (len(leaders) <= 2, len(gatherers) <= 1) == (True, True)
        match chance.choice(["arrive", "arrive", "leave", "settle", "set out"]):
            case "arrive":
                askers.append(scene.comes(str(number), chance.random()))
            case "leave" if stay:
                scene.coalescing.leave("key", chance.choice(stay))
            case "settle" if leaders:
                scene.settles(chance.choice(leaders))
            case "set out" if gatherers:
                scene.coalescing.set_out("key", gatherers[0])
    for asker in askers:
        if asker.gathers:
            scene.coalescing.set_out("key", asker)
    while leaders := [asker for asker in askers if asker.leads]:
        scene.settles(leaders[0])
    assert all(asker.outcome.subject == asker.token for asker in askers if not asker.has_left)
    assert scene.keeps_nothing()


def test_who_comes_in_the_same_moment_goes_together() -> None:
    """The first one gathers the others before it sets out."""
    scene = Scene()
    first, second = scene.comes("a"), scene.comes("b")
    assert (first.gathers, second.gathers) == (True, False)
    scene.coalescing.set_out("key", first)
    assert tokens_of(first) == ["a", "b"]


def test_one_who_gathers_and_gives_up_holds_up_nobody() -> None:
    """The others set out without it."""
    scene = Scene()
    first, second = scene.comes("a"), scene.comes("b")
    scene.coalescing.leave("key", first)
    assert tokens_of(second) == ["b"]


def test_many_who_come_while_nothing_is_under_way_go_in_halves() -> None:
    """So that those of one half can take their answers while the service works on the other."""
    scene = Scene(is_empty=True)
    askers = [scene.comes(str(number)) for number in range(64)]
    scene.coalescing.set_out("key", askers[0])
    assert [len(asker.leads) for asker in askers if asker.leads] == [32, 32]


def test_what_could_spoil_a_party_does_not_travel() -> None:
    """A batch with an empty token is refused as a whole, and one with a text that is no UTF-8 cannot be sent."""
    assert [may_travel(token) for token in ("a.b.c", "", "\ud800", "x" * 40_000)] == [True, False, False, False]
