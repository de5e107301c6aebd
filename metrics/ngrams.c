/* Orders are counted one after the other. An n-gram is named by a pair: the number of its first n -
 * 1 tokens as a gram of the order before, and its last token. The pair is a place in a table of all
 * such pairs; where that table would be large, the place is found by hashing the pair. Both are
 * exact: a collision never merges two n-grams.
 *
 * Where no shorter gram matches, no longer one does: such positions are left out of all further
 * orders, which for texts that differ saves most of the work. The inner loops have no branch on
 * what the texts hold: a position is kept by advancing the write index or not, and what the
 * hypothesis lacks is counted in gram 0, of which the hypothesis has none. */
#include "metrics/ngrams.h"

#include <stdlib.h>

#include "core/memory.h"

struct gram {
    uint64_t pair;
    size_t   slot;
    /* counts: in the hypothesis, in the reference being read, and the most in any reference */
    int32_t in_hyp, in_ref, most;
    int32_t ref; /* the reference that in_ref counts */
};

/* The most slots of a table of all pairs, 64 KiB: a larger table costs more in cache misses than
 * hashing does. */
enum { ABSENT = 0, DIRECT_MAX = 1 << 14 };

/* The grams of one order, from 1 on. */
typedef struct {
    struct gram *grams;
    int32_t     *slots; /* a gram's number, or ABSENT */
    int32_t      width, n;
    int          shift; /* by which the hash is cut; 0: a table of all pairs */
    size_t       mask;
} gram_table;

static inline size_t slot_of(const gram_table *t, int32_t prefix, int32_t token, uint64_t *pair)
{
    *pair = (uint64_t)(uint32_t)prefix * (uint32_t)t->width + (uint32_t)token;
    if (!t->shift) return (size_t)*pair;
    size_t at = (size_t)(*pair * 0x9E3779B97F4A7C15u >> t->shift);
    while (t->slots[at] && t->grams[t->slots[at]].pair != *pair) at = (at + 1) & t->mask;
    return at;
}

/* A sequence while it is counted: in order, the positions where a gram of this order may match, and
 * at each the gram of the order before. */
typedef struct ngram_places {
    const int32_t *ids;
    int32_t       *at, *gram;
    int64_t        n;
} places;

/* Numbers the hypothesis's grams of this order. The loop works on a copy of the table: through the
 * pointer, every store could change the table itself. */
static void count_hypothesis(gram_table *table, const places *p, int order)
{
    gram_table     t    = *table;
    const int32_t *last = p->ids + order - 1;
    for (int64_t k = 0, n = p->n; k < n; k++) {
        uint64_t pair;
        size_t   slot = slot_of(&t, p->gram[k], last[p->at[k]], &pair);
        int32_t  gram = t.slots[slot];
        /* the next gram overwrites it unless it is new */
        t.grams[t.n + 1] = (struct gram) { .pair = pair, .slot = slot, .ref = -1 };
        t.n += gram == ABSENT;
        gram          = gram == ABSENT ? t.n : gram;
        t.slots[slot] = gram;
        p->gram[k]    = gram;
        t.grams[gram].in_hyp++;
    }
    *table = t;
}

/* Reads the grams of one reference. Returns the matches that it adds to those of the references
 * before it. */
static int64_t count_reference(const gram_table *table, const places *p, int order, int32_t number)
{
    const gram_table t       = *table;
    const int32_t   *last    = p->ids + order - 1;
    int64_t          matches = 0;
    for (int64_t k = 0, n = p->n; k < n; k++) {
        uint64_t     pair;
        int32_t      gram = t.slots[slot_of(&t, p->gram[k], last[p->at[k]], &pair)];
        struct gram *g    = &t.grams[gram];
        g->in_ref         = 1 + (g->ref == number ? g->in_ref : 0);
        g->ref            = number;
        bool more         = g->in_ref > g->most;
        g->most += more;
        matches += more & (g->most <= g->in_hyp);
        p->gram[k] = gram;
    }
    return matches;
}

