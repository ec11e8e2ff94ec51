"""The shipped tiny CLIP: `config.json`, `model.safetensors`, and the model card `README.md`."""
