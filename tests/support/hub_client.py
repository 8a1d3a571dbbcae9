"""Runs evalkit in a process of its own against a Hub on loopback: huggingface_hub reads its settings when imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COLLECT = """
import json, sys
from pathlib import Path
from evalkit.hub import collect
kept = Path(sys.argv[1]) if sys.argv[1] else None
for asked in json.loads(sys.argv[2]):
    model, _, revision = asked.partition("@")
    print(collect(model, revision=revision or "main", evidence_dir=kept).model_dump_json())
print(json.dumps(sorted(sys.modules)))
"""


def environment(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """This environment with the Hub on loopback, a cache of its own and no proxy or token of the machine's."""
    mine = {
        k: v for k, v in os.environ.items() if not k.upper().startswith(("HF_", "HUGGING")) and "PROXY" not in k.upper()
    }
    return {
        **mine, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_ETAG_TIMEOUT": "2",
        "HOME": str(home), **more,
    }  # fmt: skip


def collect_all(
    endpoint: str, home: Path, models: Iterable[str], *, evidence: Path | None = None, **env: str
) -> tuple[dict[str, Any], set[str]]:
    """Facts by what was asked (`ID` or `ID@REVISION`), and the modules that the process had imported at its end."""
    asked = list(models)
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, str(evidence or ""), json.dumps(asked)],
        env=environment(endpoint, home, **env), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *facts, modules = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(asked, facts, strict=True)), set(modules)


def evalkit(endpoint: str, home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *arguments],
        env=environment(endpoint, home, **env), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
