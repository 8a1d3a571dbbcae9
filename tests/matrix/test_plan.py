"""From matrix.yaml to cells: which there are, what each runs, and what is left out. No server, no network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from evalkit.checklist.loader import load_checklist
from evalkit.checklist.yaml import parse_yaml
from evalkit.data import demo_path
from evalkit.errors import InputFileError, RunFolderError
from evalkit.matrix.plan import collected, command, plan, read, table, write
from evalkit.matrix.run import prepare
from evalkit.matrix.schema import Matrix
from tests.cli.command import evalkit
from tests.support.small_run import write_inputs

MODES = ("autoregressive", "self-speculation")
OWN = {"name": "own", "modes": {mode: {"launch": ["serve", mode, "{port}"]} for mode in MODES}}


def matrix(folder, *, base=None, axes=None, **more):
    """matrix.yaml in `folder`: one variant, one engine with its own recipe, one kind of machine, unless `axes` says."""
    write_inputs(folder, {mode: {} for mode in MODES}, **(base or {}))
    document = {
        "base": "checklist.yaml",
        "axes": {
            "variants": [{"model": str(demo_path("trident-8b")), "name": "trident"}],
            "engines": [OWN], "hardware": [{"name": "h100", "card": "H100-80GB", "usd_per_gpu_hour": 3.0}],
            **(axes or {}),
        },
        **more,
    }  # fmt: skip
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def planned(folder, **given):
    return plan(matrix(folder, **given), folder / "out").plan


def ids(found):
    return [cell.id for cell in found.cells]


def why(found, cell):
    return next("; ".join(one.why) for one in found.left if one.id == cell)


def test_every_combination_is_a_cell_with_a_complete_checklist(tmp_path):
    path = matrix(
        tmp_path, axes={"load": [1, 4], "hardware": [{"name": "a", "card": "H100"}, {"name": "b", "card": "L40S"}]}
    )
    made = plan(path, tmp_path / "out")
    write(made, tmp_path / "out")
    assert ids(made.plan) == [f"trident--own--{kind}--bf16--c{load}" for kind in "ab" for load in (1, 4)]
    for cell in made.plan.cells:
        loaded = load_checklist(tmp_path / "out" / "cells" / cell.id / "checklist.yaml")
        item = loaded.checklist.items
        assert loaded.sha256 == cell.checklist_sha256
        assert (item.modes.concurrency, item.modes.level) == ([cell.load], cell.load)
        assert item.hardware.declared == cell.card
        assert item.modes.speedup.at_least == 1.5
        assert loaded.checklist.modes["self-speculation"].launch == ["serve", "self-speculation", "{port}"]
        assert (loaded.folder / loaded.checklist.prompts[0]).is_file()
        assert command(tmp_path / "out", cell)[0] == "run"
    assert read(tmp_path / "out") == made.plan


def test_minutes_and_money_are_those_of_the_cells(tmp_path):
    found = planned(tmp_path, axes={"hardware": [{"name": "two", "card": "2x H100-80GB", "usd_per_gpu_hour": 3.0}]})
    (cell,) = found.cells
    assert cell.gpus == 2
    assert cell.usd == pytest.approx(cell.minutes / 60 * 2 * 3.0, abs=0.01)
    assert (found.minutes, found.usd) == (cell.minutes, cell.usd)


def test_exclude_leaves_cells_out_and_include_adds_them(tmp_path):
    kinds = [{"name": "a", "card": "H100"}, {"name": "b", "card": "L40S"}]
    engine = {**OWN, "precision": {"bf16": [], "fp8": ["--quantization", "fp8"]}}
    found = planned(
        tmp_path, axes={"hardware": kinds, "engines": [engine]}, exclude=[{"hardware": "b"}],
        include=[{"variant": "trident", "engine": "own", "hardware": "b", "precision": "fp8"}],
    )  # fmt: skip
    assert ids(found) == ["trident--own--a--bf16", "trident--own--b--fp8"]
    assert why(found, "trident--own--b--bf16") == "exclude"


def test_the_words_of_a_precision_are_added_to_each_launch(tmp_path):
    engine = {**OWN, "precision": {"fp8": ["--quantization", "fp8"]}}
    path = matrix(tmp_path, axes={"engines": [engine], "precision": ["fp8"]})
    made = plan(path, tmp_path / "out")
    write(made, tmp_path / "out")
    loaded = load_checklist(tmp_path / "out" / "cells" / made.plan.cells[0].id / "checklist.yaml")
    assert all(one.launch[-2:] == ["--quantization", "fp8"] for one in loaded.checklist.modes.values())
    assert loaded.checklist.items.hardware.precision == "fp8"


@pytest.mark.parametrize(
    "change",
    [
        {"base": {"items": {"modes": {"speedup": {"at_least": 1.2}}}}},
        {"axes": {"engines": [{**OWN, "precision": {"bf16": ["--more"]}}]}},
        {"axes": {"hardware": [{"name": "h100", "card": "H200", "usd_per_gpu_hour": 3.0}]}},
        {"base": {"request": {"max_tokens": 65}}},
    ],
)
def test_the_hash_of_a_plan_is_its_own_and_changes_with_it(tmp_path, change):
    first = planned(tmp_path).cells[0]
    assert planned(tmp_path).cells[0].plan_sha256 == first.plan_sha256
    assert planned(tmp_path, **change).cells[0].plan_sha256 != first.plan_sha256


def test_the_hash_of_a_plan_changes_with_a_prompt(tmp_path):
    first = planned(tmp_path).cells[0]
    path = matrix(tmp_path)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(prompts.read_text(encoding="utf-8").replace("rivers", "lakes"), encoding="utf-8")
    assert plan(path, tmp_path / "out").plan.cells[0].plan_sha256 != first.plan_sha256


def test_what_cannot_work_is_left_out_with_its_reason(tmp_path):
    kinds = [{"name": "small", "card": "T4"}, {"name": "large", "card": "H100-80GB"}]
    engines = [OWN, "vllm", {"name": "half", "modes": {"autoregressive": {"launch": ["serve"]}}}]
    found = planned(tmp_path, axes={"hardware": kinds, "engines": engines, "precision": ["bf16", "4bit"]})
    assert ids(found) == ["trident--own--large--bf16"]
    assert "hardware.fits" in why(found, "trident--own--small--bf16")
    assert "no recipe" in why(found, "trident--own--large--4bit")
    assert "no recipe of vllm" in why(found, "trident--vllm--large--bf16")
    assert "no entry for self-speculation" in why(found, "trident--half--large--bf16")
    shown = table(found, tmp_path / "out")
    assert all(one.id in shown and one.why[0] in shown for one in found.left)


def test_a_license_that_forbids_the_use_leaves_the_variant_out(tmp_path):
    def collect(model, revision, folder):
        facts = collected(model, revision, folder)
        if model != "closed.json":
            return facts
        card = facts.card.model_copy(update={"license": ("cc-by-nc-4.0",), "license_name": None, "license_link": None})
        return facts.model_copy(update={"card": card})

    (tmp_path / "closed.json").write_bytes(demo_path("trident-8b").read_bytes())
    both = [{"model": str(demo_path("trident-8b")), "name": "free"}, {"model": "closed.json", "name": "closed"}]
    path = matrix(tmp_path, axes={"variants": both})
    found = plan(path, tmp_path / "out", collect).plan
    assert ids(found) == ["free--own--h100--bf16"]
    assert "license.commercial" in why(found, "closed--own--h100--bf16")


def test_one_server_is_not_several_machines(tmp_path):
    engine = {"name": "up", "modes": {mode: {"endpoint": f"http://127.0.0.1:{n}"} for n, mode in enumerate(MODES, 1)}}
    kinds = [{"name": "a", "card": "H100"}, {"name": "b", "card": "L40S"}]
    with pytest.raises(InputFileError, match="no cell can work"):
        planned(tmp_path, axes={"engines": [engine], "hardware": kinds})
    assert len(planned(tmp_path, axes={"engines": [engine], "load": [1, 4]}).cells) == 2


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        ({"axes": {"hardware": [{"name": "x", "card": "H100", "rent": 1}]}}, "rent: 1", "rent"),
        ({"axes": {"hardware": [{"name": "a/b", "card": "H100"}]}}, "name: a/b", "hardware"),
        ({"exclude": [{"hardware": "h200"}]}, "h200", "not on its axis"),
        ({"exclude": [{}]}, "- {}", "every cell"),
        ({"exclude": [{"hardware": "h100"}]}, "exclude:", "no cell"),
        ({"include": [{"variant": "trident"}]}, "- variant", "engine"),
        ({"axes": {"precision": ["fp16"]}}, "fp16", "fp16"),
        ({"axes": {"load": [2, 2]}}, "axes:", "twice"),
        ({"base": {"name": "x"}, "axes": {"load": list(range(1, 14))}}, "load:", "12"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path, change, line, said):
    path = matrix(tmp_path, **change)
    lines = path.read_text(encoding="utf-8").splitlines()
    with pytest.raises(InputFileError, match=said) as error:
        plan(path, tmp_path / "out")
    number = int(error.value.where.rpartition(":")[2])
    near = "\n".join(lines[max(number - 2, 0) : number + 1])
    assert line in near, (number, near)


def test_a_mistake_of_the_base_checklist_is_that_file_s(tmp_path):
    path = matrix(tmp_path)
    (tmp_path / "checklist.yaml").write_text("nmae: x\n", encoding="utf-8")
    with pytest.raises(InputFileError) as error:
        plan(path, tmp_path / "out")
    assert error.value.where.endswith("checklist.yaml:1")


def test_an_open_load_does_not_go_with_an_axis_of_concurrencies(tmp_path):
    modes = {"load": [{"rate": 1.0}], "decide_at": "load"}
    path = matrix(tmp_path, base={"items": {"modes": modes}}, axes={"load": [1]})
    with pytest.raises(InputFileError, match="decides at load"):
        plan(path, tmp_path / "out")


def test_a_cell_that_was_begun_keeps_its_plan(tmp_path):
    out = tmp_path / "out"
    made = plan(matrix(tmp_path), out)
    prepare(made, out, resume=False)
    (out / "cells" / made.plan.cells[0].id / "run").mkdir()
    other = plan(matrix(tmp_path, base={"request": {"max_tokens": 9}}), out)
    with pytest.raises(RunFolderError, match="is not the one"):
        prepare(other, out, resume=True)
    assert read(out) == made.plan


def test_plan_writes_and_shows_the_cells(tmp_path, capsys):
    done = evalkit(capsys, "matrix", "plan", matrix(tmp_path))
    assert done.code == 0
    assert "trident--own--h100--bf16" in done.out
    assert (tmp_path / "evalkit-matrix" / "cells" / "trident--own--h100--bf16" / "checklist.yaml").is_file()
    assert evalkit(capsys, "matrix", "plan", tmp_path / "none.yaml").code == 2


def test_the_matrix_of_the_page_is_one():
    page = (Path(__file__).parents[2] / "docs" / "matrix.md").read_text(encoding="utf-8")
    body, *_ = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    found = Matrix.model_validate(parse_yaml(body, Path("matrix.md")).data)
    assert len(found.axes.hardware) == 2


def test_the_license_text_of_one_model_is_not_that_of_another(tmp_path):
    (tmp_path / "license.txt").write_text("Apache License, Version 2.0\n", encoding="utf-8")
    (tmp_path / "other.json").write_bytes(demo_path("trident-8b").read_bytes())
    both = [{"model": str(demo_path("trident-8b")), "name": "own"}, {"model": "other.json", "name": "other"}]
    path = matrix(tmp_path, base={"items": {"license": {"text": "license.txt"}}}, axes={"variants": both})
    made = plan(path, tmp_path / "out")
    write(made, tmp_path / "out")
    folders = {cell.variant: tmp_path / "out" / "cells" / cell.id for cell in made.plan.cells}
    texts = {name: load_checklist(one / "checklist.yaml").checklist.items.license.text for name, one in folders.items()}
    assert texts["own"].endswith("license.txt")
    assert texts["other"] is None
