"""Every command of the guide is run, page by page and from top to bottom, in a folder that holds what the pages speak of.

Commands that start a run, a server or a long measurement are run by the slow tests; all others by every run of the suite.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import nullcontext
from importlib.util import find_spec

import pytest
import yaml

from evalkit.data import demo_path
from evalkit.matrix.engines.ray import INSTALL
from evalkit.reference import preset
from tests.cli.command import evalkit
from tests.docs.test_guide import PAGES, lines, words
from tests.faults.virtual import Clock
from tests.hub.test_hub import plain
from tests.support.faults import FaultServer
from tests.support.hub_client import evalkit as by_hub
from tests.support.hub_server import HubServer
from tests.support.quality_run import DECIDING, run_facts
from tests.support.small_run import suite_text
from tests.support.stored_run import write_run
from tests.support.virtual_world import world

ROOT = PAGES[0].parents[1]
MODES = ("autoregressive", "diffusion", "self-speculation")
#: names that stand for something of the reader's
STANDS_FOR = {
    "MODEL": "nvidia/Nemotron-Labs-Diffusion-8B", "RUN": "runs/first", "SUITE": "prompts/tasks/structured.yaml",
    "ID": "nvidia/Nemotron-Labs-Diffusion-8B", "URL": "http://127.0.0.1:30000", "CARD": "H100-80GB", "DIR": "new",
    "ID:": "x", "WORD": "incumbent", "KEY": "candidate", "FILE": "evaluation/checklist.yaml",
}  # fmt: skip
#: commands that measure for seconds, and those that only make sense with a server
SLOW = ("run", "ab", "doctor", "probe")
#: a model's code is never run by a test of pages, and nothing here is signed: test_guide parses such commands
NEVER = ("serve", "--identity", "--install-completion")
VENDOR = "nvidia/Nemotron-Labs-Diffusion-"


def commands():
    """(page, words) in the order of the pages; names of commands alone are no command lines."""
    seen = set()
    for page, line in lines():
        found = words(line)
        key = (page, tuple(found))
        if len(found) > 1 and key not in seen and not {*NEVER, "COMMAND"} & {*found}:
            seen.add(key)
            yield page, [STANDS_FOR.get(word, word) for word in found]


def is_slow(found):
    return found[0] in SLOW or "--live" in found or asks_hub(found)


def asks_hub(found):
    return any(word.startswith(VENDOR) for word in found) and found[0] in ("license", "snapshot", "hardware", "init")


def pages(*, slow):
    kept = {}
    for page, found in commands():
        if slow == is_slow(found):
            kept.setdefault(page, []).append(found)
    return list(kept.items())


def checklist(desk, servers=None):
    """A small one, with the addresses of the pages or with those of `servers`."""
    addresses = [pointed(f"http://127.0.0.1:3000{n}", servers or {}) for n in range(3)]
    return yaml.safe_dump({
        "name": "the guide's", "candidate": {"model": str(demo_path("trident-8b"))}, "request": {"max_tokens": 16},
        "modes": {mode: {"endpoint": url} for mode, url in zip(MODES, addresses, strict=True)},
        "prompts": [str(desk / "prompts.jsonl")], "tasks": [], "budget": {"minutes": 5},
        "items": {"hardware": {"declared": "H100-80GB"}, "modes": {"repeats": 1, "warmup": 1}},
    })  # fmt: skip


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """Everything that the pages name, but no server."""
    desk = tmp_path_factory.mktemp("desk")
    prompts = [{"id": f"p{n:02}", "prompt": f"Tell me {n} facts about rivers.", "max_tokens": 16} for n in range(20)]
    text = "".join(json.dumps(one) + "\n" for one in prompts)
    logged = [{"messages": [{"role": "user", "content": p["prompt"]}], "max_tokens": 16} for p in prompts]
    files = {
        "prompts.jsonl": text,
        "logs/openai.jsonl": "".join(json.dumps(one) + "\n" for one in logged),
        "rows.jsonl": "".join(
            json.dumps({"key": str(n), "data": {"question": p["prompt"]}, "labels": [{"text": "x"}]}) + "\n"
            for n, p in enumerate(prompts)
        ),
        "qa.csv": "question,expected\nWhat is 1+1?,2\nWhat is 2+2?,4\n",
        "promptfooconfig.yaml": yaml.safe_dump(
            {
                "prompts": ["{{q}}"],
                "tests": [{"vars": {"q": "1+1?"}, "assert": [{"type": "contains", "value": "2"}]}],
            }
        ),
        "tasks.yaml": suite_text(cases=8),
        "prompts/tasks/structured.yaml": suite_text(),
        "evaluation/checklist.yaml": checklist(desk),
        "checklist.yaml": checklist(desk),
        "mine/checklist.yaml": checklist(desk),
        "matrix.yaml": yaml.safe_dump(
            {
                "base": "checklist.yaml",
                "axes": {
                    "variants": ["nemotron-8b.json"],
                    "hardware": [{"name": "h100", "card": "H100-80GB"}],
                    "engines": [{"name": "none", "modes": {mode: {"launch": ["no-such-command"]} for mode in MODES}}],
                },
            }
        ),
        "nemotron-8b.json": demo_path("trident-8b").read_text(encoding="utf-8"),
        "my-model/README.md": "---\nlicense: mit\n---\nx\n",
        "my-model/config.json": json.dumps(
            {
                "architectures": ["SDARForCausalLM"],
                "model_type": "sdar",
                "num_hidden_layers": 2,
                "hidden_size": 64,
                "num_attention_heads": 4,
                "vocab_size": 100,
                "intermediate_size": 128,
                "max_position_embeddings": 4096,
            }
        ),
    }
    for name, body in files.items():
        (desk / name).parent.mkdir(parents=True, exist_ok=True)
        (desk / name).write_text(body, encoding="utf-8")
    shutil.copytree(desk / "my-model", desk / "models" / "candidate")
    (desk / "runs").mkdir()
    for name in ("first", "second", "replace"):
        shutil.copy(ROOT / "tests" / "fixtures" / "runs" / "small.pack", desk / "runs" / name)
    shutil.copy(desk / "runs" / "first", desk / "evaluation" / "run.pack")
    shutil.copy(desk / "runs" / "first", desk / "first.pack")
    write_run(desk / "runs" / "2026-11-24", DECIDING, run_facts(cases=40, prompts=22))
    return desk


@pytest.fixture
def desk(model_folder, tmp_path, monkeypatch):
    where = tmp_path / "desk"
    shutil.copytree(model_folder, where)
    monkeypatch.chdir(where)
    monkeypatch.setenv("SGLANG_KEY", "a key")
    return where


@pytest.fixture(scope="module")
def hub():
    with HubServer({f"{VENDOR}{size}": plain() for size in ("8B", "VLM-8B")}) as server:
        yield server


def done(capsys, hub, home, found):
    """Exit code and what was said; what asks the Hub does so by a process that knows the loopback one."""
    if asks_hub(found):
        process = by_hub(hub.endpoint, home, *found)
        return process.returncode, process.stdout + process.stderr
    result = evalkit(capsys, *found)
    return result.code, result.out + result.err


def accepted(code, said, found):
    """0, 1 and 3 are answers; 2 means that the page is wrong, and 4 that evalkit is."""
    assert code in (0, 1, 3), f"{' '.join(found)}: exit code {code}\n{said[-2000:]}"
    assert "Traceback" not in said


def without_ray(found, capsys):
    """Whether the command asks for Ray, which is no part of this environment: it says so. `make ray` runs it."""
    if "ray" not in found or find_spec("ray") is not None:
        return False
    refused = evalkit(capsys, *found)
    assert (refused.code, INSTALL in refused.err) == (2, True)
    return True


def cleared(desk, found):
    """The command without `--try`, since nothing can be started here; what it would write is not there yet."""
    if found[0] == "init":
        target = desk / found[1] if not found[1].startswith("-") else desk
        (target / "checklist.yaml").unlink(missing_ok=True)
        return [*(word for word in found if word != "--try"), "--no-scan"]
    if "-o" in found and (desk / found[found.index("-o") + 1]).is_file():
        (desk / found[found.index("-o") + 1]).unlink()
    return found


@pytest.mark.parametrize(("page", "them"), pages(slow=False), ids=lambda value: value if isinstance(value, str) else "")
def test_the_commands_of_a_page_can_be_followed(page, them, desk, hub, tmp_path, capsys):
    for found in them:
        if without_ray(found, capsys):
            continue
        accepted(*done(capsys, hub, tmp_path, cleared(desk, found)), found)


# -- with servers -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def up():
    """Three modes, and today's model."""
    started = [FaultServer(preset(mode)) for mode in (*MODES, "autoregressive")]
    yield started
    for one in started:
        one.close()


