"""The Hub through huggingface_hub: resolve the revision once, then fetch a few small files at that commit."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evalkit.environment import sealed, value_of
from evalkit.hub.facts import ModelFile
from evalkit.hub.source import FILES_CAP, TEXT_CAP, AccessDenied, ErrorKind, Source, SourceProblem
from evalkit.secrets import Secret
from evalkit.text import one_line

_DEFAULT = "https://huggingface.co"
_SHA = re.compile(r"[0-9a-f]{40}\Z")


def endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT).rstrip("/")


def timeout_s() -> float:
    """Patience with one answer, in seconds: `HF_HUB_ETAG_TIMEOUT`, 10 unless set."""
    from huggingface_hub import constants

    return float(constants.HF_HUB_ETAG_TIMEOUT)


def token_for(url: str, notes: list[str]) -> str | bool | None:
    """The library's own order for the Hub itself; elsewhere only a token that the environment names.

    A stored token was given for the Hub, not for a mirror.

    A plain-text endpoint gets a token only on loopback.
    """
    if url == _DEFAULT:
        return sealed("HF_TOKEN") or sealed("HUGGING_FACE_HUB_TOKEN")
    value = value_of("HF_TOKEN")
    if not value:
        return False
    parts = urlsplit(url)
    if parts.scheme != "https" and not _loopback(parts.hostname or ""):
        notes.append("HF_TOKEN was not sent: HF_ENDPOINT is plain http")
        return False
    return Secret(value).reveal()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HubReader:
    def __init__(
        self,
        model: str,
        revision: str,
        token: str | bool | None,
        sizes: dict[str, int | None],
        notes: list[str],
    ) -> None:
        self.model, self.revision, self.token, self.sizes, self.notes = model, revision, token, sizes, notes

    def read(self, name: str) -> bytes | None:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        cached = try_to_load_from_cache(self.model, name, revision=self.revision)
        try:
            if not isinstance(cached, str):
                if not self._small(name):
                    return None
                cached = hf_hub_download(
                    self.model, name, revision=self.revision, token=self.token, etag_timeout=timeout_s()
                )
            path = Path(cached)
            if path.stat().st_size > TEXT_CAP:
                self.notes.append(f"{one_line(name)} is larger than {TEXT_CAP >> 20} MiB: not read")
                return None
            return path.read_bytes()
        except Exception as e:
            problem = classify(e, self.token)
            if problem.kind == "gated":
                raise AccessDenied from e
            if problem.kind == "missing" and _is_entry(e):
                self.notes.append(f"{one_line(name)} is listed but absent")
                return None
            raise problem from e

    def _small(self, name: str) -> bool:
        """Asks for the headers first: an error is exact and immediate, where a download retries and blurs it."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        size = self.sizes.get(name)
        if size is None or size <= TEXT_CAP:
            url = hf_hub_url(self.model, name, revision=self.revision)
            told = get_hf_file_metadata(url, token=self.token, timeout=timeout_s())
            if told.commit_hash != self.revision:
                said = f"commit {one_line(told.commit_hash, limit=40)}" if told.commit_hash else "no commit"
                what = f"{one_line(name)} was answered with {said} where {self.revision[:12]} was asked for"
                raise SourceProblem("server", what, "check HF_ENDPOINT: it may be no Hub")
            size = told.size
        if size is not None and size > TEXT_CAP:
            self.notes.append(f"{one_line(name)} has {size:,} bytes: not read")
            return False
        return True


