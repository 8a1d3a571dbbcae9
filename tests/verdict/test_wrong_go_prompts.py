from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from evalkit.analysis.suites import power
from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import LoadedChecklist, Request
from evalkit.cli.gate import _with_live
from evalkit.client.types import Exchange, ExchangeError
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.hub.facts import CandidateFacts, CardLicense, ModelFile, TextFile
from evalkit.items.context import decide as context
from evalkit.items.hardware import decide as hardware
from evalkit.items.license import decide as license_item
from evalkit.items.modes import decide as modes
from evalkit.items.quality import decide as quality
from evalkit.items.serving import decide as serving
from evalkit.quality.suite import facts_of, load_suite
from evalkit.reference import ReferenceServer, preset
from evalkit.run.setup import prepare
from evalkit.run.sizing import sizing
from evalkit.serving.facts import Identity, ServerContext
from evalkit.stored.gate import gate
from evalkit.stored.pack import Pack
from evalkit.timing.prompts import PromptSet, load_prompts
from evalkit.verdict.decide import decide
from tests.support.quality_run import NOW, timed
from tests.verdict.wrong_go_cases import AR, DIFF, GO, SELF, asked, checklist, of, served, sessions


def test_a_prompt_that_was_refused_counts_towards_the_need():
    """40,000 characters are 6,667 tokens or more: a window of 4,096 does not hold them."""
    long = GO.prompts[0].model_copy(update={"longest_chars": 40_000})
    counted = [
        s.model_copy(update={"exchange": s.exchange.model_copy(update={"prompt_tokens": 30})})
        if s.prompt_id != "p21"
        else s.model_copy(
            update={"exchange": Exchange(ok=False, error=ExchangeError(kind="http", message="too long", status=400))}
        )
        for s in GO.timed
    ]
    endpoints = {m: served(m, m, context=ServerContext(max_model_len=4096)) for m in (AR, DIFF, SELF)}
    facts = GO.model_copy(update={"prompts": (long,), "timed": tuple(counted), "endpoints": endpoints})
    found = context.decide(checklist({"context": {}}), facts, NOW)
    assert [f.status for f in of(found, "context.server-limit", DIFF)] == [Status.FAIL]


def test_a_reading_of_the_codes_license_says_nothing_of_the_weights():
    sha = "c" * 64
    text = TextFile(name="LICENSE-CODE", path="evidence/x", sha256=sha, size=10)
    card = CardLicense(license=("other",), license_name="house-license")
    candidate = CandidateFacts(model="org/model", revision="f" * 40, card=card, license_texts=(text,))
    reading = {"text_sha256": sha, "commercial": True, "by": "jd", "date": date(2026, 11, 1)}
    asked = checklist({"license": {"readings": [reading]}})
    found = license_item.decide(asked, GO.model_copy(update={"candidates": (candidate,)}), NOW)
    assert [f.status for f in of(found, "license.commercial-use")] == [Status.INCONCLUSIVE]
    assert not of(found, "license.reading")


def prompt_file(tmp_path: Path, texts: list[str], **more: Any) -> PromptSet:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{n}", "prompt": t, **more}) + "\n" for n, t in enumerate(texts)))
    return load_prompts([path], Request())


def modes_of(facts: Facts, **settings: Any) -> list[Finding]:
    return modes.decide(checklist({"modes": {"speedup": {"at_least": 1.3}, **settings}}), facts, NOW)


def test_one_prompt_under_many_ids_is_one_piece_of_evidence(tmp_path):
    different = asked(prompt_file(tmp_path, [f"Say {n}." for n in range(22)]))
    assert [f.status for f in of(modes_of(different), "modes.speedup", DIFF)] == [Status.PASS]
    assert not of(modes_of(different), "modes.distinct-prompts")
    few = asked(prompt_file(tmp_path, [f"Say {n % 19}." for n in range(22)]))
    found = modes_of(few)
    assert [f.status for f in of(found, "modes.speedup", DIFF)] == [Status.INCONCLUSIVE]
    assert [f.summary for f in of(found, "modes.distinct-prompts")] == [
        "3 of 22 prompts repeat the text of another: they count once, 19 are distinct."
    ]
    assert decide(checklist(), few, NOW).verdict != "go"


