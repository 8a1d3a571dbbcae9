"""Vendor figures stand beside ours with every known difference named, and are never merged with them."""

from __future__ import annotations

from evalkit.analysis.levels import summarise_modes
from evalkit.checklist.schema import Checklist
from evalkit.data import load_vendor_claims
from evalkit.gpu.facts import Gpu, HardwareFacts
from evalkit.report.document.vendor import vendor_claims
from evalkit.serving.facts import EndpointFacts
from tests.timing.support import AR, facts, simulated

SPEC = "self-speculation"
MODEL = "nvidia/Nemotron-Labs-Diffusion-8B"


def shown(label=SPEC, gpu="NVIDIA H100 80GB HBM3", level=1, **endpoint):
    check = Checklist.model_validate(
        {
            "modes": {m: {"endpoint": "http://a:1"} for m in (AR, label)},
            "items": {"modes": {"concurrency": [level]}},
        }
    )
    timed = [s.model_copy(update={"concurrency": level}) for s in simulated(2.0, n=40, modes=(label,))]
    seen = facts(
        timed,
        hardware=HardwareFacts(place="here", gpus=(Gpu(index=0, name=gpu),)),
        endpoints={label: EndpointFacts(label=label, endpoint="http://a:1", reachable=True, **endpoint)},
    )
    modes = [
        {"mode": m, **summarise_modes([m], seen, check)[m].model_dump(mode="json", exclude={"mode"})}
        for m in (AR, label)
    ]
    return {row["claim"] + f" {row['value']:g}": row for row in vendor_claims(MODEL, seen, modes)}


def test_hardware_workload_and_concurrency_that_differ_are_named():
    row = shown(level=4)["Speed-up over AR on one GB200 3.3"]
    assert row["value"] == 3.3
    assert 1.9 < row["measured"]["value"] < 2.1
    assert row["known_by"] == "vendor-reported"
    names = [line.partition(":")[0] for line in row["differs"]]
    assert names == ["hardware", "concurrency", "prompts"]
    assert "GB200, here NVIDIA H100" in row["differs"][0]
    assert "1, here 4" in row["differs"][1]


def test_the_same_card_and_load_are_no_difference():
    row = shown(gpu="NVIDIA GB200")["Speed-up over AR on one GB200 3.3"]
    assert [line.partition(":")[0] for line in row["differs"]] == ["prompts"]


def test_precision_that_differs_is_named():
    rows = shown(gpu="NVIDIA RTX PRO 6000", settings={"dtype": "bfloat16"})
    (row,) = [row for name, row in rows.items() if name.startswith("Output speed on one RTX Pro 6000 277")]
    assert "precision: fp8, here bfloat16" in row["differs"]
    same = shown(gpu="NVIDIA RTX PRO 6000", settings={"quantization": "fp8", "dtype": "bfloat16"})
    assert not any("precision" in line for line in same["Output speed on one RTX Pro 6000 277"]["differs"])


def test_a_claim_without_a_figure_of_its_kind_stands_alone():
    rows = shown()
    alone = [row for row in rows.values() if row["measured"] is None]
    assert any("accuracy" in row["claim"].lower() for row in alone)
    assert all(row["differs"] == [] for row in alone)


def test_block_size_and_threshold_are_compared_where_a_claim_or_the_run_says_them():
    from evalkit.report.document.vendor import _decoding

    rows = {row.id: row for row in load_vendor_claims()}
    block32 = rows["tpf-8b-self-speculation-speed-bench"]

    def seen(label, size):
        endpoint = EndpointFacts(label=label, endpoint="http://a:1", reachable=True, block_size=size)
        return facts([], endpoints={label: endpoint})

    assert _decoding(block32, seen(SPEC, 32), SPEC) == []
    assert _decoding(block32, seen(SPEC, 8), SPEC) == ["block size: 32, here 8"]
    assert _decoding(block32, facts([]), SPEC) == ["block size: 32, here unknown"]
    vlm = next(row for row in rows.values() if "threshold 0.9" in (row.conditions or ""))
    label = "diffusion@t0.9"
    assert not any("threshold" in line for line in _decoding(vlm, seen(label, 32), label))
    assert "threshold: 0.9, here 0.5" in _decoding(vlm, seen("diffusion@t0.5", 32), "diffusion@t0.5")
    assert "threshold: 0.9, here unknown" in _decoding(vlm, seen("diffusion", 32), "diffusion")


def test_another_model_has_no_claims():
    assert vendor_claims("acme/other", facts([]), []) == []
