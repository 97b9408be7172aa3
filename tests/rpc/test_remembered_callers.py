"""A caller that was recognised before is recognised faster, never longer: what ends its rights ends them at once."""

import base64
import hashlib
from dataclasses import replace

import pytest

from tests.rpc.contexts import FakeContext
from tokensvc.crypto.client_assertions import ClientAssertionVerifier
from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.view import View
from tokensvc.rpc import caller
from tokensvc.rpc.assertions import Assertions
from tokensvc.rpc.caller import Callers
from tokensvc.services.client_assertions import Redemption
from tokensvc.services.client_secrets import hash_secret
from tokensvc.store.memory import MemoryStore

SECRET = "tscs_right"
OLDER = "tscs_older"
NOW = 1_800_000_000_000
BFF = Client("bff", secret_hash=hash_secret(SECRET))
ROTATING = replace(BFF, previous_secret_hash=hash_secret(OLDER), previous_expires_at=NOW + 1)


def header(client_id: str, secret: str) -> str:
    """The header of a call."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def basic(client_id: str, secret: str) -> FakeContext:
    """A call by a secret."""
    return FakeContext((("authorization", header(client_id, secret)),))


def new_callers() -> Callers:
    """One that has recognised nobody, and knows no assertions."""
    return Callers(Assertions(Redemption(MemoryStore(), ClientAssertionVerifier("https://issuer.test"), lambda: NOW)))


def view_of(*clients: Client) -> View:
    """A view in which there are these clients."""
    view = View()
    view.clients = {client.client_id: client for client in clients}
    return view


@pytest.fixture
def callers() -> Callers:
    """One that has recognised the BFF, and then a call of nobody."""
    callers = new_callers()
    assert callers.recognise(basic("bff", SECRET), view_of(BFF), NOW) is BFF
    with pytest.raises(RefusedError):
        callers.recognise(basic("bff", "tscs_wrong"), view_of(BFF), NOW)
    return callers


def test_a_remembered_caller_is_not_compared_again(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been recognised once needs no comparison of secrets."""
    monkeypatch.delattr(caller, "authenticate")
    assert callers.recognise(basic("bff", SECRET), view_of(BFF), NOW) is BFF


@pytest.mark.parametrize(
    "changed",
    [
        (),
        (replace(BFF, disabled=True),),
        (replace(BFF, secret_hash=hash_secret("tscs_new")),),
        (replace(BFF, secret_hash=None),),
        (replace(BFF, client_id="another"),),
    ],
    ids=["deleted", "disabled", "another secret", "public", "another client"],
)
def test_a_change_of_the_client_counts_at_once(callers: Callers, changed: tuple[Client, ...]) -> None:
    """Deleted, disabled, with another secret: the next call is refused."""
    with pytest.raises(RefusedError) as refused:
        callers.recognise(basic("bff", SECRET), view_of(*changed), NOW)
    assert refused.value.reason is Reason.CALLER_UNAUTHENTICATED


def test_what_the_client_is_now_is_answered(callers: Callers) -> None:
    """With other rights the client is another one, and the call has those."""
    narrower = replace(BFF, acts_for=frozenset())
    assert callers.recognise(basic("bff", SECRET), view_of(narrower), NOW) is narrower


def test_an_older_secret_ends_on_time() -> None:
    """The secret before is good until its last millisecond, however often it was used."""
    callers, view = new_callers(), view_of(ROTATING)
    for secret in (OLDER, SECRET, OLDER):
        assert callers.recognise(basic("bff", secret), view, NOW) is ROTATING
    with pytest.raises(RefusedError):
        callers.recognise(basic("bff", OLDER), view, NOW + 1)
    assert callers.recognise(basic("bff", SECRET), view, NOW + 1) is ROTATING


def test_only_so_many_are_remembered(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was recognised first is forgotten first."""
    monkeypatch.setattr(caller, "_MOST_REMEMBERED", 2)
    others = [replace(BFF, client_id=name) for name in ("one", "two")]
    view = view_of(BFF, *others)
    for client in others:
        assert callers.recognise(basic(client.client_id, SECRET), view, NOW) is client
    monkeypatch.delattr(caller, "authenticate")
    assert callers.recognise(basic("two", SECRET), view, NOW) is others[1]
    with pytest.raises(NameError):
        callers.recognise(basic("bff", SECRET), view, NOW)


def test_no_secret_is_remembered(callers: Callers) -> None:
    """What is kept of a call is the hash of what it presented."""
    assert list(vars(callers)["_known"]) == [hashlib.sha256(header("bff", SECRET).encode()).digest()]


def test_each_client_has_one_place(callers: Callers) -> None:
    """However many spellings of its header a client sends, it pushes nobody out."""
    other = replace(BFF, client_id="other")
    view = view_of(BFF, other)
    assert callers.recognise(basic("other", SECRET), view, NOW) is other
    for place in range(len("basic")):
        spelling = "basic"[:place].upper() + "basic"[place:]
        assert (
            callers.recognise(
                FakeContext([("authorization", header("bff", SECRET).replace("Basic", spelling))]), view, NOW
            )
            is BFF
        )
    assert sorted(client.client_id for client in vars(callers)["_known"].values()) == ["bff", "other"]
