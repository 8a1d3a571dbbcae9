"""A model that says the last message again, with the three calls of Nemotron-Labs-Diffusion's remote code. Pure Python.

Names, defaults, what is fed to the encoder, and what counts as a forward pass are as in that code (read 2026-11):
autoregressive one pass a token, the prompt's giving the first; diffusion `steps` a block and one that fills the cache,
the prompt's own not counted; self-speculation the prompt's, and two a cycle (draft and verify).
`seconds_per_pass`, `words` and `fault` of config.json are for tests.
"""

import json
import time
from pathlib import Path


class Cache:
    def __init__(self):
        self.length = 0

    def get_seq_length(self):
        return self.length

    def crop(self, length):
        self.length = min(length, self.length)


class Handle:
    def __init__(self, hooks, hook):
        self._hooks, self._hook = hooks, hook

    def remove(self):
        self._hooks.remove(self._hook)


class Encoder:
    """What torch gives its modules: a hook before each forward pass."""

    def __init__(self, seconds):
        self.hooks, self.seconds = [], seconds

    def register_forward_pre_hook(self, hook, *, with_kwargs):
        assert with_kwargs
        self.hooks.append(hook)
        return Handle(self.hooks, hook)

    def __call__(self, **given):
        for hook in self.hooks:
            hook(self, (), given)
        time.sleep(self.seconds)
        if given["use_cache"]:
            given["past_key_values"].length += len(given["input_ids"][0])


class TinyDiffusionModel:
    steps, accepted, mask = 3, 5, 1

    def __init__(self, config):
        self.encoder = Encoder(config.get("seconds_per_pass", 0))
        self.fault, self.words = config.get("fault"), config.get("words", 24)

    @classmethod
    def from_pretrained(cls, folder):
        return cls(json.loads((Path(folder) / "config.json").read_text()))

    def _next(self, ids, count):
        """The tokens of the prompt's second half, round and round, until the end token."""
        if self.fault == "raises":
            raise RuntimeError("out of memory")
        echo = ids[len(ids) // 2 :]
        return [*(echo[n % len(echo)] for n in range(min(count, self.words))), 0][:count]

    def ar_generate(
        self,
        prompt_ids,
        max_new_tokens=128,
        temperature=0.0,
        eos_token_id=None,
        max_thinking_tokens=None,
        end_think_token_id=None,
    ):
        (ids,), cache = prompt_ids, Cache()
        self.encoder(input_ids=[ids], past_key_values=cache, use_cache=True)
        new = self._next(ids, max_new_tokens)
        for token in new[:-1]:
            self.encoder(input_ids=[[token]], past_key_values=cache, use_cache=True)
        return [ids + (new[::-1] if self.fault == "changes" else new)], len(new)

    def generate(
        self,
        prompt_ids,
        max_new_tokens,
        block_length,
        threshold=None,
        causal_context=True,
        temperature=0.0,
        eos_token_id=None,
        max_thinking_tokens=None,
        end_think_token_id=None,
        **more,
    ):
        assert max_new_tokens % block_length == 0
        (ids,), cache, passes = prompt_ids, Cache(), 0
        self.encoder(input_ids=[ids], past_key_values=cache, use_cache=True)
        new = self._next(ids, max_new_tokens)
        for start in range(0, len(new), block_length):
            block = new[start : start + block_length]
            block += [0] * (block_length - len(block))
            for _ in range(self.steps):
                self.encoder(input_ids=[[self.mask] * block_length], past_key_values=cache, use_cache=False)
            self.encoder(input_ids=[block], past_key_values=cache, use_cache=True)
            passes += self.steps + 1
        return [ids + new], passes

    def linear_spec_generate(
        self,
        prompt_ids,
        max_new_tokens=128,
        block_length=32,
        temperature=0.0,
        mask_token_id=None,
        eos_token_id=None,
        max_thinking_tokens=None,
        end_think_token_id=None,
        threshold=0.0,
    ):
        if len(prompt_ids) > 1:
            raise ValueError("Linear speculative decoding requires batch_size == 1")
        (ids,), cache, passes = prompt_ids, Cache(), 1
        self.encoder(input_ids=[ids], past_key_values=cache, use_cache=True)
        new, have = self._next(ids, max_new_tokens + block_length), 1
        while have < min(max_new_tokens, len(new)):
            kept = cache.length
            seed = new[have - 1]
            self.encoder(input_ids=[[seed, *[self.mask] * (block_length - 1)]], past_key_values=cache, use_cache=False)
            draft = [seed, *new[have : have + self.accepted - 1]]
            draft += [self.mask] * (block_length - len(draft))  # from here on not what the model itself would say
            self.encoder(input_ids=[draft], past_key_values=cache, use_cache=True)
            passes += 2
            taken = min(self.accepted, len(new) - have)
            cache.crop(kept + taken)
            have += taken
        return [ids + new[:have]], passes
