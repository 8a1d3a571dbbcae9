"""What evalkit has to know of one serving engine: the methods and marks of `Engine`, one file an engine.

The defaults are those of an engine of which nothing is known: it declares no mode, has no cache flush, counts nothing.
Engines are pure: they read pages through `Pages` and know no socket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from evalkit.serving.facts import Capability
from evalkit.serving.pages import Answers, Pages

Release = Literal["release", "pre-release", "fork", "unknown"]


@dataclass(frozen=True)
class Declared:
    """`mode` None: not exposed, or unknown. `block_loop`: calls itself AR, but runs the diffusion loop."""

    mode: str | None
    why: str
    block_loop: bool = False


@dataclass(frozen=True)
class Names:
    """Names of an engine's Prometheus samples; empty where it has none. Label sets differ: match by name, sum up."""

    #: generated tokens
    tokens: str = ""
    #: calls that verify a draft
    verify: str = ""
    #: denoising steps, and the tokens that they committed
    steps: str = ""
    committed: str = ""
    #: scheduler rounds, kept by kind as `NAME{decode}` and `NAME{prefill}`
    rounds: str = ""
    #: share of the KV pool in use, 0 to 1
    kv_use: str = ""
    #: prompt tokens, and those of them that came from the prefix cache
    prompts: str = ""
    cached: str = ""
    #: further samples to keep, by full name and by prefix
    others: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        named = (self.tokens, self.verify, self.steps, self.committed, self.rounds, self.kv_use, self.prompts,
                 self.cached, *self.others)  # fmt: skip
        return tuple(name for name in named if name)

    @property
    def decode_rounds(self) -> str:
        return f"{self.rounds}{{decode}}"

    @property
    def prefill_rounds(self) -> str:
        return f"{self.rounds}{{prefill}}"


@dataclass(frozen=True)
class Flush:
    """How a prefix cache is emptied: POST to `path`; a 400 asks for another try. `absent` explains a 404."""

    path: str
    absent: str = ""


@dataclass(frozen=True)
class Start:
    """How a server is started: `argv` with {model} and {port}, and the flags that a recipe or a remedy adds."""

    argv: tuple[str, ...]
    context: str
    requests: str
    revision: str | None = None
    #: what makes tool calls parsed
    tools: str | None = None

    def command(self, *more: str, context: bool = True, revision: bool = True) -> tuple[str, ...]:
        """The arguments, placeholders and all, with `more` behind them."""
        pinned = (self.revision, "{revision}") if revision and self.revision else ()
        window = (self.context, "{context}") if context else ()
        return (*self.argv, *pinned, *window, *more)


@dataclass(frozen=True)
class Knob:
    """How a start command says a knob: the value of `flag`, or `key` of the JSON or of the YAML file that it gives.

    `also`: flags that need the same value.
    """

    flag: str
    key: str = ""
    form: Literal["value", "json", "yaml"] = "value"
    also: tuple[str, ...] = ()


