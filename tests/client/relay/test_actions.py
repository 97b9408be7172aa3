"""What an app is to do, for each reason that the service has."""

from datetime import timedelta

import grpc
import pytest
from tokensvc_client import BindingMismatchError, DeadlineExceededError, InvalidRequestError
from tokensvc_client.errors import OF_REASON
from tokensvc_client.relay import Action
from tokensvc_client.relay.actions import refused

EXPECTED = {
    "REFRESH_TOKEN_REUSED": Action.ALARM,
    "BINDING_MISMATCH": Action.ALARM,
    "REFRESH_TOKEN_INVALID": Action.LOG_IN_AGAIN,
    "REFRESH_TOKEN_EXPIRED": Action.LOG_IN_AGAIN,
    "REFRESH_TOKEN_REVOKED": Action.LOG_IN_AGAIN,
    "CREDENTIAL_CHANGED": Action.LOG_IN_AGAIN,
    "CLIENT_DISABLED": Action.LOG_IN_AGAIN,
    "INVALID_SCOPE": Action.LOG_IN_AGAIN,
    "INVALID_AUDIENCE": Action.LOG_IN_AGAIN,
}


@pytest.mark.parametrize("reason", OF_REASON)
def test_each_reason_has_its_action(reason: str) -> None:
    """Whatever is not said to be the end of a session is not taken for it: the app comes again."""
    refusal = refused(OF_REASON[reason]("why", reason=reason), has_proof=False)
    assert refusal.action is EXPECTED.get(reason, Action.RETRY)
    assert (refusal.retry_after > timedelta(0)) is (refusal.action is Action.RETRY)


def test_a_demanded_nonce_is_handed_back() -> None:
    """The phone makes another proof with it (RFC 9449, 8)."""
    refusal = refused(BindingMismatchError("why", dpop_nonce="n1"), has_proof=True)
    assert (refusal.action, refusal.dpop_nonce) == (Action.PROVE_AGAIN, "n1")


def test_a_proof_that_does_not_do_is_replaced() -> None:
    """It may be too old, or used: one answer for all that may be wrong with it, and nothing was changed by it."""
    assert refused(BindingMismatchError("why"), has_proof=True).action is Action.PROVE_AGAIN


@pytest.mark.parametrize(
    ("field", "action"),
    [
        ("refresh_token", Action.LOG_IN_AGAIN),
        ("dpop", Action.LOG_IN_AGAIN),
        ("dpop.uri", Action.RETRY),
        ("context.ip", Action.RETRY),
    ],
)
def test_a_malformed_field_logs_nobody_out_unless_the_app_has_sent_it(field: str, action: Action) -> None:
    """A defect of the backend must not cost all its users their sessions."""
    assert refused(InvalidRequestError("why", fields=(field,)), has_proof=False).action is action


def test_no_answer_in_time_is_asked_for_again_soon() -> None:
    """Within the retry window, so that what was done is answered alike."""
    error = DeadlineExceededError("late", code=grpc.StatusCode.DEADLINE_EXCEEDED)
    assert refused(error, has_proof=False).retry_after == timedelta(seconds=1)
