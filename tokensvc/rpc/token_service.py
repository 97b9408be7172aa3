"""Owns TokenService: each RPC as a translation around one use case."""

from collections.abc import Mapping

from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc.domain.client import Permission
from tokensvc.domain.errors import RefusedError, invalid
from tokensvc.domain.value import value
from tokensvc.rpc import convert, introspected
from tokensvc.rpc.guard import LONGEST_STALENESS, Method
from tokensvc.rpc.message_bytes import MOST_BYTES_OF_ANY, MOST_BYTES_WITH_A_TOKEN
from tokensvc.rpc.streams import Stream, StreamMethod
from tokensvc.services.call import Call
from tokensvc.services.exchange import ExchangeOrder, ExchangeTokens
from tokensvc.services.introspect import ANY_PURPOSE, MOST_TOKENS, STRONG, Freshness, IntrospectTokens, Purpose
from tokensvc.services.issue import IssueOrder, IssueTokens
from tokensvc.services.refresh import RefreshOrder, RefreshTokensOfSession
from tokensvc.services.revocation_feed import RevocationFeed
from tokensvc.services.revoke import (
    ClientTarget,
    DeviceTarget,
    RevokeTokens,
    SessionTarget,
    SubjectTarget,
    Target,
    TokenTarget,
)

_PATIENCE = 10.0  # seconds for which a watcher need not read: it has known nothing new for so long
_TOKENS_OF_A_CALL = 10  # of a batch, for a rate limit: a token in it costs a small part of a call of its own

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["TokenService"]


@value(frozen=True, slots=True)
class TokenService:
    """The RPCs of TokenService."""

    issuing: IssueTokens
    refreshing: RefreshTokensOfSession
    revoking: RevokeTokens
    introspecting: IntrospectTokens
    exchanging: ExchangeTokens
    feed: RevocationFeed

    def methods(self) -> Mapping[str, Method | StreamMethod]:
        """The methods by their names in the proto."""
        return {
            "Issue": Method(self.issue),
            "Exchange": Method(self.exchange, most_bytes=MOST_BYTES_WITH_A_TOKEN),
            "Refresh": Method(self.refresh, most_bytes=MOST_BYTES_WITH_A_TOKEN, asks_certificate=True),
            "Revoke": Method(self.revoke, most_bytes=MOST_BYTES_WITH_A_TOKEN),
            "Introspect": Method(
                self.introspect,
                max_staleness=_permitted_staleness,
                at_once=self.introspect_at_once,
                most_bytes=MOST_BYTES_WITH_A_TOKEN,
            ),
            "BatchIntrospect": Method(
                self.batch_introspect,
                max_staleness=_permitted_staleness,
                calls=_calls_of_batch,
                most_bytes=MOST_BYTES_OF_ANY,
            ),
            "WatchRevocations": StreamMethod(self.watch_revocations, Permission.WATCH),
        }

    async def issue(self, call: Call, request: pb.IssueRequest) -> pb.IssueResponse:
        """RFC 6749, 5.1."""
        order = IssueOrder(
            subject=request.subject,
            client_id=request.client_id,
            scopes=tuple(request.scopes),
            audiences=tuple(request.audiences),
            access_only=request.access_only,
            device=convert.device_of(request.device),
            context=convert.context_of(request.context),
            access_ttl=convert.span_of(request, "access_ttl"),
            refresh_ttl=convert.span_of(request, "refresh_ttl"),
            auth_time=convert.moment_of(request, "auth_time"),
            acr=request.acr,
            amr=tuple(request.amr),
            claims=convert.claims_of(request.claims) if request.HasField("claims") else {},
            credential_version=request.credential_version,
            idempotency_key=request.idempotency_key,
            confirmation=convert.confirmation_of(request),
        )
        return pb.IssueResponse(**convert.token_fields(await self.issuing.issue(call, order)))

    async def refresh(self, call: Call, request: pb.RefreshRequest) -> pb.RefreshResponse:
        """RFC 6749, 6."""
        order = RefreshOrder(
            refresh_token=request.refresh_token,
            client_id=request.client_id,
            scopes=tuple(request.scopes),
            audiences=tuple(request.audiences),
            device_id=request.device_id,
            context=convert.context_of(request.context),
            credential_version=request.credential_version,
            dpop=convert.proof_of(request),
        )
        return pb.RefreshResponse(**convert.token_fields(await self.refreshing.refresh(call, order)))

    async def revoke(self, call: Call, request: pb.RevokeRequest) -> pb.RevokeResponse:
        """RFC 7009."""
        issued_before = convert.moment_of(request, "issued_before")
        revision = await self.revoking.revoke(call, _target(request), request.reason, issued_before)
        return pb.RevokeResponse(revision=revision)

    async def introspect(self, call: Call, request: pb.IntrospectRequest) -> bytes:
        """RFC 7662."""
        token, purpose, freshness = _asked(request)
        if (dpop := convert.proof_of(request)) is not None:
            return introspected.answer(
                *await self.introspecting.introspect_proven(call, token, dpop, purpose, freshness)
            )
        return introspected.answer(*await self.introspecting.introspect(call, token, purpose, freshness))

    def introspect_at_once(self, call: Call, request: pb.IntrospectRequest) -> bytes | None:
        """The same without waiting; None where that cannot be, because something has to be read or written first."""
        if request.HasField("dpop"):
            return None
        known = self.introspecting.known(call, *_asked(request))
        return None if known is None else introspected.answer(*known)

    async def batch_introspect(self, call: Call, request: pb.BatchIntrospectRequest) -> pb.BatchIntrospectResponse:
        """RFC 7662 for many tokens at once."""
        # Reading the field makes every string anew; one more than may be shows that they are too many.
        tokens = tuple(request.tokens[: MOST_TOKENS + 1])
        found, revision = await self.introspecting.introspect_all(call, tokens, _freshness(request))
        return await introspected.batch_answer(found, revision)

    async def exchange(self, call: Call, request: pb.ExchangeRequest) -> pb.ExchangeResponse:
        """RFC 8693."""
        order = ExchangeOrder(
            subject_token=request.subject_token,
            actor_token=request.actor_token,
            audiences=tuple(request.audiences),
            scopes=tuple(request.scopes),
            access_ttl=convert.span_of(request, "access_ttl"),
        )
        traded = await self.exchanging.exchange(call, order)
        return pb.ExchangeResponse(
            access_token=traded.access_token,
            token_type=traded.token_type,
            expires_in=traded.expires_in,
            scopes=traded.scopes,
            session_id=traded.session_id,
            revision=traded.revision,
        )

    async def watch_revocations(self, request: pb.WatchRevocationsRequest) -> Stream:
        """What is revoked from now on, or was since a revision."""
        return Stream({}, self.feed.watch(request.from_revision), _PATIENCE)


