"""Serves the sample app on an origin of its own, so that what a browser guards between origins is guarded here too.

https://hl7.org/fhir/smart-app-launch/best-practices.html, https://www.w3.org/TR/CSP3/: its pages run their own scripts,
call the FHIR server and nobody else, and are shown inside no other page. Only files known beforehand are served.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from fhir_server.demo.software import SAMPLES

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' data: {server}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: A request without an answer to wait for is ended after so many seconds.
_PATIENCE = 20

Files = Mapping[str, tuple[str, bytes]]


class Pages:
    """The sample app's own server, listening but not yet answering."""

    def __init__(self, host: str, port: int) -> None:
        """Listen; 0 takes a free port.

        Raises:
            OSError: the port is taken.
        """
        self._files: Files = {}
        self._policy = ""
        self._server = ThreadingHTTPServer((host, port), partial(_Answer, self))
        self._server.daemon_threads = True
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{self._server.server_address[1]}"

    @contextmanager
    def serving(self, base: str) -> Iterator[None]:
        """While the block runs, the app answers, and asks the FHIR server at `base`."""
        parts = urlsplit(base)
        self._files = files(base)
        self._policy = _POLICY.format(server=f"{parts.scheme}://{parts.netloc}")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()

    def file(self, path: str) -> tuple[str, bytes] | None:
        """The type and bytes at a path; None when there is nothing."""
        return self._files.get(path)

    def way(self, path: str, host: str) -> str:
        """Where somebody is taken who typed another name of this machine, no place, or a place without its slash."""
        whole = f"/{SAMPLES[0].place}/" if path == "/" else f"{path}/" if f"{path}/" in self._files else path
        elsewhere = host != urlsplit(self.origin).netloc
        return f"{self.origin}{whole}" if whole in self._files and (elsewhere or whole != path) else ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that go with every answer."""
        return {
            "Content-Security-Policy": self._policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }


def files(base: str) -> Files:
    """Path → type and bytes of everything served: the same pages at each place, each with its own configuration."""
    found: dict[str, tuple[str, bytes]] = {}
    own = [(one.name, _TYPES[one.suffix], one.read_bytes()) for one in (Path(__file__).parent / "app").iterdir()]
    for sample in SAMPLES:
        found |= {f"/{sample.place}/{name}": (type, body) for name, type, body in own}
        found[f"/{sample.place}/"] = found[f"/{sample.place}/index.html"]
        found[f"/{sample.place}/configuration.json"] = (
            _TYPES[".json"],
            msgspec.json.encode(sample.configuration(base)),
        )
    return found


class _Answer(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def __init__(self, pages: Pages, *arguments: object) -> None:
        self._pages = pages
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """A file, the way to the first sample, or nothing."""
        path = urlsplit(self.path).path
        found, way = self._pages.file(path), self._pages.way(path, self.headers.get("Host", ""))
        type, body = found if found and not way else ("text/plain", b"")
        self.send_response(302 if way else 200 if found else 404)
        if way:
            self.send_header("Location", way)
        self.send_header("Content-Type", f"{type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in self._pages.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def version_string(self) -> str:
        """Nothing about what answers."""
        return "demo"

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: an address may hold a code."""
