"""What a thief of the database can do with it: nothing."""

import base64
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeRandomness
from tests.harness import Caller, Service, failure
from tests.rpc.steps import introspect, is_active, issue, refresh, sealed
from tests.rpc.tables import rows_of, tables_of
from tokensvc.app import open_keys, open_store
from tokensvc.config import Settings, load_settings
from tokensvc.crypto.root_keys import create_root_key
from tokensvc.domain.keys import RootKeyError


@pytest.fixture
async def loot(service: Service, bff: Caller, tmp_path: Path) -> Settings:
    """Settings of a copy of a database with living sessions, without its root key."""
    await issue(bff, credential_version="password-1", claims={"tenant": "t1"})
    await refresh(bff, (await issue(bff, "bob")).refresh_token)
    copy = tmp_path / "loot"
    copy.mkdir()
    for path in service.settings.data_dir.glob("tokensvc.db*"):
        shutil.copy(path, copy)
    return load_settings({"data_dir": copy, "issuer": service.settings.issuer, "linger_ms": 0})


async def _open(settings: Settings) -> None:
    store = open_store(settings)
    try:
        await open_keys(store, settings, lambda: 0, FakeRandomness())
    finally:
        await store.close()


async def test_without_the_root_key_no_service_starts(loot: Settings) -> None:
    """A copy without the root key is not given a new one: its keys stay shut."""
    with pytest.raises(RootKeyError):
        await _open(loot)
    assert not loot.root_key_path.exists()


async def test_another_root_key_opens_nothing(loot: Settings) -> None:
    """With a root key of the thief's own the stored keys do not open."""
    create_root_key(loot.root_key_path)
    with pytest.raises(RootKeyError):
        await _open(loot)


async def test_the_true_root_key_does_open_it(service: Service, loot: Settings) -> None:
    """With its own root key the same copy opens: the refusals above are for the key's sake."""
    shutil.copy(service.settings.root_key_path, loot.root_key_path)
    await _open(loot)


async def test_wrapped_keys_cannot_change_places(service: Service, loot: Settings) -> None:
    """A wrapped key that was moved to the row of another does not open, though the root key is the right one."""
    shutil.copy(service.settings.root_key_path, loot.root_key_path)
    with closing(sqlite3.connect(loot.database_path)) as connection:
        (first, one), (second, other) = connection.execute("SELECT key_id, wrapped FROM keys").fetchall()
        connection.executemany("UPDATE keys SET wrapped = ? WHERE key_id = ?", [(other, first), (one, second)])
        connection.commit()
    with pytest.raises(RootKeyError):
        await _open(loot)


def _spellings(value: Any) -> Iterator[str]:
    """How a value of a dump could be tried as a token or a secret."""
    if isinstance(value, bytes):
        yield from (value.hex(), base64.b64encode(value).decode(), base64.urlsafe_b64encode(value).decode().rstrip("="))
    elif isinstance(value, str) and value.startswith(("{", "[")):
        document = json.loads(value)
        for inner in document.values() if isinstance(document, dict) else document:
            yield from _spellings(inner)
    elif value not in (None, ""):
        yield str(value)


def _attempts(service: Service) -> list[str]:
    values = [value for rows in tables_of(service).values() for row in rows for value in row]
    plain = {spelling for value in values for spelling in _spellings(value)}
    return sorted(plain | {f"tsr1_{spelling}" for spelling in plain} | {f"tscs_{spelling}" for spelling in plain})


async def test_nothing_in_a_dump_is_a_token_or_a_secret(service: Service, bff: Caller, loot: Settings) -> None:
    """Each value of every table, however it is spelt, is refused as refresh token, as token and as client secret."""
    attempts = _attempts(service)
    assert len(attempts) > 100
    for attempt in attempts:
        assert (await failure(refresh(bff, attempt))).reason == "REFRESH_TOKEN_INVALID"
        assert not await is_active(bff, attempt)
        thief = Caller("bff", attempt, service.channel)
        assert (await failure(introspect(thief, "nonsense"))).reason == "CALLER_UNAUTHENTICATED"


async def test_the_mac_key_and_the_dump_together_make_no_refresh_token(
    service: Service, bff: Caller, loot: Settings
) -> None:
    """Who can compute tags and knows every row still lacks the handles: what the rows hold in their place is no use."""
    mint = partial(sealed, service)
    session_ids = [row["session_id"] for row in rows_of(service, "sessions")]
    assert len(session_ids) == 2
    for session_id in session_ids:
        handle = base64.urlsafe_b64decode(session_id + "==")
        for generation in range(3):
            assert (await failure(refresh(bff, mint(handle, generation)))).reason == "REFRESH_TOKEN_INVALID"
