"""What the serving item says of modes and of what a server does: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import Literal

from evalkit import fmt
from evalkit.analysis.paces import FORK_COUNTS
from evalkit.findings import Values, Words
from evalkit.serving.facts import StabilityFacts
from evalkit.text import capital

Decoding = Literal[
    "seen", "declared", "block-loop", "another-mode", "another-method", "ar-contradicted", "contradicted", "unknown",
    "ar-looks-otherwise", "looks-otherwise", "inferred-accepted", "inferred", "baseline-differs",
]  # fmt: skip


def _within(detail: str) -> str:
    """What is known besides, in brackets."""
    return f" ({detail})" if detail else ""


class Decodes(Values):
    """What the label wants, what the server declares, and what the stream showed."""

    outcome: Decoding
    mode: str
    wanted: str = ""
    declared: str | None = None
    declared_why: str | None = None
    observed: str | None = None
    observed_why: str | None = None
    #: the likely cause of a contradiction, by the probe
    cause: str | None = None
    #: a baseline that decodes otherwise, and what was found of it
    baseline: str | None = None
    quoted: str = ""

    def data(self) -> dict[str, object]:
        return self.model_dump(mode="json", include={"wanted", "declared", "observed", "baseline"}, exclude_none=True)

    def words(self) -> Words:
        if self.outcome == "baseline-differs":
            return Words(f"its baseline is not {self.baseline}: {self.quoted}")
        declared, why = f"declared {self.declared or 'unknown'}", self.declared_why or "the server does not say"
        stream = f"observed {self.observed or 'not'} ({self.observed_why or 'not tried'})"
        observed = f"{declared}, observed {self.observed or 'not seen'}"
        text = f"{self._text()}: {declared} ({why}), {stream}."
        return Words(text, observed, self.wanted, self._remedy())

    def _text(self) -> str:
        return {
            "seen": "as declared, and seen in the stream",
            "declared": "as declared; the stream could not show it",
            "block-loop": "autoregressive by name, run as a block loop",
            "another-mode": f"the server declares {self.declared}",
            "another-method": f"this is {self.declared}, another method",
            "ar-contradicted": "the stream contradicts the declaration",
            "contradicted": "the stream contradicts the declaration",
            "unknown": "the mode is neither declared nor seen",
            "ar-looks-otherwise": "not declared, and the stream looks otherwise",
            "looks-otherwise": "not declared, and the stream looks otherwise",
            "inferred-accepted": "inferred from the stream alone, as accepted",
            "inferred": "only inferred from the stream",
        }[self.outcome]

    def _remedy(self) -> str | None:
        return {
            "another-method": f"Label the mode {self.declared}.",
            "unknown": "Ask the server directly instead of through a gateway, so that /server_info or /metrics can be "
            "read.",
            "inferred": "Let evalkit reach /server_info (or vLLM's /metrics), or set items.serving.accept_inferred: "
            "true.",
        }.get(self.outcome, self.cause)


class BlockLoop(Values):
    outcome: Literal["block-loop"] = "block-loop"
    mode: str
    declared_why: str | None = None
    observed_why: str | None = None

    def words(self) -> Words:
        shown = self.declared_why or "what was seen"
        text = f"AR by name, a block loop by {shown}: for speed only, no quality baseline"
        return Words(f"{text}.", self.observed_why)


class Shapes(Values):
    """Replies of one mode by how they came: token by token, or several tokens at a time."""

    outcome: Literal["mixed", "unlike-scored", "slower-scored", "longer-scored", "slower-timed", "longer-timed"]
    mode: str
    baseline: str | None = None
    timed: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    scored: dict[str, int] = {}  # noqa: RUF012
    timed_ms: float | None = None
    scored_ms: float | None = None

    def words(self) -> Words:
        timed, scored = _shapes(self.timed), _shapes(self.scored)
        match self.outcome:
            case "mixed":
                text = f"its replies came in two shapes: timed {timed}; scored {scored}"
            case "unlike-scored":
                text = f"the timed replies are unlike the scored ones: timed {timed}; scored {scored}"
            case "slower-scored":
                text = f"the scored replies took {self.scored_ms:.1f} ms a token, the timed ones {self.timed_ms:.1f} ms"
            case "longer-scored":
                text = (
                    f"the scored replies took {self.scored_ms:.0f} ms, timed ones of their length take "
                    f"{self.timed_ms:.0f} ms"
                )
            case "slower-timed":
                text = (
                    f"{self.baseline} took {self.timed_ms:.1f} ms a token while it was timed and "
                    f"{self.scored_ms:.1f} ms on the tasks"
                )
                return Words(f"{text}: the speed-up may be that of a slowed baseline.", text)
            case "longer-timed":
                text = (
                    f"the tasks took {self.baseline} {self.scored_ms:.0f} ms, timed replies of their length take "
                    f"{self.timed_ms:.0f} ms"
                )
                return Words(f"{text}: the speed-up may be that of a slowed baseline.", text)
        return Words(f"{text}: the evidence may be of two modes.", text)


def _shapes(counts: dict[str, int]) -> str:
    words = {"tokens": "token by token", "blocks": "several tokens at a time"}
    return ", ".join(f"{count} {words[name]}" for name, count in counts.items()) or "none that shows"


Counting = Literal[
    "drafts", "verify-not-counted", "no-verify-call", "no-draft-accepted", "autoregressive", "ar-drafts",
    "ar-denoises", "ar-block-loop", "ar-block-loop-declared", "steps-gain", "steps-gain-nothing", "rounds",
    "rounds-of-decoding", "nothing-against", "one-token-a-round", "fewer-than-replied", "too-few",
]  # fmt: skip


class Corroborated(Values):
    """What the server's own counters grew by. `basis`: the outcome that a remark is added to."""

    outcome: Counting = "too-few"
    basis: Counting | None = None
    mode: str
    tokens: float
    verify_calls: float | None = None
    denoising_steps: float | None = None
    decode_rounds: float = 0.0
    prefill_rounds: float = 0.0
    #: tokens for each verify call or denoising step, and about how many for each round
    each: float | None = None
    each_round: float | None = None
    #: tokens that the replies carried
    received: int | None = None

    def data(self) -> dict[str, object]:
        return self.model_dump(mode="json", exclude={"outcome", "basis", "mode", "each_round", "received"})

    def words(self) -> Words:
        tokens = f"{self.tokens:,.0f} tokens"
        if self.outcome == "too-few":
            return Words(f"the server's counters say too little: {tokens} while evalkit measured.")
        text = self._text(self.basis or self.outcome)
        if self.outcome == "one-token-a-round":
            text += f"; about {self.each_round or 0:.2f} tokens a denoising round, no more than plain decoding brings: "
            text += "see the threshold"
        if self.outcome == "fewer-than-replied":
            text += f", fewer than the {self.received or 0:,} that its replies carried: other processes answer too"
        return Words(f"{tokens} counted, {text}.")

    def _text(self, outcome: Counting) -> str:
        each, calls, steps = (
            f"{self.each or 0:.2f}",
            f"{self.verify_calls or 0:,.0f}",
            f"{self.denoising_steps or 0:,.0f}",
        )
        decode, prefill = self.decode_rounds, self.prefill_rounds
        return {
            "drafts": f"{calls} verify calls: {each} tokens each",
            "verify-not-counted": "verify calls are not counted by this version",
            "no-verify-call": "no verify call: the drafter never ran",
            "no-draft-accepted": f"{each} a verify call: no draft is accepted",
            "autoregressive": "no verify call and no denoising step",
            "ar-drafts": f"{calls} verify calls: a drafter is at work",
            "ar-denoises": f"{steps} denoising steps: this is diffusion",
            "ar-block-loop": f"{prefill:,.0f} rounds of the block loop and none of plain decoding",
            "ar-block-loop-declared": f"{prefill:,.0f} rounds of the block loop and none of plain decoding",
            "steps-gain": f"{each} a denoising step",
            "steps-gain-nothing": f"{each} a denoising step: a forward brings one token, as without diffusion",
            "rounds": f"{decode + prefill:,.0f} scheduler rounds, the prompts' included",
            "rounds-of-decoding": f"{decode:,.0f} decoding rounds: counted as autoregressive decoding",
            "nothing-against": "no counter contradicts the mode",
        }[outcome]