/* The same for a single reference: its count is the most. */
static int64_t count_only_reference(const gram_table *table, const places *p, int order)
{
    const gram_table t       = *table;
    const int32_t   *last    = p->ids + order - 1;
    int64_t          matches = 0;
    for (int64_t k = 0, n = p->n; k < n; k++) {
        uint64_t     pair;
        int32_t      gram = t.slots[slot_of(&t, p->gram[k], last[p->at[k]], &pair)];
        struct gram *g    = &t.grams[gram];
        matches += ++g->most <= g->in_hyp;
        p->gram[k] = gram;
    }
    return matches;
}

/* Keeps the positions that matched and whose right neighbour did too: only there can a longer gram
 * match. */
static void narrow(const gram_table *t, places *p)
{
    const struct gram *grams = t->grams;
    int32_t           *at = p->at, *gram = p->gram;
    int64_t            kept = 0, n = p->n;
    bool               here = n && grams[gram[0]].most > 0;
    for (int64_t k = 0; k + 1 < n; k++) {
        bool right = grams[gram[k + 1]].most > 0, neighbours = at[k + 1] == at[k] + 1;
        at[kept]   = at[k];
        gram[kept] = gram[k];
        kept += here & right & neighbours;
        here = right;
    }
    p->n = kept;
}

/* Opens the table for grams that begin with one of `prefixes`. All its slots are empty. */
static gram_table open_table(ngram_counter *c, int64_t prefixes, int32_t width, int64_t positions)
{
    gram_table t    = { .grams = c->grams, .width = width };
    size_t     need = (size_t)prefixes * (size_t)width;
    if (need > DIRECT_MAX) {
        int bits = 6;
        while ((int64_t)1 << bits < 4 * positions) bits++;
        need    = (size_t)1 << bits;
        t.shift = 64 - bits;
        t.mask  = need - 1;
    }
    c->slots        = mem_scratch(c->slots, &c->slots_cap, need, sizeof *c->slots);
    t.slots         = c->slots;
    t.grams[ABSENT] = (struct gram) { .ref = -1 };
    return t;
}

/* Every position; in a reference, those whose token the hypothesis has. */
static places all_places(const token_list *t, int32_t width, int32_t *room)
{
    int32_t *at = room, *gram = room + t->n;
    int64_t  n = 0;
    for (int64_t i = 0; i < t->n; i++) {
        at[n]   = (int32_t)i;
        gram[n] = 0;
        n += t->ids[i] < width;
    }
    return (places) { t->ids, at, gram, n };
}

void ngrams_match(ngram_counter *c, const token_list *hyp, int32_t width, const token_list *refs, int64_t n_refs,
                  int orders, int64_t *matches)
{
    size_t room = 2 * (size_t)hyp->n;
    for (int64_t r = 0; r < n_refs; r++) room += 2 * (size_t)refs[r].n;
    c->grams   = mem_scratch(c->grams, &c->grams_cap, (size_t)hyp->n + 2, sizeof *c->grams);
    c->numbers = mem_scratch(c->numbers, &c->numbers_cap, room, sizeof *c->numbers);
    c->places  = mem_scratch(c->places, &c->places_cap, (size_t)n_refs, sizeof *c->places);

    int32_t *next = c->numbers + 2 * hyp->n;
    places   h    = all_places(hyp, width, c->numbers);
    for (int64_t r = 0; r < n_refs; next += 2 * refs[r++].n) c->places[r] = all_places(&refs[r], width, next);
    for (int n = 0; n < orders; n++) matches[n] = 0;
    int64_t prefixes = 1;
    for (int order = 1; order <= orders && h.n; order++) {
        gram_table t = open_table(c, prefixes, width, h.n);
        count_hypothesis(&t, &h, order);
        if (n_refs == 1)
            matches[order - 1] = count_only_reference(&t, c->places, order);
        else
            for (int64_t r = 0; r < n_refs; r++)
                matches[order - 1] += count_reference(&t, &c->places[r], order, (int32_t)r);
        for (int32_t g = 1; g <= t.n; g++) t.slots[t.grams[g].slot] = ABSENT;
        if (order == orders) break;
        t.grams[ABSENT].most = 0; /* nothing that the hypothesis lacks has matched */
        narrow(&t, &h);
        for (int64_t r = 0; r < n_refs; r++) narrow(&t, &c->places[r]);
        prefixes = t.n + 1;
    }
}
