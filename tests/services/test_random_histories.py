"""Random histories of tokens, played through the use cases and through a model that shares no idea with them."""

import asyncio
import shutil
from collections.abc import Awaitable
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
from tokensvc.domain.client import DAY, HOUR, MINUTE, SECOND
from tokensvc.domain.errors import Reason, RefusedError
from tokensvc.domain.session import Device
from tokensvc.ports import Store
from tokensvc.services.revoke import ClientTarget, DeviceTarget, SessionTarget, SubjectTarget, Target, TokenTarget
from tokensvc.store.memory import MemoryStore
from tokensvc.store.migrating import upgrade_sqlite
from tokensvc.store.sql_store import SqlStore
from tokensvc.store.sqlite import SqliteDatabase

KEYS = new_keys()
RULES = {
    "phone": Rules(5 * MINUTE, idle_ttl=DAY, absolute_ttl=3 * DAY, retry_window=10 * SECOND),
    "web": Rules(HOUR, idle_ttl=2 * HOUR, absolute_ttl=8 * HOUR, retry_window=0),
}
SPANS = (0, 1, 999, 10 * SECOND - 1, 10 * SECOND, MINUTE, 5 * MINUTE, HOUR, 2 * HOUR, DAY - 1, DAY)

subjects = st.sampled_from(["ada", "eve"])
clients = st.sampled_from(list(RULES))
devices = st.sampled_from(["", "d1", "d2"])
ages = st.sampled_from([0, 0, 0, 1, 1, 2, 5])  # refresh tokens before the newest
cut_offs = st.sampled_from([None, None, -1, 0, 1, MINUTE])  # after a family's birth


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

    @initialize()
    def register(self) -> None:
        """Two clients with their rules, a relay for both, and a rival that may act for neither."""
        for name, rules in RULES.items():
            policy = policy_of(
                access_ttl=rules.access_ttl,
                refresh_idle_ttl=rules.idle_ttl,
                refresh_absolute_ttl=rules.absolute_ttl,
                retry_window=rules.retry_window,
            )
            self.do(self.use_cases.register_public(name, policy))
        self.do(self.use_cases.register("relay", acts_for=frozenset({"*"}), audiences=frozenset({"api"})))
        self.do(self.use_cases.register("rival"))

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

    def look(self, family: Family) -> None:
        """Introspect every token of `family` at once."""
        expected = self.model.active(family, self.clock())
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

    @rule(family=sessions, age=ages)
    def refresh(self, family: Family, age: int) -> None:
        """Present the newest refresh token, the one before, or an old one."""
        slip = _slip(family, age)
        answer = self.do(self.use_cases.refresh("relay", slip.text))
        self.model.refreshed(family, slip, self.clock(), answer)
        self.look(family)

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

    @rule(family=families)
    def introspect(self, family: Family) -> None:
        """Look at what nothing has happened to."""
        self.look(family)

    @rule(family=families, age=ages)
    def revoke_an_access_token(self, family: Family, age: int) -> None:
        """One token, and nothing else."""
        one = family.passes[-1 - min(age, len(family.passes) - 1)]
        self.do(self.use_cases.revoke("relay", TokenTarget(one.text)))
        one.torn = True
        self.look(family)

    @rule(family=sessions, age=ages)
    def revoke_a_refresh_token(self, family: Family, age: int) -> None:
        """Any refresh token of a family, a spent one too, stands for all of it."""
        self.do(self.use_cases.revoke("relay", TokenTarget(_slip(family, age).text)))
        family.ended = True
        self.look(family)

    @rule(family=sessions)
    def revoke_a_session(self, family: Family) -> None:
        """The same by its id."""
        self.do(self.use_cases.revoke("relay", SessionTarget(family.session_id)))
        family.ended = True
        self.look(family)

    def revoke_all(self, target: Target, family: Family, after_birth: int | None, **whose: str) -> None:
        """Raise a cut-off, at once or at a moment near the family's birth; a moment yet to come counts as now."""
        cut_off = None if after_birth is None else family.born_at + after_birth
        self.do(self.use_cases.revoke("relay", target, cut_off))
        self.model.ended(issued_before=None if cut_off is None else min(cut_off, self.clock()), **whose)
        self.look(family)

    @rule(target=sessions, family=families, after_birth=cut_offs)
    def revoke_a_subject(self, family: Family, after_birth: int | None) -> Any:
        """Everything of a subject, who can log in again at once."""
        self.revoke_all(SubjectTarget(family.subject), family, after_birth, subject=family.subject)
        return self.issue(family.subject, family.client, family.device)

    @precondition(lambda self: any(family.device for family in self.model.families))
    @rule(family=sessions.filter(lambda family: family.device), after_birth=cut_offs)
    def revoke_a_device(self, family: Family, after_birth: int | None) -> None:
        """Everything of a subject on one device."""
        target = DeviceTarget(family.subject, family.device)
        self.revoke_all(target, family, after_birth, subject=family.subject, device=family.device)

    @rule(target=sessions, family=families, after_birth=cut_offs)
    def revoke_a_client(self, family: Family, after_birth: int | None) -> Any:
        """Everything that was issued for a client, which goes on issuing."""
        self.revoke_all(ClientTarget(family.client), family, after_birth, client=family.client)
        return self.issue(family.subject, family.client, family.device)

    @rule(client=clients)
    def switch_a_client(self, client: str) -> None:
        """A client that is disabled loses everything; enabled again it gets nothing of that back."""
        disable = client not in self.model.switched_off
        self.do(self.use_cases.clients.set_disabled(client, disabled=disable))
        self.model.switched_off ^= {client}
        if disable:
            self.model.ended(client=client)

    @rule(span=st.sampled_from(SPANS))
    def wait(self, span: int) -> None:
        """Time passes, to the millisecond before something ends or to just that moment."""
        self.clock.now += span

    @rule()
    def clean_up(self) -> None:
        """Rows that nothing needs go, and nobody can tell but by the reason."""
        self.do(self.use_cases.store.prune(self.clock(), 1000))
        self.model.sweep(self.clock())


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

    run_state_machine_as_test(histories, settings=settings(max_examples=40, stateful_step_count=40))
