"""`evalkit init --model`: servers, records and engines as they are found, and what is tried."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date

import pytest
import yaml

from evalkit.analysis.pairs import alpha_of
from evalkit.analysis.suites import independent
from evalkit.checklist.loader import load_checklist
from evalkit.data.records import records
from evalkit.reference import ReferenceServer, preset
from evalkit.run.setup import prepare
from evalkit.run.sizing import sizing
from evalkit.scaffold.engines import find_engines
from evalkit.scaffold.write import WIDEST, margin_of
from evalkit.serving.support import recipe_for
from evalkit.stats.proportions import least_cases
from tests.cli.command import evalkit

NEMOTRON = "nvidia/Nemotron-Labs-Diffusion-8B"
AR, DIFF, SELF = "autoregressive", "diffusion", "self-speculation"


@pytest.fixture(autouse=True)
def no_servers(monkeypatch):
    monkeypatch.setattr("evalkit.scaffold.detect.PORTS", ())


def made(folder):
    return load_checklist(folder / "checklist.yaml").checklist


def distribution(where, name, version, url=None):
    """Metadata as an installed package leaves it; there is nothing that could be imported."""
    info = where / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if url:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "vcs_info": {"vcs": "git"}}))


def test_start_commands_come_from_the_records_with_their_side_files(tmp_path, capsys):
    done = evalkit(capsys, "init", tmp_path, "--model", NEMOTRON)
    assert done.code == 0, done.err
    checklist = made(tmp_path)
    assert checklist.candidate.model == NEMOTRON
    assert checklist.profile == "afternoon"
    for mode in (AR, DIFF, SELF):
        launch = checklist.modes[mode].launch
        assert {"{port}", "{model}", "{context}"} <= set(launch)
        assert any(set(record.args or ()) <= {*launch, *map(os.path.basename, launch)} for record in records()
                   if record.mode == mode and record.family == "nemotron-labs-diffusion")  # fmt: skip
    side = next(f for r in records() for f in r.side_files if f.name == "nemotron_labs_linearspec.yaml")
    assert (tmp_path / side.name).read_text() == side.text
    assert str(tmp_path / side.name) in checklist.modes[SELF].launch
    assert (tmp_path / "checklist.yaml").read_text().startswith("# yaml-language-server: $schema=")


def test_a_short_name_is_that_of_its_repository(tmp_path, capsys):
    assert evalkit(capsys, "init", tmp_path, "--model", "nemotron-labs-diffusion-8b").code == 0
    assert made(tmp_path).candidate.model == NEMOTRON


def test_what_no_record_knows_has_no_start_command(tmp_path, capsys):
    assert evalkit(capsys, "init", tmp_path, "--model", "acme-labs/Unheard-7B").code == 0
    text = (tmp_path / "checklist.yaml").read_text()
    assert "launch:" not in text
    assert text.count("no start command is known") == 3
    assert SELF not in made(tmp_path).modes


@pytest.mark.parametrize("model", [NEMOTRON, "acme-labs/Unheard-7B", "inclusionAI/LLaDA2.0-mini"])
@pytest.mark.parametrize("budget", [(), ("--budget", "120")])
def test_no_set_that_init_writes_is_too_small(tmp_path, capsys, model, budget):
    evalkit(capsys, "init", tmp_path, "--model", model, *budget)
    document = sizing(prepare(load_checklist(tmp_path / "checklist.yaml")), date(2026, 11, 28))
    assert document["problems"] == []
    assert document["cost"]["minutes"] <= (120 if budget else 90)
    assert evalkit(capsys, "validate", tmp_path / "checklist.yaml").code == 0


def test_a_model_that_takes_images_starts_with_images_and_its_own_code(tmp_path, capsys):
    done = evalkit(capsys, "init", tmp_path, "--model", "nvidia/Nemotron-Labs-Diffusion-VLM-8B", "--use", "evaluation")
    assert done.code == 0, done.err
    checklist = made(tmp_path)
    assert (checklist.prompts, checklist.tasks) == (["prompts/images.jsonl"], ["tasks/images.yaml"])
    for mode in (AR, DIFF, SELF):  # no engine has a class for it
        launch = checklist.modes[mode].launch
        assert launch[1:5] == ["-m", "evalkit", "serve", "{model}"]
        assert {"--trust-remote-code", "{revision}", mode} <= set(launch)
    setup = prepare(load_checklist(tmp_path / "checklist.yaml"))
    assert all(suite.shipped for suite in setup.suites)
    assert sizing(setup, date(2026, 11, 28))["problems"] == []


def test_a_folder_whose_own_code_has_the_calls_is_served_by_it(tmp_path, capsys):
    code = tmp_path / "model"
    code.mkdir()
    (code / "config.json").write_text(json.dumps({"architectures": ["OurOwn"], "model_type": "ours"}))
    calls = ("ar_generate", "generate")
    (code / "modeling_ours.py").write_text("".join(f"def {name}(self): pass\n" for name in calls))
    done = evalkit(capsys, "init", tmp_path / "a", "--model", code)
    assert done.code == 0, done.err
    modes = made(tmp_path / "a").modes
    assert all({"serve", "--trust-remote-code", mode} <= set(modes[mode].launch) for mode in (AR, DIFF))
    assert SELF not in modes
    assert "read it first" in (tmp_path / "a" / "checklist.yaml").read_text()
    (code / "modeling_ours.py").write_text("def generate(self): pass\n")  # as many other models have
    evalkit(capsys, "init", tmp_path / "b", "--model", code)
    assert made(tmp_path / "b").modes[DIFF].launch is None


def test_the_margins_are_what_the_cases_that_fit_can_show(tmp_path, capsys):
    evalkit(capsys, "init", tmp_path, "--model", NEMOTRON)
    setup = prepare(load_checklist(tmp_path / "checklist.yaml"))
    alpha = alpha_of(setup.checklist)
    for suite in setup.suites:
        margin = setup.checklist.items.quality.margin.of(suite.kind)
        assert independent(suite) >= least_cases(margin, alpha)
        assert margin == margin_of(independent(suite), alpha)  # one suite: the power of all is its own


def test_few_cases_do_not_widen_the_margin_until_anything_passes(tmp_path, capsys):
    rows = [{"id": f"c{n}", "prompt": f"What is {n} + {n}?", "expect": [{"number": 2 * n}]} for n in range(9)]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"suite": {"name": "sums", "kind": "chat"}, "cases": rows}))
    assert evalkit(capsys, "init", tmp_path / "new", "--model", NEMOTRON, "--tasks", tmp_path / "own.yaml").code == 0
    assert made(tmp_path / "new").items.quality.margin.of("chat") <= WIDEST
    assert evalkit(capsys, "validate", tmp_path / "new" / "checklist.yaml").code == 3


def test_files_of_other_tools_are_taken_and_counted(tmp_path, capsys):
    rows = [{"conversations": [{"from": "human", "value": f"Tell me about the number {n}."}]} for n in range(30)]
    (tmp_path / "chats.json").write_text(json.dumps(rows))
    done = evalkit(capsys, "init", tmp_path / "new", "--model", NEMOTRON, "--prompts", tmp_path / "chats.json")
    assert done.code == 0, done.err
    assert "30 prompts" in done.out
    assert made(tmp_path / "new").prompts == ["../chats.json"]
    assert not (tmp_path / "new" / "prompts").exists()


def test_a_file_that_cannot_be_used_writes_nothing(tmp_path, capsys):
    done = evalkit(capsys, "init", tmp_path / "new", "--model", NEMOTRON, "--prompts", tmp_path / "none.jsonl")
    assert done.code == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "flags", [("--use", "produkt"), ("--budget", "0"), ("--budget", "nan"), ("--model", "/no/such/folder"),
              ("--model", ""), ("--temperature", "nan"), ("--incumbent", "no address"), ("--incumbent", "ftp://x"), ("--python", "/no/such/python"), ("--python", "/bin/false")]
)  # fmt: skip
def test_a_wrong_flag_is_refused_before_anything_is_written(tmp_path, capsys, flags):
    assert evalkit(capsys, "init", tmp_path / "new", *flags).code == 2
    assert not (tmp_path / "new").exists()


def test_engines_are_read_from_metadata_alone_and_the_fork_by_its_origin(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    distribution(tmp_path, "vllm", "0.33.0")
    distribution(tmp_path, "sglang", "0.5.9.dev1", "https://user:canary@github.com/hutm/sglang.git")
    found = {one.key: one for one in find_engines(sys.executable)}
    assert found["vllm"].version == "0.33.0"
    assert found["sglang-fork"].version == "0.5.9.dev1"
    assert "sglang" not in found
    assert "canary" not in repr(found)


def test_the_engine_that_is_installed_decides_between_records(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    distribution(tmp_path / "site", "sglang", "0.5.9.dev1", "git+https://github.com/hutm/sglang")
    done = evalkit(capsys, "init", tmp_path / "new", "--model", NEMOTRON, "--python", sys.executable)
    assert done.code == 0, done.err
    launch = made(tmp_path / "new").modes[DIFF].launch
    assert launch[:3] == [sys.executable, "-m", "sglang.launch_server"]
    assert (tmp_path / "new" / "nemotron_labs_fastdiffuser.yaml").exists()


def test_a_folder_is_known_by_its_architecture(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"architectures": ["NemotronLabsDiffusionModel"]}))
    evalkit(capsys, "init", tmp_path / "new", "--model", tmp_path / "mine")
    checklist = made(tmp_path / "new")
    assert checklist.candidate.model == "../mine"
    assert checklist.modes[DIFF].launch


def test_servers_of_another_model_are_no_mode_of_the_candidate(tmp_path, capsys):
    with (
        ReferenceServer(preset("autoregressive", model="Trident-8B")) as mine,
        ReferenceServer(preset("diffusion", model="other-labs/Trident-8B")) as tuned,
        ReferenceServer(preset("autoregressive", model="qwen3-8b")) as today,
    ):
        done = evalkit(
            capsys, "init", tmp_path, "--model", "acme-labs/Trident-8B", "--incumbent", today.base_url,
            "--server", mine.base_url, "--server", tuned.base_url,
        )  # fmt: skip
    assert done.code == 0, done.err
    checklist = made(tmp_path)
    assert checklist.modes[AR].endpoint == mine.base_url
    assert checklist.modes[DIFF].endpoint != tuned.base_url
    assert checklist.candidate.same_as == ["Trident-8B"]
    assert (checklist.incumbent.endpoint, checklist.incumbent.model) == (today.base_url, "qwen3-8b")


def test_a_pipe_is_asked_nothing_and_reads_which_defaults_were_taken(tmp_path):
    command = [sys.executable, "-m", "evalkit", "init", tmp_path / "new", "--no-scan", "--use", "research"]
    done = subprocess.run(command, input="x\n", capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    taken = next(line for line in done.stdout.splitlines() if line.startswith("defaults were taken"))
    assert NEMOTRON in taken
    assert "purpose" not in taken


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "code"), [("diffusion", 0), ("autoregressive", 3)])
def test_each_launch_is_tried_once_and_a_wrong_one_is_seen(tmp_path, capsys, monkeypatch, mode, code):
    from evalkit.scaffold import write

    plain = write.checklist_text

    def with_reference_servers(*given):
        data = yaml.safe_load(plain(*given))
        serve = [sys.executable, "-m", "evalkit.reference", "--port", "{port}", "--mode"]
        data["modes"] = {AR: {"launch": [*serve, AR]}, DIFF: {"launch": [*serve, mode]}}
        return yaml.safe_dump(data)

    monkeypatch.setattr(write, "checklist_text", with_reference_servers)
    done = evalkit(capsys, "init", tmp_path, "--model", NEMOTRON, "--try")
    assert done.code == code, done.out + done.err
    lines = [line for line in done.out.splitlines() if line.startswith("tried ")]
    assert [line.split()[1] for line in lines] == [f"{AR}:", f"{DIFF}:"]


def test_a_start_command_that_does_not_run_here_ends_a_try_with_3(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = evalkit(capsys, "init", tmp_path / "new", "--model", NEMOTRON, "--try")
    assert done.code == 3
    assert "no such command: vllm" in done.out
    assert (tmp_path / "new" / "checklist.yaml").exists()


def test_an_engine_for_the_cpu_gets_what_a_machine_without_a_gpu_needs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setattr("evalkit.scaffold.detect.find_gpus", lambda: ((), None))
    distribution(tmp_path / "site", "sglang", "0.5.23")
    distribution(tmp_path / "site", "torch", "2.13.0+cpu")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"architectures": ["SDARForCausalLM"]}))
    done = evalkit(capsys, "init", tmp_path / "new", "--model", tmp_path / "mine", "--python", sys.executable)
    assert done.code == 0, done.err
    checklist = made(tmp_path / "new")
    assert checklist.items.hardware.declared == "cpu"
    assert checklist.candidate.same_weights  # one checkpoint, loaded as two classes
    assert checklist.name == "mine for us"
    for mode in (AR, DIFF):
        launch = checklist.modes[mode].launch
        assert launch[0] == "env"
        assert launch[launch.index("--device") + 1] == "cpu"
        assert len([part for part in launch if part == "--attention-backend"]) == 1
    assert recipe_for("mine", AR, ["SDARForCausalLM"])
    assert recipe_for("mine", AR, ["SDARMoeForCausalLM"]) is None  # another class would be needed, nothing is guessed
    assert "SDAR" in next(
        line for line in (tmp_path / "new" / "checklist.yaml").read_text().splitlines() if SELF in line
    )


def test_the_environment_that_is_active_is_looked_at_too(tmp_path, monkeypatch):
    active = tmp_path / "active"
    (active / "bin").mkdir(parents=True)
    script = f'#!/bin/sh\nPYTHONPATH={tmp_path}/site exec {sys.executable} "$@"\n'
    (active / "bin" / "python").write_text(script)
    (active / "bin" / "python").chmod(0o755)
    distribution(tmp_path / "site", "vllm", "0.33.0")
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    found = {one.key: one for one in find_engines()}
    assert found["vllm"].python == str(active / "bin" / "python")
    assert not found["vllm"].cpu


def test_samples_of_suites_that_grow_are_offered_and_fit(tmp_path, capsys):
    assert evalkit(capsys, "init", tmp_path / "new", "--model", NEMOTRON, "--probes").code == 0
    setup = prepare(load_checklist(tmp_path / "new" / "checklist.yaml"))
    assert {suite.name for suite in setup.suites} >= {"length-ladder", "distance"}
    assert sizing(setup, date(2026, 11, 28))["problems"] == []
    for suite in setup.suites:
        if suite.name in ("length-ladder", "distance"):
            assert len(suite.cases) < 300  # a sample
            assert len({case.tags[0] for case in suite.cases}) >= 3  # of each size


def test_a_plan_gives_up_starts_for_prompts_that_show_a_gain(tmp_path, capsys):
    rows = [{"id": f"p{n}", "prompt": f"Tell me about number {n}.", "max_tokens": 600} for n in range(180)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--model", "JetLM/SDAR-8B-Chat", "--prompts", tmp_path / "own.jsonl")
    assert evalkit(capsys, "init", tmp_path / "new", *flags).code == 0
    document = sizing(prepare(load_checklist(tmp_path / "new" / "checklist.yaml")), date(2026, 11, 28))
    assert document["problems"] == []
    assert document["cost"]["minutes"] <= 90
