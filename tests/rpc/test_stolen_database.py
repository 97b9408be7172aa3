"""What a thief of the database can do with it: nothing."""

import base64
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.domain.samples import GRANT
from tests.fakes import FakeRandomness
from tests.harness import Caller, Service, failure, policy_of
from tests.rpc.steps import introspect, is_active, issue, refresh, sealed
from tests.rpc.tables import rows_of, tables_of
from tokensvc.app import open_keys, open_store
from tokensvc.config import Settings, load_settings
from tokensvc.crypto.key_providers import open_providers
from tokensvc.crypto.key_ring import MacKey, open_mac_keys
from tokensvc.crypto.refresh_tokens import RefreshTokenFormats
from tokensvc.crypto.root_keys import create_root_key, read_root_keys
from tokensvc.crypto.wrapping import Wrapper
from tokensvc.domain.keys import KeyPurpose, RootKeyError, StoredKey
from tokensvc.domain.policy import RefreshTokenFormat
from tokensvc.domain.refresh_token import handle_for, session_id_of
from tokensvc.domain.session import begin

IDEMPOTENCY_KEY = "order-4711-of-ada"  # which somebody might guess


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
        found = connection.execute("SELECT purpose, wrapped FROM keys ORDER BY purpose").fetchall()
        moved = [(wrapped, purpose) for (purpose, _), (_, wrapped) in zip(found, [*found[1:], found[0]], strict=True)]
        connection.executemany("UPDATE keys SET wrapped = ? WHERE purpose = ?", moved)
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


async def test_another_root_key_wraps_nothing(service: Service) -> None:
    """Where a purpose has no key yet a start with the wrong root key makes none, and with the right one it does."""
    with closing(sqlite3.connect(service.settings.database_path)) as connection:
        connection.execute("DELETE FROM keys WHERE purpose = 'session_mac'")
        connection.commit()
    before, kept = rows_of(service, "keys"), service.settings.root_key_path.read_bytes()
    service.settings.root_key_path.unlink()
    create_root_key(service.settings.root_key_path)
    with pytest.raises(RootKeyError):
        await _open(service.settings)
    assert rows_of(service, "keys") == before
    service.settings.root_key_path.write_bytes(kept)
    await _open(service.settings)
    assert {row["purpose"] for row in rows_of(service, "keys")} == {*KeyPurpose}


def _mac_key(service: Service, keys: Sequence[StoredKey]) -> MacKey:
    wrapper = Wrapper(*open_providers(read_root_keys(service.settings.root_key_path), ""))
    return open_mac_keys(keys, wrapper)[0]


async def test_the_mac_key_and_the_dump_together_make_no_stateless_token(service: Service, bff: Caller) -> None:
    """No row stands behind such a token, and another key seals it: with that one, and no other, it would be made."""
    app = await service.caller("app", policy=policy_of(refresh_token_format=RefreshTokenFormat.STATELESS_JWT))
    stolen = [_mac_key(service, await service.store.keys())]
    session = replace(begin(replace(GRANT, client_id="app")), is_stateless=True)
    mint = partial(RefreshTokenFormats(stolen, stolen, service.settings.issuer).mint, bytes(16), session)
    forged = mint(RefreshTokenFormat.STATELESS_JWT)
    assert not await is_active(app, forged)
    assert (await failure(refresh(app, forged))).reason == "REFRESH_TOKEN_INVALID"
    assert await is_active(app, service.keys.refresh_tokens.mint(bytes(16), session, RefreshTokenFormat.STATELESS_JWT))


async def test_the_mac_key_and_an_idempotency_key_together_make_no_refresh_token(service: Service, bff: Caller) -> None:
    """The handle of an Issue that may be repeated follows from its idempotency key, but by another key's doing."""
    issued = await issue(bff, idempotency_key=IDEMPOTENCY_KEY)
    stolen = _mac_key(service, await service.store.keys())
    handle = handle_for(stolen.secret, "bff", IDEMPOTENCY_KEY)
    assert session_id_of(handle) != issued.session_id
    assert (await failure(refresh(bff, sealed(service, handle, 0)))).reason == "REFRESH_TOKEN_INVALID"


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
