"""Readers of other harnesses' results: recorded outputs, and files that are cut, changed or of another scale."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from evalkit.analysis.harness import differences
from evalkit.checklist.tasks import HarnessTask
from evalkit.errors import InputFileError
from evalkit.harness.registry import READERS, read
from evalkit.items.quality.harness_words import difference_words

FIXTURES = Path(__file__).parents[1] / "fixtures" / "harness"
AR, SPEC = "autoregressive", "self-speculation"
TOOLS = ("lm-eval", "inspect", "nel", "promptfoo")


def load(tool, mode, folder=None, **asks):
    path = (folder or FIXTURES / tool) / mode
    task = HarnessTask.model_validate({"results": {mode: str(path)}, "from": tool, **asks})
    (one,) = read(path, task, 0, mode)
    return one


@pytest.fixture
def copied(tmp_path):
    def copy(tool):
        shutil.copytree(FIXTURES / tool, tmp_path / tool)
        return tmp_path / tool

    return copy


@pytest.mark.parametrize("tool", TOOLS)
def test_a_recorded_output_is_read_whole_and_pairs_with_that_of_the_other_mode(tool):
    base, mode = load(tool, AR), load(tool, SPEC)
    assert base.problems == mode.problems == ()
    assert len(base.by_case) == 12
    assert differences(mode, base) == []
    assert tool == "nel" or base.endpoint != mode.endpoint  # its bundles name its own proxy
    assert base.model
    assert base.model.endswith("Trident-8B")
    assert set(base.scores) <= {0.0, 1.0}
    assert base.docs
    assert base.tool_version


def test_the_scores_are_those_of_the_tool():
    samples = next((FIXTURES / "lm-eval" / AR).glob("samples_*"))
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert list(load("lm-eval", AR).scores) == [row["exact_match"] for row in rows]
    log = json.loads(next((FIXTURES / "inspect" / AR).glob("*.json")).read_text())
    letters = [one["scores"]["includes"]["value"] for one in log["samples"]]
    assert list(load("inspect", AR).scores) == [{"C": 1.0, "I": 0.0}[one] for one in letters]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_eval_archive_is_read_as_the_json_log(tmp_path, compression):
    log = json.loads(next((FIXTURES / "inspect" / AR).glob("*.json")).read_text())
    (tmp_path / AR).mkdir()
    with zipfile.ZipFile(tmp_path / AR / "log.eval", "w", compression) as archive:
        archive.writestr("header.json", json.dumps({k: v for k, v in log.items() if k != "samples"}))
        for one in log["samples"]:
            archive.writestr(f"samples/{one['id']}_epoch_1.json", json.dumps(one))
    found, plain = load("inspect", AR, tmp_path), load("inspect", AR)
    assert (found.cases, found.scores, found.docs, found.prompts) == (
        plain.cases,
        plain.scores,
        plain.docs,
        plain.prompts,
    )
    assert differences(found, plain) == []


def edit(folder, pattern, change):
    for path in folder.rglob(pattern):
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))


CHANGES = [
    ("lm-eval", "results_*.json", lambda d: d["versions"].update(city_records=2.0), "task version"),
    ("lm-eval", "results_*.json", lambda d: d["task_hashes"].update(city_records="x"), "task hash"),
    ("lm-eval", "results_*.json", lambda d: d["config"].update(limit=5), "limit"),
    ("lm-eval", "results_*.json", lambda d: d["config"].update(gen_kwargs={"temperature": 1}), "generation"),
    ("lm-eval", "results_*.json", lambda d: d.update(system_instruction_sha="x"), "system prompt"),
    ("lm-eval", "results_*.json", lambda d: d.update(lm_eval_version="0.5"), "lm-eval"),
    ("inspect", "*.json", lambda d: d["eval"].update(task_version=9), "task version"),
    ("inspect", "*.json", lambda d: d["eval"]["model_generate_config"].update(temperature=1), "generation"),
    ("inspect", "*.json", lambda d: d["eval"]["config"].update(epochs=3), "epochs"),
    ("inspect", "*.json", lambda d: d["samples"][0].update(input="another"), "docs"),
    ("inspect", "*.json", lambda d: d["samples"][0]["messages"][0].update(content="another"), "prompts"),
    ("inspect", "*.json", lambda d: d["samples"].pop(), "samples"),
    ("nel", "eval-*.json", lambda d: d["config"].update(temperature=0.7), "temperature"),
    ("nel", "eval-*.json", lambda d: d["config"].update(system_prompt="secret text"), "system_prompt"),
    ("promptfoo", "*.json", lambda d: d["config"]["providers"][0]["config"].update(max_tokens=9), "sampling"),
    ("promptfoo", "*.json", lambda d: d["results"]["results"][3]["testCase"]["vars"].update(question="x"), "docs"),
    ("promptfoo", "*.json", lambda d: d["results"]["results"][3]["prompt"].update(raw="x"), "prompts"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "pattern", "change", "what"), CHANGES)
def test_what_was_not_the_same_is_said(copied, tool, pattern, change, what):
    folder = copied(tool)
    edit(folder / SPEC, pattern, change)
    found = differences(load(tool, SPEC, folder), load(tool, AR, folder))
    assert any(what in (one.name or one.kind) for one in found), found
    assert not any("secret text" in difference_words(one) for one in found)


def drop_line(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


PROBLEMS = [
    ("lm-eval", lambda f: drop_line(next(f.glob("samples_*"))), "11 samples where the harness says 12"),
    ("lm-eval", lambda f: next(f.glob("samples_*")).unlink(), "--log_samples"),
    ("lm-eval", lambda f: next(f.glob("samples_*")).write_text(""), "no samples"),
    ("inspect", lambda f: edit(f, "*.json", lambda d: d.update(status="error")), "'error'"),
    ("inspect", lambda f: edit(f, "*.json", lambda d: d.update(status="started", samples=[])), "'started'"),
    ("inspect", lambda f: edit(f, "*.json", lambda d: d["samples"].append(d["samples"][0])), "twice"),
    ("inspect", lambda f: edit(f, "*.json", lambda d: d["samples"].pop()), "11 samples where"),
    ("nel", lambda f: (f / "results.jsonl").unlink(), "only totals"),
    ("nel", lambda f: drop_line(f / "results.jsonl"), "23 samples where the harness says 24"),
    ("promptfoo", lambda f: edit(f, "*.json", lambda d: d["results"].update(results=[])), "no samples"),
    ("promptfoo", lambda f: edit(f, "*.json", lambda d: d["results"]["results"].pop()), "11 samples where"),
    ("promptfoo", lambda f: edit(f, "*.json", lambda d: d["results"]["results"][0]["response"].update(cached=True)), "--no-cache"),
    ("lm-eval", lambda f: edit(f, "results_*.json", lambda d: d["config"].update(use_cache="c.db")), "--use_cache"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "damage", "words"), PROBLEMS)
def test_half_results_are_named_as_such(copied, tool, damage, words):
    folder = copied(tool)
    damage(folder / AR)
    assert words in "; ".join(load(tool, AR, folder).problems)


def another_server(folder, pattern, change):
    """A newer result of the same task, of another mode's server."""
    path = next(folder.glob(pattern))
    document = json.loads(path.read_text())
    change(document)
    path.with_name(path.name.replace("2026-", "2027-")).write_text(json.dumps(document))


