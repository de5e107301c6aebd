/* Reads tokenizer.json's vocabulary, added tokens and merges into tables. Nothing in the file is
 * trusted, and what is not supported is refused by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tokenizer/tokenizer_private.h"

span span_of(tokenizer *t, const char *s, size_t n) { return (span) { arena_strndup(&t->memory, s, n), (uint32_t)n }; }

loading inside(const loading *l, const char *format, ...)
{
    loading in = { .t = l->t };
    int     n  = snprintf(in.where, sizeof in.where, "%.400s: ", l->where);
    va_list list;
    va_start(list, format);
    vsnprintf(in.where + n, sizeof in.where - (size_t)n, format, list);
    va_end(list);
    return in;
}

int optional_str(const loading *l, const json *obj, const char *key, const char *other, const char **out)
{
    *out = other;
    return json_has(obj, key) ? json_get_str(obj, l->where, key, out) : OK;
}

int optional_bool(const loading *l, const json *obj, const char *key, bool other, bool *out)
{
    *out = other;
    return json_has(obj, key) ? json_get_bool(obj, l->where, key, out) : OK;
}

int read_id(const loading *l, const json *number, int32_t *id)
{
    double v = json_number(number);
    if (!(v >= 0 && v < TOKEN_ID_MAX) || v != (double)(int32_t)v)
        return input_error("%s: the id must be a whole number, 0..%d", l->where, TOKEN_ID_MAX - 1);
    *id = (int32_t)v;
    return OK;
}

/* Room for 32 bytes, each at most an escape of six characters, and for the quotes. */
enum { SHOWN_MAX = 200 };
/* A token's text for a message: in quotes, control characters escaped, a long one cut. */
static const char *shown(const char *text, size_t n, char out[SHOWN_MAX])
{
    str quoted = { 0 };
    if (n > 32) n = utf8_valid_prefix(text, 32);
    json_quote(&quoted, text, n);
    snprintf(out, SHOWN_MAX, "%.*s", SHOWN_MAX - 1, quoted.s);
    str_free(&quoted);
    return out;
}

/* ---- vocabulary and added tokens */

static int largest_id(const loading *l, const json *vocab, const json *added, int32_t *most, size_t *count)
{
    char    text[SHOWN_MAX];
    int32_t id = -1;
    int     rc = OK;
    *most      = -1;
    *count     = 0;
    for (const json *v = vocab->child; v && !rc; v = v->next, ++*count) {
        double value = json_number(v);
        if (value >= 0 && value < TOKEN_ID_MAX && value == (double)(int32_t)value) {
            id = (int32_t)value;
        } else {
            loading in = inside(l, "vocab: %s", shown(v->string, strlen(v->string), text));
            rc         = read_id(&in, v, &id);
        }
        if (id > *most) *most = id;
    }
    for (const json *a = added ? added->child : NULL; a && !rc; a = a->next, ++*count) {
        loading in = inside(l, "an added token");
        rc         = read_id(&in, json_find(a, "id"), &id);
        if (id > *most) *most = id;
    }
    return rc;
}

static int size_vocabulary(const loading *l, const json *vocab, const json *added)
{
    int32_t most;
    size_t  count;
    int     rc = largest_id(l, vocab, added, &most, &count);
    if (rc) return rc;
    if (!vocab->child) return input_error("%s: model: vocab is empty", l->where);
    if ((size_t)most > 16 * count + 65536)
        return input_error("%s: vocab: the largest id is %d, but there are only %zu tokens", l->where, most, count);
    tokenizer *t  = l->t;
    t->n_ids      = most + 1;
    t->texts      = mem_alloc((size_t)t->n_ids, sizeof *t->texts);
    t->is_special = mem_alloc((size_t)t->n_ids, sizeof *t->is_special);
    return OK;
}

