"""What a client may do, and for whom."""

from dataclasses import replace

import pytest

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import DEFAULT_POLICY, Rotation


@pytest.mark.parametrize("permission", Permission)
def test_a_permission_has_to_be_given(permission: Permission) -> None:
    """A client without the permission is refused, also if it has all the others."""
    with pytest.raises(RefusedError) as caught:
        Client("phone", permissions=frozenset(Permission) - {permission}).require(permission)
    assert caught.value.reason is Reason.CALLER_NOT_PERMITTED


@pytest.mark.parametrize("permission", Permission)
def test_a_permission_that_is_given_is_enough(permission: Permission) -> None:
    """A client with just this permission passes."""
    Client("phone", permissions=frozenset({permission})).require(permission)


def test_a_client_may_act_for_itself() -> None:
    """No entry is needed for its own tokens, and it reaches no further."""
    assert Client("phone").may_act_for("phone")
    assert not Client("phone").may_act_for("web")


def test_a_client_may_act_for_those_it_names() -> None:
    """The names are whole names: no prefix and no part of one counts."""
    bff = Client("bff", acts_for=frozenset({"phone"}))
    assert bff.may_act_for("phone")
    assert not any(map(bff.may_act_for, ("pho", "phone2", "PHONE", "", "*")))
    assert not bff.acts_for_every_client


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(Client("bff", acts_for=frozenset({"*"})), id="star"),
        pytest.param(Client("operator", permissions=frozenset({Permission.ADMIN})), id="admin"),
    ],
)
def test_some_clients_may_act_for_every_client(client: Client) -> None:
    """The star and the permission admin reach every client, also one that comes later."""
    assert client.acts_for_every_client
    assert client.may_act_for("a-client-of-tomorrow")


def test_a_client_does_not_show_its_secrets() -> None:
    """The stored hashes stay out of every representation that could reach a log."""
    assert "canary" not in repr(Client("phone", secret_hash=b"canary", previous_secret_hash=b"canary"))


@pytest.mark.parametrize(("now", "previous"), [(0, b"old"), (9, b"old"), (10, None), (11, None)])
def test_the_secret_before_is_good_until_it_expires(now: int, previous: bytes | None) -> None:
    """From the moment of its expiry on it counts no more, without anything being done."""
    client = Client("bff", secret_hash=b"new", previous_secret_hash=b"old", previous_expires_at=10)
    assert client.secret_hashes(now) == (b"new", previous)


def test_a_wider_retry_window_holds_from_now_on() -> None:
    """What the policy before would not have answered again stays consumed, through any number of changes."""
    minute, second, none = (replace(DEFAULT_POLICY, retry_window=span) for span in (60_000, 1000, 0))
    client = Client("app", policy=minute)
    assert client.with_policy(second, 100_000).retries_from == 0
    widened = client.with_policy(second, 100_000).with_policy(minute, 200_000)
    assert widened.retries_from == 199_000
    assert widened.with_policy(none, 201_000).with_policy(second, 202_000).retries_from == 202_000
    assert widened.with_policy(none, 201_000).retries_from == 199_000
    always = replace(minute, rotation=Rotation.ALWAYS)
    assert client.with_policy(always, 100_000).with_policy(minute, 200_000).retries_from == 200_000
    assert widened.with_policy(minute, 300_000).retries_from == 199_000
    twice = client.with_policy(none, 1).with_policy(minute, 200_000)
    assert twice.with_policy(replace(minute, retry_window=120_000), 210_000).retries_from == 200_000
