#include "model/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/error.h"
#include "core/file.h"
#include "model/tokenizer_parts.h"

void ids_push(ids *v, int32_t id)
{
    if (v->n == v->cap) v->ids = mem_grow(v->ids, &v->cap, sizeof *v->ids);
    v->ids[v->n++] = id;
}

void ids_clear(ids *v) { v->n = 0; }

void ids_free(ids *v)
{
    free(v->ids);
    *v = (ids) { 0 };
}

/* bos_token and eos_token: a string or {"content": ...}. */
static int read_token(const tokenizer *t, const json *config, const char *where, const char *key, int32_t *id)
{
    const json *j = json_find(config, key);
    if (cJSON_IsObject(j)) j = json_find(j, "content");
    if (!j || cJSON_IsNull(j)) return OK;
    if (!cJSON_IsString(j)) return input_error("%s: \"%s\": must be a token's text", where, key);
    *id = tokenizer_id(t, j->valuestring);
    return *id < 0 ? input_error("%s: \"%s\": \"%.60s\" is not in the vocabulary of %s", where, key, j->valuestring, t->path) : OK;
}

static int read_config(tokenizer *t, const char *dir)
{
    char *path   = path_join(dir, "tokenizer_config.json");
    json *config = NULL;
    int   rc     = file_exists(path) ? json_read_file(&config, path, 64u << 20) : OK;
    if (!rc && config) rc = read_token(t, config, path, "bos_token", &t->bos);
    if (!rc && config) rc = read_token(t, config, path, "eos_token", &t->eos);
    json_free(config);
    free(path);
    return rc;
}

int tokenizer_open(tokenizer **out, const char *dir_or_file)
{
    bool  folder = file_is_dir(dir_or_file);
    char *path   = folder ? path_join(dir_or_file, "tokenizer.json") : mem_strdup(dir_or_file);
    str   text   = { 0 };
    json *doc    = NULL;
    *out         = NULL;
    int rc       = folder && !file_exists(path) ? input_error("%s: holds no tokenizer.json; a tokenizer's folder has one", dir_or_file) : OK;
    if (!rc) rc = file_read(path, 256u << 20, &text);
    if (!rc) rc = json_parse(&doc, str_c(&text), text.n, path);
    if (!rc) {
        tokenizer *t = mem_alloc(1, sizeof *t);
        t->path      = mem_strdup(path);
        sha256_hex(text.s, text.n, t->sha256);
        t->match = pcre2_match_data_create(1, NULL);
        rc       = tokenizer_load(t, doc, path);
        if (!rc && t->prefix.n) t->bos = t->prefix.ids[0];
        if (!rc && t->suffix.n) t->eos = t->suffix.ids[0];
        if (!rc && folder) rc = read_config(t, dir_or_file);
        if (rc)
            tokenizer_close(t);
        else
            *out = t;
    }
    json_free(doc);
    str_free(&text);
    free(path);
    return rc;
}

void tokenizer_close(tokenizer *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_split; i++) pcre2_code_free(t->split[i].code);
    pcre2_match_data_free(t->match);
    bpe_work_free(t->work);
    arena_free(&t->memory);
    free(t->texts);
    free(t->ids_of.keys);
    free(t->ids_of.values);
    free(t->merges);
    free(t->added);
    free(t->is_added);
    free(t->is_special);
    free(t->cache.slots);
    str_free(&t->cache.texts);
    ids_free(&t->cache.ids);
    ids_free(&t->prefix);
    ids_free(&t->suffix);
    free(t->path);
    free(t);
}

/* ---- words met before */

enum { CACHE_SLOTS = 1 << 16, CACHED_WORD_MAX = 256 };

static int cached_word(tokenizer *t, const char *s, size_t n, ids *out)
{
    if (n > CACHED_WORD_MAX) return tokenizer_bpe(t, s, n, out);
    if (!t->cache.slots || t->cache.n > CACHE_SLOTS / 2) {
        if (!t->cache.slots) t->cache.slots = mem_alloc(CACHE_SLOTS, sizeof *t->cache.slots);
        memset(t->cache.slots, 0, CACHE_SLOTS * sizeof *t->cache.slots);
        str_clear(&t->cache.texts);
        ids_clear(&t->cache.ids);
        t->cache.n = 0;
    }
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001B3u;
    h |= 1; /* 0: an empty slot */
    size_t i = h >> 20 & (CACHE_SLOTS - 1);
    for (cache_slot *c; (c = &t->cache.slots[i])->hash; i = (i + 1) & (CACHE_SLOTS - 1)) {
        if (c->hash != h || c->n_text != n || memcmp(t->cache.texts.s + c->text, s, n)) continue;
        for (uint32_t k = 0; k < c->n_ids; k++) ids_push(out, t->cache.ids.ids[c->ids + k]);
        return OK;
    }
    size_t from = out->n;
    int    rc   = tokenizer_bpe(t, s, n, out);
    if (rc) return rc;
    t->cache.slots[i] = (cache_slot) { h, (uint32_t)t->cache.texts.n, (uint32_t)n, (uint32_t)t->cache.ids.n, (uint32_t)(out->n - from) };
    t->cache.n++;
    str_add(&t->cache.texts, s, n);
    for (size_t k = from; k < out->n; k++) ids_push(&t->cache.ids, out->ids[k]);
    return OK;
}

