from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from evalkit.cli.hardware import hardware_command
from evalkit.errors import UsageError

APP = typer.Typer()
APP.command()(hardware_command)
ROW = {"model", "precision", "context_tokens", "concurrent", "need_gib", "fits", "max_context_tokens"}


def run(*arguments: str):
    return CliRunner().invoke(APP, list(arguments))


def test_the_document_has_every_precision_and_context_and_nothing_else():
    result = run("nvidia/Nemotron-Labs-Diffusion-8B", "--gpu", "H100-80GB", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert set(document) == {"gpus", "fit", "findings"}
    assert {row["precision"] for row in document["fit"]} == {"bf16", "fp8", "4bit"}
    assert {row["context_tokens"] for row in document["fit"]} == {4096, 16384, 32768, 131_072}
    assert all(set(row) == ROW for row in document["fit"])
    first = document["fit"][0]
    assert first["need_gib"] == pytest.approx(17.8, abs=0.06)
    assert first["fits"] is True
    assert first["max_context_tokens"] == 262_144


def test_a_small_card_does_not_fit_and_context_can_be_added():
    result = run(
        "nvidia/Nemotron-Labs-Diffusion-14B", "--gpu", "L4-24GB", "--context", "2048", "--concurrent", "2", "--json"
    )
    rows = json.loads(result.stdout)["fit"]
    assert 2048 in {row["context_tokens"] for row in rows}
    assert all(row["fits"] is False for row in rows if row["precision"] == "bf16")
    assert {row["concurrent"] for row in rows} == {2}


def test_a_context_beyond_the_models_window_does_not_fit():
    result = run("nvidia/Nemotron-Labs-Diffusion-3B-Base", "--gpu", "H100", "--json")
    fits = {
        row["context_tokens"]: row["fits"] for row in json.loads(result.stdout)["fit"] if row["precision"] == "bf16"
    }
    assert fits == {4096: True, 16384: False, 32768: False, 131_072: False}


def test_the_text_shows_the_formula_and_every_known_variant():
    result = run("--gpu", "H100-80GB")
    assert result.exit_code == 0, result.output
    assert "formula: need = weights" in result.stdout
    assert "VLM-8B" in result.stdout


def test_an_unknown_card_is_a_usage_error():
    result = run("--gpu", "H900")
    assert isinstance(result.exception, UsageError)


def test_a_folder_is_read_and_judged_against_the_hosts_memory(tmp_path):
    config = {
        "model_type": "tiny",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "vocab_size": 512,
        "intermediate_size": 128,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# tiny\n")
    (tmp_path / "model.safetensors").write_bytes(b"0" * 4000)
    result = run(str(tmp_path), "--gpu", "cpu", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["fit"][0]["fits"] is True


def test_a_model_that_cannot_be_read_is_missing(tmp_path):
    result = run(str(tmp_path), "--gpu", "cpu", "--json")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert document["fit"] == []
    assert document["findings"][-1]["status"] == "inconclusive"


def test_an_image_is_counted_when_asked_for_and_changes_no_text_model():
    vision = "nvidia/Nemotron-Labs-Diffusion-VLM-8B"

    def needs(model: str, *options: str) -> list[float]:
        return [row["need_gib"] for row in json.loads(run(model, "--gpu", "H100", "--json", *options).stdout)["fit"]]

    assert needs(vision)[0] == pytest.approx(18.6, abs=0.06)
    assert needs(vision, "--images", "1")[0] == pytest.approx(18.6 + 0.39, abs=0.06)
    text = vision.replace("VLM-8B", "8B")
    assert needs(text) == needs(text, "--images", "1")


PUBLISHED = {
    "3B": {"bf16": (9.0, 10.3, 11.9, 21.6), "fp8": (6.2, 7.4, 9.1, 18.8), "4bit": (4.9, 6.1, 7.7, 17.5)},
    "8B": {"bf16": (17.8, 19.4, 21.6, 34.3), "fp8": (10.9, 12.5, 14.7, 27.4), "4bit": (7.7, 9.3, 11.4, 24.2)},
    "14B": {"bf16": (27.3, 29.2, 31.7, 46.7), "fp8": (16.0, 17.8, 20.3, 35.3), "4bit": (10.6, 12.5, 15.0, 30.0)},
    "VLM-8B": {"bf16": (18.6, 20.2, 22.4, 35.1)},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_printed_needs_are_the_published_figures(name):
    rows = json.loads(run(f"nvidia/Nemotron-Labs-Diffusion-{name}", "--gpu", "H100", "--json").stdout)["fit"]
    for precision, figures in PUBLISHED[name].items():
        made = [row["need_gib"] for row in rows if row["precision"] == precision]
        assert made == pytest.approx(list(figures), abs=0.0551), precision
