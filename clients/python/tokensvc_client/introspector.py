"""Owns introspecting together: what those who ask at the same time send, and what each gets of the answer."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import grpc
from tokensvc_pb.v1 import token_service_pb2 as pb

from tokensvc_client import rpcs
from tokensvc_client.caller import Caller, remaining
from tokensvc_client.coalescing import Asker, Coalescing, Outcome
from tokensvc_client.errors import DeadlineExceededError, InternalError, InvalidRequestError, TokenServiceError
from tokensvc_client.transport import Signal
from tokensvc_client.values.plain import read, write
from tokensvc_client.values.tokens import Introspection

_TOKENS: Final = "tokens"  # the field of a BatchIntrospect


@dataclass(frozen=True)
class Freshness:
    """How fresh an answer has to be: the fields of the request that have to be alike."""

    min_revision: int
    max_staleness: timedelta | None


class Introspector:
    """Answers what Introspect would, by fewer calls where many ask at once."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._coalescing = Coalescing()

    async def ask(
        self, token: str, min_revision: int, max_staleness: timedelta | None, deadline: float | None
    ) -> Introspection:
        """What `token` says, by the answer of a call that began after this one. Fails with TokenServiceError."""
        freshness, signal = Freshness(min_revision, max_staleness), self._caller.transport.signal()
        asker = Asker(token, math.inf if deadline is None else deadline, signal.set)
        self._coalescing.arrive(freshness, asker)
        try:
            while asker.outcome is None:
                if asker.leads:
                    outcomes = await self._outcomes([member.token for member in asker.leads], freshness, deadline)
                    await self._hand_out(self._coalescing.settle(freshness, asker, outcomes))
                elif asker.gathers:
                    await self._caller.transport.sleep(0)  # those who are ready come before it goes on
                    self._coalescing.set_out(freshness, asker)
                else:
                    await _wait(signal, deadline)
        except BaseException:  # who is cancelled leaves too: the others must not wait for it
            self._coalescing.leave(freshness, asker)
            raise
        if isinstance(asker.outcome, TokenServiceError):
            raise asker.outcome
        return read(Introspection, asker.outcome)

    async def _hand_out(self, party: Sequence[Asker]) -> None:
        """Wake who has an outcome, once the next party has set out: else its call waits until all have taken theirs."""
        try:
            await self._caller.transport.sleep(0)
        finally:
            for asker in party:
                asker.wake()

    async def _outcomes(self, tokens: Sequence[str], freshness: Freshness, deadline: float | None) -> Sequence[Outcome]:
        try:
            return await self._introspections(tokens, freshness, deadline)
        except TokenServiceError as error:
            if len(tokens) == 1 or not _may_be_of_some(error):
                return [copy.copy(error) for _ in tokens]  # each raises one of its own
        middle = len(tokens) // 2
        first = await self._outcomes(tokens[:middle], freshness, deadline)
        return [*first, *await self._outcomes(tokens[middle:], freshness, deadline)]

    async def _introspections(
        self, tokens: Sequence[str], freshness: Freshness, deadline: float | None
    ) -> Sequence[pb.IntrospectResponse]:
        fields = {"min_revision": freshness.min_revision, "max_staleness": freshness.max_staleness}
        if len(tokens) == 1:
            single = write(pb.IntrospectRequest(token=tokens[0]), fields)
            return [await self._caller.call(rpcs.INTROSPECT, single, deadline, is_repeatable=True)]
        request = write(pb.BatchIntrospectRequest(tokens=tokens), fields)
        answer = await self._caller.call(rpcs.BATCH_INTROSPECT, request, deadline)
        if len(answer.results) != len(tokens):  # whose result is whose nobody knows
            raise InternalError("the service has not answered about each token", code=grpc.StatusCode.INTERNAL)
        # A batch says its revision once; Introspect says it with each token that is active.
        for result in answer.results:
            if result.active:
                result.revision = answer.revision
        return answer.results


def _may_be_of_some(error: TokenServiceError) -> bool:
    """Whether fewer tokens might fare better: all together would make too long an answer, or one of them is bad.

    Where another field is named it is an option that all ask for alike.
    """
    return isinstance(error, InvalidRequestError) and (not error.field or error.field.startswith(_TOKENS))


async def _wait(signal: Signal, deadline: float | None) -> None:
    """Wait for the signal; fails with DeadlineExceededError when the time is over."""
    if remaining(deadline) == 0:
        raise DeadlineExceededError("no answer came in time", code=grpc.StatusCode.DEADLINE_EXCEEDED)
    await signal.wait(remaining(deadline))
