"""Rows that other versions of the service have written."""

import json
import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeClock
from tests.store.kinds import dump_sqlite
from tests.store.samples import NOW, a_session, sid, stored, writing
from tokensvc.crypto.client_assertions import algorithms_of
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import AuthMethod, ClientKeys
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import MINUTE, BindingAction, BindingPolicy, TokenPolicy
from tokensvc.domain.session import Device, Grant, Session, Traces
from tokensvc.services.clients import OPERATOR, Clients
from tokensvc.store.rows import client_row
from tokensvc.store.sql_store import SqlStore


def write_client(path: Path, details: dict[str, object], secret_hash: bytes | None = None) -> None:
    """Write a client's row as another version has done it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        row = ("bff", secret_hash, 0, json.dumps(details), NOW, NOW)
        connection.execute("INSERT INTO clients VALUES (?, ?, ?, ?, ?, ?)", row)


async def read_client(store: SqlStore) -> Client:
    """The client as the service sees it."""
    return (await store.view()).clients["bff"]


async def test_what_an_older_version_did_not_know_has_its_default(sqlite_store: SqlStore, path: Path) -> None:
    """A client whose document lacks every member is one that may do nothing, with the default policy."""
    write_client(path, {})
    assert await read_client(sqlite_store) == Client("bff", created_at=NOW, updated_at=NOW)


async def test_a_policy_that_lacks_fields_has_their_defaults(sqlite_store: SqlStore, path: Path) -> None:
    """Fields of a policy that were added since are as in a policy that says nothing about them."""
    write_client(path, {"policy": {"access_ttl": MINUTE, "scopes": ["read"]}})
    assert (await read_client(sqlite_store)).policy == TokenPolicy(access_ttl=MINUTE, scopes=("read",))


async def test_policy_fields_that_are_not_known_are_left_out(sqlite_store: SqlStore, path: Path) -> None:
    """A field that another version has put into a policy does not keep the client from being read."""
    write_client(path, {"policy": {"access_ttl": MINUTE, "colour": "red"}})
    assert (await read_client(sqlite_store)).policy == TokenPolicy(access_ttl=MINUTE)


async def test_a_session_that_was_bound_to_its_device_still_is(sqlite_store: SqlStore, path: Path) -> None:
    """The one binding that versions before this one knew."""
    write_client(path, {"policy": {"bind_device": True}})
    bound = BindingPolicy(device=BindingAction.REJECT)
    assert (await read_client(sqlite_store)).policy == TokenPolicy(binding=bound)


@pytest.mark.parametrize(
    "policy", [{"rotation": "sideways"}, {"binding": {"ip": "smile"}}], ids=["rotation", "binding"]
)
async def test_a_client_with_a_choice_that_is_not_known_is_disabled(
    sqlite_store: SqlStore, path: Path, policy: dict[str, Any]
) -> None:
    """To guess how its tokens are to be protected would be worse, and other clients are served as ever."""
    write_client(path, {"policy": policy})
    assert (await read_client(sqlite_store)).disabled


async def test_permissions_that_are_not_known_permit_nothing(sqlite_store: SqlStore, path: Path) -> None:
    """A permission of another version is not held, those beside it are."""
    write_client(path, {"permissions": ["refresh", "levitate"]})
    assert (await read_client(sqlite_store)).permissions == {Permission.REFRESH}


async def test_a_session_with_the_least_details_is_read(sqlite_store: SqlStore, path: Path) -> None:
    """A session whose document has only what every version writes has defaults for the rest."""
    row = dict.fromkeys(("started_at", "rotated_at", "used_at", "expires_at"), NOW)
    row |= {"session_id": sid(), "subject": "ada", "client_id": "phone", "device_id": "device", "generation": 1}
    row |= {"retry_window": 0, "revoked_at": None, "revoke_reason": "", "details": ""}
    row |= {"scopes": "read", "audiences": "api", "started_revision": 3, "idle_ttl": 4, "access_ttl": 5}
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"INSERT INTO sessions ({', '.join(row)}) VALUES (:{', :'.join(row)})", row)
    grant = Grant(sid(), "phone", "ada", ("read",), ("api",), NOW, 3, NOW, 4, 5, device=Device("device"))
    assert await stored(sqlite_store) == Session(grant, 1, NOW, NOW)


async def test_a_login_that_was_kept_in_clear_leaves_its_place(sqlite_store: SqlStore, path: Path) -> None:
    """Of a context that an older version has kept the place is shown; address and user agent bind nothing."""
    await sqlite_store.commit(writing(session=a_session(device=Device())))
    context = {"ip": "192.0.2.7", "user_agent": "App/1", "location": "Lyon, FR"}
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sessions SET details = ?", [json.dumps({"context": context})])
    grant = (await stored(sqlite_store)).grant
    assert (grant.location, grant.login) == ("Lyon, FR", Traces())


async def test_a_session_is_written_without_what_has_its_default(sqlite_store: SqlStore, path: Path) -> None:
    """What a session does not have takes no room in its row."""
    await sqlite_store.commit(writing(session=a_session(device=Device())))
    with closing(sqlite3.connect(path)) as connection:
        (details,) = connection.execute("SELECT details FROM sessions").fetchone()
    assert details == ""


UNKNOWN: dict[str, dict[str, Any]] = {
    "a member": {"colour": "red"},
    "a permission": {"permissions": ["refresh", "levitate"]},
    "a field of the policy": {"policy": {"colour": "red"}},
    "a field of the binding": {"policy": {"binding": {"colour": "red"}}},
    "a choice": {"policy": {"rotation": "sideways"}},
    "a choice in the binding": {"policy": {"binding": {"ip": "smile"}}},
}


@pytest.mark.parametrize("details", UNKNOWN.values(), ids=UNKNOWN)
@pytest.mark.parametrize("act", ["update", "disable", "rotate the secret"])
async def test_a_client_that_a_newer_version_has_described_is_not_changed(
    sqlite_store: SqlStore, path: Path, clock: FakeClock, details: dict[str, Any], act: str
) -> None:
    """To write it would lose what this version does not know: every change is refused, and the row stays."""
    write_client(path, details)
    clients = Clients(sqlite_store, clock, os.urandom, algorithms_of)
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "update": lambda: clients.update("bff", {"name": "Ours"}, caller=OPERATOR),
        "disable": lambda: clients.set_disabled("bff", disabled=True, caller=OPERATOR),
        "rotate the secret": lambda: clients.rotate_secret("bff", caller=OPERATOR),
    }
    before = dump_sqlite(path)
    with pytest.raises(RefusedError) as refused:
        await acts[act]()
    assert (refused.value.reason, refused.value.field) == (Reason.NOT_IMPLEMENTED, "client_id")
    assert dump_sqlite(path) == before


async def test_a_client_that_a_newer_version_has_described_can_be_deleted(
    sqlite_store: SqlStore, path: Path, clock: FakeClock
) -> None:
    """Nothing of it is to be kept then."""
    write_client(path, UNKNOWN["a choice"])
    await Clients(sqlite_store, clock, os.urandom, algorithms_of).delete("bff", caller=OPERATOR)
    assert (await sqlite_store.view()).clients == {}


async def test_what_only_older_versions_wrote_is_known(sqlite_store: SqlStore, path: Path, clock: FakeClock) -> None:
    """The binding to a device as it stood before there were others is read, and written in today's words."""
    write_client(path, {"policy": {"bind_device": True, "scopes": ["read"]}})
    await Clients(sqlite_store, clock, os.urandom, algorithms_of).update("bff", {"name": "Ours"}, caller=OPERATOR)
    client = await read_client(sqlite_store)
    assert (client.name, client.policy.binding.device) == ("Ours", BindingAction.REJECT)


