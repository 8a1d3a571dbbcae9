"""Virtual time: waiting is free, order and deadlines are as in real time."""

import asyncio
import time

import pytest

from tests.faults.virtual import Clock, run, virtual_time


def test_an_hour_passes_at_once_and_in_order():
    clock, seen = Clock(), []

    async def nap(seconds):
        await asyncio.sleep(seconds)
        seen.append((seconds, round(clock.now - 1000)))

    async def main():
        await asyncio.gather(nap(3600), nap(1), nap(60))

    began = time.perf_counter()
    run(clock, main())
    assert seen == [(1, 1), (60, 60), (3600, 3600)]
    assert time.perf_counter() - began < 60


def test_a_deadline_passes_only_when_nothing_answers():
    async def main():
        async def answer(reader, writer):
            await reader.readline()
            await asyncio.sleep(30)
            writer.write(b"late\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"ask\n")
        line = await asyncio.wait_for(reader.readline(), 31)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        writer.close()
        server.close()
        return line

    clock = Clock()
    assert run(clock, main()) == b"late\n"
    assert clock.now == pytest.approx(1035, abs=0.1)


def test_a_thread_at_work_holds_the_clock():
    clock = Clock()

    async def main():
        async with asyncio.timeout(1):
            return await asyncio.to_thread(lambda: sum(range(2_000_000)))

    assert run(clock, main()) > 0
    assert clock.now < 1001


def test_the_wall_clock_jumps_and_the_monotonic_one_does_not(monkeypatch):
    import evalkit.run.recorder as module

    clock = Clock()
    with virtual_time(monkeypatch, clock, (module,)):
        before, ticks = module.now(), time.monotonic()
        clock.jump(-7200)
        assert module.now() < before
        assert time.monotonic() == ticks
