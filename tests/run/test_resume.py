"""Going on with a run: the same plan in other words is the same plan; another one is refused by what differs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.errors import UsageError
from evalkit.reference import ReferenceProcess, Script
from evalkit.run.resume import resumed
from evalkit.run.setup import prepare
from evalkit.run.start import Flags, run
from evalkit.stored.folder import RunFolder
from tests.run.sessions import FAST, command, write

AR, DIFF = "autoregressive", "diffusion"
MODES = {AR: {"endpoint": "http://127.0.0.1:1"}, DIFF: {"endpoint": "http://127.0.0.1:2"}}
SUITE = "suite: {name: own, kind: chat}\ncases:\n  - {id: a, prompt: q, expect: [{contains: x}]}\n"


def begun(tmp_path):
    (tmp_path / "t.yaml").write_text(SUITE)
    path = write(tmp_path, MODES, tasks=["t.yaml"])
    setup = prepare(load_checklist(path))
    return path, RunFolder.create(tmp_path / "run", setup.loaded, setup.document())


def again(path, folder, **more):
    return resumed(folder, prepare(load_checklist(path), **more))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: f"# a remark\n{t}",
        lambda t: t.replace("name: small", "name:   'small'"),
        lambda t: t + "use: {commercial: true}\n",
    ],
)
def test_a_change_of_words_alone_goes_on_as_the_same_run(tmp_path, change):
    path, folder = begun(tmp_path)
    before = prepare(load_checklist(path)).loaded.sha256
    path.write_text(change(path.read_text()))
    assert prepare(load_checklist(path)).loaded.sha256 != before
    assert again(path, folder).loaded.sha256 == before


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("checklist.yaml", "max_tokens: 48", "max_tokens: 64", ["request.max_tokens", "48", "64"]),
        ("checklist.yaml", "declared: H100-80GB", "declared: L4", ["items.hardware.declared", "H100-80GB", "L4"]),
        ("checklist.yaml", "warmup: 1", "warmup: 2", ["items.modes.warmup"]),
        ("checklist.yaml", "127.0.0.1:2", "127.0.0.1:3", ["modes.diffusion.endpoint"]),
        ("prompts.jsonl", "number 3", "number 33", ["the prompts"]),
        ("t.yaml", "prompt: q", "prompt: qq", ["the suite own", "changed"]),
        ("t.yaml", "name: own", "name: other", ["the suite own is gone", "the suite other is new"]),
    ],
)  # fmt: skip
def test_what_differs_is_named(tmp_path, file, old, new, says):
    path, folder = begun(tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    with pytest.raises(UsageError) as caught:
        again(path, folder)
    assert all(word in str(caught.value) for word in says), caught.value
    assert caught.value.exit_code == 2


def test_an_item_that_is_left_out_is_named(tmp_path):
    path, folder = begun(tmp_path)
    with pytest.raises(UsageError, match="now quality"):
        again(path, folder, skip={"quality": "no time"})


def test_a_key_in_a_launch_command_is_not_shown(tmp_path):
    (tmp_path / "t.yaml").write_text(SUITE)
    launch = {DIFF: {"launch": ["serve", "--api-key", "canary-word-1", "{port}"]}}
    path = write(tmp_path, {**MODES, **launch}, tasks=["t.yaml"])
    setup = prepare(load_checklist(path))
    folder = RunFolder.create(tmp_path / "run", setup.loaded, setup.document())
    path.write_text(path.read_text().replace("canary-word-1", "canary-word-2"))
    with pytest.raises(UsageError) as caught:
        again(path, folder)
    assert "modes.diffusion.launch" in str(caught.value)
    assert "canary" not in str(caught.value)


def records(folder) -> int:
    path = folder / "journal.jsonl"
    return path.read_bytes().count(b'"kind":"timed"') if path.exists() else 0


def ended(running, folder, records_, number):
    """A run that was asked to end once it has so many records: exit code 130, a report, and the way to go on."""
    deadline = time.monotonic() + 60
    while records(folder) < records_ and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running.poll() is None, running.communicate()
    os.kill(running.pid, number)
    os.kill(running.pid, number) if number == signal.SIGTERM else None  # schedulers send it more than once
    out, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert json.loads(out)["exit_code"] in (1, 3)
    assert (folder / "report.md").exists()
    assert f"--resume {folder}" in said


@pytest.mark.slow
def test_a_run_that_is_asked_to_end_writes_its_report_and_can_go_on(tmp_path):
    """By a scheduler first, then by a person; the third session makes what is left."""
    slow = {**FAST, "ttft_ms": 50.0}
    folder = tmp_path / "run"
    with ReferenceProcess(Script(mode=AR, **slow)) as ar, ReferenceProcess(Script(mode=DIFF, **slow)) as diffusion:
        modes = {AR: {"endpoint": ar.base_url}, DIFF: {"endpoint": diffusion.base_url}}
        path = write(tmp_path, modes, items={"modes": {"repeats": 3, "warmup": 1, "repeated": {"prompts": 0}}})
        for count, number, where in ((5, signal.SIGTERM, "--output-dir"), (16, signal.SIGINT, "--resume")):
            running = subprocess.Popen(
                command(path, where, folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  one thread
            )  # fmt: skip
            ended(running, folder, count, number)
        kept = records(folder)
        report = run(Flags(checklist=str(path), resume=folder, as_json=True))
    assert report["exit_code"] in (0, 1, 3)
    assert records(folder) == 3 * 8 * 2 > kept


def test_term_comes_back_to_what_it_was_after_the_block():
    from evalkit.system import ended_by_term

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_by_term():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
