"""Owns what a session is: the grant that Issue fixed, and the little that changes afterwards."""

from dataclasses import replace

from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.policy import TokenPolicy
from tokensvc.domain.value import value


@value(frozen=True, slots=True)
class Device:
    """The device that a session lives on, as named by the caller."""

    id: str = ""
    name: str = ""
    platform: str = ""


@value(frozen=True, slots=True)
class ClientContext:
    """From where the user's request came, as vouched for by the caller."""

    ip: str = ""
    user_agent: str = ""
    location: str = ""


@value(frozen=True, slots=True)
class Traces:
    """What is kept of an address and a user agent: keyed hashes; empty where none was given."""

    ip: str = ""
    user_agent: str = ""


@value(frozen=True, slots=True)
class Grant:
    """What Issue fixed for the life of a session.

    `started_revision` is the revision of the revocation log that Issue had seen: a barrier of a later revision ends the
    session, whatever the clocks of the nodes say. `login` is from where it began, `location` the same for people to
    read. Its tokens are bound to the key of `confirmation`, if there is one.
    """

    session_id: str
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    started_at: int
    started_revision: int
    expires_at: int
    idle_ttl: int
    access_ttl: int
    device: Device = Device()
    login: Traces = Traces()
    location: str = ""
    auth_time: int | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    claims: str = ""
    credential_digest: str = ""
    confirmation: Confirmation | None = None

    @property
    def device_id(self) -> str:
        """The device that the session lives on; empty if none was named."""
        return self.device.id


@value(frozen=True, slots=True)
class Session:
    """A grant and its present state.

    `generation` counts the rotations; it names the one valid refresh token. `retry_window` is the policy's at the last
    rotation: one that is widened later must not revive what has been consumed. `last_seen` and `last_location` say from
    where it was used last, as far as that was given. One that is stateless has no row: its refresh token says all this.
    """

    grant: Grant
    generation: int
    rotated_at: int
    used_at: int
    retry_window: int = 0
    revoked_at: int | None = None
    revoke_reason: str = ""
    last_seen: Traces = Traces()
    last_location: str = ""
    is_stateless: bool = False

    @property
    def idle_expires_at(self) -> int:
        """When the session ends unless it is used before."""
        return min(self.used_at + self.grant.idle_ttl, self.grant.expires_at)

    def limited_by(self, policy: TokenPolicy) -> "Session":
        """The session as it lives under its client's `policy` of now: a lifetime that was shortened holds at once.

        One that was prolonged does nothing for it. This is for judging and showing: what is kept stays as Issue fixed
        it, because access tokens may be about that live as long.
        """
        grant, latest = self.grant, self.grant.started_at + policy.refresh_absolute_ttl
        if (
            grant.access_ttl <= policy.access_ttl
            and grant.idle_ttl <= policy.refresh_idle_ttl
            and grant.expires_at <= latest
        ):
            return self
        limited = replace(
            grant,
            access_ttl=min(grant.access_ttl, policy.access_ttl),
            idle_ttl=min(grant.idle_ttl, policy.refresh_idle_ttl),
            expires_at=min(grant.expires_at, latest),
        )
        return replace(self, grant=limited)

    def is_live(self, now: int) -> bool:
        """Whether it is neither expired nor revoked by itself."""
        return self.revoked_at is None and not self.is_expired(now)

    def is_expired(self, now: int) -> bool:
        """Whether the idle or the absolute lifetime is over."""
        return now >= self.idle_expires_at


def begin(grant: Grant) -> Session:
    """Answer the session that starts with `grant`."""
    return Session(
        grant,
        generation=0,
        rotated_at=grant.started_at,
        used_at=grant.started_at,
        last_seen=grant.login,
        last_location=grant.location,
    )
