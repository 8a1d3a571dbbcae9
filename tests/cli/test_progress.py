"""What a person sees while a run works: on a terminal, in a log, and before anything is sent."""

from __future__ import annotations

import io
import os
import re
from contextlib import contextmanager
from dataclasses import replace

import pytest

from evalkit.analysis.order import Reading
from evalkit.analysis.running import Running
from evalkit.checklist.loader import load_checklist
from evalkit.cli.progress import Screen, drawn
from evalkit.errors import UsageError
from evalkit.run.outlook import announcement, consent, left_words, result, seconds_left
from evalkit.run.setup import prepare
from evalkit.run.show import HEARTBEAT_S, Board, Both, Lines, Quiet, duration, logged
from tests.run.sessions import write
from tests.support.show import Plain

LONG = "restart the server at http://127.0.0.1:30000 in mode diffusion: " + "word " * 60 + "END"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def screenshot(screen, width, height=24):
    from rich.console import Console

    file = io.StringIO()
    Console(file=file, width=width, height=height, force_terminal=True, no_color=True).print(screen)
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).rstrip("\n").split("\n")


def working_screen():
    screen, clock = Screen(), Clock()
    screen.board = Board(clock)
    screen._whole = clock.now
    screen.say("license", "reading acme/model")
    clock.now += 12
    screen.finish("license")
    screen.say("modes", "timing autoregressive, diffusion, self-speculation and a good many more of them")
    screen.advance("modes", 36, 1760)
    screen.overall(["diffusion so far 1.47× (1.21–1.78), 36 of 160 prompts"], "about 12 min left")
    clock.now += 30
    return screen, clock


def row(lines, item):
    return next(line for line in lines if f" {item} " in f"{line} ")


@pytest.mark.parametrize("width", [80, 160])
def test_the_screen_uses_the_width_and_cuts_the_note_alone(width):
    lines = screenshot(working_screen()[0], width)
    assert all(len(line) <= width for line in lines)
    modes = row(lines, "modes")
    assert "0:00:30" in modes
    assert "36/1760" in modes
    assert len(modes.rstrip()) > min(width, 150) - 10
    assert ("…" in modes) == (width == 80)
    assert any("so far 1.47×" in line for line in lines)
    assert any("about 12 min left" in line for line in lines)
    assert [line.split()[1] for line in lines[:6]] == [
        "license", "modes", "hardware", "serving", "quality", "context",
    ]  # fmt: skip


def test_a_finished_item_says_so_and_its_clock_stops():
    screen, clock = working_screen()
    before = row(screenshot(screen, 80), "license")
    assert "done" in before
    assert "0:00:12" in before
    assert "reading" not in before
    clock.now += 600
    assert row(screenshot(screen, 80), "license") == before
    assert "0:10:30" in row(screenshot(screen, 80), "modes")
    assert "0:00" not in row(screenshot(screen, 80), "quality")


def test_a_clock_goes_on_where_it_stopped_when_the_item_comes_back():
    clock = Clock()
    board = Board(clock)
    board.begin("serving", "probing")
    clock.now += 5
    board.begin("modes", "timing")
    clock.now += 60
    board.begin("serving", "soak")
    clock.now += 5
    assert board.seconds("serving") == 10
    assert board.seconds("modes") == 60


def test_a_message_above_the_live_rows_is_not_cut():
    from rich.console import Console

    file, screen = io.StringIO(), Screen()
    with drawn(screen, Console(file=file, force_terminal=True, width=80)):
        screen.say("serving", "probing")
        screen.tell("serving", LONG)
    assert "restart the server at http://127.0.0.1:30000" in file.getvalue()
    assert "END" in file.getvalue()


def test_a_message_in_a_log_is_one_whole_line(capsys):
    for show in (Plain(), Quiet()):
        show.tell("serving", LONG + "\n\x1b[31m second")
        (line,) = capsys.readouterr().err.splitlines()
        assert "END" in line
        assert "\x1b" not in line


def test_lines_have_times_and_a_heartbeat_comes_when_nothing_was_said():
    written, clock = [], Clock()
    lines = Lines(written.append, clock=clock)
    lines.say("modes", "timing diffusion")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ modes +timing diffusion\n$", written[0])
    lines.advance("modes", 36, 160)
    lines.overall(["diffusion so far 1.47× (1.21–1.78), 36 of 160 prompts"], "about 12 min left")
    clock.now += HEARTBEAT_S - 1
    assert not lines.beat()
    clock.now += 1
    assert lines.beat()
    assert not lines.beat()
    for part in ("modes", "36 of 160 requests", "so far 1.47×", "about 12 min left"):
        assert part in written[1]
    lines.finish("modes")
    lines.finish("modes")
    lines.finish("context")
    assert [line.split(None, 2)[2].strip() for line in written[2:]] == [
        "done in 30 s; diffusion so far 1.47× (1.21–1.78), 36 of 160 prompts", "no requests needed",
    ]  # fmt: skip


def test_details_are_for_the_log_and_for_those_who_ask(tmp_path):
    plain, verbose = [], []
    with logged(tmp_path / "run.log") as log:
        for show in (Both(Lines(plain.append), log), Lines(verbose.append, verbose=True)):
            show.detail("modes", "p1: HTTP 500")
    assert plain == []
    assert "HTTP 500" in verbose[0]
    assert "HTTP 500" in (tmp_path / "run.log").read_text()


