"""What a live server did with long prompts and long outputs."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Frozen, Quoted


class ContextStep(Frozen):
    """One prompt length. `recalled` maps a depth (0..1) to whether the planted fact came back."""

    asked_tokens: int
    counted_tokens: int | None = None  # prompt_tokens of the server's usage
    ok: bool
    #: not ok because the server said no; otherwise the request failed for a reason that may be another
    refused: bool = False
    error: Quoted | None = None
    recalled: dict[str, bool] = {}  # noqa: RUF012  pydantic copies defaults
    finish_reason: str | None = None

    @property
    def cut(self) -> bool:
        """The server counted far fewer tokens than were sent: the rest was not read."""
        return self.counted_tokens is not None and self.counted_tokens < 0.85 * self.asked_tokens

    @property
    def overcounted(self) -> bool:
        """The server counted far more tokens than were sent: its counts cannot be trusted."""
        return self.counted_tokens is not None and self.counted_tokens > 1.5 * self.asked_tokens + 16


class ContextProbe(Frozen):
    """The live context probe of one mode."""

    mode: str
    need_tokens: int | None
    steps: tuple[ContextStep, ...] = ()
    longest_ok: int | None = None
    #: what the steps amount to. `no-recall`: the model recalls nothing at a short length either, so only counts speak
    outcome: Literal["ok", "truncated", "lost-middle", "lost", "refused", "no-recall", "unclear", "not-run"] = "not-run"
    over_limit: Literal["refused", "truncated", "accepted", "unclear", "not-tried"] = "not-tried"
    over_limit_detail: Quoted = ""
    output_asked: int | None = None
    output_reached: int | None = None
    output_finish: str | None = None
    output_error: Quoted | None = None
    #: HTTP status of that error; None in runs before 0.2, and where no reply came
    output_status: int | None = None
    error: Quoted | None = None
