"""What a command prints into a pipe is no command to a CI runner, errors and the gate's lines included."""

from __future__ import annotations

import io
import re
import sys

from hypothesis import given
from hypothesis import strategies as st

from evalkit.cli.errors import guarded
from evalkit.cli.streams import CalmStream, write_commands
from evalkit.errors import InputFileError


@given(
    st.lists(
        st.text(alphabet=st.sampled_from(":# [x\n\r\t"), max_size=6)
        | st.sampled_from(["##", "vso", "##vs", "o[", "["]),
        max_size=10,
    )
)
def test_in_however_many_pieces_a_line_is_written(pieces):
    out = io.StringIO()
    stream = CalmStream(out)
    for piece in pieces:
        assert stream.write(piece) == len(piece)
    lines = re.split(r"[\r\n]", out.getvalue())
    assert not [line for line in lines if line.lstrip().startswith("::")]
    assert not re.search(r"##(?:vso)?\[", out.getvalue())
    assert re.sub(r"\s", "", out.getvalue()) == re.sub(r"\s", "", "".join(pieces))


def test_errors_and_results_are_calm_and_commands_of_our_own_are_not(capsys):
    def fails():
        print("::stop-commands::x")
        sys.stdout.write("  ")
        sys.stdout.write(":")
        sys.stdout.write(":set-output::y\n")
        write_commands(["::error file=checklist.yaml::z"])
        raise InputFileError("not YAML\n::add-mask::secret", where="x", hint="see\n\t::error::this")

    assert guarded(fails) == 2
    out, err = capsys.readouterr()
    assert not [line for line in out.splitlines() if line.lstrip().startswith("::")]
    assert [line for line in err.splitlines() if line.lstrip().startswith("::")] == ["::error file=checklist.yaml::z"]
    assert "add-mask" in err
    assert not isinstance(sys.stdout, CalmStream)
