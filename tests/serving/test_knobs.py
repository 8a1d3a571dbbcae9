"""One start command becomes those of its settings: every engine's own way, placeholders, and what is not known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from evalkit.errors import InputFileError
from evalkit.serving.knobs import engine_in, turned

OWN = Path("/run/sweep/own.yaml")
SGLANG = ["python3", "-m", "sglang.launch_server", "--model-path", "{model}", "--dllm-algorithm", "LowConfidence"]
VLLM = ["vllm", "serve", "{model}", "--diffusion-config", '{"temperature": 0.0, "confidence_threshold": 0.9}']


def turn(words, read=lambda path: "", **knobs):
    return turned(words, knobs, OWN, read)


def after(words, flag):
    return words[list(words).index(flag) + 1]


def test_sglang_gets_a_yaml_file_of_its_own():
    made = turn([*SGLANG, "--max-running-requests", "4"], threshold=0.5, block_size=8.0, max_running_requests=2)
    assert after(made.words, "--dllm-algorithm-config") == str(OWN)
    assert yaml.safe_load(dict(made.files)[str(OWN)]) == {"threshold": 0.5, "block_size": 8}
    assert after(made.words, "--max-running-requests") == "2"


def test_what_the_template_s_yaml_says_stays():
    fork = [*SGLANG[:-1], "FastDiffuser", "--dllm-algorithm-config", "f.yaml"]
    told = {"f.yaml": "algorithm: FastDiffuser\ncausal_context: true\nthreshold: 0.9\n"}
    made = turn(fork, told.__getitem__, threshold=0.7, steps=4)
    assert yaml.safe_load(dict(made.files)[str(OWN)]) == {
        "algorithm": "FastDiffuser", "causal_context": True, "threshold": 0.7, "max_steps": 4,
    }  # fmt: skip
    assert made.words.count("--dllm-algorithm-config") == 1


def test_vllm_gets_keys_of_its_json_and_keeps_the_others():
    made = turn(VLLM, threshold=1.0, block_size=16)
    data = json.loads(after(made.words, "--diffusion-config"))
    assert data == {"temperature": 0.0, "confidence_threshold": 1.0, "canvas_length": 16}
    assert made.files == ()


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["fluxserve", "launch", "--block-length=32"], {"--block-length=8", "--page-size", "--threshold"}),
        (["lmdeploy", "serve", "api_server", "{model}"], {"--dllm-block-length", "--dllm-confidence-threshold"}),
    ],
)
def test_engines_with_flags_get_flags(words, flags):
    assert flags <= set(turn(words, threshold=0.5, block_size=8).words)


def test_a_word_with_a_knob_in_braces_says_it_by_itself():
    made = turn(["./serve.sh", "diffusion:b{block_size}-t{threshold}", "{port}"], threshold=0.95, block_size=8)
    assert made.words == ("./serve.sh", "diffusion:b8-t0.95", "{port}")


@pytest.mark.parametrize("words", [["./serve.sh", "--api-key", "sk-1234567890abcdefghij"], SGLANG])
def test_a_knob_that_nobody_knows_is_refused_without_a_key_in_the_message(words):
    with pytest.raises(InputFileError, match="steps") as error:
        turn(words, steps=4)
    assert "sk-1234567890" not in str(error.value)


@pytest.mark.parametrize("text", ["[1]", "a: [", "text"])
def test_a_configuration_that_is_no_object_is_refused(text):
    with pytest.raises(InputFileError):
        turn([*SGLANG, "--dllm-algorithm-config", "f.yaml"], lambda _: text, threshold=0.5)


def test_the_engine_is_known_by_its_program_or_module():
    assert [engine_in(words).name for words in (SGLANG, ["/opt/bin/vllm", "serve"])] == ["sglang", "vllm"]
    assert engine_in(["./my-sglang-wrapper"]) is None
