"""Every pair of recorded start commands of one model, as servers would report them: what a mode forces leaves nothing open."""

from __future__ import annotations

import json
import re
from itertools import permutations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.data.records import engines, families
from evalkit.findings import Status
from evalkit.items.serving.decide import decide
from evalkit.serving.facts import ServerContext
from evalkit.serving.support import Recipe, recipe_of
from tests.timing.support import sample

from .test_decide import NOW, facts, one, served

#: what a plain server reports, under SGLang's names
PLAIN = {
    "dtype": "bfloat16", "quantization": None, "kv_cache_dtype": "auto", "tp_size": 1, "pp_size": 1, "dp_size": 1,
    "attention_backend": "fa3", "disable_cuda_graph": False, "disable_overlap_schedule": False, "page_size": 1,
    "disable_radix_cache": False, "chunked_prefill_size": 8192, "max_running_requests": 2048, "device": "cuda",
}  # fmt: skip
FLAGS = {
    "--attention-backend": "attention_backend", "--max-running-requests": "max_running_requests",
    "--max-num-seqs": "max_running_requests", "--page-size": "page_size",
}  # fmt: skip


def reported(recipe: Recipe) -> list[dict]:
    """The settings of a server that was started so, with all that its mode forces; one for each backend that it may take."""
    record, family = recipe.record, next(f for f in families() if f.family == recipe.record.family)
    made = dict(PLAIN)
    for name, to in record.forced_by_mode.items():
        if to in ("true", "false"):
            made[name] = to == "true"
        elif to.isdigit():
            made[name] = int(to)
        elif name != "attention_backend":  # the block, or one block a forward
            made[name] = family.block
    argv = recipe.argv
    for flag, name in FLAGS.items():
        if flag in argv:
            value = argv[argv.index(flag) + 1]
            made[name] = int(value) if value.isdigit() else value
    if "--json-model-override-args" in argv:
        made["override_keys"] = ", ".join(json.loads(argv[argv.index("--json-model-override-args") + 1]))
    backends = re.findall(r"flashinfer|triton_attn|triton|fa3|fa4", record.forced_by_mode.get("attention_backend", "").lower().split(";")[0])  # fmt: skip
    if "attention_backend" in record.forced_by_mode and "--attention-backend" not in argv:
        return [{**made, "attention_backend": name} for name in backends]
    return [made]


def pairs():
    for family in families():
        known = [recipe for record in family.records if (recipe := recipe_of(record))]
        for ours, theirs in permutations(known, 2):
            mine, other = ours.record, theirs.record
            shared = set(mine.models) & set(other.models)
            if shared and mine.baseline and (mine.mode, mine.engine) != (other.mode, other.engine):
                where = f"{family.family}-{mine.mode}-{mine.engine}-{other.mode}-{other.engine}"
                yield pytest.param(ours, theirs, min(shared), family.architectures, id=where)


def label(recipe: Recipe) -> str:
    return f"{recipe.record.mode}@{recipe.record.engine}"


@pytest.mark.parametrize(("ours", "theirs", "model", "architectures"), list(pairs()))
def test_no_pair_of_recipes_is_left_open_by_what_the_mode_forces(ours, theirs, model, architectures):
    first, second = label(ours), label(theirs)
    modes = {name: {"endpoint": f"http://127.0.0.1:{30000 + n}"} for n, name in enumerate((first, second))}
    asked = {"modes": {"concurrency": [1, 4], "decide_at": 1}}  # as init writes it
    checklist = Checklist.model_validate(
        {"candidate": {"model": model}, "modes": modes, "baseline": first, "items": asked}
    )
    context = ServerContext(max_model_len=4096)
    timed = tuple(sample(name, f"p{i}", 0, 10.0) for name in (first, second) for i in range(2))
    for mine in reported(ours):
        for other in reported(theirs):
            servers = [
                served(name, recipe.record.mode, settings=settings, engine=engines()[recipe.record.engine].engine,
                       architectures=architectures[:1], context=context)
                for name, recipe, settings in ((first, ours, mine), (second, theirs, other))
            ]  # fmt: skip
            found = one(decide(checklist, facts(*servers, timed=timed), NOW), "serving.same-settings", second)
            assert found.status is not Status.INCONCLUSIVE, found.data


def test_there_are_pairs_of_each_kind():
    ids = [param.id for param in pairs()]
    assert len(ids) >= 12
    for part in ("autoregressive-vllm-diffusion-vllm", "autoregressive-sglang-self-speculation-sglang", "sglang-fork"):
        assert any(part in name for name in ids), ids
