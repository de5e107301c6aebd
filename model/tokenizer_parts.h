/* Inside the tokenizer: its tables and the steps of encoding and decoding, in the order they run.
 *   text -> pieces between added tokens -> normaliser -> pre-tokenizer (words) -> BPE -> ids -> template
 *   ids -> token texts -> decoder steps -> text */
#ifndef TIEBREAK_MODEL_TOKENIZER_PARTS_H
#define TIEBREAK_MODEL_TOKENIZER_PARTS_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/json.h"
#include "core/memory.h"
#include "model/tokenizer.h"

enum { TOKEN_ID_MAX = 1 << 24, STEPS_MAX = 16, BYTE_IDS = 256 };

typedef struct {
    const char *s;
    uint32_t    n;
} span;

/* Open addressing over token texts; value -1: empty. */
typedef struct {
    span    *keys;
    int32_t *values;
    size_t   mask, n;
} text_map;

typedef struct {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: empty */
    int32_t  rank, id;
} merge_slot;

typedef struct {
    span    text;
    int32_t id;
    bool    lstrip, rstrip, single_word, special;
} added_token;

typedef enum { NORM_PREPEND, NORM_REPLACE, NORM_NFC, NORM_NFD, NORM_NFKC, NORM_NFKD, NORM_LOWERCASE, NORM_STRIP } norm_kind;
typedef struct {
    norm_kind kind;
    span      from, to;
} norm_step;

typedef enum { SPLIT_ISOLATED, SPLIT_REMOVED, SPLIT_MERGE_PREVIOUS, SPLIT_MERGE_NEXT } split_behaviour;
typedef struct {
    pcre2_code     *code;
    split_behaviour behaviour;
    bool            invert, add_prefix_space;
    bool            metaspace; /* instead of a pattern: blanks become U+2581 and begin a word */
} split_step;

typedef enum { DEC_BYTE_LEVEL, DEC_REPLACE, DEC_BYTE_FALLBACK, DEC_FUSE, DEC_STRIP, DEC_METASPACE } decode_kind;
typedef struct {
    decode_kind kind;
    span        from, to;
    int         start, stop;
} decode_step;

typedef struct {
    uint64_t hash;
    uint32_t text, n_text, ids, n_ids; /* offsets into the cache's two pools */
} cache_slot;

struct tokenizer {
    char        *path, sha256[65];
    arena        memory;
    span        *texts; /* [n_ids], by id; s NULL where an id is unused */
    int64_t      n_ids;
    text_map     ids_of;
    merge_slot  *merges;
    size_t       merge_mask;
    bool         byte_level, byte_fallback, fuse_unk, ignore_merges;
    int32_t      unk, bos, eos, byte_id[BYTE_IDS]; /* of a byte: byte-level character or <0xXX>; -1: none */
    added_token *added;                            /* longest first within a first byte */
    int64_t      n_added;
    int32_t      added_first[BYTE_IDS + 1]; /* range of `added` by first byte */
    bool        *is_added, *is_special;     /* [n_ids] */
    norm_step    norm[STEPS_MAX];
    split_step   split[STEPS_MAX];
    decode_step  decode[STEPS_MAX];
    int          n_norm, n_split, n_decode;
    ids          prefix, suffix; /* of the template */
    /* Words met before, by text; emptied when full. Encoding on one tokenizer is for one thread at a time. */
    struct {
        cache_slot *slots;
        size_t      mask, n;
        str         texts;
        ids         ids;
    } cache;
    pcre2_match_data *match;
    struct bpe_work  *work;
};

/* tokenizer_load.c */
int tokenizer_load(tokenizer *t, const json *doc, const char *where);

/* tokenizer_map.c: hashed tables */
void              text_map_init(text_map *m, size_t count);
bool              text_map_put(text_map *m, span key, int32_t value); /* false: was there */
int32_t           text_map_get(const text_map *m, const char *s, size_t n);
void              merges_init(tokenizer *t, size_t count);
bool              merges_put(tokenizer *t, int32_t left, int32_t right, int32_t rank, int32_t id);
const merge_slot *merges_get(const tokenizer *t, int32_t left, int32_t right);

/* tokenizer_bytes.c: GPT-2's byte-to-character table (encoder.py's bytes_to_unicode): printable bytes stand for themselves, the others for U+0100..
 */
unsigned byte_to_char(unsigned char byte);
int      char_to_byte(unsigned cp); /* -1: none */

/* tokenizer_words.c */
int regex_compile(pcre2_code **out, const char *pattern, const char *where);
int tokenizer_words(tokenizer *t, const char *s, size_t n, bool first, int (*word)(tokenizer *t, const char *s, size_t n, ids *out), ids *out);

/* tokenizer_bpe.c: one word to ids */
int  tokenizer_bpe(tokenizer *t, const char *s, size_t n, ids *out);
void bpe_work_free(struct bpe_work *w);

/* tokenizer_decode.c */
void tokenizer_join(const tokenizer *t, const span *tokens, size_t n, str *out);
#endif
