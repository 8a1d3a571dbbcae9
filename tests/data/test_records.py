"""The records: each with source and date, none against another, and everything else derived from them."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from evalkit import data
from evalkit.data.records import (
    STALE_DAYS,
    USABLE,
    Family,
    Record,
    SideFile,
    engines,
    families,
    family_of,
    forced,
    records,
    records_for,
)
from evalkit.serving.engines.sglang import BLOCK_SIZES

NEMOTRON = "nvidia/Nemotron-Labs-Diffusion-8B"
BASE = {"source": "https://example.org/", "date": "2026-11-28", "how_read": "read"}


def record(**more):
    fields = {
        "family": "f", "models": ("a/b",), "engine": "sglang", "mode": "diffusion", "version": "1", "status": "released",
        "note": "n",
    }  # fmt: skip
    return Record(**{**fields, **BASE, **more})


def family(*rows, **more):
    return Family(**{"family": "f", "title": "F", "models": ("a/b",), "records": rows, **BASE, **more})


def contradictions(all_families, all_engines):
    """What the records say twice and differently, or without what they rest on; empty when they agree."""
    said = [problem for family in all_families for problem in _within(family, all_engines)]
    owners = Counter(name for family in all_families for name in {one.casefold() for one in family.ids})
    said += [f"{name} belongs to {times} families" for name, times in owners.items() if times > 1]
    texts = {}
    for file in (file for f in all_families for record in f.records for file in record.side_files):
        if texts.setdefault(file.name, file.sha256) != file.sha256:
            said.append(f"two side files are called {file.name}")
    return said


def _within(family, all_engines):
    for record in family.records:
        where = f"{family.family}, {record.engine} {record.version}, {record.mode}"
        if record.engine not in all_engines:
            yield f"{where}: the engine is not described"
        if record.args is not None and record.status not in USABLE:
            yield f"{where}: {record.status}, and yet has a start command"
        if record.side_files and record.args is None:
            yield f"{where}: side files without a start command"
        lost = [file.name for file in record.side_files if record.args is not None and file.name not in record.args]
        if lost:
            yield f"{where}: the start command does not name {', '.join(lost)}"
    keys = Counter((r.engine, r.version, r.mode, m.casefold()) for r in family.records for m in r.models)
    yield from (f"{family.family}, {' '.join(key)}: recorded {n} times" for key, n in keys.items() if n > 1)
    for variant in family.variants:
        if family.block and variant.block_size and variant.block_size != family.block:
            yield f"{variant.id}: block {variant.block_size}, its family says {family.block}"
        if family.mask and variant.mask_token_id and variant.mask_token_id != family.mask:
            yield f"{variant.id}: mask {variant.mask_token_id}, its family says {family.mask}"


def test_every_record_has_a_source_a_date_and_a_note():
    assert len(records()) >= 70
    for row in (*records(), *families(), *engines().values()):
        assert row.source.startswith("https://")
        assert "2025-01" <= row.date <= "2026-11-30"
    assert all(row.note and row.version for row in records())


def test_the_shipped_records_do_not_contradict_each_other():
    assert contradictions(families(), engines()) == []
    for one in families():
        told = {BLOCK_SIZES[a] for a in one.architectures if a in BLOCK_SIZES}
        assert not told or told == {one.block}, one.family


FILE = SideFile(name="x.yaml", text="a: 1\n", source="https://example.org/")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (family(record(), record()), "recorded 2 times"),
        (family(record(models=("a/b", "A/B"))), "recorded 2 times"),
        (family(record(status="absent", args=())), "yet has a start command"),
        (family(record(status="open-pr", args=("--x",))), "yet has a start command"),
        (family(record(engine="nobody-knows")), "not described"),
        (family(record(side_files=(FILE,))), "without a start command"),
        (family(record(args=(), side_files=(FILE,))), "does not name x.yaml"),
        (
            family(
                record(args=("x.yaml",), side_files=(FILE,)),
                record(version="2", args=("x.yaml",), side_files=(FILE.model_copy(update={"text": "a: 2\n"}),)),
            ),
            "two side files",
        ),
        (family(block=32, variants=(data.load_variants()[0].model_copy(update={"block_size": 8}),)), "block 8"),
    ],
)
def test_a_contradiction_is_found(made, says):
    (said,) = contradictions([made], engines())
    assert says in said
    assert contradictions([family(record())], engines()) == []


def test_one_model_in_two_families_is_a_contradiction():
    assert contradictions([family(), family(family="g")], engines()) == ["a/b belongs to 2 families"]


@pytest.mark.parametrize(
    ("when", "stale"), [("2026-11-28", False), ("2026-06-02", False), ("2026-05-31", True), ("2026-05", True)]
)
def test_a_record_over_180_days_old_is_stale(when, stale):
    assert record(date=when).stale(date(2026, 11, 28)) is stale


def test_released_wheels_hold_no_nemotron_diffusion_class_and_the_records_say_so():
    for mode in ("diffusion", "self-speculation"):
        rows = records_for(NEMOTRON, mode)
        assert [row.engine for row in rows if row.status == "released"] == ["remote-code"]
        absent = {row.engine: row for row in rows if row.status == "absent"}
        assert "0.33.0" in absent["vllm"].version or mode == "self-speculation"
        assert "0.5.23" in absent["sglang"].version


def test_uno_is_recorded_as_self_speculation():
    rows = {(row.engine, row.status) for row in records_for("s-sahoo/uno-qwen3-8B", "self-speculation")}
    assert {("sglang", "released"), ("vllm", "open-pr")} <= rows
    assert not records_for("s-sahoo/uno-qwen3-8B", "speculative")


def test_tables_are_derived_and_cannot_say_another_thing():
    related = {row.id: row for row in data.load_related()}
    for one in families():
        if not one.candidate:
            usable = {row.engine for row in one.records if row.status in USABLE}
            assert set(related[one.models[0]].engines) == usable
            assert related[one.models[0]].license == one.license
    assert "sglang" not in related["Efficient-Large-Model/Fast_dLLM_v2_7B"].engines
    assert related["sgl-project/sglang"].modes == ()  # upstream serves the first candidates in no mode
    assert related["vllm-project/vllm"].modes == ("autoregressive", "diffusion")


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("NVIDIA/nemotron-labs-diffusion-vlm-8b", "nemotron-labs-diffusion"),
        ("inclusionAI/LLaDA2.2-flash", "llada2"),
        ("JetLM/SDAR-1.7B-Chat", "sdar"),
        ("who/knows", None),
        ("", None),
    ],
)
def test_a_model_is_found_by_its_id(model, family):
    found = family_of(model)
    assert (found.family if found else None) == family


def test_every_license_of_a_family_is_in_the_license_table():
    from evalkit.items.license.terms import find

    named = {one.license for one in families() if one.license} - {"provider terms"}
    assert named
    assert not [name for name in named if find(name) is None]


def test_what_a_mode_forces_is_known_by_engine():
    every = forced("sglang", "diffusion")["attention_backend"]
    assert all(word in every for word in ("flashinfer", "triton", "fa4"))  # of all families, none over another
    assert "disable_radix_cache" not in forced("sglang", "diffusion", ["LLaDA2MoeModelLM"])
    assert "disable_radix_cache" in forced("sglang", "diffusion", ["DiffusionGemmaForBlockDiffusion"])
    assert forced("sglang", "diffusion", ["NobodyKnows"]) == forced("sglang", "diffusion")
    assert forced("sglang", "autoregressive") == {}
    assert forced("nobody", "diffusion") == forced(None, "diffusion") == {}


def test_a_record_that_is_old_is_shown_as_such_wherever_it_is_shown(tmp_path):
    from datetime import UTC, datetime, timedelta

    from evalkit.checklist.schema import Checklist
    from evalkit.explain.support import support
    from evalkit.facts import Facts, RunStart
    from evalkit.items.serving.decide import decide

    start = RunStart(run_id="r", started_at="t", evalkit_version="0", plan_sha256="", checklist_sha256="")
    checklist = Checklist.model_validate({"candidate": {"model": NEMOTRON}})
    newest = max(date.fromisoformat(row.date) for row in records_for(NEMOTRON))
    for days, old in ((0, False), (STALE_DAYS + 1, True)):
        day = newest + timedelta(days=days)
        now = datetime(day.year, day.month, day.day, tzinfo=UTC)
        found = decide(checklist, Facts(start=start), now)
        shown = " ".join(f.summary for f in found if f.id == "serving.support")
        assert shown
        assert (f"over {STALE_DAYS} days old" in shown) is old
        assert (f"over {STALE_DAYS} days old" in support(NEMOTRON, today=day)) is old


@pytest.mark.parametrize(
    ("model", "mode", "engine", "status", "args"),
    [
        # what a start command of another family would end with: no class in the wheel
        *((model, "diffusion", "sglang", "absent", None) for model in (
            "Dream-org/Dream-v0-Instruct-7B", "GSAI-ML/LLaDA-8B-Instruct", "tencent/WeDLM-8B-Instruct",
            "Efficient-Large-Model/Fast_dLLM_v2_7B", "ByteDance-Seed/Stable-DiffCoder-8B-Instruct")),
        ("inclusionAI/LLaDA2.1-mini", "diffusion", "sglang", "released", ["JointThreshold", "1"]),
        ("inclusionAI/LLaDA2.2-flash", "diffusion", "sglang", "released", ["JointThreshold", "1"]),
        ("inclusionAI/LLaDA2.0-mini-CAP", "diffusion", "sglang", "released", ["LowConfidence"]),
        ("google/diffusiongemma-26B-A4B-it", "diffusion", "vllm", "released", ["TRITON_ATTN", '{"canvas_length": 256}']),
        ("google/diffusiongemma-26B-A4B-it", "diffusion", "sglang", "released", ["Gemma4Renoise"]),
        (NEMOTRON, "autoregressive", "vllm", "pre-release", ['{"ar_mode": true}']),
        (NEMOTRON, "diffusion", "vllm", "pre-release", ["8"]),
        (NEMOTRON, "self-speculation", "fluxserve", "documented", ["self_speculation"]),
        (NEMOTRON, "diffusion", "sglang", "open-pr", None),
        ("JetLM/SDAR-1.7B-Chat", "diffusion", "lmdeploy", "documented", ["--dllm-block-length", "4"]),
        ("inclusionAI/LLaDA2.0-mini", "diffusion", "mlx-vlm", "released", None),
        ("google/diffusiongemma-26B-A4B-it", "diffusion", "mlx-vlm", "released", None),
        ("s-sahoo/uno-qwen3-8B", "self-speculation", "sglang", "released", ["UNO", "fa3"]),
    ],
)  # fmt: skip
def test_what_serves_a_model_is_as_it_was_read(model, mode, engine, status, args):
    rows = [row for row in records_for(model, mode) if row.engine == engine and row.status == status]
    assert rows, records_for(model, mode)
    assert rows[0].args is None if args is None else set(args) <= set(rows[0].args)


@pytest.mark.parametrize(
    ("model", "terms", "block", "mask", "context"),
    [
        ("inclusionAI/LLaDA2.0-flash", "apache-2.0", 32, 156895, 32768),
        ("GSAI-ML/iLLaDA-8B-Instruct", "apache-2.0", None, 5, None),
        ("Dream-org/Dream-Coder-v0-Instruct-7B", "apache-2.0", None, 151666, None),
        ("apple/DiffuCoder-7B-Instruct", "apple-amlr", None, 151666, None),
        ("JetLM/SDAR-30B-A3B-Chat", "apache-2.0", 4, 151669, None),
        ("Gen-Verse/TraDo-8B-Instruct", "mit", 4, 151669, None),
        ("Efficient-Large-Model/Fast_dLLM_v2_7B", "apache-2.0", 32, 151665, None),
        ("tencent/WeDLM-8B-Base", "apache-2.0", None, None, 32768),
        ("ByteDance-Seed/Stable-DiffCoder-8B-Base", "mit", None, None, None),
        ("google/diffusiongemma-26B-A4B-it", "apache-2.0", 256, None, 262144),
        ("yifanyu/I-DLM-32B", None, None, None, None),
        ("OpenGVLab/SDLM-3B-D8", "apache-2.0", None, None, None),
        ("nvidia/SDLLM-Duo-1.7B-Base", "cc-by-nc-4.0", None, None, None),
        ("trillionlabs/GravityOCR", "mit", None, None, None),
        ("radicalnumerics/RND1-Base-0910", None, None, None, None),
    ],
)
def test_families_that_a_buyer_may_bring_are_as_they_were_read(model, terms, block, mask, context):
    one = family_of(model)
    assert one is not None
    assert (one.license, one.block, one.mask, one.context) == (terms, block, mask, context)


def test_engines_that_decode_without_being_recognised_are_recorded_too():
    assert {"fluxserve", "diffulex", "llama-cpp-cli", "dinfer", "tpu-inference", "vllm-dllm-plugin"} <= set(engines())
