"""A server on loopback that behaves like the hosts of data sets do, good and bad days alike."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Page:
    """What is served at a path.

    Attributes:
        content: the file.
        cuts: how many bytes to send before the connection is closed, one number an attempt.
        answers: (status, headers) of the first requests, before the file is served.
        ranges: whether `Range` is honoured.
        careless: whether a piece is sent although `If-Range` names another version.
        length: whether the size is announced.
        token: what must be sent to get the file.
        holds: after how many bytes the connection goes silent, until the server stops.
    """

    content: bytes = b""
    type: str = "application/octet-stream"
    etag: str | None = '"v1"'
    modified: str | None = "Wed, 01 Jan 2025 00:00:00 GMT"
    headers: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    ranges: bool = True
    careless: bool = False
    length: bool = True
    token: str | None = None
    holds: int | None = None


@dataclass
class Server:
    """Pages by path (with the query, where a page of that name is there), and what was asked for."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    conditions: list[str | None] = field(default_factory=list)
    opened: list[str | None] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, content: bytes, **options: object) -> str:
        """Serve `content` at `path`; its address."""
        self.pages[path] = Page(content, **options)  # type: ignore[arg-type]
        return self.url + path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client that was killed
            super().handle()

    def do_GET(self) -> None:
        state = self.state
        state.asked.append((self.path, self.headers.get("Range")))
        state.conditions.append(self.headers.get("If-Range"))
        state.opened.append(self.headers.get("Authorization"))
        page = state.pages.get(self.path) or state.pages.get(urlsplit(self.path).path)
        if page is None:
            self._status(404, {})
        elif page.token not in (None, (self.headers.get("Authorization") or "").removeprefix("Bearer ")):
            self._status(401, {})
        elif page.answers:
            self._status(*page.answers.pop(0))
        else:
            self._file(page)

    do_POST = do_GET  # noqa: N815 (the base class looks for it)

    def _status(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, page: Page) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        start, total = self._start(page), len(page.content)
        if start >= total > 0:
            self._status(416, {"Content-Range": f"bytes */{total}"})
            return
        self.send_response(206 if start else 200)
        headers: dict[str, str | None] = {"Content-Type": page.type, "ETag": page.etag}
        headers |= {"Last-Modified": page.modified, **page.headers}
        if start:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        headers |= {"Content-Length": str(total - start)} if page.length else {"Connection": "close"}
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self._body(page, page.content[start:])

    def _start(self, page: Page) -> int:
        """The first byte that is sent."""
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        obeyed = page.ranges and (page.careless or condition in (None, page.etag, page.modified))
        return int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and obeyed else 0

    def _body(self, page: Page, body: bytes) -> None:
        if page.cuts:
            body = body[: page.cuts.pop(0)]
            self.close_connection = True
        self.close_connection |= not page.length
        self.state.sent[self.path] = self.state.sent.get(self.path, 0) + len(body)
        with suppress(ConnectionError):
            self.wfile.write(body[: page.holds])
            if page.holds is not None:
                self.wfile.flush()
                self.state.stopped.wait(60)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    handler = type("Handler", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state = Server(f"http://127.0.0.1:{http.server_address[1]}")
    handler.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.stopped.set()
        http.shutdown()
        http.server_close()
        thread.join()
