"""Prompts and tasks with images, the shipped ones among them, and how a stand-in server answers them."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib

import pytest

from evalkit.checklist.loader import shipped_folder
from evalkit.checklist.schema import Request
from evalkit.client.types import Target
from evalkit.client.wire import WireClient
from evalkit.errors import InputFileError
from evalkit.quality.case import request_for
from evalkit.quality.grading import grade_exchange
from evalkit.quality.suite import facts_of, load_suite
from evalkit.reference import ReferenceServer, Script
from evalkit.reference.answers import Answers
from evalkit.reference.question import image_mark
from evalkit.timing.prompts import load_prompts

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
URI = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"


@pytest.fixture(scope="module")
def shipped():
    return load_suite(shipped_folder("prompts") / "tasks" / "images.yaml", Request())


def prompts(folder, *rows):
    path = folder / "p.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return load_prompts([path], Request())


def test_a_prompt_shows_files_beside_it_and_data_uris(tmp_path):
    (tmp_path / "a.png").write_bytes(PIXEL)
    parts = [{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "what?"}]
    found = prompts(
        tmp_path,
        {"id": "a", "prompt": "what?", "images": ["a.png"]},
        {"id": "b", "messages": [{"role": "user", "content": parts}]},
        {"id": "c", "prompt": "what?", "images": [URI, URI]},
    ).prompts
    assert [p.request.messages[0]["content"][0]["image_url"]["url"] for p in found] == [URI] * 3
    assert found[1].same_as == "a"  # the very same messages
    assert found[2].same_as is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "x", "images": ["no.png"]}, "no such image"),
        ({"prompt": "x", "images": ["https://x.y/a.png"]}, "not addresses"),
        ({"prompt": "x", "images": ["p.jsonl"]}, "is not a .gif"),
        ({"prompt": "x", "images": []}, "must be a list of 1"),
        ({"prompt": "x", "images": [3]}, "a file in the prompts' folder"),
        ({"messages": [{"role": "user", "content": "x"}], "images": [URI]}, "go with `prompt`"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "../../etc/x"}}]}]},
            "is not a .gif",
        ),
    ],
)
def test_what_is_no_image_is_refused_with_its_line(tmp_path, row, says):
    with pytest.raises(InputFileError, match=says) as caught:
        prompts(tmp_path, {"id": "z", "prompt": "first"}, {"id": "a", **row})
    assert caught.value.where.endswith("p.jsonl:2")


def test_the_shipped_pictures_can_be_read_and_no_two_cases_show_the_same(shipped):
    seen = set()
    for case in shipped.cases:
        (part,) = [p for p in case.request.messages[-1]["content"] if p["type"] == "image_url"]
        data = base64.b64decode(part["image_url"]["url"].partition(",")[2], validate=True)
        start = data.index(b"IDAT")
        size = int.from_bytes(data[start - 4 : start])
        assert len(zlib.decompress(data[start + 4 : start + 4 + size])) == 192 * (1 + 128)
        seen.add(data)
    assert len(seen) == len(shipped.cases) == 300
    assert len(facts_of(shipped).image_cases) == 300
    timed = load_prompts([shipped_folder("prompts") / "images.jsonl"], Request())
    assert len(timed.distinct) == 64
    assert timed.facts[0].shipped


def test_a_stand_in_answers_by_what_is_shown(shipped):
    """Cases of one question and different pictures have different answers: the reply is laid down for the picture."""
    (first, second) = [c for c in shipped.cases if "in all?" in c.prompt_text][:2]
    said = {}
    for case in (first, second):
        image, text = case.request.messages[-1]["content"]
        said[f"{image_mark(image['image_url']['url'])}\n{text['text']}"] = str(case.expect[0].params.value)
    assert len(set(said.values())) == 2

    async def main(url):
        client = WireClient()
        try:
            target = Target("m", url, "default")
            return [await client.chat(target, request_for(case)) for case in (first, second)]
        finally:
            await client.aclose()

    with ReferenceServer(Script(), answers=Answers(said)) as server:
        replies = asyncio.run(main(server.base_url))
    assert [grade_exchange(c, r).passed for c, r in zip((first, second), replies, strict=True)] == [True, True]
    assert grade_exchange(first, replies[1]).passed is False
