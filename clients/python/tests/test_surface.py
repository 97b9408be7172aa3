"""What the package offers, as a whole."""

import ast
import dataclasses
import inspect
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import tokensvc_client
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from scripted import RPCS
from tokensvc_client import (
    AsyncTokenClient,
    AuditFilter,
    Client,
    ClientContext,
    Confirmation,
    CreatedClient,
    Device,
    DeviceTarget,
    DpopProof,
    ExchangedToken,
    RotatedSecret,
    TokenClient,
    Tokens,
    TokenUse,
)
from tokensvc_client.calls.every import Calls
from tokensvc_client.values.plain import Enumeration, read, write
from tokensvc_pb.v1 import (
    audit_service_pb2,
    client_service_pb2,
    key_service_pb2,
    session_service_pb2,
    token_pb2,
    token_service_pb2,
)

MODULES = (audit_service_pb2, client_service_pb2, key_service_pb2, session_service_pb2, token_pb2, token_service_pb2)
PACKAGE = Path(tokensvc_client.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
OFFERED = [kind for kind in vars(tokensvc_client).values() if isinstance(kind, type)]
VALUES = [kind for kind in OFFERED if dataclasses.is_dataclass(kind) and ".values." in kind.__module__]
ENUMERATIONS = [kind for kind in OFFERED if issubclass(kind, Enumeration)]
RENAMED = {
    "Tokens": "IssueResponse",
    "ExchangedToken": "ExchangeResponse",
    "Introspection": "IntrospectResponse",
    "BatchIntrospection": "BatchIntrospectResponse",
    "Change": "RevokeResponse",
    "DeviceTarget": "RevokeRequest.DeviceTarget",
    "RevocationStep": "WatchRevocationsResponse",
    "Jwks": "GetJwksResponse",
    "SessionPage": "ListSessionsResponse",
    "AuditPage": "ListAuditEventsResponse",
    "ClientPage": "ListClientsResponse",
    "CreatedClient": "CreateClientResponse",
    "RotatedSecret": "RotateClientSecretResponse",
}


def public(kind: type) -> dict[str, Any]:
    """The methods of a class that are for everybody."""
    return {name: value for name, value in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def message_of(name: str) -> Any:
    """The message that a value of this name is made of."""
    outer, _, inner = RENAMED.get(name, name).partition(".")
    kind = next(getattr(module, outer) for module in MODULES if hasattr(module, outer))
    return getattr(kind, inner) if inner else kind


def test_both_clients_have_the_same_methods() -> None:
    """With the same arguments and the same documentation, but that streams are of their kind."""
    threads, tasks = public(TokenClient), public(AsyncTokenClient)
    assert threads.keys() == tasks.keys()
    for name, method in threads.items():
        assert [*inspect.signature(method).parameters] == [*inspect.signature(tasks[name]).parameters]
        assert inspect.getdoc(method)


def test_every_rpc_is_a_method() -> None:
    """The contract has no method without one, under its own name, and the table has its messages."""
    services = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
    methods = [method for service in services for method in service.methods]
    contract = {f"/{method.containing_service.full_name}/{method.name}": method for method in methods}
    assert {path: (rpc.request.DESCRIPTOR, rpc.answer.DESCRIPTOR) for path, rpc in RPCS.items()} == {
        path: (method.input_type, method.output_type) for path, method in contract.items()
    }
    snake = {"".join("_" + c.lower() if c.isupper() else c for c in method.name)[1:] for method in contract.values()}
    assert snake == public(Calls).keys()


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_a_value_has_the_fields_of_its_message(kind: type) -> None:
    """Nothing of the contract is left out, and an empty message can be read."""
    message: type[Message] = message_of(kind.__name__)
    assert [field.name for field in dataclasses.fields(kind)] == [field.name for field in message.DESCRIPTOR.fields]
    assert read(kind, message()) is not None
    assert (kind.__doc__ or "").rstrip().endswith(".")


@pytest.mark.parametrize("kind", ENUMERATIONS, ids=lambda kind: kind.__name__)
def test_an_enumeration_has_the_numbers_of_the_contract(kind: type[Enumeration]) -> None:
    """Names and numbers are alike, and a newer number is UNSPECIFIED."""
    found: EnumDescriptor = next(
        module.DESCRIPTOR.enum_types_by_name[kind.__name__]
        for module in MODULES
        if kind.__name__ in module.DESCRIPTOR.enum_types_by_name
    )
    prefix = found.values[0].name.removesuffix("UNSPECIFIED")
    assert {member.name: member.value for member in kind} == {
        value.name.removeprefix(prefix): value.number for value in found.values
    }
    assert kind(9_999) is kind(0)


WRITTEN = [AuditFilter, Client, ClientContext, Confirmation, Device, DeviceTarget, DpopProof]


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.__name__)
def test_what_is_written_is_read_again(kind: Any) -> None:
    """Values that go both ways lose nothing."""
    value = full(kind)
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    assert read(kind, write(message_of(kind.__name__)(), fields)) == value


def full(kind: Any) -> Any:
    """A value with something in every field."""
    message = message_of(kind.__name__)
    return read(kind, ParseDict(_sample(message.DESCRIPTOR), message()))


def _sample(descriptor: Descriptor) -> dict[str, Any]:
    sample: dict[str, Any] = {}
    for field in descriptor.fields:
        if field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
            value: Any = "2026-11-22T12:00:00.5Z"
        elif field.message_type is not None and field.message_type.full_name == "google.protobuf.Duration":
            value = "90.5s"
        elif field.message_type is not None:
            value = _sample(field.message_type)
        elif field.enum_type is not None:
            value = 1
        else:
            value = {9: "text", 8: True}.get(field.type, 3)
        sample[field.name] = [value] if field.is_repeated else value
    return sample


def test_times_without_a_zone_are_refused() -> None:
    """Nobody guesses which zone was meant."""
    with pytest.raises(ValueError, match="auth_time: a time needs a time zone"):
        write(token_service_pb2.IssueRequest(), {"auth_time": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_zero_is_not_nothing() -> None:
    """A duration of zero is said; one that is None is not."""
    request = write(client_service_pb2.RotateClientSecretRequest(), {"client_id": "bff", "overlap": timedelta(0)})
    assert request.HasField("overlap")
    assert not write(client_service_pb2.RotateClientSecretRequest(), {"overlap": None}).HasField("overlap")


def test_no_secret_is_in_a_text() -> None:
    """What is printed by accident gives nothing away."""
    tokens = read(Tokens, token_service_pb2.IssueResponse(access_token="s3cret", refresh_token="s3cret"))
    exchanged = read(ExchangedToken, token_service_pb2.ExchangeResponse(access_token="s3cret"))
    created = read(CreatedClient, client_service_pb2.CreateClientResponse(client_secret="s3cret"))
    rotated = read(RotatedSecret, client_service_pb2.RotateClientSecretResponse(client_secret="s3cret"))
    assert "s3cret" not in repr([tokens, exchanged, created, rotated])


def test_presence_is_told() -> None:
    """A part that is not there is None; one that is empty is not."""
    said = read(tokensvc_client.Introspection, token_service_pb2.IntrospectResponse(active=True, token_use=1))
    assert (said.confirmation, said.token_use) == (None, TokenUse.ACCESS)
    bound = token_service_pb2.IntrospectResponse(confirmation=token_pb2.Confirmation(jkt="k"))
    assert read(tokensvc_client.Introspection, bound).confirmation == Confirmation(jkt="k")
    revoked = read(tokensvc_client.Revocation, token_service_pb2.Revocation(revision=3, subject="ada"))
    assert (revoked.subject, revoked.session_id, revoked.device, revoked.issued_before) == ("ada", None, None, None)
    assert read(tokensvc_client.Key, key_service_pb2.Key()).created_at is None


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_nothing_of_the_server_is_imported(file: Path) -> None:
    """The library installs, and works, without it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not any(name.partition(".")[0] == "tokensvc" for name in names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_and_functions_are_short(file: Path) -> None:
    """A file owns one thing and says what; a function fits on a screen, beside the list of its arguments."""
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert len(text.splitlines()) <= 300
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or 0) - node.body[0].lineno + 1 for node in functions}
    assert {name: length for name, length in lengths.items() if length > 40} == {}
