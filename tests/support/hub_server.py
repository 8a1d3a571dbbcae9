"""A Hub on loopback: what huggingface_hub 2.x asks of one, over a real socket, with faults by name.

Served: `/api/models/ID/revision/REV` (card data, gate, file list with sizes) and `/ID/resolve/REV/FILE` with the headers
that the library reads. A repository's `fault` answers every request for it in that way.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

DEFAULT_SHA = "5" * 40


@dataclass
class Repo:
    """One repository. `listed` names files that exist in the list only, with their size (weights)."""

    files: dict[str, bytes] = field(default_factory=dict)
    listed: dict[str, int | None] = field(default_factory=dict)
    sha: str = DEFAULT_SHA
    gated: bool | str = False
    card: dict[str, Any] = field(default_factory=dict)
    branches: tuple[str, ...] = ("main",)
    private: bool = False
    renamed_to: str | None = None
    redirect_files_to: str | None = None  # another origin that serves the files
    fault: str | None = None
    files_fault: str | None = None  # only when files are asked for
    files_sha: str | None = None  # the commit that files are answered with


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    authorization: str | None


class HubServer:
    """`with HubServer({"acme/m": Repo(...)}) as hub:` then `hub.endpoint` and `hub.seen`."""

    def __init__(self, repos: dict[str, Repo] | None = None) -> None:
        self.repos = dict(repos or {})
        self.seen: list[Seen] = []
        self.release = threading.Event()  # ends the silent answers
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def files_asked_for(self, model: str) -> set[str]:
        """Names of the files of which content or headers were asked."""
        start = f"/{model}/resolve/"
        return {s.path.removeprefix(start).partition("/")[2] for s in self.seen if s.path.startswith(start)}


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.seen.append(Seen(self.command, path, self.headers.get("authorization")))
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "models"] and "revision" in parts:
                at = parts.index("revision")
                self._info("/".join(parts[2:at]), "/".join(parts[at + 1 :]))
            elif "resolve" in parts:
                at = parts.index("resolve")
                self._file("/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2 :]))
            else:
                self._send(404, b"no such page")

        def _repo(self, model: str) -> Repo | None:
            repo = hub.repos.get(model)
            if repo is None or (repo.private and not self.headers.get("authorization")):
                self._error(401 if repo is None else 404, "RepoNotFound", "Repository not found")
                return None
            if repo.fault:
                self._fault(repo.fault)
                return None
            if repo.renamed_to:
                rest = self.path.split(model, 1)[1]
                self._send(307, b"", {"Location": self.path.replace(f"{model}{rest}", f"{repo.renamed_to}{rest}")})
                return None
            return repo

        def _info(self, model: str, revision: str) -> None:
            repo = self._repo(model)
            if repo is None:
                return
            if revision not in (*repo.branches, repo.sha):
                self._error(404, "RevisionNotFound", "Invalid rev id")
                return
            sizes: dict[str, int | None] = {**{n: len(c) for n, c in repo.files.items()}, **repo.listed}
            document = {
                "_id": "0" * 24, "id": model, "modelId": model, "sha": repo.sha, "private": repo.private,
                "gated": repo.gated, "disabled": False, "tags": ["feature-extraction"], "pipeline_tag": "feature-extraction",
                "createdAt": "2026-03-02T00:00:00.000Z", "lastModified": "2026-06-03T00:00:00.000Z", "downloads": 0, "likes": 0,
                "cardData": repo.card or None,
                "siblings": [{"rfilename": n, **({"size": s} if s is not None else {})} for n, s in sizes.items()],
            }  # fmt: skip
            self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

        def _file(self, model: str, revision: str, name: str) -> None:
            repo = self._repo(model)
            if repo is None:
                return
            if repo.files_fault:
                self._fault(repo.files_fault)
            elif repo.gated and not self.headers.get("authorization"):
                self._error(401, "GatedRepo", f"Access to model {model} is restricted")
            elif revision not in (*repo.branches, repo.sha):
                self._error(404, "RevisionNotFound", "Invalid rev id")
            elif name not in repo.files:
                self._error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repo.sha})
            elif repo.redirect_files_to:
                target = f"{repo.redirect_files_to}{self.path}"
                content = repo.files[name]
                self._send(
                    302, b"", {"Location": target, "X-Linked-Size": str(len(content)), **_file_headers(repo, content)}
                )
            else:
                content = repo.files[name]
                self._send(200, content, {"Content-Type": "text/plain", **_file_headers(repo, content)})

        def _fault(self, fault: str) -> None:
            if fault == "silence":
                hub.release.wait(60)
                self.close_connection = True
            elif fault == "hang-up":
                self.close_connection = True
            elif fault == "html":
                self._send(200, b"<html><body>Sign in to the proxy</body></html>", {"Content-Type": "text/html"})
            elif fault == "no-json-object":
                self._send(200, b"[1, 2", {"Content-Type": "application/json"})
            elif fault == "no-commit":
                self._send(200, b'{"id": "broken/no-commit", "sha": "main"}', {"Content-Type": "application/json"})
            elif fault == "disabled":
                self._error(403, None, "Access to this resource is disabled.")
            elif fault == "bad-token":
                self._error(401, None, "Invalid credentials in Authorization header")
            else:
                headers = {"Retry-After": "77"} if fault == "429" else {}
                self._error(int(fault), None, "no", headers)

        def _error(self, status: int, code: str | None, message: str, headers: dict[str, str] | None = None) -> None:
            more = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
            self._send(status, json.dumps({"error": message}).encode(), more)

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def _file_headers(repo: Repo, content: bytes) -> dict[str, str]:
    return {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": repo.files_sha or repo.sha}