static int load_vocabulary(const loading *l, const json *vocab)
{
    tokenizer *t = l->t;
    char       text[SHOWN_MAX], other[SHOWN_MAX];
    for (const json *v = vocab->child; v; v = v->next) {
        int32_t id = (int32_t)v->valuedouble;
        size_t  n  = strlen(v->string);
        if (t->texts[id].s)
            return input_error("%s: vocab: id %d stands for %s and %s; ids must differ", l->where, id,
                               shown(t->texts[id].s, t->texts[id].n, other), shown(v->string, n, text));
        t->texts[id] = span_of(t, v->string, n);
        if (string_table_put(&t->vocab, t->texts[id].s, n, id) >= 0)
            return input_error("%s: vocab: %s stands twice", l->where, shown(v->string, n, text));
    }
    return OK;
}

/* A normalised token is looked for in normalised text and decodes to its normalised content. */
static int place_added(const loading *l, added_token k, bool is_normalised)
{
    tokenizer *t   = l->t;
    added_set *set = is_normalised ? &t->normalised : &t->raw;
    if (is_normalised) {
        str text = { 0 };
        str_add(&text, k.text.s, k.text.n);
        int rc = normalise(t, &text);
        if (!rc && !text.n) rc = input_error("%s: nothing is left of its content behind the normalizer", l->where);
        if (!rc) k.text = t->texts[k.id] = span_of(t, text.s, text.n);
        str_free(&text);
        if (rc) return rc;
    }
    set->tokens[set->n++] = k;
    return OK;
}

static int load_added_token(const loading *l, const json *a)
{
    tokenizer  *t = l->t;
    added_token k = { 0 };
    bool        is_normalised;
    const char *content;
    char        text[SHOWN_MAX], other[SHOWN_MAX];
    if (!json_is_object(a)) return input_error("%s: must be an object with id and content", l->where);
    int rc = json_get_str(a, l->where, "content", &content);
    if (!rc && !*content) rc = input_error("%s: \"content\" is empty", l->where);
    if (!rc) rc = read_id(l, json_find(a, "id"), &k.id);
    if (!rc) rc = optional_bool(l, a, "lstrip", false, &k.lstrip);
    if (!rc) rc = optional_bool(l, a, "rstrip", false, &k.rstrip);
    if (!rc) rc = optional_bool(l, a, "single_word", false, &k.single_word);
    if (!rc) rc = optional_bool(l, a, "special", false, &k.special);
    if (!rc) rc = optional_bool(l, a, "normalized", !k.special, &is_normalised);
    if (rc) return rc;
    size_t  n     = strlen(content);
    int32_t known = (int32_t)string_table_get(&t->vocab, content, n);
    if (known >= 0 && known != k.id)
        return input_error("%s: %s has id %d, but id %d in the vocabulary", l->where, shown(content, n, text), k.id,
                           known);
    if (known < 0 && t->texts[k.id].s)
        return input_error("%s: %s has id %d, which stands for %s", l->where, shown(content, n, text), k.id,
                           shown(t->texts[k.id].s, t->texts[k.id].n, other));
    k.text = t->texts[k.id] = span_of(t, content, n);
    if (string_table_put(&t->added_ids, k.text.s, n, k.id) >= 0)
        return input_error("%s: %s stands twice", l->where, shown(content, n, text));
    t->is_special[k.id] = k.special;
    return place_added(l, k, is_normalised);
}

static int load_added(const loading *l, const json *added)
{
    tokenizer *t         = l->t;
    size_t     count     = (size_t)json_size(added);
    int        i         = 0;
    t->raw.tokens        = mem_alloc(count + 1, sizeof *t->raw.tokens);
    t->normalised.tokens = mem_alloc(count + 1, sizeof *t->normalised.tokens);
    for (const json *a = added ? added->child : NULL; a; a = a->next, i++) {
        loading in = inside(l, "added_tokens[%d]", i);
        int     rc = load_added_token(&in, a);
        if (rc) return rc;
    }
    added_set_sort(&t->raw);
    added_set_sort(&t->normalised);
    return OK;
}

