"""Random histories of tokens, played through the use cases and through a model that shares no idea with them."""

import asyncio
import shutil
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fakes import FakeClock
from tests.harness import policy_of
from tests.services.history_model import Family, Model, Rules, Slip
from tests.services.use_cases import UseCases, new_keys
from tokensvc.domain.client import Client
from tokensvc.domain.effects import Effects
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.policy import DAY, HOUR, MINUTE, SECOND, RefreshTokenFormat, Rotation
from tokensvc.domain.revocation import NEVER, EntryKind, LogEntry
from tokensvc.domain.session import Device
from tokensvc.ports import Store, Unit
from tokensvc.services.clients import OPERATOR
from tokensvc.services.revoke import ClientTarget, DeviceTarget, SessionTarget, SubjectTarget, TokenTarget
from tokensvc.store.memory import MemoryStore
from tokensvc.store.migrating import upgrade_sqlite
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase

KEYS = new_keys()
_PHONE = Rules(5 * MINUTE, idle_ttl=2 * DAY, absolute_ttl=3 * DAY, retry_window=10 * SECOND)
RULES = {
    "phone": _PHONE,
    "web": Rules(HOUR, idle_ttl=2 * HOUR, absolute_ttl=2 * HOUR + MINUTE, retry_window=0),
    "strict": replace(_PHONE, rotation=Rotation.ALWAYS, token_format=RefreshTokenFormat.JWT),
    "periodic": replace(_PHONE, rotation=Rotation.PERIODIC, interval=HOUR, token_format=RefreshTokenFormat.JWT),
    "selective": replace(_PHONE, rotation=Rotation.SELECTIVE),
    "never": replace(_PHONE, rotation=Rotation.NEVER),
    "stateless": replace(_PHONE, token_format=RefreshTokenFormat.STATELESS_JWT),
}

# To the last millisecond before something ends, or to just that moment.
SPANS = [0, 0, 0, 1, 999, 10 * SECOND - 1, 10 * SECOND, 5 * MINUTE, HOUR, 2 * HOUR - 1, 2 * HOUR, 30 * HOUR, 2 * DAY]

subjects = st.sampled_from(["ada", "eve"])
clients = st.sampled_from(list(RULES))
devices = st.sampled_from(["", "d1", "d2"])
spans = st.sampled_from(SPANS)
targets = st.sampled_from(["subject", "client", "device"])
ages = st.sampled_from([1, 1, 1, 0, 2, 3, 5])  # how many refresh tokens before the newest
cut_offs = st.sampled_from([None, -1, -1, 0, 0, 1, MINUTE])  # how long after a family's birth


