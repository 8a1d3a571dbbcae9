"""NVML through the real binding: a stub library in place of the driver's, one fault at a time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from evalkit.findings import KnownBy
from evalkit.gpu.facts import HardwareFacts
from evalkit.gpu.host import accelerator_traces, process_tree
from evalkit.gpu.nvml import collect
from tests.gpu.nvml_cases import END, end


def test_a_card_is_read_field_by_field(with_stub):
    facts = with_stub()
    (gpu,) = facts["gpus"]
    assert facts["driver"] == "580.95.05"
    assert facts["cuda"] == "13.1"
    assert facts["nvml_error"] is None
    expected = {
        "name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-0", "memory_total_bytes": 85_520_809_984, "compute_capability": "9.0",
        "ecc": True, "mig": False, "power_limit_w": 700.0, "sm_clock_mhz": 1755, "max_sm_clock_mhz": 1980, "temperature_c": 41,
        "throttle_reasons": ["gpu-idle"], "nvlinks": 18, "processes": [], "unreadable": {},
    }  # fmt: skip
    assert {key: gpu[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (9, "no-driver", "modprobe"),
        (18, "mismatch", "restart"),
        (4, "permission", "root"),
        (999, "other", "nvidia-smi"),
        (13, "mismatch", "versions"),
    ],
)
def test_each_fault_at_the_start_has_its_kind_and_advice(with_stub, code, kind, advice):
    facts = with_stub(init=code)
    assert facts["nvml_error_kind"] == kind
    assert advice in facts["nvml_error"]
    assert facts["gpus"] == []


def test_a_driver_without_devices_is_no_gpu(with_stub):
    facts = with_stub(count=0)
    assert facts["nvml_error_kind"] == "no-gpu"
    assert "NVIDIA_VISIBLE_DEVICES" in facts["nvml_error"]


def test_no_library_is_said_and_the_processor_is_known():
    env = {**os.environ, "LD_LIBRARY_PATH": ""}
    code = "import ctypes.util, sys; sys.exit(0 if ctypes.util.find_library('nvidia-ml') else 3)"
    if subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0:
        pytest.skip("this machine has a driver")
    facts = collect(declared=None, endpoints={}, local=True)
    assert facts.nvml_error_kind == "no-library"
    assert "--gpus all" in facts.nvml_error
    assert facts.memory_bytes
    assert facts.cores


FIELDS = {
    "nvmlDeviceGetName": "name", "nvmlDeviceGetUUID": "uuid", "nvmlDeviceGetMemoryInfo": "memory",
    "nvmlDeviceGetCudaComputeCapability": "compute_capability", "nvmlDeviceGetEccMode": "ecc",
    "nvmlDeviceGetMigMode": "mig", "nvmlDeviceGetEnforcedPowerLimit": "power_limit_w",
    "nvmlDeviceGetClockInfo": "sm_clock_mhz", "nvmlDeviceGetMaxClockInfo": "max_sm_clock_mhz",
    "nvmlDeviceGetTemperature": "temperature_c", "nvmlDeviceGetCurrentClocksEventReasons": "throttle_reasons",
    "nvmlDeviceGetNvLinkState": "nvlinks", "nvmlDeviceGetComputeRunningProcesses_v3": "processes",
}  # fmt: skip


def test_every_field_that_is_not_supported_is_empty_with_its_reason(with_stub):
    facts = with_stub(fail=",".join(f"{name}=3" for name in FIELDS))
    (gpu,) = facts["gpus"]
    assert set(gpu["unreadable"]) == set(FIELDS.values())
    assert gpu["name"] == "unreadable"
    assert gpu["memory_total_bytes"] is None
    assert all("stub error" in reason or "Not Supported" in reason for reason in gpu["unreadable"].values())


def test_a_lost_device_does_not_hide_the_count(with_stub):
    facts = with_stub(count=2, fail="nvmlDeviceGetHandleByIndex_v2=15")
    assert [gpu["name"] for gpu in facts["gpus"]] == ["unreadable", "unreadable"]
    assert all("device" in gpu["unreadable"] for gpu in facts["gpus"])


def test_driver_and_cuda_versions_may_be_missing(with_stub):
    facts = with_stub(fail="nvmlSystemGetDriverVersion=3,nvmlSystemGetCudaDriverVersion_v2=3")
    assert (facts["driver"], facts["cuda"], len(facts["gpus"])) == (None, None, 1)


def test_older_drivers_know_the_older_name_of_the_clock_reasons(with_stub):
    facts = with_stub(fail="nvmlDeviceGetCurrentClocksEventReasons=13", reasons=0x40 | 0x4)
    assert facts["gpus"][0]["throttle_reasons"] == ["sw-power-cap", "hw-thermal-slowdown"]


def test_slices_are_devices_behind_their_parent(with_stub):
    facts = with_stub(mig=2, count=2)
    assert [(gpu["index"], gpu["mig"], gpu["mig_of"]) for gpu in facts["gpus"]] == [
        (0, True, None), (1, False, None), (2, True, 0), (3, True, 0),
    ]  # fmt: skip
    assert facts["gpus"][2]["memory_total_bytes"] == 40 << 30
    assert facts["gpus"][2]["uuid"].startswith("MIG-")


def test_an_endpoints_process_is_tied_to_its_device(with_stub):
    code = END + (
        "os.environ['NVML_STUB_PIDS'] = '1,' + str(os.getpid())\n"
        "e = {'diffusion': N(place='here', pid=os.getpid(), settings={})}\n"
        "f = collect(declared=None, endpoints=e)\n"
        "print(json.dumps([f.model_dump(mode='json'), os.getpid()]))"
    )
    facts, pid = with_stub(code)
    assert facts["known_by"] == "observed"
    assert facts["endpoint_devices"] == {"diffusion": f"pid {pid} on GPU 0"}
    assert facts["endpoint_gpus"] == {"diffusion": [0]}


def test_a_port_that_a_container_publishes_says_so(with_stub):
    why = "port 30000 is published by docker-proxy, a container of this machine"
    facts = with_stub(
        end(f"collect(declared=None, endpoints={{'d': N(place='here', pid=None, settings={{}}, place_why={why!r})}})")
    )
    assert "docker-proxy" in facts["endpoint_devices"]["d"]
    assert facts["endpoint_gpus"] == {}


LISTENER = """
import json, os, subprocess, sys, asyncio
from types import SimpleNamespace as N
from evalkit.gpu.nvml import collect
from evalkit.serving.place import find
code = (
    "import socket, subprocess, sys, time; s = socket.create_server(('127.0.0.1', 0));"
    "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(s.getsockname()[1], c.pid, flush=True); time.sleep(60)"
)
server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
try:
    port, worker = map(int, server.stdout.readline().split())
    os.environ["NVML_STUB_PIDS"] = str({"listener": server.pid, "worker": worker, "stranger": 1}[sys.argv[1]])
    where = asyncio.run(find(f"http://127.0.0.1:{port}"))
    facts = collect(declared=None, endpoints={"diffusion": N(place=where.where, pid=where.pid, settings={})})
    print(json.dumps([facts.model_dump(mode="json"), server.pid]))
