"""Owns Issue: a new session with its first tokens, or one access token alone."""

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from typing import Any

from tokensvc.domain import bounds, confirmation
from tokensvc.domain.access_token import RESERVED
from tokensvc.domain.binding import credential_digest
from tokensvc.domain.client import Client, Permission
from tokensvc.domain.confirmation import Confirmation, token_type_of
from tokensvc.domain.delegation import MAY_ACT, is_may_act
from tokensvc.domain.effects import Effects, Refused
from tokensvc.domain.errors import Reason, RefusedError, invalid
from tokensvc.domain.grants import narrow_audiences, narrow_scopes
from tokensvc.domain.issue import Issued, Wishes, check_length, decide_issue, issued_event, keeps_nothing, lifetime
from tokensvc.domain.policy import TokenPolicy
from tokensvc.domain.refresh_token import HANDLE_BYTES, session_id_of
from tokensvc.domain.session import ClientContext, Device, Grant
from tokensvc.domain.session_limit import within_limit
from tokensvc.domain.traces import Place
from tokensvc.domain.value import value
from tokensvc.ports import Clock, Randomness, RefreshTokens, Rows, Store, Unit
from tokensvc.services.ahead import Ahead
from tokensvc.services.call import Call
from tokensvc.services.token_set import AccessTokenMinter, TokenSet

_SHORTEST_IDEMPOTENCY_KEY = 16

_Decision = Effects[Issued | Refused]
_Meanwhile = Callable[[Issued | Refused], None]


@value(frozen=True, slots=True)
class IssueOrder:
    """What Issue was asked for, not yet checked. Spans and moments in milliseconds."""

    subject: str
    client_id: str = ""
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    access_only: bool = False
    device: Device = Device()
    context: ClientContext = ClientContext()
    access_ttl: int | None = None
    refresh_ttl: int | None = None
    auth_time: int | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    credential_version: str = field(default="", repr=False)
    idempotency_key: str = field(default="", repr=False)
    confirmation: Confirmation | None = None


class IssueTokens:
    """The use case Issue."""

    def __init__(
        self,
        store: Store,
        minter: AccessTokenMinter,
        refresh_tokens: RefreshTokens,
        clock: Clock,
        randomness: Randomness,
        issuer: str,
    ) -> None:
        self._store = store
        self._minter = minter
        self._refresh_tokens = refresh_tokens
        self._clock = clock
        self._randomness = randomness
        self._issuer = issuer

    async def issue(self, call: Call, order: IssueOrder) -> TokenSet:
        """Issue tokens as `order` says; refuses with RefusedError."""
        call.require(Permission.ISSUE)
        check_order(order)
        client = _client_of(call, order)
        now = self._clock()
        started_at = call.view.beginning(order.subject, client.client_id, order.device.id, now)
        handle = await self._handle(call, order, now)
        grant = _grant(order, client, handle, started_at, call.revision, self._issuer)
        check_length(grant, is_stateless=keeps_nothing(client.policy) and not order.access_only)
        unit = _access_only if order.access_only else _beginning
        answer = Ahead(self._refresh_tokens, partial(self._answer, client, handle, now, call.revision))
        outcome = (await self._store.commit(unit(grant, call.caller, client.policy, order, answer.begin))).outcome
        if isinstance(outcome, Refused):
            raise outcome.error()
        return answer.to(outcome)

    async def _handle(self, call: Call, order: IssueOrder, now: int) -> bytes:
        if not order.idempotency_key:
            return self._randomness(HANDLE_BYTES)
        handle, *others = self._refresh_tokens.handles_for(call.caller.client_id, order.idempotency_key, now)
        begun = {session_id_of(other): other for other in others}  # before the keys were changed
        found = await self._store.sessions_by_id(begun.keys()) if begun else {}
        return next((begun[session_id] for session_id in found), handle)

    def _answer(self, client: Client, handle: bytes, now: int, revision: int, issued: Issued) -> TokenSet:
        grant, session = issued.grant, issued.session
        access_token, expires_in = self._minter.mint(grant, grant.scopes, grant.audiences, now)
        if session is None:
            return TokenSet(
                access_token, expires_in, grant.scopes, revision, token_type=token_type_of(grant.confirmation)
            )
        return TokenSet(
            access_token,
            expires_in,
            grant.scopes,
            revision,
            refresh_token=self._refresh_tokens.mint(handle, session, client.policy.refresh_token_format),
            refresh_expires_in=(session.limited_by(client.policy).idle_expires_at - now) // 1000,
            session_id=grant.session_id,
            token_type=token_type_of(grant.confirmation),
        )


def _access_only(
    grant: Grant, caller: Client, _policy: TokenPolicy, order: IssueOrder, meanwhile: _Meanwhile
) -> Unit[Issued | Refused]:
    """The unit that begins nothing, and notes that an access token was issued."""
    event = issued_event("access_token.issued", grant, caller, order.context.ip)
    return Unit(lambda _rows: Effects(Issued(grant, None), audit=(event,)), meanwhile=meanwhile)


