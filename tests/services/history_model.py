"""What tokens should do, told in other words than the product's: lists of what was handed out, with marks on them.

Nothing here counts generations, raises barriers or reads a log. A revocation walks over everything there is and marks
it; a refresh token knows whether it was spent, and which one followed it.
"""

from dataclasses import dataclass, field

from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import HOUR
from tokensvc.services.token_set import TokenSet


@dataclass
class Rules:
    """How the tokens of a client live, in milliseconds."""

    access_ttl: int
    idle_ttl: int
    absolute_ttl: int
    retry_window: int


@dataclass
class Slip:
    """A refresh token as it was handed out."""

    text: str
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

    @property
    def dies_at(self) -> int:
        """When it cannot be refreshed any more, used or not."""
        return self.born_at + self.rules.absolute_ttl

    def is_over(self, now: int) -> bool:
        """Whether one of its two lifetimes has passed."""
        return now >= self.dies_at or now >= self.used_at + self.rules.idle_ttl

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
            family.slips.append(Slip(refresh_token))
        family.add_pass(access_token, family.born_at)
        self.families.append(family)

    def refreshed(self, family: Family, slip: Slip, now: int, answer: TokenSet | Reason) -> None:
        """Check the answer to a presented slip against what it should be, and note it."""
        refusal = self._refusal(family, slip, now)
        if refusal is not None:
            assert answer is refusal
            if refusal is Reason.REFRESH_TOKEN_REUSED:
                family.ended = family.betrayed = True
            return
        assert isinstance(answer, TokenSet), answer
        if slip.follower is None:
            known = {old.text for other in self.families for old in other.slips}
            assert answer.refresh_token not in known
            slip.spent_at, slip.follower = now, Slip(answer.refresh_token)
            family.slips.append(slip.follower)
            family.used_at = now
        assert answer.refresh_token == slip.follower.text
        assert answer.session_id == family.session_id
        family.add_pass(answer.access_token, now)

    def _refusal(self, family: Family, slip: Slip, now: int) -> Reason | None:
        if family.swept:
            return Reason.REFRESH_TOKEN_INVALID
        if family.client in self.switched_off:
            return Reason.CLIENT_DISABLED
        if family.betrayed and slip.spent_at is not None:
            return Reason.REFRESH_TOKEN_REUSED
        if family.ended:
            return Reason.REFRESH_TOKEN_REVOKED
        if family.is_over(now):
            return Reason.REFRESH_TOKEN_EXPIRED
        if slip.spent_at is None or slip.follower is None:
            return None
        may_repeat = slip.follower.spent_at is None and now < slip.spent_at + family.rules.retry_window
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
            family.swept |= bool(family.slips) and family.dies_at < now - 2 * HOUR

    def active(self, family: Family, now: int) -> dict[str, bool]:
        """Each token of the family, and whether it is active."""
        alive = not family.ended and family.client not in self.switched_off
        slips = {slip.text: alive and slip.spent_at is None and not family.is_over(now) for slip in family.slips}
        passes = {one.text: alive and not one.torn and now < one.dies_at for one in family.passes}
        return slips | passes
