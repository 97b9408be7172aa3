"""Owns the answers of Introspect and BatchIntrospect, in the bytes in which they are sent.

What is said of an access token never changes: it is written once and kept. Bytes of one message type may be put behind
each other, which merges their fields (protobuf's encoding, "Last One Wins").
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf import json_format, struct_pb2
from tokensvc_pb.v1 import token_pb2
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.domain.access_token import AccessToken
from tokensvc.domain.confirmation import token_type_of
from tokensvc.domain.delegation import act_claim
from tokensvc.domain.errors import invalid
from tokensvc.domain.session import Grant
from tokensvc.rpc.convert import confirmation_message, timestamp
from tokensvc.services.introspect import Active, ActiveSession

_MOST_KEPT = 32_768
_LONGEST_KEPT = 1024  # bytes: with the number of them it bounds the memory
_SLICE = 16  # tokens of a batch that are worked on at once
_FRAME = 4  # bytes that a result takes beside its own, at most
_LARGEST_BATCH = 4 * 1024 * 1024 - 16  # bytes of results, which every client takes, with a revision

_kept: OrderedDict[AccessToken, bytes] = OrderedDict()


def answer(active: Active | None, revision: int) -> bytes:
    """The IntrospectResponse for what was found; of what is inactive nothing is said, not even the revision."""
    return b"" if active is None else _answer_of(active) + _answer_at(revision)


async def batch_answer(found: Sequence[Active | None], revision: int) -> pb.BatchIntrospectResponse:
    """The BatchIntrospectResponse for what was found, in the same order; others go on between slices of it.

    Refuses with INVALID_REQUEST what a client would not receive unless it is told to.
    """
    batch = pb.BatchIntrospectResponse(revision=revision)
    size = 0
    for begin in range(0, len(found), _SLICE):
        for active in found[begin : begin + _SLICE]:
            written = b"" if active is None else _answer_of(active)
            size += len(written) + _FRAME
            batch.results.add().MergeFromString(written)
        if size > _LARGEST_BATCH:
            raise invalid("tokens", "what is to be said of tokens is longer than 4 MiB: ask about fewer at once")
        await asyncio.sleep(0)
    return batch


def _answer_of(active: Active) -> bytes:
    if isinstance(active, ActiveSession):
        return _of_session(active).SerializeToString()
    written = _kept.get(active)
    if written is None:
        written = _of_access_token(active).SerializeToString()
        if len(written) <= _LONGEST_KEPT:
            _kept[active] = written
            if len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
    return written


@lru_cache
def _answer_at(revision: int) -> bytes:
    return pb.IntrospectResponse(revision=revision).SerializeToString()


def _of_access_token(token: AccessToken) -> pb.IntrospectResponse:
    return _active(
        token,
        issuer=token.issuer,
        token_id=token.token_id,
        issued_at=timestamp(token.issued_at),
        expires_at=timestamp(token.expires_at),
        token_type=token_type_of(token.confirmation),
        token_use=token_pb2.TOKEN_USE_ACCESS,
        actor=_struct(act_claim(token.delegation.actors)) if token.delegation else None,
        claims=_struct(token.claims) if token.claims else None,
    )


def _of_session(active: ActiveSession) -> pb.IntrospectResponse:
    session = active.session
    return _active(
        session.grant,
        issuer=active.issuer,
        issued_at=timestamp(session.rotated_at),
        expires_at=timestamp(session.idle_expires_at),
        token_use=token_pb2.TOKEN_USE_REFRESH,
    )


def _active(held: AccessToken | Grant, **own: Any) -> pb.IntrospectResponse:
    """What is said of both kinds of tokens, and what one has of its `own`."""
    return pb.IntrospectResponse(
        active=True,
        scopes=held.scopes,
        client_id=held.client_id,
        subject=held.subject,
        audiences=held.audiences,
        session_id=held.session_id,
        device_id=held.device_id,
        auth_time=timestamp(held.auth_time) if held.auth_time is not None else None,
        acr=held.acr,
        amr=held.amr,
        confirmation=confirmation_message(held.confirmation),
        **own,
    )


def _struct(claims: Mapping[str, Any]) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    json_format.ParseDict(dict(claims), message)
    return message
