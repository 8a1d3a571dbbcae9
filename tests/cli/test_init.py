"""`evalkit init`: writes what validate accepts, for what is there; asks only people; never overwrites."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.schema import Checklist
from evalkit.checklist.yaml import parse_yaml
from evalkit.reference import ReferenceServer, preset
from evalkit.run.setup import prepare
from evalkit.scaffold.detect import Found, find_servers
from evalkit.scaffold.write import Request, Wanted, checklist_text, quoted, scaffold
from evalkit.serving.facts import EndpointFacts
from tests.cli.command import evalkit

MODEL = "acme-labs/Trident-8B"


@pytest.fixture
def no_servers(monkeypatch):
    monkeypatch.setattr("evalkit.scaffold.detect.PORTS", ())


def test_without_a_server_the_checklist_is_one_that_validate_accepts(tmp_path, capsys, no_servers):
    done = evalkit(capsys, "init", tmp_path / "new")
    assert done.code == 0, done.err
    assert "found no server" in done.out
    assert "evalkit validate" in done.out
    done = evalkit(capsys, "validate", tmp_path / "new" / "checklist.yaml")
    assert done.code == 0, done.out
    checklist = load_checklist(tmp_path / "new" / "checklist.yaml").checklist
    assert list(checklist.modes) == ["autoregressive", "diffusion", "self-speculation"]


def test_running_servers_are_found_and_named_by_their_mode(tmp_path, capsys, monkeypatch):
    with (
        ReferenceServer(preset("diffusion", model=MODEL)) as fast,
        ReferenceServer(preset("autoregressive", model=MODEL)) as plain,
    ):
        ports = tuple(int(server.base_url.rpartition(":")[2]) for server in (fast, plain))
        monkeypatch.setattr("evalkit.scaffold.detect.PORTS", ports)
        done = evalkit(capsys, "init", tmp_path)
        assert fast.emissions() == []  # no prompt was sent
    assert done.code == 0, done.err
    checklist = load_checklist(tmp_path / "checklist.yaml").checklist
    assert {mode: endpoint.endpoint for mode, endpoint in checklist.modes.items()} == {
        "autoregressive": plain.base_url, "diffusion": fast.base_url,
    }  # fmt: skip
    assert checklist.candidate.model == MODEL
    assert evalkit(capsys, "validate", tmp_path / "checklist.yaml").code == 0


def test_a_server_that_asks_for_a_key_is_named_and_not_passed_over(tmp_path, capsys, no_servers):
    with ReferenceServer(preset("diffusion", model=MODEL, api_key="canary")) as server:
        done = evalkit(capsys, "init", tmp_path, "--server", server.base_url)
    assert f"{server.base_url}: asks for a key" in done.out
    text = (tmp_path / "checklist.yaml").read_text()
    assert f"# {server.base_url}:" in text
    assert "api_key_env" in text
    assert evalkit(capsys, "validate", tmp_path / "checklist.yaml").code == 0


def test_the_scaffolded_checklist_runs_against_the_servers_that_were_found(tmp_path, capsys, no_servers):
    with (
        ReferenceServer(preset("autoregressive", model=MODEL)) as plain,
        ReferenceServer(preset("diffusion", model=MODEL)) as fast,
    ):
        evalkit(capsys, "init", tmp_path, "--server", plain.base_url, "--server", fast.base_url)
        done = evalkit(capsys, "run", tmp_path / "checklist.yaml", "--dry-run")
    assert done.code == 0, done.err
    assert "diffusion" in done.out


def test_one_server_of_two_modes_is_a_remark_and_a_lone_baseline_gets_company():
    def server(port, mode):
        return EndpointFacts(label="x", endpoint=f"http://127.0.0.1:{port}", reachable=True, engine="sglang",
                             model="m", served_models=("m",), declared_mode=mode)  # fmt: skip

    found = Found((server(30000, "diffusion"), server(30001, "diffusion"), server(30002, None)))
    text = checklist_text_of(found)
    modes = yaml.safe_load(text)["modes"]
    assert modes["diffusion"]["endpoint"] == "http://127.0.0.1:30000"
    assert modes["autoregressive"]["endpoint"] not in {s.endpoint for s in found.servers}
    assert "# http://127.0.0.1:30001: sglang" in text
    assert "decoding mode not declared" in text
    alone = yaml.safe_load(checklist_text_of(Found((server(30000, "autoregressive"),))))["modes"]
    assert list(alone) == ["autoregressive", "diffusion"]


def checklist_text_of(found, request=None, path="checklist.yaml"):
    return checklist_text(Path(path), found, Wanted(request=request or Request()))


@settings(max_examples=150, deadline=None)
@given(
    model=st.text(min_size=1, max_size=60),
    engine=st.text(max_size=30),
    gpu=st.text(max_size=30),
    system=st.text(max_size=200),
)
def test_whatever_a_server_or_a_card_is_called_the_checklist_loads_and_says_nothing_else(model, engine, gpu, system):
    def server(port, mode):
        return EndpointFacts(label="x", endpoint=f"http://127.0.0.1:{port}", reachable=True, engine=engine, model=model,
                             model_path=model, served_models=(model,), declared_mode=mode)  # fmt: skip

    found = Found((server(1, "diffusion"), server(2, None), server(3, "diffusion")), (gpu,))
    text = checklist_text_of(found, Request(0.5, 7, system))
    data = parse_yaml(text, Path("checklist.yaml")).data
    checklist = Checklist.model_validate(data)
    assert set(data) == {"schema_version", "name", "profile", "budget", "candidate", "use", "request", "modes", "prompts",
                         "tasks", "items"}  # fmt: skip
    assert set(data["items"]) == {"modes", "hardware", "serving", "quality", "context"}
    assert list(checklist.modes) == ["autoregressive", "diffusion"]
    assert checklist.modes["diffusion"].model == yaml.safe_load(quoted(model))


def test_gpus_are_named_and_without_one_the_checklist_says_to_declare_it():
    assert "found here: NVIDIA L4 (22 GiB)" in checklist_text_of(Found(gpus=("NVIDIA L4 (22 GiB)",)))
    assert "declare what is behind the endpoints" in checklist_text_of(Found())
    hostile = checklist_text_of(Found(gpus=("L4\nitems: {}",)))
    assert yaml.safe_load(hostile)["items"]["hardware"] == {"declared": None}


def test_nothing_that_exists_is_touched(tmp_path, capsys, no_servers):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "prompts.jsonl").write_text('{"id": "mine", "prompt": "Hello."}')
    done = evalkit(capsys, "init", tmp_path)
    assert done.code == 0
    assert "kept" in done.out
    assert "mine" in (tmp_path / "prompts" / "prompts.jsonl").read_text()
    before = (tmp_path / "checklist.yaml").read_bytes()
    done = evalkit(capsys, "init", tmp_path)
    assert done.code == 2
    assert "exists already" in done.err
    assert (tmp_path / "checklist.yaml").read_bytes() == before


def test_a_link_is_neither_followed_nor_replaced(tmp_path, capsys, no_servers):
    (tmp_path / "checklist.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert evalkit(capsys, "init", tmp_path).code == 2
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, capsys, no_servers):
    (tmp_path / "file").write_text("")
    done = evalkit(capsys, "init", tmp_path / "file" / "below")
    assert done.code == 2
    assert "cannot be written" in done.err


def test_a_server_that_is_none_is_left_out(capsys):
    from evalkit.client import run

    listening = socket.create_server(("127.0.0.1", 0))  # accepts, never answers
    with listening:
        assert run(find_servers(ports=(listening.getsockname()[1],))) == ()


@pytest.mark.parametrize(
    "text", ['say "hi": #1', "a\nb", "x: [y", "é 🙂 \u202e", "\x1b[31m\x07\x7f\x85", "{{ 7 }}", "- &a *a"]
)
def test_any_system_prompt_gives_a_checklist_that_loads(tmp_path, text):
    scaffold(tmp_path, Found(), Wanted(request=Request(0.7, 100, text)))
    checklist = load_checklist(tmp_path / "checklist.yaml").checklist
    assert checklist.request.system == yaml.safe_load(quoted(text))
    assert (checklist.request.temperature, checklist.request.max_tokens) == (0.7, 100)


def test_copies_of_the_shipped_prompts_and_tasks_do_not_pass_for_your_own(tmp_path):
    scaffold(tmp_path, Found(), Wanted())
    setup = prepare(load_checklist(tmp_path / "checklist.yaml"))
    assert [facts.shipped for facts in setup.prompts.facts] == [True]
    assert [suite.shipped for suite in setup.suites] == [True]
    with (tmp_path / "prompts" / "prompts.jsonl").open("a") as file:
        file.write('\n{"id": "mine", "prompt": "Hello."}\n')
    assert [facts.shipped for facts in prepare(load_checklist(tmp_path / "checklist.yaml")).prompts.facts] == [False]


@pytest.mark.slow
def test_a_person_is_asked_what_production_sends_and_a_pipe_is_not(tmp_path):
    command = [sys.executable, "-m", "evalkit", "init", "--no-scan"]
    piped = subprocess.run(
        [*command, tmp_path / "piped"], input="0.9\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert piped.returncode == 0, piped.stderr
    assert "temperature" not in piped.stderr
    ours, theirs = pty.openpty()
    os.write(ours, b"\nresearch\nno\n\n\n\n\n\nhot\n0.7\n256\nBe brief.\n")
    asked = subprocess.run(
        [*command, tmp_path / "asked"], stdin=theirs, capture_output=True, text=True, timeout=60, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert asked.returncode == 0, asked.stderr
    assert "hot is no temperature" in asked.stderr
    request = load_checklist(tmp_path / "asked" / "checklist.yaml").checklist.request
    assert (request.temperature, request.max_tokens, request.system) == (0.7, 256, "Be brief.")
    use = load_checklist(tmp_path / "asked" / "checklist.yaml").checklist.use
    assert (use.purpose, use.commercial) == ("research", False)