def test_copies_of_a_fast_prompt_do_not_outweigh_the_others(tmp_path):
    """20 slow prompts and 180 copies of one that gains much: its gain is one of 21."""
    prompts = prompt_file(tmp_path, [f"Say {n}." if n < 20 else "Count." for n in range(200)])
    samples = [
        timed(mode, n, repeat, 500 / ((2.0 if n >= 20 else 1.01) if mode == DIFF else 1.0), "x")
        for n in range(200)
        for repeat in range(2)
        for mode in (AR, DIFF)
    ]
    found = of(modes_of(asked(prompts, tuple(samples))), "modes.speedup", DIFF)
    assert [f.status for f in found] == [Status.FAIL]
    assert found[0].data["pairs"] == 21


def test_the_same_text_is_the_same_prompt_whatever_length_it_may_have_and_in_whatever_file(tmp_path):
    for name, tokens in (("a", 64), ("b", 512)):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": name, "prompt": "Hi.", "max_tokens": tokens}))
    found = load_prompts([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], Request())
    assert [p.same_as for p in found.prompts] == [None, "a"]
    assert [p.repeated for p in found.facts] == [0, 1]


def test_one_conversation_that_outweighs_the_others_is_no_sample():
    """181 turns of one conversation that gains much, and 20 prompts that gain nothing: it counts as one of 21."""
    samples = [
        timed(mode, n, repeat, 500 / ((2.0 if n >= 20 else 1.01) if mode == DIFF else 1.0), "x").model_copy(
            update={"cluster": "one" if n >= 20 else None}
        )
        for n in range(201)
        for repeat in range(2)
        for mode in (AR, DIFF)
    ]
    found = modes_of(GO.model_copy(update={"timed": tuple(samples)}))
    assert [f.status for f in of(found, "modes.speedup", DIFF)] == [Status.FAIL]


@pytest.mark.parametrize("copies", ["text", "cluster"])
def test_a_percentile_needs_as_many_distinct_prompts(tmp_path, copies):
    """60 readings of ten texts, or of ten conversations, bound no p95."""
    texts = [f"Say {n % 10 if copies == 'text' else n}." for n in range(60)]
    prompts = prompt_file(tmp_path, texts)
    samples = [
        timed(mode, n, r, 500 / (2 if mode == DIFF else 1), "x")
        for n in range(60)
        for r in range(2)
        for mode in (AR, DIFF)
    ]
    facts = asked(prompts, tuple(samples))
    if copies == "cluster":
        grouped = [s.model_copy(update={"cluster": f"talk {s.position % 10}"}) for s in facts.timed]
        facts = facts.model_copy(update={"timed": tuple(grouped)})
    asks = {"latency": {"e2e_p95_ms": 9000}, "goodput": 0.95}
    found = modes_of(facts, **asks)
    assert [f.status for f in of(found, "modes.latency-e2e-p95", DIFF)] == [Status.INCONCLUSIVE]
    assert [f.status for f in of(found, "modes.goodput", DIFF)] == [Status.INCONCLUSIVE]
    apart = asked(prompt_file(tmp_path, [f"Say {n}." for n in range(60)]), tuple(samples))
    found = modes_of(apart, **asks)
    assert [f.status for f in of(found, "modes.latency-e2e-p95", DIFF)] == [Status.PASS]
    assert [f.status for f in of(found, "modes.goodput", DIFF)] == [Status.PASS]


