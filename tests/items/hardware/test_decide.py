"""Deciding the hardware item from stored facts."""

from __future__ import annotations

import pytest

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.findings import KnownBy, Status
from evalkit.gpu.declared import read_declared
from evalkit.gpu.facts import Gpu, HardwareFacts, TelemetrySample
from evalkit.hub.facts import CandidateFacts, ModelFile
from evalkit.items.hardware.checks import CHECKS
from evalkit.items.hardware.decide import decide
from evalkit.serving.facts import EndpointFacts, ServerContext
from evalkit.timing.facts import PromptFacts
from tests.support.start import NOW, START

GIB = 1 << 30
CONFIG = {
    "num_hidden_layers": 34, "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131_072, "max_position_embeddings": 262_144, "block_size": 32,
}  # fmt: skip
MODEL = CandidateFacts(
    model="nvidia/Nemotron-Labs-Diffusion-8B",
    config=CONFIG,
    files=(ModelFile(name="model.safetensors", size=16_980_000_000),),
)


def checklist(**items: object) -> Checklist:
    given = {"context": {"need_tokens": 16384}, **items}
    modes = {"autoregressive": {"endpoint": "http://127.0.0.1:1"}, "diffusion": {"endpoint": "http://127.0.0.1:2"}}
    return Checklist.model_validate({"modes": modes, "items": given})


def card(gib: float = 79.6, *, index: int = 0, **more: object) -> Gpu:
    return Gpu(
        index=index,
        name="NVIDIA H100 80GB HBM3",
        memory_total_bytes=int(gib * GIB),
        memory_free_bytes=int(gib * GIB),
        **more,
    )


def found(*gpus: Gpu, **more: object) -> HardwareFacts:
    return HardwareFacts(known_by=KnownBy.OBSERVED, place="here", gpus=gpus or (card(),), **more)


def findings(
    hardware: HardwareFacts | None,
    *,
    candidate: CandidateFacts | None = MODEL,
    asks: Checklist | None = None,
    **facts: object,
):
    candidates = (candidate,) if candidate else ()
    collected = Facts(start=START, hardware=hardware, candidates=candidates, **facts)
    made = decide(asks or checklist(), collected, NOW)
    known = {check.id for check in CHECKS}
    assert all(finding.id in known for finding in made)
    assert all(finding.remedy for finding in made if finding.status in (Status.INCONCLUSIVE, Status.FAIL, Status.ERROR))
    return {finding.id: finding for finding in made}


def server(pool: int) -> EndpointFacts:
    return EndpointFacts(
        label="diffusion",
        endpoint="http://127.0.0.1:2",
        reachable=True,
        place="here",
        context=ServerContext(max_total_num_tokens=pool),
    )


def is_(finding, outcome: str, status: Status) -> bool:
    return (finding.outcome, finding.status) == (outcome, status)


OPEN = Status.INCONCLUSIVE


def test_no_facts_at_all_are_inconclusive():
    made = findings(None, candidate=None)
    assert is_(made["hardware.known"], "place-unknown", OPEN)
    assert is_(made["hardware.fits"], "hardware-unknown", OPEN)
    assert "hardware: {declared" in made["hardware.known"].remedy


@pytest.mark.parametrize(
    ("hardware", "outcome"),
    [
        ({"place": "elsewhere"}, "elsewhere"),
        ({"place": "here"}, "nothing-found"),
        ({"place": "here", "nvml_error": "no driver"}, "not-readable"),
        ({"place": "elsewhere", "nvml_error": "no driver"}, "elsewhere"),
    ],
)
def test_hardware_that_nobody_saw_or_declared_is_open(hardware, outcome):
    assert is_(findings(HardwareFacts(**hardware))["hardware.known"], outcome, OPEN)


def test_a_declared_card_passes_as_declared():
    gpus = read_declared("H100-80GB").gpus
    made = findings(HardwareFacts(known_by=KnownBy.DECLARED, place="elsewhere", gpus=gpus, declared="H100-80GB"))
    assert is_(made["hardware.known"], "declared", Status.PASS)
    assert made["hardware.known"].known_by is KnownBy.DECLARED
    assert is_(made["hardware.fits"], "fits", Status.PASS)
    assert "hardware.throttled" not in made  # nothing was read of a declared card


