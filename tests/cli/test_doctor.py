"""`evalkit doctor`: one document about this machine, without a secret, and exit 3 when something is missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evalkit import doctor
from tests.cli.command import evalkit

HERE = {
    "packages": {"typer": "1", "uvloop": None},
    "gpu": {"gpus": [{"name": "H100", "memory_total_bytes": 1}], "problem": None},
    "folder": {"path": "runs", "writable": True, "problem": None, "free_bytes": 2**40},
    "open_files": 4096,
    "timing": [{"streams": 1, "warning": None}],
}


def test_a_machine_that_has_it_all_misses_nothing():
    assert doctor.missing(HERE, [1]) == []


@pytest.mark.parametrize(
    ("changed", "what", "says"),
    [
        ({"packages": {"typer": None}}, "packages", "typer"),
        ({"gpu": {"gpus": [], "problem": "no driver"}}, "gpu", "no driver"),
        ({"folder": {**HERE["folder"], "writable": False, "problem": "Read-only file system"}}, "folder", "Read-only"),
        ({"folder": {**HERE["folder"], "free_bytes": 2**20}}, "folder", "1 MiB left"),
        ({"open_files": 256}, "open-files", "ulimit -n is 256"),
        ({"timing": [{"streams": 16, "warning": "the error is 20% at 16 streams"}]}, "timing", "20% at 16 streams"),
        ({"timing": [{"streams": 4, "error": "did not start"}]}, "timing", "did not start"),
    ],
)
def test_what_is_missing_is_named_with_a_way_forward(changed, what, says):
    (problem,) = doctor.missing({**HERE, **changed}, [1])
    assert problem.id == what
    assert says in problem.summary
    assert problem.hint


@pytest.mark.parametrize(
    ("loops", "platform", "advised"),
    [
        (["asyncio", "asyncio"], "linux", ["loop"]),
        (["asyncio"], "win32", []),
        (["uvloop"], "linux", []),
        ([], "linux", []),
    ],
)
def test_what_uvloop_would_bring_is_advised_once_and_misses_nothing(loops, platform, advised, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    here = {**HERE, "timing": [{"streams": 1, "warning": None, "loop": loop} for loop in loops] or [{"streams": 1}]}
    found = doctor.advice(here)
    assert [one.id for one in found] == advised
    assert all("pip install '.[fast]'" in one.hint for one in found)
    assert doctor.missing({**here, "timing": HERE["timing"]}, [1]) == []


@pytest.mark.slow
def test_the_doctor_says_what_asyncios_loop_costs_and_what_to_install(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    done = evalkit(capsys, "doctor", "--output-dir", tmp_path, "--concurrency", 1)
    words = " ".join(done.out.split())
    assert "as large" in words
    assert "pip install '.[fast]'" in words
    assert "not installed: uvloop" not in words


def test_an_unlimited_number_of_files_is_enough():
    assert doctor.missing({**HERE, "open_files": -1}, [1024]) == []


@pytest.mark.slow
def test_the_document_is_one_and_holds_no_secret(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_canarycanarycanary")
    monkeypatch.setenv("HTTPS_PROXY", "http://jd:canary-password@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    done = evalkit(capsys, "doctor", "--json", "--output-dir", tmp_path / "runs", "--concurrency", 2)
    document = json.loads(done.out)
    assert "canary" not in done.out + done.err
    assert document["hub"]["token"] is True
    assert document["network"]["proxies"]["https"] == "http://proxy.example:3128"
    assert document["network"]["transport"] == {"loopback": "wire", "http": "wire", "https": "proxy"}
    assert done.code == (3 if document["missing"] else 0)
    (row,) = document["timing"]
    assert row["streams"] == 2
    assert row["events"] > 0
    assert (row["warning"] is None) == ("timing" not in {problem["id"] for problem in document["missing"]})
    assert document["folder"]["writable"] is True
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "seen"),
    [
        ({"HF_HUB_OFFLINE": "1"}, {"offline": True, "endpoint": "https://huggingface.co"}),
        (
            {"HF_ENDPOINT": "http://jd:canary@mirror.example/"},
            {"offline": False, "endpoint": "http://***@mirror.example"},
        ),
        ({"HF_TOKEN": ""}, {"token": False}),
    ],
)
def test_the_hubs_settings_are_those_of_the_environment(variables, seen, tmp_path):
    code = "from evalkit.hub.settings import hub_settings; print(hub_settings().model_dump_json())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = {**kept, "HF_HOME": str(tmp_path), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {name: found[name] for name in seen} == seen


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [("http://jd:canary@proxy:3128", "http://proxy:3128"), ("proxy:3128", "http://proxy:3128"),
     ("http://proxy:port", "not an address"), ("http://[::1", "not an address")],
)  # fmt: skip
def test_a_proxy_is_shown_without_its_user_and_password(proxy, shown, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    assert doctor.network()["proxies"]["https"] == shown


@pytest.mark.slow
def test_the_text_fits_80_columns(capsys, tmp_path):
    done = evalkit(capsys, "doctor", "--output-dir", tmp_path, "--concurrency", 1)
    assert [line for line in done.out.splitlines() if len(line) > 80] == []
    assert "TTFT error" in done.out


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_without_write_access_is_told(tmp_path):
    tmp_path.chmod(0o500)
    assert doctor._folder(tmp_path / "runs")["writable"] is False


def test_a_folder_below_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert doctor._folder(tmp_path / "file" / "runs")["writable"] is False


class _Hub(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def reached(endpoint, *, offline=False):
    from evalkit.hub import settings

    given = settings.HubSettings(endpoint=endpoint, offline=offline, token=False)
    return settings.reach(given, 1.0)


def test_the_hub_is_online_only_when_it_answered():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert reached(f"http://127.0.0.1:{server.server_port}").online is True
        server.shutdown()
    for nowhere in ("http://127.0.0.1:9", "http://no-such-host.invalid", "not an address"):
        got = reached(nowhere)
        assert got.online is False
        assert nowhere in got.tried
    assert reached("http://127.0.0.1:9", offline=True).online is None


def test_a_hub_that_never_answers_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        began = time.monotonic()
        assert reached(f"http://127.0.0.1:{silent.getsockname()[1]}").online is False
        assert time.monotonic() - began < 30
