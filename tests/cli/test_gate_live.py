"""`evalkit gate`: a GO still holds while production runs what was evaluated, and while the checklist asks no less."""

from __future__ import annotations

import gzip
import json
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from evalkit.data import demo_path
from evalkit.reference import ReferenceServer, preset
from evalkit.stored.pack import Pack, pack
from tests.cli.command import evalkit
from tests.support.small_run import MODEL, write_inputs

PACK = Path(__file__).parents[1] / "fixtures" / "runs" / "small.pack"
AGE = ("--max-age", "99999d")


def production(label="self-speculation", **changes):
    return ReferenceServer(preset(label, speed=20.0, model=MODEL, **changes))


@pytest.mark.parametrize("named", ["", "self-speculation=", "linear_spec="])
def test_a_go_stands_while_production_runs_what_was_evaluated(capsys, named):
    with production() as server:
        done = evalkit(capsys, "gate", PACK, *AGE, "--live", f"{named}{server.base_url}")
    assert done.code == 0, done.out
    assert "runs what was evaluated as self-speculation" in done.out


def test_a_pack_without_texts_can_be_held_against_production_too(tmp_path, capsys):
    redacted = tmp_path / "r.pack"
    redacted.write_bytes(pack(Pack.open(PACK), redact=True))
    with production() as server:
        assert evalkit(capsys, "gate", redacted, *AGE, "--live", server.base_url).code == 0
    with production(accept_max=2) as server:
        done = evalkit(capsys, "gate", redacted, *AGE, "--live", server.base_url)
    assert (done.code, "token deltas" in done.out) == (3, True), done.out


def test_another_server_is_exit_3_with_one_line_a_difference(capsys):
    with production(version="0.5.24", quantization="fp8", context_length=8192) as server:
        done = evalkit(capsys, "gate", PACK, *AGE, "--live", server.base_url)
    assert done.code == 3
    for name in ("engine version", "quantization", "context"):
        assert sum(f": {name}:" in line for line in done.out.splitlines()) == 1, done.out


def test_a_server_of_the_baseline_does_not_carry_the_go(capsys):
    with production("autoregressive") as server:
        done = evalkit(capsys, "gate", PACK, *AGE, "--live", server.base_url)
    assert done.code == 3
    assert "the GO is for self-speculation" in done.out


def test_several_servers_are_each_held_against_their_mode_and_the_document_names_them(capsys):
    with production() as fast, production("autoregressive") as plain:
        done = evalkit(capsys, "gate", PACK, *AGE, "--json", "--live", fast.base_url, "--live", plain.base_url)
    document = json.loads(done.out)
    assert done.code == document["exit_code"] == 0
    assert [server["mode"] for server in document["live"]] == ["self-speculation", "autoregressive"]
    assert all("token deltas" in server["compared"] for server in document["live"])


def test_a_server_that_is_gone_is_exit_3(capsys):
    done = evalkit(capsys, "gate", PACK, *AGE, "--live", "http://127.0.0.1:9")
    assert done.code == 3
    assert "unusable" in done.out


def test_a_malformed_address_is_exit_2(capsys):
    assert evalkit(capsys, "gate", PACK, *AGE, "--live", "localhost").code == 2


def with_files(folder: Path) -> Path:
    """The pack as made with prompts and tasks that lie in `folder`, where its snapshot lies too."""
    facts = Pack.open(PACK).facts()
    body = b"".join(gzip.decompress(pack(Pack.open(PACK))).splitlines(keepends=True)[:-1])
    write_inputs(folder, {})
    (folder / "trident-8b.json").write_bytes(demo_path("trident-8b").read_bytes())
    for name, fact in (("prompts.jsonl", facts.prompts[0]), ("suite.yaml", facts.suites[0])):
        body = body.replace(fact.sha256.encode(), sha256((folder / name).read_bytes()).hexdigest().encode())
    made = folder / "run.pack"
    made.write_bytes(gzip.compress(body + b'{"sha256":"%s"}\n' % sha256(body).hexdigest().encode()))
    return made


def checklist(tmp_path, **items):
    stored = Pack.open(PACK).checklist().checklist.model_dump(mode="json", exclude_unset=True)
    stored = {**stored, **items}
    path = tmp_path / "checklist.yaml"
    path.write_text(yaml.safe_dump(stored), encoding="utf-8")
    return path


def items(**changed):
    stored = Pack.open(PACK).checklist().checklist.model_dump(mode="json", exclude_unset=True)["items"]
    return {**stored, **changed}


WAIVER = {"finding": "modes.own-prompts", "reason": "they are ours", "owner": "jd", "expires": date(2027, 1, 1)}


@pytest.mark.parametrize(
    ("changed", "code", "says"),
    [
        ({}, 0, "GO still holds"),
        ({"items": items(modes={"speedup": {"at_least": 1.6}})}, 0, "GO still holds"),
        (
            {"items": items(modes={"speedup": {"at_least": 1.45}})},
            3,
            "items.modes.speedup.at_least: 1.5 -> 1.45 (looser)",
        ),
        ({"items": items(quality={"margin": {"default": 0.2}, "concurrency": 8})}, 3, "items.quality.margin.default"),
        ({"waivers": [WAIVER]}, 3, "waivers"),
        ({"items": items(modes={"speedup": {"at_least": 50.0}})}, 1, "NO-GO still holds"),
    ],
)
def test_a_looser_checklist_or_a_new_waiver_prints_the_difference_and_is_exit_3(tmp_path, capsys, changed, code, says):
    run = with_files(tmp_path)
    path = checklist(tmp_path, **changed)
    done = evalkit(capsys, "gate", run, *AGE, "--checklist", path)
    assert (done.code, says in done.out) == (code, True), done.out
    if code == 3:
        accepted = evalkit(capsys, "gate", run, *AGE, "--checklist", path, "--accept-changed-checklist")
        assert accepted.code == 0, accepted.out


ODD = ["http://", "http://[::1", "http://127.0.0.1:abc", "http://127.0.0.1:65536", "http://user:pass-word-17@127.0.0.1:1",
       f"http://{'a' * 300}.example", f"http://127.0.0.1:1/{'x' * 5000}", "http://127.0.0.1\\@evil:1",
       "http://\u202e.example"]  # fmt: skip


@pytest.mark.parametrize("url", ODD)
@pytest.mark.parametrize("argv", [["gate", "RUN", "--live"], ["gate", "RUN", "--live", "diffusion="], ["probe"],
                                  ["init", "DIR", "--no-scan", "--server"]])  # fmt: skip
def test_an_address_that_is_none_is_a_mistake(tmp_path, capsys, argv, url):
    words = [one.replace("RUN", str(PACK)).replace("DIR", str(tmp_path / "new")) for one in argv]
    words = [*words[:-1], words[-1] + url] if words[-1].endswith("=") else [*words, url]
    done = evalkit(capsys, *words)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "word-17" not in done.err + done.out
