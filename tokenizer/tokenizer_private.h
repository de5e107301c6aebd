/* Inside the tokenizer: its tables and the steps of encoding and decoding. They run in the order of
 * the tokenizers library, 0.23.3:
 *
 *     text -> pieces between added tokens -> normaliser -> pieces between normalised added tokens
 *          -> pre-tokenizer (words) -> BPE -> ids -> template
 *     ids  -> token texts -> decoder steps -> text */
#ifndef TIEBREAK_TOKENIZER_TOKENIZER_PRIVATE_H
#define TIEBREAK_TOKENIZER_TOKENIZER_PRIVATE_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/json.h"
#include "core/memory.h"
#include "core/string_table.h"
#include "tokenizer/tokenizer.h"

enum { TOKEN_ID_MAX = 1 << 24, STEPS_MAX = 16, BYTE_IDS = 256 };

typedef struct {
    const char *s;
    uint32_t    n;
} span;

/* A slot of the hash table of merges, by the pair of ids that is merged. */
typedef struct {
    uint64_t pair; /* left << 32 | right; UINT64_MAX means empty */
    int32_t  rank, id;
} merge_slot;

typedef struct {
    span    text; /* the text to look for; for a normalised token its content after the normaliser */
    int32_t id;
    bool    lstrip, rstrip, single_word, special;
} added_token;

/* Tokens that are cut out of a text, grouped by their first byte; in a group the longest is
 * first. */
typedef struct {
    added_token *tokens;
    int64_t      n;
    int32_t      first[BYTE_IDS + 1]; /* range of `tokens` by first byte */
} added_set;

typedef enum {
    NORM_PREPEND,
    NORM_REPLACE,
    NORM_REPLACE_PATTERN,
    NORM_NFC,
    NORM_NFD,
    NORM_NFKC,
    NORM_NFKD,
    NORM_LOWERCASE,
    NORM_STRIP
} norm_kind;
typedef struct {
    norm_kind   kind;
    span        from, to;
    pcre2_code *code;        /* for NORM_REPLACE_PATTERN */
    bool        left, right; /* ends that NORM_STRIP works on */
} norm_step;

typedef enum {
    SPLIT_ISOLATED,
    SPLIT_REMOVED,
    SPLIT_CONTIGUOUS,
    SPLIT_MERGE_PREVIOUS,
    SPLIT_MERGE_NEXT
} split_behaviour;
typedef enum { PREFIX_NEVER, PREFIX_FIRST, PREFIX_ALWAYS } prefix_scheme;

/* One step: blanks become `blank`, `prefix` goes before a word that does not begin with it, and
 * then the pattern cuts. */
typedef struct {
    span            blank, prefix; /* n 0 means none */
    prefix_scheme   scheme;
    pcre2_code     *code; /* NULL: it does not cut */
    split_behaviour behaviour;
    bool            invert; /* what lies between the matches counts as a match */
} split_step;

typedef enum { DEC_BYTE_LEVEL, DEC_REPLACE, DEC_BYTE_FALLBACK, DEC_FUSE, DEC_STRIP, DEC_METASPACE } decode_kind;
typedef struct {
    decode_kind kind;
    span        from, to;
    /* DEC_STRIP: the most copies of `from` to take away. DEC_METASPACE: start 1 drops the marks of
     * the first token. */
    int start, stop;
} decode_step;

struct tokenizer {
    char        *path, sha256[65];
    arena        memory;
    span        *texts; /* [n_ids] by id; s is NULL where an id is unused */
    int64_t      n_ids;
    string_table vocab; /* the model's tokens, which merging knows */
    /* the same by their bytes; filled where ignore_merges takes byte-level words as they are */
    string_table whole;
    string_table added_ids; /* contents of the added tokens */
    merge_slot  *merges;
    size_t       merge_mask;
    bool         byte_level, byte_fallback, fuse_unk, ignore_merges;
    /* no merge crosses from another character to U+2581 */
    bool cut_at_marks;
    /* each byte's token, a byte-level character or <0xXX>; -1: none */
    int32_t     unk, bos, eos, byte_id[BYTE_IDS];
    added_set   raw, normalised;
    bool       *is_special; /* [n_ids] */
    norm_step   norm[STEPS_MAX];
    split_step  split[STEPS_MAX];
    decode_step decode[STEPS_MAX];
    int         n_norm, n_split, n_decode;
    bool        has_decoder;    /* without one, tokens are joined by blanks */
    ids         prefix, suffix; /* from the template */

