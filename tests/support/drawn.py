"""Facts as a run could have collected them, drawn: what agreement and taint are tested on.

`runs()` draws a checklist and facts that go together. Structure and rates are drawn by hypothesis, so that an example
shrinks; the bulk (texts, times, which case passes) comes from a generator with a drawn seed.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any, NamedTuple

from hypothesis import strategies as st

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange, ExchangeError, ToolCall
from evalkit.facts import CollectError, Facts, RunEnd, RunStart, SkippedItem
from evalkit.findings import KnownBy
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.hub.facts import CandidateFacts, CardLicense, ContextLimits
from evalkit.modes import INCUMBENT
from evalkit.quality.facts import Alone, Answer, Grade, Judgement, Signals, SuiteFacts, ToolLoop
from evalkit.serving.context_facts import ContextProbe, ContextStep
from evalkit.serving.facts import (
    Afterwards,
    Capability,
    Conflict,
    EndpointFacts,
    ForwardStats,
    Identity,
    LaunchFacts,
    Preflight,
    ServerContext,
    ServerWarning,
    StabilityFacts,
)
from evalkit.timing.facts import CacheState, ClientError, PromptFacts, RepeatedSample, TimedSample

BASELINE = "autoregressive"
MODES = (BASELINE, "diffusion", "self-speculation")
KINDS = ("chat", "tools", "long", "structured")
GRADERS = ("json_match", "contains", "length", "max_repetition", "tool_calls")
CARDS = ("NVIDIA H100 80GB HBM3", "NVIDIA GB10", "NVIDIA L4", "a card that no table has")
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty", "knoll", "larch"]
STARTED, FINISHED = "2026-11-24T09:00:00+00:00", "2026-11-24T10:00:00+00:00"
rates = st.sampled_from((0.0, 0.0, 0.02, 0.1, 0.3, 1.0))


class Drawn(NamedTuple):
    checklist: Checklist
    facts: Facts


@st.composite
def runs(draw: st.DrawFn) -> Drawn:
    """A run of one to three modes, with an incumbent or not, whole or with gaps."""
    noise = random.Random(draw(st.integers(0, 1 << 32)))
    modes = MODES[: draw(st.integers(1, 3))]
    incumbent = draw(st.booleans())
    labels = (*modes, *((INCUMBENT,) if incumbent else ()))
    suites = draw(suites_of())
    need = draw(st.sampled_from((None, 512, 4096, 60_000)))
    replies = draw(answers(noise, labels, suites))
    facts = Facts(
        start=RunStart(
            run_id="r1", started_at=STARTED, evalkit_version="0.1.0", plan_sha256="a" * 64, checklist_sha256="b" * 64,
            simulated=draw(st.booleans()), argv=("evalkit", "run", "/home/someone/checklist.yaml"),
        ),
        end=draw(st.sampled_from((None, RunEnd(finished_at=FINISHED), RunEnd(finished_at=FINISHED, interrupted=True)))),
        candidates=(draw(candidates()),) if draw(st.booleans()) else (),
        hardware=draw(st.none() | hardware()),
        endpoints={label: draw(endpoints(label)) for label in labels if draw(st.integers(0, 9))},
        launches=tuple(draw(st.lists(launches(modes), max_size=2))),
        prompts=(PromptFacts(path="/home/someone/prompts.jsonl", sha256="c" * 64, count=24, shipped=False,
                             longest_chars=400, max_tokens=64),),
        suites=suites,
        client_errors=(ClientError(streams=1, events_per_s=50, ttft_error_ms=0.02, e2e_error_ms=0.02,
                                   e2e_error_share=1e-5, itl_error_share=1e-5, lag_p99_ms=0.9, events=50),),
        caches={m: CacheState(mode=m, method="flush", verified=True, detail=says(noise)) for m in modes[:1]},
        timed=(read := draw(timed(noise, labels))),
        repeated=tuple(RepeatedSample(**dict(one)) for one in read[:40]) if draw(st.booleans()) else (),
        answers=replies,
        tool_loops={one.key: one for one in (
            ToolLoop(mode=one.mode, suite=one.suite, case_id=one.case_id, exchange=one.exchange, asked=1, calls=1, same=1)
            for one in replies if one.repeat == 0 and one.streamed)},
        alone=tuple(Alone(**dict(one)) for one in replies if one.repeat == 0 and one.streamed),
        judgements=draw(judgements(noise, labels, suites)),
        context_probes={m: draw(probes(noise, m, need)) for m in modes if draw(st.booleans())},
        stability={m: StabilityFacts(mode=m, minutes=2, requests=80, failed=draw(st.integers(0, 3)), disconnects=0,
                                     idle_s=30, right_after=draw(st.sampled_from((True, False, None))),
                                     detail=says(noise)) for m in modes[-1:]},
        preflights={m: Preflight(mode=m, conflicts=(Conflict(mode=m, what=says(noise), remedy="start it otherwise",
                                                             certain=False),)) for m in modes[:1]},
        forwards=(ForwardStats(mode=modes[-1], lines=3, forward_passes=40, tokens=90, error=says(noise)),),
        afterwards=tuple(_afterwards(label, noise) for label in labels[:1]),
        errors=draw(st.sampled_from(((), (CollectError(item="serving", mode=modes[-1], summary=says(noise),
                                                       remedy="look at the server"),)))),
        skipped=draw(st.sampled_from(((), (SkippedItem(item="license", reason=says(noise)),)))),
    )  # fmt: skip
    return Drawn(checklist(draw, modes, incumbent=incumbent, need=need), facts)


def checklist(draw: st.DrawFn, modes: tuple[str, ...], *, incumbent: bool, need: int | None) -> Checklist:
    return Checklist.model_validate(
        {
            "name": "drawn",
            "candidate": {"model": "org/model"},
            "request": {"max_tokens": 64, "system": draw(st.sampled_from((None, "be brief")))},
            "modes": {mode: {"endpoint": f"http://127.0.0.1:3000{n}"} for n, mode in enumerate(modes)},
            "incumbent": {"endpoint": "http://127.0.0.1:3100"} if incumbent else None,
            "prompts": ["prompts.jsonl"],
            "tasks": ["tasks.yaml"],
            "items": {
                "modes": {"speedup": {"at_least": draw(st.sampled_from((1.0, 1.3)))}, "concurrency": [1, 4]},
                "quality": {
                    "margin": {"default": draw(st.sampled_from((0.03, 0.1)))},
                    "alone": draw(st.sampled_from((0, 9))),
                    "concurrency": draw(st.sampled_from((None, 4))),
                },
                "serving": {"stability": {"minutes": 2}},
                "context": {"need_tokens": need, "need_output_tokens": 64, "probe": True},
            },
        }
    )


@st.composite
def suites_of(draw: st.DrawFn) -> tuple[SuiteFacts, ...]:
    return tuple(
        SuiteFacts(
            name=f"suite {kind}", kind=kind, path=f"/home/someone/{kind}.yaml", sha256=hashlib.sha256(kind.encode()).hexdigest(),
            cases=draw(st.integers(1, 60)), repeats=draw(st.integers(1, 2)),
            critical=("c0",) if draw(st.booleans()) else (),
        )
        for kind in draw(st.lists(st.sampled_from(KINDS), max_size=2, unique=True))
    )  # fmt: skip


@st.composite
def answers(
    draw: st.DrawFn, noise: random.Random, labels: tuple[str, ...], suites: tuple[SuiteFacts, ...]
) -> tuple[Answer, ...]:
    """Replies case by case. Modes agree with the baseline but for drawn rates of loss, gaps and unscored cases."""
    found: list[Answer] = []
    for suite in suites:
        right = draw(st.sampled_from((1.0, 0.9, 0.6, 0.0)))
        #: cases that ask the same thing
        texts = draw(st.sampled_from((suite.cases, max(1, suite.cases // 5), 1)))
        passes = [noise.random() < right for _ in range(suite.cases)]
        for label in labels:
            lost, gone, unscored = (0.0, 0.0, 0.0) if label == BASELINE else (draw(rates), draw(rates), draw(rates))
            for n in range(suite.cases):
                for repeat in range(suite.repeats):
                    if noise.random() >= gone:
                        passed: bool | None = passes[n] and noise.random() >= lost
                        passed = None if noise.random() < unscored else passed
                        found.append(_answer(noise, suite, label, f"c{n}", repeat, passed, f"ask {n % texts}"))
    return tuple(found)


def _answer(
    noise: random.Random, suite: SuiteFacts, label: str, case: str, repeat: int, passed: bool | None, prompt: str
) -> Answer:
    text = says(noise, noise.randint(3, 14))
    grader = GRADERS[len(case) % len(GRADERS)]
    grades = (
        Grade(grader=grader, passed=passed, reason="" if passed else f"expected otherwise: {text}",
              detail={"achieved": len(text.split()), "asked": 10, "unit": "words", "quoted": text}),
        Grade(grader="max_repetition", passed=noise.random() > 0.1, reason=f"over: {text}", counts=False,
              detail={"over_baseline": 0.1, "rep4": 0.2}),
    )  # fmt: skip
    calls = (ToolCall(name="find", arguments=f'{{"q": "{text}"}}'),) if suite.kind == "tools" else ()
    return Answer(
        mode=label, suite=suite.name, kind=suite.kind, case_id=case, repeat=repeat, passed=passed, grades=grades,
        severity="critical" if case in suite.critical else "normal", tags=(suite.kind,),
        request_sha256=sha(prompt), asked_sha256=sha(prompt), reply_sha256=sha(text), prompt_preview=prompt,
        exchange=exchange(noise, text, calls), max_tokens=64, wants_call=suite.kind == "tools",
        tool_outcome="call" if calls else "text" if suite.kind == "tools" else None,
        signals=Signals(words=len(text.split()), special_tokens=("<|mask|>",) if noise.random() < 0.05 else (),
                        tail_loop=noise.choice((0.0, 0.0, 0.4)), rep4=0.1),
    )  # fmt: skip


def exchange(noise: random.Random, text: str, calls: tuple[ToolCall, ...] = (), ms: float = 80.0) -> Exchange:
    """A good reply, or once in twenty a failed one."""
    if noise.random() < 0.05:
        error = ExchangeError(kind="http", message=f"HTTP 400: cannot read {text}", status=400)
        return Exchange(ok=False, error=error, status=400)
    tokens = max(2, len(text.split()))
    return Exchange(
        ok=True, text=text, reasoning=f"thinking of {text}", tool_calls=calls, finish_reason="stop", status=200,
        prompt_tokens=20, completion_tokens=tokens, first_byte_us=900, first_chunk_us=int(100 * ms),
        first_visible_us=int(100 * ms), last_chunk_us=int(1000 * ms), done_us=int(1000 * ms),
        chunks=((int(100 * ms), 1), (int(1000 * ms), tokens)), written_at=STARTED,
    )  # fmt: skip


@st.composite
def timed(draw: st.DrawFn, noise: random.Random, labels: tuple[str, ...]) -> tuple[TimedSample, ...]:
    prompts, repeats = draw(st.integers(0, 26)), draw(st.integers(1, 2))
    levels = draw(st.sampled_from(((1,), (1, 4))))
    speeds = {label: draw(st.sampled_from((0.8, 1.0, 1.32, 2.5))) for label in labels}
    return tuple(
        TimedSample(
            mode=label, concurrency=level, prompt_id=f"p{n}", repeat=repeat, position=n, tags=("short", "long")[n % 2 :][:1],
            exchange=exchange(noise, says(noise, 8), ms=(300 + 9 * n) / speeds[label] * noise.lognormvariate(0, 0.05)),
        )
        for level in levels for n in range(prompts) for repeat in range(repeats) for label in labels
    )  # fmt: skip


@st.composite
def judgements(
    draw: st.DrawFn, noise: random.Random, labels: tuple[str, ...], suites: tuple[SuiteFacts, ...]
) -> tuple[Judgement, ...]:
    if not suites or not draw(st.booleans()):
        return ()
    return tuple(
        Judgement(mode=label, suite=suites[0].name, case_id="c0", grader="rubric", index=0, judge="judge",
                  prompt_sha256="e" * 64, reply_sha256=sha(label), answers=(True,), unscored=says(noise))
        for label in labels
    )  # fmt: skip


@st.composite
def candidates(draw: st.DrawFn) -> CandidateFacts:
    if not draw(st.integers(0, 4)):
        return CandidateFacts(model="org/model", error="it cannot be read", error_kind="network", hint="try again")
    config = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
              "intermediate_size": 14336, "vocab_size": 131072, "max_position_embeddings": 8192}  # fmt: skip
    return CandidateFacts(
        model="org/model", revision="0" * 40, architectures=("LlamaForCausalLM",), model_type="llama",
        card=CardLicense(license=("apache-2.0",), spdx="Apache-2.0"), config=config if draw(st.booleans()) else {},
        context=ContextLimits(config_max=draw(st.sampled_from((None, 2048, 8192))), config_source="max_position_embeddings",
                              rope_factor=draw(st.sampled_from((None, 4.0)))),
        notes=("config.json was read",),
    )  # fmt: skip


@st.composite
def hardware(draw: st.DrawFn) -> HardwareFacts:
    """Devices of which NVML reads the memory, or does not; slices; the processor."""
    cards = draw(st.lists(st.sampled_from(CARDS), max_size=3))
    gpus = tuple(
        Gpu(index=n, name=name, memory_total_bytes=draw(st.sampled_from((None, 24 << 30, 80 << 30))),
            mig=draw(st.sampled_from((None, False, True))), mig_of=draw(st.sampled_from((None, None, 0))))
        for n, name in enumerate(cards)
    )  # fmt: skip
    return HardwareFacts(
        known_by=KnownBy.OBSERVED, place="here", gpus=gpus, cpu="a processor", cores=8,
        memory_bytes=draw(st.sampled_from((None, 16 << 30, 128 << 30))), cpu_only=not gpus and draw(st.booleans()),
        nvml_error=None if gpus else "no driver",
    )  # fmt: skip


limits = st.sampled_from((None, 512, 2048, 4096, 131_072))


@st.composite
def endpoints(draw: st.DrawFn, label: str) -> EndpointFacts:
    if not draw(st.integers(0, 6)):
        return EndpointFacts(label=label, endpoint=f"http://127.0.0.1/{label}", reachable=False, error="no connection",
                             error_kind="refused")  # fmt: skip
    declared = draw(st.sampled_from((label, label, None, BASELINE))) if label in MODES else BASELINE
    return EndpointFacts(
        label=label, endpoint=f"http://127.0.0.1/{label}", reachable=True,
        engine=draw(st.sampled_from(("sglang", "vllm", None))), engine_version="0.5.23",
        release=draw(st.sampled_from(("release", "fork"))), model="org/model", model_path="org/model",
        model_type="llama", architectures=("LlamaForCausalLM",), declared_mode=declared,
        declared_why="server_info", observed_mode=draw(st.sampled_from((declared, None))), observed_why="deltas",
        block_size=draw(st.sampled_from((None, 32))), process=label, settings={"dtype": "bfloat16"},
        context=ServerContext(max_model_len=draw(limits), context_length=draw(limits), max_total_num_tokens=draw(limits),
                              max_req_input_len=draw(limits)),
        capabilities=(Capability(name="tool_calls", value=draw(st.sampled_from((True, False, None))),
                                 known_by=KnownBy.OBSERVED, detail="as it answered"),),
        warnings=(ServerWarning(id="serving.old", summary="an old release"),) if draw(st.booleans()) else (),
    )  # fmt: skip


@st.composite
def launches(draw: st.DrawFn, modes: tuple[str, ...]) -> LaunchFacts:
    return LaunchFacts(
        mode=draw(st.sampled_from(modes)), launch=0, argv=("python3", "-m", "server", "--model-path", "/home/someone/model"),
        ready_s=3.0, error=draw(st.sampled_from((None, "it ended"))), log_tail=("a line of the log",),
    )  # fmt: skip


@st.composite
def probes(draw: st.DrawFn, noise: random.Random, mode: str, need: int | None) -> ContextProbe:
    outcome = draw(st.sampled_from(("ok", "truncated", "lost-middle", "refused", "unclear", "not-run")))
    step = ContextStep(
        asked_tokens=512, counted_tokens=draw(st.sampled_from((None, 512, 100))), ok=outcome == "ok",
        refused=outcome == "refused", error=None if outcome == "ok" else f"HTTP 400: {says(noise)}",
        recalled={"0.5": outcome == "ok"}, finish_reason="stop",
    )  # fmt: skip
    failed = draw(st.booleans())
    return ContextProbe(
        mode=mode, need_tokens=need, steps=(step,), longest_ok=512 if outcome == "ok" else None, outcome=outcome,
        over_limit=draw(st.sampled_from(("refused", "truncated", "accepted", "not-tried"))), over_limit_detail=says(noise),
        output_asked=64, output_reached=draw(st.sampled_from((None, 10, 64))),
        output_error=f"HTTP 400: {says(noise)}" if failed else None, error=says(noise) if outcome == "unclear" else None,
    )  # fmt: skip


def _afterwards(label: str, noise: random.Random) -> Afterwards:
    before = Identity(reachable=True, engine="sglang", process=label)
    return Afterwards(
        mode=label, before=before, after=before.model_copy(update={"error": says(noise), "reachable": False})
    )


def says(noise: random.Random, words: int = 4) -> str:
    return " ".join(noise.choice(WORDS) for _ in range(words))


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def dumped(facts: Facts) -> dict[str, Any]:
    return facts.model_dump(mode="json")
