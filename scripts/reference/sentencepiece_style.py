"""A BPE tokenizer as Llama 2 and Mistral have it, trained on a list of texts."""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors, trainers


def sentencepiece(corpus, vocab):
    """A BPE as Llama 2 has it: a blank before the text, blanks as U+2581, bytes for what is not in the vocabulary."""
    bytes_ = ["<0x%02X>" % b for b in range(256)]
    special = ["<unk>", "<s>", "</s>"]
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # Words are trained apart; the tokenizer itself merges over whole texts, as Llama's does.
    words = [w for text in corpus for w in t.normalizer.normalize_str(text.strip("\n")).replace("▁", " ▁").split()]
    t.train_from_iterator(words, trainers.BpeTrainer(vocab_size=vocab, special_tokens=special + bytes_, show_progress=False))
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in special])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return without_bytes(t, special)


def without_bytes(t, special):
    """The byte tokens are ordinary entries of the vocabulary, not added tokens."""
    j = json.loads(t.to_str())
    j["added_tokens"] = [a for a in j["added_tokens"] if a["content"] in special]
    return Tokenizer.from_str(json.dumps(j))