def test_a_declared_card_of_no_table_is_known_but_nothing_is_said_of_the_fit():
    read = read_declared("Foo 9000")
    made = findings(HardwareFacts(known_by=KnownBy.DECLARED, gpus=read.gpus, declared=read.text, notes=read.notes))
    assert is_(made["hardware.known"], "declared-noted", Status.WARN)
    assert is_(made["hardware.fits"], "memory-unknown", OPEN)


def test_a_found_card_that_holds_the_need_passes_with_the_sum():
    made = findings(found())
    assert made["hardware.known"].known_by is KnownBy.OBSERVED
    fit = made["hardware.fits"]
    assert is_(fit, "fits", Status.PASS)
    assert fit.observed.startswith("weights 15.8 + KV 2.12 + block logits 0.02")
    assert fit.data["formula"]
    assert fit.data["need_gib"] == pytest.approx(19.45, abs=0.01)


def test_a_card_too_small_fails():
    assert is_(findings(found(card(15.0)))["hardware.fits"], "too-large", Status.FAIL)


def test_concurrency_counts():
    asks = checklist(modes={"concurrency": [64]})
    assert findings(found(), asks=asks)["hardware.fits"].status is Status.FAIL


def test_two_cards_share_a_model_and_slices_do_not():
    pair = [card(22.0, index=i) for i in range(2)]
    asks = checklist(context={"need_tokens": 65536})
    assert findings(found(*pair), asks=asks)["hardware.fits"].status is Status.PASS
    whole = card(80, mig=True)
    slices = [card(22.0, index=i, mig=True, mig_of=0) for i in (1, 2)]
    made = findings(found(whole, *slices), asks=asks)
    assert made["hardware.fits"].status is Status.FAIL
    assert is_(made["hardware.mig"], "sliced", Status.WARN)
    assert made["hardware.mig"].data == {"devices": 1, "slices": 2}


def test_a_running_servers_own_pool_overrules_the_formula():
    made = findings(found(card(15.0)), endpoints={"diffusion": server(20_000)})
    assert is_(made["hardware.fits"], "pools-hold", Status.PASS)
    assert made["hardware.fits"].known_by is KnownBy.DECLARED
    made = findings(found(), endpoints={"diffusion": server(10_000)})
    assert is_(made["hardware.fits"], "pool-too-small", Status.WARN)
    assert is_(made["hardware.max-context"], "too-short", Status.WARN)
    assert made["hardware.max-context"].data["pool_tokens"] == 10_000


def test_without_a_formula_the_pools_of_all_servers_decide():
    unread = CandidateFacts(model="m", config={})
    both = {"diffusion": server(20_000), "autoregressive": server(18_000)}
    fit = findings(found(), candidate=unread, endpoints=both)["hardware.fits"]
    assert is_(fit, "pools-alone", Status.PASS)
    assert fit.data == {"server": "autoregressive", "pool_tokens": 18_000, "needed_tokens": 16_384}
    one = findings(found(), candidate=unread, endpoints={"diffusion": server(20_000)})["hardware.fits"]
    assert is_(one, "model-unknown", OPEN)
    small = {**both, "diffusion": server(16_000)}
    assert is_(findings(found(), candidate=unread, endpoints=small)["hardware.fits"], "model-unknown", OPEN)


