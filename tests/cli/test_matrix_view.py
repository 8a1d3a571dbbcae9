"""What a person sees of the cells of a matrix while they work: a line a cell on a terminal, a few lines in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evalkit.cli.matrix_view import Lines, Screen
from evalkit.matrix.outcome import Outcome
from evalkit.run.show import HEARTBEAT_S
from tests.support.matrix import cell


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def drawn(screen, console):
    console.print(screen)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def a_console(height=24):
    return Console(file=io.StringIO(), width=100, height=height, force_terminal=True, color_system=None)


def test_in_a_log_a_cell_has_a_line_where_it_begins_and_ends_and_one_each_half_minute(clock, capsys):
    lines = Lines([cell()], clock)
    for _ in range(601):  # ten looks a second
        lines.doing(cell(), "running", "timing")
        clock.now += 0.1
    lines.ended(cell(), Outcome(status="go"))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 + int(60 / HEARTBEAT_S)
    assert "(1 of 1)" in said[-1]
    assert "0:01:00" in said[-1]


def test_cells_that_wait_are_said_once(clock, capsys):
    lines = Lines([cell("a"), cell("b")], clock)
    for _ in range(10):
        lines.doing(cell("b"), "waiting", "")
        clock.now += HEARTBEAT_S
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_on_a_terminal_each_cell_has_a_line_and_the_last_counts_them(clock):
    cells = [cell(name) for name in "abc"]
    console = a_console()
    screen = Screen(cells, console, clock)
    screen.doing(cells[0], "running", "2026-11-29T08:38:56Z modes timing 12 of 48")
    clock.now = 65
    screen.ended(cells[1], Outcome(status="lost", detail="its node died"))
    rows = drawn(screen, console)
    assert len(rows) == 4
    assert "0:01:05" in rows[0]
    assert "T08:38" not in rows[0]
    assert "its node died" in rows[1]
    assert "1 running, 1 waiting, 1 failed" in rows[3]


def test_where_cells_are_more_than_lines_those_that_work_are_shown(clock):
    cells = [cell(f"c{n:03}") for n in range(200)]
    console = a_console(10)
    screen = Screen(cells, console, clock)
    screen.doing(cells[150], "running", "x")
    rows = drawn(screen, console)
    assert len(rows) <= 10
    assert "c150" in rows[0]


def test_no_secret_and_no_control_character_is_shown(clock, capsys, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "sk-verysecretvalue1234567890")
    lines = Lines([cell()], clock)
    lines.doing(cell(), "running", "key sk-verysecretvalue1234567890 \x1b[31m")
    said = capsys.readouterr().err
    assert "verysecret" not in said
    assert "\x1b" not in said
