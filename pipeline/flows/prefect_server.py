"""Prefect's server as a process of ours: its socket, its secret, how it is started; Prefect is not loaded.

Whoever reaches the API can have any code run as its owner, so every request needs a secret that is made for
the life of the service and that only its user's processes know, and no page from elsewhere is let in. The
socket belongs to the process that keeps the server up: while a server that died is started again its clients
wait, and nobody else can take its port. Its pages reach nobody but it: Prefect's ask an analytics host for
their settings as they open, whatever is switched off. `python -m pipeline.flows.prefect_server SOCKET PARENT`
is that server; it ends with its parent.
"""

import os
import secrets
import socket
import sys
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from pipeline.files import make_private
from pipeline.flows.processes import Kept
from pipeline.process import end_with

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
_USER = "zsad"
_STOP_SECONDS = 3  # for requests that are under way
_SCRIPT = """
localStorage.setItem("prefect-password", btoa(decodeURIComponent(location.hash.slice(1))))
location.replace("/")
"""
_PAGE = f"<!doctype html><title>zsad</title><script>{_SCRIPT}</script>"
_SCRIPT_DIGEST = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
# Prefect's graphs compile their shaders by `eval` and lay themselves out in workers made from blobs.
_POLICY = "; ".join(
    (
        "default-src 'self'",
        f"script-src 'self' 'unsafe-eval' 'sha256-{_SCRIPT_DIGEST}'",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        *("object-src 'none'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'none'"),
    )
)


class Server(Kept):
    """Prefect's server, kept up.

    Args:
        listening: the socket at which it answers.
        home: Prefect's folder, with the database.
        log: its output goes to the end of this file.
        settings: variables of its environment.
    """

    def __init__(self, listening: socket.socket, *, log: Path, settings: dict[str, str]) -> None:
        self.address = "http://{}:{}".format(*listening.getsockname())
        self.secret = f"{_USER}:{secrets.token_urlsafe(24)}"
        own = {
            "PREFECT_API_AUTH_STRING": self.secret,
            "PREFECT_SERVER_API_AUTH_STRING": self.secret,
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": self.address,
            "PREFECT__SERVER_FINAL": "1",
            # Seen from Prefect's folder: an address ends at a `?` in a path, and the database lay elsewhere.
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///prefect.db",
        }
        command = [__name__, str(listening.fileno()), str(os.getpid())]
        make_private(log.parent)  # whoever writes into the database has his code run, too
        super().__init__("Prefect's server", command, own | settings, log, listening)

    @property
    def for_clients(self) -> dict[str, str]:
        """Variables of the environment of its clients."""
        return {"PREFECT_API_URL": f"{self.address}/api", "PREFECT_API_AUTH_STRING": self.secret}

    def wait_until_up(self) -> None:
        """Wait until it answers.

        Raises:
            ServiceError: it does not.
        """
        self.wait_until_it_answers(f"{self.address}/api/health")

    def client(self) -> httpx.Client:
        """For plain requests."""
        user, _, password = self.secret.partition(":")
        return httpx.Client(base_url=f"{self.address}/api", auth=(user, password), timeout=5, trust_env=False)


def listen(port: int = 0) -> socket.socket:
    """A socket that listens on loopback.

    Raises:
        OSError: the port is taken, or may not be used.
    """
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((HOST, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


def _app() -> "ASGIApp":
    """Prefect's, and one page that hands on the secret behind its address (`/open#SECRET`) to the others."""
    from prefect.server.api.server import create_app
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    app = create_app()
    app.routes.insert(0, Route("/open", lambda _: HTMLResponse(_PAGE)))
    return _kept_here(app)


def _kept_here(app: "ASGIApp") -> "ASGIApp":
    """`app`, whose every answer tells the browser to load from and send to its own address alone."""
    from starlette.datastructures import MutableHeaders

    async def answer(scope: "Scope", receive: "Receive", send: "Send") -> None:
        async def tell(message: "Message") -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = _POLICY
            await send(message)

        await app(scope, receive, tell)

    return answer


def _serve(handle: int, parent: int) -> None:
    end_with(parent)
    os.chdir(os.environ["PREFECT_HOME"])
    import uvicorn

    config = uvicorn.Config(
        _app, factory=True, log_level="error", lifespan="on", timeout_graceful_shutdown=_STOP_SECONDS
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=handle)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
