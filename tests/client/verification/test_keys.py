"""Which keys verify, and when they are fetched: at first, when they are old, changed or unknown, and not too often."""

import threading
from datetime import timedelta

import pytest
from tokensvc_client import Jwks
from tokensvc_client.verification import (
    InvalidTokenError,
    JwksUnavailableError,
    KeyLimits,
    TokenVerifier,
    UnverifiableError,
    VerificationPolicy,
)
from tokensvc_client.verification.keys import Fetch, Keys

from tests.client.revocations.messages import NOW
from tests.client.verification.scene import FORGER, KEY, MAX_AGE, FakeService, Scene
from tests.crypto.forging import Forger, new_key
from tests.harness import ISSUER

NEWER = new_key("newer")
NEWER_TOKEN = Forger(NEWER).token()


def wait_for_fetches(scene: Scene, count: int) -> None:
    """A fetch beside the work comes to its end."""
    with scene.verifier._fetching:
        pass
    deadline = threading.Event()
    for _ in range(1000):
        if scene.service.fetches >= count and not scene.verifier._fetching.locked():
            return
        deadline.wait(0.01)
    raise AssertionError(f"{scene.service.fetches} fetches, not {count}")


def test_keys_are_fetched_once(scene: Scene) -> None:
    """At the first token; the next ones need none."""
    for _ in range(3):
        scene.verify(FORGER.token())
    assert scene.service.fetches == 1


def test_keys_are_fetched_anew_before_they_are_too_old(scene: Scene) -> None:
    """Beside the work, at half of their age: the token at hand does not wait."""
    scene.verify(FORGER.token())
    scene.advance(151.0)
    scene.service.keys.append(NEWER)
    scene.verify(FORGER.token())
    wait_for_fetches(scene, 2)
    assert scene.verify(NEWER_TOKEN)
    assert scene.service.fetches == 2


def test_keys_that_are_old_at_once_are_not_fetched_for_each_token() -> None:
    """A service whose keys may follow each other within seconds says so; once a second is enough."""
    keys = Keys(KeyLimits())
    keys.take(Jwks(f'{{"keys":[{KEY.public_jwk}]}}', timedelta(0)), 100.0, 0)
    assert [keys.fetch(now, 0) for now in (100.0, 100.9, 101.0)] == [Fetch.NOT, Fetch.NOT, Fetch.BESIDE]


def test_an_unknown_key_is_looked_for(scene: Scene) -> None:
    """A token of a key that has just taken over verifies at once."""
    scene.verify(FORGER.token())
    scene.advance(6.0)
    scene.service.keys.append(NEWER)
    assert scene.verify(NEWER_TOKEN)
    assert scene.service.fetches == 2


def test_unknown_keys_do_not_become_many_fetches(scene: Scene) -> None:
    """Whoever makes names up causes one fetch in a cooldown."""
    scene.verify(FORGER.token())
    scene.advance(6.0)
    for number in range(20):
        with pytest.raises(InvalidTokenError):
            scene.verify(FORGER.token(FORGER.header(kid=f"unknown-{number}")))
    assert scene.service.fetches == 2


@pytest.mark.parametrize("cooldown", [0.0, 0.5, -1.0])
def test_a_cooldown_has_a_length(cooldown: float) -> None:
    """Without one, one token with a name that is made up would have the keys fetched without an end."""
    with pytest.raises(ValueError, match="cooldown"):
        KeyLimits(cooldown=cooldown)


def test_a_change_is_fetched_before_the_next_token(scene: Scene) -> None:
    """A revoked key ends what it has signed, also what was verified before."""
    scene.verify(FORGER.token())
    scene.service.keys[:] = [NEWER]
    scene.hear(keys_changed=True)
    with pytest.raises(InvalidTokenError):
        scene.verify(FORGER.token())
    assert scene.verify(NEWER_TOKEN)


def test_after_a_change_the_keys_are_fetched_once_more(scene: Scene) -> None:
    """The node that answered may have been behind the one that told of the change."""
    scene.verify(FORGER.token())
    scene.hear(keys_changed=True)
    scene.verify(FORGER.token())
    assert scene.service.fetches == 2
    scene.advance(6.0)
    scene.verify(FORGER.token())
    wait_for_fetches(scene, 3)


def test_other_keys_do_not_cost_what_is_remembered(scene: Scene) -> None:
    """A rotation leaves the verdicts of the older key as they are."""
    token = scene.verify(FORGER.token())
    text = FORGER.token()
    scene.service.keys.append(NEWER)
    first = scene.verify(text)
    scene.hear(keys_changed=True)
    assert scene.verify(text) is first
    assert token == first


def test_known_keys_serve_while_none_can_be_fetched(scene: Scene) -> None:
    """For an hour longer than they may be kept, and no longer."""
    scene.verify(FORGER.token())
    scene.service.fails = True
    claims = FORGER.claims(exp=1_900_000_000)
    scene.advance(3800.0)
    assert scene.verify(FORGER.token(claims=claims))
    wait_for_fetches(scene, 2)
    scene.advance(101.0)
    with pytest.raises(UnverifiableError):
        scene.verify(FORGER.token(claims=claims))


def test_changed_keys_serve_for_a_moment(scene: Scene) -> None:
    """Where a change is known and cannot be fetched, the old ones end much sooner; the calls stay few."""
    scene.verify(FORGER.token())
    scene.service.fails = True
    scene.hear(keys_changed=True)
    for _ in range(20):
        assert scene.verify(FORGER.token())
    assert scene.service.fetches == 2
    scene.advance(10.1)
    for _ in range(20):
        with pytest.raises(UnverifiableError):
            scene.verify(FORGER.token())
    assert scene.service.fetches == 3
    scene.service.fails = False
    scene.advance(1.0)
    assert scene.verify(FORGER.token())


def test_without_keys_nothing_can_be_said(scene: Scene) -> None:
    """A token is not called forged because the service cannot be reached."""
    scene.service.fails = True
    with pytest.raises(UnverifiableError):
        scene.verify(FORGER.token())


def test_many_threads_share_one_fetch() -> None:
    """Who waits for keys waits for the same ones."""
    entered, go_on = threading.Event(), threading.Event()

    class SlowService(FakeService):
        def get_jwks(self) -> Jwks:
            entered.set()
            assert go_on.wait(10)
            return super().get_jwks()

    scene = Scene(VerificationPolicy())
    service = SlowService([KEY])
    clocks = {"clock": lambda: 100.0, "epoch_clock": lambda: float(NOW)}
    verifier = TokenVerifier(ISSUER, service, scene.feed, **clocks)
    text, answers = FORGER.token(), []
    threads = [threading.Thread(target=lambda: answers.append(verifier.verify(text, audience="api"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert (len(answers), service.fetches) == (8, 1)


@pytest.mark.parametrize("jwks", ["", "[]", "{}", '{"keys":{}}', '{"keys":[]}', '{"keys":[1]}', "x" * 70_000])
def test_what_is_no_set_replaces_nothing(jwks: str) -> None:
    """An answer that makes no sense is no answer."""
    with pytest.raises(JwksUnavailableError):
        Keys(KeyLimits()).take(Jwks(jwks, MAX_AGE), 0.0, 0)


def test_keys_of_the_future_are_left_out() -> None:
    """A set may have keys that are not understood here (RFC 7517, 5)."""
    keys = Keys(KeyLimits())
    keys.take(Jwks(f'{{"keys":[{{"kty":"AKP","kid":"x"}},{KEY.public_jwk}]}}', MAX_AGE), 0.0, 0)
    assert keys.get(KEY.key_id)
    assert keys.get("x") is None
