/* Remembers the ids of words by their text: most words of a text come again. A full cache is
 * emptied. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_private.h"

enum { WORDS_MAX = 1 << 15, WORD_BYTES_MAX = 256 };

struct word_cache {
    string_table words; /* each word's place in `ids`: there stand the number of its ids, then these */
    arena        texts; /* owns the words */
    ids          ids;
};

void word_cache_free(struct word_cache *c)
{
    if (!c) return;
    string_table_free(&c->words);
    arena_free(&c->texts);
    ids_free(&c->ids);
    free(c);
}

static void make_room(tokenizer *t)
{
    if (!t->cache) t->cache = mem_alloc(1, sizeof *t->cache);
    struct word_cache *c = t->cache;
    if (c->words.n < WORDS_MAX) return;
    string_table_clear(&c->words);
    arena_free(&c->texts);
    ids_clear(&c->ids);
}

static void cached(tokenizer *t, const char *s, size_t n, ids *out)
{
    if (n > WORD_BYTES_MAX) {
        tokenizer_bpe(t, s, n, out);
        return;
    }
    make_room(t);
    struct word_cache *c  = t->cache;
    int64_t            at = string_table_get(&c->words, s, n);
    if (at >= 0) {
        for (int32_t k = 1; k <= c->ids.ids[at]; k++) ids_push(out, c->ids.ids[at + k]);
        return;
    }
    size_t from = out->n;
    tokenizer_bpe(t, s, n, out);
    string_table_put(&c->words, arena_strndup(&c->texts, s, n), n, (int64_t)c->ids.n);
    ids_push(&c->ids, (int32_t)(out->n - from));
    for (size_t k = from; k < out->n; k++) ids_push(&c->ids, out->ids[k]);
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