def test_a_tiny_model_on_the_processor_fits_the_hosts_memory():
    tiny = CandidateFacts(
        model="tiny", kind="folder",
        config={"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "vocab_size": 4096, "dtype": "float32"},
        files=(ModelFile(name="model.safetensors", size=39_000_000),),
    )  # fmt: skip
    hardware = HardwareFacts(
        known_by=KnownBy.OBSERVED, place="here", cpu_only=True, cpu="a cpu", cores=2, memory_bytes=8 * GIB
    )
    made = findings(hardware, candidate=tiny, asks=checklist(context={"need_tokens": 2048}))
    assert made["hardware.known"].status is Status.PASS
    assert made["hardware.known"].observed.startswith("cpu")
    assert made["hardware.fits"].status is Status.PASS
    assert "hardware.throttled" not in made


@pytest.mark.parametrize(
    "candidate",
    [
        None,
        CandidateFacts(model="m", error="the Hub did not answer", error_kind="network", hint="try again"),
        CandidateFacts(model="m", config={}),
        CandidateFacts(model="m", config={**CONFIG, "hidden_size": "many"}),
    ],
)
def test_a_model_that_cannot_be_read_leaves_the_fit_open(candidate):
    assert is_(findings(found(), candidate=candidate)["hardware.fits"], "model-unknown", OPEN)


def test_without_any_need_the_fit_is_open_and_says_what_to_set():
    made = findings(found(), asks=checklist(context={}))
    assert is_(made["hardware.fits"], "need-unknown", OPEN)
    assert "need_tokens" in made["hardware.fits"].remedy


def test_a_mode_on_another_machine_leaves_the_hardware_open():
    known = findings(found(unknown_for=("diffusion",)))["hardware.known"]
    assert is_(known, "other-machine", OPEN)
    assert known.data["unknown_for"] == ["diffusion"]


def test_other_processes_on_the_card_are_a_warning():
    made = findings(found(card(processes=(10, 99)), endpoint_pids=(10,), endpoint_gpus={"diffusion": (0,)}))
    assert is_(made["hardware.idle-memory"], "shared", Status.WARN)
    assert made["hardware.idle-memory"].data["processes"] == {"0": [99]}
    made = findings(found(card(processes=(10,)), endpoint_pids=(10,)))
    assert is_(made["hardware.idle-memory"], "idle", Status.PASS)


def test_memory_in_use_without_a_process_is_a_warning():
    hidden = card().model_copy(update={"memory_free_bytes": 60 * GIB})
    taken = findings(found(hidden))["hardware.idle-memory"]
    assert is_(taken, "taken", Status.WARN)
    assert taken.data["gib"] == pytest.approx(19.6, abs=0.01)
    unread = card().model_copy(update={"memory_free_bytes": None})
    assert is_(findings(found(unread))["hardware.idle-memory"], "not-readable", Status.WARN)


def test_heat_is_a_warning_at_the_start_and_while_timed():
    made = findings(found(card(throttle_reasons=("hw-thermal-slowdown",))))
    assert is_(made["hardware.throttled"], "at-start", Status.WARN)
    rows = tuple(
        TelemetrySample(
            mode="diffusion", concurrency=1, gpu=0, at_ms=i, throttle_reasons=("sw-thermal-slowdown",) if i % 2 else ()
        )
        for i in range(10)
    )
    made = findings(found(), telemetry=rows)
    assert is_(made["hardware.throttled"], "while-timed", Status.WARN)
    assert (made["hardware.throttled"].data["slow"], made["hardware.throttled"].data["samples"]) == (5, 10)
    capped = findings(found(card(throttle_reasons=("gpu-idle", "sw-power-cap"))))
    assert is_(capped["hardware.throttled"], "not-throttled", Status.PASS)
    unread = findings(found(card(unreadable={"throttle_reasons": "not supported"})))
    assert is_(unread["hardware.throttled"], "not-readable", Status.WARN)


@pytest.mark.parametrize(("ecc", "outcome", "status"), [(True, "corrected", "pass"), (False, "not-corrected", "warn")])
def test_error_correction_is_shown_and_never_counted(ecc, outcome, status):
    shown = findings(found(card(ecc=ecc)))["hardware.ecc"]
    assert (shown.outcome, shown.status, shown.counts) == (outcome, status, False)


def test_modes_on_different_cards_are_a_warning():
    other = Gpu(index=1, name="NVIDIA L4", memory_total_bytes=22 * GIB)
    made = findings(found(card(), other, endpoint_gpus={"autoregressive": (0,), "diffusion": (1,)}))
    assert is_(made["hardware.same-device"], "different", Status.WARN)


def test_the_vendors_hardware_is_shown_and_never_counted():
    vendor = findings(found())["hardware.vendor-hardware"]
    assert any("GB200" in hardware for hardware in vendor.data["vendor"])
    assert not vendor.counts
    assert vendor.known_by is KnownBy.VENDOR_REPORTED


def test_variants_are_shown_and_never_counted():
    other = MODEL.model_copy(update={"model": "other", "role": "variant"})
    collected = Facts(start=START, hardware=found(card(15.0)), candidates=(MODEL, other))
    shown = [f for f in decide(checklist(), collected, NOW) if f.id == "hardware.variants"]
    assert [(f.variant, f.outcome, f.status, f.counts) for f in shown] == [("other", "too-large", Status.FAIL, False)]


VLM = CandidateFacts(
    model="nvidia/Nemotron-Labs-Diffusion-VLM-8B",
    config={
        **CONFIG, "vocab_size": 131_073, "spatial_merge_size": 2,
        "vision_config": {"num_hidden_layers": 24, "hidden_size": 1024, "patch_size": 14, "image_size": 1540},
    },
)  # fmt: skip


def test_one_image_counts_in_the_fit_of_a_vision_model_and_of_no_other():
    text, vision = findings(found())["hardware.fits"], findings(found(), candidate=VLM)["hardware.fits"]
    assert text.data["image_tokens"] == 0
    assert (vision.data["context_tokens"], vision.data["image_tokens"]) == (16_384, 3025)
    assert "KV 2.52" in vision.observed  # 2.12 GiB of text and 0.39 of the image


def test_an_image_can_be_what_does_not_fit():
    asks = checklist(context={"need_tokens": 10_000})
    card_gib = 20.4  # 95% are 19.38 GiB: enough for the text alone, not for an image beside it
    assert findings(found(card(card_gib)), candidate=VLM, asks=asks)["hardware.fits"].status is Status.FAIL
    text_only = VLM.model_copy(update={"config": {k: v for k, v in VLM.config.items() if k != "vision_config"}})
    assert findings(found(card(card_gib)), candidate=text_only, asks=asks)["hardware.fits"].status is Status.PASS


@pytest.mark.parametrize(("weight", "remarked"), [(15.9, False), (7.6, True)])
def test_a_servers_own_figure_for_its_weights_stands_beside_the_formulas(weight, remarked):
    told = server(20_000).model_copy(update={"memory_gib": {"weight": weight, "kvcache": 2.6}})
    fit = findings(found(), endpoints={"diffusion": told})["hardware.fits"]
    assert f"{weight:.1f} GiB" in fit.summary
    assert fit.data["weights_gib"] == pytest.approx(15.8, abs=0.1)
    assert ("precision or split differ" in fit.summary) is remarked
    assert fit.data["server_memory_gib"] == {"diffusion": {"weight": weight, "kvcache": 2.6}}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("no-library", "libnvidia-ml"), ("no-driver", "kernel driver is not loaded"), ("no-gpu", "sees no GPU"),
        ("mismatch", "different versions"), ("permission", "may not use NVML"), ("other", "nvidia-smi"),
    ],
)  # fmt: skip
def test_each_fault_of_the_driver_is_told_in_the_finding_with_what_to_do(kind, words):
    from evalkit.gpu.nvml import NvmlUnavailable

    text = NvmlUnavailable(kind, "NVML said no").text
    known = findings(HardwareFacts(place="here", nvml_error=text, nvml_error_kind=kind, notes=("a trace",)))[
        "hardware.known"
    ]
    assert is_(known, "not-readable", OPEN)
    assert words in known.data["why"]
    assert known.remedy


