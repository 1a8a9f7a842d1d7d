"""A prompt as a model's tokens, by its own chat template, and tokens as text."""
