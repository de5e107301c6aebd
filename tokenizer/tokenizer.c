#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "tokenizer/tokenizer_private.h"

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

/* dir: the folder that the text lies in, whose added tokens count too; NULL: none. */
static int parse(tokenizer **out, const char *text, size_t n, const char *where, const char *dir)
{
    json *doc = NULL;
    int   rc  = json_parse(&doc, text, n, where);
    *out      = NULL;
    if (!rc && dir && json_is_object(doc)) rc = tokenizer_folder_added(doc, dir);
    if (!rc) {
        tokenizer *t = mem_alloc(1, sizeof *t);
        t->path      = mem_strdup(where);
        sha256_hex(text, n, t->sha256);
        regex_work_init(t);
        rc = tokenizer_load(t, doc, where);
        if (!rc && t->prefix.n) t->bos = t->prefix.ids[0];
        if (!rc && t->suffix.n) t->eos = t->suffix.ids[0];
        if (!rc && dir) rc = tokenizer_folder_ends(t, dir);
        if (rc)
            tokenizer_close(t);
        else
            *out = t;
    }
    json_free(doc);
    return rc;
}

int tokenizer_parse(tokenizer **out, const char *text, size_t n, const char *where)
{
    return parse(out, text, n, where, NULL);
}

int tokenizer_open(tokenizer **out, const char *dir_or_file)
{
    bool  folder = file_is_dir(dir_or_file);
    char *path   = folder ? path_join(dir_or_file, "tokenizer.json") : mem_strdup(dir_or_file);
    str   text   = { 0 };
    *out         = NULL;
    int rc       = folder && !file_exists(path)
                       ? input_error("%s: holds no tokenizer.json; a tokenizer's folder has one", dir_or_file)
                       : OK;
    if (!rc) rc = file_read(path, 256u << 20, &text);
    if (!rc) rc = parse(out, str_c(&text), text.n, path, folder ? dir_or_file : NULL);
    str_free(&text);
    free(path);
    return rc;
}

void tokenizer_close(tokenizer *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_norm; i++) pcre2_code_free(t->norm[i].code);
    for (int i = 0; i < t->n_split; i++) pcre2_code_free(t->split[i].code);
    regex_work_free(t->regex);
    word_cache_free(t->cache);
    bpe_work_free(t->bpe);
    arena_free(&t->memory);
    free(t->texts);
    string_table_free(&t->vocab);
    string_table_free(&t->whole);
    string_table_free(&t->added_ids);
    free(t->merges);
    free(t->raw.tokens);
    free(t->normalised.tokens);
    free(t->is_special);
    ids_free(&t->prefix);
    ids_free(&t->suffix);
    free(t->path);
    free(t);
}

/* ---- encoding: each function hands its parts to the one above it */

static int encode_words(const encoding *e, const char *s, size_t n, bool first)
{
    return tokenizer_words(e->t, s, n, first, e->out);
}

static int encode_normalised(const encoding *e, const char *s, size_t n, bool first)
{
    if (!e->t->normalised.n) return encode_words(e, s, n, first);
    return added_cut(e, &e->t->normalised, s, n, first, encode_words);
}

static int encode_piece(const encoding *e, const char *s, size_t n, bool first)
{
    if (!e->t->n_norm) return encode_normalised(e, s, n, first);
    str text = { 0 };
    str_add(&text, s, n);
    int rc = normalise(e->t, &text);
    if (!rc && text.n) rc = encode_normalised(e, text.s, text.n, first);
    str_free(&text);
    return rc;
}

static int encode(const tokenizer *shared, const char *text, size_t n, bool special, bool plain, ids *out)
{
    /* its cache and scratch change, but its answers do not */
    tokenizer *t = (tokenizer *)(uintptr_t)shared;
    encoding   e = { .t = t, .plain = plain, .out = out };
    if (n > TOKENIZER_TEXT_MAX)
        return input_error("tokenizer: a text of %zu bytes: at most %d at a time", n, TOKENIZER_TEXT_MAX);
    size_t good = utf8_valid_prefix(text, n);
    if (good < n)
        return input_error("tokenizer: text is not valid UTF-8 at byte %zu (0x%02X)", good, (unsigned char)text[good]);
    for (size_t i = 0; special && i < t->prefix.n; i++) ids_push(out, t->prefix.ids[i]);
    int rc = n ? added_cut(&e, &t->raw, text, n, true, encode_piece) : OK;
    for (size_t i = 0; special && i < t->suffix.n; i++) ids_push(out, t->suffix.ids[i]);
    return rc;
}

int tokenizer_encode(const tokenizer *t, const char *text, size_t n, bool special, ids *out)
{
    return encode(t, text, n, special, false, out);
}
int tokenizer_encode_plain(const tokenizer *t, const char *text, size_t n, bool special, ids *out)
{
    return encode(t, text, n, special, true, out);
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

int32_t tokenizer_id(const tokenizer *t, const char *token)
{
    size_t  n  = strlen(token);
    int32_t id = (int32_t)string_table_get(&t->added_ids, token, n);
    return id >= 0 ? id : (int32_t)string_table_get(&t->vocab, token, n);
}
