"""The user's prompts: strict JSON lines, every fault named with file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

from evalkit.checklist.base import refused_fields
from evalkit.checklist.files import was_read
from evalkit.checklist.images import data_uri, image_parts
from evalkit.checklist.loader import is_shipped
from evalkit.checklist.schema import Request
from evalkit.client.types import ChatRequest, Message
from evalkit.errors import InputFileError, Mistakes
from evalkit.text import one_line, plainly
from evalkit.timing.facts import PromptFacts
from evalkit.timing.templates import templates

_MAX_FILE_BYTES = 64 * 1024 * 1024
_MAX_LINE_BYTES = 16 * 1024 * 1024
_MAX_PROMPTS = 20_000
_MAX_IMAGES = 16
KEYS = frozenset({
    "id", "prompt", "messages", "max_tokens", "tags", "cluster", "system", "tools", "tool_choice", "response_format",
    "temperature", "top_p", "seed", "stop", "extra_body", "source", "at_ms", "images",
})  # fmt: skip
_ROLES = {"system", "user", "assistant", "tool", "developer"}
_HINT = 'a line reads {"id": "a", "prompt": "…"} or {"id": "a", "messages": [{"role": "user", "content": "…"}]}'


@dataclass(frozen=True)
class Prompt:
    """One prompt as production sends it. `sha256` is of the request, without a model name.

    `same_as`: the id of an earlier prompt of the very same messages. The two are readings of one prompt, not two pieces
    of evidence.
    """

    id: str
    request: ChatRequest
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    sha256: str = ""
    same_as: str | None = None
    #: ms of each message in the log, where it says one
    times: tuple[float | None, ...] = ()
    #: of a turn of a conversation that is played: whose it is, how many messages each request up to it has, and what
    #: it waits for (the reply or the request before it, and so many seconds)
    conversation: str | None = None
    ends: tuple[int, ...] = ()
    pause: tuple[Literal["reply", "request"], float] | None = None


@dataclass(frozen=True)
class PromptSet:
    """All prompts of a run, in file order, with a record for the run folder of each file."""

    prompts: tuple[Prompt, ...]
    facts: tuple[PromptFacts, ...] = ()

    @property
    def distinct(self) -> tuple[Prompt, ...]:
        """Prompts of equal text once."""
        return tuple(p for p in self.prompts if p.same_as is None)

    @property
    def sha256(self) -> str:
        return hashlib.sha256("\n".join(p.sha256 for p in self.prompts).encode()).hexdigest()


@dataclass(frozen=True)
class PromptFile:
    """A prompts file as it was read. `imported`: the kind of another tool's file that `data` was converted from."""

    path: Path
    data: bytes
    imported: str | None = None
    source_sha256: str | None = None


def load_prompts(paths: Sequence[Path], request: Request) -> PromptSet:
    """Reads prompt files; `request` fills in what a line does not say.

    Raises:
        InputFileError: a file or line that cannot be used, with FILE:LINE and what to do.
    """
    return load_files([read_file(path) for path in paths], request)


def load_files(files: Sequence[PromptFile], request: Request) -> PromptSet:
    """As `load_prompts`, of files that were read."""
    prompts: list[Prompt] = []
    facts: list[PromptFacts] = []
    seen: dict[str, str] = {}
    texts: dict[str, str] = {}
    mistakes = Mistakes()
    for file in files:
        with mistakes:
            found = [_told_apart(one, texts) for one in _parse(file.data, file.path, request, seen)]
            prompts += found
            facts.append(_facts(file, found))
    mistakes.end()
    return PromptSet(tuple(prompts), tuple(facts))


def _told_apart(prompt: Prompt, texts: dict[str, str]) -> Prompt:
    """The prompt, with the first one of the same messages, blanks aside; `texts` holds messages -> id and grows."""
    text = json.dumps(plainly(prompt.request.messages), sort_keys=True)
    first = texts.setdefault(hashlib.sha256(text.encode()).hexdigest(), prompt.id)
    return prompt if first == prompt.id else replace(prompt, same_as=first)


def _facts(file: PromptFile, prompts: list[Prompt]) -> PromptFacts:
    longest = max(sum(_characters(m.get("content")) for m in p.request.messages) for p in prompts)
    digest = hashlib.sha256(file.data).hexdigest()
    alone = [p for p in prompts if p.same_as is None and p.cluster is None]
    return PromptFacts(
        path=file.path.name,
        sha256=digest,
        count=len(prompts),
        shipped=is_shipped(file.path, digest),
        longest_chars=longest,
        max_tokens=max(p.request.max_tokens for p in prompts),
        repeated=sum(p.same_as is not None for p in prompts),
        unclustered=len(alone),
        templates=templates(_asked(p) for p in alone),
        imported=file.imported,
        source_sha256=file.source_sha256,
        images_sha256=_images(prompts),
    )


def _images(prompts: list[Prompt]) -> str | None:
    """A hash of the images that are sent; None where none is."""
    messages = (message for prompt in prompts for message in prompt.request.messages)
    urls = [link["url"] for message in messages for link in image_parts(message.get("content"))]
    return hashlib.sha256("\n".join(urls).encode()).hexdigest() if urls else None


