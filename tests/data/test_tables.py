from datetime import date
from pathlib import Path

import pytest

from evalkit import data

LOADERS = (data.load_licenses, data.load_variants, data.load_vendor_claims, data.load_related)


@pytest.mark.parametrize("load", LOADERS)
def test_each_row_names_its_source_and_date_and_how_well_it_was_read(load):
    rows = load()
    assert rows
    assert all(row.source.startswith("https://") and row.date and row.how_read for row in rows)


@pytest.mark.parametrize("load", LOADERS)
def test_ids_are_unique(load):
    ids = [row.id for row in load()]
    assert len(ids) == len(set(ids))


def test_the_license_table_has_every_identifier_that_the_hub_recognises():
    assert sum(row.hub for row in data.load_licenses()) == 83


def test_families_placeholders_and_unread_texts_grant_nothing():
    for row in data.load_licenses():
        if row.kind != "license":
            assert row.terms.commercial == "unknown", row.id
            assert row.to_read, row.id


def test_the_hubs_bsl_is_boost_and_not_the_business_source_license():
    rows = {row.id: row for row in data.load_licenses()}
    assert rows["bsl-1.0"].terms.commercial == "yes"
    assert rows["busl-1.1"].terms.commercial == "conditional"


def test_text_models_and_vlm_have_different_terms():
    terms = {row.id: row.terms for row in data.load_licenses()}
    by_variant = {v.id.rpartition("/")[2]: terms[v.license].commercial for v in data.load_variants()}
    assert by_variant.pop("Nemotron-Labs-Diffusion-VLM-8B") == "no"
    assert set(by_variant.values()) == {"yes"}


def test_a_base_variant_never_has_its_siblings_context():
    rows = {v.id.rpartition("-Diffusion-")[2]: v for v in data.load_variants()}
    assert rows["3B-Base"].config_context == 4096
    assert rows["8B-Base"].config_context is None
    assert rows["14B-Base"].config_context is None


def test_tokens_per_forward_is_never_labelled_as_time():
    for row in data.load_vendor_claims():
        if "TPF" in row.id.upper() and row.id != "trained-sampler-tpf":
            assert row.unit == "tokens per forward pass", row.id


def test_the_two_figures_of_self_speculation_name_their_workload():
    rows = {row.id: row for row in data.load_vendor_claims()}
    assert rows["tpf-8b-self-speculation"].value == 5.99
    assert rows["tpf-8b-self-speculation-speed-bench"].value == 3.41
    assert rows["tpf-8b-self-speculation-speed-bench"].dataset == "SPEED-Bench"


@pytest.mark.parametrize(
    ("claim", "value", "unit"),
    [
        ("throughput-8b-gb200-ar", 253, "output tokens per second"),
        ("speedup-8b-rtx-pro-6000-fp8", 3.46, "times AR output speed"),
        ("speedup-8b-dgx-spark-int4", 2.69, "times AR output speed"),
        (
            "acceptance-by-category-8b-lora.speed-bench-multilingual.self-speculation",
            10.06,
            "accepted tokens per cycle",
        ),
        ("accuracy-8b.ifeval.autoregressive", 68.65, "percent"),
        ("accuracy-14b.tpf.self-speculation", 5.96, "tokens per forward pass"),
        ("accuracy-vlm-8b.tpf-over-200-tokens.self-speculation", 7.45, "tokens per forward pass"),
    ],
)
def test_a_claim_has_its_figure_and_unit(claim, value, unit):
    rows = {row.id: row for row in data.load_vendor_claims()}
    assert (rows[claim].value, rows[claim].unit) == (value, unit)


def test_acceptance_is_never_called_tokens_per_forward():
    rows = [row for row in data.load_vendor_claims() if row.id.startswith("acceptance")]
    assert len(rows) > 30
    assert {row.unit for row in rows} == {"accepted tokens per cycle"}


def test_each_table_says_its_age():
    assert {t.name for t in data.table_info()} == {"licenses", "variants", "vendor_claims", "related", "support"}
    line = data.table_ages(date(2027, 1, 1))
    assert "licenses of 2026-11-24 (38 days old)" in line
    assert "(dated after this)" in data.table_ages(date(2020, 1, 1))
    assert isinstance(data.demo_path("trident-8b"), Path)


def test_no_name_stands_for_two_licenses():
    from evalkit.items.license.terms import fold

    owners: dict[str, str] = {}
    for row in data.load_licenses():
        for name in {fold(n) for n in (row.id, row.spdx or row.id, row.name, *row.aliases)}:
            assert owners.setdefault(name, row.id) == row.id, name


HUB = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m afl-3.0
artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0
cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0
epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research
intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 openmdw-1.1 openrail++ osl-3.0
postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2
llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown other
"""
NAMED = """
nvidia-nemotron-open-model-license nscl-v1 nvidia-open-model-license
nvidia-internal-scientific-research-and-development-model-license nvidia-oneway-noncommercial-license
nvidia-open-model-agreement nvidia-community-model-license nv-ai-foundation-models-license tongyi-qianwen qwen
qwen-research deepseek lfm1.0 mrl health-ai-developer-foundations
"""


@pytest.mark.parametrize("name", [*HUB.split(), *NAMED.split()])
def test_each_identifier_of_the_hub_and_each_license_name_seen_on_cards_is_in_the_table(name):
    from evalkit.items.license.terms import find

    assert find(name) is not None


@pytest.mark.parametrize(
    ("name", "commercial"),
    [
        ("apache-2.0", "yes"), ("mit", "yes"), ("cc-by-4.0", "yes"), ("openmdw-1.1", "yes"), ("llama3.3", "conditional"),
        ("gemma", "conditional"), ("qwen", "conditional"), ("deepseek", "conditional"), ("openrail++", "conditional"),
        ("bigscience-bloom-rail-1.0", "conditional"), ("lfm1.0", "conditional"), ("grok2-community", "conditional"),
        ("health-ai-developer-foundations", "conditional"), ("cc-by-nc-4.0", "no"), ("qwen-research", "no"), ("mrl", "no"),
        ("apple-amlr", "no"), ("fair-noncommercial-research-license", "no"), ("h-research", "no"), ("intel-research", "no"),
        ("nscl-v1", "no"), ("unknown", "unknown"), ("other", "unknown"),
    ],
)  # fmt: skip
def test_commercial_use_as_the_sources_read(name, commercial):
    from evalkit.items.license.terms import find

    assert find(name).terms.commercial == commercial


def test_the_list_of_the_hubs_identifiers_is_whole():
    assert {row.id for row in data.load_licenses() if row.hub} == set(HUB.split())


def test_each_card_of_the_table_of_gpus_says_how_its_memory_is_known():
    from evalkit.gpu.cards import table

    assert table().as_of
    for card in table().cards:
        assert card.usable_gib < card.memory_gb, card.name
        assert (card.basis == "read") == (card.total_mib is not None), card.name
        assert card.basis == "assumed" or card.source, card.name
        assert card.total_mib is None or card.usable_gib <= card.total_mib / 1024, card.name
