"""`evalkit reference-server`: it says when it is up and where, and which fields it has."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from tests.cli.command import evalkit


@pytest.mark.parametrize("given", [["--mode", "diffusion"], ["--set", "mode=diffusion", "--set", "ttft_ms=1"]])
def test_it_says_on_stderr_when_it_is_up_and_where(given):
    argv = [sys.executable, "-m", "evalkit", "reference-server", "--port", "0", *given]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            line = server.stderr.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert address, line
            assert "diffusion" in line
            with urlopen(f"{address[0]}/v1/models") as answer:  # it answers as soon as it says so
                assert answer.status == 200
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.communicate()[0] == ""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["foo=1"], '"foo"'),
        (["engine=martian"], "martian"),
        (["seed=x"], "seed"),
        (["ttft_ms=-1"], "ttft_ms"),
        (["mode=martian"], "martian"),
        (["speed=0"], "speed"),
        (["speed=fast"], "speed"),
        (["foo"], "FIELD=VALUE"),
        (["block_loop_ar=true", "mode=diffusion"], "block_loop_ar"),
        (["mode=3"], "mode"),
    ],
)
def test_a_wrong_setting_is_named_with_what_there_is(capsys, given, says):
    done = evalkit(capsys, "reference-server", "--port", "0", *(part for one in given for part in ("--set", one)))
    assert done.code == 2
    assert says in done.err
    assert "hint: " in done.err


def test_all_wrong_settings_are_named_at_once_with_the_fields(capsys):
    done = evalkit(capsys, "reference-server", "--set", "fo=1", "--set", "seed=x", "--set", "ttft_msec=3")
    for word in ('"fo"', "seed", '"ttft_msec"', "ms_per_forward", "jitter_ms"):
        assert word in done.err