def _asked(prompt: Prompt) -> str:
    """The text of the last message."""
    content = prompt.request.messages[-1].get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return str(content or "")


def _characters(content: Any) -> int:
    """Of the text of a message; an image in it is no text."""
    if isinstance(content, list):
        return sum(len(str(part.get("text") or "")) for part in content if isinstance(part, dict))
    return len(str(content or ""))


def read_file(path: Path) -> PromptFile:
    """The bytes of a prompts file.

    Raises:
        InputFileError: missing, not regular, or too large.
    """
    where = str(path)
    if not path.is_file():
        what = "is not a regular file" if path.exists() else "does not exist"
        raise InputFileError(f"the prompt file {what}", where=where, hint="give the path of a .jsonl file")
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise InputFileError("the prompt file is larger than 64 MiB", where=where, hint="split it, or take a sample")
    was_read(path)
    return PromptFile(path, path.read_bytes())


def _parse(data: bytes, path: Path, request: Request, seen: dict[str, str]) -> list[Prompt]:
    where = str(path)
    prompts: list[Prompt] = []
    mistakes = Mistakes()
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip():
            continue
        with mistakes:
            prompt = _Line(f"{where}:{number}").parse(raw, request)
            if prompt.id in seen:
                said = f"the id {one_line(prompt.id, limit=80)!r} was used before, in {seen[prompt.id]}"
                _refuse(said, where, number)
            seen[prompt.id] = f"{path.name}:{number}"
            prompts.append(prompt)
        if len(prompts) > _MAX_PROMPTS:
            _refuse(f"more than {_MAX_PROMPTS} prompts", where, number)
    mistakes.end()
    if not prompts:
        raise InputFileError("the prompt file holds no prompt", where=where, hint=_HINT)
    return prompts


def check_line(data: dict[str, Any], where: str, request: Request) -> Prompt:
    """One line of a prompts file, already read.

    Raises:
        InputFileError: what a prompts file must not hold.
    """
    return _Line(where).prompt(data, request)


def _is_time(at: object) -> bool:
    return at is None or (isinstance(at, int | float) and not isinstance(at, bool) and 0 <= at < 1e15)


def _is_tool(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("function"), dict)


def _refuse(message: str, where: str, number: int) -> NoReturn:
    raise InputFileError(message, where=f"{where}:{number}", hint=_HINT)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


