"""Quality in report.json: suites by mode, regressions, lengths."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class SuiteRow(TypedDict):
    """One task suite in one mode."""

    suite: NotRequired[str]
    """Its name."""
    kind: NotRequired[str]
    """chat, tools, long, structured or custom."""
    shipped: NotRequired[bool]
    """It came with evalkit."""
    mode: NotRequired[str]
    """The mode."""
    baseline: NotRequired[str | None]
    """What it is compared with; null for the baseline itself."""
    cases: NotRequired[int]
    """Cases planned."""
    scored: NotRequired[int]
    """Cases scored; the others failed to answer or could not be graded."""
    passed: NotRequired[float]
    """Cases passed; repeats count by their share."""
    share: NotRequired[float | None]
    """passed / scored."""
    baseline_share: NotRequired[float | None]
    """The same of the baseline."""
    difference: NotRequired[float | None]
    """Paired difference, mode minus baseline."""
    low: NotRequired[float | None]
    """Lower bound of its interval, one-sided."""
    high: NotRequired[float | None]
    """Upper bound, one-sided."""
    margin: NotRequired[float]
    """Largest acceptable loss."""
    status: NotRequired[Literal["pass", "fail", "inconclusive", "baseline"]]
    """What the interval says of the margin."""
    would_decide: NotRequired[int | None]
    """Cases with which it would be decided, if the shares stay."""
    harmed: NotRequired[int]
    """Cases that the baseline passed and the mode failed."""
    gained: NotRequired[int]
    """The reverse."""
    flaky: NotRequired[list[str]]
    """Cases whose repeats disagree."""
    by_third: NotRequired[list[float]]
    """Mean share by first, middle and last third of long replies."""
    signs: NotRequired[dict[str, Any]]
    """Replies with a sign of broken decoding, by sign."""


class Regression(TypedDict):
    """A case that the baseline passed and the mode failed."""

    suite: NotRequired[str]
    """Suite of the case."""
    kind: NotRequired[str]
    """Its kind."""
    case_id: NotRequired[str]
    """The case."""
    repeat: NotRequired[int]
    """Which repeat."""
    mode: NotRequired[str]
    """The mode that failed it."""
    baseline: NotRequired[str]
    """The mode that passed it."""
    severity: NotRequired[Literal["critical", "normal", "minor"]]
    """As the suite says."""
    tags: NotRequired[list[str]]
    """Tags of the case."""
    graders: NotRequired[list[str]]
    """Graders that failed."""
    finish_reason: NotRequired[str | None]
    """As the server says."""
    error: NotRequired[str | None]
    """Why the request failed, if it did."""
    reason: NotRequired[str]
    """What the graders said; absent when redacted."""
    prompt: NotRequired[str]
    """Start of the prompt; absent when redacted."""
    baseline_text: NotRequired[str]
    """The baseline's reply; absent when redacted."""
    mode_text: NotRequired[str]
    """The mode's reply; absent when redacted."""


class CaseRow(TypedDict):
    """One case in every mode."""

    suite: str
    """Suite of the case."""
    kind: str
    """Its kind."""
    case_id: str
    """The case."""
    severity: Literal["critical", "normal", "minor"]
    """As the suite says."""
    tags: list[str]
    """Tags of the case."""
    results: dict[str, float | None]
    """By mode: share of the scored repeats that pass, 1 without repeats; null: unscored."""
    lost: list[str]
    """Modes that pass it less often than the baseline does."""


class ModeReply(TypedDict):
    """What one mode answered to a case."""

    mode: str
    """The mode."""
    repeat: int
    """Which repeat is shown: the first that fails, else the first."""
    graders: list[str]
    """Graders that failed."""
    finish_reason: str | None
    """As the server says."""
    error: str | None
    """Why the request failed, if it did."""
    e2e_ms: float | None
    """End-to-end latency, ms."""
    reason: NotRequired[str]
    """What the graders said; absent when redacted."""
    text: NotRequired[str]
    """The reply, then its tool calls; absent when redacted."""


class CaseReplies(TypedDict):
    """The replies of all modes to one case."""

    suite: str
    """Suite of the case."""
    case_id: str
    """The case."""
    prompt: NotRequired[str]
    """Start of the prompt; absent when redacted."""
    modes: list[ModeReply]
    """One entry a mode that answered, in configured order."""


class Quality(TypedDict):
    """Suites and regressions."""

    suites: NotRequired[list[SuiteRow]]
    """One row a suite and mode, the baseline first."""
    harms_total: NotRequired[int]
    """Cases that the baseline passed and a mode failed."""
    harms: NotRequired[list[Regression]]
    """The first 60 of them, critical ones first."""
    cases_total: NotRequired[int]
    """Cases that some mode answered."""
    cases: NotRequired[list[CaseRow]]
    """The first 10,000 of them, worst first: lost against the baseline, failed, unscored, passed by all."""
    not_clean: NotRequired[int]
    """Cases that not every mode passes in every repeat."""
    replies: NotRequired[list[CaseReplies]]
    """Replies to the worst 150 of those. A quarter of the places is for cases that fail without being lost."""


class Length(TypedDict):
    """Length of replies against the length asked."""

    mode: NotRequired[str]
    """The mode."""
    asked: NotRequired[int]
    """Length asked."""
    unit: NotRequired[str | None]
    """Its unit."""
    n: NotRequired[int]
    """Replies."""
    median: NotRequired[float]
    """Median length achieved."""
    low: NotRequired[int]
    """Shortest."""
    high: NotRequired[int]
    """Longest."""
