"""A file that the checklist names and that says something else than when the run was made is seen by the gate."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.hub import write_snapshot
from evalkit.run.setup import prepare
from evalkit.stored.folder import RunFolder
from evalkit.stored.gate import gate
from evalkit.stored.open import open_for_gate
from evalkit.stored.pack import pack
from tests.cli.command import evalkit
from tests.support.quality_run import NOW, run_facts
from tests.support.stored_run import write_run

CARD = "---\nlicense: apache-2.0\n---\n# A model\n"
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def differences(run: Path, checklist: Path, *, packed: bool = False) -> str:
    """What the gate says was replaced; nothing where all is as it was."""
    source = open_for_gate(run)
    if packed:
        file = run.parent / "run.pack"
        file.write_bytes(pack(source, redact=True))
        source = open_for_gate(file)
    found = gate(source, source.facts().as_of, checklist=load_checklist(checklist))
    if not any("asks less" in one for one in found.reasons):
        return ""
    assert found.exit_code == 3
    return " ".join(found.reasons)


@pytest.fixture
def model(tmp_path, monkeypatch) -> Path:
    """A model's folder, a snapshot of it and a license text beside a checklist."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/README.md").write_text(CARD)
    (tmp_path / "model/config.json").write_text(json.dumps({"model_type": "llama"}))
    write_snapshot(str(tmp_path / "model"), tmp_path / "kept.json")
    (tmp_path / "text.txt").write_text("You may do this and that.")
    return tmp_path


HARMS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "snapshot": ("kept.json", lambda at: (at / "kept.json").write_text((at / "kept.json").read_text() + " ")),
    "snapshot that is gone": ("kept.json", lambda at: (at / "kept.json").unlink()),
    "card": ("./model", lambda at: (at / "model/README.md").write_text(CARD.replace("apache-2.0", "mit"))),
    "configuration": ("model", lambda at: (at / "model/config.json").write_text("{}")),
    "license text": ("kept.json", lambda at: (at / "text.txt").write_text("You may do all.")),
    "license text that is gone": ("kept.json", lambda at: (at / "text.txt").unlink()),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_local_model_and_its_license_text_are_compared(model, capsys, harm) -> None:
    named, change = HARMS[harm]
    item = "{license: {required: true, text: text.txt}}"
    (model / "c.yaml").write_text(f"candidate: {{model: {named}}}\nitems: {item}\n")
    evalkit(capsys, "run", "c.yaml", "--only", "license", "--output-dir", "run", "--json")
    for packed in (False, True):
        assert differences(model / "run", model / "c.yaml", packed=packed) == ""
    change(model)
    for packed in (False, True):
        assert "sha256" in differences(model / "run", model / "c.yaml", packed=packed)


def made_with(place: Path, checklist: dict) -> Path:
    """A run of the checklist, as its files are now."""
    (place / "c.yaml").write_text(json.dumps({"tasks": [], **checklist}))
    loaded = load_checklist(place / "c.yaml")
    setup = prepare(loaded)
    facts = run_facts(cases=0, prompts=22).model_copy(
        update={"prompts": setup.prompts.facts, "suites": (), "traffic": {one.source: one for one in setup.traffic}}
    )
    return write_run(place / "run", loaded.checklist, facts).path


@pytest.mark.parametrize("packed", [False, True])
def test_an_image_that_a_prompt_shows_is_compared(tmp_path, packed) -> None:
    (tmp_path / "a.gif").write_bytes(PIXEL)
    (tmp_path / "p.jsonl").write_text('{"id": "p0", "prompt": "What is it?", "images": ["a.gif"]}\n')
    run = made_with(tmp_path, {"prompts": ["p.jsonl"]})
    assert differences(run, tmp_path / "c.yaml", packed=packed) == ""
    (tmp_path / "a.gif").write_bytes(PIXEL + b"another")
    assert "images" in differences(run, tmp_path / "c.yaml", packed=packed)


def test_runs_that_hold_no_hash_of_images_stand(tmp_path) -> None:
    (tmp_path / "a.gif").write_bytes(PIXEL)
    (tmp_path / "p.jsonl").write_text('{"id": "p0", "prompt": "What is it?", "images": ["a.gif"]}\n')
    facts = RunFolder.open(made_with(tmp_path, {"prompts": ["p.jsonl"]})).facts()
    older = facts.model_copy(
        update={"prompts": tuple(one.model_copy(update={"images_sha256": None}) for one in facts.prompts)}
    )
    loaded = load_checklist(tmp_path / "c.yaml")
    run = write_run(tmp_path / "older", loaded.checklist, older)
    assert not any("asks less" in one for one in gate(run, NOW, checklist=loaded).reasons)


@pytest.mark.parametrize("packed", [False, True])
def test_a_trace_that_is_replayed_is_compared(tmp_path, packed) -> None:
    lines = [json.dumps({"timestamp": 100 * n, "messages": [{"role": "user", "content": f"q{n}"}]}) for n in range(60)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "p.jsonl").write_text('{"id": "p0", "prompt": "What is it?"}\n')
    load = {"load": [{"trace": "t.jsonl"}]}
    run = made_with(tmp_path, {"prompts": ["p.jsonl"], "items": {"modes": load}})
    assert differences(run, tmp_path / "c.yaml", packed=packed) == ""
    (tmp_path / "t.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    assert "trace" in differences(run, tmp_path / "c.yaml", packed=packed)
