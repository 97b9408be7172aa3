"""Owns how a client is written as a row and read back, also one that another version has described."""

import json
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import RowMapping

from tokensvc.domain.client import Client, Permission
from tokensvc.domain.policy import DEFAULT_POLICY, NO_EXCHANGE
from tokensvc.domain.rate_limit import NO_LIMIT, RateLimit
from tokensvc.store import authentication_rows, policy_rows
from tokensvc.store.rows import document

_DETAILS = frozenset(
    {
        *("name", "permissions", "acts_for", "audiences", "policy", "exchange_policy", "rate_limit"),
        *("auth_method", "keys", "previous_secret", "retries_from"),
    }
)
_RATE_LIMIT_DETAILS = frozenset(field.name for field in fields(RateLimit))


def client_row(client: Client) -> dict[str, Any]:
    """The values of `client` by column."""
    details: dict[str, Any] = {
        "name": client.name,
        "permissions": sorted(client.permissions),
        "acts_for": sorted(client.acts_for),
        "audiences": sorted(client.audiences),
        "policy": asdict(client.policy),
        **authentication_rows.authentication_document(client),
    }
    if client.exchange_policy != NO_EXCHANGE:
        details["exchange_policy"] = policy_rows.exchange_document(client.exchange_policy)
    if client.retries_from:
        details["retries_from"] = client.retries_from
    if client.rate_limit != NO_LIMIT:
        details["rate_limit"] = asdict(client.rate_limit)
    if client.previous_secret_hash is not None:
        details["previous_secret"] = {
            "hash": client.previous_secret_hash.hex(),
            "expires_at": client.previous_expires_at,
        }
    return {
        "client_id": client.client_id,
        "secret_hash": client.secret_hash,
        "disabled": client.disabled,
        "details": document(details),
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    }


def client_from(row: RowMapping) -> Client:
    """The client in `row`; what this version does not know is left out, and the client is not complete then.

    One whose policy makes a choice that this version does not know is disabled here.
    """
    details = json.loads(row["details"])
    previous = details.get("previous_secret", {"hash": "", "expires_at": 0})
    named, limit = set(details.get("permissions", ())), details.get("rate_limit", {})
    try:
        policy, has_known_choices = policy_rows.policy_from(details.get("policy", {})), True
    except ValueError:
        policy, has_known_choices = DEFAULT_POLICY, False
    return Client(
        row["client_id"],
        name=details.get("name", ""),
        disabled=bool(row["disabled"]) or not has_known_choices,
        previous_secret_hash=bytes.fromhex(previous["hash"]) or None,
        previous_expires_at=previous["expires_at"],
        permissions=frozenset(permission for permission in Permission if permission in named),
        acts_for=frozenset(details.get("acts_for", ())),
        audiences=frozenset(details.get("audiences", ())),
        policy=policy,
        exchange_policy=policy_rows.exchange_policy_from(details.get("exchange_policy", {})),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        is_complete=has_known_choices and _is_all_known(details),
        retries_from=details.get("retries_from", 0),
        rate_limit=RateLimit(limit.get("per_second", 0.0), limit.get("burst", 0)),
        **authentication_rows.authentication_from(details, row["secret_hash"]),
    )


def _is_all_known(details: dict[str, Any]) -> bool:
    """Whether nothing is lost when the client is written again."""
    return (
        policy_rows.is_known(details.get("policy", {}))
        and policy_rows.exchange_is_known(details.get("exchange_policy", {}))
        and authentication_rows.is_known(details)
        and set(details.get("permissions", ())) <= set(Permission)
        and details.keys() <= _DETAILS
        and details.get("rate_limit", {}).keys() <= _RATE_LIMIT_DETAILS
    )
