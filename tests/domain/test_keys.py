"""The life of a key, from its times alone."""

from dataclasses import replace

from tokensvc.domain.effects import Refused
from tokensvc.domain.errors import Reason
from tokensvc.domain.key_changes import Rotation, is_due, revoke, rotate, settle
from tokensvc.domain.keys import KeyPurpose, KeyState, StoredKey, state_of
from tokensvc.domain.policy import DAY, HOUR, MAX_ACCESS_TTL, MAX_REFRESH_TTL
from tokensvc.domain.revocation import EntryKind

NOW = 1_800_000_000_000
FIRST = StoredKey("first", KeyPurpose.SIGNING, "ES256", NOW - DAY, NOW - DAY, b"wrapped", "{}")
NEXT = replace(FIRST, key_id="next", created_at=NOW, activates_at=NOW + HOUR)
MAC = replace(FIRST, purpose=KeyPurpose.REFRESH_MAC, key_id="1", algorithm="HS256")


def states(*keys: StoredKey, at: int) -> list[KeyState]:
    """Where each is in its life."""
    return [state_of(key, keys, at) for key in keys]


def changed(*keys: StoredKey, by: tuple[StoredKey, ...]) -> list[StoredKey]:
    """The keys after a change."""
    now = {(key.purpose, key.key_id): key for key in (*keys, *by)}
    return [*now.values()]


def test_a_new_key_is_prepared_and_then_takes_over() -> None:
    """Nobody has to do anything when its time comes."""
    assert states(FIRST, NEXT, at=NOW) == [KeyState.ACTIVE, KeyState.PREPARED]
    assert states(FIRST, NEXT, at=NEXT.activates_at) == [KeyState.RETIRING, KeyState.ACTIVE]


def test_the_purposes_do_not_disturb_each_other() -> None:
    """A signing key takes over from signing keys alone."""
    assert states(FIRST, NEXT, MAC, at=NOW + DAY)[2] is KeyState.ACTIVE


def test_a_rotation_is_told_and_noted() -> None:
    """The nodes hear of it through the log, and the trail says whose it was."""
    effects = rotate(Rotation(NEXT, NOW, "admin"), [FIRST, MAC])
    assert effects.outcome == NEXT
    assert effects.keys == (NEXT,)
    assert [entry.kind for entry in effects.log] == [EntryKind.KEYS_CHANGED]
    assert [(event.type, event.caller) for event in effects.audit] == [("key.rotated", "admin")]


def test_a_key_that_is_prepared_is_not_prepared_again() -> None:
    """Asking twice, or two nodes asking, gives one key."""
    later = replace(NEXT, key_id="later", activates_at=NEXT.activates_at + 1)
    effects = rotate(Rotation(later, NOW, ""), [FIRST, NEXT])
    assert (effects.outcome, effects.keys, effects.log) == (NEXT, (), ())


def test_a_key_that_is_prepared_can_be_hurried() -> None:
    """In an emergency the caches may know it already."""
    urgent = replace(NEXT, key_id="urgent", activates_at=NOW)
    (hurried,) = rotate(Rotation(urgent, NOW, ""), [FIRST, NEXT]).keys
    assert hurried == replace(NEXT, activates_at=NOW)
    assert states(FIRST, hurried, at=NOW) == [KeyState.RETIRING, KeyState.ACTIVE]


def test_two_keys_never_have_one_name() -> None:
    """Who comes second has to choose another."""
    assert rotate(Rotation(replace(FIRST, activates_at=NOW), NOW, ""), [FIRST]).outcome is None


def test_the_key_before_verifies_until_its_last_token_is_dead() -> None:
    """How long that is follows from what it is for."""
    after = NEXT.activates_at
    next_mac = replace(MAC, key_id="2", activates_at=after)
    by_name = {key.key_id: key for key in settle([FIRST, NEXT, MAC, next_mac], after).keys}
    assert by_name.keys() == {"first", "1"}
    signing_ends, mac_ends = by_name["first"].retires_at, by_name["1"].retires_at
    assert signing_ends is not None
    assert mac_ends is not None
    assert signing_ends > after + MAX_ACCESS_TTL
    assert mac_ends > after + MAX_REFRESH_TTL


def test_nothing_is_settled_before_another_key_is_used() -> None:
    """A prepared key ends nothing."""
    assert settle([FIRST, NEXT, MAC], NOW).keys == ()
    assert settle([FIRST, NEXT, MAC], NOW).log == ()


