"""Who calls: the right secret is recognised, and everybody else gets one and the same refusal."""

import hmac
from collections.abc import Callable
from dataclasses import replace

import pytest

from tokensvc.domain.client import Client
from tokensvc.domain.errors import Reason, RefusedError, unauthenticated
from tokensvc.domain.view import View
from tokensvc.services import client_secrets
from tokensvc.services.client_secrets import authenticate, hash_secret

SECRET = "tscs_right"
OLDER = "tscs_older"
NOW = 1_800_000_000_000
BFF = Client(
    "bff",
    secret_hash=hash_secret(SECRET),
    previous_secret_hash=hash_secret(OLDER),
    previous_expires_at=NOW + 1,
)

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
    "older secret that has expired": ("expired", OLDER),
    "older secret of another client": ("other", OLDER),
    "older secret of a disabled client": ("disabled", OLDER),
}


@pytest.fixture
def view() -> View:
    """Confidential clients with two secrets, with one, disabled, and with one that has expired; and a public one."""
    view = View()
    known = (
        BFF,
        Client("other", secret_hash=hash_secret("tscs_other")),
        replace(BFF, client_id="disabled", disabled=True),
        replace(BFF, client_id="expired", previous_expires_at=NOW),
        Client("phone"),
    )
    view.clients = {client.client_id: client for client in known}
    return view


def test_the_right_secret_is_recognised(view: View) -> None:
    """The caller is the client whose id and secret it presents."""
    assert authenticate(view, "bff", SECRET, NOW) is BFF


def test_the_secret_before_is_recognised_while_it_is_valid(view: View) -> None:
    """After a rotation either secret will do, until the older one expires."""
    assert authenticate(view, "bff", OLDER, NOW) is BFF
    assert authenticate(view, "expired", SECRET, NOW).client_id == "expired"


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_cannot_be_told_apart(view: View, stranger: str) -> None:
    """Every refusal has the same type, reason, text and field, and no cause behind it."""
    with pytest.raises(RefusedError) as caught:
        authenticate(view, *STRANGERS[stranger], NOW)
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
    """Known or not, one hash of what was presented is compared twice, in constant time, with as many bytes."""
    client_id, secret = STRANGERS[stranger]
    with pytest.raises(RefusedError):
        authenticate(view, client_id, secret, NOW)
    assert [one for one, _ in compared] == [hash_secret(secret)] * 2
    assert {len(other) for _, other in compared} == {32}


@pytest.mark.parametrize("secret", [SECRET, OLDER])
def test_a_recognised_caller_costs_the_same_work(view: View, compared: list[tuple[bytes, bytes]], secret: str) -> None:
    """Success takes the same comparisons, with both secrets, whichever it is."""
    authenticate(view, "bff", secret, NOW)
    assert compared == [(hash_secret(secret), hash_secret(SECRET)), (hash_secret(secret), hash_secret(OLDER))]


@pytest.mark.parametrize("client_id", ["nobody", "phone", "other"])
def test_whoever_has_no_secret_is_not_let_in_by_a_matching_hash(
    view: View, monkeypatch: pytest.MonkeyPatch, client_id: str
) -> None:
    """What stands in for a missing secret opens nothing, not even to somebody whose secret hashes to just that."""
    monkeypatch.setattr(client_secrets, "hash_secret", lambda _secret: bytes(32))
    with pytest.raises(RefusedError):
        authenticate(view, client_id, "anything", NOW)
