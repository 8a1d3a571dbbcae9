"""A model of one table, with the three calls of Nemotron-Labs-Diffusion's remote code on torch tensors."""

import torch
from transformers import PreTrainedModel

from .configuration_tiny import TinyConfig


class TinyTorchModel(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Embedding(config.vocab_size, 4)
        self.post_init()

    def forward(self, input_ids, **more):
        return self.table(input_ids)

    def _again(self, ids, count):
        """The prompt's last tokens once more."""
        assert ids.shape[0] == 1
        self.forward(ids)
        return torch.cat([ids, ids[:, -min(count, 6) :]], dim=1)

    def ar_generate(self, prompt_ids, max_new_tokens=128, eos_token_id=None):
        out = self._again(prompt_ids, max_new_tokens)
        return out, 1 + out.shape[1] - prompt_ids.shape[1]

    def generate(self, prompt_ids, max_new_tokens=128, block_length=32, threshold=0.9):
        assert max_new_tokens % block_length == 0
        return self._again(prompt_ids, max_new_tokens), 4

    def linear_spec_generate(self, prompt_ids, max_new_tokens=128, block_length=32, threshold=0.0):
        return self._again(prompt_ids, max_new_tokens), 3
