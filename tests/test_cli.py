"""The command as a user runs it: exit codes and streams, of real processes where a row stands for its kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jsonschema
import pytest

from evalkit.findings import ITEM_IDS
from tests.cli.command import evalkit as inside


def evalkit(*args, cwd=None, timeout=100):
    return subprocess.run([sys.executable, "-m", "evalkit", *map(str, args)], capture_output=True, text=True, cwd=cwd,
                          timeout=timeout, check=False)  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A run that could be timed: one that says that this machine was too busy for it is made again, twice at most."""
    for _ in range(3):
        folder = tmp_path_factory.mktemp("demo") / "run"
        done = evalkit("run", "--demo", "--json", "--output-dir", folder)
        findings = json.loads(done.stdout)["items"][1]["findings"]
        if not any(f["id"] == "modes.client-error" and f["status"] == "inconclusive" for f in findings):
            break
    return folder, done


@pytest.mark.slow
def test_the_demo_prints_one_document_with_the_six_items_in_order(demo):
    _folder, done = demo
    document = json.loads(done.stdout)
    assert [item["id"] for item in document["items"]] == list(ITEM_IDS)
    assert document["simulated"] is True
    assert done.returncode == document["exit_code"]


@pytest.mark.slow
def test_the_demo_teaches_that_self_speculation_holds_and_diffusion_breaks_json(demo):
    document = json.loads(demo[1].stdout)
    modes = {mode["mode"]: mode["qualified"] for mode in document["modes"]}
    assert document["verdict"] == "go"
    assert document["recommended_mode"] == "self-speculation"
    assert modes["diffusion"] in ("fail", "inconclusive")
    variant = next(f for f in document["items"][0]["findings"] if f.get("variant"))
    assert variant["status"] == "fail"


@pytest.mark.slow
def test_the_demo_report_fits_the_shipped_schema_and_says_simulated_first(demo):
    from importlib import resources

    folder, _done = demo
    schema = json.loads(resources.files("evalkit").joinpath("data/report.schema.json").read_text())
    jsonschema.validate(json.loads((folder / "report.json").read_text()), schema)
    assert "SIMULATED" in (folder / "report.md").read_text().splitlines()[0]


@pytest.mark.slow
def test_a_stored_run_renders_to_the_same_bytes(demo, capsys):
    folder, _done = demo
    again = inside(capsys, "report", folder)
    assert again.code == 0, again.err
    assert again.out == (folder / "report.md").read_text()


def test_the_quick_help_page_is_the_one_that_typer_prints():
    code = "from evalkit.cli.root import app, register; register(); app(['--help'], prog_name='evalkit')"
    environment = {**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert evalkit("--help").stdout == done.stdout


def test_help_imports_no_engine():
    code = ("import sys; sys.argv=['evalkit','--help']\nfrom evalkit.__main__ import main\n"
            "try: main()\nexcept SystemExit: pass\n"
            "bad={'httpx2','huggingface_hub','yaml','pynvml','asyncio','uvicorn','jsonschema'}&set(sys.modules)\n"
            "print('LOADED', sorted(bad))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("[1]", "a checklist is a mapping"),
        ("modess: {}", 'did you mean "modes"'),
        ("modes: {autoregresive: {}}", "unknown mode"),
        ("modes: {ar: {endpoint: localhost}}", "scheme"),
        ("name: no", "put it in quotes"),
        ("prompts: [nowhere.jsonl]", "does not exist"),
    ],
)
def test_an_invalid_checklist_is_exit_2_with_one_clear_error(tmp_path, capsys, text, says):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    done = inside(capsys, "run", path, "--output-dir", tmp_path / "run")
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run" / "journal.jsonl").exists()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "prompts.jsonl: the prompt file holds no prompt"),
        ('{"id": "a", "prompt": "x"}\nhello\n', "prompts.jsonl:2"),
        ('{"id": "a"}\n', "prompts.jsonl:1"),
        ('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n', "prompts.jsonl:2"),
        ('{"id": "a", "prompt": "x", "max_token": 3}\n', "unknown key 'max_token'"),
    ],
)
def test_prompts_that_are_none_are_exit_2_with_their_line(tmp_path, capsys, lines, says):
    (tmp_path / "prompts.jsonl").write_text(lines)
    (tmp_path / "c.yaml").write_text("prompts: [prompts.jsonl]\n")
    done = inside(capsys, "run", tmp_path / "c.yaml", "--output-dir", tmp_path / "run")
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mode", "turbo=http://127.0.0.1:1"], "unknown mode"),
        (["--mode", "diffusion=127.0.0.1:1"], "NAME=URL"),
        (["--only", "licence"], 'did you mean "license"'),
        (["--skip", "quality"], "ITEM=REASON"),
        (["nemotron-labs-difusion-8b"], 'did you mean "nemotron-labs-diffusion-8b"'),
        (["--resume", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_flag_is_exit_2_and_says_what_to_write(tmp_path, capsys, arguments, says):
    done = inside(capsys, "run", *arguments, "--output-dir", tmp_path / "run")
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


def test_what_is_wrong_reaches_the_shell(tmp_path):
    done = evalkit("run", "--mode", "turbo=http://127.0.0.1:1", "--output-dir", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown mode" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checklist_without_endpoints_is_inconclusive_and_says_what_to_start(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: nothing yet\n")
    done = evalkit("run", path, "--output-dir", tmp_path / "run")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "INCONCLUSIVE" in done.stdout
    assert "Next" in done.stdout


def test_a_shipped_checklist_without_a_server_names_the_command_that_starts_one(tmp_path, capsys):
    asked = ("nemotron-labs-diffusion-8b", "--only", "serving")
    done = inside(capsys, "run", *asked, "--output-dir", tmp_path / "run")
    assert done.code == 3, done.err
    assert "launch_server" in (tmp_path / "run" / "report.md").read_text()


def test_an_unreachable_server_is_inconclusive(tmp_path, capsys):
    path = tmp_path / "c.yaml"
    path.write_text("modes: {ar: {endpoint: 'http://127.0.0.1:9'}, diffusion: {endpoint: 'http://127.0.0.1:9'}}\n")
    assert inside(capsys, "run", path, "--output-dir", tmp_path / "run").code == 3