@pytest.fixture
def servers(up):
    """Addresses of the pages -> those of servers."""
    urls = [one.base_url for one in up]
    pages_say = [*(f"http://127.0.0.1:3000{n}" for n in range(3)), "http://127.0.0.1:31000"]
    return {**dict(zip(pages_say, urls, strict=True)), "https://llm.example.com": urls[2]}


def pointed(word, servers):
    for said, url in servers.items():
        word = word.replace(said, url)
    return word


@pytest.mark.slow
@pytest.mark.parametrize(("page", "them"), pages(slow=True), ids=lambda value: value if isinstance(value, str) else "")
def test_the_commands_with_servers_of_a_page_can_be_followed(
    page, them, desk, hub, up, servers, tmp_path, capsys, monkeypatch
):
    for found in them:
        for path in (desk / "evaluation" / "checklist.yaml", desk / "checklist.yaml"):
            path.write_text(checklist(desk, servers))
        if without_ray(found, capsys):
            continue
        sent = [pointed(word, servers) for word in cleared(desk, found)]
        output = sent[sent.index("--output-dir") + 1] if "--output-dir" in sent else None
        if output and (desk / output).is_file():
            (desk / output).unlink()
        if "--resume" in sent and not (desk / sent[sent.index("--resume") + 1]).is_dir():
            continue  # the page shows it without the run that it goes on with
        if sent[0] == "run" and ("--model" in sent or "--demo" in sent):
            sent.append("--dry-run")  # the whole shipped suites
        measures_this_machine = sent[0] == "doctor"
        with nullcontext() if measures_this_machine else world(monkeypatch, Clock(), lambda: up):
            accepted(*done(capsys, hub, tmp_path, sent), found)


def test_pages_have_commands_of_both_kinds():
    every = list(commands())
    assert len(every) > 60
    assert sum(is_slow(found) for _, found in every) > 15
    assert {found[0] for _, found in every} >= {"import", "init", "validate", "run", "report", "gate", "directory"}
    assert not [found for _, found in every if any(re.fullmatch(r"[A-Z]{2,}", word) for word in found)]
