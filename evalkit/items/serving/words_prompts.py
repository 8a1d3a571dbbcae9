"""What the serving item says of the prompts that servers read: typed values, and the sentences made of them."""

from __future__ import annotations

from typing import Literal

from evalkit import fmt
from evalkit.findings import Values, Words


class PromptsRead(Values):
    """How much of the prompts a server counted. `tokens` and `other_tokens` are of the prompt with the largest
    difference, `fewer` of `prompts` were counted in part; `characters` are those of the longest prompt.
    """

    outcome: Literal["same", "fewer-timed", "fewer-loaded", "fewer-scored", "cut", "not-counted"]
    mode: str
    baseline: str | None = None
    prompts: int = 0
    fewer: int = 0
    tokens: int | None = None
    other_tokens: int | None = None
    characters: int | None = None

    def words(self) -> Words:
        own, other = self.tokens or 0, self.other_tokens or 0
        observed = f"{own:,} of {other:,} tokens"
        match self.outcome:
            case "same":
                return Words(f"both servers count the same length for {fmt.plural(self.prompts, 'prompt')}.")
            case "fewer-timed":
                text = (
                    f"its server counts fewer tokens than {self.baseline} for {self.fewer} of {self.prompts} timed "
                    f"prompts, {own:,} instead of {other:,} in one: it may read less, and then its times are of less "
                    "work."
                )
                return Words(text, observed)
            case "fewer-loaded":
                text = (
                    f"under open load its server counts {own:,} tokens of prompt a request, that of {self.baseline} "
                    f"{other:,}: it may read less, and then its times are of less work."
                )
                return Words(text, observed)
            case "fewer-scored":
                text = (
                    f"the server of {self.baseline} counts fewer tokens than {self.mode} for {self.fewer} of "
                    f"{self.prompts} cases, {own:,} instead of {other:,} in one: the baseline may read less, and then "
                    "passes less than it could."
                )
                return Words(text, observed)
            case "cut":
                text = (
                    f"the longest prompt has {self.characters or 0:,} characters, and the server of {self.baseline} "
                    f"counts at most {own:,} tokens of any: it may cut prompts off."
                )
                return Words(text, f"{own:,} tokens")
            case "not-counted":
                return Words("no prompt was counted by both servers, so that each read all of it is not shown.")
