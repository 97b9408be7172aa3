"""Owns the methods of TokenService."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client import rpcs
from tokensvc_client.caller import Caller
from tokensvc_client.coalescing import may_travel
from tokensvc_client.introspector import Introspector
from tokensvc_client.streams import Stream
from tokensvc_client.values.plain import read, write
from tokensvc_client.values.tokens import (
    BatchIntrospection,
    Change,
    ClientContext,
    Confirmation,
    Device,
    DeviceTarget,
    DpopProof,
    ExchangedToken,
    Introspection,
    RevocationStep,
    Tokens,
)


class TokenCalls:
    """Issues, refreshes, revokes and introspects tokens. Every method fails with TokenServiceError.

    `timeout` is in seconds, for the call with all its repetitions; the client's own where it is None.
    """

    _caller: Caller
    _introspector: Introspector

    async def issue(
        self,
        *,
        subject: str,
        client_id: str = "",
        scopes: Sequence[str] = (),
        audiences: Sequence[str] = (),
        access_only: bool = False,
        device: Device | None = None,
        context: ClientContext | None = None,
        confirmation: Confirmation | None = None,
        access_ttl: timedelta | None = None,
        refresh_ttl: timedelta | None = None,
        auth_time: datetime | None = None,
        acr: str = "",
        amr: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
        credential_version: str = "",
        idempotency_key: str = "",
        timeout: float | None = None,
    ) -> Tokens:
        """Start a session: an access token and a refresh token. Repeated only where there is an `idempotency_key`."""
        fields = {
            "subject": subject,
            "client_id": client_id,
            "scopes": scopes,
            "audiences": audiences,
            "access_only": access_only,
            "device": device,
            "context": context,
            "confirmation": confirmation,
            "access_ttl": access_ttl,
            "refresh_ttl": refresh_ttl,
            "auth_time": auth_time,
            "acr": acr,
            "amr": amr,
            "claims": claims,
            "credential_version": credential_version,
            "idempotency_key": idempotency_key,
        }
        request = write(pb.IssueRequest(), fields)
        deadline = self._caller.deadline(timeout)
        answer = await self._caller.call(rpcs.ISSUE, request, deadline, is_repeatable=bool(idempotency_key))
        return read(Tokens, answer)

    async def refresh(
        self,
        refresh_token: str,
        *,
        client_id: str = "",
        scopes: Sequence[str] = (),
        audiences: Sequence[str] = (),
        device_id: str = "",
        context: ClientContext | None = None,
        credential_version: str = "",
        dpop: DpopProof | None = None,
        timeout: float | None = None,
    ) -> Tokens:
        """Trade a refresh token for a fresh access token and the next refresh token (RFC 6749, 6).

        Repeated, unless it comes with a proof: that works once. Where BindingMismatchError has a `dpop_nonce`, a proof
        with that nonce may succeed.
        """
        fields = {
            "refresh_token": refresh_token,
            "client_id": client_id,
            "scopes": scopes,
            "audiences": audiences,
            "device_id": device_id,
            "context": context,
            "credential_version": credential_version,
            "dpop": dpop,
        }
        request = write(pb.RefreshRequest(), fields)
        answer = await self._caller.call(
            rpcs.REFRESH, request, self._caller.deadline(timeout), is_repeatable=dpop is None
        )
        return read(Tokens, answer)

    async def revoke(
        self,
        *,
        token: str | None = None,
        session_id: str | None = None,
        subject: str | None = None,
        device: DeviceTarget | None = None,
        client_id: str | None = None,
        token_type_hint: str = "",
        reason: str = "",
        issued_before: datetime | None = None,
        timeout: float | None = None,
    ) -> Change:
        """End a token, a session, everything of a subject, of a device or of a client: exactly one (RFC 7009).

        What is unknown or ended already is answered with success. Fails with ValueError unless one is given. Repeated:
        where an answer was lost, what has begun in between is ended, too, unless there is an `issued_before`.
        """
        targets = {
            "token": token,
            "session_id": session_id,
            "subject": subject,
            "device": device,
            "client_id": client_id,
        }
        if sum(target is not None for target in targets.values()) != 1:
            raise ValueError("revoke: exactly one of token, session_id, subject, device and client_id is needed")
        fields = {"token_type_hint": token_type_hint, "reason": reason, "issued_before": issued_before}
        request = write(pb.RevokeRequest(), targets | fields)
        answer = await self._caller.call(rpcs.REVOKE, request, self._caller.deadline(timeout))
        return read(Change, answer)

    async def introspect(
        self,
        token: str,
        *,
        token_type_hint: str = "",
        required_scopes: Sequence[str] = (),
        audience: str = "",
        min_revision: int = 0,
        max_staleness: timedelta | None = None,
        dpop: DpopProof | None = None,
        timeout: float | None = None,
    ) -> Introspection:
        """Tell what a token says, and whether it is active (RFC 7662): the answer is true only then.

        No revocation answered before this call began is missed, unless `max_staleness` allows it. Calls of one client
        that come together and ask for no scopes, no audience and no proof share a BatchIntrospect. Repeated, unless it
        comes with a proof: that works once.
        """
        deadline = self._caller.deadline(timeout)
        if not (required_scopes or audience or dpop) and may_travel(token):
            return await self._introspector.ask(token, min_revision, max_staleness, deadline)
        fields = {
            "token": token,
            "token_type_hint": token_type_hint,
            "required_scopes": required_scopes,
            "audience": audience,
            "min_revision": min_revision,
            "max_staleness": max_staleness,
            "dpop": dpop,
        }
        request = write(pb.IntrospectRequest(), fields)
        answer = await self._caller.call(rpcs.INTROSPECT, request, deadline, is_repeatable=dpop is None)
        return read(Introspection, answer)

    async def batch_introspect(
        self,
        tokens: Sequence[str],
        *,
        min_revision: int = 0,
        max_staleness: timedelta | None = None,
        timeout: float | None = None,
    ) -> BatchIntrospection:
        """Tell what each of up to 1,000 tokens says, all at one state of the service."""
        fields = {"tokens": tokens, "min_revision": min_revision, "max_staleness": max_staleness}
        request = write(pb.BatchIntrospectRequest(), fields)
        answer = await self._caller.call(rpcs.BATCH_INTROSPECT, request, self._caller.deadline(timeout))
        return read(BatchIntrospection, answer)

    async def exchange(
        self,
        subject_token: str,
        *,
        audiences: Sequence[str],
        actor_token: str = "",
        scopes: Sequence[str] = (),
        access_ttl: timedelta | None = None,
        timeout: float | None = None,
    ) -> ExchangedToken:
        """Trade an access token for a narrower one for the next service (RFC 8693)."""
        fields = {
            "subject_token": subject_token,
            "actor_token": actor_token,
            "audiences": audiences,
            "scopes": scopes,
            "access_ttl": access_ttl,
        }
        request = write(pb.ExchangeRequest(), fields)
        answer = await self._caller.call(rpcs.EXCHANGE, request, self._caller.deadline(timeout))
        return read(ExchangedToken, answer)

    def watch_revocations(self, *, from_revision: int = 0, timeout: float | None = None) -> Stream[RevocationStep]:
        """Follow the revocation log from `from_revision`, or from a snapshot where that is zero.

        A stream without a time limit, unless `timeout` is given. Where it ends or fails, go on from the last
        `revision`.
        """
        request = pb.WatchRevocationsRequest(from_revision=from_revision)
        return Stream(self._caller.stream(rpcs.WATCH_REVOCATIONS, request, timeout), _step)


def _step(answer: pb.WatchRevocationsResponse) -> RevocationStep:
    return read(RevocationStep, answer)
