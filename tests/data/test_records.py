"""The records: each with source and date, none against another, and everything else derived from them."""

from __future__ import annotations

from datetime import date

import pytest

from evalkit import data
from evalkit.data.records import (
    USABLE,
    Family,
    Record,
    SideFile,
    contradictions,
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
