"""Who may open a socket: pages of the host that is asked, at hosts where a tenant answers."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from tenants import services
from tenants.ws import FOREIGN_ORIGIN, SUSPENDED, UNKNOWN, TenantSockets
from tests.support.sockets import Socket
from tests.tenants.twins import twins

A, B = "alpha.testserver", "beta.testserver"


class WhoAmI(AsyncJsonWebsocketConsumer):
    """Says who is here, and where."""

    async def connect(self) -> None:
        await self.accept()
        user = self.scope["user"]
        name = user.name if user.is_authenticated else None
        holder = self.scope["api_key"]
        await self.send_json(
            {"tenant": self.scope["tenant"].schema_name, "user": name, "key": holder and holder.prefix}
        )


app = TenantSockets(AuthMiddlewareStack(WhoAmI.as_asgi()))


def visit(host, **headers):
    async def go():
        socket = Socket(app, "/", host=host, headers=headers)
        refused = await socket.connect()
        if refused is not None:
            return refused
        said = await socket.receive_json()
        await socket.close()
        return said

    return async_to_sync(go)()


def test_the_host_decides(alpha, beta):
    assert visit(A)["tenant"] == "t_alpha"
    assert visit(f"{B}:8000")["tenant"] == "t_beta"


def test_nobodys_host_is_closed(alpha):
    assert visit("nobody.testserver") == UNKNOWN


def test_a_key_decides_and_must_agree_with_the_host(alpha, beta):
    key, _ = services.mint_api_key(
        tenant_id=alpha.id, label="feed", environment="live", scopes=["stream:access"], actor="test"
    )

    assert visit("api.testserver", **{"X-API-Key": key}) == {"tenant": "t_alpha", "user": None, "key": key[:18]}
    assert visit(B, **{"X-API-Key": key}) == UNKNOWN


def test_a_page_of_another_origin_is_refused(alpha, beta):
    assert visit(A, Origin=f"http://{A}")["tenant"] == "t_alpha"
    assert visit(A, Origin=f"http://{B}") == FOREIGN_ORIGIN
    assert visit(A, Origin="null") == FOREIGN_ORIGIN


def test_a_suspended_tenant_opens_no_sockets(alpha):
    services.suspend_tenant(tenant_id=alpha.id, actor="test")

    assert visit(A) == SUSPENDED


def test_a_session_says_who_is_there_at_its_own_tenant_alone(alpha, beta, cast, client_at):
    ben = twins(cast, alpha, beta).here
    cookie = f"sessionid={client_at(A, user=ben).cookies['sessionid'].value}"

    assert visit(A, Cookie=cookie)["user"] == "Ben"
    assert visit(B, Cookie=cookie)["user"] is None


@pytest.mark.parametrize("address", ["/ws/nowhere/", "/"])
async def test_an_address_without_a_socket_is_closed(alpha, address):
    from obscura.asgi import application

    assert await Socket(application, address, host=A).connect() == UNKNOWN


async def test_the_server_is_told_that_we_are_up_and_down():
    from obscura.asgi import _lifespan

    talk = ApplicationCommunicator(_lifespan, {"type": "lifespan"})
    await talk.send_input({"type": "lifespan.startup"})
    assert (await talk.receive_output(5))["type"] == "lifespan.startup.complete"
    talk.future.cancel()