async def test_who_authenticates_by_what_a_newer_version_knows_does_not_here(
    sqlite_store: SqlStore, path: Path
) -> None:
    """Not by a secret either, if there is one in the row; and nobody changes the client here."""
    write_client(path, {"auth_method": "telepathy", "keys": {"mind": "open"}}, secret_hash=bytes(32))
    client = await read_client(sqlite_store)
    assert (client.auth_method, client.secret_hash, client.is_complete) == (None, None, False)


async def test_keys_that_are_not_known_are_left_out(sqlite_store: SqlStore, path: Path) -> None:
    """The client goes on with those that are, and is not changed here."""
    write_client(path, {"auth_method": "tls", "keys": {"tls_dns_name": "bff.test", "colour": "red"}})
    client = await read_client(sqlite_store)
    assert (client.auth_method, client.keys) == (AuthMethod.TLS, ClientKeys(tls_dns_name="bff.test"))
    assert not client.is_complete


async def test_a_row_with_a_secret_needs_not_name_the_method(sqlite_store: SqlStore, path: Path) -> None:
    """As versions wrote it that knew no other, and as it is written still, so that they can read it."""
    write_client(path, {}, secret_hash=bytes(32))
    client = await read_client(sqlite_store)
    assert client.auth_method is AuthMethod.SECRET
    assert "auth_method" not in client_row(client)["details"]
