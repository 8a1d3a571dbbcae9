"""Results of a harness, 100,000 samples in each of three modes: read, kept, folded and decided. Seconds and memory.

    python benchmarks/harness_results.py [SAMPLES]

The files are what lm-eval writes (samples of about 800 bytes). Goal: under 60 s and 500 MB on two cores.
"""

from __future__ import annotations

import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODES = ("autoregressive", "diffusion", "self-speculation")


def write(folder: Path, count: int) -> None:
    """One folder a mode; 90% pass, 1% of the samples differ."""
    draw = random.Random(1)
    right = [draw.random() < 0.9 for _ in range(count)]
    for mode in MODES:
        (folder / mode).mkdir()
        results = {
            "results": {"task": {"exact_match,none": 0.9}}, "configs": {"task": {"task": "task"}},
            "versions": {"task": 1.0},
            "n-shot": {"task": 0}, "higher_is_better": {"task": {"exact_match": True}},
            "n-samples": {"task": {"original": count, "effective": count}},
            "config": {"model_args": {"base_url": "http://127.0.0.1:30000/v1/chat/completions", "model": "m"}},
            "task_hashes": {"task": "x"}, "lm_eval_version": "0.4.13", "date": 1.0,
        }  # fmt: skip
        (folder / mode / "results_2026.json").write_text(json.dumps(results))
        with (folder / mode / "samples_task_2026.jsonl").open("w") as file:
            for i, passed in enumerate(right):
                digest = hashlib.sha256(str(i).encode()).hexdigest()
                row = {
                    "doc_id": i, "doc": {"question": f"question {i} " * 10, "answer": str(i)}, "target": str(i),
                    "arguments": {"gen_args_0": {"arg_0": [f"question {i}"], "arg_1": {"max_gen_toks": 64}}},
                    "resps": [["word " * 20]], "filtered_resps": ["word " * 20], "filter": "none",
                    "metrics": ["exact_match"],
                    "doc_hash": digest, "prompt_hash": digest, "target_hash": digest,
                    "exact_match": float(passed if draw.random() > 0.01 else not passed),
                }  # fmt: skip
                file.write(json.dumps(row) + "\n")


def decide(folder: Path) -> None:
    """What a run does with them: read, journal, fold, decide."""
    from datetime import UTC, datetime

    from evalkit.checklist.loader import load_checklist
    from evalkit.facts import RunStart
    from evalkit.harness.registry import given
    from evalkit.items.quality.decide import decide as decided
    from evalkit.stored.fold import fold
    from evalkit.stored.journal import Journal, read

    begin = time.perf_counter()
    checklist = folder / "checklist.yaml"
    modes = "".join(f"  {mode}: {{endpoint: 'http://127.0.0.1:3000{n}'}}\n" for n, mode in enumerate(MODES))
    results = ", ".join(f"{mode}: {mode}" for mode in MODES)
    checklist.write_text(
        f"modes:\n{modes}tasks: [{{results: {{{results}}}, from: lm-eval, accept_unwitnessed: true}}]\n"
    )
    loaded = load_checklist(checklist)
    journal = Journal(folder / "journal.jsonl")
    journal.append(
        "start", RunStart(run_id="r", started_at="2026-01-01", evalkit_version="1", plan_sha256="", checklist_sha256="")
    )
    for one in given(loaded):
        journal.append("harness", one)
    journal.close()
    read_s = time.perf_counter() - begin
    facts = fold(read(folder / "journal.jsonl"), where="journal")
    findings = decided(loaded.checklist, facts, datetime.now(UTC))
    seconds = time.perf_counter() - begin
    shown = {f.mode: f.status.value for f in findings if f.id == "quality.non-inferiority"}
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"read and kept {read_s:.1f} s, in all {seconds:.1f} s, {megabytes:.0f} MB, {shown}")


def main() -> None:
    if sys.argv[1:2] == ["--decide"]:
        decide(Path(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), count)
        size = sum(path.stat().st_size for path in Path(name).rglob("*.jsonl")) / 2**20
        print(f"{count:,} samples × {len(MODES)} modes, {size:.0f} MiB")
        subprocess.run([sys.executable, __file__, "--decide", name], check=True)


if __name__ == "__main__":
    main()
