"""evalkit: go or no-go for diffusion language models, decided on your own prompts, hardware and terms."""

__version__ = "0.2.0.dev0"
