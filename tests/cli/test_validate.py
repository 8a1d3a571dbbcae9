"""What `evalkit validate` says before a GPU is used."""

from __future__ import annotations

import json
from datetime import date

import pytest

from evalkit.checklist.loader import load_checklist, shipped_names
from evalkit.run.setup import prepare
from evalkit.run.sizing import sizing
from tests.cli.command import evalkit

MODES = "modes: {ar: {endpoint: 'http://127.0.0.1:1'}, diffusion: {endpoint: 'http://127.0.0.1:2'}}\n"
TODAY = date(2026, 11, 24)


def write(tmp_path, text, prompts=None, cases=None):
    if prompts is not None:
        lines = [json.dumps({"id": f"p{n}", "prompt": f"Say {n}."}) for n in range(prompts)]
        (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
        text += "prompts: [prompts.jsonl]\n"
    if cases is not None:
        lines = [
            json.dumps({"id": f"c{n}", "prompt": f"Say {n}.", "expect": [{"contains": str(n)}]}) for n in range(cases)
        ]
        (tmp_path / "own.jsonl").write_text("\n".join(lines))
        text += "tasks: [own.jsonl]\n"
    path = tmp_path / "checklist.yaml"
    path.write_text(text)
    return path


def document(path):
    return sizing(prepare(load_checklist(path)), TODAY)


def test_enough_prompts_and_cases_can_decide(tmp_path, capsys):
    done = evalkit(capsys, "validate", write(tmp_path, MODES, prompts=24, cases=120))
    assert done.code == 0, done.out
    assert "able to decide" in done.out
    assert "chance to show the margin" in done.out
    assert all(len(line) <= 90 for line in done.out.splitlines()[1:])


@pytest.mark.parametrize(
    ("text", "prompts", "cases", "says"),
    [
        (MODES, 12, 80, "12 independent prompts: a speed-up needs at least 20"),
        (MODES, 24, 30, "at least 101 cases are needed"),
        (MODES + "items: {quality: {margin: {default: 0.1}}}\n", 24, 21, "at least 30 cases are needed"),
        (MODES + "items: {modes: {latency: {e2e_p95_ms: 400.0}}}\n", 58, 80, "needs at least 59"),
        (MODES + "items: {modes: {latency: {ttft_p99_ms: 400.0}}}\n", 298, 80, "needs at least 299"),
        (MODES + "items: {modes: {goodput: 0.9}}\n", 28, 80, "goodput: 28 prompts, a bound needs at least 29"),
        ("{}\n", None, None, "no mode is configured"),
        ("modes: {diffusion: {endpoint: 'http://127.0.0.1:2'}}\n", 24, 80, "the baseline autoregressive is not among modes"),
        ("modes: {ar: {endpoint: 'http://127.0.0.1:1'}}\n", 24, 80, "only the baseline is configured"),
        ("modes: {ar: {endpoint: 'http://127.0.0.1:1'}, diffusion: {}}\n", 24, 80, "neither an endpoint nor a launch"),
        (MODES + "incumbent: {model: ours}\n", 24, 80, "the incumbent has neither an endpoint"),
        (MODES + "items: {modes: {adopt: [self-speculation]}}\n", 24, 80, "self-speculation is to be adopted"),
    ],
)  # fmt: skip
def test_a_margin_that_cannot_be_decided_is_exit_3_and_named(tmp_path, capsys, text, prompts, cases, says):
    if text == "{}\n":
        text = "name: nothing yet\n"
    done = evalkit(capsys, "validate", write(tmp_path, text, prompts, cases))
    assert done.code == 3, done.out
    assert says in done.out


@pytest.mark.parametrize(
    ("text", "says"),
    [("modess: {}\n", "unknown key"), ("prompts: [nowhere.jsonl]\n", "does not exist"), ("", "empty"),
     ("tasks: [nowhere.yaml]\n", "no such file"), ("candidate: {model: ./nowhere}\n", "no such folder or snapshot")],
)  # fmt: skip
def test_what_is_invalid_is_exit_2_as_text_and_as_one_json_document(tmp_path, capsys, text, says):
    path = write(tmp_path, text)
    done = evalkit(capsys, "validate", path)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    done = evalkit(capsys, "validate", path, "--json")
    assert done.code == 2
    said = json.loads(done.out)
    assert said["valid"] is False
    assert says in said["error"]


def test_the_document_says_what_effect_is_shown_and_what_it_costs(tmp_path, capsys):
    path = write(tmp_path, MODES + "cost: {usd_per_gpu_hour: 3.0}\n", prompts=24, cases=120)
    said = json.loads(evalkit(capsys, "validate", path, "--json").out)
    assert said["valid"]
    assert said["able_to_decide"]
    assert 1.0 < said["speedup"]["detectable"] < 1.5
    assert said["cost"]["timed_requests"] >= 24 * 2 * 2
    assert said["cost"]["task_requests"] == 120 * 2 + 120  # the baseline answers each case twice
    assert said["cost"]["output_tokens"] > 0
    assert said["cost"]["minutes"] > 0
    assert said["cost"]["usd"] > 0
    assert set(said["suites"][0]["power"]) == {"0.02", "0.05", "0.1"}


def test_more_prompts_show_a_smaller_effect_and_more_claims_a_larger_one(tmp_path):
    few = document(write(tmp_path, MODES, prompts=24, cases=80))["speedup"]["detectable"]
    many = document(write(tmp_path, MODES, prompts=240, cases=80))["speedup"]["detectable"]
    two = MODES.replace("diffusion:", "self-speculation: {endpoint: 'http://127.0.0.1:3'}, diffusion:")
    assert many < few < document(write(tmp_path, two, prompts=24, cases=80))["speedup"]["detectable"]


def test_prompts_of_one_cluster_are_one_prompt(tmp_path):
    path = write(tmp_path, MODES, prompts=24, cases=80)
    lines = [json.dumps({"id": f"p{n}", "prompt": f"Say {n}.", "cluster": "one"}) for n in range(24)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    assert "1 independent prompts" in document(path)["problems"][0]


@pytest.mark.parametrize(
    ("finding", "expires", "says"),
    [("license.comercial-use", "2026-12-01", "did you mean license.commercial-use"),
     ("license.commercial-use", "2026-11-01", "expired on"), ("license.commercial-use", "2027-11-01", "longer than 180 days")],
)  # fmt: skip
def test_a_waiver_that_covers_nothing_is_said(tmp_path, finding, expires, says):
    waiver = f"waivers: [{{finding: {finding}, reason: because, owner: jd, expires: {expires}}}]\n"
    assert any(says in note for note in document(write(tmp_path, MODES + waiver, prompts=24, cases=80))["notes"])


def test_a_budget_that_does_not_hold_the_plan_is_said(tmp_path):
    notes = document(write(tmp_path, MODES + "budget: {minutes: 1, requests: 10}\n", prompts=24, cases=80))["notes"]
    assert any("the budget is 1:" in note for note in notes)
    assert any("the budget is 10:" in note for note in notes)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_checklist_fails_for_nothing_but_missing_modes(name, capsys):
    said = json.loads(evalkit(capsys, "validate", name, "--json").out)
    assert said["valid"]
    assert [problem for problem in said["problems"] if "no mode is configured" not in problem] == []


def test_modes_given_as_flags_are_counted_in_and_called_nowhere(capsys):
    flags = ("--mode", "ar=http://127.0.0.1:9", "--mode", "dlm=http://127.0.0.1:9")
    done = evalkit(capsys, "validate", "nemotron-labs-diffusion-8b", *flags, "--json")
    document = json.loads(done.out)
    assert done.code == 0
    assert document["modes"] == ["autoregressive", "diffusion"]
    assert document["cost"]["timed_requests"] > 0
    assert evalkit(capsys, "validate", "nemotron-labs-diffusion-8b", "--mode", "ar=nowhere").code == 2


def test_a_key_that_is_not_set_here_is_a_note_and_its_value_is_never_shown(tmp_path, capsys, monkeypatch):
    path = write(tmp_path, MODES.replace("1'}", "1', api_key_env: EVALKIT_TEST_KEY}"), prompts=24, cases=120)
    assert "EVALKIT_TEST_KEY is not set here" in evalkit(capsys, "validate", path).out
    monkeypatch.setenv("EVALKIT_TEST_KEY", "canary")
    done = evalkit(capsys, "validate", path)
    assert done.code == 0
    assert "EVALKIT_TEST_KEY" not in done.out
    assert "canary" not in done.out


def test_the_soak_counts_with_its_silence_once_a_mode_and_is_told(tmp_path, capsys):
    without = document(write(tmp_path, MODES, prompts=24, cases=80))["cost"]
    path = write(tmp_path, MODES + "items: {serving: {stability: {minutes: 2}}}\n", prompts=24, cases=80)
    sized = document(path)
    modes = len(sized["modes"])
    assert without["soak_minutes"] == 0.0
    assert sized["cost"]["soak_minutes"] == 3.0 * modes  # 2 minutes of load and 1 of silence
    assert 0 <= sized["cost"]["minutes"] - without["minutes"] - 3 * modes <= 1
    assert f"of these {3 * modes} minutes of the stability soak" in evalkit(capsys, "validate", path).out
    left_out = sizing(prepare(load_checklist(path), skip={"serving": "not now"}), TODAY)
    assert left_out["cost"]["soak_minutes"] == 0.0
