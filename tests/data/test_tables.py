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


def test_each_table_says_its_age():
    assert {t.name for t in data.table_info()} == {"licenses", "variants", "vendor_claims", "related"}
    assert isinstance(data.demo_path("trident-8b"), Path)
