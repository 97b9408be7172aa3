"""Owns ClientService: each RPC as a translation around one use case."""

from collections.abc import Mapping

from tokensvc_pb.v1 import client_service_pb2 as pb

from tokensvc.domain.value import value
from tokensvc.rpc import convert
from tokensvc.rpc.client_messages import client_message, client_of, is_confidential, paths_of, values_of
from tokensvc.rpc.guard import Method
from tokensvc.services.call import Call
from tokensvc.services.clients import Clients

_MOST_BYTES = 512 * 1024  # of a description: a client may act for a thousand others

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["ClientService"]


@value(frozen=True, slots=True)
class ClientService:
    """The RPCs of ClientService."""

    clients: Clients

    def methods(self) -> Mapping[str, Method]:
        """The methods by their names in the proto."""
        return {
            "CreateClient": Method(self.create_client, most_bytes=_MOST_BYTES),
            "GetClient": Method(self.get_client),
            "ListClients": Method(self.list_clients),
            "UpdateClient": Method(self.update_client, most_bytes=_MOST_BYTES),
            "DeleteClient": Method(self.delete_client),
            "RotateClientSecret": Method(self.rotate_client_secret),
        }

    async def create_client(self, call: Call, request: pb.CreateClientRequest) -> pb.CreateClientResponse:
        """A new client."""
        with convert.within("client"):
            described, confidential = client_of(request.client), is_confidential(request.client)
            created, secret = await self.clients.create(described, confidential=confidential, caller=call.caller)
        return pb.CreateClientResponse(client=client_message(created), client_secret=secret)

    async def get_client(self, call: Call, request: pb.GetClientRequest) -> pb.GetClientResponse:
        """One client."""
        client = await self.clients.get(request.client_id, caller=call.caller)
        return pb.GetClientResponse(client=client_message(client))

    async def list_clients(self, call: Call, request: pb.ListClientsRequest) -> pb.ListClientsResponse:
        """A page of clients."""
        found, next_page_token = await self.clients.list_clients(
            request.page_size, request.page_token, caller=call.caller
        )
        return pb.ListClientsResponse(clients=map(client_message, found), next_page_token=next_page_token)

    async def update_client(self, call: Call, request: pb.UpdateClientRequest) -> pb.UpdateClientResponse:
        """New values for some fields (AIP-134)."""
        paths = paths_of(request.update_mask)
        with convert.within("client"):
            values = values_of(request.client, paths)
            client = await self.clients.update(request.client.client_id, values, caller=call.caller)
        return pb.UpdateClientResponse(client=client_message(client))

    async def delete_client(self, call: Call, request: pb.DeleteClientRequest) -> pb.DeleteClientResponse:
        """The end of a client."""
        revision = await self.clients.delete(request.client_id, caller=call.caller)
        return pb.DeleteClientResponse(revision=revision)

    async def rotate_client_secret(
        self, call: Call, request: pb.RotateClientSecretRequest
    ) -> pb.RotateClientSecretResponse:
        """A new secret."""
        overlap = convert.span_of(request, "overlap")
        rotated = await self.clients.rotate_secret(request.client_id, overlap, caller=call.caller)
        return pb.RotateClientSecretResponse(
            client_secret=rotated.secret, previous_expires_at=convert.timestamp(rotated.previous_expires_at)
        )
