"""The life of a token over gRPC."""

from tokensvc_pb.v1 import token_service_pb2 as pb

from tests.harness import Caller, failure


async def test_issue_answers_a_pair_that_introspects_active(bff: Caller) -> None:
    """Issue answers an access and a refresh token, and both introspect active."""
    issued = await bff.Issue(pb.IssueRequest(subject="ada"))
    access = await bff.Introspect(pb.IntrospectRequest(token=issued.access_token))
    refresh = await bff.Introspect(pb.IntrospectRequest(token=issued.refresh_token))
    assert access.active
    assert refresh.active
    assert access.session_id == refresh.session_id == issued.session_id


async def test_a_replayed_refresh_token_ends_the_family(bff: Caller) -> None:
    """An old refresh token is refused as reused, and the newest access token is inactive afterwards."""
    issued = await bff.Issue(pb.IssueRequest(subject="ada"))
    second = await bff.Refresh(pb.RefreshRequest(refresh_token=issued.refresh_token))
    third = await bff.Refresh(pb.RefreshRequest(refresh_token=second.refresh_token))
    refused = await failure(bff.Refresh(pb.RefreshRequest(refresh_token=issued.refresh_token)))
    assert refused.reason == "REFRESH_TOKEN_REUSED"
    assert not (await bff.Introspect(pb.IntrospectRequest(token=third.access_token))).active