finally:
    os.killpg(server.pid, 9)
    server.wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("holder", ["listener", "worker"])
def test_a_listening_port_leads_to_its_process_and_to_the_device_that_lists_it_or_its_worker(with_stub, holder):
    facts, pid = with_stub(LISTENER.replace("sys.argv[1]", repr(holder)))
    assert (facts["place"], facts["known_by"]) == ("here", "observed")
    assert facts["endpoint_devices"] == {"diffusion": f"pid {pid} on GPU 0"}


@pytest.mark.slow
def test_a_listener_that_no_device_lists_is_said_to_be_on_none(with_stub):
    facts, pid = with_stub(LISTENER.replace("sys.argv[1]", repr("stranger")))
    assert facts["endpoint_gpus"] == {"diffusion": []}
    assert f"pid {pid} is on no GPU" in facts["endpoint_devices"]["diffusion"]


def test_a_process_of_another_namespace_is_named_as_such(with_stub):
    facts = with_stub(
        end("collect(declared=None, endpoints={'d': N(place='here', pid=os.getpid(), settings={})})"), pids=4_000_000
    )
    assert "--pid=host" in facts["endpoint_devices"]["d"]


def test_an_endpoint_without_a_pid_leaves_its_device_open(with_stub):
    facts = with_stub(end("collect(declared=None, endpoints={'d': N(place='here', pid=None, settings={})})"))
    assert facts["known_by"] == "observed"
    assert "not known" in facts["endpoint_devices"]["d"]


def test_gpus_of_this_machine_say_nothing_of_a_remote_endpoint(with_stub):
    facts = with_stub(end("collect(declared=None, endpoints={'d': N(place='elsewhere', pid=None, settings={})})"))
    assert (facts["known_by"], facts["place"], facts["gpus"]) == (None, "elsewhere", [])
    facts = with_stub(end("collect(declared='L4', endpoints={'d': N(place='tunnel', pid=None, settings={})})"))
    assert (facts["known_by"], facts["gpus"][0]["name"]) == ("declared", "L4-24GB")


def test_a_declaration_against_what_was_found_is_noticed(with_stub):
    here = "endpoints={'d': N(place='here', pid=os.getpid(), settings={})}"
    facts = with_stub(end(f"collect(declared='L4', {here})"))
    assert facts["known_by"] == "observed"
    assert "declared L4" in facts["notes"][0]
    assert with_stub(end(f"collect(declared='H100-80GB', {here})"))["notes"] == []


def test_a_mode_elsewhere_is_unknown_beside_one_that_is_here(with_stub):
    pair = "{'a': N(place='here', pid=None, settings={}), 'd': N(place='elsewhere', pid=None, settings={})}"
    assert with_stub(end(f"collect(declared=None, endpoints={pair})"))["unknown_for"] == ["d"]
    assert with_stub(end(f"collect(declared='L4', endpoints={pair})"))["unknown_for"] == []