def test_a_pool_that_holds_the_text_but_not_the_image_is_a_warning():
    made = findings(found(), candidate=VLM, endpoints={"diffusion": server(17_000)})
    assert is_(made["hardware.fits"], "pool-too-small", Status.WARN)
    assert is_(findings(found(), endpoints={"diffusion": server(17_000)})["hardware.fits"], "fits", Status.PASS)


def test_a_pool_that_is_too_small_rescues_no_card_that_is_too_small():
    assert findings(found(card(15.0)), endpoints={"diffusion": server(10_000)})["hardware.fits"].status is Status.FAIL


def test_an_image_takes_its_place_in_the_window_too():
    assert findings(found(), candidate=VLM)["hardware.max-context"].observed == f"{262_144 - 3025:,} tokens"


def test_an_estimated_need_that_might_fit_is_left_open():
    prompts = PromptFacts(path="p", sha256="0", count=1, shipped=False, longest_chars=60_000, max_tokens=512)
    asks = checklist(context={})  # between 10,512 and 20,576 tokens by estimate: 18.7 to 20.0 GiB
    made = findings(found(card(20.4)), asks=asks, prompts=(prompts,))
    assert is_(made["hardware.fits"], "estimate-too-large", OPEN)
    assert "need_tokens" in made["hardware.fits"].remedy
    assert findings(found(card(18.0)), asks=asks, prompts=(prompts,))["hardware.fits"].status is Status.FAIL
