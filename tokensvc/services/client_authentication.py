"""Owns what a client's method of authentication and its keys may be, and how they fit together."""

from dataclasses import fields, replace

from tokensvc.domain.client import Client
from tokensvc.domain.client_authentication import (
    NO_KEYS,
    AuthMethod,
    ClientKeys,
    certificate_keys,
    surplus,
)
from tokensvc.domain.errors import invalid
from tokensvc.ports import AlgorithmsOf


def with_checked_keys(client: Client, algorithms_of: AlgorithmsOf) -> Client:
    """Answer `client` with its keys in the one spelling that there is; refuses keys that its method does not use.

    The field that a refusal names is a path in the proto's message Client.
    """
    match client.auth_method:
        case AuthMethod.PRIVATE_KEY_JWT:
            return replace(client, keys=_signing_keys(client.keys, algorithms_of))
        case AuthMethod.TLS:
            return replace(client, keys=certificate_keys(client.keys))
        case _:
            return replace(client, keys=_no_keys(client))


def _signing_keys(keys: ClientKeys, algorithms_of: AlgorithmsOf) -> ClientKeys:
    if keys.certificate_names:
        raise surplus(keys.certificate_names[0][0], AuthMethod.PRIVATE_KEY_JWT)
    if not keys.jwks:
        raise invalid("keys.jwks", "auth_method private_key_jwt needs jwks, the public keys of the client")
    possible = algorithms_of(keys.jwks)
    algorithms = tuple(dict.fromkeys(keys.algorithms or possible))
    if not set(algorithms) <= set(possible):
        raise invalid("keys.algorithms", "algorithms has one that no key in jwks can be used with")
    return replace(keys, algorithms=algorithms)


def _no_keys(client: Client) -> ClientKeys:
    for field in fields(ClientKeys):
        if getattr(client.keys, field.name):
            raise surplus(field.name, client.auth_method)
    return NO_KEYS
