import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.hub import collect, write_snapshot
from evalkit.hub.candidate import nearest
from evalkit.hub.card import read_card

CARD = """---
license: Other
license_name: nvidia-nemotron-open-model-license
license_link: >
  https://www.example.org/terms/
pipeline_tag: text-generation
---
# A model
[![License: X](https://img.shields.io/badge/License-Some%20Open%20License-blue)](https://www.example.org/other/)
It has a context length of 262,144 tokens.
"""
CONFIG = {
    "model_type": "tri", "architectures": ["TriModel"], "hidden_size": 5120, "num_attention_heads": 32, "head_dim": 128,
    "max_position_embeddings": 262144, "rope_parameters": {"rope_type": "yarn", "factor": 16, "original_max_position_embeddings": 16384},
    "auto_map": {"AutoModel": "modeling_tri.TriModel"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "Tri-8B"
    path.mkdir()
    (path / "README.md").write_text(CARD)
    (path / "config.json").write_text(json.dumps(CONFIG))
    (path / "modeling_tri.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(1)\n")
    return path


def test_a_folder_gives_card_config_and_context(folder):
    facts = collect(str(folder))
    assert facts.error is None
    assert facts.revision.startswith("sha256:")
    assert facts.card.license == ("Other",)
    assert facts.card.license_link == "https://www.example.org/terms/"
    assert ("Some Open License", "https://www.example.org/other/") in facts.card.mentions
    assert facts.config["head_dim"] == 128
    assert (facts.context.config_max, facts.context.rope_original) == (262144, 16384)
    assert facts.context.card_claims[0][1] == 262144


def test_remote_code_is_listed_and_never_run(folder, tmp_path):
    assert collect(str(folder)).remote_code == ("modeling_tri.py",)
    assert not (tmp_path / "ran").exists()


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("private")
    (folder / "LICENSE").symlink_to(tmp_path / "secret")
    facts = collect(str(folder))
    assert facts.license_texts == ()
    assert any("link out of the folder" in note for note in facts.notes)


@pytest.mark.parametrize("name", ["README.md", "config.json"])
def test_a_card_or_configuration_that_is_a_link_out_is_as_good_as_absent(folder, tmp_path, name):
    (tmp_path / "elsewhere").write_text((folder / name).read_text())
    (folder / name).unlink()
    (folder / name).symlink_to(tmp_path / "elsewhere")
    facts = collect(str(folder))
    assert (facts.card is None) == (name == "README.md")
    assert (facts.config == {}) == (name == "config.json")


def test_folders_that_lead_out_or_in_a_circle_and_pipes_end_the_reading_in_time(folder, tmp_path):
    os.mkfifo(folder / "LICENSE")
    (folder / "up").symlink_to(tmp_path)
    (folder / "self").symlink_to(folder)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    facts = collect(str(folder))
    assert facts.error is None
    assert facts.license_texts == ()
    assert {f.name for f in facts.files} == {"README.md", "config.json", "modeling_tri.py"}


def test_a_name_inside_the_folder_that_would_climb_out_is_not_followed(folder, tmp_path):
    (tmp_path / "LICENSE").write_text("private")
    (folder / "LICENSE").symlink_to("../LICENSE")
    assert collect(str(folder)).license_texts == ()


def test_values_of_text_config_come_first(folder):
    (folder / "config.json").write_text(json.dumps({**CONFIG, "text_config": {"max_position_embeddings": 4096}}))
    context = collect(str(folder)).context
    assert (context.config_max, context.config_source) == (4096, "text_config.max_position_embeddings")


@pytest.mark.parametrize("value", ["4096", -1, 1e30, True, [1], float("nan")])
def test_a_config_value_that_is_no_sane_number_is_dropped_and_noted(folder, value):
    (folder / "config.json").write_text(json.dumps({**CONFIG, "max_position_embeddings": value}))
    facts = collect(str(folder))
    assert facts.context.config_max is None
    assert any("max_position_embeddings" in note for note in facts.notes)


@pytest.mark.parametrize(
    "front", ["a: &a [x]\nb: *a", "license: " + "[" * 200 + "]" * 200, "license: [", "- x", "license: {a: b}"]
)
def test_hostile_front_matter_names_no_license(front):
    card = read_card(f"---\n{front}\n---\ntext")
    assert card.license.license == ()
    assert card.notes


@given(st.text())
def test_a_card_of_any_text_never_raises(text):
    read_card(f"---\n{text}\n---\n{text}")


def test_texts_are_kept_privately_as_evidence(folder, tmp_path):
    run = tmp_path / "run"
    facts = collect(str(folder), evidence_dir=run / "evidence")
    kept = run / facts.texts[0].path
    assert kept.read_bytes() == (folder / "README.md").read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_snapshot_says_the_same_as_its_source(folder, tmp_path):
    text = tmp_path / "terms.txt"
    text.write_text("terms")
    write_snapshot(str(folder), tmp_path / "s.json", license_text=text)
    facts = collect(str(tmp_path / "s.json"))
    assert (facts.kind, facts.model) == ("snapshot", "Tri-8B")
    assert facts.config == collect(str(folder)).config
    assert [(t.name, t.origin) for t in facts.license_texts] == [("license-text", "given")]


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00", "[" * 100_000])
def test_a_file_that_is_no_snapshot_is_invalid(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    facts = collect(str(tmp_path / "x.json"))
    assert facts.error_kind == "invalid"
    assert facts.hint


@pytest.mark.parametrize("name", ["", "a/b/c", "../x", "x\x00y", "no such", "gone.json"])
def test_what_is_no_model_is_invalid(name):
    assert collect(name).error_kind == "invalid"


@pytest.mark.parametrize(("wrong", "right"), [("8B-Instruct", "8B"), ("8B-VLM", "VLM-8B"), ("14B-Instruct", "14B")])
def test_a_wrong_id_is_answered_with_the_real_one(wrong, right):
    stem = "nvidia/Nemotron-Labs-Diffusion-"
    assert nearest(stem + wrong) == f"the id is {stem}{right}"


@pytest.mark.parametrize("name", ["nvidia/Nemotron-Labs-Diffusion-8B", "NVIDIA/nemotron-labs-diffusion-vlm-8b"])
def test_a_real_id_is_not_corrected_to_its_sibling(name):
    assert nearest(name) is None


@pytest.mark.parametrize(
    ("typo", "right"),
    [
        ("Nemotron-Labs-Difusion-8B", "8B"),
        ("Nemotron-Labs-Diffusion-Base-3B", "3B-Base"),
        ("Nemotron-Labs-Diffusion-14B-Chat", "14B"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_real_id(typo, right):
    assert nearest(f"nvidia/{typo}") == f"did you mean nvidia/Nemotron-Labs-Diffusion-{right}?"


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.1-8B", "acme/x", "nvidia/parakeet-tdt-0.6b"])
def test_another_model_is_not_answered_with_one_of_the_family(name):
    assert nearest(name) is None


def test_a_snapshot_with_control_characters_reaches_no_terminal(folder, tmp_path):
    write_snapshot(str(folder), tmp_path / "s.json")
    raw = json.loads((tmp_path / "s.json").read_text())
    bad = "a\x1b[31m/b\u202e"
    raw |= {
        "model": bad, "revision": bad, "notes": [bad], "gated": bad,
        "files": [{"name": bad, "size": 1}, {"name": "README.md", "size": 1}],
        "bases": [{"model": bad, "card": {"license": [bad], "mentions": [[bad, None]]}, "error": bad,
                   "text": {"name": bad, "sha256": bad, "size": 1}}],
        "extra": [{"name": "license-text", "text": "Terms.", "origin": "given", "taken_at": bad, "url": bad}],
    }  # fmt: skip
    (tmp_path / "bad.json").write_text(json.dumps(raw))
    facts = collect(str(tmp_path / "bad.json"))
    assert facts.error is None
    shown = facts.model_dump_json()
    assert "\\u001b" not in shown
    assert "\u202e" not in shown
    assert len(facts.bases) == len(facts.license_texts) == 1
