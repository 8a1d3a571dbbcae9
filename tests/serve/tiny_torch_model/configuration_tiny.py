from transformers import PretrainedConfig


class TinyConfig(PretrainedConfig):
    model_type = "tiny_torch_diffusion"

    def __init__(self, vocab_size=256, **more):
        self.vocab_size = vocab_size
        super().__init__(**more)