REFUSED = [
    ("lm-eval", lambda f: another_server(
        f, "results_*.json", lambda d: d["config"]["model_args"].update(base_url="http://127.0.0.1:9/v1")), "2 servers"),
    ("inspect", lambda f: another_server(f, "*.json", lambda d: d["eval"].update(model_base_url="http://127.0.0.1:9/v1")),
     "2 servers"),
    ("lm-eval", lambda f: next(f.glob("samples_*")).write_text('{"doc_id": 0, "exact'), "not JSON"),
    ("lm-eval", lambda f: next(f.glob("results_*")).write_text("[]"), "not a JSON object"),
    ("lm-eval", lambda f: next(f.glob("results_*")).write_text('{"configs": '), "not JSON"),
    ("lm-eval", shutil.rmtree, "no such file or folder"),
    ("lm-eval", lambda f: edit(f, "results_*.json", lambda d: d["higher_is_better"]["city_records"].update(exact_match=False)),
     "lower"),
    ("inspect", lambda f: edit(f, "*.json", lambda d: d["samples"][0]["scores"]["includes"].update(value=87)), "0 to 1"),
    ("inspect", lambda f: edit(f, "*.json", lambda d: d["samples"][0]["scores"].update(other={"value": 1})), "several scorers"),
    ("inspect", lambda f: next(f.glob("*.json")).rename(f / "x.eval"), "not an .eval archive"),
    ("nel", lambda f: (f / "results.jsonl").write_text('{"reward": 1}\n'), "problem_idx"),
    ("nel", lambda f: shutil.copy(next(f.glob("eval-*")), f / "eval-2.json"), "two bundles"),
    ("promptfoo", lambda f: shutil.copy(f / "output.json", f / "again.json"), "2 outputs"),
    ("promptfoo", lambda f: edit(f, "*.json", lambda d: d["results"]["results"][0]["provider"].update(id="other")),
     "2 providers"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "damage", "words"), REFUSED)
def test_what_cannot_be_read_is_refused_with_the_place(copied, tool, damage, words):
    folder = copied(tool)
    damage(folder / AR)
    with pytest.raises(InputFileError, match=words) as caught:
        load(tool, AR, folder)
    assert AR in str(caught.value.where)


def test_a_sample_that_failed_is_unscored_and_no_zero(copied):
    folder = copied("inspect")
    edit(folder / AR, "*.json", lambda d: d["samples"][0].update(error={"message": "x"}))
    folder_p = copied("promptfoo")
    edit(folder_p / AR, "*.json", lambda d: d["results"]["results"][0].update(failureReason=2, success=False))
    folder_n = copied("nel")
    failed = {
        "problem_idx": 0,
        "reward": 0.0,
        "scoring_details": {"error": "HTTP 500", "error_category": "infra_error"},
    }
    path = folder_n / AR / "results.jsonl"
    path.write_text(f"{json.dumps(failed)}\n" + "".join(path.read_text().splitlines(keepends=True)[1:]))
    assert load("nel", AR, folder_n).scores[0] is None
    assert load("inspect", AR, folder).scores[0] is None
    assert load("promptfoo", AR, folder_p).scores[0] is None


