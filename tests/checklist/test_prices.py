"""Prices of a checklist: which go together, whose they are, and what is refused with the key that is wrong."""

from __future__ import annotations

import pytest

from evalkit.checklist.loader import load_checklist
from evalkit.errors import InputFileError

MODES = """\
modes:
  autoregressive: {endpoint: "http://127.0.0.1:1"}
  diffusion:
    endpoint: "http://127.0.0.1:2"
incumbent:
  endpoint: "http://127.0.0.1:3"
"""


def load(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_checklist(path).checklist


def test_the_price_of_a_mode_lies_over_that_at_the_top_and_the_incumbent_has_its_own(tmp_path):
    got = load(
        tmp_path,
        "cost: {usd_per_gpu_hour: 3.5, gpus: 2}\n" + MODES.replace(
            '2"', '2"\n    cost: {gpus: 4}').replace('3"', '3"\n  cost: {usd_per_request: 0.01}'),
    )  # fmt: skip
    assert got.prices("autoregressive").model_dump(exclude_none=True) == {"usd_per_gpu_hour": 3.5, "gpus": 2}
    assert got.prices("diffusion").model_dump(exclude_none=True) == {"usd_per_gpu_hour": 3.5, "gpus": 4}
    assert got.prices("incumbent").model_dump(exclude_none=True) == {"usd_per_request": 0.01}
    assert load(tmp_path, "cost: {usd_per_gpu_hour: 3.5}\n" + MODES).prices("incumbent").kind is None


@pytest.mark.parametrize(
    ("cost", "named"),
    [
        ("{usd_per_gpu_hour: -1}", "usd_per_gpu_hour"),
        ("{usd_per_gpu_hour: .inf}", "usd_per_gpu_hour"),
        ("{usd_per_gpu_hour: .nan}", "usd_per_gpu_hour"),
        ("{usd_per_gpu_hour: 1e9}", "usd_per_gpu_hour"),
        ("{usd_per_gpu_hour: 3, gpus: 0}", "gpus"),
        ("{usd_per_gpu_hour: 3, gpus: 1.5}", "gpus"),
        ("{usd_per_gpu_hour: 3, usd_per_request: 1}", "usd_per_request"),
        ("{gpus: 2, usd_per_million_input: 1, usd_per_million_output: 1}", "usd_per_million_input"),
        ("{usd_per_million_input: 1}", "usd_per_million_output"),
        ("{usd_per_million_output: 1}", "usd_per_million_input"),
        ("{usd_per_hour: 1}", "usd_per_hour"),
        ('{usd_per_gpu_hour: "3.5"}', "usd_per_gpu_hour"),
    ],
)
@pytest.mark.parametrize("place", ["top", "mode", "incumbent"])
def test_a_price_that_cannot_be_is_refused_with_its_key_and_line(tmp_path, cost, named, place):
    text = {
        "top": f"cost: {cost}\n{MODES}",
        "mode": MODES.replace('2"', f'2"\n    cost: {cost}'),
        "incumbent": MODES.replace('3"', f'3"\n  cost: {cost}'),
    }[place]
    with pytest.raises(InputFileError) as caught:
        load(tmp_path, text)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "cost:" in each)
    assert caught.value.where.endswith(f"c.yaml:{line}")
    assert named in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("place", ['2"\n    cost: {gpus: 2}', '3"\n  cost: {gpus: 2}'])
def test_gpus_without_a_price_are_refused_where_they_are(tmp_path, place):
    text = MODES.replace(place[:2], place)
    with pytest.raises(InputFileError) as caught:
        load(tmp_path, text)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "gpus" in each)
    assert caught.value.where.endswith(f":{line}")
    assert "usd_per_gpu_hour" in str(caught.value)


def test_gpus_beside_a_price_of_usage_above_are_refused(tmp_path):
    with pytest.raises(InputFileError):
        load(tmp_path, "cost: {usd_per_request: 1}\n" + MODES.replace('2"', '2"\n    cost: {gpus: 2}'))


@pytest.mark.parametrize("free", ["{usd_per_gpu_hour: 0}", "{usd_per_million_input: 0, usd_per_million_output: 5}"])
def test_free_is_a_price(tmp_path, free):
    assert load(tmp_path, f"cost: {free}\n{MODES}").prices("diffusion").kind is not None


def test_an_unknown_price_is_told_the_nearest_key(tmp_path):
    with pytest.raises(InputFileError) as caught:
        load(tmp_path, MODES.replace('2"', '2"\n    cost: {usd_per_gpu_hours: 2}'))
    assert caught.value.hint == 'did you mean "usd_per_gpu_hour"?'
