#include "tokenizer/bpe_train.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tokenizer/tokenizer_private.h"

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
    int32_t byte_id[256]; /* the id of each byte */
    str     token[VOCAB_MAX];
    int32_t left[VOCAB_MAX], right[VOCAB_MAX];
    int64_t vocab;
} trainer;

/* Ids follow the order of the characters that stand for the bytes. */
static void number_bytes(trainer *t)
{
    unsigned cp[256];
    for (int b = 0; b < 256; b++) cp[b] = byte_to_char((unsigned char)b);
    for (int b = 0; b < 256; b++) {
        char    shown[4];
        int32_t rank = 0;
        for (int k = 0; k < 256; k++) rank += cp[k] < cp[b];
        t->byte_id[b] = FIRST_BYTE + rank;
        str_add(&t->token[FIRST_BYTE + rank], shown, (size_t)utf8_encode(cp[b], shown));
    }
    t->vocab = FIRST_MERGE;
}

static int compare_spans(const void *a, const void *b)
{
    const span *x = a, *y = b;
    int         c = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
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
        (*out)[(*n_out)++] = (span) { text + o[0], (uint32_t)(o[1] - o[0]) };
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
        *p       = (piece) { .text  = spans[i].s,
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

/* ---- the tokenizer's files */

static json *special_token(int64_t id, const char *content)
{
    return json_format("{'id':%lld,'content':%s,'single_word':false,'lstrip':false,'rstrip':false,"
                       "'normalized':false,'special':true}",
                       (long long)id, content);
}

static json *pre_tokenizer(const char *pattern)
{
    return json_format("{'type':'Sequence','pretokenizers':["
                       "{'type':'Split','pattern':{'Regex':%s},'behavior':'Isolated','invert':false},"
                       "{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':false}]}",
                       pattern);
}

/* Puts BOS before a text, and before each text of a pair. */
static json *post_processor(const char *bos)
{
    json *j      = json_format("{'type':'TemplateProcessing',"
                                    "'single':[{'SpecialToken':{'id':%s,'type_id':0}},{'Sequence':{'id':'A','type_id':0}}],"
                                    "'pair':[{'SpecialToken':{'id':%s,'type_id':0}},{'Sequence':{'id':'A','type_id':0}},"
                                    "{'SpecialToken':{'id':%s,'type_id':1}},{'Sequence':{'id':'B','type_id':1}}]}",
                               bos, bos, bos);
    json *tokens = json_object();
    json_set(tokens, bos, json_format("{'id':%s,'ids':[0],'tokens':[%s]}", bos, bos));
    json_set(j, "special_tokens", tokens);
    return j;
}

static json *bpe_model(const trainer *t, const bpe_options *o)
{
    json *j     = json_format("{'type':'BPE','dropout':null,'unk_token':null,'continuing_subword_prefix':null,"
                                  "'end_of_word_suffix':null,'fuse_unk':false,'byte_fallback':false}");
    json *vocab = json_object(), *merges = json_array();
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
    json *j = json_format("{'version':'1.0','truncation':null,'padding':null}"), *added = json_array();
    json_push(added, special_token(0, o->bos));
    json_push(added, special_token(1, o->eos));
    json_set(j, "added_tokens", added);
    json_set_str(j, "normalizer", NULL);
    json_set(j, "pre_tokenizer", pre_tokenizer(o->pattern));
    json_set(j, "post_processor", post_processor(o->bos));
    json_set(j, "decoder",
             json_format("{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}"));
    json_set(j, "model", bpe_model(t, o));
    json_print(j, out, true);
    json_free(j);
}

void bpe_tokenizer_config(str *out, bpe_options o)
{
    json *j = json_format("{'add_bos_token':true,'add_eos_token':false,'bos_token':%s,"
                          "'clean_up_tokenization_spaces':false,'eos_token':%s,"
                          "'tokenizer_class':'PreTrainedTokenizerFast'}",
                          o.bos, o.eos);
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
