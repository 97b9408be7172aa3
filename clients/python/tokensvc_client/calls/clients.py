"""Owns the methods of ClientService."""

from collections.abc import Sequence
from datetime import timedelta

from tokensvc_pb.v1 import client_service_pb2 as pb

from tokensvc_client import rpcs
from tokensvc_client.caller import Caller
from tokensvc_client.values.clients import Client, ClientPage, CreatedClient, RotatedSecret
from tokensvc_client.values.plain import read, write
from tokensvc_client.values.tokens import Change


class ClientCalls:
    """Administers clients. Every method fails with TokenServiceError; `timeout` is in seconds."""

    _caller: Caller

    async def create_client(self, client: Client, *, timeout: float | None = None) -> CreatedClient:
        """Register a client. Its secret is in the answer and never shown again. Fails with ClientExistsError."""
        request = write(pb.CreateClientRequest(), {"client": client})
        answer = await self._caller.call(rpcs.CREATE_CLIENT, request, self._caller.deadline(timeout))
        return read(CreatedClient, answer)

    async def get_client(self, client_id: str, *, timeout: float | None = None) -> Client:
        """One client. Fails with ClientNotFoundError."""
        request = write(pb.GetClientRequest(), {"client_id": client_id})
        answer = await self._caller.call(rpcs.GET_CLIENT, request, self._caller.deadline(timeout))
        return read(Client, answer.client)

    async def list_clients(
        self, *, page_size: int = 0, page_token: str = "", timeout: float | None = None
    ) -> ClientPage:
        """A page of all clients in the order of their ids: 1 to 1,000 of them, 100 if it is not said."""
        request = write(pb.ListClientsRequest(), {"page_size": page_size, "page_token": page_token})
        answer = await self._caller.call(rpcs.LIST_CLIENTS, request, self._caller.deadline(timeout))
        return read(ClientPage, answer)

    async def update_client(
        self, client: Client, *, update_mask: Sequence[str], timeout: float | None = None
    ) -> Client:
        """Change what `update_mask` names, such as "token_policy.max_sessions". Fails with ClientNotFoundError."""
        request = write(pb.UpdateClientRequest(), {"client": client})
        write(request.update_mask, {"paths": update_mask}, "update_mask.")
        answer = await self._caller.call(rpcs.UPDATE_CLIENT, request, self._caller.deadline(timeout))
        return read(Client, answer.client)

    async def delete_client(self, client_id: str, *, timeout: float | None = None) -> Change:
        """Delete a client and end everything issued for it. Fails with ClientNotFoundError."""
        request = write(pb.DeleteClientRequest(), {"client_id": client_id})
        answer = await self._caller.call(rpcs.DELETE_CLIENT, request, self._caller.deadline(timeout))
        return read(Change, answer)

    async def rotate_client_secret(
        self, client_id: str, *, overlap: timedelta | None = None, timeout: float | None = None
    ) -> RotatedSecret:
        """Make a new secret; the one before stays valid for `overlap`, 24 hours if it is None.

        Fails with ClientNotFoundError.
        """
        request = write(pb.RotateClientSecretRequest(), {"client_id": client_id, "overlap": overlap})
        answer = await self._caller.call(rpcs.ROTATE_CLIENT_SECRET, request, self._caller.deadline(timeout))
        return read(RotatedSecret, answer)
