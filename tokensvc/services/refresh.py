"""Owns Refresh: from a presented refresh token to the next tokens of its session."""

from dataclasses import field, replace
from functools import partial

from tokensvc.domain import base64url, bounds
from tokensvc.domain.client import Permission
from tokensvc.domain.confirmation import token_type_of
from tokensvc.domain.dpop_proof import RelayedProof, check_relayed
from tokensvc.domain.effects import Effects, Refused
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.possession import NOTHING, Possession
from tokensvc.domain.refresh import Refreshed, decide_refresh
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.session import ClientContext
from tokensvc.domain.value import value
from tokensvc.ports import Clock, RefreshTokens, Rows, Store, Unit
from tokensvc.services.ahead import Ahead
from tokensvc.services.call import Call
from tokensvc.services.issue import check_context
from tokensvc.services.proofs import Proofs
from tokensvc.services.token_set import AccessTokenMinter, TokenSet

_Decision = Effects[Refreshed | Refused]


@value(frozen=True, slots=True)
class RefreshOrder:
    """What Refresh was asked for, not yet checked."""

    refresh_token: str = field(repr=False)
    client_id: str = ""
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    device_id: str = ""
    context: ClientContext = ClientContext()
    credential_version: str = field(default="", repr=False)
    dpop: RelayedProof | None = None


class RefreshTokensOfSession:
    """The use case Refresh."""

    def __init__(
        self,
        store: Store,
        minter: AccessTokenMinter,
        refresh_tokens: RefreshTokens,
        proofs: Proofs,
        clock: Clock,
        issuer: str,
    ) -> None:
        self._store = store
        self._minter = minter
        self._refresh_tokens = refresh_tokens
        self._proofs = proofs
        self._clock = clock
        self._issuer = issuer

    async def refresh(self, call: Call, order: RefreshOrder) -> TokenSet:
        """Answer the next tokens; refuses with RefusedError. A forged token costs no look at the database."""
        call.require(Permission.REFRESH)
        key_changes = self._refresh_tokens.key_changes
        attempt = self._attempt(call, order)
        session_id, brought, view = attempt.token.session_id, attempt.token.session, call.view
        used_id = attempt.possession.used_id

        def decide(rows: Rows) -> _Decision:
            session = rows.session(session_id)
            barred = session is not None and rows.barred(session.grant)
            if brought is not None:  # no row says that it was revoked, but the log does
                barred = barred or view.has_ended(brought.grant)
            is_new = used_id is None or rows.is_first_use(used_id)
            return decide_refresh(attempt if is_new else _replayed(attempt), session, view.clients, barred=barred)

        answer = Ahead(self._refresh_tokens, partial(self._answer, attempt, call.revision))
        unit = Unit(decide, session_id=session_id, brought=brought, used_id=used_id, meanwhile=answer.begin)
        outcome = (await self._store.commit(unit)).outcome
        if isinstance(outcome, Refused):
            raise outcome.error()
        have_changed = self._refresh_tokens.key_changes != key_changes
        if have_changed and not self._refresh_tokens.is_genuine(order.refresh_token):
            raise _invalid()  # its key was revoked meanwhile, and it must not live on
        return answer.to(outcome)

    def _attempt(self, call: Call, order: RefreshOrder) -> RefreshAttempt:
        bounds.token(order.refresh_token, "refresh_token")
        if order.client_id:
            bounds.client_id(order.client_id)
        bounds.text(order.device_id, "device_id")
        bounds.text(order.credential_version, "credential_version")
        check_context(order.context)
        if order.dpop is not None:
            check_relayed(order.dpop)
        scopes, audiences = bounds.scopes(order.scopes), bounds.audiences(order.audiences)
        token = self._refresh_tokens.open(order.refresh_token)
        if token is None:
            raise _invalid()
        return RefreshAttempt(
            token,
            call.caller,
            self._clock(),
            client_id=order.client_id,
            scopes=scopes,
            audiences=audiences,
            device_id=order.device_id,
            credential_version=order.credential_version,
            context=order.context,
            issuer=self._issuer,
            flags=call.view.flags,
            possession=self._possession(call, order),
        )

    def _possession(self, call: Call, order: RefreshOrder) -> Possession:
        shown = self._proofs.shown_by(order.dpop) if order.dpop else NOTHING
        return replace(shown, certificate=base64url.encode(call.certificate)) if call.certificate else shown

    def _answer(self, attempt: RefreshAttempt, revision: int, refreshed: Refreshed) -> TokenSet:
        session, policy, now = refreshed.session, refreshed.policy, attempt.now
        limited = session.limited_by(policy)
        access_token, expires_in = self._minter.mint(limited.grant, refreshed.scopes, refreshed.audiences, now)
        return TokenSet(
            access_token,
            expires_in,
            refreshed.scopes,
            revision,
            refresh_token=self._refresh_tokens.mint(attempt.token.handle, session, policy.refresh_token_format),
            refresh_expires_in=(limited.idle_expires_at - now) // 1000,
            session_id=session.grant.session_id,
            token_type=token_type_of(session.grant.confirmation),
        )


def _replayed(attempt: RefreshAttempt) -> RefreshAttempt:
    """The attempt where its proof was used before."""
    return replace(attempt, possession=attempt.possession.replayed())


def _invalid() -> RefusedError:
    return RefusedError(Reason.REFRESH_TOKEN_INVALID, "the refresh token is not valid")