/* ---- added tokens are cut out of the raw text first */

static bool is_word_char(unsigned cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return cp == '_' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) || (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

static size_t step_back(const char *s, size_t at, unsigned *cp)
{
    size_t i = at - 1;
    while (i && ((unsigned char)s[i] & 0xC0) == 0x80) i--;
    utf8_decode(s + i, at - i, cp);
    return i;
}

static const added_token *added_at(const tokenizer *t, const char *s, size_t n, size_t at)
{
    unsigned char b = (unsigned char)s[at];
    for (int i = t->added_first[b]; i < t->added_first[b + 1]; i++) {
        const added_token *a = &t->added[i];
        if (a->text.n > n - at || memcmp(a->text.s, s + at, a->text.n)) continue;
        unsigned cp;
        if (a->single_word && at && (step_back(s, at, &cp), is_word_char(cp))) continue;
        if (a->single_word && at + a->text.n < n && (utf8_decode(s + at + a->text.n, n - at - a->text.n, &cp), is_word_char(cp))) continue;
        return a;
    }
    return NULL;
}

/* White space around a token that swallows it (Unicode White_Space: Python's set without U+001C..1F). */
static bool is_white(unsigned cp) { return is_space_py(cp) && !(cp >= 0x1C && cp <= 0x1F); }

int tokenizer_encode(const tokenizer *shared, const char *text, size_t n, bool special, ids *out)
{
    tokenizer *t    = (tokenizer *)(uintptr_t)shared; /* its cache and scratch change, its answers do not */
    size_t     good = utf8_valid_prefix(text, n), from = 0;
    if (good < n) return input_error("tokenizer: text is not valid UTF-8 at byte %zu (0x%02X)", good, (unsigned char)text[good]);
    for (size_t i = 0; special && i < t->prefix.n; i++) ids_push(out, t->prefix.ids[i]);
    int rc = OK;
    for (size_t at = 0; at < n && !rc;) {
        const added_token *a = added_at(t, text, n, at);
        if (!a) {
            at++;
            continue;
        }
        size_t   start = at, end = at + a->text.n;
        unsigned cp;
        if (a->lstrip)
            for (size_t i; start > from && (i = step_back(text, start, &cp), is_white(cp)); start = i) {
            }
        if (a->rstrip)
            for (int k; end < n && (k = utf8_decode(text + end, n - end, &cp), is_white(cp)); end += (size_t)k) {
            }
        rc = tokenizer_words(t, text + from, start - from, from == 0, cached_word, out);
        ids_push(out, a->id);
        from = at = end;
    }
    if (!rc) rc = tokenizer_words(t, text + from, n - from, from == 0, cached_word, out);
    for (size_t i = 0; special && i < t->suffix.n; i++) ids_push(out, t->suffix.ids[i]);
    return rc;
}

int tokenizer_decode(const tokenizer *t, const int32_t *v, size_t n, bool skip_special, str *out)
{
    span  *tokens = mem_alloc(n + 1, sizeof *tokens);
    size_t kept   = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i] < 0 || v[i] >= t->n_ids || !t->texts[v[i]].s) {
            free(tokens);
            return input_error("%s: id %d is not in the vocabulary (0..%lld)", t->path, v[i], (long long)t->n_ids - 1);
        }
        if (!(skip_special && t->is_special[v[i]])) tokens[kept++] = t->texts[v[i]];
    }
    tokenizer_join(t, tokens, kept, out);
    free(tokens);
    return OK;
}

int64_t     tokenizer_vocab(const tokenizer *t) { return t->n_ids; }
int32_t     tokenizer_bos(const tokenizer *t) { return t->bos; }
int32_t     tokenizer_eos(const tokenizer *t) { return t->eos; }
const char *tokenizer_hash(const tokenizer *t) { return t->sha256; }
int32_t     tokenizer_id(const tokenizer *t, const char *token) { return text_map_get(&t->ids_of, token, strlen(token)); }
