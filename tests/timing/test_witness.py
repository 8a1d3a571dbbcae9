"""What else the machine does: the processes of others are told from evalkit's own and the servers'."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from evalkit.analysis.witness import crowd
from evalkit.findings import Status
from evalkit.gpu.facts import GpuOthers
from evalkit.serving.facts import EndpointFacts
from evalkit.timing.facts import WitnessSample
from evalkit.timing.witness import Witness
from tests.timing.support import AR, DLM, checklist, facts, found, simulated


def test_processes_of_others_are_counted_and_those_of_a_server_are_not():
    code = "import sys, time\nend = time.process_time() + 3\nwhile time.process_time() < end: pass\ntime.sleep(30)"
    # started by a process that is gone: no child of this one
    start = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session=True, stdout=subprocess.DEVNULL); print(p.pid)"
    for as_server in (False, True):
        pid = int(
            subprocess.run([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[
                -1
            ]
        )
        try:
            witness = Witness([pid] if as_server else [], every_s=0.1)
            other = psutil.Process(pid)
            before = other.cpu_times().user
            while other.cpu_times().user < before + 0.4:
                time.sleep(0.02)
            spent = other.cpu_times().user - before
            sample = witness.look("during")
            assert sample is not None
            total = sample.outside_cpu * sample.seconds
            own = pid in {p.pid for p in psutil.Process().children(recursive=True)}
            assert not own
            assert as_server or total >= spent * 0.9
            assert (pid in witness._roots) is as_server
        finally:
            os.kill(pid, signal.SIGKILL)
    assert Witness([None], every_s=0.1)._separable is False


def seen(share, n=10, *, separable=True, cores=4, **more):
    return tuple(
        WitnessSample(phase="during", seconds=2, cores=cores, outside_cpu=share * cores, separable=separable, **more)
        for _ in range(n)
    )


@pytest.mark.parametrize("true", [2.0, 0.5])
def test_on_a_crowded_machine_a_claim_is_neither_shown_nor_refuted(true):
    timed = simulated(true, 40)
    quiet = found(checklist(), timed, witness=seen(0.1))
    assert quiet("speedup").status is (Status.PASS if true > 1 else Status.FAIL)
    assert quiet("witness").outcome == "quiet"
    crowded = found(checklist(), timed, witness=seen(0.6))
    assert crowded("speedup").status is Status.INCONCLUSIVE
    assert (crowded("witness").status, crowded("witness").outcome) == (Status.INCONCLUSIVE, "crowded")
    allowed = found(checklist(outside_cpu=0.8), timed, witness=seen(0.6))
    assert allowed("speedup").status is quiet("speedup").status


def test_a_short_burst_is_no_crowd_and_work_that_cannot_be_told_apart_is_a_warning():
    timed = simulated(2, 40)
    assert found(checklist(), timed, witness=(*seen(0.9, 4), *seen(0.0, 6)))("witness").outcome == "quiet"
    unknown = found(checklist(), timed, witness=seen(0.9, separable=False))
    assert (unknown("witness").outcome, unknown("speedup").outcome) == ("not-known", "shown")
    assert found(checklist(), timed, witness=seen(0.1, steal=0.2))("witness").outcome == "steal"
    assert crowd(facts(timed, witness=seen(0.1, n=0))) is None


def shared(*seen):
    """Looks before and during timing: share of GPU 0 that others used, and MiB that they hold."""
    return tuple(
        WitnessSample(
            phase="during" if n else "before", seconds=2, cores=4, outside_cpu=0.1,
            gpus=(GpuOthers(gpu=0, share=share, memory_bytes=None if held is None else held << 20),),
        )
        for n, (share, held) in enumerate(seen)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("looks", "outcome"),
    [
        ([(0.0, 0), *[(0.4, 0)] * 4], "crowded-gpu"), ([(0.0, 0), (0.9, 0), *[(0.0, 0)] * 4], "quiet"),
        ([(0.0, 40_000)] * 5, "quiet"), ([(0.0, 400), *[(0.02, 500)] * 4], "quiet"),
        ([(None, 400), *[(None, 4_000)] * 2], "crowded-gpu"), ([(None, None)] * 4, "quiet"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("true", [2.0, 0.5])
def test_a_gpu_that_others_use_leaves_the_claim_open_and_an_idle_neighbour_does_not(looks, outcome, true):
    timed = simulated(true, 40)
    got = found(checklist(), timed, witness=shared(*looks))
    assert got("witness").outcome == outcome
    assert (got("speedup").status is Status.INCONCLUSIVE) is (outcome == "crowded-gpu")
    allowed = found(checklist(outside_gpu=0.5), timed, witness=shared((0.0, 0), *[(0.4, 0)] * 4))
    assert allowed("witness").outcome == "quiet"


# -- the way to the server -------------------------------------------------------------------------------------------


def far(mode_ms, baseline_ms):
    made = {AR: baseline_ms, DLM: mode_ms}
    return {
        label: EndpointFacts(label=label, endpoint="http://h", reachable=True, round_trip_ms=ms)
        for label, ms in made.items()
    }


def test_a_claim_that_the_way_alone_explains_is_open():
    timed = simulated(1.6, 60)
    asked = checklist(speedup={"at_least": 1.3})
    assert found(asked, timed, endpoints=far(1, 1))("round-trip").outcome == "not-decisive"
    assert found(asked, timed, endpoints=far(1, 200))("round-trip").outcome == "may-decide"
    assert found(asked, simulated(0.8, 60), endpoints=far(400, 1))("round-trip").outcome == "may-decide"
    assert found(checklist(), simulated(5, 60), endpoints=far(1, 20))("round-trip").outcome == "not-decisive"


# -- where a stream ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("true", "behind", "mode", "opens"),
    [
        (1.4, 0.0, AR, False), (1.4, 0.3, AR, True), (3.0, 0.3, AR, False), (0.8, 0.3, AR, False), (0.9, 0.5, DLM, True),
        # the step that finds the end of a reply of twenty tokens
        (1.4, 0.05, AR, False),
    ],
)  # fmt: skip
def test_a_claim_that_late_ends_alone_explain_is_open_and_one_step_of_decoding_is_none(true, behind, mode, opens):
    def seen(one):
        whole = one.exchange.e2e_us
        last = round(whole * (1 - (behind if one.mode == mode else 0.0)))
        chunks = tuple((round(last * (n + 1) / 19), n + 1) for n in range(19))
        return one.model_copy(
            update={"exchange": one.exchange.model_copy(update={"last_visible_us": last, "chunks": chunks})}
        )

    timed = [seen(one) for one in simulated(true, 60, noise=0.02)]
    got = found(checklist(speedup={"at_least": 1.25}), timed)
    if opens:
        assert got("tail").status is Status.INCONCLUSIVE
    else:
        with pytest.raises(KeyError):
            got("tail")
