#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/bpe_train.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "core/memory.h"

enum { FIRST_BYTE = 2, FIRST_MERGE = FIRST_BYTE + 256, VOCAB_MAX = 4096 };

/* A distinct piece of the text as ids. Merging pairs shortens it. */
typedef struct {
    const char *text;
    int32_t    *ids;
    int64_t     n, count;
} piece;

typedef struct {
    piece  *pieces;
    size_t  n, cap;
    int32_t byte_id[256];  /* the id of each byte */
    char    shown[256][3]; /* each byte as GPT-2 writes it */
    str     token[VOCAB_MAX];
    int32_t left[VOCAB_MAX], right[VOCAB_MAX];
    int64_t vocab;
} trainer;

/* Numbers the bytes as GPT-2 does: printable Latin-1 bytes stand for themselves, the others for
 * U+0100.. in order. Ids follow the order of those characters. */
static void number_bytes(trainer *t)
{
    unsigned cp[256], next = 256;
    for (unsigned b = 0; b < 256; b++) {
        bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        cp[b]          = printable ? b : next++;
        char   c[4]    = { 0 };
        size_t n       = (size_t)utf8_encode(cp[b], c);
        memcpy(t->shown[b], c, n);
    }
    for (unsigned b = 0; b < 256; b++) {
        int32_t rank = 0;
        for (unsigned k = 0; k < 256; k++) rank += cp[k] < cp[b];
        t->byte_id[b] = FIRST_BYTE + rank;
        str_puts(&t->token[FIRST_BYTE + rank], t->shown[b]);
    }
    t->vocab = FIRST_MERGE;
}

typedef struct {
    const char *at;
    size_t      n;
} span;

static int compare_spans(const void *a, const void *b)
{
    const span *x = a, *y = b;
    int         c = memcmp(x->at, y->at, x->n < y->n ? x->n : y->n);
    return c ? c : (x->n > y->n) - (x->n < y->n);
}

static int split(span **out, size_t *n_out, const char *text, size_t n, const char *pattern)
{
    int         code;
    PCRE2_SIZE  where;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &where,
                                   NULL);
    if (!re)
        return input_error("pre-tokenizer pattern \"%s\": not a regular expression (offset %zu)", pattern,
                           (size_t)where);
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(re, NULL);
    pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
    size_t at = 0, cap = 0;
    while (at < n && pcre2_match(re, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK, match, NULL) > 0) {
        const PCRE2_SIZE *o = pcre2_get_ovector_pointer(match);
        if (o[1] == o[0]) break;
        if (*n_out == cap) *out = mem_grow(*out, &cap, sizeof **out);
        (*out)[(*n_out)++] = (span) { text + o[0], o[1] - o[0] };
        at                 = o[1];
    }
    pcre2_match_data_free(match);
    pcre2_code_free(re);
    return OK;
}

static void collect_pieces(trainer *t, span *spans, size_t n)
{
    qsort(spans, n, sizeof *spans, compare_spans);
    for (size_t i = 0; i < n;) {
        size_t j = i;
        while (j < n && !compare_spans(&spans[i], &spans[j])) j++;
        if (t->n == t->cap) t->pieces = mem_grow(t->pieces, &t->cap, sizeof *t->pieces);
        piece *p = &t->pieces[t->n++];
        *p       = (piece) { .text  = spans[i].at,
                             .ids   = mem_alloc(spans[i].n, sizeof *p->ids),
                             .n     = (int64_t)spans[i].n,
                             .count = (int64_t)(j - i) };
        for (int64_t k = 0; k < p->n; k++) p->ids[k] = t->byte_id[(unsigned char)p->text[k]];
        i = j;
    }
}

/* Finds the most frequent pair; false when no pair occurs twice. count [vocab, vocab] is
 * scratch. */
static bool best_pair(const trainer *t, int64_t *count, int32_t *left, int32_t *right)
{
    int64_t v = t->vocab, best = 1;
    memset(count, 0, (size_t)(v * v) * sizeof *count);
    for (size_t i = 0; i < t->n; i++)
        for (int64_t k = 0; k + 1 < t->pieces[i].n; k++)
            count[t->pieces[i].ids[k] * v + t->pieces[i].ids[k + 1]] += t->pieces[i].count;
    for (int64_t k = 0; k < v * v; k++)
        if (count[k] > best) best = count[k], *left = (int32_t)(k / v), *right = (int32_t)(k % v);
    return best > 1;
}

static void merge_pair(trainer *t, int32_t left, int32_t right)
{
    int32_t id  = (int32_t)t->vocab++;
    t->left[id] = left, t->right[id] = right;
    str_puts(&t->token[id], str_c(&t->token[left]));
    str_puts(&t->token[id], str_c(&t->token[right]));
    for (size_t i = 0; i < t->n; i++) {
        piece  *p = &t->pieces[i];
        int64_t m = 0;
        for (int64_t k = 0; k < p->n; k++) {
            bool here   = k + 1 < p->n && p->ids[k] == left && p->ids[k + 1] == right;
            p->ids[m++] = here ? id : p->ids[k];
            k += here;
        }
        p->n = m;
    }
}

static json *special_token(int id, const char *content)
{
    json *j = json_object();
    json_set_int(j, "id", id);
    json_set_str(j, "content", content);
    static const char *const off[] = { "single_word", "lstrip", "rstrip", "normalized" };
    for (int i = 0; i < 4; i++) json_set_bool(j, off[i], false);
    json_set_bool(j, "special", true);
    return j;
}

static json *byte_level(bool prefix, bool trim, bool regex)
{
    json *j = json_object();
    json_set_str(j, "type", "ByteLevel");
    json_set_bool(j, "add_prefix_space", prefix);
    json_set_bool(j, "trim_offsets", trim);
    json_set_bool(j, "use_regex", regex);
    return j;
}

