"""The order in which a Refresh is judged: each cause is told only to whom the causes before it have let pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from tests.domain.samples import GRANT, NOW, PHONE, STRANGER, a_session, an_attempt, decide, phone, refreshed, refused
from tokensvc.domain.client import Client
from tokensvc.domain.confirmation import Confirmation
from tokensvc.domain.effects import Effects, Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.policy import BindingAction, BindingPolicy, SenderConstraint
from tokensvc.domain.possession import Possession
from tokensvc.domain.refresh import Refreshed
from tokensvc.domain.refresh_attempt import RefreshAttempt
from tokensvc.domain.refresh_token import bound_digest
from tokensvc.domain.session import Session


@dataclass(frozen=True)
class Scene:
    """What a Refresh is decided on. As it stands it succeeds."""

    attempt: RefreshAttempt
    session: Session | None
    client: Client = PHONE
    barred: bool = False

    def decided(self) -> Effects[Refreshed | Refused]:
        """The decision."""
        return decide(self.attempt, self.session, self.client, barred=self.barred)

    def granted(self, **changes: object) -> "Scene":
        """The scene with changes to the session's grant, if there is a session."""
        if self.session is None:
            return self
        return replace(self, session=replace(self.session, grant=replace(self.session.grant, **changes)))

    def asking(self, **changes: object) -> "Scene":
        """The scene with changes to the attempt."""
        return replace(self, attempt=replace(self.attempt, **changes))

    def under(self, **changes: object) -> "Scene":
        """The scene with changes to the policy of the client."""
        return replace(self, client=replace(self.client, policy=replace(self.client.policy, **changes)))

    def in_state(self, **changes: object) -> "Scene":
        """The scene with changes to the session's state, if there is a session."""
        return replace(self, session=replace(self.session, **changes) if self.session else None)


GOOD = Scene(
    attempt=an_attempt(5, credential_version="v1"),
    session=a_session(5, credential_digest=bound_digest(an_attempt().token.handle, "credential_version", "v1")),
    client=phone(binding=BindingPolicy(device=BindingAction.REJECT)),
)

Cause = Callable[[Scene], Scene]

# In the order of the contract; causes of one rank have one line.
RANKED: list[tuple[Reason, list[Cause]]] = [
    (Reason.REFRESH_TOKEN_INVALID, [lambda scene: replace(scene, session=None)]),
    (
        Reason.CLIENT_MISMATCH,
        [lambda scene: scene.asking(client_id="web"), lambda scene: scene.asking(caller=STRANGER)],
    ),
    (
        Reason.CLIENT_DISABLED,
        [
            lambda scene: replace(scene, client=replace(scene.client, disabled=True)),
            lambda scene: replace(scene, client=replace(scene.client, client_id="forgotten")),
        ],
    ),
    (
        Reason.REFRESH_TOKEN_REVOKED,
        [lambda scene: scene.in_state(revoked_at=NOW - 1), lambda scene: replace(scene, barred=True)],
    ),
    (
        Reason.REFRESH_TOKEN_EXPIRED,
        [
            lambda scene: scene.granted(expires_at=NOW),
            lambda scene: scene.in_state(used_at=NOW - GRANT.idle_ttl),
            lambda scene: scene.under(refresh_absolute_ttl=NOW - GRANT.started_at),
        ],
    ),
    (
        Reason.BINDING_MISMATCH,
        [
            lambda scene: scene.granted(confirmation=Confirmation(jkt="its key")),
            lambda scene: scene.under(sender_constraint=SenderConstraint.TLS),
        ],
    ),
    (Reason.INVALID_REQUEST, [lambda scene: scene.asking(possession=Possession(has_proof=True))]),
    (
        Reason.BINDING_MISMATCH,
        [
            lambda scene: scene.asking(device_id="device-2"),
            lambda scene: scene.asking(device_id=""),
        ],
    ),
    (Reason.CREDENTIAL_CHANGED, [lambda scene: scene.asking(credential_version="v2")]),
    (Reason.INVALID_SCOPE, [lambda scene: scene.asking(scopes=("read", "admin"))]),
    (Reason.INVALID_AUDIENCE, [lambda scene: scene.asking(audiences=("payroll",))]),
    (
        Reason.REFRESH_TOKEN_REUSED,
        [
            lambda scene: scene.in_state(generation=7),
            lambda scene: scene.in_state(generation=6, rotated_at=NOW - 3_600_000),
        ],
    ),
]
EVERY_CAUSE = [(reason, cause) for reason, causes in RANKED for cause in causes]
PAIRS = [
    pytest.param(first, cause, later, id=f"{first}-before-{second}-{place}")
    for place, ((first, causes), (second, laters)) in enumerate(combinations(RANKED, 2))
    for cause in causes
    for later in laters
]


