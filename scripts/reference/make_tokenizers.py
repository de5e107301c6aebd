"""Small tokenizers of the kinds that people's bases have, trained on our texts, and the ids and texts that the tokenizers library gives. -> tokenizer/golden

NAME/tokenizer.json is a tokenizer, NAME/lines.jsonl its ids of some two hundred and fifty lines, slices.jsonl what pieces of id sequences decode to.
"""

from common import path, rng, write_lines
from texts import Village

from sentencepiece_style import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = "tokenizer/golden/"
# The patterns by which each family cuts a text into words before it merges bytes.
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level(corpus, pattern, special, vocab, ignore_merges=False, template=None, normalizer=None):
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        t.normalizer = normalizer
    cut = [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)] if pattern else None
    t.pre_tokenizer = pre_tokenizers.Sequence(cut) if cut else pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in special])
    if template:
        t.post_processor = processors.TemplateProcessing(single=template + " $A", pair=template + " $A $B:1", special_tokens=[(template, t.token_to_id(template))])
    else:
        t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def lines():
    """Our sentences, and what is hard: blanks of every kind, joined emoji, marks, long runs, digits, contractions, code, special tokens' strings, control characters."""
    v, r = Village("tokenizer lines"), rng("tokenizer lines")
    out = [t.rstrip("\n") for t in v.corpus(12)]
    out += ["", " ", "  ", "a", " a", "a ", "\t", "\n", "\r\n", "\n\n\n", "a\n\nb", "a  b   c", "\u00a0x\u2003y\u3000z", "\u0085", "\u2028\u2029", "x\u200by", "\ufeffx", "\u0000", "a\u0000b"]
    out += ["I'm, you're, he'd, she'll, we've, it's, don'T, IT'S, 'S", "ſ's 'ſ", "1 12 123 1234 12345 1,234.50 ٣٤ ½ Ⅷ ²", "def f(x):\n\treturn x[1:] // 2  # ok", "<s>", "</s>", "a</s>b",
            "<s> a", "<|endoftext|>", "x<|endoftext|> y", "<|begin_of_text|>a<|end_of_text|>", "<|im_start|>user\nHi<|im_end|>", "Zwölf Boxkämpfer jagen", "naïve café", "cafe\u0301",
            "e\u0301\u0302\u0303", "日本語テスト", "한국어", "русский", "שלום", "مرحبا", "नमस्ते", "ไทย", "🙂", "👩‍👩‍👧", "🇩🇪", "👍🏽", "▁", "a▁b", " ▁ ", "\ufffd", "ﬁ Å Ω", "𝟗𝔸", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "-" * 60, "=" * 33, " " * 40 + "x", "\n" * 12, "...!?!?", "http://a.b/c?d=e&f=g", "#Person1#: Hi", "x\r", "\u180e", "\x1c\x1f"]
    scripts = [(0x20, 0x7F), (0xA0, 0x180), (0x370, 0x400), (0x400, 0x460), (0x5D0, 0x5EB), (0x905, 0x93A), (0x3041, 0x3097), (0x4E00, 0x4E80), (0xAC00, 0xAC80), (0x1F600, 0x1F640)]
    for _ in range(120):
        parts = []
        for _ in range(r.integers(1, 7)):
            low, high = scripts[r.integers(len(scripts))]
            parts.append("".join(chr(r.integers(low, high)) for _ in range(r.integers(1, 6))))
        out.append(["", " ", "  ", "\n"][r.integers(4)].join(parts))
    return out


def reference(name, t):
    t.save(str(path(ROOT + name + "/tokenizer.json")))
    out = []
    for i, text in enumerate(lines()):
        t.encode_special_tokens = False
        ids = t.encode(text, add_special_tokens=False).ids
        line = dict(id=i, text=text, ids=ids, decoded=t.decode(ids, skip_special_tokens=False))
        skipped = t.decode(ids, skip_special_tokens=True)
        if skipped != line["decoded"]:
            line["decoded_skip"] = skipped
        t.encode_special_tokens = True
        plain = t.encode(text, add_special_tokens=False).ids
        if plain != ids:
            line["ids_plain"] = plain
        out.append(line)
    write_lines(ROOT + name + "/lines.jsonl", out)
    r, slices = rng("slices", name), []
    for _ in range(60):
        ids = out[r.integers(len(out))]["ids"] if r.random() < 0.6 else [int(x) for x in r.integers(0, t.get_vocab_size(), r.integers(1, 9))]
        first = int(r.integers(0, max(1, len(ids))))
        ids = ids[first:first + int(r.integers(1, 9))]
        slices.append(dict(tokenizer=name, ids=ids, decoded=t.decode(ids, skip_special_tokens=False)))
    return slices


def main():
    corpus = Village("tokenizers").corpus(120)
    kinds = {
        "gpt2-style": byte_level(corpus, None, ["<|endoftext|>"], 600),
        "llama3-style": byte_level(corpus, LLAMA3, ["<|begin_of_text|>", "<|end_of_text|>"], 600, ignore_merges=True, template="<|begin_of_text|>"),
        "qwen2-style": byte_level(corpus, QWEN2, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], 600, normalizer=normalizers.NFC()),
        "llama2-style": sentencepiece(corpus, 500),
    }
    slices = []
    for name, t in kinds.items():
        slices += reference(name, t)
    write_lines(ROOT + "slices.jsonl", slices)


main()
