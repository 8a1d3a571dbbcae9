"""A run that is killed or interrupted at drawn points and resumed until it ends, held against one that nobody disturbed.

`python -m tests.run.crash 200 [SEED]` makes the long run (`make crash`) and prints its figures.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evalkit.client.types import Exchange
from evalkit.reference import ReferenceProcess, Script
from evalkit.report.document.build import build
from evalkit.stored.again import document_of
from evalkit.stored.folder import RunFolder
from evalkit.timing.facts import TimedSample
from evalkit.verdict.decide import decide
from tests.run.sessions import MODEL, command, write

AR, FAST = "autoregressive", "self-speculation"
_ERRORS = ("ttft_error_ms", "e2e_error_ms", "e2e_error_share", "itl_error_share", "lag_p99_ms")
_SLOWEST_S = 90.0
#: for a session to its end, on a machine with much other work
_PATIENCE_S = 1500


@dataclass
class Story:
    """What happened to one run folder."""

    kills: list[str] = field(default_factory=list)
    ended_early: int = 0
    sent: Counter[str] = field(default_factory=Counter)


def servers() -> tuple[ReferenceProcess, ReferenceProcess]:
    """An autoregressive server and one that is about four times as fast."""
    same: dict[str, Any] = {"model": MODEL, "ttft_ms": 3.0, "ms_per_forward": 2.0, "disable_radix_cache": True}
    slow = Script(mode=AR, **same)
    fast = Script(mode=FAST, accept_runs=(6, 8), **same)
    return ReferenceProcess(slow), ReferenceProcess(fast)


def checklist(folder: Path, modes: dict[str, Any]) -> Path:
    """24 prompts a mode, two at a time, and twelve cases of a task: enough for a GO."""
    cases = [
        {"id": f"c{n}", "prompt": f"Say hello to number {n}.", "expect": [{"length": {"unit": "chars", "min": 1}}]}
        for n in range(12)
    ]
    suite = {"suite": {"name": "hello", "kind": "chat"}, "cases": cases}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    items = {
        "modes": {
            "repeats": 1,
            "warmup": 1,
            "concurrency": [2],
            "speedup": {"at_least": 1.2},
            "repeated": {"prompts": 2},
        },
        "hardware": {"declared": "H100-80GB"},
        "serving": {"allow": ["release", "pre-release", "fork"]},
        "quality": {"margin": {"default": 0.5}, "match_margin": 0.4},
        "context": {"need_tokens": 2048},
    }
    path = write(folder, modes, tasks=["suite.yaml"], items=items)
    prompts = [{"id": f"p{n}", "prompt": f"Say something about number {n}."} for n in range(24)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in prompts))
    return path


def launched_checklist(folder: Path) -> Path:
    """The same, with servers that evalkit starts itself."""
    scripts = [one.script.model_copy(update={"ms_per_forward": 0.4}) for one in servers()]
    modes = {
        str(script.mode.value): {
            "launch": [
                sys.executable,
                "-m",
                "evalkit.reference",
                "--port",
                "{port}",
                "--script",
                script.model_dump_json(),
            ]
        }
        for script in scripts
    }
    path = checklist(folder, modes)
    document = yaml.safe_load(path.read_text())
    document["items"]["modes"] |= {"launches": "single", "repeated": {"prompts": 0}}
    path.write_text(yaml.safe_dump(document))
    return path


def undisturbed(path: Path, folder: Path) -> RunFolder:
    done = subprocess.run(
        command(path, "--output-dir", folder), capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    assert done.returncode in {0, 1, 3}, done.stderr
    return RunFolder(folder)


def disturbed(path: Path, folder: Path, rng: random.Random, total: int, kills: int) -> Story:
    """Starts the run, ends it `kills` times at drawn places, and resumes it to its end."""
    story = Story()
    for target in sorted(rng.sample(range(total * 9 // 10), kills)):  # the last records are written in one go
        if not _one(path, folder, rng, target, story):
            break
    done = subprocess.run(
        command(path, *_where(folder)), capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    assert done.returncode in {0, 1, 3}, done.stderr
    return story


def _where(folder: Path) -> tuple[object, ...]:
    return ("--resume", folder) if (folder / "plan.json").exists() else ("--output-dir", folder)


def _one(path: Path, folder: Path, rng: random.Random, target: int, story: Story) -> bool:
    """One session that is ended from outside; False when it came to its end before."""
    journal = folder / "journal.jsonl"
    signal_ = signal.SIGKILL if rng.random() < 0.7 else signal.SIGINT
    pause = rng.uniform(0.0, 0.03)
    early = rng.uniform(0.0, 1.0) if rng.random() < 0.1 else None  # before a record of this session
    process = subprocess.Popen(
        # behind the one who watches it
        ["nice", "-n", "5", *command(path, *_where(folder))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_interruptible,  # noqa: PLW1509  this process has one thread
    )
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < _SLOWEST_S:
        if early is not None and time.monotonic() - began >= early:
            break
        if early is None and lines(journal) >= target:
            time.sleep(pause)
            break
        time.sleep(0.002)
    process.send_signal(signal_)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    allowed = {-signal.SIGKILL} if signal_ is signal.SIGKILL else {130, -signal.SIGINT}
    if process.returncode in {0, 1, 3}:
        story.ended_early += 1
        return False
    assert process.returncode in allowed, f"{process.returncode}: {said}"
    assert "Traceback" not in said, said
    story.kills.append(f"{signal_.name} at record {lines(journal)}")
    return True


def _interruptible() -> None:
    """A shell starts what runs in its background with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def decided(folder: RunFolder) -> dict[str, Any]:
    """Every decided field. Times are of the minute, so the journal is decided again with those of a quiet machine; that
    report.json says what its own journal says is checked before.
    """
    document = document_of(folder.path)
    stored = json.loads((folder.path / "report.json").read_bytes())
    assert {key: document.get(key) for key in stored} == stored
    return _outline(document | _quiet(folder))


