"""Answers requests one at a time in a thread of its own, and speaks each block of a reply as soon as it is final."""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.modes import Mode
from evalkit.serve.model import Loaded, Options, Prompt
from evalkit.serve.requests import DEFAULT_TOKENS, Ask, RefusedError
from evalkit.serve.watch import HaltedError, Watch
from evalkit.text import one_line

#: replies in a row that the model's code must fail on for /health to say so
_SICK = 3


@dataclass(frozen=True)
class Limits:
    """`context`: tokens of prompt and reply; `tokens`: of a reply; `waiting`: requests that wait."""

    context: int
    tokens: int
    waiting: int = 8
    seconds: float = 600.0


class Piece(NamedTuple):
    """Text that is final, and the tokens of the reply so far."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Reply:
    """A whole reply. `passes`: as the model's code counts; `watched`: as its module was seen to be called, or None."""

    text: str
    reason: str
    prompt_tokens: int
    tokens: int
    passes: int
    watched: int | None

    @property
    def usage(self) -> dict[str, Any]:
        seen = {} if self.watched is None else {"forward_passes_watched": self.watched}
        return {
            "prompt_tokens": self.prompt_tokens, "completion_tokens": self.tokens,
            "total_tokens": self.prompt_tokens + self.tokens, "forward_passes": self.passes, **seen,
        }  # fmt: skip


@dataclass
class Counts:
    """What was done since the start. `unlike`: replies whose forward passes the model counted otherwise than seen."""

    requests: int = 0
    tokens: int = 0
    passes: int = 0
    left: int = 0
    refused: int = 0
    failed: int = 0
    unlike: int = 0
    #: replies in a row that ended in an error of the model's code
    failing: int = 0


