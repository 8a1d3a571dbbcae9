"""What a person must read stays on the screen, whole, while the rows go on turning."""

from __future__ import annotations

import io

from evalkit.run.show import Plain

LONG = "restart the server at http://127.0.0.1:30000 in mode diffusion: " + "word " * 60 + "END"


def test_a_message_above_the_live_rows_is_not_cut():
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from evalkit.cli.progress import Live

    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with Progress(TextColumn("{task.description}"), console=console, transient=True) as progress:
        live = Live(progress)
        live.say("serving", "probing")
        live.tell("serving", LONG)
    said = screen.getvalue()
    assert "restart the server at http://127.0.0.1:30000" in said
    assert "END" in said


def test_a_long_note_leaves_time_and_count_whole_in_eighty_columns():
    from rich.console import Console

    from evalkit.cli.progress import Live, rows

    screen = io.StringIO()
    with rows(Console(file=screen, force_terminal=True, width=80, no_color=True)) as progress:
        live = Live(progress)
        live.say("modes", "timing " + "autoregressive, " * 10)
        live.advance("modes", 1234, 5678)
        progress.refresh()
    line = next(line for line in reversed(screen.getvalue().split("\n")) if "timing" in line)
    assert "0:00:0" in line
    assert "1234/5678" in line
    assert "…" in line.split("timing", 1)[1]
    assert "…" not in line.split("timing", 1)[0]


def test_a_message_in_a_log_is_one_whole_line(capsys):
    Plain().tell("serving", LONG + "\n\x1b[31m second")
    (line,) = capsys.readouterr().err.splitlines()
    assert "END" in line
    assert "\x1b" not in line
