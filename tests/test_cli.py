"""The command as a user runs it: exit codes and streams, of real processes where a row stands for its kind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from functools import partial

import jsonschema
import pytest

import evalkit.reference
from evalkit.findings import ITEM_IDS
from evalkit.run.start import Flags, run
from tests.cli.command import evalkit as inside
from tests.support.virtual_world import worlds


def process(*args, cwd=None, timeout=100):
    return subprocess.run([sys.executable, "-m", "evalkit", *map(str, args)], capture_output=True, text=True, cwd=cwd,
                          timeout=timeout, check=False)  # fmt: skip


class Scripted:
    """A server of the demo in virtual time."""

    def __init__(self, world, script):
        (self.server,) = world.serve(script)
        self.base_url = self.server.base_url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It ends with its world."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The whole demo in virtual time: its folder, and what was printed."""
    folder, said = tmp_path_factory.mktemp("demo") / "run", io.StringIO()
    with worlds() as world, pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(evalkit.reference, "ReferenceProcess", partial(Scripted, world))
        report = run(Flags(demo=True, as_json=True, output_dir=folder))
    document = json.loads(said.getvalue())
    assert (document["exit_code"], document["verdict"]) == (report["exit_code"], report["verdict"]) == (0, "go")
    return folder, document


@pytest.mark.slow
def test_the_demo_prints_one_document_with_the_six_items_in_order(demo):
    _folder, document = demo
    assert [item["id"] for item in document["items"]] == list(ITEM_IDS)
    assert document["simulated"] is True


@pytest.mark.slow
def test_the_demo_teaches_that_self_speculation_holds_and_diffusion_breaks_json(demo):
    _folder, document = demo
    modes = {mode["mode"]: mode["qualified"] for mode in document["modes"]}
    assert document["recommended_mode"] == "self-speculation"
    assert modes["diffusion"] in ("fail", "inconclusive")
    variant = next(f for f in document["items"][0]["findings"] if f.get("variant"))
    assert variant["status"] == "fail"


@pytest.mark.slow
def test_the_demo_report_fits_the_shipped_schema_and_says_simulated_first(demo):
    from importlib import resources

    folder, _document = demo
    schema = json.loads(resources.files("evalkit").joinpath("data/report.schema.json").read_text())
    jsonschema.validate(json.loads((folder / "report.json").read_text()), schema)
    assert "SIMULATED" in (folder / "report.md").read_text().splitlines()[0]


@pytest.mark.slow
def test_a_stored_run_renders_to_the_same_bytes(demo, capsys):
    folder, _document = demo
    again = inside(capsys, "report", folder)
    assert again.code == 0, again.err
    assert again.out == (folder / "report.md").read_text()


@pytest.mark.slow
def test_the_demo_starts_its_three_servers_and_ends_them(tmp_path):
    """In processes of their own: one item alone asks each of them a few things."""
    done = process("run", "--demo", "--only", "serving", "--json", "--output-dir", tmp_path / "run")
    document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"]
    modes = {mode["mode"]: mode["observed_mode"] for mode in document["modes"]}
    assert modes == {mode: mode for mode in ("autoregressive", "diffusion", "self-speculation")}


def test_the_quick_help_page_is_the_one_that_typer_prints():
    code = "from evalkit.cli.root import app, register; register(); app(['--help'], prog_name='evalkit')"
    environment = {**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert process("--help").stdout == done.stdout


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
    done = process("run", "--mode", "turbo=http://127.0.0.1:1", "--output-dir", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown mode" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checklist_without_endpoints_is_inconclusive_and_says_what_to_start(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: nothing yet\n")
    done = process("run", path, "--output-dir", tmp_path / "run")
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
