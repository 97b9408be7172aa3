"""What tokens should do, told in other words than the product's: lists of what was handed out, with marks on them.

Nothing here counts generations, raises barriers or reads a log. A revocation walks over everything there is and marks
it; a refresh token knows whether it was spent, and which one followed it.
"""

from dataclasses import dataclass, field

from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import HOUR, RefreshTokenFormat, Rotation
from tokensvc.services.token_set import TokenSet


@dataclass
class Rules:
    """How the tokens of a client live, in milliseconds."""

    access_ttl: int
    idle_ttl: int
    absolute_ttl: int
    retry_window: int
    rotation: Rotation = Rotation.GRACEFUL
    interval: int = 0
    token_format: RefreshTokenFormat = RefreshTokenFormat.OPAQUE

    @property
    def is_stateless(self) -> bool:
        """Whether nobody remembers which of its refresh tokens was spent."""
        return self.token_format is RefreshTokenFormat.STATELESS_JWT

    def keeps(self, age: int, *, elsewhere: bool) -> bool:
        """Whether a refresh so long after the last rotation is answered with the refresh token that was presented."""
        match self.rotation:
            case Rotation.PERIODIC:
                return age < self.interval
            case Rotation.SELECTIVE:
                return not elsewhere
            case _:
                return False


@dataclass
class Slip:
    """A refresh token as it was handed out."""

    text: str
    given_at: int = 0
    spent_at: int | None = None
    follower: "Slip | None" = None


@dataclass
class Pass:
    """An access token as it was handed out."""

    text: str
    dies_at: int
    torn: bool = False


@dataclass
class Family:
    """Everything that one Issue led to; a family without slips is an access token alone."""

    subject: str
    client: str
    device: str
    rules: Rules
    born_at: int
    session_id: str
    used_at: int
    slips: list[Slip] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    ended: bool = False
    betrayed: bool = False
    swept: bool = False
    revoked_alone: bool = False
    """Whether it was ended by itself and not with its subject, device or client."""
    rotated_at: int = 0

    @property
    def dies_at(self) -> int:
        """When it cannot be refreshed any more, used or not."""
        return self.born_at + self.rules.absolute_ttl

    def is_over(self, slip: Slip, now: int) -> bool:
        """Whether one of its two lifetimes has passed; without a memory, the idle one counts for each slip."""
        used_at = slip.given_at if self.rules.is_stateless else self.used_at
        return now >= self.dies_at or now >= used_at + self.rules.idle_ttl

    @property
    def has_ended(self) -> bool:
        """Whether it was ended, in whichever way."""
        return self.ended or self.revoked_alone

    def add_pass(self, text: str, now: int) -> None:
        """Note an access token: as long as the rules say, but not beyond the family, to the end of that second."""
        last = self.dies_at if self.slips else now + self.rules.access_ttl
        self.passes.append(Pass(text, (min(now + self.rules.access_ttl, last) + 999) // 1000 * 1000))


class Model:
    """All families, and the clients that are switched off."""

    def __init__(self) -> None:
        self.families: list[Family] = []
        self.switched_off: set[str] = set()

    def born(self, family: Family, access_token: str, refresh_token: str) -> None:
        """Note a new family with its first tokens."""
        if refresh_token:
            family.slips.append(Slip(refresh_token, family.born_at))
            family.rotated_at = family.born_at
        family.add_pass(access_token, family.born_at)
        self.families.append(family)

    def refreshed(
        self, family: Family, slip: Slip, now: int, answer: TokenSet | Reason, *, elsewhere: bool = False
    ) -> None:
        """Check the answer to a presented slip against what it should be, and note it."""
        refusal = self._refusal(family, slip, now)
        if refusal is not None:
            # Whether one that is over was ended before is remembered for a while only, where there is no row.
            forgotten = {Reason.REFRESH_TOKEN_EXPIRED} if family.rules.is_stateless and now >= family.dies_at else set()
            assert answer in {refusal} | forgotten
            if refusal is Reason.REFRESH_TOKEN_REUSED:
                family.ended = family.betrayed = True
            return
        assert isinstance(answer, TokenSet), answer
        assert answer.session_id == family.session_id
        if family.rules.is_stateless:
            family.slips.append(Slip(answer.refresh_token, now))
        else:
            self._spent(family, slip, now, answer.refresh_token, elsewhere=elsewhere)
        family.add_pass(answer.access_token, now)

    def _spent(self, family: Family, slip: Slip, now: int, successor: str, *, elsewhere: bool) -> None:
        if slip.follower is None:
            family.used_at = now
            if family.rules.keeps(now - family.rotated_at, elsewhere=elsewhere):
                assert successor == slip.text
                return
            known = {old.text for other in self.families for old in other.slips}
            assert successor not in known
            slip.spent_at, slip.follower = now, Slip(successor, now)
            family.slips.append(slip.follower)
            family.rotated_at = now
        assert successor == slip.follower.text

    def _refusal(self, family: Family, slip: Slip, now: int) -> Reason | None:
        if family.swept:
            return Reason.REFRESH_TOKEN_INVALID
        if family.client in self.switched_off:
            return Reason.CLIENT_DISABLED
        if family.betrayed and slip.spent_at is not None:
            return Reason.REFRESH_TOKEN_REUSED
        if family.has_ended:
            return Reason.REFRESH_TOKEN_REVOKED
        if family.is_over(slip, now):
            return Reason.REFRESH_TOKEN_EXPIRED
        if slip.spent_at is None or slip.follower is None:
            return None
        window = 0 if family.rules.rotation is Rotation.ALWAYS else family.rules.retry_window
        may_repeat = slip.follower.spent_at is None and now < slip.spent_at + window
        return None if may_repeat else Reason.REFRESH_TOKEN_REUSED

    def cut_off(self, moment: int | None, **whose: str) -> None:
        """Walk over all families of a subject, device or client, and end those that began before `moment` or ever."""
        for family in self.families:
            concerned = all(getattr(family, name) == value for name, value in whose.items())
            if concerned and (moment is None or family.born_at < moment):
                family.ended = True

    def sweep(self, now: int) -> None:
        """Forget the sessions that have been over for more than two hours."""
        for family in self.families:
            has_row = bool(family.slips) and not family.rules.is_stateless
            family.swept |= has_row and family.dies_at < now - 2 * HOUR

    def active(self, family: Family, now: int) -> dict[str, bool]:
        """Each token of the family, and whether it is active."""
        alive = not family.has_ended and family.client not in self.switched_off
        slips = {slip.text: alive and slip.spent_at is None and not family.is_over(slip, now) for slip in family.slips}
        passes = {one.text: alive and not one.torn and now < one.dies_at for one in family.passes}
        return slips | passes
