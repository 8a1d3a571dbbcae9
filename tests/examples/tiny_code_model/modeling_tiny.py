"""A model that says the last message again, with the three calls of Nemotron-Labs-Diffusion's remote code. Pure Python.

Each returns the whole row (prompt first) and the number of forward passes: one for the prompt, then one a token
(autoregressive), `steps` a block (diffusion), two a cycle (draft and verify) in linear self-speculation.
"""


class TinyDiffusionModel:
    steps = 3
    accepted = 5

    @classmethod
    def from_pretrained(cls, folder):
        return cls()

    def _next(self, ids, count):
        """The tokens of the prompt's second half, round and round, until the end token."""
        echo = ids[len(ids) // 2 :]
        return [*(echo[n % len(echo)] for n in range(min(count, 24))), 0][:count]

    def ar_generate(self, prompt_ids, max_new_tokens=128, temperature=0.0, eos_token_id=None):
        (ids,) = prompt_ids
        new = self._next(ids, max_new_tokens)
        return [ids + new], 1 + len(new)

    def generate(self, prompt_ids, max_new_tokens=128, block_length=32, threshold=0.9, temperature=0.0):
        (ids,) = prompt_ids
        if max_new_tokens % block_length:
            raise ValueError("max_new_tokens must be a multiple of block_length")
        new = self._next(ids, max_new_tokens)
        blocks = -(-len(new) // block_length)
        return [ids + new + [0] * (blocks * block_length - len(new))], 1 + self.steps * blocks

    def linear_spec_generate(self, prompt_ids, max_new_tokens=128, block_length=32, threshold=0.0):
        if len(prompt_ids) > 1:
            raise ValueError("batch size must be 1")
        (ids,) = prompt_ids
        new = self._next(ids, max_new_tokens)
        return [ids + new], 1 + 2 * -(-len(new) // self.accepted)