    /* Scratch that encoding changes. */
    struct regex_work *regex;
    struct word_cache *cache;
    struct bpe_work   *bpe;
};

/* load.c and steps.c read the file's sections into the tables. Messages begin with `where`: the
 * path, then the place in the file. */
typedef struct {
    tokenizer *t;
    char       where[512];
} loading;
int tokenizer_load(tokenizer *t, const json *doc, const char *path);
int tokenizer_load_steps(const loading *l, const json *doc);
int tokenizer_load_template(const loading *l, const json *doc);
/* the same for a place further inside the file */
loading inside(const loading *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* From the files beside tokenizer.json (folder.c): their added tokens into the document, and the
 * tokens that begin and end a text. */
int tokenizer_folder_added(json *doc, const char *dir);
int tokenizer_folder_ends(tokenizer *t, const char *dir);
/* a copy that lives as long as the tokenizer */
span span_of(tokenizer *t, const char *s, size_t n);
int  optional_str(const loading *l, const json *obj, const char *key, const char *other, const char **out);
int  optional_bool(const loading *l, const json *obj, const char *key, bool other, bool *out);
int  read_id(const loading *l, const json *number, int32_t *id); /* 0..TOKEN_ID_MAX - 1 */

/* bytes.c: GPT-2's table from bytes to characters (encoder.py's bytes_to_unicode). Printable bytes
 * stand for themselves, the others for U+0100 and on. */
unsigned byte_to_char(unsigned char byte);
int      char_to_byte(unsigned cp); /* -1: none */

/* added.c: hands on the parts of a text in order. `piece` gets each part between tokens, which is
 * never empty (first: the part opens the text); the ids of the tokens go to out. */
typedef struct encoding {
    tokenizer *t;
    bool       plain; /* special tokens are plain text */
    ids       *out;
} encoding;
void added_set_sort(added_set *set);
int  added_cut(const encoding *e, const added_set *set, const char *s, size_t n, bool first,
               int (*piece)(const encoding *e, const char *s, size_t n, bool first));

/* normal.c: works in place */
int normalise(const tokenizer *t, str *text);

/* unicode.c */
bool is_white(unsigned cp); /* Unicode's White_Space */
/* UTS #18's \w: Alphabetic, M, Nd, Pc, Join_Control */
bool is_word_char(unsigned cp);
/* A copy to match patterns against, which the caller frees, or NULL when s itself will do. */
char *older_stand_ins(const char *s, size_t n);

/* regex.c: patterns in Oniguruma's (Ruby's) dialect, as far as PCRE2 can say the same; the rest is
 * refused. */
int regex_compile(pcre2_code **out, const char *pattern, bool literal, const char *where);
/* Steps through the matches of a text: set code, s and n, call regex_next until it returns false,
 * and then look whether rc is OK. */
typedef struct {
    const pcre2_code *code;
    const char       *s;
    size_t            n, start, end; /* the match */
    size_t            at;
    char             *seen;
    bool              running;
    int               rc;
} regex_scan;
bool regex_next(const tokenizer *t, regex_scan *scan);
void regex_work_init(tokenizer *t);
void regex_work_free(struct regex_work *w);

/* words.c: cuts a normalised piece into words and encodes each */
int tokenizer_words(tokenizer *t, const char *s, size_t n, bool first, ids *out);

/* cache.c: the ids of one word, remembered */
void tokenizer_word(tokenizer *t, const char *s, size_t n, ids *out);
void word_cache_free(struct word_cache *c);

/* bpe.c: the merges, which loading enters, and the ids of one word, computed with them. A later
 * merge of a pair replaces an earlier one. */
void merges_init(tokenizer *t, size_t count);
void merges_put(tokenizer *t, int32_t left, int32_t right, int32_t rank, int32_t id);
void tokenizer_bpe(tokenizer *t, const char *s, size_t n, ids *out);
void bpe_work_free(struct bpe_work *w);

/* decode.c: joins the texts of tokens after the decoder's steps */
void tokenizer_join(const tokenizer *t, const span *tokens, size_t n, str *out);
#endif
