"""Further fields of a request: what evalkit sends itself, and what asks for several replies, is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from evalkit.checklist.schema import Request
from evalkit.errors import InputFileError
from evalkit.quality.schema import RequestParams
from evalkit.timing.prompts import load_prompts

REFUSED = [
    {"messages": [{"role": "user", "content": "Hi."}]},
    {"model": "other"},
    {"stream": False},
    {"n": 2},
    {"best_of": 4},
]


@pytest.mark.parametrize("extra", REFUSED)
def test_a_field_that_makes_every_request_the_same_or_several_is_refused_where_it_is_written(extra, tmp_path):
    """One message for all prompts is one prompt, and of several replies one server may send one."""
    for section in (Request, RequestParams):
        with pytest.raises(ValidationError, match=next(iter(extra))):
            section.model_validate({"extra_body": extra})
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "a", "prompt": "Hi.", "extra_body": extra}))
    with pytest.raises(InputFileError, match=next(iter(extra))):
        load_prompts([tmp_path / "p.jsonl"], Request())


def test_other_fields_are_sent_as_they_are(tmp_path):
    extra = {
        "top_k": 3,
        "n": 1,
        "best_of": None,
        "chat_template_kwargs": {"enable_thinking": False},
        "ignore_eos": True,
    }
    assert Request.model_validate({"extra_body": extra}).extra_body == extra
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "a", "prompt": "Hi.", "extra_body": extra}))
    (one,) = load_prompts([tmp_path / "p.jsonl"], Request()).prompts
    assert one.request.body("m").items() >= extra.items()
