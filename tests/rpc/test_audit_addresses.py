"""Whether the audit trail tells where somebody was."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Caller, Service, failure, running_service
from tests.rpc.steps import issue, refresh
from tests.rpc.tables import rows_of
from tokensvc.config import load_settings
from tokensvc.domain.policy import BindingAction, BindingPolicy, TokenPolicy

HOME, AWAY = {"ip": "192.0.2.7"}, {"ip": "198.51.100.7"}


@pytest.fixture
async def discreet(tmp_path: Path) -> AsyncIterator[Service]:
    """A service that keeps no addresses."""
    async with running_service(tmp_path / "discreet", audit_addresses=False) as service:
        yield service


async def trail_of(service: Service) -> list[tuple[str, str, str]]:
    """Type, address and details of what the trail has after logins, refreshes and refusals, a stranger's too."""
    app = await service.caller("app", policy=TokenPolicy(binding=BindingPolicy(ip=BindingAction.REJECT)))
    issued = await issue(app, context=HOME)
    refreshed = await refresh(app, issued.refresh_token, context=HOME)
    await failure(refresh(app, refreshed.refresh_token, context=AWAY))
    await failure(refresh(app, "tsr1_forged", context=AWAY))
    await failure(issue(Caller("app", "wrong", service.channel)))
    await service.server._refusals.flush()
    return [(row["type"], row["ip"], row["details"]) for row in rows_of(service, "audit_events")]


async def test_without_addresses_the_trail_does_not_tell_where_somebody_was(discreet: Service) -> None:
    """Neither the addresses that callers name nor those of connections; all else is there, and the chain holds."""
    events = await trail_of(discreet)
    assert {ip for _, ip, _ in events} == {""}
    assert "peer" not in repr(events)
    assert "192.0.2" not in repr(events)
    assert '"method":"Issue"' in repr(events)
    verdict = await discreet.store.verify_audit([], 0)  # type: ignore[attr-defined] # of the SQL store alone
    assert (verdict.flaws, verdict.events) == ([], len(events))


async def test_with_addresses_it_does(service: Service) -> None:
    """Where that is wanted every event has the address that its caller named, and a stranger's its connection's."""
    events = await trail_of(service)
    assert {ip for _, ip, _ in events} == {"", HOME["ip"], AWAY["ip"]}
    assert "ipv4:127.0.0.1" in repr(events)


def test_addresses_are_not_kept_unless_that_is_wanted() -> None:
    """The setting's default."""
    assert not load_settings({}).audit_addresses
