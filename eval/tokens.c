#include "eval/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void tokens_add(token_list *t, const char *s, size_t n)
{
    /* start holds n + 1 offsets. */
    while ((size_t)t->n + 2 > t->cap) t->start = mem_grow(t->start, &t->cap, sizeof *t->start);
    t->start[t->n++] = t->bytes.n;
    str_add(&t->bytes, s, n);
    t->start[t->n] = t->bytes.n;
}

void tokens_split(token_list *t, slice text)
{
    slice word;
    while (py_next_word(&text, &word)) tokens_add(t, word.s, word.n);
}

slice token_at(const token_list *t, int64_t i) { return (slice) { t->bytes.s + t->start[i], t->start[i + 1] - t->start[i] }; }

void tokens_free(token_list *t)
{
    str_free(&t->bytes);
    free(t->start);
    *t = (token_list) { 0 };
}

typedef struct {
    slice    token;
    int32_t *id; /* where its number goes */
} numbered;

static int by_token(const void *a, const void *b)
{
    const slice x = ((const numbered *)a)->token, y = ((const numbered *)b)->token;
    int         c = memcmp(x.s, y.s, x.n < y.n ? x.n : y.n);
    return c ? c : (x.n > y.n) - (x.n < y.n);
}

void tokens_number(const token_list *const *lists, int64_t count, int32_t **ids)
{
    int64_t total = 0, k = 0;
    for (int64_t l = 0; l < count; l++) total += lists[l]->n;
    numbered *all = mem_alloc((size_t)total, sizeof *all);
    for (int64_t l = 0; l < count; l++) {
        ids[l] = mem_alloc((size_t)lists[l]->n, sizeof *ids[l]);
        for (int64_t i = 0; i < lists[l]->n; i++) all[k++] = (numbered) { token_at(lists[l], i), &ids[l][i] };
    }
    qsort(all, (size_t)total, sizeof *all, by_token);
    int32_t number = 0;
    for (k = 0; k < total; k++) {
        if (k && by_token(&all[k - 1], &all[k])) number++;
        *all[k].id = number;
    }
    free(all);
}

static int compare_grams(const int32_t *a, const int32_t *b, int order)
{
    for (int i = 0; i < order; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

static int by_gram(const void *a, const void *b, void *order)
{
    return compare_grams(*(const int32_t *const *)a, *(const int32_t *const *)b, *(int *)order);
}

ngram_table ngrams(const int32_t *ids, int64_t length, int order)
{
    int64_t     total = length >= order ? length - order + 1 : 0;
    ngram_table t     = { .ids = ids, .order = order, .total = total };
    t.gram            = mem_alloc((size_t)total, sizeof *t.gram);
    t.count           = mem_alloc((size_t)total, sizeof *t.count);
    for (int64_t i = 0; i < total; i++) t.gram[i] = ids + i;
    qsort_r(t.gram, (size_t)total, sizeof *t.gram, by_gram, &order);
    for (int64_t i = 0; i < total; i++) {
        if (!t.n || compare_grams(t.gram[t.n - 1], t.gram[i], order)) t.gram[t.n++] = t.gram[i];
        t.count[t.n - 1]++;
    }
    return t;
}

void ngrams_free(ngram_table *t)
{
    free(t->gram);
    free(t->count);
    *t = (ngram_table) { 0 };
}

static int64_t count_of(const ngram_table *t, const int32_t *gram)
{
    int64_t low = 0, high = t->n;
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        int     c   = compare_grams(t->gram[mid], gram, t->order);
        if (!c) return t->count[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

int64_t ngrams_clipped(const ngram_table *hyp, const ngram_table *refs, int64_t n_refs)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < hyp->n; i++) {
        int64_t most = 0;
        for (int64_t r = 0; r < n_refs; r++) {
            int64_t c = count_of(&refs[r], hyp->gram[i]);
            if (c > most) most = c;
        }
        sum += hyp->count[i] < most ? hyp->count[i] : most;
    }
    return sum;
}
