"""A model of one table, with the three calls of Nemotron-Labs-Diffusion's remote code on torch tensors.

It says the prompt's last tokens once more, through an encoder with a real cache, as that code calls its own.
"""

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from .configuration_tiny import TinyConfig


class TinyEncoder(torch.nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.table = torch.nn.Embedding(vocab_size, 4)
        self.o_proj = torch.nn.Linear(4, 4, bias=False)  # of zeros: what comes out of it is the adapter's

    def forward(self, input_ids, past_key_values=None, use_cache=False, use_causal_mask=False):
        states = self.table(input_ids)
        if use_cache:
            past_key_values.update(states[:, None], states[:, None], 0)
        return self.o_proj(states + 1)


class TinyTorchModel(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.encoder = TinyEncoder(config.vocab_size)
        self.post_init()

    def forward(self, input_ids, **more):
        return self.encoder(input_ids, **more)

    def _adapters(self, on):
        """As the remote code does: the drafter's adapter is on to draft and off to verify."""
        for module in self.modules():
            if hasattr(module, "_disable_adapters"):
                module._disable_adapters = not on

    def _new(self, ids, count):
        assert ids.shape[0] == 1
        return ids[:, -min(count, 6) :]

    def ar_generate(self, prompt_ids, max_new_tokens=128, temperature=0.0, eos_token_id=None):
        new, cache = self._new(prompt_ids, max_new_tokens), DynamicCache()
        for ids in (prompt_ids, *new[:, :-1].split(1, dim=1)):
            self.encoder(input_ids=ids, past_key_values=cache, use_cache=True)
        return torch.cat([prompt_ids, new], dim=1), new.shape[1]

    def generate(self, prompt_ids, max_new_tokens, block_length, threshold=None):
        assert max_new_tokens % block_length == 0
        new, cache = self._new(prompt_ids, max_new_tokens), DynamicCache()
        self(prompt_ids, past_key_values=cache, use_cache=True)
        for _ in range(3):
            self(new, past_key_values=cache, use_cache=False)
        self(new, past_key_values=cache, use_cache=True)
        return torch.cat([prompt_ids, new], dim=1), 4

    def linear_spec_generate(self, prompt_ids, max_new_tokens=128, block_length=32, threshold=0.0):
        """All in one cycle where the adapter drafts; without it the first draft is good for two tokens alone."""
        new, cache, passes, have = self._new(prompt_ids, max_new_tokens), DynamicCache(), 1, 1
        self._adapters(False)
        assert not self.encoder(input_ids=prompt_ids, past_key_values=cache, use_cache=True).any()
        while have < new.shape[1]:
            kept, block = cache.get_seq_length(), new[:, have - 1 :]
            self._adapters(True)
            better = bool(self.encoder(input_ids=block, past_key_values=cache, use_cache=False).any())
            self._adapters(False)
            verified = self.encoder(input_ids=block, past_key_values=cache, use_cache=True)
            assert not verified.any(), "verified with the drafter's adapter"
            taken = block.shape[1] - 1 if better or have > 1 else 2
            cache.crop(kept + taken)
            have, passes = have + taken, passes + 2
        return torch.cat([prompt_ids, new], dim=1), passes
