"""The event loop that times: uvloop where it can be imported, else asyncio's own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from evalkit import system
from evalkit.client import loop, run
from evalkit.timing.facts import ClientError

ROOT = Path(__file__).parents[2]
CALIBRATED = """
from evalkit.client import open_client, run
from evalkit.timing.calibrate import client_error

async def main():
    client = open_client()
    found = [await client_error(client, 4, events_per_s=50, tokens=10) for _ in range(3)]
    await client.aclose()
    return found

print(*(found.model_dump_json() for found in run(main())), sep="\\n")
"""


def calibrated(**environment):
    """Three calibrations by a process of its own: the loop of the emitter, which it starts, follows its environment."""
    done = subprocess.run(
        [sys.executable, "-c", CALIBRATED],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [ClientError.model_validate_json(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_without_uvloop_replies_are_timed_on_asyncio_and_the_record_says_so(tmp_path):
    (tmp_path / "uvloop.py").write_text("raise ImportError")
    found = calibrated(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert [one.loop for one in found] == ["asyncio"] * 3
    assert [one.events for one in found] == [40] * 3
    assert min(one.itl_error_share for one in found) < 0.2  # the quietest of three: other programs run here too
    assert all(one.e2e_error_ms > -1 for one in found)


async def _name():
    return loop.name()


def test_uvloop_is_taken_where_it_is_installed():
    pytest.importorskip("uvloop")
    assert run(_name()) == "uvloop"


def test_a_module_that_cannot_be_imported_is_done_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run(_name()) == "asyncio"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("implementation", ["CPython", "PyPy"])
def test_uvloop_is_recommended_where_the_extra_brings_it(platform, implementation, monkeypatch):
    (asked,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["fast"]
    brought = Requirement(asked).marker.evaluate(
        {"sys_platform": platform, "platform_python_implementation": implementation}
    )
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys.implementation, "name", implementation.lower())
    assert system.has_uvloop() is brought
    assert loop.could_be_faster("asyncio") is brought
    assert not loop.could_be_faster("uvloop")
    assert not loop.could_be_faster(None)
