"""A server that runs for long does not grow: nothing of a finished request is kept but its record, of a bounded number."""

import gc
import time
from collections import Counter

from evalkit.reference import Emission, ReferenceServer, Script, emissions, read_emissions
from evalkit.reference.cache import PrefixCache
from evalkit.reference.emissions import EmissionLog
from tests.reference.wire import CLIENT, ask, chat, chat_events, post

#: what one request is made of
MODULES = ("exchange", "frames", "jobs", "model", "schedule", "usage", "native", "question", "emissions", "cache")


def alive():
    """Objects of the server, and of the connections and tasks below it, by type."""
    gc.collect()
    found = Counter()
    for one in gc.get_objects():
        module, name = str(type(one).__module__), type(one).__qualname__
        ours = module.startswith("evalkit.reference.") and module.rpartition(".")[2] in MODULES
        if (
            ours
            or module.startswith(("starlette", "uvicorn"))
            or name in ("Task", "Future", "_SelectorSocketTransport")
        ):
            found[name] += 1
    return found


def one_of_each(server, number):
    chat(server, f"Say something about number {number % 4}.", max_tokens=8)
    chat_events(server, "stream", max_tokens=8, ignore_eos=True)
    post(server, "/generate", {"text": "native", "sampling_params": {"max_new_tokens": 4}})
    post(server, "/v1/chat/completions", {"messages": []})
    body = ask("left", stream=True, max_tokens=100, ignore_eos=True)
    with CLIENT.stream("POST", server.base_url + "/v1/chat/completions", json=body) as reply:
        next(reply.iter_lines())


def test_the_log_keeps_the_last_records_in_memory_and_all_of_them_in_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(emissions, "KEEP", 5)
    path = tmp_path / "emissions.jsonl"
    log = EmissionLog(path)
    for number in range(12):
        log.add(Emission(f"r{number}", "/generate", number))
    log.close()
    assert [one.request_id for one in log.records()] == ["r7", "r8", "r9", "r10", "r11"]
    assert len(read_emissions(path.read_text().splitlines())) == 12


def test_after_many_requests_no_more_objects_live_than_after_a_few(monkeypatch):
    monkeypatch.setattr(emissions, "KEEP", 10)
    with ReferenceServer(Script(ttft_ms=0, ms_per_forward=1)) as server:
        for number in range(8):
            one_of_each(server, number)
        early = alive()
        for number in range(20):
            one_of_each(server, number)
        # a request that was left is still on its way out for a moment, with all its tokens; what is kept stays
        deadline = time.monotonic() + 20
        while (grown := grown_since(early)) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert grown == {}


def grown_since(early):
    """What more than a few came to; one kept for each of the 20 rounds would show. The log holds 10 at most."""
    late = alive()
    few = {name: count for name, count in (late - early).items() if count > 8}
    return few | ({"Emission": late["Emission"]} if late["Emission"] > 10 + 8 else {})


def test_the_prefix_cache_forgets_before_it_is_larger_than_its_capacity():
    cache, most = PrefixCache(page=1, capacity=500), 0
    for number in range(1000):
        cache.hit([f"p{number}", *("word" for _ in range(20))])
        most = max(most, cache.tokens)
    assert 400 < most <= 500