class Engine:
    """One engine. A subclass sets what it knows and overrides what it can tell; the registry holds one of each."""

    #: as facts and reports spell it
    name: ClassVar[str] = ""
    #: as sentences spell it
    title: ClassVar[str] = ""
    #: the distribution whose presence means that the engine is installed here
    package: ClassVar[str | None] = None
    #: what its model cards say in `owned_by`
    owners: ClassVar[tuple[str, ...]] = ()
    #: where it listens by default
    ports: ClassVar[tuple[int, ...]] = ()
    metrics: ClassVar[str | None] = None
    load: ClassVar[str | None] = None
    names: ClassVar[Names] = Names()
    flush: ClassVar[Flush | None] = None
    start: ClassVar[Start | None] = None

    # quirks
    #: takes `ignore_eos` without a complaint
    takes_ignore_eos: ClassVar[bool] = False
    #: refuses what does not fit its window; others run on, and do not stop when the client leaves
    keeps_window: ClassVar[bool] = False
    #: refuses a model name that it does not serve
    checks_model_name: ClassVar[bool] = False
    #: ends a diffusion reply when a further block would pass the window
    reserves_block: ClassVar[bool] = False
    #: has SGLang's /generate, which counts tokens on every event
    native_counts: ClassVar[bool] = False
    #: a speed measured here is the engine's
    timing_reference: ClassVar[bool] = True
    #: what its figures are called wherever they are shown
    timing_label: ClassVar[str] = ""

    async def detect(self, pages: Pages, answers: Answers) -> bool:
        """Whether this engine answers; if so, `answers` holds what its pages reported."""
        return False

    def settings(self, answers: Answers) -> dict[str, Any]:
        """The allow-listed settings, under SGLang's names where another engine has the same one."""
        return {}

    def declared(self, answers: Answers, settings: Mapping[str, Any], counters: Mapping[str, float] | None) -> Declared:
        """The mode that the server declares. `counters` None: no metrics were had."""
        return Declared(None, f"{answers.engine or answers.gateway or 'this server'} does not say how it decodes")

    def release(self, version: str | None, settings: Mapping[str, Any]) -> Release:
        """The kind of build, as far as its version shows."""
        return release_of(version)

    def block_size(self, settings: Mapping[str, Any], architectures: tuple[str, ...]) -> int | None:
        """Tokens per block of a diffusion server, where it is known."""
        told = settings.get("block_size")
        return told if isinstance(told, int) and told > 1 else None

    def capabilities(self, settings: Mapping[str, Any], mode: str | None) -> tuple[Capability, ...]:
        """What follows from the settings alone."""
        return ()

    def never_ask(self, settings: Mapping[str, Any], mode: str | None) -> frozenset[str]:
        """Capabilities that must not be asked by a request, as the server would hang on it or fall over."""
        return frozenset({"json_schema"}) if mode == "diffusion" else frozenset()

    def knobs(self, words: Sequence[str]) -> dict[str, Knob]:
        """By the names of `sweep.knobs`: how the start command `words` says each; one that is not known is left out."""
        return {"max_running_requests": Knob(self.start.requests)} if self.start else {}

    def memory_gib(self, info: Mapping[str, Any]) -> dict[str, float]:
        """GiB that the server says it took of one device: weight, kvcache, graph."""
        return {}

    def kv_use(self, load: object) -> float | None:
        """Share of the KV pool in use, 0 to 1, by the page at `load`."""
        return None

    def drafts_counted(self, settings: Mapping[str, Any]) -> bool:
        """Whether drafting in these settings shows in the count of verify calls."""
        return True

    def round_is_forward(self, settings: Mapping[str, Any]) -> bool:
        """Whether one counted scheduler round is one forward pass of a diffusion server."""
        return False


_FINAL = re.compile(r"v?\d+(\.\d+)*(\.post\d+)?(\+(cpu|cu\d+|rocm[\d.]*|xpu|npu|computed))?\Z")
_BUILD = re.compile(r"b\d+(-[0-9a-f]+)?\Z")  # llama.cpp numbers its builds
_COMMIT = re.compile(r"[+.-]g([0-9a-f]{7,40})")


def release_of(version: str | None) -> Release:
    """By the version alone: a commit or dev build is a pre-release, a checkout without tags a fork."""
    if not version:
        return "unknown"
    if version.startswith("0.0.0"):
        return "fork"
    return "release" if _FINAL.match(version) or _BUILD.match(version) else "pre-release"


def commit_of(version: str | None) -> str | None:
    """The commit that a version string carries (`…+g1a2b3c4`)."""
    found = _COMMIT.search(version or "")
    return found.group(1) if found else None


def argument(words: Sequence[str], flag: str) -> str | None:
    """The value of a start argument, in either of its two spellings."""
    for place, word in enumerate(words):
        if word == flag and place + 1 < len(words):
            return words[place + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None
