"""The redactor against keys as providers issue them, ordinary words, and texts that would be slow to read."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.secret_shapes import names_a_secret
from evalkit.secrets import MASK, redact
from tests.support.fake_keys import PROVIDERS, draw

ORDINARY = (Path(__file__).parent / "fixtures/ordinary_words.txt").read_text().splitlines()

PLACES = """
PGPASSWORD=swordfish
MYSQL_PWD=swordfish
declare -x PGPASSWORD="swordfish"
environ({'PGPASSWORD': 'swordfish'})
SSHPASS=swordfish
HFToken: swordfish81x
HFToken=swordfish81x
DBPassword=swordfish81x
dbpassword: 'swordfish'
csrftoken=swordfish81x
credentials=swordfish81x
client_secret%3Dswordfish81x
<apiKey>swordfish81x</apiKey>
<password>swordfish</password>
[(b'host', b'h'), (b'api-key', b'swordfish81x')]
{b'x-api-key': b'swordfish81x'}
["x-api-key", "swordfish81x"]
x-functions-key: swordfish81x
Cookie: session=swordfish81x; other=swordfish
Set-Cookie: sid=swordfish; Path=/
'cookie': 'session=swordfish'
(b'cookie', b'sid=swordfish')
machine example.org login me password swordfish
Server=x;User Id=sa;Password=swordfish;
Server=x;Uid=sa;Pwd=swordfish
https://example.org/x?auth=swordfish
https://example.org/x?session_id=1&jwt=swordfish
https://example.org/api/f?code=swordfishswordfish81x
"""
ELSEWHERE = PLACES.strip().splitlines()

CONTEXTS = {
    "alone": "{}",
    "sentence": "the key is {}, keep it",
    "quoted": 'use "{}" here',
    "code span": "`{}`",
    "assigned": "export X_VALUE={}",
    "address": "https://example.org/a/b?x={}&y=1",
    "behind a newline that JSON escaped": "line\\n{}\\nnext",
    "behind a character in hex": "a%20{}%20b",
    "in an error": "HTTP 401: Incorrect API key provided: {}. You can find your key at https://example.org.",
    "parenthesis": "({})",
    "table": "| {} |",
}  # fmt: skip


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_of_every_provider_is_masked_wherever_it_is(provider, context):
    for seed in range(6):
        key, drawn = draw(provider, seed)
        written = CONTEXTS[context].format(key)
        shown = redact(written)
        assert MASK in shown
        for n in range(len(drawn) - 8):  # no piece of it that is long enough to be of use
            assert drawn[n : n + 9] not in shown
        assert redact(shown) == shown


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_is_masked_in_json_inside_json_and_as_a_value_of_a_field(provider):
    key, drawn = draw(provider, 99)
    inner = json.dumps({"detail": f"bad key {key}"})
    for text in (inner, json.dumps({"error": inner}), json.dumps(json.dumps({"error": inner}))):
        assert drawn[-10:] not in redact(text)
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AZURE_CLIENT_SECRET", "api_key", "--api-key"):
        assert drawn[-10:] not in redact(f"{name}={key}")


@pytest.mark.parametrize("name", ["COHERE_API_KEY", "MISTRAL_API_KEY", "WANDB_API_KEY", "DD_API_KEY", "AWS_SECRET_ACCESS_KEY",
                                  "apiKey", "accessToken", "clientSecret", "x-api-key", "db_password", "--admin-api-key"])  # fmt: skip
@pytest.mark.parametrize("form", ["{}={}", '"{}": "{}"', "{}: {}", "'{}', '{}'", '{{\\"{}\\":\\"{}\\"}}'])
def test_a_key_without_a_shape_is_known_by_the_name_of_its_field(name, form):
    if form.startswith("'") and not name.startswith("-"):
        form = "{} = '{}'"
    key = "q7Lr2TtWx9Kd4VbZ8mNc"
    assert key not in redact(form.format(name, key))
    assert names_a_secret(name)


@pytest.mark.parametrize("text", ELSEWHERE)
def test_a_secret_is_masked_where_programs_print_it(text):
    """Dumps of an environment or of headers, connection strings, markup: whatever a server writes into its log."""
    masked = redact(text)
    assert MASK in masked
    assert "sword" not in masked.lower().replace("password", "")
    assert redact(masked) == masked


@pytest.mark.parametrize("text", ["PWD=/home/me", "OLDPWD=/home/me", "<th>API key</th>", "a key> b", "cookie banner",
                                  '["api_key", "model", "token"]', "a session=1 of three", "?code=404", "x;y=2"])  # fmt: skip
def test_what_only_looks_like_such_a_place_stays(text):
    assert redact(text) == text


def test_ordinary_technical_words_and_names_stay():
    assert len(ORDINARY) >= 2000
    assert [word for word in ORDINARY if redact(word) != word] == []
    for frame in ("the {} of it", "`{}`", "- {}\n", "({})", "{}\n"):
        assert [word for word in ORDINARY if redact(frame.format(word)) != frame.format(word)] == []


UNITS = st.one_of(
    st.text("-_ahk=:/.&?\\\"' \n{}[]@%", min_size=1, max_size=12),
    st.sampled_from([
        "-", "ha-", "a-", "--a-", "://", "://a", "://a:b", "&a-", "eyJ", "eyJ-", "key", "key=", "token ", "--token ", "secret_",
        "SG.", "sk-", "hf_", "sntrys_", "-----BEGIN PRIVATE KEY-----", "bearer ", "authorization: ", "Q~", "AKIA", "password\\",
        "%41hf_", "xoxb-", "a:AA", "ATATT3", '"token": "', "api_key='", "Comment: x\\n",
    ]),
)  # fmt: skip


def seconds(text: str) -> float:
    """CPU of this thread alone, the least of three."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        redact(text)
        taken.append(time.thread_time() - began)
    return min(taken)


@settings(max_examples=60)
@given(UNITS, st.sampled_from(["", "x", "="]))
def test_time_grows_with_the_text_and_no_faster(unit, end):
    """A text twice as long takes at most three times as long. A reading that another process disturbed is taken again."""
    for _ in range(4):
        short, long = ((unit * (n // len(unit) + 1))[:n] + end for n in (16_000, 32_000))
        if seconds(long) < 3 * max(seconds(short), 0.0002):
            return
    pytest.fail(f"{unit!r} is read in more than linear time")


@given(st.lists(st.sampled_from(["api_key", "token", "=", ": ", '"', "'", "\\", "--", " ", "hf_", "sk-", "a1b2c3d4e5f6", MASK, "\n",
                                 "Authorization: ", "Bearer ", "://", "@", "x", "None", "(", "&"]), max_size=14))  # fmt: skip
def test_masking_twice_changes_nothing_more_whatever_is_put_together(parts):
    once = redact("".join(parts))
    assert redact(once) == once


def test_an_address_keeps_its_host():
    assert redact("http://user:pass@host:30000/v1") == f"http://{MASK}@host:30000/v1"
    assert quote("a/b") in redact(f"https://host/{quote('a/b')}")
