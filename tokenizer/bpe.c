/* Byte-pair encoding of one word: the pair of lowest rank is merged first, the leftmost on ties
 * (Sennrich et al. 2016, as the tokenizers library does it). */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_private.h"

/* ---- the hash table of merges */

static size_t merge_slot_of(const tokenizer *t, uint64_t pair)
{
    size_t i = (pair * 0x9E3779B97F4A7C15u >> 20) & t->merge_mask;
    while (t->merges[i].pair != pair && t->merges[i].pair != UINT64_MAX) i = (i + 1) & t->merge_mask;
    return i;
}

void merges_init(tokenizer *t, size_t count)
{
    size_t size = 64;
    while (size < 2 * count) size *= 2;
    t->merges     = mem_alloc(size, sizeof *t->merges);
    t->merge_mask = size - 1;
    for (size_t i = 0; i < size; i++) t->merges[i].pair = UINT64_MAX;
}

static uint64_t pair_of(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

void merges_put(tokenizer *t, int32_t left, int32_t right, int32_t rank, int32_t id)
{
    t->merges[merge_slot_of(t, pair_of(left, right))] = (merge_slot) { pair_of(left, right), rank, id };
}

static const merge_slot *merges_get(const tokenizer *t, int32_t left, int32_t right)
{
    const merge_slot *m = &t->merges[merge_slot_of(t, pair_of(left, right))];
    return m->pair == UINT64_MAX ? NULL : m;
}

/* ---- merging */

typedef struct {
    int32_t id, prev, next; /* neighbours by index, -1: none; id -1: merged away */
} symbol;
typedef struct {
    /* the pair as it was when pushed; entries that are out of date are skipped */
    int32_t rank, at, left, right;
    int32_t id;
} candidate;

struct bpe_work {
    symbol    *symbols;
    candidate *heap;
    size_t     n_symbols, cap_symbols, n_heap, cap_heap;
    bool       unknown_waits;
};

void bpe_work_free(struct bpe_work *w)
{
    if (!w) return;
    free(w->symbols);
    free(w->heap);
    free(w);
}

static bool before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct bpe_work *w, candidate c)
{
    if (w->n_heap == w->cap_heap) w->heap = mem_grow(w->heap, &w->cap_heap, sizeof *w->heap);
    size_t i = w->n_heap++;
    while (i && before(&c, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i          = (i - 1) / 2;
    }
    w->heap[i] = c;
}

static candidate heap_pop(struct bpe_work *w)
{
    candidate top = w->heap[0], last = w->heap[--w->n_heap];
    size_t    i = 0, child;
    while ((child = 2 * i + 1) < w->n_heap) {
        if (child + 1 < w->n_heap && before(&w->heap[child + 1], &w->heap[child])) child++;
        if (!before(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i          = child;
    }
    w->heap[i] = last;
    return top;
}

static void push_symbol(struct bpe_work *w, int32_t id)
{
    if (w->n_symbols == w->cap_symbols) w->symbols = mem_grow(w->symbols, &w->cap_symbols, sizeof *w->symbols);
    w->symbols[w->n_symbols] = (symbol) { id, (int32_t)w->n_symbols - 1, (int32_t)w->n_symbols + 1 };
    w->n_symbols++;
}

/* Handles a character that is no token. It becomes its bytes as <0xXX> tokens where all of them
 * exist, else the unknown token (one for a run of them where fuse_unk is set), else nothing. As in
 * the tokenizers library, an unknown token waits for the next known character, so byte tokens
 * overtake it. */
static void push_unknown(const tokenizer *t, struct bpe_work *w, const char *s, size_t n)
{
    bool bytes = t->byte_fallback;
    for (size_t i = 0; i < n; i++) bytes = bytes && t->byte_id[(unsigned char)s[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < n; i++) push_symbol(w, t->byte_id[(unsigned char)s[i]]);
        return;
    }
    if (w->unknown_waits && !t->fuse_unk) push_symbol(w, t->unk);
    w->unknown_waits = t->unk >= 0;
}

static void end_unknown(const tokenizer *t, struct bpe_work *w)
{
    if (w->unknown_waits) push_symbol(w, t->unk);
    w->unknown_waits = false;
}

static void split_symbols(const tokenizer *t, struct bpe_work *w, const char *s, size_t n)
{
    w->n_symbols = w->n_heap = 0;
    for (size_t i = 0; i < n;) {
        unsigned cp;
        int      k  = t->byte_level ? 1 : utf8_decode(s + i, n - i, &cp);
        int32_t  id = t->byte_level ? t->byte_id[(unsigned char)s[i]]
                                    : (int32_t)string_table_get(&t->vocab, s + i, (size_t)k);
        if (id >= 0) {
            end_unknown(t, w);
            push_symbol(w, id);
        } else {
            push_unknown(t, w, s + i, (size_t)k);
        }
        i += (size_t)k;
    }
    end_unknown(t, w);
    if (w->n_symbols) w->symbols[w->n_symbols - 1].next = -1;
}

static void consider(const tokenizer *t, struct bpe_work *w, int32_t left)
{
    int32_t right = left < 0 ? -1 : w->symbols[left].next;
    if (right < 0) return;
    const merge_slot *m = merges_get(t, w->symbols[left].id, w->symbols[right].id);
    if (m) heap_push(w, (candidate) { m->rank, left, w->symbols[left].id, w->symbols[right].id, m->id });
}

static void merge_all(const tokenizer *t, struct bpe_work *w)
{
    for (size_t i = 0; i + 1 < w->n_symbols; i++) consider(t, w, (int32_t)i);
    while (w->n_heap) {
        candidate c     = heap_pop(w);
        symbol   *left  = &w->symbols[c.at];
        int32_t   right = left->id == c.left ? left->next : -1;
        if (right < 0 || w->symbols[right].id != c.right) continue;
        left->id             = c.id;
        left->next           = w->symbols[right].next;
        w->symbols[right].id = -1;
        if (left->next >= 0) w->symbols[left->next].prev = c.at;
        consider(t, w, left->prev);
        consider(t, w, c.at);
    }
}

void tokenizer_bpe(tokenizer *t, const char *s, size_t n, ids *out)
{
    if (!t->bpe) t->bpe = mem_alloc(1, sizeof *t->bpe);
    struct bpe_work *w = t->bpe;
    int32_t whole      = t->ignore_merges ? (int32_t)string_table_get(t->byte_level ? &t->whole : &t->vocab, s, n) : -1;
    if (whole >= 0) {
        ids_push(out, whole);
        return;
    }
    split_symbols(t, w, s, n);
    merge_all(t, w);
    for (int32_t i = w->n_symbols ? 0 : -1; i >= 0; i = w->symbols[i].next) ids_push(out, w->symbols[i].id);
}
