"""What the scripts of this folder share. Each is run as `python make_X.py OUT` and writes below OUT the golden files of the repository, at their places."""

import hashlib
import json
import os
import pathlib
import sys

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np  # noqa: E402  (after the variables that it reads)

OUT = pathlib.Path(sys.argv[1])


def rng(*purpose):
    """Random numbers that depend on nothing but the purpose they are drawn for."""
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def path(name):
    """OUT/name, its folder made."""
    p = OUT / name
    p.parent.mkdir(parents=True, exist_ok=True)
    return p


def write(name, text):
    path(name).write_text(text, encoding="utf-8", newline="\n")


def write_json(name, value):
    write(name, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_lines(name, values):
    write(name, "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values))


def write_tensors(name, arrays):
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in sorted(arrays.items())}, path(name), metadata={"format": "pt"})


def random_model(config, folder, *purpose, scale=1.2):
    """A Llama of that configuration with random F32 weights, saved as transformers does: matrices of about scale / sqrt(in), norms near 1."""
    import torch
    from transformers import LlamaForCausalLM

    model, r = LlamaForCausalLM(config).float(), rng("weights", *purpose)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.from_numpy(r.standard_normal(tuple(p.shape)))
            p.copy_(1 + 0.2 * noise if "norm" in name else noise * (scale / p.shape[-1] ** 0.5 if p.dim() > 1 else 0.2))
    model.save_pretrained(path(folder + "/config.json").parent)
    return model.eval()


def in_float64():
    """Makes transformers' Llama compute in float64 where its weights are float64: four of its steps fall back to float32 otherwise."""
    import torch
    from transformers.models.llama import modeling_llama as llama

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    def attention(module, query, key, value, attention_mask, scaling, **_):
        key, value = (llama.repeat_kv(x, module.num_key_value_groups) for x in (key, value))
        weights = query @ key.transpose(2, 3) * scaling
        weights = torch.softmax(weights if attention_mask is None else weights + attention_mask, dim=-1)
        return (weights @ value).transpose(1, 2).contiguous(), weights

    def rotary(self, x, position_ids):
        c = self.config
        inverse = c.rope_parameters["rope_theta"] ** (-torch.arange(0, c.head_dim, 2, dtype=torch.float64) / c.head_dim)
        angles = position_ids[..., None].double() * inverse
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    for owner, name, ours in ((llama.LlamaRMSNorm, "forward", norm), (llama, "eager_attention_forward", attention), (llama.LlamaRotaryEmbedding, "forward", rotary)):
        theirs = getattr(owner, name)
        # The argument whose type decides: the hidden states, or the queries.
        setattr(owner, name, lambda a, b, *rest, ours=ours, theirs=theirs, **k: (ours if b.dtype == torch.float64 else theirs)(a, b, *rest, **k))
