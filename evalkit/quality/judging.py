"""Asks the judge, where a checklist names one, about the stored replies of cases with `rubric` or `prefer`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from evalkit.client.types import ChatClient, ChatRequest, Target
from evalkit.limits import GIVE_UP_AFTER
from evalkit.quality import judge_prompt as prompts
from evalkit.quality.case import Case, Suite
from evalkit.quality.facts import Answer, Judgement

MAX_TOKENS = 400


@dataclass(frozen=True)
class Question:
    """One reply that is to be judged; `base` is the baseline's reply to the same case."""

    answer: Answer
    base: Answer | None
    case: Case
    index: int

    @property
    def key(self) -> str:
        return f"{self.answer.mode}|{self.answer.suite}|{self.answer.case_id}|{self.index}"

    @property
    def grader(self) -> str:
        return self.case.expect[self.index].grader


def open_questions(
    answers: Iterable[Answer], suites: Sequence[Suite], *, baseline: str, done: set[str]
) -> Iterator[Question]:
    """First replies that have not been judged: by rubric in every mode, by preference next to the baseline's."""
    first = {
        (one.mode, one.suite, one.case_id): one
        for one in answers
        if one.repeat == 0 and one.streamed and one.exchange.ok and one.exchange.text.strip()
    }
    by_name = {suite.name: suite for suite in suites}
    for (mode, suite, case_id), one in first.items():
        case = by_name[suite].by_id.get(case_id) if suite in by_name else None
        for index, expectation in enumerate(case.expect if case else ()):
            if case is None or expectation.grader not in ("rubric", "prefer"):
                continue
            base = first.get((baseline, suite, case_id))
            question = Question(one, base, case, index)
            if question.key in done or (expectation.grader == "prefer" and (mode == baseline or base is None)):
                continue
            yield question


async def judge(
    questions: Iterable[Question], target: Target, client: ChatClient, on_judgement: Callable[[Judgement], None]
) -> int:
    """Asks one question after the other; returns how many were put. A judge that does not answer is given up."""
    asked = silent = 0
    for question in questions:
        found = await (_rubric if question.grader == "rubric" else _prefer)(question, target, client)
        on_judgement(found)
        asked += 1
        silent = silent + 1 if (found.unscored or "").startswith("no reply") else 0
        if silent >= GIVE_UP_AFTER:
            break
    return asked


async def _ask(system: str, user: str, target: Target, client: ChatClient) -> tuple[str | None, str]:
    """The judge's text, or None and why there is none."""
    messages = ({"role": "system", "content": system}, {"role": "user", "content": user})
    reply = await client.chat(target, ChatRequest(messages=messages, max_tokens=MAX_TOKENS, stream=False))
    if not reply.ok:
        kind = reply.error.kind if reply.error else "unknown"
        status = f" {reply.error.status}" if reply.error and reply.error.status else ""
        return None, f"no reply: {kind}{status}"
    return reply.text, ""


def _judgement(question: Question, target: Target, system: str, asked: Sequence[str], **said: object) -> Judgement:
    one = question.answer
    return Judgement.model_validate(
        {
            "mode": one.mode, "suite": one.suite, "case_id": one.case_id, "grader": question.grader,
            "index": question.index, "judge": target.model, "reply_sha256": one.reply_sha256,
            "prompt_sha256": prompts.prompt_sha256(system, asked), **said,
        }
    )  # fmt: skip


async def _rubric(question: Question, target: Target, client: ChatClient) -> Judgement:
    asked = question.case.expect[question.index].params.questions
    user, place = prompts.rubric_prompt(question.case.prompt_text, question.answer.exchange.text, asked)
    text, why = await _ask(prompts.RUBRIC, user, target, client)
    read = why if text is None else prompts.read_rubric(text, len(asked), place)
    said: dict[str, object] = {"unscored": read} if isinstance(read, str) else {"answers": read}
    return _judgement(question, target, prompts.RUBRIC, asked, **said)


async def _prefer(question: Question, target: Target, client: ChatClient) -> Judgement:
    criterion = question.case.expect[question.index].params.criterion
    mine = question.answer.exchange.text
    theirs = question.base.exchange.text if question.base else ""
    orders: list[str] = []
    unscored = None
    for first, second, names in (
        (mine, theirs, {"A": "mode", "B": "baseline"}),
        (theirs, mine, {"A": "baseline", "B": "mode"}),
    ):
        user = prompts.prefer_prompt(question.case.prompt_text, first, second, criterion)
        text, why = await _ask(prompts.PREFER, user, target, client)
        better = None if text is None else prompts.read_preference(text)
        if better is None:
            unscored = why or "the judge's reply is not a verdict"
            break
        orders.append(names.get(better, "tie"))
    said: dict[str, object] = {"unscored": unscored} if unscored else {"orders": tuple(orders)}
    return _judgement(question, target, prompts.PREFER, [criterion], **said)
