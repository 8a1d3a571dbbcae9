"""A redacted report and a redacted pack are rendered in every format, and decide what the run decided."""

from __future__ import annotations

import json

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.hub.facts import CandidateFacts, ContextLimits
from evalkit.report import formats
from evalkit.report.formats import rendered
from evalkit.serving.context_facts import ContextProbe, ContextStep
from evalkit.serving.facts import EndpointFacts, ServerContext
from evalkit.stored.again import document_of
from evalkit.stored.pack import pack
from tests.cli.command import evalkit
from tests.support.quality_run import CHECKLIST, COMMIT, MODES, run_facts
from tests.support.stored_run import write_run

FORMATS = tuple(one.name for one in formats.FORMATS)
SECRET = "Xylophone of the marmalade"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run with limits of the context, and a server that quotes prompts in what it refuses; the same, packed."""
    facts = run_facts(cases=12, prompts=12, faults=("loop", "special"))
    refusal = f"HTTP 400: too long: {SECRET}"
    probe = ContextProbe(
        mode="diffusion", need_tokens=4096, outcome="refused", error=refusal, output_asked=512, output_error=refusal,
        over_limit="refused", over_limit_detail=refusal,
        steps=(ContextStep(asked_tokens=2048, ok=False, refused=True, error=refusal),),
    )  # fmt: skip
    endpoints = {
        mode: EndpointFacts(
            label=mode, endpoint=f"http://127.0.0.1:3000{n}", reachable=True, engine="sglang", declared_mode=mode,
            context=ServerContext(context_length=2048),
        )
        for n, mode in enumerate(MODES)
    }  # fmt: skip
    answers = list(facts.answers)
    unscored = answers[5].grades[0].model_copy(update={"passed": None, "reason": f"cannot read {SECRET!r}"})
    answers[5] = answers[5].model_copy(update={"passed": None, "grades": (unscored,)})
    facts = facts.model_copy(
        update={
            "candidates": (
                CandidateFacts(model="org/model", revision=COMMIT, context=ContextLimits(config_max=8192, config_source="c")),
            ),
            "endpoints": endpoints, "context_probes": {"diffusion": probe}, "answers": tuple(answers),
        }
    )  # fmt: skip
    asked = CHECKLIST.model_dump(mode="json")
    asked["items"]["context"] |= {"probe": True, "need_tokens": 4096, "need_output_tokens": 512}
    place = tmp_path_factory.mktemp("stored")
    folder = write_run(place / "run", Checklist.model_validate_json(json.dumps(asked)), facts)
    (place / "run.pack").write_bytes(pack(folder, redact=True))
    return place


@pytest.fixture(scope="module")
def documents(stored):
    """What the formats show: a run without its texts, and a pack that has none."""
    return {
        "folder": document_of(stored / "run", redact_prompts=True),
        "pack": document_of(stored / "run.pack"),
        "whole": document_of(stored / "run"),
    }


WORDS = (SECRET, "Xylophone", "lanterns", "otters", "private prompt", "<|mask|>")


@pytest.mark.parametrize("source", ["folder", "pack"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_rendered_without_the_texts(documents, name, source) -> None:
    text = rendered(name, documents[source])
    assert text
    for word in WORDS:
        assert word not in text, word


def test_the_words_are_there_to_be_found(documents) -> None:
    assert SECRET in rendered("json", documents["whole"])


@pytest.mark.parametrize("source", [("run", "--redact-prompts"), ("run.pack",)], ids=["folder", "pack"])
def test_the_command_prints_the_report_without_the_texts(stored, capsys, source) -> None:
    told = evalkit(capsys, "report", stored / source[0], *source[1:])
    assert told.code == 0, told.err
    assert told.out
    for word in WORDS:
        assert word not in told.out, word


@pytest.mark.parametrize("source", [("run", "--redact-prompts"), ("run.pack",)], ids=["folder", "pack"])
def test_what_was_decided_stays_and_so_do_the_numbers(stored, capsys, source) -> None:
    def document(*arguments):
        return json.loads(evalkit(capsys, "report", *arguments, "--format", "json").out)

    whole, bare = document(stored / "run"), document(stored / source[0], *source[1:])
    for key in ("verdict", "exit_code", "recommended_mode", "incumbent", "frontier", "lengths", "gpus"):
        assert bare[key] == whole[key], key

    def told(doc):
        return [(f["id"], f.get("mode"), f["status"], f["observed"]) for i in doc["items"] for f in i["findings"]]

    assert told(bare) == told(whole)
    limits = [
        next(f for i in doc["items"] for f in i["findings"] if f["id"] == "context.window")["data"]
        for doc in (whole, bare)
    ]
    assert limits[0] == limits[1]
    assert limits[0]["limits"]
    assert "(redacted)" in json.dumps(bare, ensure_ascii=False)
