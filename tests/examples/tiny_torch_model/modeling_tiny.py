"""A model of one table, with the three calls of Nemotron-Labs-Diffusion's remote code on torch tensors."""

import torch
from transformers import PreTrainedModel

from .configuration_tiny import TinyConfig


class TinyTorchModel(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Embedding(config.vocab_size, 4)
        self.o_proj = torch.nn.Linear(4, 4, bias=False)  # of zeros: what comes out of it is the adapter's
        self.post_init()

    def forward(self, input_ids, **more):
        return self.o_proj(self.table(input_ids) + 1)

    def _adapters(self, on):
        """As the remote code does: the drafter's adapter is on to draft and off to verify."""
        for module in self.modules():
            if hasattr(module, "_disable_adapters"):
                module._disable_adapters = not on

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
        self._adapters(True)
        better = bool(self.forward(prompt_ids).any())
        self._adapters(False)
        assert not self.forward(prompt_ids).any(), "verified with the drafter's adapter"
        return self._again(prompt_ids, max_new_tokens), 2 if better else 3
