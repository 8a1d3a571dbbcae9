"""`python -m fuzz SECONDS [TARGET…]`: each target for so many seconds, from its seeds.

With atheris the search is guided by coverage, one process a target; without it hypothesis draws mutations of the seeds.
What was found lies in build/fuzz/TARGET; put it into fuzz/corpus/TARGET when it is fixed.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

OUT = Path("build/fuzz")
_WORKER = "--one"


def main() -> int:
    if sys.argv[1:2] == [_WORKER]:
        return _one(sys.argv[2], sys.argv[3:])
    seconds, *names = sys.argv[1:] or ["60"]
    from fuzz.targets import TARGETS

    guided = importlib.util.find_spec("atheris") is not None
    bad = [name for name in names or TARGETS if not (_guided if guided else _drawn)(name, int(seconds))]
    print(
        f"fuzz: {len(names or TARGETS)} targets, {'atheris' if guided else 'hypothesis'}, findings in: {bad or 'none'}"
    )
    return 1 if bad else 0


def _guided(name: str, seconds: int) -> bool:
    grown, found = OUT / name / "corpus", OUT / name / "found"
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    seeds = Path(__file__).parent / "corpus" / name
    argv = [sys.executable, "-m", "fuzz", _WORKER, name, *options, f"-artifact_prefix={found}/", str(grown), str(seeds)]
    # a busy machine takes minutes to load and instrument what is fuzzed
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + 900)
    said = (done.stdout + done.stderr).splitlines()
    runs = next((line.split()[-1] for line in said if "number_of_executed_units" in line), "?")
    print(f"{name}: {runs} inputs, {'ok' if done.returncode == 0 else 'FOUND'}", flush=True)
    if done.returncode:
        print("\n".join(said[-40:]))
    return done.returncode == 0


def _one(name: str, argv: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["evalkit", "fuzz.targets", "yaml"]):
        from fuzz import targets
    targets.without_fsync()
    atheris.Setup([f"fuzz {name}", *argv], targets.TARGETS[name])
    atheris.Fuzz()
    return 0


def _drawn(name: str, seconds: int) -> bool:
    from fuzz.mutate import examples
    from fuzz.targets import TARGETS, without_fsync

    without_fsync()
    end, count = time.monotonic() + seconds, 0
    for data in examples(name, seed=int(time.time())):
        if time.monotonic() > end:
            break
        count += 1
        try:
            TARGETS[name](data)
        except BaseException:
            folder = OUT / name / "found"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"input-{count}").write_bytes(data)
            raise
    print(f"{name}: {count} inputs, ok", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
