"""vLLM: how it decodes, by its configuration and by its counters; what it takes is asked."""

from __future__ import annotations

import pytest

from evalkit.serving.engines.vllm import ENGINE, declared
from evalkit.serving.pages import Answers, Reply


def settings_of(**config):
    return ENGINE.settings(Answers(Reply(), info={"vllm_config": {"model_config": {}, **config}}))


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        ({"diffusion_config": {"canvas_length": 32}}, "diffusion"),
        ({"speculative_config": {"method": "uno"}}, "self-speculation"),
        ({"speculative_config": {"method": "UNO"}}, "self-speculation"),
        ({"speculative_config": "SpeculativeConfig(method='uno', num_spec_tokens=8)"}, "self-speculation"),
        ({"speculative_config": "SpeculativeConfig(method='eagle', model='/srv/uno')"}, "speculative"),
        ({"speculative_config": {"method": "ngram"}}, "speculative"),
        ({"speculative_config": {"method": 7}}, "speculative"),
    ],
)
def test_the_configuration_declares_the_mode(config, mode):
    assert declared(settings_of(**config), {}).mode == mode


@pytest.mark.parametrize(
    ("counters", "mode"),
    [
        (None, None),
        ({}, "autoregressive"),
        ({"vllm:diffusion_num_canvas_positions_total": 1.0}, "diffusion"),
        ({"vllm:spec_decode_num_drafts_total": 0.0}, "speculative"),
    ],
)
def test_the_counters_declare_it_where_the_configuration_is_hidden(counters, mode):
    assert declared({}, counters).mode == mode
