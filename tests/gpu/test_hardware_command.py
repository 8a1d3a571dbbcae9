from __future__ import annotations

import json

import pytest

from tests.gpu.nvml_cases import end

HERE = "endpoints={'d': N(place='here', pid=os.getpid(), settings={})}"


@pytest.mark.parametrize(("code", "kind"), [(18, "mismatch"), (4, "permission"), (999, "other")])
def test_a_library_that_fails_is_not_taken_for_a_machine_without_gpus(with_stub, code, kind):
    facts = with_stub(end(f"collect(declared=None, {HERE})"), init=code)
    assert (facts["nvml_error_kind"], facts["known_by"], facts["cpu_only"]) == (kind, None, False)
    assert "an NVML library that cannot be used" in facts["notes"][0]
    cpu = "endpoints={'d': N(place='here', pid=None, settings={'device': 'cpu'})}"
    assert with_stub(end(f"collect(declared=None, {cpu})"), init=code)["cpu_only"]


COMMAND = """
import json, sys, typer
from typer.testing import CliRunner
from evalkit.cli.hardware import hardware_command
app = typer.Typer()
app.command()(hardware_command)
result = CliRunner().invoke(app, ["nvidia/Nemotron-Labs-Diffusion-8B", *ARGUMENTS])
print(json.dumps([result.exit_code, result.stdout]))
"""


GPU = {
    "index", "name", "uuid", "memory_total_bytes", "memory_free_bytes", "compute_capability", "ecc", "mig", "mig_of",
    "power_limit_w", "sm_clock_mhz", "max_sm_clock_mhz", "temperature_c", "throttle_reasons", "nvlinks", "processes",
    "unreadable",
}  # fmt: skip


def command(with_stub, *arguments: str, **stub: object):
    return with_stub(COMMAND.replace("ARGUMENTS", repr(list(arguments))), **stub)


def test_the_command_lists_a_found_card_and_judges_against_its_memory(with_stub):
    code, out = command(with_stub, "--json")
    document = json.loads(out)
    assert code == 0
    assert [set(gpu) for gpu in document["gpus"]] == [GPU]
    assert all(row["fits"] for row in document["fit"])
    assert "NVIDIA H100 80GB HBM3 with 79.6 GiB" in document["findings"][0]["summary"]


@pytest.mark.parametrize(
    ("stub", "advice"),
    [
        ({"init": 9}, "modprobe nvidia"), ({"init": 18}, "different versions"), ({"init": 4}, "/dev/nvidia"),
        ({"init": 12}, "docker run --gpus all"), ({"init": 999}, "nvidia-smi"), ({"count": 0}, "NVIDIA_VISIBLE_DEVICES"),
    ],
)  # fmt: skip
def test_the_command_says_what_is_missing_and_what_to_do(with_stub, stub, advice):
    code, out = command(with_stub, **stub)
    assert code == 3
    assert advice in out
    assert "--gpu H100-80GB" in out
    assert "Traceback" not in out


def test_the_command_judges_against_a_slice_and_not_the_whole_card(with_stub):
    _, out = command(with_stub, "--json", mig=2)
    document = json.loads(out)
    assert len(document["gpus"]) == 3
    assert "with 40.0 GiB each" in document["findings"][0]["summary"]
    wide = next(r for r in document["fit"] if r["precision"] == "bf16" and r["context_tokens"] == 131_072)
    assert wide["fits"] is True
    assert wide["need_gib"] < 38
    assert wide["max_context_tokens"] < 262_144


def test_unreadable_fields_are_null_with_their_reason_in_the_document(with_stub):
    _, out = command(with_stub, "--json", fail="nvmlDeviceGetMemoryInfo=3,nvmlDeviceGetEccMode=4")
    (gpu,) = json.loads(out)["gpus"]
    assert (gpu["memory_total_bytes"], gpu["ecc"]) == (None, None)
    assert set(gpu["unreadable"]) == {"memory", "ecc"}


OTHERS = """
import json, os, sys
from evalkit.gpu.telemetry import others
own = frozenset({os.getpid()})
print(json.dumps([one.model_dump() for one in others([0], own, 1.0)]))
"""


def test_what_others_do_on_a_device_is_told_from_the_servers_own(with_stub):
    """The stub's list of processes is made in the child: its own pid is the server's, pid 1 is somebody else's."""
    code = "import os; os.environ['NVML_STUB_PIDS'] = f'{os.getpid()},1'\n"
    used = "os.environ['NVML_STUB_USED'] = f'{os.getpid()}=70,1=20,1=30'\n"
    assert with_stub(code + used + OTHERS, held=2048) == [{"gpu": 0, "share": 0.25, "memory_bytes": 2048 << 20}]
    assert with_stub(code + OTHERS, held=0) == [{"gpu": 0, "share": 0.0, "memory_bytes": 0}]
    unable = with_stub(code + used + OTHERS, held=512, fail="nvmlDeviceGetProcessUtilization=3")
    assert unable == [{"gpu": 0, "share": None, "memory_bytes": 512 << 20}]


def test_a_device_whose_processes_are_not_told_apart_accuses_nobody(with_stub):
    nothing = [{"gpu": 0, "share": None, "memory_bytes": None}]
    assert with_stub(OTHERS, pids="1", held=900, used="1=90") == nothing, "the servers are in another namespace"
    mixed = "import os; os.environ['NVML_STUB_PIDS'] = f'{os.getpid()},4194000'\n"
    assert with_stub(mixed + OTHERS, used="4194000=90") == nothing
    assert with_stub(OTHERS, fail="nvmlDeviceGetComputeRunningProcesses_v3=3") == nothing
    assert with_stub(OTHERS, init=9) == []