/* ---- merges: "left right" or ["left", "right"] */

static bool ends_with_mark(span s) { return s.n >= 3 && !memcmp(s.s + s.n - 3, "\xE2\x96\x81", 3); }
static bool begins_with_mark(span s) { return s.n >= 3 && !memcmp(s.s, "\xE2\x96\x81", 3); }

static int merge_parts(const loading *l, const json *m, int number, span *left, span *right)
{
    if (json_text(m)) {
        const char *text = m->valuestring, *gap = strchr(text, ' ');
        if (!gap || strchr(gap + 1, ' ')) {
            char quoted[SHOWN_MAX];
            return input_error("%s: merge %d: %s: must be two parts with one blank between; the file is damaged",
                               l->where, number, shown(text, strlen(text), quoted));
        }
        *left  = (span) { text, (uint32_t)(gap - text) };
        *right = (span) { gap + 1, (uint32_t)strlen(gap + 1) };
        return OK;
    }
    if (!json_is_array(m) || json_size(m) != 2 || !json_text(m->child) || !json_text(m->child->next))
        return input_error("%s: merge %d: must be a string or an array of two strings", l->where, number);
    *left  = (span) { m->child->valuestring, (uint32_t)strlen(m->child->valuestring) };
    *right = (span) { m->child->next->valuestring, (uint32_t)strlen(m->child->next->valuestring) };
    return OK;
}

static int load_merge(const loading *l, const json *m, int32_t rank, str *joined)
{
    tokenizer *t    = l->t;
    span       left = { 0 }, right = { 0 };
    char       text[SHOWN_MAX];
    int        rc = merge_parts(l, m, rank + 1, &left, &right);
    if (rc) return rc;
    int32_t a    = (int32_t)string_table_get(&t->vocab, left.s, left.n),
            b    = (int32_t)string_table_get(&t->vocab, right.s, right.n);
    span missing = a < 0 ? left : right;
    if (a < 0 || b < 0)
        return input_error("%s: merge %d: its part %s is not in the vocabulary; the file is damaged", l->where,
                           rank + 1, shown(missing.s, missing.n, text));
    str_clear(joined);
    str_add(joined, left.s, left.n);
    str_add(joined, right.s, right.n);
    int32_t whole = (int32_t)string_table_get(&t->vocab, str_c(joined), joined->n);
    if (whole < 0)
        return input_error("%s: merge %d: its result %s is not in the vocabulary; the file is damaged", l->where,
                           rank + 1, shown(str_c(joined), joined->n, text));
    merges_put(t, a, b, rank, whole);
    if (begins_with_mark(right) && !ends_with_mark(left)) t->cut_at_marks = false;
    return OK;
}

static int load_merges(const loading *l, const json *merges)
{
    tokenizer *t      = l->t;
    str        joined = { 0 };
    int        rank = 0, rc = OK;
    merges_init(t, (size_t)json_size(merges));
    t->cut_at_marks = !t->ignore_merges && string_table_get(&t->vocab, "\xE2\x96\x81", 3) >= 0;
    for (const json *m = merges->child; m && !rc; m = m->next) rc = load_merge(l, m, rank++, &joined);
    str_free(&joined);
    return rc;
}

/* ---- the model */

static int check_dropout(const loading *l, const json *model)
{
    const json *d = json_find(model, "dropout");
    if (!d || json_is_null(d) || json_number(d) == 0) return OK;
    return input_error("%s: model: dropout makes encoding random and is not supported; set it to null", l->where);
}

