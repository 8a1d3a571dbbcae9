"""`evalkit ab`: two endpoints on real sockets and in virtual time, from one line to an exit code."""

from __future__ import annotations

import json
import socket

import pytest

from evalkit.reference import preset
from evalkit.stored.folder import RunFolder
from tests.cli.command import evalkit
from tests.support.small_run import MODEL, suite_text
from tests.support.virtual_world import worlds


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    lines = [{"id": f"p{n}", "prompt": f"Tell me {n} facts about rivers.", "max_tokens": 16} for n in range(24)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(suite_text(), encoding="utf-8")
    return path


@pytest.fixture
def servers():
    """Starts a server for each script that it is given."""
    with worlds() as world:
        yield world.serve


def scripted(mode="autoregressive", **changes):
    return preset(mode, **{"speed": 2.0, "model": MODEL, **changes})


def compared(capsys, folder, a, b, *arguments):
    """(exit code, report) of the comparison."""
    done = evalkit(capsys, "ab", a, b, "--output-dir", folder / "run", "--json", *arguments)
    report = json.loads(done.out)
    assert done.code == report["exit_code"]
    return done, report


def of(report, item):
    return next(one for one in report["items"] if one["id"] == item)


def test_a_b_of_twice_the_speed_is_a_go_without_tasks(tmp_path, capsys, prompts, servers):
    a, b = servers(scripted(speed=0.5), scripted(speed=1.0))
    done, report = compared(capsys, tmp_path, a.base_url, b.base_url, "--prompts", prompts, "--at-least", "1.4")
    assert done.code == 0, report["reasons"]
    assert report["recommended_mode"] == "autoregressive@b"
    assert report["modes"][0]["speedup"]["low"] > 1.5
    assert report["modes"][0]["speedup"]["baseline"] == "incumbent"
    assert {of(report, item)["status"] for item in ("license", "hardware", "quality", "context")} == {"not-applicable"}
    assert "--tasks" in of(report, "quality")["summary"]
    assert a.base_url in done.err
    assert b.base_url in done.err


def test_equal_servers_are_no_go_and_a_loss_on_tasks_is_seen(tmp_path, capsys, prompts, suite, servers):
    a, b = servers(scripted(), scripted(corrupt_json_rate=0.6))
    given = ("--prompts", prompts, "--tasks", suite, "--margin", "0.1")
    done, report = compared(capsys, tmp_path, a.base_url, b.base_url, *given)
    assert done.code == 1, report["reasons"]
    lost = [f for f in of(report, "quality")["findings"] if f["id"] == "quality.non-inferiority"]
    assert [(f["status"], f["mode"]) for f in lost] == [("fail", "autoregressive@b")]
    assert report["modes"][0]["speedup"]["high"] < 1.5


def test_one_that_is_faster_and_loses_nothing_is_a_go_under_its_own_mode(tmp_path, capsys, prompts, suite, servers):
    a, b = servers(scripted(), scripted("self-speculation"))
    given = ("--prompts", prompts, "--tasks", suite, "--margin", "0.1", "--at-least", "1.4", "--concurrency", "2")
    done, report = compared(capsys, tmp_path, a.base_url, b.base_url, *given)
    assert done.code == 0, report["reasons"]
    assert report["recommended_mode"] == "self-speculation@b"
    assert of(report, "quality")["status"] in ("pass", "warn")


@pytest.mark.parametrize("gone", ["a", "b"])
def test_an_endpoint_that_does_not_answer_is_exit_3_with_a_way_forward(tmp_path, capsys, prompts, gone, servers):
    (up,) = servers(scripted())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        urls = (dead, up.base_url) if gone == "a" else (up.base_url, dead)
        done = evalkit(capsys, "ab", *urls, "--prompts", prompts, "--output-dir", tmp_path / "run", "--json")
    report = json.loads(done.out)
    assert (done.code, report["verdict"]) == (3, "inconclusive"), done.err
    assert any("resume" in step for step in report["next_steps"]), report["next_steps"]
    assert f"does not answer at {dead}" in done.err
    assert "--resume" in report["stopped_by"]
    assert RunFolder.open(tmp_path / "run").facts().timed == ()


def test_a_comparison_is_gone_on_with_once_b_answers(tmp_path, capsys, prompts, servers):
    a, b = servers(scripted(), scripted("diffusion"))
    given = ("--prompts", prompts, "--json")
    first = evalkit(capsys, "ab", a.base_url, b.base_url, *given, "--output-dir", tmp_path / "run")
    timed = len(RunFolder.open(tmp_path / "run").facts().timed)
    again = evalkit(capsys, "ab", a.base_url, b.base_url, *given, "--resume", tmp_path / "run")
    other = evalkit(capsys, "ab", b.base_url, a.base_url, *given, "--resume", tmp_path / "run")
    assert json.loads(first.out)["modes"][0]["mode"] == "diffusion@b"
    assert again.code == first.code
    assert len(RunFolder.open(tmp_path / "run").facts().timed) == timed
    assert (other.code, other.out) == (2, "")


@pytest.mark.parametrize(("mode", "codes"), [("autoregressive", (0, 1)), ("diffusion", (2,))])
def test_b_that_comes_up_later_is_measured_if_it_is_what_the_run_took_it_for(
    tmp_path, capsys, prompts, mode, codes, servers
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("--prompts", prompts, "--json")
    (a,) = servers(scripted())
    pair = (a.base_url, f"http://127.0.0.1:{port}")
    first = evalkit(capsys, "ab", *pair, *words, "--output-dir", tmp_path / "run")
    servers(scripted(mode), port=port)
    again = evalkit(capsys, "ab", *pair, *words, "--resume", tmp_path / "run")
    assert first.code == 3
    assert again.code in codes, again.err
    assert bool(RunFolder.open(tmp_path / "run").facts().timed) == (mode == "autoregressive")


def test_two_models_of_one_address_are_compared(tmp_path, capsys, prompts, servers):
    (server,) = servers(scripted())
    one = server.base_url
    given = ("--prompts", prompts, "--model-a", MODEL, "--model-b", MODEL)
    done, report = compared(capsys, tmp_path, one, one, *given)
    assert done.code in (1, 3), report["reasons"]
    assert report["modes"][0]["speedup"]["pairs"] == 24


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("http://127.0.0.1:1", "127.0.0.1:2"), "127.0.0.1:2"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--api-key-env-a", "NO_SUCH_KEY_HERE"), "NO_SUCH_KEY_HERE"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--margin", "0"), "margin"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--at-least", "-1"), "at_least"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--cost-a", "usd_per_gpu_hour"), "usd_per_gpu_hour"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--cost-b", "usd_per_gpu_hour=-1"), "usd_per_gpu_hour"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--cost-b", "usd_per_gpu=1"), "usd_per_gpu_hour"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2", "--cost-a", "gpus=1", "--cost-a", "gpus=2"), "gpus=2"),
    ],
)
def test_what_cannot_be_compared_is_exit_2_before_anything_is_sent(tmp_path, capsys, prompts, words, named):
    done = evalkit(capsys, "ab", *words, "--prompts", prompts, "--output-dir", tmp_path / "run")
    assert (done.code, done.out) == (2, "")
    assert named in done.err
    assert not (tmp_path / "run").exists()