class Here:
    place = "here"
    pid = None

    def __init__(self, device: str | None = None) -> None:
        self.settings = {"device": device} if device else {}


@pytest.fixture
def no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    from evalkit.gpu import nvml

    blank = HardwareFacts(memory_bytes=8 << 30, nvml_error="none", nvml_error_kind="no-library")
    monkeypatch.setattr(nvml, "_this_machine", lambda: blank)
    monkeypatch.setattr(nvml, "accelerator_traces", lambda: ())


def test_an_endpoint_here_without_any_gpu_runs_on_the_processor(no_nvml):
    facts = collect(declared=None, endpoints={"d": Here()})
    assert (facts.known_by, facts.cpu_only) == (KnownBy.OBSERVED, True)


def test_a_server_that_says_cuda_is_not_taken_for_a_processor(no_nvml):
    facts = collect(declared=None, endpoints={"d": Here("cuda")})
    assert facts.known_by is None
    assert "runs on cuda" in facts.notes[0]


def test_traces_of_a_driver_are_not_taken_for_a_processor_unless_the_server_says_cpu(no_nvml, monkeypatch):
    monkeypatch.setattr("evalkit.gpu.nvml.accelerator_traces", lambda: ("an NVIDIA device node",))
    assert collect(declared=None, endpoints={"d": Here()}).known_by is None
    assert collect(declared=None, endpoints={"d": Here("cpu")}).cpu_only


def test_a_declaration_counts_where_no_gpu_can_be_read(no_nvml):
    facts = collect(declared="2x L4", endpoints={"d": Here()})
    assert (facts.known_by, len(facts.gpus)) == (KnownBy.DECLARED, 2)


def test_declared_cpu(no_nvml):
    facts = collect(declared="cpu", endpoints={"d": Here()})
    assert (facts.known_by, facts.cpu_only, facts.memory_bytes) == (KnownBy.DECLARED, True, 8 << 30)


def test_the_json_of_the_command_can_be_declared(with_stub):
    facts = HardwareFacts.model_validate(with_stub())
    document = {"gpus": [gpu.model_dump(mode="json") for gpu in facts.gpus], "fit": [], "findings": []}
    declared = collect(declared=document, endpoints={})
    assert declared.known_by is KnownBy.DECLARED
    assert declared.gpus == facts.gpus


@pytest.mark.parametrize(
    "value", ["", "  ", {}, {"gpus": "x"}, {"gpus": [1, None, {"name": 5}]}, {"gpus": [{"index": "a"}]}]
)
def test_a_declaration_that_says_nothing_stays_unknown_with_a_note(value):
    facts = collect(declared=value, endpoints={})
    assert facts.known_by is None
    assert facts.notes


def test_traces_of_accelerators(tmp_path):
    assert accelerator_traces(tmp_path) == ()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "kfd").touch()
    assert accelerator_traces(tmp_path) == ("an AMD GPU (ROCm)",)


def test_a_card_on_the_bus_without_a_driver_leaves_a_trace(tmp_path):
    slot = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    slot.mkdir(parents=True)
    (slot / "class").write_text("0x030200\n")
    (slot / "vendor").write_text("0x10de\n")
    assert accelerator_traces(tmp_path) == ("an NVIDIA card on the PCI bus",)


def test_the_tree_of_a_process_holds_its_children():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        assert child.pid in process_tree(os.getpid())
    finally:
        child.kill()
        child.wait()


def test_the_tree_of_a_process_that_is_gone_is_itself():
    assert process_tree(4_000_000) == {4_000_000}


SAMPLE = """
import json, time
from evalkit.gpu.telemetry import Sampler
with Sampler("diffusion", 4, interval_s=0.01) as sampler:
    deadline = time.monotonic() + 20
    while len(sampler.samples) < 3 and time.monotonic() < deadline and sampler._thread.is_alive():
        time.sleep(0.01)
print(json.dumps([row.model_dump(mode="json") for row in sampler.stop()]))
"""


def test_telemetry_reads_power_and_energy_while_it_runs(with_stub):
    rows = with_stub(SAMPLE, reasons=0x20)
    assert len(rows) >= 3
    assert (rows[0]["power_w"], rows[0]["throttle_reasons"]) == (312.5, ["sw-thermal-slowdown"])
    assert rows[-1]["energy_mj"] > rows[0]["energy_mj"]
    assert rows[-1]["at_ms"] > rows[0]["at_ms"]
    assert {row["concurrency"] for row in rows} == {4}


def test_telemetry_leaves_unsupported_fields_empty(with_stub):
    rows = with_stub(SAMPLE, fail="nvmlDeviceGetPowerUsage=3,nvmlDeviceGetTotalEnergyConsumption=3")
    assert rows[0]["power_w"] is None
    assert rows[0]["sm_clock_mhz"] == 1755


def test_telemetry_is_silent_without_a_driver(with_stub):
    assert with_stub(SAMPLE, init=9) == []
