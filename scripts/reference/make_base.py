"""A small frozen Llama with a tokenizer of its own, and what transformers computes on it: log-likelihoods and greedy ids. -> model/golden

The weights are stored in bfloat16.
"""

from common import in_float64, path, random_model, rng, write_json
from sentencepiece_style import sentencepiece
from texts import Village

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)
in_float64()
ROOT, VOCAB = "model/golden/", 448


def trained(model, tokenizer, corpus, steps):
    """The model after some steps on our texts, so that its own have words, ends and numbers. In float64 and then rounded to bfloat16: the same on every processor."""
    model, r = model.double().train(), rng("order")
    ids = torch.tensor([i for text in corpus for i in tokenizer.encode(text).ids])
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
    for step in range(steps):
        starts = r.integers(0, len(ids) - 97, 8)
        batch = torch.stack([ids[s:s + 97] for s in starts])
        logits = model(batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCAB), batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / steps)
        optimizer.step()
    print("loss", loss.item())
    return model.eval()


def log_probabilities(model, ids):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    return torch.log_softmax(logits, -1)


def load(folder):
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()


def main():
    corpus = Village("corpus").corpus(120)
    tokenizer = sentencepiece(corpus, VOCAB)
    # The older keys of a configuration: rope_theta at the top, and torch_dtype.
    config = LlamaConfig(vocab_size=VOCAB, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=512,
                         rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False, rope_parameters={"rope_theta": 10000.0, "rope_type": "default"})
    config._attn_implementation = "eager"
    model = trained(random_model(config, ROOT + "base", "base", scale=0.5), tokenizer, corpus, 400)
    folder = path(ROOT + "base/config.json").parent
    save_file({k: v.bfloat16() for k, v in sorted(model.state_dict().items())}, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(ROOT + "base/config.json", dict(architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=1, eos_token_id=2, hidden_act="silu",
               hidden_size=48, initializer_range=0.02, intermediate_size=80, max_position_embeddings=512, mlp_bias=False, model_type="llama", num_attention_heads=6,
               num_hidden_layers=2, num_key_value_heads=2, pretraining_tp=1, rms_norm_eps=1e-5, rope_scaling=None, rope_theta=10000.0, tie_word_embeddings=False,
               torch_dtype="bfloat16", use_cache=True, vocab_size=VOCAB))
    write_json(ROOT + "base/generation_config.json", dict(_from_model_config=True, bos_token_id=1, eos_token_id=2))
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(ROOT + "base/tokenizer_config.json", dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False, model_max_length=512,
               tokenizer_class="PreTrainedTokenizerFast"))

    model = load(folder)
    village, out = Village("reference"), dict(logprobs=[], greedy=[])
    for text in (village.story(2), "Question: " + village.sum()[0] + "\nAnswer:", "Zwölf Boxkämpfer 日本 🙂"):
        ids = tokenizer.encode(text).ids
        p = log_probabilities(model, ids)
        each = [float(p[i, t]) for i, t in enumerate(ids[1:])]
        best = all(int(p[i].argmax()) == t for i, t in enumerate(ids[1:]))
        out["logprobs"].append(dict(text=text, ids=ids, per_token=each, sum=sum(each), every_token_is_argmax=best))
    ids, margins = [1], []
    for _ in range(256):
        two = torch.topk(log_probabilities(model, ids)[-1], 2)
        ids.append(int(two.indices[0]))
        margins.append(float(two.values[0] - two.values[1]))
    out["greedy"].append(dict(prompt="", prompt_ids=[1], new_ids=ids[1:], text=tokenizer.decode(ids[1:]), smallest_top1_top2_logit_margin=min(margins)))
    print(out["greedy"][0]["text"], min(margins))
    write_json(ROOT + "reference.json", out)


main()