class _Line:
    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, message: str) -> NoReturn:
        raise InputFileError(message, where=self.where, hint=_HINT)

    def parse(self, raw: bytes, request: Request) -> Prompt:
        return self.prompt(self.read(raw), request)

    def prompt(self, data: dict[str, Any], request: Request) -> Prompt:
        mistakes, got = Mistakes(), {}
        for key, check in self.checks(data, request).items():
            with mistakes:
                got[key] = check()
        with mistakes:
            self.only_known(data)
        mistakes.end()
        name, cluster, tags = (got.pop(key) for key in ("id", "cluster", "tags"))
        with mistakes:
            got["tool_choice"] = self.choice(data, got["tools"])
        mistakes.end()
        times = tuple(message.pop("at_ms", None) for message in got["messages"])
        chat = ChatRequest(**got)
        body = json.dumps(chat.body(""), sort_keys=True).encode()
        told = times if any(at is not None for at in times) else ()
        return Prompt(name, chat, tags, cluster, hashlib.sha256(body).hexdigest(), times=told)

    def checks(self, data: dict[str, Any], request: Request) -> dict[str, Callable[[], Any]]:
        """What each key must be; every one is looked at, so that all mistakes of a line are reported."""
        return {
            "id": lambda: self.name(data),
            "max_tokens": lambda: self.limit(data, request),
            "cluster": lambda: self.typed(data, "cluster", str, "a text"),
            "tags": lambda: self.tags(data),
            "messages": lambda: self.messages(data, request),
            "temperature": lambda: self.number(data, "temperature", request.temperature, most=2),
            "tools": lambda: self.tools(data),
            "response_format": lambda: self.typed(data, "response_format", dict, "an object"),
            "stop": lambda: self.stop(data),
            "seed": lambda: self.typed(data, "seed", int, "a whole number"),
            "extra_body": lambda: self.extras(data, request),
        }

    def only_known(self, data: dict[str, Any]) -> None:
        unknown = sorted(set(data) - KEYS)
        if unknown:
            named = ", ".join(repr(one_line(str(key), limit=60)) for key in unknown[:20])
            self.fail(f"unknown key {named}: one of {', '.join(sorted(KEYS))}")

    def name(self, data: dict[str, Any]) -> str:
        name = data.get("id")
        if not isinstance(name, str) or not name.strip() or len(name) > 200 or "|" in name or not name.isprintable():
            self.fail("`id` must be a text of 1 to 200 printable characters without '|'")
        return name

    def limit(self, data: dict[str, Any], request: Request) -> int:
        limit = data.get("max_tokens", request.max_tokens)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 0 < limit <= 1_000_000:
            self.fail("`max_tokens` must be a positive whole number")
        return limit

    def typed(self, data: dict[str, Any], key: str, kind: type, what: str) -> Any:
        value = data.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            self.fail(f"`{key}` must be {what}")
        return value

    def number(self, data: dict[str, Any], key: str, default: float, *, most: float) -> float:
        value = data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            self.fail(f"`{key}` must be a number from 0 to {most:g}")
        return float(value)

    def tools(self, data: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        tools = data.get("tools", [])
        named = [one["function"].get("name") for one in tools if _is_tool(one)] if isinstance(tools, list) else [None]
        if not isinstance(tools, list) or len(named) != len(tools) or not all(isinstance(one, str) for one in named):
            self.fail("`tools` must be a list of {type: function, function: {name, parameters}}")
        if len(set(named)) != len(named):
            self.fail("two `tools` have the same name")
        return tuple(tools)

    def choice(self, data: dict[str, Any], tools: tuple[dict[str, Any], ...]) -> Any:
        choice = data.get("tool_choice")
        if choice is not None and not isinstance(choice, str | dict):
            self.fail("`tool_choice` must be a text or an object")
        if choice is not None and not tools:
            self.fail("`tool_choice` needs `tools`")
        return choice

    def stop(self, data: dict[str, Any]) -> tuple[str, ...]:
        stop = data.get("stop", [])
        listed = [stop] if isinstance(stop, str) else stop
        if not isinstance(listed, list) or len(listed) > 16 or not all(isinstance(one, str) and one for one in listed):
            self.fail("`stop` must be a text or a list of up to 16 texts")
        return tuple(listed)

    def extras(self, data: dict[str, Any], request: Request) -> dict[str, Any]:
        own = self.typed(data, "extra_body", dict, "an object") or {}
        if (why := refused_fields(own)) is not None:
            self.fail(why)
        if "top_p" in data:
            own = {"top_p": self.number(data, "top_p", 1.0, most=1), **own}
        return {**request.extra_body, **own}

    def read(self, raw: bytes) -> dict[str, Any]:
        if len(raw) > _MAX_LINE_BYTES:
            self.fail("the line is longer than 16 MiB")
        try:
            data = json.loads(raw.decode(), object_pairs_hook=_unique)
        except UnicodeDecodeError:
            self.fail("not UTF-8")
        except (ValueError, RecursionError) as error:
            self.fail(f"not JSON: {one_line(str(error), limit=120)}")
        if not isinstance(data, dict):
            self.fail("a line must be a JSON object")
        return data

    def messages(self, data: dict[str, Any], request: Request) -> tuple[Message, ...]:
        if ("prompt" in data) == ("messages" in data):
            self.fail("a line needs either `prompt` or `messages`")
        given: list[Message]
        if "prompt" in data:
            text = data["prompt"]
            if not isinstance(text, str) or not text.strip():
                self.fail("`prompt` must be a text that is not empty")
            given = [{"role": "user", "content": self.seen(data.get("images"), text)}]
        else:
            if "images" in data:
                self.fail("`images` go with `prompt`; with `messages`, write image_url parts")
            given = data["messages"]
            if not isinstance(given, list) or not given:
                self.fail("`messages` must be a list that is not empty")
            for message in given:
                self.message(message)
        system = data.get("system", request.system)
        if system is not None and not isinstance(system, str):
            self.fail("`system` must be a text")
        if system and given[0]["role"] != "system":
            given = [{"role": "system", "content": system}, *given]
        return tuple(given)

    def message(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            self.fail(f"a message needs a `role`: one of {', '.join(sorted(_ROLES))}")
        if not isinstance(message.get("content"), (str, list)) and "tool_calls" not in message:
            self.fail("a message needs `content`")
        if not _is_time(message.get("at_ms")):
            self.fail("`at_ms` of a message must be a number of milliseconds that is not negative")
        for link in image_parts(message.get("content")):
            link["url"] = self.image(link["url"])

    def seen(self, images: Any, text: str) -> str | list[dict[str, Any]]:
        """The text, behind its images."""
        if images is None:
            return text
        if not isinstance(images, list) or not 0 < len(images) <= _MAX_IMAGES:
            self.fail(f"`images` must be a list of 1 to {_MAX_IMAGES} files or data: URIs")
        shown = [{"type": "image_url", "image_url": {"url": self.image(one)}} for one in images]
        return [*shown, {"type": "text", "text": text}]

    def image(self, written: Any) -> str:
        """An image beside the prompts file as a data: URI."""
        if not isinstance(written, str):
            self.fail("an image is a file in the prompts' folder, or a data: URI")
        return data_uri(written, Path(self.where.rpartition(":")[0]).parent, self.where, hashlib.sha256())

    def tags(self, data: dict[str, Any]) -> tuple[str, ...]:
        tags = data.get("tags", [])
        if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.isprintable() for tag in tags):
            self.fail("`tags` must be a list of texts")
        return tuple(tags[:32])