@pytest.mark.parametrize("tool", TOOLS)
def test_the_same_files_for_two_modes_are_no_comparison(tool):
    base = load(tool, AR)
    (found,) = differences(base.model_copy(update={"mode": SPEC}), base)
    assert found.kind == "same-files"


def test_ids_of_messages_are_drawn_anew_in_each_run_of_inspect_and_are_no_difference(copied):
    folder = copied("inspect")
    for mode in (AR, SPEC):
        edit(folder / mode, "*.json", lambda d, mode=mode: [
            one.update(input=[{"id": f"{mode}-{n}", "role": "user", "content": one["input"]}])
            for n, one in enumerate(d["samples"])
        ])  # fmt: skip
    assert differences(load("inspect", SPEC, folder), load("inspect", AR, folder)) == []


@pytest.mark.parametrize(("tasks", "refused"), [(["city_records", "other"], False), (["city_records"], True)])
def test_a_metric_and_a_filter_of_one_of_several_tasks_do_not_keep_the_other_from_its_only_ones(tasks, refused):
    asked = {"run": "lm-eval", "tasks": tasks, "metric": "prompt_level_strict_acc", "filter": "strict-match"}
    task = HarnessTask.model_validate(asked)
    if refused:
        with pytest.raises(InputFileError, match="found: exact_match"):
            read(FIXTURES / "lm-eval" / AR, task, 0, AR)
        return
    (found,) = read(FIXTURES / "lm-eval" / AR, task, 0, AR)
    assert (found.settings["metric"], found.settings["filter"]) == ("exact_match", "city")


def test_a_table_that_was_copied_for_another_mode_is_no_comparison(tmp_path):
    rows = "case,score\n" + "".join(f"c{n},1\n" for n in range(40))
    both = tmp_path / "both.csv"
    both.write_text("mode,case,score\n" + "".join(f"{mode},c{n},1\n" for mode in ("ar", "dlm") for n in range(40)))
    for name in ("ar.csv", "dlm.csv"):
        (tmp_path / name).write_text(rows)

    def compared(results):
        task = HarnessTask.model_validate({"results": results, "from": "csv"})
        (base,), (mode,) = (
            read(tmp_path / results[name], task, 0, label) for name, label in (("ar", AR), ("dlm", "diffusion"))
        )
        return [one.kind for one in differences(mode, base)]

    assert compared({"ar": "ar.csv", "dlm": "dlm.csv"}) == ["same-files"]
    assert compared({"ar": "both.csv", "dlm": "both.csv"}) == []
    (tmp_path / "dlm.csv").write_text(rows.replace("c3,1", "c3,0"))
    assert compared({"ar": "ar.csv", "dlm": "dlm.csv"}) == []


def test_a_table_without_modes_is_that_of_one_mode(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("case,score\na,1\n")
    both = HarnessTask.model_validate({"results": {"ar": str(path), "dlm": str(path)}, "from": "csv"})
    alone = HarnessTask.model_validate({"results": {"ar": str(path)}, "from": "csv"})
    assert read(path, both, 0, "autoregressive")[0].problems
    assert not read(path, alone, 0, "autoregressive")[0].problems


def test_a_table_of_any_tool(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "case,mode,passed,cluster,endpoint\n"
        "a,ar,true,x,http://127.0.0.1:1\nb,ar,false,x,http://127.0.0.1:1\na,dlm,1,x,http://127.0.0.1:2\nb,dlm,,x,http://127.0.0.1:2\n"
    )
    task = HarnessTask.model_validate({"results": {"ar": str(path), "dlm": str(path)}, "from": "csv"})
    (base,), (mode,) = (read(path, task, 0, name) for name in ("autoregressive", "diffusion"))
    assert (base.cases, base.scores, base.clusters, base.endpoint) == (
        ("a", "b"),
        (1.0, 0.0),
        ("x", "x"),
        "http://127.0.0.1:1",
    )
    assert mode.scores == (1.0, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [("case,score\na,maybe\n", "not a score"), ("case,score\na,1.5\n", "0 to 1"), ("x,score\na,1\n", "column of cases"),
     ("case,x\na,1\n", "column of scores"), ("case,score\na,1,2\n", "fields"), ("case,mode,score\na,fast,1\n", "fast")],
)  # fmt: skip
def test_a_table_that_is_none_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    task = HarnessTask.model_validate({"results": {"ar": str(path)}, "from": "csv"})
    with pytest.raises(InputFileError, match=words):
        read(path, task, 0, "autoregressive")


def test_every_reader_says_what_is_checked():
    assert {one.kind for one in READERS} == {*TOOLS, "csv"}
    assert all(one.title and one.checked for one in READERS)
