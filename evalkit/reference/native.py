"""The `/generate` route's replies: text and ids so far, with `meta_info`."""

from __future__ import annotations

import time
from typing import Any

from evalkit.modes import Mode
from evalkit.reference.tokenizer import EOS_ID, VOCABULARY
from evalkit.reference.usage import Work, dumps, speculation, weights


class GenerateFrames:
    """Cumulative events, one for each decoding round."""

    rounds = True

    def __init__(self, work: Work) -> None:
        self._work = work
        self._ids = [_ids(work, n) for n in range(len(work.generations))]
        self._started = work.started
        self._sent: set[int] = set()
        # Unstreamed, nobody saw the first token leave: then it left when it was due.
        self._first = work.started + (work.ticks[0][0].after_ms / 1000 if work.ticks[0] else 0)

    def opening(self, choice: int) -> bytes:  # noqa: ARG002  nothing precedes text here
        self._first = time.time()
        return b""

    def step(self, choice: int, start: int, end: int) -> list[bytes]:  # noqa: ARG002  events are cumulative
        event = self.reply(choice, end)
        if choice not in self._sent and self._work.script.enable_metrics:
            self._sent.add(choice)
            event["meta_info"]["response_sent_to_client_ts"] = self._first
        if len(self._work.generations) > 1 or self._work.job.batch:
            event["index"] = choice
        return [f"data: {dumps(event)}\n\n".encode()]

    def finish(self, choice: int) -> bytes:  # noqa: ARG002  said with the last text
        return b""

    def closing(self) -> bytes:
        return b""

    def reply(self, choice: int, end: int) -> dict[str, Any]:
        """The reply up to token number `end`."""
        generation = self._work.generations[choice]
        text = "".join(generation.tokens[:end])
        return {"text": text, "output_ids": self._ids[choice][:end], "meta_info": self._meta(choice, end)}

    def aborted(self, message: str) -> bytes:
        """The event of a request that the scheduler refused."""
        meta = self._meta(0, 0)
        meta["finish_reason"] = {
            "type": "abort",
            "message": message,
            "status_code": 400,
            "err_type": "BadRequestError",
        }
        return f"data: {dumps({'text': '', 'output_ids': [], 'meta_info': meta})}\n\n".encode()

    def _meta(self, choice: int, end: int) -> dict[str, Any]:
        work = self._work
        generation, cached = work.generations[choice], work.cached[choice]
        last = end >= generation.total
        meta: dict[str, Any] = {
            "id": work.ident,
            "finish_reason": self._reason(choice) if last else None,
            "prompt_tokens": len(work.job.choices[choice].prompt),
            "weight_version": "default",
            "num_retractions": 0,
            "storage_prefetch_wait": 0.0,
            "storage_staging_wait": 0.0,
        }
        meta.update(self._times())
        meta.update(reasoning_tokens=0, completion_tokens=end, cached_tokens=cached)
        if last:
            meta["weight_versions"] = weights(end)
        meta["cached_tokens_details"] = {"device": cached, "host": 0} if cached else None
        meta["dp_rank"] = None
        if last:
            meta.update(self._final(choice, end))
        return meta

    def _times(self) -> dict[str, float]:
        if not self._work.script.enable_metrics:
            return {}
        times = {"forward_entry_time": self._started}
        # A diffusion server has no prefill that ends.
        if self._work.script.emits is not Mode.DIFFUSION:
            times["prefill_finished_time"] = self._first
        return {**times, "queue_time": 0.0}

    def _final(self, choice: int, end: int) -> dict[str, Any]:
        now = time.time()
        spent = now - self._started
        final: dict[str, Any] = {"e2e_latency": spent}
        final.update(speculation(self._work.script, self._work.ticks[choice]))
        if self._work.script.enable_metrics:
            final.update(
                request_received_ts=self._started,
                first_token_latency=self._first - self._started,
                api_server_dispatch_finish_ts=self._started,
                response_sent_to_client_ts=self._first,
                request_finished_ts=now,
                decode_throughput=end / max(spent, 1e-9),
            )
        return final

    def _reason(self, choice: int) -> dict[str, Any]:
        generation = self._work.generations[choice]
        if generation.finish == "length":
            return {"type": "length", "length": generation.total}
        return {"type": "stop", "matched": generation.matched}


def _ids(work: Work, choice: int) -> list[int]:
    generation = work.generations[choice]
    ids = VOCABULARY.encode(generation.tokens)
    return [*ids, EOS_ID] if generation.total > len(ids) else ids
