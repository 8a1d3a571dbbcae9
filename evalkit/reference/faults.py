"""The faults that a script can order. Each is off by default, independent of the others, and seeded per prompt."""

from __future__ import annotations

from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0, le=1)]


class Faults(BaseModel):
    """What goes wrong. A rate is the share of prompts it strikes: the same prompts at every run with the same seed,
    and a superset of them at a higher rate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # quality
    #: share of prompts answered wrongly
    error_rate: Rate = 0.0
    #: share of replies that are lists of `error_items` entries or more and are answered wrongly: a knee
    error_items_rate: Rate = 0.0
    error_items: int = Field(default=16, ge=2)
    #: share of prompts answered wrongly while `error_full` requests or more run
    error_full_rate: Rate = 0.0
    error_full: int = Field(default=2, ge=2)
    #: share of JSON replies that no longer parse
    corrupt_json_rate: Rate = 0.0
    #: share of long replies that fall into a loop and run to the token limit
    loop_on_long: Rate = 0.0
    #: from how many tokens on a reply is long
    long_tokens: int = Field(default=128, ge=1)
    #: every draw at temperature > 0 is the same
    ignore_temperature: bool = False
    #: share of prompts whose reply shows literal mask tokens
    leak_mask_tokens: Rate = 0.0
    #: share of tool calls that are not JSON, cut off, or empty
    malformed_tool_calls: Rate = 0.0
    #: streamed tool calls lose their arguments when the whole call arrives in one chunk, unstreamed ones do not
    lose_streamed_arguments: bool = False
    #: a request with a JSON schema is never answered, as SGLang 0.5.23 does on a dLLM
    hang_on_schema: bool = False
    #: tokens of a prose reply are multiplied by this
    length_factor: float = Field(default=1.0, gt=0, le=20)

    # context
    #: prompts above this many tokens are cut in front, without an error
    truncate_silently: int | None = Field(default=None, ge=16)
    #: share of the context, around its middle, from which no fact is recalled
    lose_middle: Rate = 0.0
    #: prompts of fewer tokens lose nothing
    lose_middle_from: int = Field(default=512, ge=0)

    # decoding
    #: speculation accepts one token a step
    accept_runs_all_one: bool = False
    #: declares autoregressive decoding (`ar_mode`) and runs the block loop, as NVIDIA's fork does
    block_loop_ar: bool = False
    #: join this many decoding steps into one event, as a lagging event loop does
    coalesce: int = Field(default=1, ge=1)

    # what a reply is worth
    #: every prose reply is this text instead
    says: str | None = None
    #: share of prose replies that are reasoning alone
    reasoning_only: Rate = 0.0
    #: share of prose replies that end after a third, as at a token limit
    cut_short: Rate = 0.0
    #: tokens of a reply as `usage` counts them, over the true number
    usage_factor: float = Field(default=1.0, gt=0, le=20)
    #: `finish_reason` of every reply; some servers write "" or "null" where they mean none
    end_word: str | None = None
    #: another model's name in every so many replies, as a router with a fallback writes it
    answers_as: str | None = None
    answers_as_every: int = Field(default=1, ge=1)

    # speed that is not decoding's
    #: a prompt that was asked before is answered in this share of the time, whatever is flushed
    remembers: float = Field(default=1.0, gt=0, le=1)
    #: such a prompt is known by its text, or by its last words (a cache by meaning: a salt in front changes nothing)
    remembers_by: Literal["text", "meaning"] = "text"
    #: prompts that begin with one of these words (by meaning: that hold one) were asked before the server started
    remembers_words: tuple[str, ...] = ()
    #: every reply takes longer than the one before, by this share
    fades: float = Field(default=0.0, ge=0, le=1)
    #: from this generation request on all takes `slower` times as long
    slow_after: int | None = Field(default=None, ge=0)
    slower: float = Field(default=4.0, gt=0, le=100)

    # process
    #: the server dies in the middle of the generation request after this many
    die_after_requests: int | None = Field(default=None, ge=0)
    #: with so many requests waiting, further ones are turned away with 503
    shed_above_waiting: int | None = Field(default=None, ge=0)
    #: with so many requests waiting the server dies
    die_above_waiting: int | None = Field(default=None, ge=1)


def fault_rng(seed: int, fault: str, key: str) -> Random:
    """Random numbers of one fault on one prompt; a string seeds the same in every process."""
    return Random(f"{seed}|{fault}|{key}")


def strikes(rate: float, seed: int, fault: str, key: str) -> bool:
    """Whether a fault hits this prompt: the draw does not depend on the rate, so higher rates add prompts."""
    return rate > 0 and fault_rng(seed, fault, key).random() < rate
