"""What the tests of nvml and hardware_command share."""

from __future__ import annotations

END = """
import json, os, sys
from types import SimpleNamespace as N
from evalkit.gpu.nvml import collect
"""


def end(code: str) -> str:
    return f"{END}\nprint({code}.model_dump_json())"