def test_the_log_is_private_grows_holds_no_secret_and_follows_no_link(tmp_path):
    path = tmp_path / "run.log"
    for _ in range(2):
        with logged(path) as log:
            log.tell("serving", "refused: Authorization: Bearer hf_" + "a1B2" * 9)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text().splitlines()) == 2
    assert "a1B2" not in path.read_text()
    other = tmp_path / "other"
    other.write_text("")
    path.unlink()
    path.symlink_to(other)
    with logged(path) as log:
        log.say("modes", "timing")
    assert other.read_text() == ""


# -- results so far, time left ------------------------------------------------------------------------------------------


def readings(prompts, log):
    return [
        Reading(mode, f"p{n}", log(mode, n), repeat, n, 0, 0)
        for n in range(prompts)
        for mode in ("autoregressive", "diffusion")
        for repeat in (0, 1)
    ]


def running(prompts, log=lambda mode, n: n / 10 - (0.4 if mode == "diffusion" else 0.0), **more):
    found = Running("autoregressive", ["autoregressive", "diffusion"], 160, **more)
    for reading in readings(prompts, log):
        found.add(reading)
    return found.so_far()


def test_the_result_so_far_is_the_ratio_on_common_prompts():
    (one,) = running(36)
    assert (one.mode, one.prompts, one.planned) == ("diffusion", 36, 160)
    assert one.ratio == pytest.approx(1.4918, abs=1e-3)
    assert result(one) == "diffusion so far 1.49× (1.49–1.49), 36 of 160 prompts"


def test_the_result_so_far_has_the_allowance_for_a_start_and_waits_for_five_prompts():
    assert running(4) == []
    (one,) = running(36, start_sd=0.03)
    assert one.low < 1.45 < 1.53 < one.high


def test_failed_samples_and_prompts_without_a_partner_do_not_count():
    (one,) = running(10, lambda mode, n: None if mode == "diffusion" and n < 3 else 1.0)
    assert one.prompts == 7


def test_the_time_left_follows_the_pace_that_was_seen():
    planned = {"modes": 1000.0, "quality": 500.0}
    assert seconds_left(planned, {}, {"modes": None, "quality": None}, 60) == 1560
    # timing takes half of what was planned: tasks are taken to do the same
    assert seconds_left(planned, {"modes": 0.5}, {"modes": 500.0, "quality": None}, 60) == 250 + 250 + 60
    assert seconds_left(planned, {"modes": 1.0, "quality": 0.5}, {"modes": 500.0, "quality": 800.0}, 0) == 400
    assert left_words(None) == ""
    assert left_words(725) == "about 12 min left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


# -- before anything is sent --------------------------------------------------------------------------------------------


@contextmanager
def terminal(monkeypatch, typed):
    """Stdin and stderr on a pseudo terminal where `typed` was typed; yields where its screen can be read."""
    pty, tty = pytest.importorskip("pty"), pytest.importorskip("tty")
    master, slave = pty.openpty()
    tty.setraw(slave)  # no echo of what is typed
    with os.fdopen(master, "r+b", buffering=0) as keyboard, os.fdopen(slave, "r+b", buffering=0) as raw:
        keyboard.write(typed)
        screen = io.TextIOWrapper(io.BufferedRWPair(raw, raw), write_through=True)
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", screen)
            patch.setattr("sys.stderr", screen)
            yield keyboard


def setup_of(tmp_path, **changes):
    modes = {"autoregressive": {"endpoint": "http://127.0.0.1:1"}, "diffusion": {"endpoint": "http://127.0.0.1:2"}}
    return prepare(load_checklist(write(tmp_path, modes, **changes)))


def test_what_a_run_costs_is_said_in_requests_tokens_and_minutes(tmp_path):
    text, minutes = announcement(setup_of(tmp_path, cost={"usd_per_gpu_hour": 3}, budget={"minutes": 20}))
    for part in (r"\d+ requests", r"[\d,]+ output tokens", r"\d+ (s|min)", "USD", "the budget is 20 minutes"):
        assert re.search(part, text), text
    assert minutes >= 1


def test_what_is_left_out_costs_nothing(tmp_path):
    setup = setup_of(tmp_path)
    left_out = replace(setup, skip={"modes": "no time", "quality": "no time"})
    assert announcement(left_out) == ("", 0)


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"yesterday\n"])
def test_a_long_run_is_not_started_without_a_yes(monkeypatch, tmp_path, answer):
    setup = setup_of(tmp_path)
    with terminal(monkeypatch, answer) as screen:
        with pytest.raises(UsageError) as caught:
            consent(setup, 296, yes=False)
        assert b"[y/N]" in screen.read(4096)
    assert caught.value.exit_code == 2


def test_yes_starts_a_long_run(monkeypatch, tmp_path):
    setup = setup_of(tmp_path)
    with terminal(monkeypatch, b"y\n"):
        consent(setup, 296, yes=False)


def test_nothing_is_asked_of_a_short_run_one_with_a_budget_or_without_a_terminal(monkeypatch, tmp_path):
    setup, bounded = setup_of(tmp_path), setup_of(tmp_path, budget={"minutes": 200})
    with terminal(monkeypatch, b""):
        consent(setup, 30, yes=False)
        consent(setup, 296, yes=True)
        consent(bounded, 296, yes=False)
        monkeypatch.setattr("sys.stderr", io.StringIO())
        consent(setup, 296, yes=False)