class ForwardPasses(Values):
    """Tokens a forward pass by the server's statistics file. `accepted`: share of drafts; `least`: what is asked."""

    outcome: Literal["gains", "too-few", "not-used"]
    mode: str
    tokens: int = 0
    forward_passes: int = 0
    tokens_per_forward: float | None = None
    accepted: float | None = None
    least: float | None = None
    why: str | None = None

    def words(self) -> Words:
        if self.outcome == "not-used":
            remedy = "Run evalkit on the server's machine, and set stats_file in the algorithm's YAML to the same path."
            why = self.why or "it reports no forward pass"
            return Words(f"the statistics file was not used: {why}.", remedy=remedy)
        each = f"{self.tokens_per_forward or 0:.2f}"
        text = f"{fmt.tokens(self.tokens)} in {self.forward_passes:,} forward passes: {each} each ({FORK_COUNTS})"
        text += f", {fmt.share(self.accepted, 0)} of the drafts accepted" if self.accepted is not None else ""
        if self.outcome == "too-few":
            text += f", fewer than {self.least:g}" if self.least is not None else ""
            text += ": the drafter (adapter) is probably not loaded"
        least = None if self.least is None else f"{self.least:g}"
        return Words(f"{text}.", f"{each} tokens a forward pass", least)


class Parallel(Values):
    """How many requests the server runs at a time. `level` decides; `highest` is the highest that is measured."""

    outcome: Literal["enough", "below-highest", "below-deciding", "not-reported", "one-needed"]
    mode: str
    limit: int | None = None
    level: int
    highest: int
    detail: str = ""

    def words(self) -> Words:
        level = str(self.level)
        if self.limit is None:
            text = f"the server reports no limit of running requests; the deciding concurrency is {level}"
            return Words(f"{text}.", threshold=level)
        text = f"the server runs {self.limit} requests at a time{_within(self.detail)}"
        text += f"; the deciding concurrency is {level}, the highest {self.highest}"
        return Words(f"{text}.", str(self.limit), level)


