"""What the context item says: the typed values of each check, and the sentences made of them."""

from __future__ import annotations

from typing import Any, Literal

from evalkit import fmt
from evalkit.analysis.need import Need
from evalkit.findings import Values, Words

_SET_NEED = "set context.need_tokens, or give prompts"
_ESTIMATE = "the need is an estimate: set context.need_tokens to what you need"


def need_text(need: Need) -> str:
    """How many tokens are needed, and how that is known."""
    match need.source:
        case "checklist":
            return f"{need.tokens:,} tokens are required (context.need_tokens)"
        case "counted":
            prompt = f"longest prompt {need.prompt:,} as counted by the server"
            return f"{need.tokens:,} tokens are needed: {prompt}, plus {need.output:,} for the reply"
        case "estimated":
            length = f"{need.characters:,} characters at 3 a token, plus {need.output:,} for the reply"
            return f"about {need.tokens:,} tokens are needed, estimated from {length}"


def _tokens(count: int | None) -> str | None:
    return fmt.tokens(count) if count is not None else None


class _Needing(Values):
    """Values that stand against the need."""

    need: Need | None = None

    def wanted(self) -> str:
        """The need in words."""
        return need_text(self.need) if self.need else "the need is not known"

    @property
    def threshold(self) -> str | None:
        return _tokens(self.need.tokens if self.need else None)


class Window(_Needing):
    """The model's own window. `limits`: every limit that is known, as rows."""

    outcome: Literal["fits", "answered", "need-unknown", "window-unknown", "need-estimated", "too-short"]
    window: int | None = None
    limits: tuple[dict[str, Any], ...] = ()
    source: str = ""
    answered: int | None = None
    why: str | None = None

    def data(self) -> dict[str, object]:
        need = {**self.need.model_dump(mode="json"), "text": need_text(self.need)} if self.need else None
        return {"limits": list(self.limits), "need": need, "window": self.window}

    def words(self) -> Words:
        text = f"the model's window is {self.window or 0:,} tokens ({self.source}); {self.wanted()}."
        observed = _tokens(self.window)
        match self.outcome:
            case "fits":
                return Words(text, observed, self.threshold)
            case "need-estimated":
                return Words(text, observed, self.threshold, _ESTIMATE)
            case "too-short":
                return Words(f"the model's window is too short: {text}", observed, self.threshold)
            case "need-unknown":
                text = "the number of tokens needed is not known: the checklist has no need_tokens and no prompts."
                return Words(text, observed, None, _SET_NEED)
        why = self.why or "no configuration was read"
        if self.outcome == "answered":
            text = f"the model's window is not known ({why}), but {self.answered:,} tokens were answered"
            return Words(f"{text}; {self.wanted()}.", _tokens(self.answered), self.threshold)
        return Words(f"the model's window is not known ({why}); {self.wanted()}.", None, self.threshold)


class Trained(_Needing):
    outcome: Literal["within", "stretched", "not-published"]
    trained: int | None = None
    configured: int | None = None
    source: str = ""

    def data(self) -> dict[str, object]:
        return {} if self.trained is None else {"trained": self.trained, "configured": self.configured}

    def words(self) -> Words:
        if self.outcome == "not-published":
            remedy = "ask the vendor, or test quality at your own lengths (a `long` task suite, `context.probe: true`)"
            return Words("the length that the model was trained on is not published.", remedy=remedy)
        if self.outcome == "within":
            text = f"trained at {self.trained:,} tokens ({self.source}), which the configured window does not exceed."
            return Words(text)
        text = f"the window is configured to {self.configured:,} tokens; training reached {self.trained:,}"
        place = ""
        if self.need:
            within = self.need.tokens <= (self.trained or 0)
            place = " Your need is within the trained length." if within else (
                f" Your need of {self.need.tokens:,} tokens is beyond it."
            )  # fmt: skip
        return Words(f"{text} ({self.source}).{place}", _tokens(self.configured), _tokens(self.trained))


