"""Secrets: shown nowhere, whatever is done with them."""

from __future__ import annotations

import copy
import html
import json
import pickle
import textwrap
from base64 import b32encode, b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit.secrets
from evalkit.secrets import MASK, Secret, redact, redact_words

CANARY = "canary-4711-do-not-show"


def test_no_text_form_of_a_secret_holds_it():
    secret = Secret(f"  {CANARY}\n")
    assert secret.reveal() == CANARY
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{[secret]}", str({"key": secret})):
        assert CANARY not in shown
        assert MASK in shown


def test_a_secret_is_not_serialised_or_copied():
    secret = Secret(CANARY)
    for take in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            take(secret)


def test_secrets_compare_and_hash_by_value_and_equal_no_text():
    assert Secret(CANARY) == Secret(f"{CANARY} ")
    assert len({Secret(CANARY), Secret(CANARY)}) == 1
    assert Secret(CANARY) != CANARY
    assert Secret(CANARY) != Secret("another")
    assert Secret(CANARY)
    assert not Secret("  ")


def test_a_value_that_was_a_secret_once_is_masked_everywhere():
    Secret(CANARY)
    assert redact(f"header: {CANARY}, again {CANARY}") == f"header: {MASK}, again {MASK}"
    Secret(f"{CANARY}-longer")
    assert redact(f"{CANARY}-longer") == MASK


def test_an_empty_or_tiny_secret_masks_nothing_else():
    Secret("")
    Secret("abc")
    assert redact("abcdef") == "abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "sk-abcdefghij1234", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "Authorization: Bearer abcd.efgh",
        "https://user:hunter22@host/path", "https://h/v1?key=hunter22", "https://h/v1?a=1&token=hunter22",
        "https://h/?api_key=hunter22", "https://h/?access_token=hunter22&x=1", "--api-key hunter22", "--api-key=hunter22",
        '"api_key":"hunter22"', '"api-key": "hunter22"',
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_masked(text):
    shown = redact(text)
    assert MASK in shown
    for part in ("abcdefghij", "abcd.efgh", "hunter22"):
        assert part not in shown


@pytest.mark.parametrize("text", ["the key to success", "a token of 5 tokens", "sk-1", "http://127.0.0.1:30000/v1", ""])
def test_plain_text_stays(text):
    assert redact(text) == text


@given(st.text())
def test_masking_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["serve", "--api-key", "hunter2200", "--port", "1"], ["serve", "--api-key", MASK, "--port", "1"]),
        (["serve", "--admin-token", "hunter2201"], ["serve", "--admin-token", MASK]),
        (["serve", "--no-key", "--port", "1"], ["serve", "--no-key", "--port", "1"]),
        (["serve"], ["serve"]),
        ([], []),
    ],
)
def test_a_key_that_was_typed_into_a_command_is_masked_there_and_known_from_then_on(words, shown):
    assert redact_words(words) == shown
    if MASK in shown:
        assert redact(f"later: {words[shown.index(MASK)]}") == f"later: {MASK}"


def test_a_secret_of_one_test_is_not_masked_in_the_next():
    Secret("only-in-this-test-and-nowhere-else")
    assert "***" in redact("only-in-this-test-and-nowhere-else")


def test_what_the_test_before_called_secret_is_plain_here():
    assert redact("only-in-this-test-and-nowhere-else") == "only-in-this-test-and-nowhere-else"


SIGNS, PLAIN = "pk7/Qz+Vb9==Xt2&Lm4_wN8<r", "acme-0123456789abcdefFEDC"
ECHOES = {
    "percent, small": lambda key: quote(key, safe="").lower(),
    "JSON with escaped slashes": lambda key: key.replace("/", "\\/"),
    "JSON for HTML": lambda key: key.replace("&", "\\u0026").replace("<", "\\u003c").replace("+", "\\u002B"),
    "JSON throughout": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "HTML by numbers": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "HTML of a template": lambda key: html.escape(key).replace("/", "&#x2F;").replace("+", "&#43;"),
    "bytes": lambda key: "".join(f"\\x{ord(c):02x}" for c in key),
    "percent throughout": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "hex in groups": lambda key: key.encode().hex(" "),
    "Base64 in lines": lambda key: "\n".join(textwrap.wrap(b64encode(key.encode()).decode(), 20)),
    "Base32": lambda key: b32encode(key.encode()).decode(),
    "another case": str.upper,
    "broken over lines": lambda key: f"{key[:10]}\n  {key[10:]}",
    "hyphenated": lambda key: f"{key[:9]}-\n{key[9:]}",
    "letter by letter": " ".join,
    "with blanks that nobody sees": lambda key: "\u200b".join((key[:8], key[8:])),
    "its larger part": lambda key: f"{key[:-4]}...",
    "its end": lambda key: f"...{key[5:]}",
}


@pytest.mark.parametrize("key", [SIGNS, PLAIN])
@pytest.mark.parametrize("how", ECHOES)
def test_a_known_key_is_masked_however_it_is_echoed(how, key, monkeypatch):
    monkeypatch.setattr(evalkit.secrets, "_KNOWN", set())
    monkeypatch.setattr(evalkit.secrets, "_SPELLINGS", set())
    Secret(key)
    shown = redact(f'{{"detail": "no such key: {ECHOES[how](key)}, of 3 that are known"}}')
    assert shown.startswith('{"detail": "no such key: ')
    assert shown.endswith(', of 3 that are known"}')
    assert len(shown) < 70


def test_words_that_share_some_letters_with_a_key_are_left(monkeypatch):
    monkeypatch.setattr(evalkit.secrets, "_SPELLINGS", set())
    Secret("local development server")
    Secret("team-7-evaluation-key-2026")
    text = "a local, developed serverless team evaluated key 2026 in 7 local development serve cases"
    assert redact(text) == text
    odd = "&#99999999999; &#x110000; \\u{1F600} \\ud800 %zz &copy; &nosuch; 100%25 \\400"
    assert redact(odd) == odd


@pytest.mark.parametrize("value", ["ollama", "EMPTY", "vllm", "sk-no-key-required"])
def test_what_stands_for_no_key_is_a_word_like_others(value):
    """Servers without keys are given it; masked, it would take the engine's name out of a run."""
    assert Secret(value).reveal() == value
    assert redact(f"engine {value} at a {value}-like server") == f"engine {value} at a {value}-like server"
