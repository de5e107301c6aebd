/* Tokenizers from tokenizer.json: byte-level BPE (GPT-2, Llama 3) and SentencePiece-style BPE
 * with byte fallback (Llama 2). Ids and texts are those of the tokenizers library (0.23.3).
 * Opening refuses by name what the library can do and this cannot; `truncation` and `padding`
 * are ignored. */
#ifndef TIEBREAK_TOKENIZER_TOKENIZER_H
#define TIEBREAK_TOKENIZER_TOKENIZER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

typedef struct tokenizer tokenizer;

typedef struct {
    int32_t *ids; /* free with ids_free */
    size_t   n, cap;
} ids;
void ids_push(ids *v, int32_t id);
void ids_clear(ids *v);
void ids_free(ids *v);

/* Opens a tokenizer.json, or a folder that holds one. In a folder added tokens are also those of
 * tokenizer_config.json and added_tokens.json, and the tokens that begin and end a text are those
 * of tokenizer_config.json, else of special_tokens_map.json, else of the template; the end is at
 * last the eos_token_id of config.json or generation_config.json. */
int tokenizer_open(tokenizer **out, const char *dir_or_file);
/* opens a tokenizer.json in memory */
int tokenizer_parse(tokenizer **out, const char *text, size_t n, const char *where);
/* NULL is fine */
void tokenizer_close(tokenizer *t);

enum { TOKENIZER_TEXT_MAX = 64 << 20 }; /* most bytes of one text */
/* Appends the ids of a text of any bytes; invalid UTF-8 is ERR_INPUT and the message names the
 * offset. special: adds what the post-processor's template adds (BOS). Where the text holds the
 * string of an added token, it becomes that token. Only one thread may use a tokenizer at a time,
 * because it remembers words. */
int tokenizer_encode(const tokenizer *t, const char *text, size_t n, bool special, ids *out);
/* The same, but strings of special tokens are plain text: for texts from sources that are not
 * trusted. */
int tokenizer_encode_plain(const tokenizer *t, const char *text, size_t n, bool special, ids *out);
/* Appends the text of n ids. skip_special leaves special tokens out. An id outside the vocabulary
 * is ERR_INPUT. */
int tokenizer_decode(const tokenizer *t, const int32_t *v, size_t n, bool skip_special, str *out);

int64_t tokenizer_vocab(const tokenizer *t); /* the number of ids, with added tokens */
/* What begins and what ends a text; -1: none. Training appends the second. */
int32_t tokenizer_bos(const tokenizer *t);
int32_t tokenizer_eos(const tokenizer *t);
/* The id of a token's exact string, or -1. */
int32_t     tokenizer_id(const tokenizer *t, const char *token);
const char *tokenizer_hash(const tokenizer *t); /* sha256 of tokenizer.json, hex */
#endif
