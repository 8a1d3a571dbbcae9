"""What the quality item says of the replies themselves: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import Any, Literal

from evalkit.findings import Frozen, Values, Words
from evalkit.fmt import difference, margin, plural, ratio, share
from evalkit.items.quality.words import OnSuite


class Equivalence(Values):
    """Greedy replies that equal the baseline's. `noise_floor`: share in which the baseline equals itself. `low` and
    `high`: of the drop below it, near-ties counted as equal. `independent`: cases that count once.
    """

    outcome: Literal[
        "equal", "changed", "noisy", "noisy-and-few", "not-looked-up", "open", "no-noise-floor", "information",
        "other-model", "sampled",
    ]  # fmt: skip
    pairs: int | None = None
    equal: int | None = None
    noise_pairs: int | None = None
    noise: int | None = None
    independent: int | None = None
    match_rate: float | None = None
    noise_floor: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    near_ties: int | None = None
    no_ties: int | None = None
    not_looked_up: int | None = None
    first_divergences: tuple[dict[str, Any], ...] | None = None
    least_cases: int | None = None
    #: of the baseline with itself, below which equality of text carries no weight
    noisy_below: float | None = None
    #: share that may still differ where no reply does
    may_differ: float | None = None

    def words(self) -> Words:
        match self.outcome:
            case "information":
                text = f"{self.equal} of {self.pairs} replies equal the baseline's"
                if self.noise_pairs:
                    text += f" (the baseline its own in {share((self.noise or 0) / self.noise_pairs)})"
                return Words(f"{text}; diffusion draws differently, so this is information.")
            case "other-model":
                return Words("text equality does not apply: the baseline is another model.")
            case "sampled":
                return Words("text equality does not apply: all cases are sampled.")
            case "no-noise-floor":
                text = "the baseline's two readings are missing, so there is no noise floor to compare with."
                return Words(text, remedy="resume the run: the baseline answers each case twice")
        end, remedy = self._decided()
        text = self._figures() + (f": {end}" if end else "")
        allowed = f"{share(self.noise_floor)} − {margin(self.margin or 0.0)}, near-ties counted as equal"
        return Words(f"{text}.", share(self.match_rate), allowed, remedy)

    def _figures(self) -> str:
        pairs, equal, alone = self.pairs or 0, self.equal or 0, self.independent or 0
        apart = f" ({alone} cases are independent)" if alone < pairs else ""
        text = f"{equal} of {pairs} greedy replies{apart} equal the baseline's; the baseline equals itself in "
        text += share(self.noise_floor)
        if equal == pairs:
            return f"{text} (up to {share(self.may_differ)} may still differ)"
        if self.first_divergences:
            first = self.first_divergences[0]
            text += f"; the earliest difference is at character {first['character'] + 1} of {first['case']}"
        looked = pairs - equal - (self.not_looked_up or 0)
        if looked:
            text += f"; {self.near_ties} of {plural(looked, 'difference')} looked up are near-ties of the baseline"
        return text

    def _decided(self) -> tuple[str | None, str | None]:
        least, below, allowed = self.least_cases, share(self.noisy_below), margin(self.margin or 0.0)
        match self.outcome:
            case "noisy-and-few":
                return f"below {below} on so few cases: neither noise nor a change of text is shown", (
                    f"compare at least {least} greedy replies, so that the baseline's own noise is known"
                )
            case "noisy":
                return f"below {below}, so equality of text carries no weight here", None
            case "changed":
                text = f"speculation changes the text by more than the margin of {allowed}, where the baseline is sure"
                return text, None
            case "not-looked-up":
                return "whether the differences are near-ties or faults is not known", (
                    "serve the baseline so that it returns logprobs (they tell near-ties from faults), serve both with "
                    "deterministic kernels, or raise items.quality.match_margin: the tasks still decide"
                )
            case "open":
                return f"not decided at a margin of {allowed}", (
                    f"compare more greedy replies (at least {least} cases, without a difference), or raise match_margin"
                )
        return None, None


class Degeneration(OnSuite):
    """Replies with each sign of falling apart, of `replies` in both modes; `cases`: the first of them."""

    outcome: Literal["as-sound", "more", "over-margin", "open", "no-replies"]
    margin: float
    replies: int = 0
    mode_counts: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    baseline_counts: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    examples: tuple[dict[str, Any], ...] = ()

    def data(self) -> dict[str, object]:
        """The examples as `cases`, as ever."""
        data = super().data()
        return {**data, "cases": data.pop("examples")}

    def words(self) -> Words:
        if self.outcome == "no-replies":
            return Words(f"{self.suite}: no reply of both modes to look at.")
        counts = ((sign, n, self.baseline_counts.get(sign, 0)) for sign, n in self.mode_counts.items())
        named = ", ".join(f"{n} {sign} (baseline {base})" for sign, n, base in counts if n or base) or "no sign of it"
        end = {
            "over-margin": f": more than the margin of {margin(self.margin)} over the baseline",
            "open": ": more than in the baseline, and too few cases to show by how much",
        }.get(self.outcome, "")
        text = f"{self.suite}: in {self.replies} replies {named}{end}."
        return Words(text, named, f"at most {margin(self.margin)} more than the baseline")


class LengthHonesty(Values):
    """`ratio`: geometric mean of reply lengths, mode over baseline."""

    outcome: Literal["alike", "apart", "apart-unasked", "same-unasked", "too-few"]
    pairs: int | None = None
    #: cases whose reply is word for word that to another case, of mode and baseline, where that decides
    same: int | None = None
    baseline_same: int | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    def words(self) -> Words:
        if self.outcome == "too-few":
            return Words("fewer than two cases have replies in both modes.")
        text = f"replies are {ratio(self.ratio)} as long as the baseline's ({self.low:.2f} to {self.high:.2f}, "
        text += plural(self.pairs or 0, "case") + ")"
        if self.outcome == "apart":
            text += ": tokens per second of the two are not comparable"
        if self.outcome == "apart-unasked":
            text += ": other replies, and no suite asks for more than a reply that answers nothing"
        if self.outcome == "same-unasked":
            text += (
                f": {self.same} are word for word a reply to another case ({self.baseline_same} of the baseline's), "
            )
            text += "and no suite asks for more than a reply that answers nothing"
        return Words(f"{text}.", ratio(self.ratio), "0.8 to 1.25")


class ByPosition(OnSuite):
    """Share of right parts by third. `last_third`: difference there, with its interval; `growth`: along the reply."""

    outcome: Literal["even", "grows", "end-lost"]
    margin: float
    replies: int
    by_third: tuple[float, ...]
    baseline_by_third: tuple[float, ...]
    last_third: float
    low: float
    high: float
    growth_low: float
    growth_high: float

    def words(self) -> Words:
        shown, before = (", ".join(map(share, each)) for each in (self.by_third, self.baseline_by_third))
        text = f"{self.suite}: {shown} right in the first, middle and last third of {self.replies} replies"
        text += f" (baseline {before})"
        text += {
            "end-lost": f": the end loses the margin of {margin(self.margin)} or more",
            "grows": ": the loss grows along the reply",
            "even": "",
        }[self.outcome]
        return Words(f"{text}.", difference(self.last_third), f"loss in the last third under {margin(self.margin)}")


class Judged(Values):
    """Answers and preferences of the judge. `flipped`: verdicts that changed with the order of the two replies."""

    outcome: Literal["clear", "unclear", "not-configured", "not-asked"]
    is_baseline: bool = False
    judge: str | None = None
    judges: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    questions: int = 0
    yes: int = 0
    baseline_questions: int = 0
    baseline_yes: int = 0
    compared: int = 0
    better: int = 0
    worse: int = 0
    ties: int = 0
    flipped: int = 0
    unscored: int = 0
    why_unscored: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults

    def data(self) -> dict[str, object]:
        return super().data() if self.judge is not None else {}

    def words(self) -> Words:
        if self.outcome == "not-configured":
            return Words("no judge was asked: none is configured.")
        if self.outcome == "not-asked":
            return Words("no judge was asked: none answered in this run.")
        parts = []
        if self.questions:
            parts.append(f"{self.yes} of {plural(self.questions, 'question')} answered yes")
            if not self.is_baseline and self.baseline_questions:
                parts.append(f"{self.baseline_yes} of {self.baseline_questions} in the baseline")
        if self.compared:
            turned = f"{plural(self.flipped, 'verdict')} flipped with the order"
            preferred = f"preferred in {self.better} of {plural(self.compared, 'comparison')}"
            parts.append(f"{preferred}, the baseline in {self.worse}, {self.ties} ties ({turned})")
        if self.unscored:
            parts.append(f"{self.unscored} without a verdict")
        return Words(f"the judge {self.judge}: {'; '.join(parts)}.")


class ToolsAvailable(Values):
    """`cases`: those that should call. `intact`: replies that hold a whole call as text."""

    outcome: Literal["available", "refused", "not-parsed", "not-reached"]
    suite: str
    cases: int
    answered: int = 0
    calls: int | None = None
    intact: int | None = None
    status: int | None = None
    message: str | None = None

    def words(self) -> Words:
        match self.outcome:
            case "available":
                text = f"{self.calls} calls in {self.answered} replies that should hold one"
            case "refused":
                what = f"HTTP {self.status}: {self.message}" if self.status else "an error"
                text = f"the server refuses requests with tools ({what})"
            case "not-parsed":
                text = f"{self.intact} of {self.answered} replies hold a whole call as text: the server parses no tool "
                text += "calls"
            case "not-reached":
                text = f"no reply of {self.answered} calls a tool or tries to: tools do not seem to reach the model"
        return Words(f"{self.suite}: {text}.")


class StreamParity(Values):
    """Cases that pass in one way of asking alone; `lost` and `gained` count all of them."""

    outcome: Literal["alike", "lost-in-stream"]
    suite: str
    pairs: int
    lost_in_stream: tuple[str, ...] = ()
    lost_unstreamed: tuple[str, ...] = ()
    lost: int
    gained: int

    def words(self) -> Words:
        text = f"{self.suite}: {self.lost} of {plural(self.pairs, 'case')} pass unstreamed and fail streamed"
        text += f" ({self.gained} the other way)"
        if self.outcome == "lost-in-stream":
            text += ": the stream's tool parser loses calls"
        return Words(f"{text}.", difference((self.gained - self.lost) / self.pairs))


class ToolRates(Frozen):
    """Of the replies to requests with tools: outcomes, what of the calls was right, and abstentions."""

    call: int = 0
    text: int = 0
    malformed: int = 0
    truncated: int = 0
    asked: int = 0
    schema_valid: int = 0
    right_function: int = 0
    right_arguments: int = 0
    none_wanted: int = 0
    abstained: int = 0
    #: what was asked, what was called instead, and how often
    confused: tuple[dict[str, Any], ...] = ()

    def outcomes(self) -> dict[str, int]:
        return {"call": self.call, "text": self.text, "malformed": self.malformed, "truncated": self.truncated}


class ToolOutcomes(Values):
    outcome: Literal["as-sound", "more-malformed"]
    suite: str
    replies: int
    rates: ToolRates
    #: of the baseline, where it is another mode; `baseline_replies` 0: it has none
    baseline: ToolRates | None = None
    baseline_replies: int = 0

    def data(self) -> dict[str, object]:
        found = {"suite": self.suite, "replies": self.replies, **self.rates.model_dump(mode="json")}
        return found | ({"baseline": self.baseline.model_dump(mode="json")} if self.baseline else {})

    def words(self) -> Words:
        mine = self.rates
        text = (
            f"{self.suite}: {', '.join(f'{n} {name}' for name, n in mine.outcomes().items())} in {self.replies} replies"
        )
        if self.baseline and self.baseline_replies:
            text += f" (baseline {', '.join(map(str, self.baseline.outcomes().values()))})"
        if mine.asked:
            valid, function, arguments = (
                share(n / mine.asked) for n in (mine.schema_valid, mine.right_function, mine.right_arguments)
            )
            text += f"; of {mine.asked} that should call, {valid} are valid calls, {function} of the right function, "
            text += f"{arguments} with the right arguments"
        if mine.none_wanted:
            text += f"; {mine.abstained} of {mine.none_wanted} that should not call abstain"
        return Words(f"{text}.", share(mine.malformed / self.replies))


class ToolLoops(Values):
    """Second steps after a failed call: how many repeat a call word for word, call otherwise, or answer in text."""

    outcome: Literal["none-repeated", "some-repeated", "repeats-more"]
    steps: int
    repeated: int
    otherwise: int
    text: int
    baseline: str | None = None
    baseline_steps: int = 0
    baseline_repeated: int = 0

    def words(self) -> Words:
        text = (
            f"after a failed tool call {self.repeated} of {self.steps} replies "
            f"repeat the same call, {self.otherwise} call otherwise, {self.text} answer in text"
        )
        if self.baseline is not None:
            text += f"; {self.baseline} repeats {self.baseline_repeated} of {self.baseline_steps}"
        if self.outcome == "repeats-more":
            text += ", which is less beyond chance"
        return Words(f"{text}.", share(self.repeated / self.steps))
