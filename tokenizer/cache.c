/* Remembers the ids of words by their text: most words of a text come again. A full cache is
 * emptied. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_private.h"

enum { SLOTS = 1 << 16, WORD_MAX = 256 };

typedef struct {
    uint64_t hash;                     /* 0 means empty */
    uint32_t text, n_text, ids, n_ids; /* offsets into the two pools, and lengths */
} slot;

struct word_cache {
    slot   slots[SLOTS];
    size_t n;
    str    texts;
    ids    ids;
};

void word_cache_free(struct word_cache *c)
{
    if (!c) return;
    str_free(&c->texts);
    ids_free(&c->ids);
    free(c);
}

static void make_room(tokenizer *t)
{
    if (!t->cache) t->cache = mem_alloc(1, sizeof *t->cache);
    struct word_cache *c = t->cache;
    if (c->n < SLOTS / 2) return;
    memset(c->slots, 0, sizeof c->slots);
    str_clear(&c->texts);
    ids_clear(&c->ids);
    c->n = 0;
}

static void cached(tokenizer *t, const char *s, size_t n, ids *out)
{
    if (n > WORD_MAX) {
        tokenizer_bpe(t, s, n, out);
        return;
    }
    make_room(t);
    struct word_cache *c = t->cache;
    uint64_t           h = hash_text(s, n) | 1;
    size_t             i = h >> 40 & (SLOTS - 1);
    for (const slot *k; (k = &c->slots[i])->hash; i = (i + 1) & (SLOTS - 1)) {
        if (k->hash != h || k->n_text != n || memcmp(c->texts.s + k->text, s, n)) continue;
        for (uint32_t j = 0; j < k->n_ids; j++) ids_push(out, c->ids.ids[k->ids + j]);
        return;
    }
    size_t from = out->n;
    tokenizer_bpe(t, s, n, out);
    c->slots[i] = (slot) { h, (uint32_t)c->texts.n, (uint32_t)n, (uint32_t)c->ids.n, (uint32_t)(out->n - from) };
    c->n++;
    str_add(&c->texts, s, n);
    for (size_t j = from; j < out->n; j++) ids_push(&c->ids, out->ids[j]);
}

/* Without a pre-tokenizer a word is a whole line. Where no merge crosses from another character to
 * U+2581, the line is cut before such marks: merging the parts gives the same ids, and the parts
 * are words that come again. */
void tokenizer_word(tokenizer *t, const char *s, size_t n, ids *out)
{
    static const char mark[] = "\xE2\x96\x81";
    size_t            from   = 0;
    for (size_t at = t->cut_at_marks ? 0 : n; at < n;) {
        const char *hit = memmem(s + at, n - at, mark, 3);
        if (!hit) break;
        at              = (size_t)(hit - s);
        bool after_mark = at >= from + 3 && !memcmp(s + at - 3, mark, 3);
        if (at > from && !after_mark) {
            cached(t, s + from, at - from, out);
            from = at;
        }
        at += 3;
    }
    cached(t, s + from, n - from, out);
}
