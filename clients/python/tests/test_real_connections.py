"""An assertion stands for one connection: told to the service alone, as the fake takes it at its word anywhere."""

from typing import Any

import pytest
from flavours import Flavour
from served import Served
from tokensvc_client import AuditFilter

pytestmark = pytest.mark.parametrize("server", ["real"], indirect=True)


def test_another_connection_gets_another_assertion(server: Served, flavour: Flavour, key_holder: Any) -> None:
    """What was used on one connection is refused on another: the call is made again with a new one."""
    credentials = key_holder()
    first, second = (flavour.client(server.address, credentials=credentials) for _ in range(2))
    assert not first.introspect("nonsense")
    shown = credentials.authorization()
    assert not second.introspect("nonsense")
    assert credentials.authorization() != shown
    assert not first.introspect("nonsense")


def test_a_stream_gets_another_assertion_too(server: Served, flavour: Flavour, key_holder: Any, subject: str) -> None:
    """A stream that is refused for its connection is begun again by itself."""
    credentials = key_holder()
    first, second = (flavour.client(server.address, credentials=credentials) for _ in range(2))
    first.flag_subject(subject)
    with second.watch_audit_events(filter=AuditFilter(subject=subject), after_sequence=1) as events:
        assert next(events).subject == subject
