"""What is said of a database that fails."""

from structlog.testing import capture_logs

from tokensvc.domain.errors import Reason
from tokensvc.store.outages import Outages


def test_an_outage_is_logged_once_a_second() -> None:
    """Every caller is refused, but the log has a line a second, which says how many there might have been."""
    moments = iter((0.0, 0.1, 0.9, 1.0, 1.5, 2.5))
    outages = Outages(lambda: next(moments))
    with capture_logs() as said:
        refusals = [outages.refusal(OSError("gone")) for _ in range(6)]
    assert {refusal.reason for refusal in refusals} == {Reason.STORE_UNAVAILABLE}
    assert [(line["error"], line["unsaid"]) for line in said] == [("gone", 0), ("gone", 2), ("gone", 1)]
