/* Learn a byte-level BPE vocabulary (Sennrich et al. 2016; bytes as in GPT-2) and write it as a
 * tokenizer.json.
 *
 *     str json = { 0 };
 *     int rc = bpe_train(&json, text, n, (bpe_options){ .vocab = 1024, .bos = "<|bos|>", .eos = "<|eos|>", .pattern = BPE_PATTERN });
 *
 * Deterministic: among pairs of equal count the one whose left id, then right id, is smaller is
 * merged first. */
#ifndef TIEBREAK_TOKENIZER_BPE_TRAIN_H
#define TIEBREAK_TOKENIZER_BPE_TRAIN_H
#include <stdint.h>

#include "core/str.h"

/* Words with the blank or # before them, numbers of two digits, signs, blanks. */
#define BPE_PATTERN "[ #]?\\p{L}+|\\p{N}{1,2}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

typedef struct {
    /* ids in all: bos, eos, 256 bytes, then merges; 258..4096. Fewer when the text has no more
     * pairs */
    int64_t     vocab;
    const char *bos, *eos; /* ids 0 and 1; the post-processor puts bos in front */
    const char *pattern;   /* of the pre-tokenizer: merges never cross its matches */
} bpe_options;

/* Append the tokenizer_config.json that goes with it. */
void bpe_tokenizer_config(str *out, bpe_options o);
/* Append the tokenizer.json to out. text: valid UTF-8. */
int bpe_train(str *out, const char *text, size_t n, bpe_options o);
#endif
