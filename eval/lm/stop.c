#include "eval/lm/stop.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

static int add_text(stop_list *s, const char *text)
{
    ids v = { 0 };
    if (!*text) return OK;
    int rc = s->tok ? tokenizer_encode(s->tok, text, strlen(text), false, &v) : OK;
    if ((size_t)s->n == s->cap) s->items = mem_grow(s->items, &s->cap, sizeof *s->items);
    s->items[s->n++] = (stop_string) { mem_strdup(text), (int64_t)v.n + 2 };
    ids_free(&v);
    return rc;
}

int stop_list_make(stop_list *out, const json *texts, const tokenizer *tok, const model_config *cfg)
{
    int32_t eos  = tok ? tokenizer_eos(tok) : -1;
    bool    has  = false;
    str     text = { 0 };
    *out         = (stop_list) { .tok = tok, .cfg = cfg };
    int rc       = eos >= 0 ? tokenizer_decode(tok, &eos, 1, false, &text) : OK;
    out->eos     = mem_strdup(str_c(&text));
    str_free(&text);
    for (const json *t = json_items(texts); t && !rc; t = t->next) {
        has |= !strcmp(json_text(t), out->eos);
        rc = add_text(out, json_text(t));
    }
    return rc || has ? rc : add_text(out, out->eos);
}

void stop_list_free(stop_list *s)
{
    for (int64_t i = 0; i < s->n; i++) free(s->items[i].text);
    free(s->items);
    free(s->eos);
    *s = (stop_list) { 0 };
}

static bool is_eos(const stop_list *s, int32_t id)
{
    if (id == tokenizer_eos(s->tok)) return true;
    for (int i = 0; i < s->cfg->n_eos; i++)
        if (s->cfg->eos[i] == id) return true;
    return false;
}

static int decode_known(const stop_list *s, const int32_t *v, int64_t n, bool skip_special, str *out)
{
    int64_t vocab = tokenizer_vocab(s->tok);
    ids     known = { 0 };
    for (int64_t i = 0; i < n; i++)
        if (v[i] < vocab) ids_push(&known, v[i]);
    int rc = tokenizer_decode(s->tok, known.ids, known.n, skip_special, out);
    ids_free(&known);
    return rc;
}

const char *stop_reached(const stop_list *s, const int32_t *v, int64_t n)
{
    const char *found = NULL;
    str         tail  = { 0 };
    if (n > 0 && is_eos(s, v[n - 1])) return s->eos;
    for (int64_t i = 0; i < s->n && !found; i++) {
        int64_t k = s->items[i].lookback < n ? s->items[i].lookback : n;
        str_clear(&tail);
        if (!decode_known(s, v + n - k, k, false, &tail) &&
            memmem(str_c(&tail), tail.n, s->items[i].text, strlen(s->items[i].text)))
            found = s->items[i].text;
    }
    str_free(&tail);
    return found;
}

int stop_cut(const stop_list *s, const int32_t *v, int64_t n, str *out)
{
    int rc = decode_known(s, v, n, true, out);
    if (!rc) stop_cut_text(s, out);
    return rc;
}

const char *stop_cut_text(const stop_list *s, str *text)
{
    const char *last = NULL;
    for (int64_t i = 0; i < s->n; i++) {
        const char *hit = text->n ? memmem(text->s, text->n, s->items[i].text, strlen(s->items[i].text)) : NULL;
        if (!hit) continue;
        text->n          = (size_t)(hit - text->s);
        text->s[text->n] = '\0';
        last             = s->items[i].text;
    }
    return last;
}
