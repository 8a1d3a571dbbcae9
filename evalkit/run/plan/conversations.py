"""Conversations under way: which requests follow one another, what was said so far, and the pauses between turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from evalkit.client.types import ChatRequest, Exchange
from evalkit.run.plan.schedule import Planned
from evalkit.timing.conversations import continued
from evalkit.timing.facts import TimedSample
from evalkit.timing.prompts import Prompt

_Key = tuple[str, int, int, bool, int, str]


class Step(NamedTuple):
    """A request of a chain. One that is not `kept` is in the journal: it is sent again so that the next finds the
    server as production would.
    """

    planned: Planned
    kept: bool


class Conversations:
    """`live`: a mode's own replies are fed on, else the recorded ones stand."""

    def __init__(
        self, prompts: Mapping[str, Prompt], planned: Sequence[Planned], done: frozenset[str], how: str | None
    ) -> None:
        self.prompts, self.live = prompts, how == "live"
        self._whole: dict[_Key, list[Planned]] = {}
        for one in planned if done else ():
            if (key := self._key(one)) is not None:
                self._whole.setdefault(key, []).append(one)
        self._said: dict[_Key, dict[str, str]] = {}
        #: when the last request of a conversation was sent, and answered
        self._last: dict[_Key, tuple[float, float]] = {}

    def _key(self, one: Planned | TimedSample) -> _Key | None:
        prompt = self.prompts.get(one.prompt_id)
        if prompt is None or prompt.conversation is None:
            return None
        return one.mode, one.concurrency, one.repeat, one.fixed_length, one.launch, prompt.conversation

    def recall(self, sample: TimedSample) -> None:
        """A reply of an earlier session."""
        if self.live and (key := self._key(sample)) is not None and sample.answered:
            self._said.setdefault(key, {})[sample.prompt_id] = sample.exchange.text

    def chains(self, batch: Sequence[Planned]) -> list[list[Step]]:
        """The requests of a batch as one chain a conversation; a conversation that was begun is begun again."""
        found = []
        for name, group in groupby(batch, key=lambda one: self.prompts[one.prompt_id].conversation or one.prompt_id):
            left = list(group)
            key = self._key(left[0])
            whole = self._whole.get(key, left) if key is not None else left
            open_, last = {one.key for one in left}, left[-1].position
            del name
            found.append([Step(one, one.key in open_) for one in whole if one.position <= last])
        return found

    def request(self, planned: Planned) -> ChatRequest | None:
        """What a turn sends; None when an earlier turn has no reply to go on from."""
        prompt, key = self.prompts[planned.prompt_id], self._key(planned)
        if not self.live or key is None:
            return prompt.request
        said = self._said.get(key, {})
        before = [said.get(f"{prompt.conversation}/{n}") for n in range(1, len(prompt.ends))]
        known = [text for text in before if text]
        return continued(prompt, known) if len(known) == len(before) else None

    def heard(self, planned: Planned, sent: float, exchange: Exchange) -> None:
        """The reply to a turn; the first one is fed on."""
        if (key := self._key(planned)) is None:
            return
        self._last[key] = (sent, time.monotonic())
        if self.live and exchange.ok and exchange.text:
            self._said.setdefault(key, {}).setdefault(planned.prompt_id, exchange.text)

    def over(self, chain: Sequence[Step]) -> None:
        """Nothing of a conversation is needed any more."""
        if chain and (key := self._key(chain[0].planned)) is not None:
            self._last.pop(key, None)
            self._said.pop(key, None)

    async def pause(self, planned: Planned) -> None:
        """Waits as long as the log did before this turn."""
        pause, key = self.prompts[planned.prompt_id].pause, self._key(planned)
        if pause is None or key is None or key not in self._last:
            return
        sent, answered = self._last[key]
        due = (answered if pause[0] == "reply" else sent) + pause[1]
        await asyncio.sleep(max(0.0, due - time.monotonic()))