class Streaming(Values):
    outcome: Literal["counted", "without-counts", "one-piece", "not-seen"]
    mode: str
    detail: str = ""
    why: str | None = None

    def words(self) -> Words:
        text = {
            "counted": "each event carries the count of tokens so far",
            "without-counts": f"it streams{_within(self.detail)}, without counts on the events",
            "one-piece": "the reply came in one piece",
            "not-seen": f"streaming was not seen: {self.why or 'no stream was tried'}",
        }[self.outcome]
        return Words(f"{text}.")


class Sampling(Values):
    """Different replies at a temperature, of `draws`. `asked`: the checklist's temperature; `tried`: the probe's."""

    outcome: Literal[
        "honoured", "one-at-production", "ignored", "ignored-unasked", "not-honoured", "not-honoured-unasked",
        "not-sampled", "not-probed",
    ]  # fmt: skip
    mode: str
    asked: float
    draws: int = 0
    at_one: int = 0
    at_zero: int = 0
    at_asked: int | None = None
    tried: float | None = None
    detail: str = ""

    def words(self) -> Words:
        match self.outcome:
            case "not-sampled":
                return Words("temperature 0 is asked, nothing is sampled.")
            case "not-probed":
                remedy = "Run again without a budget that cuts the sampling probe (10 short requests a mode)."
                return Words("sampling was not probed.", remedy=remedy)
            case "not-honoured" | "not-honoured-unasked":
                text = f"temperature is not honoured{_within(self.detail)}; {self.asked:g} is asked"
                return Words(f"{text}.")
        text = f"{self.at_one} different replies of {self.draws} at temperature 1, {self.at_zero} at 0"
        if self.at_asked is not None:
            text += f", {self.at_asked} at production's {self.tried:g}"
        ignored = self.outcome in ("ignored", "ignored-unasked")
        return Words(f"{text}: temperature is ignored." if ignored else f"{text}.")


