"""The parts of a license packet: what each is under, and what was not read of it."""

from __future__ import annotations

from evalkit.hub.facts import BaseModelFacts, CandidateFacts, CardLicense, ModelFile, TextFile
from evalkit.items.license.parts import Part, parts_of

HASH = "a" * 64
APACHE = CardLicense(license=("apache-2.0",))


def parts(**fields: object) -> dict[str, list[Part]]:
    candidate = CandidateFacts(model="acme/m", revision="c" * 40, **{"card": APACHE, **fields})
    made: dict[str, list[Part]] = {}
    for part in parts_of(candidate):
        made.setdefault(part.part, []).append(part)
    return made


def test_weights_without_a_text_and_behind_a_gate_say_both():
    (weights,) = parts(access_denied=True)["weights"]
    assert weights.what == f"acme/m@{'c' * 40}"
    assert weights.sha256 is None
    assert any("no license text" in text for text in weights.unread)
    assert any("gated" in text for text in weights.unread)


def test_a_text_that_the_table_does_not_know_is_for_a_person():
    (weights,) = parts(license_texts=(TextFile(name="LICENSE", sha256=HASH, size=1),))["weights"]
    assert weights.sha256 == HASH
    assert any("a person must read it" in text for text in weights.unread)


def test_an_adapter_is_under_the_repositorys_license_unless_its_folder_says_more():
    files = ("lora/adapter_model.safetensors", "lora/LICENSE.txt", "other/adapter_model.bin", "adapter_config.json")
    first, second = parts(files=tuple(ModelFile(name=name) for name in files))["adapter"]
    assert (first.what, second.what) == ("lora/", "other/")
    assert any("lora/LICENSE.txt" in text for text in first.unread)
    assert not any("LICENSE" in text for text in second.unread)
    assert second.license == "Apache License 2.0 (that of the repository)"


def test_code_with_a_license_of_its_own_and_without_one():
    own = TextFile(name="LICENSE-CODE", sha256=HASH, size=1, matches=("mit",))
    (named,) = parts(remote_code=("modeling.py",), license_texts=(own,))["code"]
    assert (named.license, named.sha256) == ("MIT License", HASH)
    (unknown,) = parts(license_texts=(own.model_copy(update={"matches": ()}),))["code"]
    assert unknown.license == "not recognised"
    (bare,) = parts(remote_code=("modeling.py",))["code"]
    assert bare.row is None
    assert any("license of the code itself" in text for text in bare.unread)
    assert "code" not in parts()


def test_base_models_stand_with_commit_hash_and_license_or_the_reason_why_not():
    bases = (
        BaseModelFacts(
            model="acme/base", revision="d" * 40, card=CardLicense(license=("other",), license_name="nscl-v1"),
            text=TextFile(name="README.md", sha256=HASH, size=1),
        ),
        BaseModelFacts(model="acme/gone", error="the Hub knows no such model"),
    )  # fmt: skip
    first, second = parts(base_model=("acme/base",), bases=bases)["upstream base"]
    assert (first.what, first.sha256) == (f"acme/base@{'d' * 40}", HASH)
    assert first.row is not None
    assert first.row.terms.commercial == "no"
    assert any("only its card was read" in text for text in first.unread)
    assert second.unread == ("the base model: the Hub knows no such model",)


def test_how_well_the_table_read_a_text_is_said():
    (weights,) = parts(card=CardLicense(license=("other",), license_name="nvidia-nemotron-open-model-license"))[
        "weights"
    ]
    assert weights.how_read == "read through note"
    assert any("read through note" in text for text in weights.unread)


def test_engines_name_their_license_and_what_the_buyer_must_read():
    engines = parts()["engine"]
    assert {part.license for part in engines} == {"Apache License 2.0"}
    assert all(any("version that you install" in text for text in part.unread) for part in engines)
    family = [
        p
        for p in parts_of(CandidateFacts(model="nvidia/Nemotron-Labs-Diffusion-8B", card=APACHE))
        if p.part == "engine"
    ]
    assert len(family) > len(engines)
