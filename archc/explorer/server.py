"""A server for the explorer, only for browsers on this machine, which receive each change."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from archc.explorer.state import Live

ADDRESS: Final = "127.0.0.1"
HEARTBEAT: Final = 15.0
"""Seconds of silence after which a message checks whether the browser is still connected."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page's own policy can't contain this
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server(ThreadingHTTPServer):
    """Serves `live` on the loopback address. Raises OSError if the port is taken; 0 means any free port."""

    daemon_threads = True

    def __init__(self, live: Live, port: int = 0) -> None:
        self.live = live
        super().__init__((ADDRESS, port), _Handler)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def hosts(self) -> set[str]:
        """The legitimate values of the Host header."""
        names = (ADDRESS, "localhost")
        return {f"{name}:{self.server_port}" for name in names} | (set(names) if self.server_port == 80 else set())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of a browser that has disconnected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Send the page, its state, or the events that announce a new one."""
        # Another site's name can resolve to this address (DNS rebinding), and its page could then read the spec.
        if self.headers.get("Host", "").lower() not in self.server.hosts():
            self._answer(
                HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "This server only answers requests to 127.0.0.1.\n"
            )
            return
        match self.path:
            case "/":
                self._answer(HTTPStatus.OK, "text/html", self.server.live.page())
            case "/state":
                self._answer(HTTPStatus.OK, "application/json", self.server.live.json())
            case "/events":
                self._events()
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", "Not found.\n")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode("utf-8")
        self._head(status, kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        for name, value in _HEADERS.items():
            self.send_header(name, value)

    def _events(self) -> None:
        """Server-sent events: the number of each new version, until the browser disconnects."""
        self._head(HTTPStatus.OK, "text/event-stream")
        self.end_headers()
        version = 0
        while True:
            newer = self.server.live.newer(version, HEARTBEAT)
            version = newer or version
            self.wfile.write(f"data: {version}\n\n".encode() if newer else b":\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Don't log requests."""
