"""What a refused call costs the server beside its work."""

import gc
from collections import Counter

from tests.harness import Caller, Service, failure
from tests.rpc.steps import introspect, refresh

CALLS = 20


async def test_a_refusal_leaves_no_more_behind_than_an_answer(service: Service, bff: Caller) -> None:
    """Neither the call nor the exceptions that ended it are kept in cycles, which the collector would have to find."""

    async def refused() -> None:
        await failure(refresh(bff, "tsr1_forged"))

    async def answered() -> None:
        await introspect(bff, "forged")

    left = []
    for call in (answered, refused):
        await call()
        gc.collect()
        gc.disable()
        try:
            for _ in range(CALLS):
                await call()
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left.append(Counter(type(each).__name__ for each in gc.garbage))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    of_server = {"RPCState", "_ServicerContext", "Call", "RefusedError", "AbortError", "_Rpc", "traceback"}
    grown = left[1] - left[0]
    assert {name: grown[name] for name in of_server if grown[name] >= CALLS} == {}


async def test_refusals_go_out_together_like_answers(service: Service, bff: Caller) -> None:
    """They take their turns on the way in and on the way out: each wakes as many threads as an answer does."""
    before = service.server.counts["rpcs"]
    await failure(refresh(bff, "tsr1_forged"))
    assert service.server.counts["rpcs"] == before + 2