class Histories(RuleBasedStateMachine):
    """Issues, refreshes, replays, revokes and waits in any order. Every answer has to be the model's."""

    sessions: Bundle[Family] = Bundle("sessions")
    lone_tokens: Bundle[Family] = Bundle("lone_tokens")
    families = st.one_of(sessions, sessions, lone_tokens)

    def __init__(self, store: Store, clock: FakeClock) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = clock
        self.use_cases = UseCases(store, clock, KEYS)
        self.model = Model()
        self.seen_inactive: set[str] = set()

    def teardown(self) -> None:
        """Let go of the store and of the event loop."""
        self.do(self.use_cases.store.close())
        self.runner.close()

    def do(self, action: Awaitable[Any]) -> Any:
        """Run an action to its end; a refusal is answered as its reason."""
        return self.runner.run(_reason_or_answer(action))

    @initialize(target=sessions, device=devices)
    def begin(self, device: str) -> Any:
        """Clients with their rules, a relay for all, a rival that may act for none; and a first session."""
        for name, rules in RULES.items():
            policy = policy_of(
                access_ttl=rules.access_ttl,
                refresh_idle_ttl=rules.idle_ttl,
                refresh_absolute_ttl=rules.absolute_ttl,
                retry_window=rules.retry_window,
                rotation=rules.rotation,
                rotation_interval=rules.interval,
                refresh_token_format=rules.token_format,
            )
            # Written past the checks of registration, which want a key for what never rotates: without one it does.
            self.do(self.use_cases.store.commit(_registering(Client(name, policy=policy))))
        self.do(self.use_cases.register("relay", acts_for=frozenset({"*"}), audiences=frozenset({"api"})))
        self.do(self.use_cases.register("rival"))
        return self.issue("ada", "phone", device)

    def issue(self, subject: str, client: str, device: str, *, access_only: bool = False) -> Any:
        """Issue, and find the new tokens active; nothing if the client is switched off."""
        order = {"client_id": client, "device": Device(device), "access_only": access_only}
        answer = self.do(self.use_cases.issue("relay", subject=subject, **order))
        if client in self.model.switched_off:
            assert answer is Reason.CLIENT_DISABLED
            return multiple()
        now = self.clock()
        family = Family(subject, client, device, RULES[client], now, answer.session_id, used_at=now)
        self.model.born(family, answer.access_token, answer.refresh_token)
        assert all(self.model.active(family, now).values())
        self.look(family)
        return family

    def look(self, *families: Family) -> None:
        """Introspect every token of `families` at once."""
        expected: dict[str, bool] = {}
        for family in families:
            expected |= self.model.active(family, self.clock())
        found = self.do(self.use_cases.introspect_all("relay", list(expected)))
        seen = dict(zip(expected, (active is not None for active in found), strict=True))
        assert seen == expected
        assert not any(seen[text] for text in self.seen_inactive & seen.keys())
        self.seen_inactive |= {text for text in seen if not seen[text]}

    @rule(target=sessions, subject=subjects, client=clients, device=devices)
    def log_in(self, subject: str, client: str, device: str) -> Any:
        """A new session."""
        return self.issue(subject, client, device)

    @rule(target=lone_tokens, subject=subjects, client=clients)
    def issue_an_access_token_alone(self, subject: str, client: str) -> Any:
        """A token without a session."""
        return self.issue(subject, client, "", access_only=True)

    @rule(family=sessions, times=st.integers(1, 4), pause=spans | st.none())
    def refresh(self, family: Family, times: int, pause: int | None) -> None:
        """A phone at its daily work: the newest refresh token, again and again, or each time at the last moment."""
        for _ in range(times):
            self.present(family, _slip(family, 0))
            self.look(family)
            self.clock.now += family.rules.idle_ttl - 1 if pause is None else pause

    @rule(family=sessions, age=ages)
    def refresh_again(self, family: Family, age: int) -> None:
        """A retry, or a thief: the refresh token before the newest, or an older one."""
        self.present(family, _slip(family, age))
        self.look(family)

    @rule(family=sessions, age=ages)
    def refresh_from_elsewhere(self, family: Family, age: int) -> None:
        """From another device: that makes a difference to selective rotation alone."""
        self.present(family, _slip(family, age), elsewhere=True)
        self.look(family)

    def present(self, family: Family, slip: Slip, *, elsewhere: bool = False) -> None:
        """Refresh with `slip`."""
        order = {"device_id": "another" if elsewhere else family.device}
        answer = self.do(self.use_cases.refresh("relay", slip.text, **order))
        # Of a session that named no device none differs.
        self.model.refreshed(family, slip, self.clock(), answer, elsewhere=elsewhere and bool(family.device))

    @rule(family=sessions, age=ages, other_age=ages)
    def refresh_at_once(self, family: Family, age: int, other_age: int) -> None:
        """Two refreshes that share a transaction are decided one after the other."""
        slips = _slip(family, age), _slip(family, other_age)

        async def together() -> Any:
            actions = (_reason_or_answer(self.use_cases.refresh("relay", slip.text)) for slip in slips)
            return await asyncio.gather(*actions)

        for slip, answer in zip(slips, self.do(together()), strict=True):
            self.model.refreshed(family, slip, self.clock(), answer)
        self.look(family)

    @rule(family=sessions, age=ages)
    def refresh_by_a_rival(self, family: Family, age: int) -> None:
        """Whoever may not act for the client learns nothing and changes nothing."""
        answer = self.do(self.use_cases.refresh("rival", _slip(family, age).text))
        assert answer is (Reason.REFRESH_TOKEN_INVALID if family.swept else Reason.CLIENT_MISMATCH)
        self.look(family)

    @rule(family=families, span=spans)
    def introspect(self, family: Family, span: int) -> None:
        """Look at what time has done."""
        self.clock.now += span
        self.look(family)

    @rule(family=families, age=ages)
    def revoke_an_access_token(self, family: Family, age: int) -> None:
        """One token, and nothing else."""
        one = family.passes[-1 - min(age, len(family.passes) - 1)]
        self.do(self.use_cases.revoke("relay", TokenTarget(one.text)))
        one.torn = True
        self.look(family)

    @rule(family=sessions, age=ages, by_id=st.booleans())
    def revoke_a_session(self, family: Family, age: int, by_id: bool) -> None:
        """A session is ended by its id, or by any of its refresh tokens, a spent one too."""
        by_id = by_id and not family.rules.is_stateless  # such a session has no row to be found by
        target = SessionTarget(family.session_id) if by_id else TokenTarget(_slip(family, age).text)
        self.do(self.use_cases.revoke("relay", target))
        family.revoked_alone = True
        self.look(family)

    @rule(target=sessions, family=families, whose=targets, after_birth=st.lists(cut_offs, min_size=1, max_size=2))
    def cut_off(self, family: Family, whose: str, after_birth: list[int | None]) -> Any:
        """Everything of a subject, client or device ends, now or before a moment; the next login works at once."""
        subject, client, device = family.subject, family.client, family.device or "d1"
        target, concerned = {
            "subject": (SubjectTarget(subject), {"subject": subject}),
            "client": (ClientTarget(client), {"client": client}),
            "device": (DeviceTarget(subject, device), {"subject": subject, "device": device}),
        }[whose]
        for after in after_birth:
            moment = None if after is None else family.born_at + after
            self.do(self.use_cases.revoke("relay", target, moment))
            # A moment that is yet to come, by a caller's clock that is ahead, counts as now.
            self.model.cut_off(None if moment is None else min(moment, self.clock()), **concerned)
        self.look(*self.model.families)
        return self.issue(subject, client, family.device)

    @rule(client=clients, enable=st.booleans())
    def disable_a_client(self, client: str, enable: bool) -> None:
        """A client that is disabled loses everything, and gets nothing of it back when it is enabled again."""
        self.do(self.use_cases.clients.set_disabled(client, disabled=True, caller=OPERATOR))
        self.model.switched_off.add(client)
        self.model.cut_off(None, client=client)
        if enable:
            self.enable(client)

    @precondition(lambda self: self.model.switched_off)
    @rule()
    def enable_clients(self) -> None:
        """What was disabled works again."""
        for client in sorted(self.model.switched_off):
            self.enable(client)

    def enable(self, client: str) -> None:
        """Enable `client`."""
        self.do(self.use_cases.clients.set_disabled(client, disabled=False, caller=OPERATOR))
        self.model.switched_off.remove(client)

    @rule()
    def clean_up(self) -> None:
        """Rows that nothing needs go, and nobody can tell but by the reason."""
        self.do(self.use_cases.store.prune(self.clock(), 1000))
        self.model.sweep(self.clock())