def test_what_prompts_can_decide_is_said_before_a_run(tmp_path):
    prompt_file(tmp_path, [f"Say {n % 19}." for n in range(60)])
    own = {"prompts": ["p.jsonl"], "modes": {AR: {"endpoint": "http://h:1"}, DIFF: {"endpoint": "http://h:2"}}}
    (tmp_path / "c.yaml").write_text(json.dumps(own | {"items": {"modes": {"latency": {"e2e_p95_ms": 9000}}}}))
    said = sizing(prepare(load_checklist(tmp_path / "c.yaml")), NOW.date())
    assert "19 independent prompts: a speed-up needs at least 20" in said["problems"]
    assert "latency.e2e_p95_ms: 19 independent prompts, a bound needs at least 59" in said["problems"]
    assert "41 of 60 prompts repeat the text of another: they count once" in said["notes"]


def asking(facts: Facts, distinct: int) -> Facts:
    """The constructed run, had its cases asked so few different things."""
    answers = [a.model_copy(update={"asked_sha256": str(int(a.case_id[1:]) % distinct)}) for a in facts.answers]
    return facts.model_copy(update={"answers": tuple(answers)})


def test_cases_that_ask_the_same_are_one_case():
    """40 cases carry 10 points in two modes without a loss; 36 different ones are the least."""

    def status(facts: Facts, check: str) -> list[Status]:
        found = [f for i in decide(checklist(), facts, NOW).items for f in i.findings]
        return [f.status for f in of(found, f"quality.{check}", DIFF)]

    assert status(asking(GO, 36), "non-inferiority") == [Status.PASS] * 2
    assert status(asking(GO, 35), "non-inferiority") == [Status.INCONCLUSIVE] * 2
    assert decide(checklist(), asking(GO, 35), NOW).verdict != "go"


def test_a_case_that_is_copied_does_not_outweigh_the_others():
    """One case gained a hundred times over hides no loss of the others."""
    kept = [a for a in GO.answers if a.suite == "s-long" and int(a.case_id[1:]) < 22]
    lost = {f"c{n}" for n in range(4)}
    answers = [
        a.model_copy(update={"asked_sha256": a.case_id, "passed": a.mode != DIFF or a.case_id not in lost})
        for a in kept
    ]
    for n in range(100):
        answers += [
            a.model_copy(update={"case_id": f"copy {n}", "asked_sha256": "c21", "passed": a.mode == DIFF})
            for a in kept
            if a.case_id == "c21"
        ]
    suite = GO.suites[0].model_copy(update={"cases": 122})
    facts = GO.model_copy(update={"answers": tuple(answers), "suites": (suite,)})
    asked_for = checklist({"quality": {"margin": {"long": 0.1}, "floor": {"default": 0.0}}})
    found = quality.decide(asked_for, facts, NOW)
    assert Status.PASS not in {f.status for f in of(found, "quality.non-inferiority", DIFF)}


@pytest.mark.parametrize(("distinct", "status"), [(40, Status.PASS), (36, Status.PASS), (35, Status.INCONCLUSIVE)])
def test_equal_texts_of_one_question_show_equality_once(distinct, status):
    tools = [a for a in GO.answers if a.suite == "s-tools"]
    facts = asking(GO.model_copy(update={"answers": tuple(tools)}), distinct)
    asked_for = checklist({"quality": {"match_margin": 0.1}})
    found = quality.decide(asked_for, facts, NOW)
    assert [f.status for f in of(found, "quality.equivalence", SELF)] == [status]


def test_few_and_noisy_pairs_show_no_equality():
    """The baseline differs from itself on 9 of 10 cases: neither noise nor equality is shown by so few."""
    some = [a for a in GO.answers if a.suite == "s-tools" and int(a.case_id[1:]) < 10]
    noisy = [a.model_copy(update={"reply_sha256": "other"}) if a.repeat and a.case_id != "c0" else a for a in some]
    found = quality.decide(checklist(), GO.model_copy(update={"answers": tuple(noisy)}), NOW)
    equal = of(found, "quality.equivalence", SELF)
    assert [f.status for f in equal] == [Status.INCONCLUSIVE]
    assert "at least 73 greedy replies" in (equal[0].remedy or "")