def _asked(request: pb.IntrospectRequest) -> tuple[str, Purpose, Freshness]:
    scopes, audience = request.required_scopes, request.audience
    return request.token, Purpose(tuple(scopes), audience) if scopes or audience else ANY_PURPOSE, _freshness(request)


def _calls_of_batch(request: pb.BatchIntrospectRequest) -> int:
    return -(-len(request.tokens) // _TOKENS_OF_A_CALL) or 1


def _permitted_staleness(request: pb.IntrospectRequest | pb.BatchIntrospectRequest) -> int:
    """As far as it can be read: what is wrong with a request is said when its caller is known."""
    try:
        return _max_staleness(request)
    except RefusedError:
        return 0


def _max_staleness(request: pb.IntrospectRequest | pb.BatchIntrospectRequest) -> int:
    if not request.HasField("max_staleness"):
        return 0  # nearly always
    staleness = convert.span_of(request, "max_staleness") or 0
    if staleness < 0:
        raise invalid("max_staleness", "max_staleness is negative")
    return min(staleness, LONGEST_STALENESS)


def _freshness(request: pb.IntrospectRequest | pb.BatchIntrospectRequest) -> Freshness:
    if request.min_revision < 0:
        raise invalid("min_revision", "min_revision is negative")
    staleness = _max_staleness(request)
    return Freshness(request.min_revision, staleness) if staleness or request.min_revision else STRONG


def _target(request: pb.RevokeRequest) -> Target:
    match request.WhichOneof("target"):
        case "token":
            return TokenTarget(request.token)
        case "session_id":
            return SessionTarget(request.session_id)
        case "subject":
            return SubjectTarget(request.subject)
        case "device":
            return DeviceTarget(request.device.subject, request.device.device_id)
        case "client_id":
            return ClientTarget(request.client_id)
        case _:
            raise invalid("target", "one of token, session_id, subject, device and client_id is required")
