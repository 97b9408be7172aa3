"""Owns what a verifier sees of a feed, whoever drives it: the view, and how old it is."""

from tokensvc_client.revocations.clocks import Clock
from tokensvc_client.revocations.following import Following
from tokensvc_client.revocations.view import RevocationView


class Feed:
    """What is known of revocations now. Any thread may ask."""

    def __init__(self, following: Following, clock: Clock) -> None:
        self._following = following
        self._clock = clock

    @property
    def view(self) -> RevocationView:
        """The live revocations. Who relies on how old they are asks for that first: they only get newer."""
        return self._following.view

    @property
    def revision(self) -> int:
        """The revision of the log up to which all is known; zero before the first snapshot is complete."""
        return self._following.revision

    @property
    def synchronised_at(self) -> float:
        """By the clock `elapsed`: nothing that was revoked before this moment is missing; minus infinity at first."""
        return self._following.synchronised_at

    @property
    def key_changes(self) -> int:
        """How often the signing keys may have changed."""
        return self._following.key_changes

    @property
    def staleness(self) -> float:
        """How many seconds ago all was known; infinite before the first snapshot is complete."""
        return self._clock() - self.synchronised_at