def _registering(client: Client) -> Unit[None]:
    entry = LogEntry(EntryKind.CLIENT_CHANGED, client.client_id, at=0, expires_at=NEVER)
    return Unit(lambda _rows: Effects(None, client=client, log=(entry,)), client_id=client.client_id)


async def _reason_or_answer(action: Awaitable[Any]) -> Any:
    try:
        return await action
    except RefusedError as error:
        return error.reason


def _slip(family: Family, age: int) -> Slip:
    return family.slips[-1 - min(age, len(family.slips) - 1)]


def test_histories_in_memory() -> None:
    """On the store in memory every history goes as the model says."""
    bounds = settings(max_examples=120, stateful_step_count=40)
    run_state_machine_as_test(lambda: Histories(MemoryStore(), FakeClock()), settings=bounds)


def test_histories_on_sqlite(tmp_path: Path) -> None:
    """On SQLite every history goes as the model says."""
    empty, used = tmp_path / "empty.db", tmp_path / "used.db"
    upgrade_sqlite(empty)

    def histories() -> Histories:
        for file in tmp_path.glob("used.db*"):
            file.unlink()
        shutil.copy(empty, used)
        clock = FakeClock()
        return Histories(SqlStore(SqliteDatabase(used), clock, linger=0), clock)

    run_state_machine_as_test(histories, settings=settings(max_examples=20, stateful_step_count=40))