def _quiet(folder: RunFolder) -> dict[str, Any]:
    facts, loaded = folder.facts(), folder.checklist()
    timed = tuple(
        one.model_copy(update={"loop_lag_p99_ms": 0.1, "cpu_share": 0.1, "exchange": _at_leisure(one)})
        for one in facts.timed
    )
    errors = tuple(
        one.model_copy(update=dict.fromkeys(_ERRORS, 0.0))
        for one in sorted(facts.client_errors, key=lambda e: e.streams)
    )
    warmups = tuple(one.model_copy(update={"levelled": True, "last_e2e_ms": ()}) for one in facts.warmups)
    quiet = facts.model_copy(update={"timed": timed, "client_errors": errors, "warmups": warmups})
    return build(loaded.checklist, quiet, decide(loaded.checklist, quiet, facts.as_of, strict=facts.start.strict))


def _at_leisure(sample: TimedSample) -> Exchange:
    """The reply with the times that its mode is to take: 200 ms, or 50 ms."""
    reply, total = sample.exchange, 200_000 if sample.mode == AR else 50_000
    each = total // (len(reply.chunks) + 2)
    chunks = tuple(((n + 1) * each, count) for n, (_, count) in enumerate(reply.chunks))
    first = dict.fromkeys(("first_byte_us", "first_chunk_us", "first_visible_us"), each)
    return reply.model_copy(
        update={**first, "last_chunk_us": total - each, "done_us": total, "chunks": chunks, "notes": ()}
    )


def _outline(report: dict[str, Any]) -> dict[str, Any]:
    return {
        "verdict": report["verdict"],
        "exit_code": report["exit_code"],
        "recommended_mode": report["recommended_mode"],
        "items": {item["id"]: item["status"] for item in report["items"]},
        "findings": sorted(
            (f["id"], f.get("mode") or "", f.get("variant") or "", f["status"])
            for item in report["items"]
            for f in item["findings"]
        ),
        "modes": [(m["mode"], m["declared_mode"], m["observed_mode"], m["qualified"]) for m in report["modes"]],
    }


def crowded(seen: dict[str, Any]) -> bool:
    """Whether other work on this machine opened a claim, which is no matter of the crash."""
    return any(ident == "modes.witness" and status == "inconclusive" for ident, *_, status in seen["findings"])


def calm_part(seen: dict[str, Any]) -> dict[str, Any]:
    """What does not hang on the machine's load."""
    return {
        "items": {item: status for item, status in seen["items"].items() if item != "modes"},
        "findings": [one for one in seen["findings"] if one[0] not in ("modes.witness", "modes.speedup")],
        "modes": [one[:3] for one in seen["modes"]],
    }


