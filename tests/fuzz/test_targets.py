"""The fuzz targets over their seeds, mutations of them, and bytes of any kind. `make fuzz` searches for longer."""

from __future__ import annotations

import os
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutate import examples
from fuzz.targets import TARGETS, corpus

#: inputs of a target whose one input is a whole run, decided and written
WHOLE = {"reply": 60}


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_seeds_end_in_a_result_or_an_error_for_the_user(name):
    assert len(corpus(name)) >= 2
    for data in islice(examples(name, seed=20261124), WHOLE.get(name, 300)):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_end_in_a_result_or_an_error_for_the_user(name):
    @settings(max_examples=WHOLE.get(name, 150), deadline=None)
    @given(data=st.binary(max_size=600) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "surrogatepass")))
    def ends(data):
        TARGETS[name](data)

    ends()