def test_a_bad_prompts_file_is_exit_2_with_its_line(tmp_path, capsys):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "a", "prompt": "x"}\n{"id": \n', encoding="utf-8")
    done = evalkit(capsys, "ab", "http://127.0.0.1:1", "http://127.0.0.1:2", "--prompts", bad)
    assert (done.code, done.out) == (2, "")
    assert f"{bad}:2" in done.err


def test_prices_show_what_each_side_costs_and_from_which_rate_self_hosting_pays(tmp_path, capsys, prompts, servers):
    given = ("--prompts", prompts, "--output-dir", tmp_path / "run", "--json")
    cost = ("--cost-a", "usd_per_request=0.01", "--cost-b", "usd_per_gpu_hour=2", "--cost-b", "gpus=3")
    a, b = servers(scripted(), scripted())
    report = json.loads(evalkit(capsys, "ab", a.base_url, b.base_url, *given, *cost).out)
    (mine,), today = report["modes"], report["incumbent"]
    assert today["cost"]["per_1000_requests"] == pytest.approx(10)
    rate = mine["cost"]["requests_per_second"]
    assert mine["cost"]["per_1000_requests"] == pytest.approx(1000 * 6 / 3600 / rate, rel=1e-4)
    versus = mine["vs_incumbent"]["cost"]
    assert versus["ratio"] == pytest.approx(10 / mine["cost"]["per_1000_requests"], rel=1e-4)
    assert versus["answer"] == ("better" if versus["low"] > 1 else versus["answer"])
    assert versus["break_even"]["self_hosted"] == "autoregressive@b"
    assert versus["break_even"]["requests_per_hour"] == pytest.approx(600)
