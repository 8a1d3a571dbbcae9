"""Settings of all tests."""

import os
import sys

# hundreds of processes are started here: none compiles all of evalkit for itself, whatever this shell asks of Python
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False

import pytest
from hypothesis import settings

from evalkit import secrets
from evalkit.run import token

# a machine under load takes its time: no example fails for that
settings.register_profile("evalkit", deadline=None)
# each mutant of the code meets the same few examples
settings.register_profile("mutants", deadline=None, max_examples=25, derandomize=True, database=None)
# tests that run beside each other do not wait for each other
os.environ.setdefault("EVALKIT_NO_WAIT", "1")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "evalkit"))


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that no worker is left alone with a long one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _secrets_of_their_own(monkeypatch):
    """A value that one test calls a secret is masked for the life of a process: not in what other tests write."""
    monkeypatch.setattr(secrets, "_KNOWN", set(secrets._KNOWN))


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk():
    """No test ends the power: a file that was written is there. What is synced, and when, tests of the journal see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def _a_machine_of_their_own(monkeypatch, tmp_path_factory):
    """Cells of a matrix in this process wait for no other process of the machine."""
    monkeypatch.setattr(token, "TOKEN", tmp_path_factory.getbasetemp() / token.TOKEN.name)