def open_hub(model: str, revision: str) -> Source:
    """Raises SourceProblem."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    notes: list[str] = []
    if constants.HF_HUB_OFFLINE:
        return _from_cache(model, revision, "HF_HUB_OFFLINE is set", "offline", notes)
    token = token_for(endpoint(), notes)
    try:
        info = HfApi(token=token).model_info(model, revision=revision, files_metadata=True, timeout=timeout_s())
        return _from_info(model, info, token, notes)
    except Exception as e:
        problem = classify(e, token)
        if problem.kind == "network" and _SHA.match(revision):
            return _from_cache(model, revision, problem.message, "network", notes)
        if problem.kind == "network" and (seen := _cached_commits(model, revision)):
            held = ", ".join(commit[:12] for commit in seen)
            problem.hint += f"; commit {held} is in the cache: set HF_HUB_OFFLINE=1 to use it"
        raise problem from e


def _from_info(model: str, info: Any, token: str | bool | None, notes: list[str]) -> Source:
    siblings = list(info.siblings or [])
    if len(siblings) > FILES_CAP:
        notes.append(f"{len(siblings):,} files: {FILES_CAP:,} are listed")
        keep = ("README.md", "config.json", "generation_config.json", "tokenizer_config.json")
        siblings.sort(key=lambda s: (s.rfilename not in keep, s.rfilename.count("/"), s.rfilename))
    files = tuple(
        ModelFile(
            name=one_line(s.rfilename, limit=400),
            size=s.size if isinstance(s.size, int) else None,
            sha256=s.lfs.sha256 if s.lfs is not None else None,
        )
        for s in siblings[:FILES_CAP]
    )
    if not isinstance(info.sha, str) or not _SHA.match(info.sha):
        raise SourceProblem("server", "the Hub named no commit", "check HF_ENDPOINT")
    name = one_line(info.id or model, limit=200)
    if name.casefold() != model.casefold():
        notes.append(f"{one_line(model)} was renamed to {name}")
    gated = {False: "no", "auto": "auto", "manual": "manual"}.get(info.gated)
    reader = HubReader(name, info.sha, token, {f.name: f.size for f in files}, notes)
    card = info.card_data.to_dict() if info.card_data is not None else {}
    fields = {
        k: [one_line(str(x), limit=500) for x in (v if isinstance(v, list) else [v])] for k, v in card.items() if v
    }
    asked = model if name != model else None
    return Source(name, "hub", info.sha, files, reader, gated=gated, asked=asked, api_card=fields, notes=notes)


def _snapshots(model: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}" / "snapshots"


def _cached_commits(model: str, revision: str) -> list[str]:
    """The commit that the cache knows `revision` by; for `main`, else every commit that it holds a card of.

    Files that were fetched by commit leave no word on the branch that led to it.
    """
    from huggingface_hub import try_to_load_from_cache

    for name in ("README.md", "config.json"):
        path = try_to_load_from_cache(model, name, revision=revision)
        if isinstance(path, str):
            return [Path(path).relative_to(_snapshots(model)).parts[0]]
    if revision != "main":
        return []
    held = _snapshots(model).glob("*/*")
    return sorted({p.parent.name for p in held if p.name in ("README.md", "config.json") and _SHA.match(p.parent.name)})


def _from_cache(model: str, revision: str, why: str, kind: ErrorKind, notes: list[str]) -> Source:
    commits = _cached_commits(model, revision)
    if not commits:
        hint = (
            "unset HF_HUB_OFFLINE, or give a snapshot file"
            if kind == "offline"
            else "check the network and HF_ENDPOINT"
        )
        raise SourceProblem(kind, f"{why}, and the model is not in the cache", hint)
    if len(commits) > 1:
        shown = ", ".join(commits[:5])
        raise SourceProblem(
            kind, f"{why}, and the cache does not say which commit {one_line(revision, limit=60)} is",
            f"name one of the commits that it holds as the revision: {shown}",
        )  # fmt: skip
    commit = commits[0]
    folder = _snapshots(model) / commit
    files = tuple(
        ModelFile(name=one_line(p.relative_to(folder).as_posix(), limit=400), size=p.stat().st_size)
        for p in sorted(folder.rglob("*"))[:FILES_CAP]
        if p.is_file()
    )
    notes.append(
        f"{why}: read from the cache at commit {commit[:12]}; the file list may be partial, the gate is unknown"
    )
    reader = HubReader(model, commit, False, {f.name: f.size for f in files}, notes)
    return Source(model, "hub", commit, files, reader, notes=notes)


def _is_entry(error: Exception) -> bool:
    from huggingface_hub.errors import RemoteEntryNotFoundError

    return isinstance(error, RemoteEntryNotFoundError)


def classify(error: Exception, token: str | bool | None) -> SourceProblem:  # noqa: PLR0912  one ordered table
    """Subclasses first: gated before missing, "not in the cache" before "file missing"."""
    import httpx2
    from huggingface_hub import errors as hub

    status = getattr(getattr(error, "response", None), "status_code", None)
    wait = getattr(getattr(error, "response", None), "headers", {}).get("retry-after")
    if isinstance(error, SourceProblem):
        return error
    if isinstance(error, hub.GatedRepoError):
        return SourceProblem(
            "gated",
            "the repository is gated and this account has no access",
            "accept its conditions on its page, then set HF_TOKEN",
        )
    if isinstance(error, hub.DisabledRepoError):
        return SourceProblem("disabled", "the repository is disabled", "choose another model, or ask its owner")
    if isinstance(error, (hub.OfflineModeIsEnabled, hub.RevisionResolutionError)):
        return SourceProblem("offline", "offline mode is set", "unset HF_HUB_OFFLINE, or give a snapshot file")
    if isinstance(error, hub.LocalEntryNotFoundError):
        return SourceProblem("network", "the Hub could not be reached", "check the network, proxy and HF_ENDPOINT")
    if status == 429:
        return SourceProblem(
            "rate-limit",
            "the Hub answered 429 (too many requests)",
            f"wait {one_line(wait, limit=20)} s" if wait else "wait, or set HF_TOKEN",
        )
    if isinstance(error, hub.RevisionNotFoundError):
        return SourceProblem("revision", "the repository has no such branch, tag or commit", "check candidate.revision")
    if isinstance(error, hub.RepositoryNotFoundError):
        hint = "check the id; private and missing repositories look the same: set HF_TOKEN for a private one"
        return SourceProblem("missing", f"the Hub knows no such model (HTTP {status or 404})", hint)
    if isinstance(error, hub.RemoteEntryNotFoundError):
        return SourceProblem("missing", "the file is not in the repository", "check the revision")
    if isinstance(error, hub.HFValidationError):
        return SourceProblem("invalid", "this is not a Hub id", "an id reads OWNER/NAME")
    if status in (401, 403):
        hint = "the token was refused: renew HF_TOKEN, or unset it for public models" if token else "set HF_TOKEN"
        return SourceProblem("auth", f"the Hub answered {status}", hint)
    if status == 404:
        return SourceProblem("missing", "the Hub answered 404", "check the id and HF_ENDPOINT")
    if status is not None:
        return SourceProblem("server", f"the Hub answered {status}", "try again later; check HF_ENDPOINT")
    if isinstance(error, (httpx2.TransportError, TimeoutError, ConnectionError)):
        return SourceProblem(
            "network",
            f"the Hub could not be reached ({type(error).__name__})",
            "check the network, proxy and HF_ENDPOINT",
        )
    if isinstance(error, (ImportError, ValueError)) and re.search("prox|socks", str(error), re.IGNORECASE):
        return SourceProblem(
            "network",
            f"the proxy of the environment cannot be used for the Hub ({one_line(str(error), limit=120)})",
            "check HTTPS_PROXY and ALL_PROXY, or name the Hub's host in NO_PROXY",
        )
    if isinstance(error, OSError):
        what = f"the cache of the Hub cannot be used: {error.strerror or type(error).__name__}"
        return SourceProblem("invalid", what, "set HF_HOME to a folder that can be written, or free some space")
    detail = one_line(f"{type(error).__name__}: {error}", limit=160)
    return SourceProblem(
        "server", f"the answer of the Hub could not be used ({detail})", "check HF_ENDPOINT: it may be no Hub"
    )
