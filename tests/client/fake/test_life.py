"""The fake as a guest in a process: where it listens, and what it needs."""

import ast
import sys
import threading
from pathlib import Path

import pytest
import tokensvc_client
from tokensvc_client.testing import FakeTokenService
from tokensvc_client.testing.errors import CODES
from tokensvc_pb.v1 import errors_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.client.fake.dialling import Dialled, dialled

PACKAGE = Path(tokensvc_client.__file__).parent
NEEDED = {"google", "grpc", "jwt", "cryptography", "tokensvc_pb", "tokensvc_client"}


def test_it_listens_on_a_socket_of_the_file_system(tmp_path: Path) -> None:
    """Where ports are scarce a path will do."""
    with FakeTokenService(address=f"unix:{tmp_path}/fake") as fake, dialled(fake.target) as bff:
        assert bff.is_active(fake.issue("ada").access_token)


def test_two_fakes_have_ports_of_their_own(fake: FakeTokenService) -> None:
    """Tests that run beside each other do not meet."""
    with FakeTokenService() as other:
        assert other.target != fake.target


def test_it_leaves_no_thread_behind() -> None:
    """When it has stopped, nothing of it runs on, though a stream was open."""
    with FakeTokenService() as fake, dialled(fake.target) as bff:
        assert next(bff.WatchRevocations(pb.WatchRevocationsRequest())).revision == 0
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("fake-tokensvc")]


async def test_it_serves_asynchronous_tests_too(fake: FakeTokenService, bff: Dialled) -> None:
    """Its threads do not need the test's event loop."""
    assert bff.is_active(fake.issue("ada").access_token)


def test_who_is_issued_for_must_be_registered_where_others_are(fake: FakeTokenService) -> None:
    """The test is told what it has forgotten."""
    fake.add_client("phone")
    with pytest.raises(ValueError, match="registered"):
        fake.issue("ada")
    assert fake.issue("ada", client_id="phone").access_token


def test_it_knows_all_reasons_of_the_contract() -> None:
    """None is left over on either side."""
    names = {value.name.removeprefix("ERROR_REASON_") for value in errors_pb2.ErrorReason.DESCRIPTOR.values}
    assert CODES.keys() == names - {"UNSPECIFIED"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "testing").glob("*.py")), ids=lambda path: path.stem)
def test_it_does_not_need_the_server(path: Path) -> None:
    """No file of it imports the server, or more than its distribution names; the fixture alone needs pytest."""
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    allowed = NEEDED | sys.stdlib_module_names | ({"pytest"} if path.stem == "pytest_plugin" else set())
    assert imported <= allowed
