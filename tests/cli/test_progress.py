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


def test_a_message_in_a_log_is_one_whole_line(capsys):
    Plain().tell("serving", LONG + "\n\x1b[31m second")
    (line,) = capsys.readouterr().err.splitlines()
    assert "END" in line
    assert "\x1b" not in line
