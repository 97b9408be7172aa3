"""Who calls: the right secret is recognised, and everybody else gets one and the same refusal."""

import hmac
from collections.abc import Callable
from dataclasses import replace

import pytest

from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.view import View
from tokensvc.services import clients
from tokensvc.services.clients import authenticate, hash_secret, unauthenticated

SECRET = "tscs_right"
BFF = Client("bff", secret_hash=hash_secret(SECRET))

# Each is refused for another reason, of which nothing may show.
STRANGERS = {
    "unknown client": ("nobody", SECRET),
    "no client": ("", ""),
    "wrong secret": ("bff", "tscs_wrong"),
    "no secret": ("bff", ""),
    "secret in another case": ("bff", SECRET.upper()),
    "secret with a space": ("bff", f"{SECRET} "),
    "secret of another client": ("other", SECRET),
    "the stored hash": ("bff", hash_secret(SECRET).hex()),
    "no text at all": ("bff", "\ud800"),
    "very long": ("bff", "x" * 100_000),
    "public client": ("phone", SECRET),
    "public client without secret": ("phone", ""),
    "disabled client": ("disabled", SECRET),
    "disabled client with a wrong secret": ("disabled", "tscs_wrong"),
    "client id in another case": ("BFF", SECRET),
}


@pytest.fixture
def view() -> View:
    """A confidential client, another one, a disabled one and a public one."""
    view = View()
    known = (
        BFF,
        Client("other", secret_hash=hash_secret("tscs_other")),
        replace(BFF, client_id="disabled", disabled=True),
        Client("phone"),
    )
    view.clients = {client.client_id: client for client in known}
    return view


def test_the_right_secret_is_recognised(view: View) -> None:
    """The caller is the client whose id and secret it presents."""
    assert authenticate(view, "bff", SECRET) is BFF


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_cannot_be_told_apart(view: View, stranger: str) -> None:
    """Every refusal has the same type, reason, text and field, and no cause behind it."""
    with pytest.raises(RefusedError) as caught:
        authenticate(view, *STRANGERS[stranger])
    error, fixed = caught.value, unauthenticated()
    assert (type(error), error.reason, error.message, error.field, error.args) == (
        type(fixed),
        Reason.CALLER_UNAUTHENTICATED,
        fixed.message,
        "",
        fixed.args,
    )
    assert error.__cause__ is None


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """What was compared in constant time, in order."""
    pairs: list[tuple[bytes, bytes]] = []
    compare: Callable[[bytes, bytes], bool] = hmac.compare_digest

    def note_and_compare(one: bytes, other: bytes) -> bool:
        pairs.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note_and_compare)
    return pairs


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_cost_the_same_work(view: View, compared: list[tuple[bytes, bytes]], stranger: str) -> None:
    """Known or not, one hash of what was presented is compared, in constant time, with as many bytes."""
    client_id, secret = STRANGERS[stranger]
    with pytest.raises(RefusedError):
        authenticate(view, client_id, secret)
    ((one, other),) = compared
    assert one == hash_secret(secret)
    assert len(one) == len(other) == 32


def test_a_recognised_caller_costs_the_same_work(view: View, compared: list[tuple[bytes, bytes]]) -> None:
    """Success takes the same comparison, once."""
    authenticate(view, "bff", SECRET)
    assert compared == [(hash_secret(SECRET), hash_secret(SECRET))]


@pytest.mark.parametrize("client_id", ["nobody", "phone"])
def test_whoever_has_no_secret_is_not_let_in_by_a_matching_hash(
    view: View, monkeypatch: pytest.MonkeyPatch, client_id: str
) -> None:
    """What stands in for a missing secret opens nothing, not even to somebody whose secret hashes to just that."""
    monkeypatch.setattr(clients, "hash_secret", lambda _secret: bytes(32))
    with pytest.raises(RefusedError):
        authenticate(view, client_id, "anything")
