"""The fields of a client by their paths: each can be read, changed alone and compared."""

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from tokensvc_pb.v1 import client_service_pb2 as pb

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.client_authentication import AuthMethod, ClientKeys
from tokensvc.domain.client_fields import CHANGEABLE, LEAVES, changed, differences, value_at
from tokensvc.domain.policy import MINUTE, BindingAction, BindingPolicy, Rotation, TokenPolicy

NOT_CHANGED = {"client_id", "type", "created_at", "updated_at"}
NOT_OFFERED = {"rate_limit", "exchange_policy"}
EXAMPLES: dict[str, Any] = {
    "name": "Another",
    "disabled": True,
    "permissions": frozenset({Permission.WATCH}),
    "acts_for": frozenset({"web"}),
    "audiences": frozenset({"billing"}),
    "auth_method": AuthMethod.TLS,
    "keys": ClientKeys(jwks="{}", algorithms=("ES256",)),
    "keys.tls_dns_name": "bff.test",
    "token_policy": TokenPolicy(access_ttl=MINUTE, scopes=("read",)),
    "token_policy.rotation": Rotation.ALWAYS,
    "token_policy.scopes": ("write",),
    "token_policy.binding": BindingPolicy(ip=BindingAction.AUDIT, ipv4_prefix_length=16),
    "token_policy.binding.user_agent": BindingAction.REJECT,
}


def paths_in(message: Descriptor, prefix: str = "") -> set[str]:
    """The paths of the single fields of a message of ours; well-known messages count as one field."""
    found = set()
    for field in message.fields:
        part = field.message_type
        if part is not None and part.file.package == "tokensvc.v1" and prefix + field.name not in NOT_OFFERED:
            found |= paths_in(part, f"{prefix}{field.name}.")
        else:
            found.add(prefix + field.name)
    return found


def test_the_paths_are_those_of_the_contract() -> None:
    """What the proto's message Client has can be changed, but for what never changes and what is not offered yet."""
    assert set(LEAVES) == paths_in(pb.Client.DESCRIPTOR) - NOT_CHANGED - NOT_OFFERED
    assert len(LEAVES) == len(set(LEAVES))


@pytest.mark.parametrize("path", EXAMPLES)
def test_a_change_reaches_its_field_alone(path: str) -> None:
    """The field has its new value, and no other field differs."""
    before = Client("phone")
    after = changed(before, {path: EXAMPLES[path]})
    assert value_at(after, path) == EXAMPLES[path]
    assert differences(before, after)
    assert all(name == path or name.startswith(f"{path}.") for name in differences(before, after))


def test_a_part_wins_over_the_whole_that_it_belongs_to() -> None:
    """Of a message and one of its fields the field counts, in whichever order they are named."""
    whole = TokenPolicy(access_ttl=MINUTE, retry_window=0)
    values = {"token_policy.access_ttl": 2 * MINUTE, "token_policy": whole}
    assert changed(Client("phone"), values).policy == TokenPolicy(access_ttl=2 * MINUTE, retry_window=0)


def test_equal_clients_do_not_differ() -> None:
    """Two clients of the same description differ in nothing; what is not a field of the description does not count."""
    assert differences(Client("phone"), Client("phone", secret_hash=b"x", created_at=1, updated_at=2)) == ()


def test_wholes_are_changeable_too() -> None:
    """A message can be replaced as a whole."""
    assert CHANGEABLE - set(LEAVES) == {"keys", "token_policy", "token_policy.binding"}