static json *pre_tokenizer(const char *pattern)
{
    json *split_step = json_object(), *regex = json_object(), *steps = json_array(), *j = json_object();
    json_set_str(regex, "Regex", pattern);
    json_set_str(split_step, "type", "Split");
    json_set(split_step, "pattern", regex);
    json_set_str(split_step, "behavior", "Isolated");
    json_set_bool(split_step, "invert", false);
    json_push(steps, split_step);
    json_push(steps, byte_level(false, true, false));
    json_set_str(j, "type", "Sequence");
    json_set(j, "pretokenizers", steps);
    return j;
}

static json *template_piece(const char *kind, const char *id, int type)
{
    json *inner = json_object(), *j = json_object();
    json_set_str(inner, "id", id);
    json_set_int(inner, "type_id", type);
    json_set(j, kind, inner);
    return j;
}

/* Puts BOS before a text, and before each text of a pair. */
static json *post_processor(const char *bos)
{
    json *j = json_object(), *single = json_array(), *pair = json_array(), *specials = json_object(),
         *one = json_object(), *list = json_array(), *names = json_array();
    json_set_str(j, "type", "TemplateProcessing");
    json_push(single, template_piece("SpecialToken", bos, 0));
    json_push(single, template_piece("Sequence", "A", 0));
    for (int k = 0; k < 2; k++) {
        json_push(pair, template_piece("SpecialToken", bos, k));
        json_push(pair, template_piece("Sequence", k ? "B" : "A", k));
    }
    json_push(list, json_of_number(0));
    json_push(names, json_of_text(bos));
    json_set_str(one, "id", bos);
    json_set(one, "ids", list);
    json_set(one, "tokens", names);
    json_set(specials, bos, one);
    json_set(j, "single", single);
    json_set(j, "pair", pair);
    json_set(j, "special_tokens", specials);
    return j;
}

static json *bpe_model(const trainer *t, const bpe_options *o)
{
    json *j = json_object(), *vocab = json_object(), *merges = json_array();
    json_set_str(j, "type", "BPE");
    static const char *const null_keys[] = { "dropout", "unk_token", "continuing_subword_prefix",
                                             "end_of_word_suffix" };
    for (int i = 0; i < 4; i++) json_set_str(j, null_keys[i], NULL);
    json_set_bool(j, "fuse_unk", false);
    json_set_bool(j, "byte_fallback", false);
    json_set_int(vocab, o->bos, 0);
    json_set_int(vocab, o->eos, 1);
    for (int64_t i = FIRST_BYTE; i < t->vocab; i++) json_set_int(vocab, str_c(&t->token[i]), i);
    for (int64_t i = FIRST_MERGE; i < t->vocab; i++) {
        str m = { 0 };
        str_printf(&m, "%s %s", str_c(&t->token[t->left[i]]), str_c(&t->token[t->right[i]]));
        json_push(merges, json_of_text(str_c(&m)));
        str_free(&m);
    }
    json_set(j, "vocab", vocab);
    json_set(j, "merges", merges);
    return j;
}

static void write_json(str *out, const trainer *t, const bpe_options *o)
{
    json *j = json_object(), *added = json_array();
    json_push(added, special_token(0, o->bos));
    json_push(added, special_token(1, o->eos));
    json_set_str(j, "version", "1.0");
    json_set_str(j, "truncation", NULL);
    json_set_str(j, "padding", NULL);
    json_set(j, "added_tokens", added);
    json_set_str(j, "normalizer", NULL);
    json_set(j, "pre_tokenizer", pre_tokenizer(o->pattern));
    json_set(j, "post_processor", post_processor(o->bos));
    json_set(j, "decoder", byte_level(true, true, true));
    json_set(j, "model", bpe_model(t, o));
    json_print(j, out, true);
    json_free(j);
}

void bpe_tokenizer_config(str *out, bpe_options o)
{
    json *j = json_object();
    json_set_bool(j, "add_bos_token", true);
    json_set_bool(j, "add_eos_token", false);
    json_set_str(j, "bos_token", o.bos);
    json_set_bool(j, "clean_up_tokenization_spaces", false);
    json_set_str(j, "eos_token", o.eos);
    json_set_str(j, "tokenizer_class", "PreTrainedTokenizerFast");
    json_print(j, out, true);
    json_free(j);
}

int bpe_train(str *out, const char *text, size_t n, bpe_options o)
{
    if (o.vocab < FIRST_MERGE || o.vocab > VOCAB_MAX)
        return input_error("vocabulary of %lld: must be %d..%d", (long long)o.vocab, FIRST_MERGE, VOCAB_MAX);
    if (utf8_valid_prefix(text, n) != n)
        return input_error("text: not valid UTF-8 at byte %zu", utf8_valid_prefix(text, n));
    span  *spans   = NULL;
    size_t n_spans = 0;
    int    rc      = split(&spans, &n_spans, text, n, o.pattern);
    if (rc) return rc;
    trainer *t = mem_alloc(1, sizeof *t);
    number_bytes(t);
    collect_pieces(t, spans, n_spans);
    int64_t *count = mem_alloc((size_t)(o.vocab * o.vocab), sizeof *count);
    int32_t  left = 0, right = 0;
    while (t->vocab < o.vocab && best_pair(t, count, &left, &right)) merge_pair(t, left, right);
    write_json(out, t, &o);
    for (int i = 0; i < VOCAB_MAX; i++) str_free(&t->token[i]);
    for (size_t i = 0; i < t->n; i++) free(t->pieces[i].ids);
    free(t->pieces);
    free(t);
    free(count);
    free(spans);
    return OK;
}
