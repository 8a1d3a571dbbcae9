"""The schedule is absolute, load slows it, and the log tells the truth about it."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import httpx2
import psutil
import pytest

from evalkit.reference import ReferenceProcess, Script, read_emissions
from evalkit.reference.server import bind
from tests.reference.wire import CLIENT, ask, chat, chat_events, events, get, post

MS = 1_000_000


def test_events_are_due_on_an_absolute_schedule(serve):
    server = serve(ttft_ms=30, ms_per_forward=4)
    chat_events(server, "x", ignore_eos=True, max_tokens=50)
    (record,) = server.emissions()
    assert record.due_ns[0] - record.received_ns == 30 * MS
    assert [due - record.due_ns[0] for due in record.due_ns] == [pytest.approx(k * 4 * MS, abs=1000) for k in range(50)]
    late = [sent - due for (sent, _), due in zip(record.chunks, record.due_ns, strict=True)]
    assert min(late) >= 0, "nothing leaves before its time"
    # Sleeping between events instead of until the schedule would add up to about a millisecond each.
    assert min(late[-10:]) < 15 * MS, "the end is not later than the start"


def test_diffusion_pays_by_the_forward_and_prefill_by_the_token(serve):
    server = serve(mode="diffusion", block_size=8, forwards_per_block=5, ms_per_forward=1, ttft_ms=2,
                   prefill_ms_per_token=0.5, align_blocks=False)  # fmt: skip
    stream = chat_events(server, "y", ignore_eos=True, max_tokens=24)
    (record,) = server.emissions()
    prompt = stream[-2]["usage"]["prompt_tokens"]
    assert record.due_ns[0] - record.received_ns == pytest.approx((2 + 0.5 * prompt) * MS, abs=1000)
    assert record.due_ns[2] - record.due_ns[1] == pytest.approx(5 * MS, abs=1000)


def test_cached_prompt_tokens_cost_no_prefill(serve):
    server = serve(prefill_ms_per_token=1)
    prompt = "word " * 40
    for _ in range(2):
        chat_events(server, prompt, max_tokens=2)
    cold, warm = server.emissions()
    assert (cold.cached_tokens, warm.cached_tokens) == (0, warm.prompt_tokens - 1)
    assert cold.due_ns[0] - cold.received_ns > 40 * MS
    assert warm.due_ns[0] - warm.received_ns == pytest.approx(1 * MS, abs=1000)


def test_jitter_is_seeded_and_differs_between_repeats(serve):
    def gaps(seed):
        server = serve(ms_per_forward=2, jitter_ms=1, seed=seed)
        for _ in range(2):
            chat_events(server, "z", ignore_eos=True, max_tokens=10)
        return [[b - a for a, b in pairwise(r.due_ns)] for r in server.emissions()]

    one, again, other = gaps(1), gaps(1), gaps(2)
    assert one[0] == pytest.approx(again[0], abs=1000)
    assert one[1] == pytest.approx(again[1], abs=1000)
    assert one[0] != pytest.approx(other[0], abs=1000)
    assert one[0] != pytest.approx(one[1], abs=1000)
    assert all(gap + 1000 >= 1 * MS and gap <= 3 * MS + 1000 for r in one for gap in r)


def test_load_slows_every_running_request(serve):
    server = serve(ms_per_forward=2, slowdown=1.0)
    chat_events(server, "alone", ignore_eos=True, max_tokens=40)
    long = {"stream": True, "ignore_eos": True, "max_tokens": 2000}
    with ExitStack() as beside:
        url, lines = server.base_url + "/v1/chat/completions", []
        for n in range(3):
            reply = beside.enter_context(CLIENT.stream("POST", url, json=ask(f"beside {n}", **long)))
            lines.append(reply.iter_lines())  # held: an iterator that is dropped closes its stream
            next(lines[-1])
        chat_events(server, "joined", ignore_eos=True, max_tokens=40)
    wait_for(lambda: running(server) == (0, 0) and len(server.emissions()) == 5)
    alone, joined = (r.due_ns for r in server.emissions() if not r.aborted)
    assert alone[-1] - alone[0] == pytest.approx(39 * 2 * MS, rel=0.01)
    assert joined[-1] - joined[0] == pytest.approx(39 * 4 * 2 * MS, rel=0.01), (
        "one beside three takes four times as long"
    )
    for due in (r.due_ns for r in server.emissions() if r.aborted):
        gaps = [b - a for a, b in pairwise(due) if joined[0] <= a and b <= joined[-1]]
        assert gaps == pytest.approx([4 * 2 * MS] * len(gaps), abs=1000), "those that ran before are slowed as well"
        assert len(gaps) > 30


def test_requests_beyond_the_limit_wait_their_turn(serve):
    server = serve(ttft_ms=40, max_running_requests=1)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: chat(server, f"q{n}", max_tokens=1), range(3)))
    records = server.emissions()
    for before, after in pairwise(records):
        assert after.admitted_ns >= before.done_ns
    assert records[2].done_ns - min(r.received_ns for r in records) >= 3 * 40 * MS


def running(server):
    load = get(server, "/v1/loads").json()["loads"][0]
    return load["num_running_reqs"], load["num_waiting_reqs"]


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_places_are_handed_over_and_all_given_back(serve):
    server = serve(ttft_ms=500, max_running_requests=2)  # so long that a busy machine sees each state
    with ThreadPoolExecutor(5) as pool:
        replies = pool.map(lambda n: chat(server, f"q{n}", max_tokens=1), range(5))
        wait_for(lambda: running(server) == (2, 3))
        wait_for(lambda: running(server) == (2, 1))
        list(replies)
    assert running(server) == (0, 0)


def test_a_client_that_leaves_the_queue_holds_no_place(serve):
    server = serve(ttft_ms=300, max_running_requests=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(chat, server, "first", max_tokens=1)
        wait_for(lambda: running(server) == (1, 0))
        with pytest.raises(httpx2.TimeoutException):
            CLIENT.post(server.base_url + "/v1/chat/completions", json=ask("second"), timeout=0.05)
        wait_for(lambda: running(server)[1] == 0)
        first.result()
    assert running(server) == (0, 0)
    assert sorted(r.aborted for r in server.emissions()) == [False, True]


def test_the_log_names_requests_and_orders_their_times(serve):
    server = serve(ttft_ms=5, ms_per_forward=1)
    events(server, "/v1/chat/completions", ask("a", stream=True, max_tokens=4), **{"X-Request-ID": "mine"})
    post(server, "/generate", {"text": "b", "rid": "by-body", "sampling_params": {"max_new_tokens": 3}})
    streamed, whole = server.emissions()
    assert (streamed.request_id, whole.request_id) == ("mine", "by-body")
    times = [streamed.received_ns, streamed.headers_ns, *(t for t, _ in streamed.chunks), streamed.done_ns]
    assert times == sorted(times)
    assert [n for _, n in streamed.chunks] == [1, 2, 3, 4]
    assert (streamed.completion_tokens, whole.completion_tokens) == (4, 3)
    assert whole.received_ns < whole.headers_ns <= whole.done_ns
    assert whole.chunks == []
    server.clear_emissions()
    assert server.emissions() == []


def test_tokens_in_the_log_are_the_tokens_in_the_stream(serve):
    server = serve(mode="self-speculation", accept_max=6)
    stream = chat_events(server, "Count from 1 to 60.")
    counts = [e["usage"]["completion_tokens"] for e in stream[1:-3]]
    assert [n for _, n in server.emissions()[0].chunks][: len(counts)] == counts


def test_a_client_that_leaves_is_logged_and_frees_its_place(serve):
    server = serve(ttft_ms=5, ms_per_forward=50, max_running_requests=1)
    body = ask("long", stream=True, ignore_eos=True, max_tokens=200)
    with CLIENT.stream("POST", server.base_url + "/v1/chat/completions", json=body) as reply:
        next(reply.iter_lines())
    started = time.monotonic()
    chat(server, "next", max_tokens=1)
    assert time.monotonic() - started < 5, "the one that left would have kept its place for 10 s"
    assert server.emissions()[0].aborted


def test_a_process_shares_the_monotonic_clock(tmp_path):
    log = tmp_path / "emissions.jsonl"
    with ReferenceProcess(Script(ttft_ms=20, ms_per_forward=5), emission_log=log) as server:
        before = time.monotonic_ns()
        chat_events(server, "hello", ignore_eos=True, max_tokens=10)
        after = time.monotonic_ns()
        over_http = get(server, "/_reference/emissions").json()
        assert server.alive
    (record,) = server.emissions()
    assert before < record.received_ns < record.chunks[0][0] < record.done_ns < after
    assert record.done_ns - record.received_ns >= 65 * MS
    assert over_http[0]["due_ns"] == record.due_ns
    assert read_emissions(log.read_text().splitlines()) == [record]


@pytest.mark.slow
def test_sixty_four_streams_keep_their_schedule():
    body = {"ignore_eos": True, "max_tokens": 100}
    with ReferenceProcess(Script(ttft_ms=100, ms_per_forward=20)) as server:
        before = psutil.Process(server.pid).cpu_times()
        with ThreadPoolExecutor(64) as pool:
            streams = list(pool.map(lambda n: chat_events(server, f"stream {n}", **body), range(64)))
        after = psutil.Process(server.pid).cpu_times()
        records = server.emissions()
    assert {s[-2]["usage"]["completion_tokens"] for s in streams} == {100}
    share = (after.user + after.system - before.user - before.system) / 2.1
    late = sorted(sent - due for r in records for (sent, _), due in zip(r.chunks, r.due_ns, strict=True))
    print(
        f"{share:.2f} of a core; late: median {late[len(late) // 2] / MS:.2f} ms, p99 {late[len(late) * 99 // 100] / MS:.2f} ms"
    )
    assert share < 0.8, "one core carries 64 streams of 50 events a second"
    assert late[len(late) // 2] < 20 * MS, "on the whole they keep up, whatever else the machine does"


def test_nothing_is_held_back_for_an_acknowledgement():
    # asyncio turns Nagle off only where the socket names its protocol; with it on, every reply but a connection's first
    # comes 40 ms late, and the log says otherwise
    with bind("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
