"""Canary tokens through every command and several faults: no output, file, log or message holds a byte of them."""

from __future__ import annotations

import asyncio
import base64
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

import evalkit.__main__
import evalkit.secrets
from evalkit.data import demo_path
from tests.faults.matrix import PLACES, Cell, Matrix
from tests.faults.scenario import DIFFUSION, Stage
from tests.support.faults import FAULTS, FaultServer

pytestmark = pytest.mark.slow

API, ADMIN, TYPED, USER = "Zq7wLm2xRt9Kd4Vb", "Gh5nPc8sYe3Ju6Wa", "Bx4mTk7rFv2Qz9Dn", "Lp6dSw3hXc8Ng5Mj"
HUB = "hf_Vt2kRb9yHn4Jq7Zs"
CANARIES = (API, ADMIN, TYPED, USER, HUB)


def _traces(canary: str) -> set[bytes]:
    """A canary, its middle alone (a cut one), and its other spellings."""
    encoded = base64.b64encode(canary.encode()).decode().rstrip("=")
    return {text.encode() for text in (canary, canary[3:13], quote(canary, safe=""), encoded)}


def search(where: Path, said: str) -> list[str]:
    """Every place that holds a trace of a canary."""
    texts = {"output": said.encode()} | {str(p): p.read_bytes() for p in where.rglob("*") if p.is_file()}
    return [
        f"{name}: {trace!r}" for name, data in texts.items() for c in CANARIES for trace in _traces(c) if trace in data
    ]


@pytest.fixture(autouse=True)
def secrets(monkeypatch, tmp_path):
    monkeypatch.setenv("API_CANARY", API)
    monkeypatch.setenv("ADMIN_CANARY", ADMIN)
    monkeypatch.setenv("HF_TOKEN", HUB)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "logs"))
    (tmp_path / "logs").mkdir()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    stage = Stage(tmp_path_factory.mktemp("keyed"), keys=(API, ADMIN))
    yield Matrix(stage, patch)
    stage.close()
    patch.undo()


def command(monkeypatch, capfd, *words: object) -> tuple[int, str]:
    """A command as a new process would run it: nothing is known to be secret yet."""
    monkeypatch.setattr(evalkit.secrets, "_KNOWN", set())
    argv = [str(word) for word in words]
    monkeypatch.setattr(sys, "argv", ["evalkit", *argv])
    with pytest.raises(SystemExit) as end:
        evalkit.__main__.main()
    code = end.value.code if isinstance(end.value.code, int) else 0
    out = capfd.readouterr()
    return code, out.out + out.err


def test_keyed_servers_are_a_go_so_that_the_keys_were_used(keyed):
    assert keyed.base.exit_code == 0
    seen = {r.headers.get("authorization") for s in keyed.stage.servers.values() for _, r in s.requests}
    assert f"Bearer {API}" in seen
    flushed = {r.headers["authorization"] for s in keyed.stage.servers.values() for p, r in s.requests if p == "flush"}
    assert flushed == {f"Bearer {ADMIN}"}, "the admin key goes to the flush alone, and no other key there"


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ("key-echoed", "control"), ("key-echoed", "timing"), ("key-echoed", "quality"), ("key-echoed", "context"),
        ("redirect", "control"), ("redirect", "timing"), ("key-revoked", "timing"), ("html-page", "quality"),
        ("refuse", "timing"), ("invalid-utf8", "timing"), ("reset-at-a-byte", "control"),
    ],
)  # fmt: skip
def test_no_fault_of_a_server_brings_a_key_into_a_run(keyed, capfd, fault, place):
    assert keyed.base
    outcome, struck = keyed.play(Cell(FAULTS[fault], PLACES[place], "early"))
    out = capfd.readouterr()
    assert struck
    assert not search(outcome.folder, out.out + out.err)


