"""The redactor: known values in every form, values that look like secrets, and nothing else."""

import base64
import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit.secrets
from evalkit.secrets import MASK, Secret, redact

CANARY = "Zq7wLm2xRt9Kd4Vb"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(evalkit.secrets, "_KNOWN", set())


@pytest.mark.parametrize(
    "text",
    [
        f"hf_{CANARY}{CANARY}aB", f"sk-{CANARY}", f"sk-proj-{CANARY}", f"nvapi-{CANARY}", f"ghp_{CANARY}{CANARY}",
        f"Authorization: Bearer {CANARY}", f"authorization: basic {CANARY}", f"{{'authorization': 'Bearer {CANARY}'}}",
        f"http://user:{CANARY}@host:30000/v1", f"https://{CANARY}@host/", f"http://:{CANARY}@host",
        f"http://h/v1?api_key={CANARY}&x=1", f"http://h/?a=1&key={CANARY}", f"?access_token={CANARY}",
        f"https://h/?X-Amz-Signature=1&sig={CANARY}", f"python -m sglang --api-key {CANARY} --port 1",
        f"--admin-api-key={CANARY}", f"['--api-key', '{CANARY}']", json.dumps(["--api-key", CANARY]),
        json.dumps({"api_key": CANARY}), json.dumps({"admin_api_key": CANARY}, indent=1), f"api_key='{CANARY}', port=1",
        f"ServerArgs(api_key={CANARY}, port=1)", json.dumps(json.dumps({"api_key": CANARY})), f'hf_token: "{CANARY}"',
        f"--hf-token {CANARY}", f'"ssl_keyfile_password": "{CANARY}"',
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_masked_without_being_known(text):
    shown = redact(text)
    assert CANARY not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "name the key's variable in api_key_env", "HTTP 401: a key is missing or wrong", "api_key_env: SGLANG_KEY",
        "http://127.0.0.1:30000/v1", "the monkey= sign", "key: value", "--model-path acme/8B --port 30000",
        "modes.diffusion.api_key_env is not set", "Bearer of bad news", '{"api_key_env": "SGLANG_KEY"}',
        "tokens=128&max_tokens=5", "mail me at someone@example.org", "skip-list, risk-free, task-7", "network, proxy and HF_ENDPOINT", "HF_HUB_OFFLINE=1",
        "hf_hub_download, hf_transfer, hf_tokenizer, HF_QUANTIZER",
    ],
)  # fmt: skip
def test_ordinary_text_stays(text):
    assert redact(text) == text


@given(st.text(min_size=4, max_size=60).filter(lambda t: len(t.strip()) >= 4 and "*" not in t), st.text(max_size=40))
def test_a_known_secret_is_masked_in_every_form(value, around):
    evalkit.secrets._KNOWN.clear()
    secret = Secret(value)
    plain = secret.reveal()
    forms = [plain, quote(plain, safe=""), json.dumps(plain)[1:-1]]
    for form in forms:
        assert form not in redact(f"{around} {form} {around}").replace(around, "")
    encoded = base64.b64encode(plain.encode()).decode().rstrip("=")
    assert encoded not in redact(f"<{encoded}>")
    evalkit.secrets._KNOWN.clear()


def test_a_secret_has_no_other_way_out():
    secret = Secret(CANARY + "\n")
    assert secret.reveal() == CANARY
    assert CANARY not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_a_value_too_short_to_be_a_secret_tears_no_words_apart():
    Secret("a")
    assert redact("a banana") == "a banana"