class ServerLimit(_Needing):
    outcome: Literal[
        "fits", "answered", "not-reachable", "need-unknown", "not-reported", "need-estimated", "prompt-too-long",
        "too-short",
    ]  # fmt: skip
    mode: str
    window: int | None = None
    source: str = ""
    longest_prompt: int | None = None
    why: str | None = None

    def data(self) -> dict[str, object]:
        return {}

    def words(self) -> Words:
        summary, remedy = self._sentence()
        return Words(summary, _tokens(self.window), self.threshold, remedy)

    def _sentence(self) -> tuple[str, str | None]:
        trap = " 2,048 is the default of NVIDIA's launch script." if self.window and self.window <= 2048 else ""
        if self.longest_prompt is not None:
            needed = f"{self.need.input:,}" if self.need else "more"
            short = f"the server takes prompts of up to {self.longest_prompt:,} tokens; {needed} are needed."
        else:
            short = f"the server's window is {self.window or 0:,} tokens ({self.source}), below the need: "
            short += f"{self.wanted()}.{trap}"
        match self.outcome:
            case "fits":
                return f"the server's window is {self.window:,} tokens ({self.source}); {self.wanted()}.", None
            case "answered":
                return f"the server reports no window, but answered {self.window:,} tokens; {self.wanted()}.", None
            case "not-reachable":
                why = self.why or "it was not probed"
                return f"the server's window is not known ({why}).", "start the server and run again"
            case "need-unknown":
                return "the number of tokens needed is not known.", _SET_NEED
            case "not-reported":
                return "the server does not report its window.", (
                    "start the server with a window that it reports, or set `context: {probe: true}` to try the length"
                )
            case "need-estimated":
                return short, _ESTIMATE
            case "prompt-too-long" | "too-short":
                return short, None


class Output(Values):
    """A reply of `wanted` tokens. `seen`: the longest that came."""

    outcome: Literal["reached", "reached-in-run", "refused", "error", "cut", "ended", "capped", "not-seen"]
    mode: str
    wanted: int
    seen: int | None = None
    why: str | None = None

    def data(self) -> dict[str, object]:
        return {}

    def words(self) -> Words:
        seen, wanted = f"{self.seen or 0:,}", f"{self.wanted:,}"
        remedy = {
            "ended": "give a prompt whose reply is long (a `long` task suite), or a server that honours ignore_eos",
            "not-seen": "set `context: {probe: true}` so that it is tried",
        }.get(self.outcome)
        text = {
            "reached": f"a reply of {seen} tokens was returned",
            "reached-in-run": f"a reply of {seen} tokens was returned during the run",
            "refused": f"a reply of {wanted} tokens was refused: {self.why}",
            "error": f"asking for a reply of {wanted} tokens failed: {self.why}",
            "cut": f"the reply was cut at {seen} tokens although {wanted} were allowed",
            "ended": f"the model ended its reply after {seen} tokens, so {wanted} were not shown to be reachable",
            "capped": f"the server caps replies at {seen} tokens",
            "not-seen": f"no reply of {wanted} tokens was seen (longest {seen})",
        }[self.outcome]
        return Words(f"{text}.", _tokens(self.seen), f"{wanted} tokens", remedy)


class Probe(_Needing):
    """Facts planted in long prompts. `missed`: depths, in percent, of the facts that were not recalled."""

    outcome: Literal[
        "ok", "truncated", "lost-middle", "lost", "refused", "no-recall", "unclear", "not-run", "too-short", "not-asked"
    ]
    mode: str
    longest: int | None = None
    at_tokens: int | None = None
    missed: tuple[int, ...] = ()
    error: str | None = None
    steps: tuple[dict[str, Any], ...] = ()

    def data(self) -> dict[str, object]:
        return {"steps": list(self.steps)} if self.outcome != "not-asked" else {}

    def words(self) -> Words:
        text = {
            "ok": "every planted fact that a short prompt gives back came back at every length",
            "truncated": "the server cuts the prompt silently",
            "lost-middle": "facts in the middle are lost while the ends come back",
            "lost": "facts that came back from a short prompt are lost in a long one",
            "refused": "the server refuses a prompt within the need",
            "no-recall": "no fact is recalled even from a short prompt, so recall cannot be probed; the server counted "
            "whole prompts",
            "unclear": "the probe could not be completed",
            "not-run": "the probe did not run",
            "too-short": f"the probe succeeded, but only up to {self.longest or 0:,} of "
            f"{self.need.tokens if self.need else 0:,} tokens",
            "not-asked": "the probe was requested but did not run",
        }[self.outcome]
        parts = [text]
        if self.error:
            parts.append(f"at {self.at_tokens:,} tokens: {self.error}" if self.at_tokens else self.error)
        elif self.missed:
            depths = ", ".join(f"{depth}%" for depth in self.missed)
            parts.append(f"at {self.at_tokens:,} tokens the facts at depth {depths} were missed")
        return Words(f"{'; '.join(parts)}.", _tokens(self.longest or None), self.threshold)


