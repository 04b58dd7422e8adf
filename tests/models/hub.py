"""A server with the Hugging Face hub's API, with our files and with the faults that a test sets."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """The server's files, its faults, and its recorded requests."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Contents by repository and path."""
    claimed: dict[str, int] = field(default_factory=dict)
    """File sizes to report instead of the real ones."""
    refusal: tuple[int, dict[str, str]] | None = None
    """The status and headers of every answer, if set."""
    breaks: list[int] = field(default_factory=list)
    """Each of the next file downloads breaks off after this many bytes."""
    wrong: int = 0
    """How many of the next downloads have a changed byte."""
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    """The path and Range header of each request."""
    url: str = ""

    def downloads(self, name: str) -> list[str]:
        """The requested ranges of a file."""
        return [given for path, given in self.asked if path.endswith(f"/{name}")]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve the hub on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *connection: Any) -> None:
        self._hub = hub
        super().__init__(*connection)

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub, path = self._hub, self.path.partition("?")[0]
        hub.asked.append((path, self.headers.get("Range", "")))
        about = re.fullmatch(r"/api/models/([^/]+/[^/]+)", path)
        file = re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)", path)
        if hub.refusal is not None:
            self._answer(hub.refusal[0], b"", hub.refusal[1])
        elif about and about[1] in hub.files:
            self._answer(200, json.dumps(_described(hub, about[1])).encode(), {})
        elif file and file[2] in hub.files.get(file[1], {}):
            self._send_file(hub.files[file[1]][file[2]])
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _send_file(self, data: bytes) -> None:
        hub = self._hub
        given = self.headers.get("Range", "") if hub.ranges else ""
        start = int(given.removeprefix("bytes=").removesuffix("-") or 0)
        body = data[start:]
        if hub.wrong:
            hub.wrong -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(body)))
        if given:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if hub.breaks:
            body = body[: hub.breaks.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _described(hub: Hub, repository: str) -> dict[str, Any]:
    files = []
    for path, data in hub.files[repository].items():
        size = hub.claimed.get(path, len(data))
        file: dict[str, Any] = {"rfilename": path, "size": size}
        file["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if path.endswith((".safetensors", ".gguf", ".bin")):
            file["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 130}
        files.append(file)
    return {
        "id": repository,
        "modelId": repository,
        "sha": COMMIT,
        "siblings": files,
        "tags": [],
        "private": False,
    }
