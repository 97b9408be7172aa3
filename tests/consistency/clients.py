"""Owns a client process: tasks that issue, refresh, look and revoke at random, most of all where others just did."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty
from random import Random
from typing import Any

from tests.consistency.calling import Calls, calling
from tests.consistency.history import REUSED, REVOKED, Rotates, Target
from tests.consistency.knowledge import Knowledge, Known, News
from tests.consistency.nodes import CLIENTS

_PASSING = {client.name for client in CLIENTS if client.passing}
_UNNOTICED = {client.name for client in CLIENTS if client.rotates is Rotates.UNNOTICED}
_SUBJECT_SECONDS = 8
_SUBJECTS = 60
_SWEEP_UNANSWERED = 20


@dataclass(frozen=True)
class Plan:
    """What a client process is told; `pause` seconds pass on average between two actions of a task."""

    name: str
    seed: int
    addresses: dict[str, str]
    credentials: tuple[str, str]
    history: Path
    tasks: int
    pause: float


def run(plan: Plan, inbox: Any, outboxes: Sequence[Any], ready: Any, stopping: Any) -> None:
    """Work from the barrier `ready` until the event `stopping` is set, then look at everything known once more.

    `inbox` and `outboxes` are queues of news; all are of multiprocessing.
    """
    ready.wait()
    asyncio.run(_run(plan, inbox, outboxes, stopping))


async def _run(plan: Plan, inbox: Any, outboxes: Sequence[Any], stopping: Any) -> None:
    chance = Random(plan.seed)
    with plan.history.open("w", buffering=1, encoding="utf-8") as file:
        async with calling(plan.name, chance, plan.addresses, plan.credentials, file) as calls:
            behaviour = Behaviour(calls, chance, inbox, outboxes)
            await asyncio.gather(*(_work(behaviour, plan.pause, chance, stopping) for _ in range(plan.tasks)))
            await behaviour.sweep(plan.tasks)
    for outbox in outboxes:
        outbox.cancel_join_thread()  # the others may have ended and read no more


async def _work(behaviour: "Behaviour", pause: float, chance: Random, stopping: Any) -> None:
    while not stopping.is_set():
        await behaviour.act()
        await asyncio.sleep(chance.expovariate(1 / pause))


class Behaviour:
    """What a task does next."""

    def __init__(self, calls: Calls, chance: Random, inbox: Any, outboxes: Sequence[Any]) -> None:
        self._calls = calls
        self._chance = chance
        self._knowledge = Knowledge(chance)
        self._inbox = inbox
        self._outboxes = outboxes
        self._unanswered: list[tuple[Any, ...]] = []
        """Issues with an idempotency key and no answer."""

    async def act(self) -> None:
        """One action, of one call or a few at the same time."""
        self._hear()
        family = self._knowledge.pick()
        if family is None:
            await self._login()
            return
        actions: dict[Callable[[], Awaitable[Any]], int] = {
            self._login: 12,
            partial(self._refresh, family, family.newest): 30,
            partial(self._refresh_at_once, family): 5,
            partial(self._refresh, family, family.newest - 1): 4,
            partial(self._refresh, family, family.newest - 2): 1,
            self._look_at_one: 28,
            self._look_at_all: 10,
            partial(self._revoke, family): 4,
            partial(self._revoke_at_once, family): 2,
        }
        await self._chance.choices(list(actions), list(actions.values()))[0]()

    def _hear(self) -> None:
        try:
            while True:
                self._knowledge.learn(self._inbox.get_nowait())
        except Empty:
            return

    def _tell(self, news: News) -> None:
        family = self._knowledge.learn(news)
        if family is not None and not family.private:
            for outbox in self._outboxes:
                outbox.put(news)

    def _node(self) -> str:
        return self._chance.choice(self._calls.nodes)

    async def _login(self, subject: str = "") -> None:
        """Issue, sometimes twice with one idempotency key: at once, or again because there was no answer."""
        if self._unanswered and self._chance.random() < 0.3:
            await self._issue(*self._unanswered.pop())
            return
        if not subject:
            period = time.monotonic_ns() // (_SUBJECT_SECONDS * 10**9)
            subject = f"user-{period}-{self._chance.randrange(_SUBJECTS)}"
        client = self._chance.choices(CLIENTS, [1 if client.passing else 4 for client in CLIENTS])[0]
        device = self._chance.choice(["phone", "tablet", ""])
        # What has no state is begun anew by the same key, with another token.
        repeatable = client.rotates is not Rotates.UNNOTICED and self._chance.random() < 0.4
        key = f"login-{self._chance.getrandbits(64):016x}" if repeatable else ""
        again = 2 if key and self._chance.random() < 0.4 else 1
        wanted = (key, subject, device, client)
        await asyncio.gather(*(self._issue(*wanted) for _ in range(again)))

    async def _issue(self, *wanted: Any) -> None:
        record, answer = await self._calls.issue(self._node(), *wanted)
        key, subject, device, client = wanted
        if answer is None:
            if key and record.may_have_happened:
                self._unanswered.append(wanted)
            return
        news = News(answer.session_id, subject, device, client.name, answer.refresh_token, answer.access_token)
        if (family := self._knowledge.learn(news)) is not None:
            family.private = self._chance.random() < 0.4
        self._tell(news)

    async def _refresh(self, family: Known, generation: int) -> None:
        token = family.refresh_tokens.get(generation)
        if token is None:
            return
        record, answer = await self._calls.refresh(self._node(), token)
        if answer is not None:
            self._tell(family.news(answer.refresh_token, answer.access_token))
            if self._chance.random() < 0.3:
                await self._calls.introspect(self._node(), token)
        elif record.outcome in (REUSED, REVOKED):
            first = not family.ended
            self._tell(family.news(ended=True))
            if first:
                await self._look_everywhere(family)

    async def _refresh_at_once(self, family: Known) -> None:
        generation = family.newest
        await asyncio.gather(*(self._refresh(family, generation) for _ in range(self._chance.randrange(2, 4))))

    async def _look_at_one(self) -> None:
        if family := self._knowledge.pick_any():
            await self._calls.introspect(self._node(), self._chance.choice(family.tokens))

    async def _look_at_all(self) -> None:
        if family := self._knowledge.pick_any():
            await self._calls.introspect_all(self._node(), family.tokens)

    async def _look_everywhere(self, family: Known) -> None:
        """What was just ended must be inactive on every node, now."""
        one = self._chance.choice(family.tokens)
        calls = self._calls
        await asyncio.gather(
            *(calls.introspect_all(node, family.tokens) for node in calls.nodes),
            *(calls.introspect(node, one) for node in calls.nodes),
        )

    async def _revoke(self, family: Known) -> None:
        calls, target = self._calls, self._chance.choices(list(Target), [34, 34, 15, 15, 2])[0]
        token = self._chance.choice(family.tokens)
        values = {
            Target.TOKEN: (token,),
            # A session without a row cannot be found by its name.
            Target.SESSION: ("" if family.client in _UNNOTICED else family.session,),
            Target.SUBJECT: (family.subject,),
            Target.DEVICE: (family.subject, family.device),
            Target.CLIENT: (family.client if family.client in _PASSING else "",),
        }
        if not all(values[target]) or not await calls.revoke(self._node(), target, *values[target]):
            return
        if target is Target.TOKEN and token in family.access_tokens:
            await asyncio.gather(*(calls.introspect(node, token) for node in calls.nodes))
            return
        whose = {
            Target.SUBJECT: {"subject": family.subject},
            Target.DEVICE: {"subject": family.subject, "device": family.device},
            Target.CLIENT: {"client": family.client},
        }
        logins = [self._login(family.subject)] if target is Target.SUBJECT else []
        await asyncio.gather(self._end(family, **whose.get(target, {})), *logins)

    async def _end(self, family: Known, **whose: str) -> None:
        """Note the end of all families concerned, and look at a few of them."""
        concerned = [family, *(other for other in self._knowledge.matching(**whose) if whose and other is not family)]
        for one in concerned:
            one.ended = True
        await asyncio.gather(*(self._look_everywhere(one) for one in concerned[:4]))

    async def _revoke_at_once(self, family: Known) -> None:
        """A revocation, a refresh and a look at the same time."""
        await asyncio.gather(
            self._revoke(family),
            self._refresh(family, family.newest),
            self._calls.introspect_all(self._node(), family.tokens),
        )

    async def sweep(self, tasks: int) -> None:
        """With all nodes up again, look at every family known, on every node, and refresh what lives."""
        self._hear()
        self._calls.be_patient()
        families = list(self._knowledge.all)
        self._chance.shuffle(families)
        await asyncio.gather(*(self._sweep(families[task::tasks]) for task in range(tasks)))

    async def _sweep(self, families: Sequence[Known]) -> None:
        for family in families:
            if family.ended and self._chance.random() < 0.6:
                continue  # the other processes look at it too
            if self._calls.unanswered > _SWEEP_UNANSWERED:
                return  # the service does not recover
            for node in [self._node()] if family.ended else self._calls.nodes:
                await self._calls.introspect_all(node, family.tokens)
            if not family.ended or self._chance.random() < 0.4:
                await self._refresh(family, family.newest - self._chance.choice([0, 0, 0, 1]))