class Tools(Values):
    outcome: Literal["parsed", "not-parsed", "not-reported"]
    mode: str
    detail: str = ""

    def words(self) -> Words:
        if self.outcome == "not-reported":
            text = "whether tool calls are parsed is not known; the suite's own replies show it"
        else:
            text = f"tool calls are {'parsed' if self.outcome == 'parsed' else 'not parsed'}{_within(self.detail)}"
        return Words(f"{text}.")


#: asked by name: what is said where it works, and where it does not
_ASKED = {
    "ignore_eos": ("ignore_eos is honoured", "ignore_eos is not honoured"),
    "json_schema": ("a JSON schema is enforced", "a JSON schema is not enforced"),
    "logprobs": ("log probabilities are returned", "log probabilities are not returned"),
    "seed": ("a seed is accepted", "a seed is refused"),
    "template_tokens": ("a chat template is applied", "no chat template is applied"),
    "mask_text": ("a prompt with mask text is answered", "a prompt with mask text is not answered"),
    "stop_inside_block": ("a stop string ends a reply inside a block", "a stop string inside a block is ignored"),
    "odd_max_tokens": ("max_tokens binds inside a block", "max_tokens does not bind inside a block"),
    "context_enforced": ("a request over the context limit is refused", "a request over the context limit is accepted"),
}


class Asked(Values):
    """A capability that was asked by name and decides nothing by itself."""

    outcome: Literal["yes", "no", "not-known"]
    mode: str
    capability: str
    detail: str = ""

    def words(self) -> Words:
        yes, no = _ASKED[self.capability]
        text = {"yes": yes, "no": no, "not-known": f"whether {yes} is not known"}[self.outcome]
        return Words(f"{text}{_within(self.detail)}.")


class Preflight(Values):
    """What was known to conflict before the first timed request. `mode` None: in the whole run."""

    outcome: Literal["clear", "conflicts", "stopped"]
    mode: str | None = None
    conflicts: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        return {"conflicts": list(self.conflicts)} if self.conflicts else {}

    def words(self) -> Words:
        whole = "" if self.mode else "the run: "
        if self.outcome == "clear":
            return Words(f"{whole}no requested feature is known to be unsupported.")
        stopped = "not measured, as " if self.outcome == "stopped" else ""
        return Words(f"{whole}{stopped}{'; '.join(self.conflicts)}.", remedy=f"{capital('; '.join(self.remedies))}.")


class Soak(Values):
    """What load, disconnects and idling did to the server. `leak`: growth of the KV pool's use, as a share of it."""

    outcome: Literal[
        "steady", "too-short", "memory-drifts", "memory-unknown", "failed", "wrong-after-idle", "leaks", "not-shown",
        "not-run",
    ]  # fmt: skip
    mode: str
    soak: StabilityFacts | None = None
    leak: float | None = None

    def data(self) -> dict[str, object]:
        return self.soak.model_dump() if self.soak else {}

    def words(self) -> Words:
        soak = self.soak
        if soak is None:
            remedy = "Run again with --resume and enough budget for the soak."
            return Words("the soak was not run.", remedy=remedy)
        text = (
            f"{soak.requests:,} requests in {soak.minutes:g} min, {soak.failed} failed, "
            f"{fmt.plural(soak.disconnects, 'disconnect')}, {soak.idle_s:g} s idle, "
            f"answer after it {'right' if soak.right_after else 'not right'}"
        )
        text += ", KV use not reported" if self.leak is None else f", KV use {fmt.difference(self.leak)}"
        if self.leak is not None and not soak.flushed:
            text += " (cache included, as it could not be emptied)"
        if self.outcome in ("failed", "wrong-after-idle", "leaks") and soak.detail and soak.failed:
            text += f" ({soak.detail})"
        return Words(f"{text}.")
