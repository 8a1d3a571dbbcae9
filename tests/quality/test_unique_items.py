"""`uniqueItems` as the library reads it, and in one pass."""

from __future__ import annotations

import gc
import json
import time

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from evalkit.quality.schemas import errors

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.floats(-2, 2), st.sampled_from(["", "a", "1", "true"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=5))
def test_equal_is_what_the_library_calls_equal(values):
    values = json.loads(json.dumps(values))
    told = bool(errors({"uniqueItems": True}, values))
    assert told == bool(list(jsonschema.Draft202012Validator({"uniqueItems": True}).iter_errors(values)))
    assert not errors({"uniqueItems": False}, values)


def test_time_grows_with_the_list_and_no_faster():
    def seconds(n):
        items = [{"a": i, "b": [i, {"c": str(i)}]} for i in range(n)]
        taken = []
        gc.disable()  # a collection looks at every object of the suite's process: its time is not the list's
        try:
            for _ in range(3):
                began = time.thread_time()
                assert not errors({"uniqueItems": True}, items)
                taken.append(time.thread_time() - began)
        finally:
            gc.enable()
        return min(taken)

    # eight times as long: 64 times the work where every pair is compared
    assert any(seconds(16_000) < 30 * max(seconds(2_000), 0.001) for _ in range(4))
