"""`python -m tests.harness.record [TOOL…]`: records the small outputs of real harnesses in tests/fixtures/harness again.

Each tool is run by evalkit's own runner against the reference server in two modes. Inspect's logs are recorded without
events, which nothing here reads.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from evalkit.run.start import Flags, run
from tests.harness import real_tools
from tests.support.small_run import servers, write_inputs

FIXTURES = Path(__file__).parents[1] / "fixtures" / "harness"
TASKS: tuple[dict[str, Any], ...] = (
    {"run": "lm-eval", "tasks": ["city_records"], "include_path": ".", "filter": "city",
     "program": str(real_tools.tool("lm-eval", "lm_eval"))},
    {"run": "inspect", "task": "city_records.py", "args": ["--temperature", "0"],
     "program": str(real_tools.tool("inspect", "inspect"))},
    {"run": "promptfoo", "task": "promptfooconfig.yaml", "program": str(real_tools.tool("promptfoo", "promptfoo"))},
    {"command": [str(real_tools.tool("nel", "nel")), *real_tools.NEL], "reads": "nel"},
)  # fmt: skip
_DROPPED = ("events", "events_data", "attachments", "store", "model_usage", "role_usage")


def main() -> None:
    with tempfile.TemporaryDirectory() as name, servers() as modes:
        folder = Path(name)
        real_tools.write(folder, 12)
        tasks = [one for one in TASKS if _tool(one) in sys.argv[1:] or not sys.argv[1:]]
        run(Flags(checklist=str(write_inputs(folder, modes, tasks=tasks)), output_dir=folder / "run", as_json=True))
        for place, task in enumerate(tasks, 1):
            for mode in modes:
                target = FIXTURES / _tool(task) / mode
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir(parents=True)
                out = folder / "run" / "harness" / f"{place}-{task.get('run', 'command')}-{mode}"
                for file in out.rglob("*.json*"):
                    if _tool(task) == "nel" and file.name != "results.jsonl" and not file.name.startswith("eval-"):
                        continue
                    text = file.read_text().replace(name, "/folder")
                    (target / file.name).write_text(_trimmed(text) if _tool(task) == "inspect" else text)


def _tool(task: dict[str, Any]) -> str:
    return str(task.get("run", task.get("reads")))


def _trimmed(text: str) -> str:
    log = json.loads(text)
    log["samples"] = [{k: v for k, v in one.items() if k not in _DROPPED} for one in log["samples"]]
    return json.dumps({k: v for k, v in log.items() if k != "reductions"}, indent=1) + "\n"


if __name__ == "__main__":
    main()
