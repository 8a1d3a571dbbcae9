"""What the model reads and what it says: prompts as text with chat markers, replies with their tool calls."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from evalkit.reference.tokenizer import EOS

START = "<|im_start|>"
_ASSISTANT = f"{START}assistant\n"
# Arguments are kept as raw text: a broken call has to reach the client broken.
_CALL = re.compile(r'<tool_call>\n\{"name": "([^"]*)", "arguments": (.*?)\}\n</tool_call>', re.DOTALL)

Kind = Literal["prose", "json", "exact", "call"]


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` is raw text, JSON unless a fault broke it."""

    name: str
    arguments: str

    def text(self) -> str:
        """The call as the model writes it."""
        return f'<tool_call>\n{{"name": "{self.name}", "arguments": {self.arguments}}}\n</tool_call>'


@dataclass(frozen=True)
class Reply:
    """An answer. `kind` says what faults and sampling may do to it; `wrong` is the answer of a model that errs."""

    text: str
    kind: Kind = "prose"
    wrong: str | None = None


@dataclass(frozen=True)
class Question:
    """The last turn and everything that the model can see of the prompt."""

    text: str
    context: str = ""
    role: str = "user"
    tools: tuple[dict[str, Any], ...] = ()
    #: "auto", "none", "required" or the name of the one tool that must be called
    tool_choice: str = "auto"
    schema: dict[str, Any] | None = None

    @property
    def tail(self) -> str:
        """The end of the turn: where a long prompt puts its question."""
        return self.text[-2000:]


def call_reply(name: str, arguments: dict[str, Any]) -> Reply:
    """A reply that is one tool call."""
    return Reply(Call(name, json.dumps(arguments, ensure_ascii=False)).text(), "call")


def parse_calls(text: str) -> tuple[Call, ...]:
    """The tool calls of a text, in SGLang's Qwen format; none when they are not well formed."""
    return tuple(Call(name, arguments) for name, arguments in _CALL.findall(text))


def render(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] = ()) -> str:
    """The chat template: turns between markers, tools in the system turn, open for the assistant."""
    system = "\n".join(_content(m) for m in messages if m.get("role") == "system")
    if tools:
        system += "\n# Tools\n" + "\n".join(json.dumps(t, ensure_ascii=False) for t in tools)
    turns = [("system", system)] if system else []
    turns += [(str(m.get("role", "user")), _content(m)) for m in messages if m.get("role") != "system"]
    return "".join(f"{START}{role}\n{text}{EOS}\n" for role, text in turns) + _ASSISTANT


def last_turn(prompt: str) -> tuple[str, str]:
    """(role, text) of the turn that asks, from a prompt with markers, cut in front, or without any."""
    body = prompt.removesuffix(_ASSISTANT).removesuffix("\n").removesuffix(EOS)
    at = body.rfind(START)
    if at < 0:
        return "user", body.strip()
    role, _, text = body[at + len(START) :].partition("\n")
    return role, text.strip()


def _part(part: dict[str, Any]) -> str:
    """The text of a part; an image becomes a mark by which a reply can be laid down for it."""
    link = part.get("image_url")
    if isinstance(link, dict) and isinstance(link.get("url"), str):
        return f"{image_mark(link['url'])}\n"
    return str(part.get("text", ""))


def image_mark(url: str) -> str:
    """What an image is in a prompt's text: the beginning of its hash."""
    return f"<image {sha256(url.encode('utf-8', 'replace')).hexdigest()[:12]}>"


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_part(part) for part in content if isinstance(part, dict))
    calls = message.get("tool_calls") or []
    written = [Call(c["function"]["name"], c["function"]["arguments"]).text() for c in calls if "function" in c]
    return "\n".join([str(content or ""), *written]).strip()