def test_the_sample_of_a_suite_is_counted_by_what_its_cases_ask(tmp_path):
    lines = [
        {"id": f"c{n}", "prompt": f"Say {n % 9}.", "params": {"seed": n}, "expect": [{"contains": "x"}]}
        for n in range(90)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    suite = load_suite(tmp_path / "own.jsonl", Request())
    assert power(suite, 0.1).clusters == 9


def test_a_baseline_of_quality_that_is_started_otherwise_is_no_baseline():
    """Both bf16 for speed; texts are compared with an FP8 server, which may be as bad as the mode."""
    ref = "autoregressive@reference"
    addresses = {m: {"endpoint": f"http://127.0.0.1:3{n}"} for n, m in enumerate((AR, ref, DIFF))}
    asked_for = checklist({"serving": {}}, modes=addresses, baseline={"speed": AR, "quality": ref})

    def status(check: str, **reference: Any) -> set[Status]:
        bf16 = {"settings": {"dtype": "bfloat16", "quantization": None}}
        endpoints = {m: served(m, m.partition("@")[0], **bf16) for m in (AR, DIFF)}
        endpoints[ref] = served(ref, AR, **bf16).model_copy(update=reference)
        found = serving.decide(asked_for, GO.model_copy(update={"endpoints": endpoints}), NOW)
        return {f.status for f in of(found, f"serving.{check}", DIFF)}

    assert Status.INCONCLUSIVE not in status("same-settings")
    assert Status.INCONCLUSIVE in status("same-settings", settings={"dtype": "bfloat16", "quantization": "fp8"})
    assert Status.FAIL not in status("same-model")
    assert Status.FAIL in status("same-model", model_path="org/other")


def test_the_pool_of_one_mode_says_nothing_of_another_one():
    """By the formula the model does not fit; the baseline's server holds it, the mode's told nothing."""
    pool = ServerContext(max_total_num_tokens=40_000)
    endpoints = {m: served(m, m, context=pool) for m in (AR, DIFF, SELF)}
    config = {
        "num_hidden_layers": 34, "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131_072, "max_position_embeddings": 262_144,
    }  # fmt: skip
    model = CandidateFacts(model="org/model", config=config, files=(ModelFile(name="m.safetensors", size=17 << 30),))
    card = Gpu(index=0, name="a card of 8 GiB", memory_total_bytes=8 << 30, memory_free_bytes=8 << 30)
    machine = HardwareFacts(known_by=KnownBy.OBSERVED, place="here", gpus=(card,))
    facts = GO.model_copy(update={"endpoints": endpoints, "candidates": (model,), "hardware": machine})
    asked_for = checklist({"hardware": {}, "context": {"need_tokens": 16384}})

    def fits(facts: Facts) -> list[Status]:
        return [f.status for f in of(hardware.decide(asked_for, facts, NOW), "hardware.fits")]

    assert fits(facts) == [Status.PASS]
    silent = {**endpoints, DIFF: served(DIFF, DIFF)}
    assert fits(facts.model_copy(update={"endpoints": silent})) == [Status.INCONCLUSIVE]


@pytest.mark.parametrize(("characters", "status"), [(40_000, Status.FAIL), (13_000, Status.INCONCLUSIVE)])
def test_a_task_case_that_was_refused_counts_towards_the_need(characters, status):
    """A window of 4,096 held all cases but one, which every mode refused."""
    counted = []
    for a in GO.answers:
        error = ExchangeError(kind="http", message="too long", status=400)
        update = {"prompt_tokens": 2900, "ok": True} if a.case_id != "c3" else {"ok": False, "error": error}
        counted.append(a.model_copy(update={"exchange": a.exchange.model_copy(update=update)}))
    suites = tuple(s.model_copy(update={"longest_chars": characters, "max_tokens": 256}) for s in GO.suites)
    endpoints = {m: served(m, m, context=ServerContext(max_model_len=4096)) for m in (AR, DIFF, SELF)}
    facts = GO.model_copy(update={"answers": tuple(counted), "suites": suites, "endpoints": endpoints})
    found = context.decide(checklist({"context": {}}), facts, NOW)
    assert [f.status for f in of(found, "context.server-limit", DIFF)] == [status]


def test_a_suite_tells_its_longest_case(tmp_path):
    cases = [{"id": "a", "prompt": "x" * 900, "expect": ["json"]}, {"id": "b", "prompt": "y", "expect": ["json"]}]
    (tmp_path / "own.jsonl").write_text("\n".join(json.dumps(case) for case in cases))
    told = facts_of(load_suite(tmp_path / "own.jsonl", Request(max_tokens=77)))
    assert (told.longest_chars, told.max_tokens) == (900, 77)


def test_starts_that_share_no_prompt_show_no_spread():
    def started(shared: bool) -> list[Status]:
        samples = [s.model_copy(update={"launch": s.repeat if shared else int(s.prompt_id[1:]) % 2}) for s in GO.timed]
        return [f.status for f in of(modes_of(GO.model_copy(update={"timed": tuple(samples)})), "modes.launches", DIFF)]

    assert started(shared=True) == [Status.PASS]
    assert started(shared=False) == [Status.WARN]


@pytest.mark.parametrize("killed", [DIFF, AR])
def test_a_killed_session_leaves_word_of_whose_evidence_it_collected(killed):
    def who(process: str | None = "a", **more: Any) -> Identity:
        return Identity(reachable=True, engine="sglang", model_path="org/model", process=process, **more)

    def status(first: Identity, then: Identity | None) -> list[Status]:
        looks = sessions((AR, who(), who()), (DIFF, who(), who()), (killed, first, None))
        looks += sessions((killed, then, then)) if then else []
        endpoints = {m: served(m, m) for m in (AR, DIFF, SELF)}
        facts = GO.model_copy(update={"endpoints": endpoints, "afterwards": tuple(looks)})
        found = serving.decide(checklist({"serving": {}}), facts, NOW)
        return [f.status for f in of(found, "serving.unchanged", DIFF)]

    fp8 = {"settings": {"quantization": "fp8"}}
    assert status(who(), who()) == [Status.PASS]
    assert status(who(), who("b")) == [Status.WARN]
    assert status(who(None), who(None)) == [Status.WARN]
    assert status(who(**fp8), who()) == [Status.INCONCLUSIVE]
    assert status(who(), who("b", **fp8)) == [Status.INCONCLUSIVE]
    assert status(who(), None) == [Status.INCONCLUSIVE]


class StrictRun:
    """A packed run that ended GO, had it been asked to count warnings as failures."""

    redacted, cannot = True, ()

    def __init__(self) -> None:
        self._pack = Pack.open(Path(__file__).parents[1] / "fixtures" / "runs" / "small.pack")

    def facts(self) -> Facts:
        facts = self._pack.facts()
        return facts.model_copy(update={"start": facts.start.model_copy(update={"strict": True})})

    def checklist(self) -> LoadedChecklist:
        return self._pack.checklist()

    def verify(self, facts=None) -> list[str]:
        return []


def test_a_strict_run_is_held_against_production_by_its_own_rule():
    """Its verdict is NO-GO: no live server is told for which mode there is a GO."""
    source, ages = StrictRun(), timedelta(days=99_999)
    before = gate(source, NOW + timedelta(days=365), max_age=ages)
    assert (before.exit_code, before.verdict) == (1, "no-go")
    with ReferenceServer(preset("autoregressive", speed=20.0, model="acme-labs/Trident-8B")) as server:
        servers, after = _with_live(source, None, NOW, before, [server.base_url])
    assert [one.mode for one in servers] == [AR]
    assert after == before


def test_an_image_in_a_prompt_is_no_text(tmp_path):
    """The data of an image counted as characters made the longest prompt, and the need, thousands of tokens too long."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}
    content = [{"type": "text", "text": "What is this?"}, picture]
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "a", "messages": [{"role": "user", "content": content}]}))
    assert load_prompts([tmp_path / "p.jsonl"], Request()).facts[0].longest_chars == len("What is this?")
