/* Tokenizers from tokenizer.json: byte-level BPE (GPT-2, Llama 3) and SentencePiece-style BPE
 * with byte fallback (Llama 2). Ids and texts are those of the tokenizers library (0.23.3); what
 * it can do and this cannot is refused by name on opening. `truncation` and `padding` are
 * ignored. */
#ifndef TIEBREAK_TOKENIZER_TOKENIZER_H
#define TIEBREAK_TOKENIZER_TOKENIZER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

typedef struct tokenizer tokenizer;

typedef struct {
    int32_t *ids; /* owned; free with ids_free */
    size_t   n, cap;
} ids;
void ids_push(ids *v, int32_t id);
void ids_clear(ids *v);
void ids_free(ids *v);

/* A folder holding tokenizer.json (and perhaps tokenizer_config.json), or the tokenizer.json
 * itself. */
int tokenizer_open(tokenizer **out, const char *dir_or_file);
/* a tokenizer.json in memory */
int tokenizer_parse(tokenizer **out, const char *text, size_t n, const char *where);
/* NULL is fine */
void tokenizer_close(tokenizer *t);

enum { TOKENIZER_TEXT_MAX = 64 << 20 }; /* bytes of one text */
/* Append the ids of text (any bytes; invalid UTF-8 is ERR_INPUT naming the offset). special: add
 * what the post-processor's template adds (BOS). Strings of added tokens in the text are those
 * tokens. One thread at a time: a tokenizer remembers words it has met. */
int tokenizer_encode(const tokenizer *t, const char *text, size_t n, bool special, ids *out);
/* The same, but the strings of special tokens are plain text: for texts that nobody vouches for. */
int tokenizer_encode_plain(const tokenizer *t, const char *text, size_t n, bool special, ids *out);
/* Append the text of n ids. skip_special: leave special tokens out. An id outside the vocabulary
 * is ERR_INPUT. */
int tokenizer_decode(const tokenizer *t, const int32_t *v, size_t n, bool skip_special, str *out);

int64_t tokenizer_vocab(const tokenizer *t); /* number of ids, added tokens included */
/* -1: none; from tokenizer_config.json or the template */
int32_t tokenizer_bos(const tokenizer *t);
int32_t tokenizer_eos(const tokenizer *t); /* -1: none */
/* The id of a token's exact string, or -1. */
int32_t     tokenizer_id(const tokenizer *t, const char *token);
const char *tokenizer_hash(const tokenizer *t); /* sha256 of tokenizer.json, hex */
#endif
