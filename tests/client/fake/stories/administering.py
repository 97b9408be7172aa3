"""What operators do beside clients and keys: secrets follow each other, subjects are marked, rotation is changed."""

from dataclasses import replace

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_pb.v1 import audit_service_pb2 as audit_pb
from tokensvc_pb.v1 import client_service_pb2 as clients_pb
from tokensvc_pb.v1 import session_service_pb2 as sessions_pb

from tests.client.fake.telling import Story


async def rotating_secrets(story: Story) -> list[str]:
    """The secret before is good for as long as is said, the one before that no more."""
    first = story.shop

    async def rotate(client_id: str = "shop", **overlap: Duration) -> str:
        request = clients_pb.RotateClientSecretRequest(client_id=client_id, **overlap)
        rotated = await story.admin.RotateClientSecret(request)
        assert rotated.previous_expires_at.ToMilliseconds()
        return str(rotated.client_secret)

    second = replace(first, secret=await rotate())
    await story.issue(caller=first)
    await story.issue(caller=second)
    third = replace(first, secret=await rotate(overlap=Duration(seconds=60)))
    await story.issue("bob", caller=first)
    await story.issue("bob", caller=second)
    story.clock.advance(seconds=60)
    await story.issue("bob", caller=second)
    await story.issue("bob", caller=third)
    await rotate(overlap=Duration())
    await story.issue("eve", caller=third)
    for caller, request in (
        (story.admin, clients_pb.RotateClientSecretRequest()),
        (story.admin, clients_pb.RotateClientSecretRequest(client_id="nobody")),
        (story.admin, clients_pb.RotateClientSecretRequest(client_id="bff", overlap=Duration(seconds=-1))),
        (story.bff, clients_pb.RotateClientSecretRequest(client_id="bff")),
    ):
        await story.tell(caller, "RotateClientSecret", request)
    return [
        *("OK", "OK", "CALLER_UNAUTHENTICATED", "OK", "CALLER_UNAUTHENTICATED", "OK", "CALLER_UNAUTHENTICATED"),
        *("INVALID_REQUEST", "CLIENT_NOT_FOUND", "INVALID_REQUEST", "CALLER_NOT_PERMITTED"),
    ]


async def marking_subjects(story: Story) -> list[str]:
    """A mark is written, as is its end; of a subject without one nothing is."""
    for caller, method, request in (
        (story.admin, "FlagSubject", sessions_pb.FlagSubjectRequest(subject="ada", reason="phishing")),
        (story.admin, "UnflagSubject", sessions_pb.UnflagSubjectRequest(subject="ada")),
        (story.admin, "UnflagSubject", sessions_pb.UnflagSubjectRequest(subject="ada")),
        (story.admin, "FlagSubject", sessions_pb.FlagSubjectRequest()),
        (story.admin, "UnflagSubject", sessions_pb.UnflagSubjectRequest()),
        (story.admin, "FlagSubject", sessions_pb.FlagSubjectRequest(subject="ada", expires_at=Timestamp(seconds=1))),
        (story.bff, "FlagSubject", sessions_pb.FlagSubjectRequest(subject="ada")),
    ):
        await story.tell(caller, method, request)
    found = await story.admin.ListAuditEvents(
        audit_pb.ListAuditEventsRequest(filter=audit_pb.AuditFilter(subject="ada"))
    )
    story.answers.append([(event.type, event.caller, event.reason) for event in found.events])
    return ["OK", "OK", "OK", "INVALID_REQUEST", "INVALID_REQUEST", "INVALID_REQUEST", "CALLER_NOT_PERMITTED"]


async def rotating_periodically(story: Story) -> list[str]:
    """A refresh token is kept until its last rotation is old enough."""
    update = clients_pb.UpdateClientRequest(client=clients_pb.Client(client_id="shop"))
    policy = update.client.token_policy
    policy.rotation = clients_pb.ROTATION_POLICY_PERIODIC
    update.update_mask.paths.append("token_policy.rotation")
    await story.tell(story.admin, "UpdateClient", update)
    policy.rotation_interval.seconds = 3600
    update.update_mask.paths.append("token_policy.rotation_interval")
    await story.admin.UpdateClient(update)
    issued = await story.issue(caller=story.shop)
    story.clock.advance(seconds=3599)
    kept = await story.refresh(issued.refresh_token, caller=story.shop)
    assert kept.refresh_token == issued.refresh_token
    story.clock.advance(seconds=1)
    replaced = await story.refresh(issued.refresh_token, caller=story.shop)
    assert replaced.refresh_token != issued.refresh_token
    story.clock.advance(seconds=29)
    await story.refresh(issued.refresh_token, caller=story.shop)
    story.clock.advance(seconds=1)
    await story.refresh(issued.refresh_token, caller=story.shop)
    return ["INVALID_REQUEST", "OK", "OK", "OK", "OK", "REFRESH_TOKEN_REUSED"]
