"""A Hugging Face hub on this machine with one repository, for tests of downloading over real HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = "someone/tiny"
GATED = "someone/gated"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(f"/api/models/{GATED}"):
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        elif path.startswith(f"/api/models/{REPOSITORY}/tree/"):
            self._send(200, json.dumps(_tree(self.folder)).encode(), {}, body)
        elif path.startswith(f"/api/models/{REPOSITORY}"):
            siblings = [{"rfilename": entry["path"]} for entry in _tree(self.folder)]
            answer = {"id": REPOSITORY, "sha": _COMMIT, "siblings": siblings}
            self._send(200, json.dumps(answer).encode(), {}, body)
        elif path.startswith(f"/{REPOSITORY}/resolve/"):
            data = (self.folder / path.rsplit("/", 1)[1]).read_bytes()
            headers = {"X-Repo-Commit": _COMMIT, "ETag": f'"{hashlib.sha1(data).hexdigest()}"'}
            self._send(200, data, headers, body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

    def _send(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The hub's address while it serves `folder` as REPOSITORY, and refuses GATED."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _tree(folder: Path) -> list[dict[str, object]]:
    return [
        {
            "type": "file",
            "path": entry.name,
            "size": entry.stat().st_size,
            "oid": hashlib.sha1(entry.read_bytes()).hexdigest(),
        }
        for entry in sorted(folder.iterdir())
    ]