def keys(folder: RunFolder) -> Counter[str]:
    """What the journal holds of each planned request."""
    facts = folder.facts()
    return Counter(one.key for one in (*facts.timed, *facts.answers))


def once(folder: RunFolder) -> dict[str, list[str]]:
    """Records that a run makes once, however often it was resumed."""
    facts = folder.facts()
    return {
        "candidates": [f"{c.role} {c.model}" for c in facts.candidates],
        "prompts": [p.sha256 for p in facts.prompts],
        "suites": [s.name for s in facts.suites],
        "skipped": [s.item for s in facts.skipped],
        "client_errors": [str(c.streams) for c in facts.client_errors],
        "looks": [str(one.prompts) for one in facts.looks],
        "context": sorted(facts.context_probes),
        "errors": [e.summary for e in facts.errors],
    }


def request_id(key: str) -> str:
    return "evalkit-" + hashlib.sha256(key.encode()).hexdigest()[:24]


def emissions(server: ReferenceProcess, *, clear: bool = False) -> Counter[str]:
    """How often the server was asked each request that has an id of the plan."""
    url = f"{server.base_url}/_reference/emissions"
    if clear:
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()
        return Counter()
    with urllib.request.urlopen(url, timeout=10) as reply:
        return Counter(one["request_id"] for one in json.load(reply) if one["request_id"].startswith("evalkit-"))


def compare(reference: RunFolder, found: RunFolder, story: Story, *, level: int) -> int:
    """Holds a resumed run against the undisturbed one; how many requests were sent more than once."""
    before, after = decided(reference), decided(found)
    if crowded(before) or crowded(after):
        before, after = calm_part(before), calm_part(after)
    for one, other in ((before, after), (once(reference), once(found)), (keys(reference), keys(found))):
        differing = _differing(one, other)
        assert not differing, (differing, story.kills)
    assert found.verify() == []
    facts = found.facts()
    assert facts.end is not None
    assert not facts.end.interrupted
    if not story.sent:
        return 0
    names = {request_id(key): key for key in keys(found)}
    assert not [key for name, key in names.items() if not story.sent[name]]
    twice = {names.get(name, name): count for name, count in story.sent.items() if count > 1}
    again = sum(twice.values()) - len(twice)
    assert again <= level * len(story.kills), (again, story.kills, twice)
    return again


def _differing(wanted: dict[str, Any], got: dict[str, Any]) -> dict[str, Any]:
    """What is not as it was: of lists the entries that only one of them has."""
    found = {}
    for name in {*wanted, *got}:
        old, new = wanted.get(name), got.get(name)
        if isinstance(old, list) and isinstance(new, list) and old != new:
            found[name] = [one for one in old if one not in new] + [one for one in new if one not in old] or "repeated"
        elif old != new:
            found[name] = (old, new)
    return found


def long_run(points: int, seed: int = 1, kills: int = 4) -> None:
    """`points` ends at drawn places, `kills` a folder; prints what came of them."""
    rng = random.Random(seed)
    began, stories, again = time.monotonic(), [], 0
    with tempfile.TemporaryDirectory(prefix="evalkit-crash-") as name:
        home = Path(name)
        slow, fast = servers()
        with slow, fast:
            path = checklist(home, {AR: {"endpoint": slow.base_url}, FAST: {"endpoint": fast.base_url}})
            reference = undisturbed(path, home / "reference")
            total = lines(reference.journal)
            while sum(len(s.kills) for s in stories) < points:
                for server in (slow, fast):
                    emissions(server, clear=True)
                folder = home / f"run-{len(stories)}"
                story = disturbed(path, folder, rng, total, kills)
                story.sent = emissions(slow) + emissions(fast)
                again += compare(reference, RunFolder(folder), story, level=2)
                stories.append(story)
                print(f"run {len(stories)}: {', '.join(story.kills)}; sent again {again} so far", flush=True)
    ends = Counter(kill.split()[0] for story in stories for kill in story.kills)
    print(f"runs {len(stories)}, ended from outside {sum(ends.values())} times ({dict(ends)}), seed {seed}")
    print(f"journal of an undisturbed run: {total} records; sent more than once: {again} requests in all")
    print(f"every decided field equal, no key lost or twice; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    long_run(*map(int, sys.argv[1:] or ["200"]))
