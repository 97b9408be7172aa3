"""Owns what endpoints of FastAPI say of the token that they need, behind the guard `BearerAuth`.

    app.add_middleware(BearerAuth, verifier=verifier, audience="orders-api", open_paths=["/docs", "/openapi.json"])

    @app.post("/orders")
    async def create(token: Annotated[VerifiedToken, Depends(requires("orders.write"))]) -> Order: ...

Needs the extra `fastapi`.
"""

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from tokensvc_client.starlette import token_of
from tokensvc_client.verification import VerifiedToken


class Requirement(SecurityBase):
    """A dependency: a token with all `scopes`. The documentation of the API shows that one is needed."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "tokensvc"
        self._scopes = scopes

    def __call__(self, connection: HTTPConnection) -> VerifiedToken:
        """What the token of the request says; HTTPException 403 where it lacks a scope, 401 where there is none."""
        return token_of(connection, *self._scopes)


def requires(*scopes: str) -> Requirement:
    """For `Depends`: answers the VerifiedToken of a request whose token has all `scopes`."""
    return Requirement(scopes)