def test_a_key_whose_time_is_over_loses_its_private_part() -> None:
    """What is gone cannot be stolen; its name and public part stay."""
    (settled,) = settle([FIRST, NEXT], NEXT.activates_at).keys
    end = settled.retires_at
    assert end is not None
    assert end == NEXT.activates_at + MAX_ACCESS_TTL + 2 * HOUR
    assert settle([settled, NEXT], end - 1).keys == ()
    effects = settle([settled, NEXT], end)
    assert effects.keys == (replace(settled, wrapped=b""),)
    assert [event.type for event in effects.audit] == ["key.retired"]
    assert settle([*effects.keys, NEXT], end).keys == ()


def test_a_key_that_is_in_use_again_has_no_end() -> None:
    """The one that took over from it was revoked by a node whose clock is behind: the first goes on."""
    (settled,) = settle([FIRST, NEXT], NEXT.activates_at).keys
    ended = NEXT.retired(NEXT.activates_at - 1)
    assert settle([settled, ended], NEXT.activates_at).keys == (FIRST,)


def test_keys_that_end_by_clocks_that_differ_leave_one_in_use() -> None:
    """A node revokes the first key, another one, whose clock is behind, the key that took over: another takes over."""
    new = Rotation(replace(NEXT, key_id="new", activates_at=NOW), NOW, "")
    after = changed(FIRST, by=revoke("first", new, "", [FIRST]).keys)
    behind = NOW - 1000
    newest = Rotation(replace(NEXT, key_id="newest", activates_at=behind), behind, "")
    after = changed(*after, by=revoke("new", newest, "", after).keys)
    assert [key.key_id for key in after if key.wrapped] == ["newest"]
    assert not is_due(after, KeyPurpose.SIGNING, NOW, DAY, 0)


def test_without_a_key_that_can_be_used_the_next_one_is_due() -> None:
    """Whatever has led to it."""
    assert is_due([FIRST.retired(NOW)], KeyPurpose.SIGNING, NOW, 90 * DAY, HOUR)


def test_a_revoked_key_ends_at_once_and_another_takes_over() -> None:
    """The one that is prepared if there is one, else the new one."""
    new = Rotation(replace(NEXT, key_id="new", activates_at=NOW), NOW, "admin")
    effects = revoke("first", new, "stolen", [FIRST, NEXT])
    ended, taking_over = effects.keys
    assert ended == replace(FIRST, retires_at=NOW, wrapped=b"")
    assert taking_over == replace(NEXT, activates_at=NOW)
    assert [(event.type, event.reason) for event in effects.audit] == [("key.revoked", "stolen")]
    assert revoke("first", new, "", [FIRST]).keys[1] == new.new


def test_revoking_a_key_that_is_not_in_use_changes_nothing_else() -> None:
    """One that is prepared never takes over then, and the one in use goes on."""
    new = Rotation(replace(NEXT, key_id="new", activates_at=NOW), NOW, "")
    effects = revoke("next", new, "", [FIRST, NEXT])
    assert len(effects.keys) == 1
    after = changed(FIRST, NEXT, by=effects.keys)
    assert states(*after, at=NEXT.activates_at) == [KeyState.ACTIVE, KeyState.RETIRED]
    assert settle(after, NOW + DAY).keys == ()


def test_only_a_key_that_exists_is_revoked() -> None:
    """Name and purpose must both be right."""
    outcome = revoke("1", Rotation(NEXT, NOW, ""), "", [FIRST, MAC]).outcome
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.KEY_NOT_FOUND


def test_the_next_key_is_due_in_time() -> None:
    """So long before the interval is over that it can be known everywhere, and not while one is prepared."""
    began = FIRST.activates_at
    due = began + 90 * DAY - HOUR
    assert not is_due([FIRST, MAC], KeyPurpose.SIGNING, due - 1, 90 * DAY, HOUR)
    assert is_due([FIRST, MAC], KeyPurpose.SIGNING, due, 90 * DAY, HOUR)
    prepared = replace(NEXT, activates_at=due + HOUR)
    assert not is_due([FIRST, prepared], KeyPurpose.SIGNING, due, 90 * DAY, HOUR)


def test_a_successor_never_takes_the_name_of_a_living_key() -> None:
    """Another node has made one of that name meanwhile: nothing ends, and the caller has to choose another."""
    new = Rotation(replace(NEXT, key_id="other", activates_at=NOW), NOW, "")
    other = replace(FIRST, key_id="other", activates_at=NOW - 2 * DAY)
    effects = revoke("first", new, "", [other, FIRST])
    assert (effects.outcome, effects.keys) == (None, ())
