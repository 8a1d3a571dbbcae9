"""One try of a mode: what counts as an answer, and what a launch that fails leaves behind."""

from __future__ import annotations

import sys

import pytest

from evalkit.checklist.schema import Endpoint
from evalkit.client import run
from evalkit.reference import ReferenceServer, preset
from evalkit.serving.attempt import attempt

AR, DIFF = "autoregressive", "diffusion"


def tried(tmp_path, endpoint, label=AR):
    return run(attempt(label, endpoint, "m", "main", 4096, tmp_path / "logs"))


@pytest.mark.parametrize(("label", "ok"), [(AR, True), (DIFF, False), ("diffusion@t0.9", False), ("incumbent", True)])
def test_a_server_that_is_up_is_asked_and_its_mode_is_that_of_the_label(tmp_path, label, ok):
    with ReferenceServer(preset(AR, ttft_ms=1.0, ms_per_forward=0.2)) as server:
        made = tried(tmp_path, Endpoint(endpoint=server.base_url), label)
    assert made.ok is ok, made.said
    assert ok or AR in made.said


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import sys; print('Unknown flag --dllm-algoritm'); sys.exit(2)", "ended with code 2"),
        ("import time; print('Loading', flush=True); time.sleep(60)", "not ready within"),
    ],
)
def test_a_launch_that_does_not_come_up_keeps_its_last_lines(tmp_path, script, says):
    made = tried(tmp_path, Endpoint(launch=[sys.executable, "-c", script], ready_timeout_s=1.5))
    assert not made.ok
    assert made.ready_s is None
    assert says in made.said
    assert made.log_tail[-1].startswith(("Unknown flag", "Loading"))


def test_no_such_command_is_a_failed_try(tmp_path):
    made = tried(tmp_path, Endpoint(launch=["no-such-engine", "{port}"]))
    assert (made.ok, made.log_tail) == (False, ())
    assert "no-such-engine" in made.said


def test_a_server_that_lists_models_and_answers_nothing_fails_with_its_log(tmp_path):
    script = (
        "import http.server, json, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        body = json.dumps({'object': 'list', 'data': [{'id': 'm', 'object': 'model'}]}).encode()\n"
        "        self.send_response(200 if self.path == '/v1/models' else 404)\n"
        "        self.send_header('content-length', str(len(body))); self.end_headers(); self.wfile.write(body)\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['content-length']))\n"
        "        print('CUDA error: out of memory', flush=True)\n"
        "        self.send_response(500); self.send_header('content-length', '0'); self.end_headers()\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
    )
    made = tried(tmp_path, Endpoint(launch=[sys.executable, "-c", script, "{port}"], ready_timeout_s=30))
    assert not made.ok
    assert made.ready_s is not None
    assert "no answer" in made.said
    assert any("out of memory" in line for line in made.log_tail)