class OverLimit(Values):
    outcome: Literal["refused", "truncated", "accepted", "unclear", "not-tried", "no-limit-reported"]
    mode: str
    detail: str | None = None

    def data(self) -> dict[str, object]:
        return {}

    def words(self) -> Words:
        text = {
            "refused": "was refused",
            "truncated": "was cut silently",
            "accepted": "was accepted: the limit that the server reports is not the real one",
            "unclear": "gave no clear answer",
            "not-tried": "was not tried",
            "no-limit-reported": "was not tried, because the server reports no limit; the need itself was answered",
        }[self.outcome]
        detail = f" ({self.detail})" if self.detail else ""
        return Words(f"an over-long request {text}{detail}.", self.outcome)


class RateLimit(Values):
    """Requests or tokens a minute. `resets_s`: a longer window that the service's limit belongs to."""

    outcome: Literal[
        "allowed", "allowed-but-refused", "below", "not-reported", "longer-window", "no-limits-here", "information",
        "refusals",
    ]  # fmt: skip
    mode: str
    kind: Literal["requests", "tokens"] = "requests"
    limit: float | None = None
    needed: float | None = None
    resets_s: float | None = None
    refused: int = 0
    of: int | None = None
    retry_after_s: float | None = None

    def data(self) -> dict[str, object]:
        return {}

    def _refusals(self) -> str:
        among = f" of {self.of}" if self.of else ""
        wait = "without Retry-After" if self.retry_after_s is None else f"Retry-After up to {self.retry_after_s:,.0f} s"
        return f"the service refused {self.refused}{among} requests with 429, {wait}"

    def words(self) -> Words:
        seen = f" In this run {self._refusals()}." if self.refused else ""
        remedy = None
        match self.outcome:
            case "refusals":
                text = f"{self._refusals()}."
            case "information":
                text = f"the service allows {self.limit:,.0f} {self.kind} a minute; the checklist requires none."
            case "no-limits-here":
                text = "a server of your own, without rate limits."
            case "not-reported" | "longer-window":
                why = "the service reports no limit"
                if self.outcome == "longer-window":
                    why = f"the reported limit of {self.limit:,.0f} resets every {self.resets_s:,.0f} s, "
                    why += "so it is not a per-minute limit"
                text = f"{self.needed:,.0f} {self.kind} a minute are needed; {why}.{seen}"
                remedy = "read the provider's limits page, and declare or waive; a load at your rate shows it too"
            case _:
                text = f"{self.limit:,.0f} {self.kind} a minute are allowed, {self.needed:,.0f} are needed.{seen}"
                return Words(text, f"{self.limit:,.0f}", f"{self.needed:,.0f}")
        return Words(text, remedy=remedy)


class Variant(_Needing):
    outcome: Literal["fits", "too-short", "need-estimated", "need-unknown", "not-known"]
    model: str
    window: int | None = None
    trained: int | None = None
    source: str = ""
    why: str | None = None

    def data(self) -> dict[str, object]:
        return {"window": self.window, "trained": self.trained}

    def words(self) -> Words:
        if self.outcome == "not-known":
            why = self.why or "no configuration was read"
            return Words(f"its window is not known ({why}).")
        at = f", trained at {self.trained:,} ({self.source})" if self.trained else ""
        text = f"{self.window:,} tokens{at}"
        if self.outcome == "need-unknown":
            return Words(f"{text}; the need is not known.")
        return Words(f"{text}." if self.outcome == "fits" else f"{text}, below the need: {self.wanted()}.")