static int model_flags(const loading *l, const json *model)
{
    static const char *const affixes[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    tokenizer               *t         = l->t;
    const char              *text;
    int                      rc = optional_str(l, model, "type", "BPE", &text);
    if (!rc && strcmp(text, "BPE"))
        rc = input_error("%s: model: type \"%.40s\": only BPE is supported", l->where, text);
    if (!rc) rc = check_dropout(l, model);
    for (int i = 0; i < 2 && !rc; i++) {
        rc = optional_str(l, model, affixes[i], "", &text);
        if (!rc && *text) rc = input_error("%s: model: %s \"%.40s\" is not supported", l->where, affixes[i], text);
    }
    if (!rc) rc = optional_bool(l, model, "byte_fallback", false, &t->byte_fallback);
    if (!rc) rc = optional_bool(l, model, "fuse_unk", false, &t->fuse_unk);
    if (!rc) rc = optional_bool(l, model, "ignore_merges", false, &t->ignore_merges);
    return rc;
}

static int find_unknown(const loading *l, const json *model)
{
    const char *text;
    int         rc = optional_str(l, model, "unk_token", NULL, &text);
    if (rc || !text) return rc;
    l->t->unk = tokenizer_id(l->t, text);
    return l->t->unk < 0 ? input_error("%s: model: unk_token \"%.40s\" is not in the vocabulary", l->where, text) : OK;
}

static void find_byte_ids(tokenizer *t)
{
    for (int b = 0; b < BYTE_IDS; b++) {
        char text[8];
        int  n        = t->byte_level ? utf8_encode(byte_to_char((unsigned char)b), text)
                                      : snprintf(text, sizeof text, "<0x%02X>", b);
        t->byte_id[b] = (int32_t)string_table_get(&t->vocab, text, (size_t)n);
    }
}

/* Enters byte-level tokens by the bytes they stand for. */
static void find_whole_words(tokenizer *t, const json *vocab)
{
    if (!t->byte_level || !t->ignore_merges) return;
    str bytes = { 0 };
    for (const json *v = vocab->child; v; v = v->next) {
        size_t n = strlen(v->string), at = 0;
        str_clear(&bytes);
        for (unsigned cp; at < n; at += (size_t)utf8_decode(v->string + at, n - at, &cp)) {
            utf8_decode(v->string + at, n - at, &cp);
            int b = char_to_byte(cp);
            if (b < 0) break;
            str_putc(&bytes, (char)b);
        }
        if (at == n)
            string_table_put(&t->whole, span_of(t, str_c(&bytes), bytes.n).s, bytes.n, (int64_t)v->valuedouble);
    }
    str_free(&bytes);
}

int tokenizer_load(tokenizer *t, const json *doc, const char *path)
{
    loading     l = { .t = t };
    const json *model, *vocab, *merges;
    snprintf(l.where, sizeof l.where, "%.400s", path);
    t->unk = t->bos = t->eos = -1;
    if (!json_is_object(doc)) return input_error("%s: must be a JSON object (a Hugging Face tokenizer.json)", l.where);
    const json *added = json_has(doc, "added_tokens") ? json_find(doc, "added_tokens") : NULL;
    int         rc    = json_get_object(doc, l.where, "model", &model);
    if (!rc) rc = model_flags(&l, model);
    if (!rc) rc = json_get_object(model, l.where, "vocab", &vocab);
    if (!rc) rc = json_get_array(model, l.where, "merges", &merges);
    if (!rc && added && !json_is_array(added)) rc = input_error("%s: \"added_tokens\": must be an array", l.where);
    if (!rc) rc = size_vocabulary(&l, vocab, added);
    if (!rc) rc = load_vocabulary(&l, vocab);
    if (!rc) rc = load_merges(&l, merges);
    if (!rc) rc = tokenizer_load_steps(&l, doc);
    /* after the normaliser is loaded, because normalised tokens go through it */
    if (!rc) rc = load_added(&l, added);
    if (!rc) rc = find_unknown(&l, model);
    if (!rc) rc = tokenizer_load_template(&l, doc);
    if (rc) return rc;
    find_byte_ids(t);
    find_whole_words(t, vocab);
    return OK;
}
