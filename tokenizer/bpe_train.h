/* Learns a byte-level BPE vocabulary (Sennrich et al. 2016; bytes as in GPT-2) and writes it as a
 * tokenizer.json.
 *
 *     str json = { 0 };
 *     int rc = bpe_train(&json, text, n, (bpe_options){ .vocab = 1024, .bos = "<|bos|>", .eos = "<|eos|>", .pattern = BPE_PATTERN });
 *
 * The result is deterministic: among pairs of equal count, the one with the smaller left id is
 * merged first, then the one with the smaller right id. */
#ifndef TIEBREAK_TOKENIZER_BPE_TRAIN_H
#define TIEBREAK_TOKENIZER_BPE_TRAIN_H
#include <stdint.h>

#include "core/str.h"

/* Cuts words with the blank or # before them, numbers of two digits, signs, and blanks. */
#define BPE_PATTERN "[ #]?\\p{L}+|\\p{N}{1,2}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef struct {
    /* Number of ids, 258..4096: bos, eos, 256 bytes, then merges. There are fewer when the text has
     * no more pairs. */
    int64_t     vocab;
    const char *bos, *eos; /* ids 0 and 1; the post-processor puts bos before a text */
    const char *pattern;   /* the pre-tokenizer's pattern: no merge crosses its matches */
} bpe_options;

/* Appends the tokenizer_config.json that belongs to it. */
void bpe_tokenizer_config(str *out, bpe_options o);
/* Appends the tokenizer.json to out. text must be valid UTF-8. */
int bpe_train(str *out, const char *text, size_t n, bpe_options o);
#endif