def test_no_command_over_a_run_shows_a_key(keyed, monkeypatch, capfd, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(keyed.base.folder, run)
    said = capfd.readouterr().out
    pack, model = tmp_path / "run.pack", demo_path("trident-8b")
    commands = [
        *(["report", run, "--format", one] for one in ("markdown", "json", "html", "junit", "terminal", "github")),
        ["compare", run, run], ["compare", run, run, "--json"], ["gate", run], ["gate", run, "--json"],
        ["pack", run, "-o", pack], ["pack", run, "--redact", "-o", tmp_path / "redacted.pack"], ["report", pack],
        ["validate", keyed.stage.folder / "checklist.yaml"], ["validate", keyed.stage.folder / "checklist.yaml", "--json"],
        ["license", model], ["license", model, "--json"], ["license", "acme/none"], ["hardware", model],
        ["hardware", model, "--json"], ["explain", "serving.mode"], ["snapshot", "acme/none", "-o", tmp_path / "s.json"],
        ["init", tmp_path / "new"], ["run", keyed.stage.folder / "checklist.yaml", "--dry-run", "--json"],
        ["run", "--resume", tmp_path / "nowhere"],
    ]  # fmt: skip
    for words in commands:
        code, text = command(monkeypatch, capfd, *words)
        assert code in (0, 1, 2, 3), f"{words[0]}: {text[-500:]}"
        said += text
    assert not search(tmp_path, said)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--mode", f"diffusion=http://user:{USER}@127.0.0.1:9"], ["probe", f"http://user:{USER}@127.0.0.1:9"],
        ["probe", f"http://127.0.0.1:9/v1?api_key={USER}"], ["run", "--mode", f"diffusion=http://127.0.0.1:9/?key={USER}"],
        ["run", "--incumbent", f"http://:{USER}@127.0.0.1:9"], ["gate", "nowhere", "--live", f"http://u:{USER}@127.0.0.1:9"],
    ],
)  # fmt: skip
def test_an_address_with_a_key_in_it_is_refused_without_showing_it(monkeypatch, capfd, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    code, said = command(monkeypatch, capfd, *words)
    assert code in (2, 3)
    assert not search(tmp_path, said)


def test_a_checklist_with_a_key_in_an_address_is_refused_without_showing_it(monkeypatch, capfd, tmp_path):
    file = tmp_path / "checklist" / "checklist.yaml"
    file.parent.mkdir()
    file.write_text(f'schema_version: 1\nmodes: {{diffusion: {{endpoint: "http://u:{USER}@h?api_key={USER}"}}}}\n')
    for words in (["validate", file], ["validate", file, "--json"], ["run", file, "--output-dir", tmp_path / "run"]):
        code, said = command(monkeypatch, capfd, *words)
        assert code == 2
        assert not search(tmp_path / "logs", said)


def test_a_key_typed_into_a_launch_command_stays_out_of_the_run(monkeypatch, capfd, tmp_path):
    file = tmp_path / "checklist" / "checklist.yaml"
    file.parent.mkdir()
    say = f"echo serving with --api-key {TYPED}; echo ServerArgs api_key={TYPED} >&2; exit 3"
    file.write_text(
        "schema_version: 1\n"
        f"candidate: {{model: '{demo_path('trident-8b')}'}}\n"
        "modes:\n"
        "  autoregressive: {endpoint: 'http://127.0.0.1:9'}\n"
        f"  diffusion: {{launch: [sh, -c, '{say}', --api-key, {TYPED}, --admin-api-key={TYPED}]}}\n"
        "items: {hardware: {declared: H100-80GB}}\n"
    )
    run = tmp_path / "run"
    code, said = command(monkeypatch, capfd, "run", file, "--output-dir", run)
    assert code == 3
    assert (run / "logs").exists()
    assert not search(run, said)
    for words in (["report", run], ["report", run, "--format", "json"], ["gate", run], ["compare", run, run]):
        _, text = command(monkeypatch, capfd, *words)
        assert not search(run, text)


@pytest.fixture
def live():
    """A keyed server in real time, in a thread, that also sends the key back."""
    server = FaultServer(Stage.script(DIFFUSION, API, ADMIN))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.serve(), loop).result(10)
    yield server
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.mark.parametrize("fault", [None, "key-echoed", "html-page", "redirect"])
def test_no_command_that_asks_a_live_server_shows_a_key(live, keyed, monkeypatch, capfd, tmp_path, fault):
    if fault:
        live.arm(FAULTS[fault], frozenset({"any"}))
    monkeypatch.setenv("OPENAI_API_KEY", API)
    run = tmp_path / "run"
    shutil.copytree(keyed.base.folder, run)
    capfd.readouterr()
    for words in (
        ["probe", live.base_url, "--api-key-env", "API_CANARY", "--json"],
        ["probe", live.base_url, "--api-key-env", "API_CANARY"],
        ["probe", live.base_url],
        ["gate", run, "--live", live.base_url],
    ):
        code, said = command(monkeypatch, capfd, *words)
        assert code in (0, 1, 2, 3), said[-500:]
        assert not search(tmp_path, said)


def test_the_doctor_says_that_a_token_is_there_and_not_which(monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    for words in (["doctor"], ["doctor", "--json"]):
        code, said = command(monkeypatch, capfd, *words)
        assert code in (0, 3)
        assert not search(tmp_path, said)