def test_the_undisturbed_scene_succeeds() -> None:
    """The scene that the other tests disturb is one in which Refresh rotates."""
    assert refreshed(GOOD.decided()).session.generation == 6


@pytest.mark.parametrize(("reason", "cause"), EVERY_CAUSE)
def test_each_cause_has_its_reason(reason: Reason, cause: Cause) -> None:
    """Each cause alone is refused with the reason that the contract gives it."""
    assert refused(cause(GOOD).decided()).reason is reason


@pytest.mark.parametrize(("reason", "cause", "later"), PAIRS)
def test_the_earlier_of_two_causes_is_told(reason: Reason, cause: Cause, later: Cause) -> None:
    """Of any two causes the one that the contract names first is told, and the later one stays hidden."""
    assert refused(cause(later(GOOD)).decided()).reason is reason


@pytest.mark.parametrize(("reason", "cause"), [pair for pair in EVERY_CAUSE if pair[0] != Reason.REFRESH_TOKEN_REUSED])
def test_a_refusal_writes_nothing(reason: Reason, cause: Cause) -> None:
    """A refused token stays as good as it was: no row, no log entry, no audit event."""
    effects = cause(GOOD).decided()
    assert effects == Effects(refused(effects))


@pytest.mark.parametrize(
    ("reason", "cause"),
    [pair for pair in EVERY_CAUSE if pair[0] not in {"REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED"}],
)
def test_an_old_token_trips_nothing_before_its_turn(reason: Reason, cause: Cause) -> None:
    """An old token is not taken for reuse while any other cause refuses it: the session lives on."""
    effects = cause(GOOD.in_state(generation=9)).decided()
    assert effects == Effects(refused(effects))
    assert refused(effects).reason is reason


def test_a_public_client_is_not_held_by_itself() -> None:
    """Whoever may not act for the token's client learns nothing by naming that client."""
    assert refused(GOOD.asking(caller=STRANGER, client_id="phone").decided()).reason is Reason.CLIENT_MISMATCH


def test_the_device_is_compared_only_where_the_policy_binds_it() -> None:
    """Where sessions are not bound to it another device may present the token."""
    unbound = replace(GOOD, client=phone(binding=BindingPolicy())).asking(device_id="device-2")
    assert refreshed(unbound.decided())


@pytest.mark.parametrize("version", ["", "v1"])
def test_an_absent_or_equal_credential_version_passes(version: str) -> None:
    """The fingerprint is compared only when the caller gives one."""
    assert refreshed(GOOD.asking(credential_version=version).decided())


def test_a_session_without_credential_version_accepts_any() -> None:
    """A session that was bound to no fingerprint has nothing to compare with."""
    assert refreshed(GOOD.granted(credential_digest="").asking(credential_version="v2").decided())


def test_the_last_millisecond_of_a_session_still_refreshes() -> None:
    """A session is alive until the moment of its expiry, which is the first one that is too late."""
    assert refreshed(GOOD.granted(expires_at=NOW + 1).decided())
    assert refreshed(GOOD.in_state(used_at=NOW - GRANT.idle_ttl + 1).decided())


def test_an_expired_session_has_no_retry_window() -> None:
    """A token whose successor's session has expired is refused inside the retry window too."""
    scene = GOOD.in_state(generation=6, rotated_at=NOW - 1).granted(expires_at=NOW)
    assert refused(scene.decided()).reason is Reason.REFRESH_TOKEN_EXPIRED
