"""The root key is replaced under load, on two nodes, as docs/keys.md says: no call fails, and the old one can go."""

import asyncio
import base64
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tokensvc_pb.v1 import key_service_pb2 as keys_pb

from tests.system.nodes import Nodes, running_nodes
from tests.system.phones import CACHED, phone
from tests.system.processes import ServerProcess, tokensvc

PHONES = 4
WORKERS = 2
LIMIT = 60


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    """One caller, who may administer too, seen by two nodes of two workers each."""
    may = "issue,refresh,introspect,revoke,admin"
    async with running_nodes(
        tmp_path, "tokensvc_root_key", may, retries=True, workers=str(WORKERS), max_connection_age="1"
    ) as both:
        yield both


def replace_workers(server: ServerProcess) -> None:
    """Have the workers of a node replaced, and wait until those from before have handed over."""
    before = psutil.Process(server.process.pid).children()
    server.process.send_signal(signal.SIGHUP)
    _, alive = psutil.wait_procs(before, LIMIT)
    assert not alive


def give(nodes: Nodes, *root_keys: str) -> None:
    """Put these root keys into the file, and have one node after the other read it."""
    Path(nodes.settings["root_key_file"]).write_text("\n".join(root_keys))
    for server in nodes.servers:
        replace_workers(server)


def replace(nodes: Nodes, directory: Path) -> str:
    """Replace the root key by another; answer the old one."""
    old = Path(nodes.settings["root_key_file"]).read_text().strip()
    new = base64.b64encode(os.urandom(32)).decode()
    give(nodes, old, new)
    give(nodes, new, old)
    tokensvc("key", "rewrap", data_dir=directory, **nodes.settings)
    give(nodes, new)
    return old


def rewrap_with(root_key: str, nodes: Nodes, directory: Path) -> None:
    """Try to open the keys with `root_key` alone."""
    Path(nodes.settings["root_key_file"]).write_text(root_key)
    tokensvc("key", "rewrap", data_dir=directory, **nodes.settings)


async def test_no_call_fails_while_the_root_key_is_replaced(nodes: Nodes, tmp_path: Path) -> None:
    """The new one is known, then wraps, then is alone; phones refresh and verifiers verify all the time."""
    over = asyncio.Event()
    phones = [asyncio.create_task(phone(nodes.callers, f"user-{place}", over.is_set)) for place in range(PHONES)]
    old = await asyncio.to_thread(replace, nodes, tmp_path)
    await asyncio.wait(phones, timeout=CACHED)
    over.set()
    await asyncio.gather(*phones)
    rotate = keys_pb.RotateKeyRequest(purpose=keys_pb.KEY_PURPOSE_SIGNING, immediately=True)
    await nodes.callers[0].RotateKey(rotate)  # wrapped by the new one alone
    with pytest.raises(subprocess.CalledProcessError):
        await asyncio.to_thread(rewrap_with, old, nodes, tmp_path)