def _beginning(
    grant: Grant, caller: Client, policy: TokenPolicy, order: IssueOrder, meanwhile: _Meanwhile
) -> Unit[Issued | Refused]:
    """The unit that begins a session; the sessions that its subject has are loaded only where their number counts."""
    owner, ip = (grant.subject, grant.client_id), order.context.ip
    wishes = Wishes(order.scopes, order.audiences, order.access_ttl, order.refresh_ttl)

    def decide(rows: Rows) -> _Decision:
        existing = rows.session(grant.session_id)
        barred = existing is not None and rows.barred(existing.grant)
        issuing = decide_issue(grant, wishes, policy, caller, existing, barred=barred, ip=ip)
        if not policy.max_sessions:
            return issuing
        live = [
            session
            for session in rows.sessions_of(owner)
            if session.limited_by(policy).is_live(grant.started_at) and not rows.barred(session.grant)
        ]
        return within_limit(issuing, policy, live)

    if not policy.max_sessions:
        return Unit(decide, session_id=grant.session_id, meanwhile=meanwhile)
    return Unit(decide, session_id=grant.session_id, client_id=grant.client_id, owner=owner, meanwhile=meanwhile)


def check_order(order: IssueOrder) -> None:
    """Refuse an order with a value out of bounds, naming the field."""
    bounds.text(order.subject, "subject", required=True)
    if order.client_id:
        bounds.client_id(order.client_id)
    bounds.scopes(order.scopes)
    bounds.audiences(order.audiences)
    for name in ("id", "name", "platform"):
        bounds.text(getattr(order.device, name), f"device.{name}")
    check_context(order.context)
    bounds.ttl(order.access_ttl, "access_ttl")
    bounds.ttl(order.refresh_ttl, "refresh_ttl")
    if order.auth_time is not None and order.auth_time < 0:
        raise invalid("auth_time", "auth_time is before 1970")
    bounds.text(order.acr, "acr")
    bounds.methods(order.amr, "amr")
    bounds.text(order.credential_version, "credential_version")
    if order.confirmation is not None:
        confirmation.check(order.confirmation)
    bounds.text(order.idempotency_key, "idempotency_key")
    if order.idempotency_key and len(order.idempotency_key) < _SHORTEST_IDEMPOTENCY_KEY:
        raise invalid("idempotency_key", f"idempotency_key is shorter than {_SHORTEST_IDEMPOTENCY_KEY} characters")
    if order.claims.keys() & RESERVED:
        raise invalid("claims", "claims names a reserved claim")
    if MAY_ACT in order.claims and not is_may_act(order.claims[MAY_ACT]):
        raise invalid("claims", "claims has a may_act that is not an object of the texts sub, client_id or both")
    if order.claims and len(_claims_json(order.claims).encode()) > bounds.MAX_CLAIMS_BYTES:
        raise invalid("claims", f"claims is longer than {bounds.MAX_CLAIMS_BYTES} bytes")


def check_context(context: ClientContext) -> None:
    """Refuse a context with a value out of bounds, naming the field."""
    if context.ip and not _is_address(context.ip):
        raise invalid("context.ip", "context.ip is not an IP address")
    bounds.text(context.user_agent, "context.user_agent", most=bounds.MAX_USER_AGENT)
    bounds.text(context.location, "context.location")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone may be any text, and means nothing on another host


def _client_of(call: Call, order: IssueOrder) -> Client:
    client_id = order.client_id or call.caller.client_id
    if not call.caller.may_act_for(client_id):
        raise RefusedError(Reason.CALLER_NOT_PERMITTED, "the caller may not act for this client", "client_id")
    client = call.view.clients.get(client_id)
    if client is None:
        raise RefusedError(Reason.CLIENT_NOT_FOUND, "there is no client with this client_id", "client_id")
    if client.disabled:
        raise RefusedError(Reason.CLIENT_DISABLED, "the client is disabled", "client_id")
    if not client.policy.sender_constraint.is_met_by(order.confirmation):
        raise invalid("confirmation", "confirmation does not name a key as the client's sender_constraint demands")
    if order.idempotency_key and keeps_nothing(client.policy) and not order.access_only:
        # Nothing that is kept could tell what the key was used for, or whether that was revoked since.
        raise invalid("idempotency_key", "idempotency_key needs a session that is kept: stateless_jwt keeps none")
    return client


def _grant(order: IssueOrder, client: Client, handle: bytes, now: int, revision: int, issuer: str) -> Grant:
    policy = client.policy
    scopes = narrow_scopes(bounds.scopes(order.scopes), policy.scopes)
    audiences = narrow_audiences(bounds.audiences(order.audiences), policy.audiences or (issuer,))
    if isinstance(scopes, Refused):
        raise scopes.error()
    if isinstance(audiences, Refused):
        raise audiences.error()
    access_ttl = lifetime(order.access_ttl, policy.access_ttl)
    absolute_ttl = access_ttl if order.access_only else lifetime(order.refresh_ttl, policy.refresh_absolute_ttl)
    return Grant(
        session_id="" if order.access_only else session_id_of(handle),
        client_id=client.client_id,
        subject=order.subject,
        scopes=scopes,
        audiences=audiences,
        started_at=now,
        started_revision=revision,
        expires_at=now + absolute_ttl,
        idle_ttl=min(policy.refresh_idle_ttl, absolute_ttl),
        access_ttl=access_ttl,
        device=order.device,
        login=Place(handle, order.context).traces(policy.binding),
        location=order.context.location,
        auth_time=order.auth_time,
        acr=order.acr,
        amr=order.amr,
        claims=_claims_json(order.claims) if order.claims else "",
        credential_digest=credential_digest(handle, order.credential_version),
        confirmation=order.confirmation,
    )


def _claims_json(claims: Mapping[str, Any]) -> str:
    return json.dumps(claims, separators=(",", ":"), sort_keys=True)
