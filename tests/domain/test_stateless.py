"""The session in a stateless refresh token: read back as it was written, and nothing else is taken for one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.domain.samples import NOW, a_session
from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.ending import end
from tokensvc.domain.session import Device, Session, Traces
from tokensvc.domain.stateless import from_claims, to_claims

OPTIONAL = frozenset(
    {"location", "acr", "claims", "credential_digest", "amr", "auth_time", "device", "login"}
    | {"last_seen", "last_location", "cnf"}
)


def full() -> Session:
    """A session that has everything that one can have."""
    session = a_session(
        5,
        login=Traces("24.abc", "def"),
        location="Lyon, FR",
        auth_time=NOW,
        acr="gold",
        amr=("pwd", "otp"),
        claims='{"tenant":"t1"}',
        credential_digest="xyz",
        confirmation=Confirmation(jkt="0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
    )
    return replace(
        session, last_seen=Traces("24.ghi", "jkl"), last_location="Oslo, NO", retry_window=0, is_stateless=True
    )


def bare() -> Session:
    """A session that has only what every one has."""
    return replace(a_session(device=Device()), retry_window=0, is_stateless=True)


@pytest.mark.parametrize("session", [full(), bare()], ids=["full", "bare"])
def test_it_is_read_back(session: Session) -> None:
    """Also after a journey through JSON."""
    assert from_claims(json.loads(json.dumps(to_claims(session)))) == session


def test_what_is_empty_is_left_out() -> None:
    """A token is as long as it must be: what only some sessions have is not in those of the others."""
    assert to_claims(full()).keys() - to_claims(bare()).keys() == OPTIONAL


@pytest.mark.parametrize("name", sorted(to_claims(full()).keys() - OPTIONAL))
def test_what_is_missing_is_missed(name: str) -> None:
    """There are no defaults for what every session has: we have written them all."""
    claims: dict[str, Any] = to_claims(full())
    del claims[name]
    assert from_claims(claims) is None


@pytest.mark.parametrize(
    "cnf", [None, "key", {}, {"jkt": "short"}, {"kid": "1"}, {"jkt": "a", "x5t#S256": "b"}], ids=str
)
def test_what_it_is_bound_to_is_understood_or_it_is_none(cnf: object) -> None:
    """A session that is bound by a key in a way that this version does not know is not taken for an unbound one."""
    assert from_claims({**to_claims(full()), "cnf": cnf}) is None


def test_its_end_is_remembered_as_long_as_it_could_live() -> None:
    """No row says that it has ended, so the log does until the absolute lifetime is over."""
    stateless, rowed = full(), replace(full(), is_stateless=False)
    assert end(stateless, NOW, "logout")[1].expires_at == stateless.grant.expires_at
    assert end(rowed, NOW, "logout")[1].expires_at == NOW + rowed.grant.access_ttl