@dataclass
class _Job:
    ask: Ask
    loop: asyncio.AbstractEventLoop
    news: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    left: threading.Event = field(default_factory=threading.Event)
    until: float = float("inf")

    def put(self, what: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(self.news.put_nowait, what)
        except RuntimeError:
            self.left.set()  # the server's loop has ended

    def over(self) -> bool:
        return self.left.is_set() or time.monotonic() > self.until


class Engine:
    """One model in one mode."""

    def __init__(self, loaded: Loaded, options: Options, limits: Limits, stats_file: Path | None = None) -> None:
        self.loaded, self.options, self.limits = loaded, options, limits
        self.counts = Counts()
        self._stats = stats_file
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open: set[int] = set()
        self._current: _Job | None = None
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def well(self) -> bool:
        return self._thread.is_alive() and self.counts.failing < _SICK

    def close(self) -> None:
        """Ends the reply under way at its next forward pass."""
        current = self._current
        if current is not None:
            current.left.set()
        self._jobs.put(None)

    async def answer(self, ask: Ask) -> AsyncGenerator[Piece | Reply]:
        """Pieces as they become final, then the whole reply. Leaving the iterator ends the work on it.

        Raises:
            RefusedError: too many wait, it does not fit, took too long, or the model's code failed.
        """
        if len(self._open) > self.limits.waiting:
            self.counts.refused += 1
            raise RefusedError(503, f"busy: one request is answered and {self.limits.waiting} wait")
        job = _Job(ask, asyncio.get_running_loop())
        self._open.add(id(job))
        try:
            self._jobs.put(job)
            async for one in self._spoken(job):
                yield one
        finally:
            job.left.set()
            self._open.discard(id(job))

    async def _spoken(self, job: _Job) -> AsyncIterator[Piece | Reply]:
        speech = _Speech(self.loaded.decode, self.loaded.stops, job.ask)
        while True:
            news = await job.news.get()
            if isinstance(news, Exception):
                raise news
            if isinstance(news, list):
                if piece := speech.more(news):
                    yield piece
                continue
            prompt, found, passes, watched = news
            if not speech.fits(found):
                raise RefusedError(500, "the model's code changed tokens that were final: this reply is not whole")
            if piece := speech.end(found):
                yield piece
            reply = Reply(speech.text, speech.reason, len(prompt), speech.tokens, passes, watched)
            self._counted(reply)
            yield reply
            return

    def _counted(self, reply: Reply) -> None:
        counts = self.counts
        counts.requests, counts.tokens = counts.requests + 1, counts.tokens + reply.tokens
        counts.passes += reply.passes
        # the calls differ in whether the prompt's own pass counts
        if reply.watched is not None and reply.watched - reply.passes not in (0, 1):
            counts.unlike += 1
        if self._stats is None:
            return
        row = {
            "forward_passes": reply.passes, "tokens": reply.tokens,
            "tokens_per_fp": round(reply.tokens / max(1, reply.passes), 4),
        }  # fmt: skip
        try:
            with self._stats.open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
        except OSError as error:
            _say(f"{self._stats} cannot be written: {error.strerror}")

    # -- in the thread of the model ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.left.is_set():
                continue
            self._current = job
            try:
                job.put(self._generated(job))
                self.counts.failing = 0
            except RefusedError as error:
                self.counts.refused += 1
                job.put(error)
            except HaltedError:
                self.counts.left += 1
                job.put(RefusedError(504, f"the reply took longer than {self.limits.seconds:g} s"))
            except Exception as error:  # noqa: BLE001  the model's own code may raise anything
                self.counts.failed += 1
                self.counts.failing += 1
                _say(f"error in the model's code: {one_line(f'{type(error).__name__}: {error}', limit=400)}")
                job.put(RefusedError(500, f"the model's code raised {type(error).__name__}"))
            finally:
                self._current = None

    def _generated(self, job: _Job) -> tuple[list[int], list[int], int, int | None]:
        prompt = self._encoded(job.ask)
        most = self._most(job.ask, len(prompt.ids))
        job.until = time.monotonic() + self.limits.seconds
        watch = Watch(self.options.mode, lambda ids: job.put(ids[:most]), job.over)
        with watch.on(self.loaded.module):
            found, passes = self.loaded.call(prompt, self._arguments(job.ask, most))
        if job.left.is_set():
            raise HaltedError
        return prompt.ids, found[:most], passes, watch.passes or None

    def _most(self, ask: Ask, prompt: int) -> int:
        """Tokens that the reply may have."""
        room = self.limits.context - prompt
        most = min(DEFAULT_TOKENS, self.limits.tokens, max(room, 1)) if ask.max_tokens is None else ask.max_tokens
        if most > self.limits.tokens:
            raise RefusedError(400, f"a reply may have {self.limits.tokens} tokens", "max_tokens")
        if most > room:
            what = f"{prompt} prompt tokens and {most} of reply exceed the context of {self.limits.context}"
            raise RefusedError(400, what, "messages")
        return most

    def _encoded(self, ask: Ask) -> Prompt:
        try:
            return self.loaded.encode(ask)
        except RefusedError:
            raise
        except Exception as error:  # a chat template refuses by raising
            said = one_line(f"{type(error).__name__}: {error}", limit=200)
            raise RefusedError(400, f"the model's chat template refuses these messages: {said}", "messages") from error

    def _arguments(self, ask: Ask, most: int) -> dict[str, Any]:
        options = self.options
        more: dict[str, Any] = {"temperature": ask.temperature}
        if ask.seed is not None:
            more["seed"] = ask.seed
        if options.mode != Mode.AUTOREGRESSIVE.value:
            # whole blocks are decoded: what is over is cut off afterwards
            most = -(-most // options.block_length) * options.block_length
            more |= {"block_length": options.block_length, "threshold": options.confidence}
        if self.loaded.eos is not None:
            more["eos_token_id"] = self.loaded.eos
        return {"max_new_tokens": most, **more}


class _Speech:
    """Text out of tokens that become final little by little, cut at a stop token, a stop string or the limit."""

    def __init__(self, decode: Callable[[list[int]], str], stops: frozenset[int], ask: Ask) -> None:
        self._decode, self._stops, self._ask = decode, stops, ask
        self.text, self.tokens, self.reason = "", 0, ""
        self._ids: list[int] = []
        #: decoding goes on from here, and has given text up to there: a token may be part of a character
        self._from = self._to = 0
        self._held = ""

    def more(self, ids: list[int]) -> Piece | None:
        """`ids`: of the whole reply, as far as they are final."""
        return self._spoken(ids, last=False)

    def fits(self, found: list[int]) -> bool:
        """Whether what was spoken is how the whole reply begins."""
        return self._ids == found[: len(self._ids)]

    def end(self, found: list[int]) -> Piece | None:
        piece = self._spoken(found, last=True)
        self.reason = self.reason or "length"
        return piece

    def _spoken(self, ids: list[int], *, last: bool) -> Piece | None:
        if self.reason:
            return None
        before = self.tokens
        for one in ids[len(self._ids) : self._ask.max_tokens]:
            self._ids.append(one)
            if one in self._stops:
                self.reason = "stop"
                break
        self.tokens = len(self._ids)
        if self.tokens == self._ask.max_tokens:
            self.reason = self.reason or "length"
        text = self._cut(self._fresh(last=last or bool(self.reason)), last=last or bool(self.reason))
        self.text += text
        return Piece(text, self.tokens) if text or self.tokens > before else None

    def _fresh(self, *, last: bool) -> str:
        end = self._visible(len(self._ids))
        begun, now = self._decode(self._ids[self._from : self._to]), self._decode(self._ids[self._from : end])
        if not last and now.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        self._from, self._to = self._to, end
        return now[len(begun) :]

    def _visible(self, count: int) -> int:
        """The first `count` tokens without the stop token, which can only be the last."""
        return count - 1 if count and self._ids[count - 1] in self._stops else count

    def _cut(self, text: str, *, last: bool) -> str:
        """`text` up to a stop string; what may be the beginning of one is held back."""
        whole = self._held + text
        found = [at for stop in self._ask.stop if (at := whole.find(stop)) >= 0]
        if found:
            self._held, self.reason = "", "stop"
            self.tokens = self._until(len(self.text) + min(found))
            return whole[: min(found)]
        keep = 0 if last else max((_overlap(whole, stop) for stop in self._ask.stop), default=0)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def _until(self, characters: int) -> int:
        """Tokens up to the one whose text reaches beyond `characters`."""
        low, high = 0, len(self._ids)
        while low < high:
            middle = (low + high) // 2
            if len(self._decode(self._ids[: self._visible(middle)])) > characters:
                high = middle
            else:
                low = middle + 1
        return low


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of `text` with which `stop` may begin."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  a server's log
