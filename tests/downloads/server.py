"""A server on loopback that behaves like the hosts of data sets do, good and bad days alike."""

import threading
from collections.abc import Callable, Iterator
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


@dataclass
class Server:
    """Pages by path (with the query, where a page of that name is there), and what was asked for."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    on_request: Callable[[str], None] = lambda _path: None

    def put(self, path: str, content: bytes, **options: object) -> str:
        """Serve `content` at `path`; its address."""
        self.pages[path] = Page(content, **options)  # type: ignore[arg-type]
        return self.url + path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def do_GET(self) -> None:
        state = self.state
        state.asked.append((self.path, self.headers.get("Range")))
        state.on_request(self.path)
        page = state.pages.get(self.path) or state.pages.get(urlsplit(self.path).path)
        if page is None:
            self._status(404, {})
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
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        start, total = 0, len(page.content)
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if page.ranges and wanted and (page.careless or condition in (page.etag, page.modified)):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= total > 0 and start:
            self._status(416, {"Content-Range": f"bytes */{total}"})
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", page.type)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if page.length:
            self.send_header("Content-Length", str(total - start))
        if not page.length:
            self.send_header("Connection", "close")
        for name, value in {"ETag": page.etag, "Last-Modified": page.modified, **page.headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        body = page.content[start:]
        if page.cuts:
            body = body[: page.cuts.pop(0)]
            self.close_connection = True
        if not page.length:
            self.close_connection = True
        self.state.sent[self.path] = self.state.sent.get(self.path, 0) + len(body)
        with suppress(ConnectionError):
            self.wfile.write(body)

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
        http.shutdown()
        http.server_close()
        thread.join()
