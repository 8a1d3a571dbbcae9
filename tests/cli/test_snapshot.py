"""`evalkit snapshot`, end to end: a Hub on loopback, one file, then a machine without network that finds the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.hub import collect
from tests.support.cards import CARDS, folder
from tests.support.hub_client import evalkit
from tests.support.hub_server import HubServer, Repo

pytestmark = pytest.mark.slow

MODEL = "acme/derived-8b"
CHECKLIST = """
candidate: {{model: {model}}}
use: {{purpose: internal}}
items:
  hardware: {{declared: H100-80GB}}
  context: {{need_tokens: 8192}}
"""


def repos() -> dict[str, Repo]:
    card = b"---\nlicense: apache-2.0\nbase_model: acme/base\n---\n# M\nIts context length is 32,768 tokens.\n"
    config = (CARDS / "configs" / "instruct-8b.json").read_bytes()
    files = {"README.md": card, "config.json": config, "LICENSE": b"Apache License\nVersion 2.0, January 2004\n"}
    code = {"modeling_nemotron_labs_diffusion.py": b"raise SystemExit('remote code was run')\n"}
    listed = {"model.safetensors": 16_979_120_000, "linear_spec_lora/adapter_model.safetensors": 137_000_000}
    return {
        MODEL: Repo(files={**files, **code}, listed=listed, gated=False),
        "acme/base": Repo(files={"README.md": b"---\nlicense: other\nlicense_name: nscl-v1\n---\n"}),
    }


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """(online results, offline results): the same commands on the Hub, and on the snapshot without any network."""
    home = tmp_path_factory.mktemp("home")
    away = tmp_path_factory.mktemp("away")
    shot = home / "m.json"
    with HubServer(repos()) as hub:
        made = evalkit(hub.endpoint, home, "snapshot", MODEL, "-o", str(shot))
        assert made.returncode == 0, made.stderr
        online = asked(hub.endpoint, home, MODEL)
        fetched = hub.files_asked_for(MODEL)
    assert fetched == {"README.md", "config.json", "LICENSE"}
    offline = asked("http://127.0.0.1:9", away, str(shot), HF_HUB_OFFLINE="1")
    return online, offline, shot


def asked(endpoint: str, home: Any, model: str, **env: str) -> dict[str, Any]:
    """The JSON of the small commands and the report of a run."""
    (home / "c.yaml").write_text(CHECKLIST.format(model=model))
    made = {
        "license": evalkit(endpoint, home, "license", model, "--json", **env),
        "hardware": evalkit(endpoint, home, "hardware", model, "--gpu", "H100-80GB", "--json", **env),
    }
    documents = {name: json.loads(done.stdout) for name, done in made.items()}
    run = evalkit(
        endpoint, home, "run", str(home / "c.yaml"), "--output-dir", str(home / "run"), "--skip", "modes=no server",
        "--skip", "serving=no server", "--skip", "quality=no server", "--json", **env,
    )  # fmt: skip
    assert run.stdout, run.stderr
    documents["report"] = json.loads(run.stdout)
    return documents


def findings(report: dict[str, Any], item: str) -> list[tuple[Any, ...]]:
    (found,) = [i for i in report["items"] if i["id"] == item]
    return [(f["id"], f["status"], f["summary"], f.get("observed")) for f in found["findings"]]


def test_license_and_fit_of_the_small_commands_are_the_same(taken):
    online, offline, _ = taken
    left, right = online["license"][0], offline["license"][0]
    for key in ("license", "spdx", "facets", "obligations", "status", "reasons"):
        assert left[key] == right[key], key
    assert "NSCLv1" in " ".join(right["reasons"])  # the base model is known without network
    hashes = [[e["sha256"] for e in side["evidence"] if "sha256" in e] for side in (left, right)]
    assert hashes[0] == hashes[1]
    assert online["hardware"]["fit"] == [{**row, "model": MODEL} for row in offline["hardware"]["fit"]]


@pytest.mark.parametrize("item", ["license", "context", "hardware"])
def test_a_run_finds_the_same_in_each_candidate_item(taken, item):
    online, offline, _ = taken
    assert findings(online["report"], item)
    assert findings(online["report"], item) == findings(offline["report"], item)


def test_the_report_names_model_commit_and_content_hash(taken):
    _, offline, shot = taken
    assert offline["report"]["candidate"]["model"] == MODEL
    assert offline["report"]["candidate"]["revision"].startswith("sha256:")
    assert collect(str(shot)).commit == "5" * 40


def test_a_snapshot_is_never_overwritten_and_is_private(taken, tmp_path):
    _, _, shot = taken
    assert shot.stat().st_mode & 0o077 == 0
    before = shot.read_bytes()
    again = evalkit("http://127.0.0.1:9", tmp_path, "snapshot", str(folder(tmp_path / "m", "padded")), "-o", str(shot))
    assert again.returncode == 2
    assert "error:" in again.stderr
    assert shot.read_bytes() == before


def test_a_model_that_cannot_be_read_gives_no_file(tmp_path):
    done = evalkit("http://127.0.0.1:9", tmp_path, "snapshot", MODEL, "-o", str(tmp_path / "x.json"))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.json").exists()


def test_a_given_license_text_stays_a_given_one(tmp_path):
    text = tmp_path / "terms.txt"
    text.write_text("Terms.")
    where = folder(tmp_path / "m", "vlm-8b", "vlm-8b")
    done = evalkit(
        "http://127.0.0.1:9",
        tmp_path,
        "snapshot",
        str(where),
        "-o",
        str(tmp_path / "s.json"),
        "--license-text",
        str(text),
    )
    assert done.returncode == 0, done.stderr
    (given,) = collect(str(tmp_path / "s.json")).license_texts
    assert (given.origin, given.name) == ("given", "license-text")
    assert given.taken_at
