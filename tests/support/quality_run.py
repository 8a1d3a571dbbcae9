"""Facts of a run with answers and timed requests, seeded: what findings on texts and times are tested against."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime

from evalkit.checklist.schema import Checklist
from evalkit.client.types import ChatRequest, Exchange, ToolCall
from evalkit.facts import Facts, RunEnd, RunStart
from evalkit.hub.facts import CandidateFacts
from evalkit.quality.case import Case
from evalkit.quality.degeneration import signals
from evalkit.quality.facts import Answer, Grade, SuiteFacts
from evalkit.timing.facts import ClientError, PromptFacts, TimedSample

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODES = ("autoregressive", "diffusion", "self-speculation")
WORDS = (
    "the",
    "river",
    "carries",
    "amber",
    "lanterns",
    "past",
    "quiet",
    "harbours",
    "while",
    "seven",
    "otters",
    "argue",
    "about",
    "copper",
    "kettles",
)
CHECKLIST = Checklist.model_validate(
    {
        "candidate": {"model": "org/model", "revision": COMMIT},
        "modes": {mode: {"endpoint": f"http://127.0.0.1:3000{n}"} for n, mode in enumerate(MODES)},
        "request": {"system": "the private system prompt of the team"},
        "prompts": ["/home/someone/private/prompts.jsonl"],
        "tasks": ["tasks/long.yaml"],
    }
)
ELSEWHERE = {"not_applicable": {"reason": "decided elsewhere"}}
#: speed and quality alone decide, so that a run of constructed facts can end in GO
DECIDING = Checklist.model_validate(
    CHECKLIST.model_dump(mode="json")
    | {
        "items": {
            "license": ELSEWHERE,
            "hardware": ELSEWHERE,
            "serving": ELSEWHERE,
            "context": ELSEWHERE,
            "modes": {"speedup": {"at_least": 1.3}},
            "quality": {"margin": {"default": 0.1, "tools": 0.1, "long": 0.1}},
        }
    }
)


def reply(noise: random.Random, fault: str, words: int) -> str:
    order = [w for _ in range(words // len(WORDS) + 1) for w in noise.sample(WORDS, len(WORDS))][:words]
    text = " ".join(w for n, w in enumerate(order) if not n or order[n - 1] != w)
    broken = {
        "loop": f"{text} " + "and so it goes on again and " * 30,
        "doubled": " ".join(f"{word} {word}" for word in text.split()),
        "special": f"{text} <|mask|>",
        "empty": "",
    }
    return broken.get(fault, text)


def answer(
    mode: str,
    case_id: str,
    text: str,
    *,
    counted: bool = True,
    passed: bool = True,
    kind: str = "long",
    repeat: int = 0,
) -> Answer:
    calls = (ToolCall(name="find_otter", arguments=f'{{"q": "{text[:12]}"}}'),) if kind == "tools" else ()
    exchange = Exchange(
        ok=True,
        text=text,
        reasoning=f"thinking {text[:20]}",
        tool_calls=calls,
        finish_reason="stop",
        completion_tokens=len(text.split()) if counted else None,
        first_chunk_us=9000,
        done_us=90_000,
        chunks=((9000, 1), (90_000, len(text.split()) or 1)),
    )
    prompt = f"the private prompt of {case_id}"
    case = Case(id=case_id, request=ChatRequest(messages=({"role": "user", "content": prompt},)), expect=())
    grade = Grade(
        grader="length",
        passed=passed,
        reason="" if passed else f"quotes {text[:30]!r}",
        detail={
            "achieved": len(text.split()),
            "asked": 60,
            "unit": "words",
            "quoted": text[:30],
            "by_third": [1, 0.5, 0],
        },
    )
    return Answer(
        mode=mode,
        suite=f"s-{kind}",
        kind=kind,
        case_id=case_id,
        repeat=repeat,
        request_sha256=hashlib.sha256(prompt.encode()).hexdigest(),
        exchange=exchange,
        grades=(grade,),
        passed=passed,
        prompt_preview=prompt,
        signals=signals(exchange, case),
        reply_sha256=hashlib.sha256(text.encode()).hexdigest(),
        max_tokens=256,
    )


def timed(
    mode: str, prompt: int, repeat: int, ms: float, text: str, *, concurrency: int = 1, chunks: int = 6
) -> TimedSample:
    exchange = Exchange(
        ok=True,
        text=text,
        completion_tokens=8 * chunks,
        finish_reason="stop",
        first_chunk_us=int(100 * ms),
        first_visible_us=int(100 * ms),
        last_chunk_us=int(1000 * ms),
        done_us=int(1000 * ms),
        chunks=tuple((int(ms * (100 + 900 * n / chunks)), 8 * (n + 1)) for n in range(chunks)),
        written_at="2026-11-24T09:30:00+00:00",
    )
    tags = ("short",) if prompt % 2 else ("long",)
    return TimedSample(
        mode=mode, concurrency=concurrency, prompt_id=f"p{prompt}", repeat=repeat, position=prompt, tags=tags,
        exchange=exchange,
    )  # fmt: skip


def run_facts(
    seed: int = 1, *, cases: int = 40, prompts: int = 30, faults: tuple[str, ...] = (), counted: bool = True,
    simulated: bool = False, speeds: tuple[float, ...] = (1.0, 1.6, 2.2),
) -> Facts:  # fmt: skip
    """Three modes, one suite of long answers and one of tools, timed prompts twice each."""
    noise = random.Random(seed)
    answers = []
    for kind in ("long", "tools"):
        for n in range(cases):
            text = reply(noise, "", noise.randint(30, 80))
            answers.append(answer(MODES[0], f"c{n}", text, counted=counted, kind=kind, repeat=1))
            for mode in MODES:
                fault = noise.choice(faults) if faults and mode != MODES[0] and noise.random() < 0.3 else ""
                own = text if mode != "diffusion" else reply(noise, "", noise.randint(30, 80))
                said = reply(noise, fault, 40) if fault else own
                answers.append(answer(mode, f"c{n}", said, counted=counted, passed=fault != "special", kind=kind))
    samples = [
        timed(mode, n, repeat, (500 + 9 * n) / speed * noise.lognormvariate(0, 0.05), reply(noise, "", 40))
        for n in range(prompts)
        for repeat in range(2)
        for mode, speed in zip(MODES, speeds, strict=True)
    ]
    return Facts(
        start=RunStart(
            run_id="r1",
            started_at="2026-11-24T09:00:00+00:00",
            evalkit_version="0.1.0",
            plan_sha256="a" * 64,
            checklist_sha256="b" * 64,
            simulated=simulated,
            argv=("evalkit", "run", "/home/someone/private/checklist.yaml"),
        ),
        end=RunEnd(finished_at="2026-11-24T10:00:00+00:00"),
        candidates=(CandidateFacts(model="org/model", revision=COMMIT),),
        prompts=(
            PromptFacts(
                path="/home/someone/private/prompts.jsonl", sha256="c" * 64, count=prompts, shipped=False,
                longest_chars=90, max_tokens=256,
            ),
        ),
        suites=tuple(
            SuiteFacts(name=f"s-{kind}", kind=kind, path=f"/home/someone/tasks/{kind}.yaml", sha256="d" * 64, cases=cases)
            for kind in ("long", "tools")
        ),
        client_errors=(
            ClientError(
                streams=1, events_per_s=50, ttft_error_ms=0.02, e2e_error_ms=0.02, e2e_error_share=1e-5,
                itl_error_share=1e-5, lag_p99_ms=0.9, events=50,
            ),
        ),
        timed=tuple(samples),
        answers=tuple(answers),
    )  # fmt: skip
