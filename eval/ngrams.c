/* Orders are counted one after the other. An n-gram is named by the pair (number of its first n - 1 tokens as a gram of the order before, last
 * token), so a lookup hashes 64 bits whatever the order, and there are no collisions to fear. An n-gram whose shorter grams have no match has none
 * either: those places are left out of all further orders, which for texts that differ is most of the work. */
#include "eval/ngrams.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct gram {
    uint64_t key;
    int32_t  in_hyp, in_ref, most; /* counts: in the hypothesis, in the reference being read, the most in any */
    int32_t  ref;                  /* the reference being read */
};

enum { DEAD = -1 };

/* Numbers of grams of one order. bits: log2 of the slots in use. */
typedef struct {
    struct gram *grams;
    int32_t     *slots; /* gram + 1, or 0 */
    int          shift;
    size_t       mask, n;
} gram_table;

static inline size_t slot_of(const gram_table *t, uint64_t key)
{
    size_t at = (size_t)(key * 0x9E3779B97F4A7C15u >> t->shift);
    while (t->slots[at] && t->grams[t->slots[at] - 1].key != key) at = (at + 1) & t->mask;
    return at;
}

static inline uint64_t key_of(int32_t prefix, int32_t token) { return (uint64_t)(uint32_t)prefix << 32 | (uint32_t)token; }

/* Number the hypothesis's grams of this order; prefix[i] becomes that of the gram at i. */
static void count_hypothesis(gram_table *t, const token_list *hyp, int order, int32_t *prefix)
{
    int64_t last = ngrams_total(hyp->n, order);
    for (int64_t i = 0; i < last; i++) {
        if (prefix[i] == DEAD || (order > 1 && prefix[i + 1] == DEAD)) {
            prefix[i] = DEAD;
            continue;
        }
        uint64_t key = key_of(prefix[i], hyp->ids[i + order - 1]);
        size_t   at  = slot_of(t, key);
        if (!t->slots[at]) {
            t->grams[t->n] = (struct gram) { .key = key, .ref = DEAD };
            t->slots[at]   = (int32_t)++t->n;
        }
        prefix[i] = t->slots[at] - 1;
        t->grams[prefix[i]].in_hyp++;
    }
}

/* Read one reference's grams; those that the hypothesis lacks are dead. Returns the matches it adds to those of the references before it. */
static int64_t count_reference(gram_table *t, const token_list *ref, int order, int32_t *prefix, int32_t number)
{
    int64_t last = ngrams_total(ref->n, order), matches = 0;
    for (int64_t i = 0; i < last; i++) {
        if (prefix[i] == DEAD || (order > 1 && prefix[i + 1] == DEAD)) {
            prefix[i] = DEAD;
            continue;
        }
        size_t at = slot_of(t, key_of(prefix[i], ref->ids[i + order - 1]));
        prefix[i] = t->slots[at] - 1; /* an empty slot makes it DEAD */
        if (prefix[i] == DEAD) continue;
        struct gram *g = &t->grams[prefix[i]];
        if (g->ref != number) {
            g->ref    = number;
            g->in_ref = 0;
        }
        if (++g->in_ref > g->most) matches += ++g->most <= g->in_hyp;
    }
    return matches;
}

void ngrams_match(ngram_counter *c, const token_list *hyp, const token_list *refs, int64_t n_refs, int orders, int64_t *matches)
{
    size_t length = (size_t)hyp->n, all = length;
    for (int64_t r = 0; r < n_refs; r++) all += (size_t)refs[r].n;
    int bits = 6;
    while ((size_t)1 << bits < 2 * length) bits++;
    size_t slots = (size_t)1 << bits;
    c->grams     = mem_scratch(c->grams, &c->grams_cap, length, sizeof *c->grams);
    c->slots     = mem_scratch(c->slots, &c->slots_cap, slots, sizeof *c->slots);
    c->prefix    = mem_scratch(c->prefix, &c->prefix_cap, all, sizeof *c->prefix);
    memset(c->prefix, 0, all * sizeof *c->prefix);
    memset(matches, 0, (size_t)orders * sizeof *matches);
    for (int order = 1; order <= orders; order++) {
        gram_table t = { .grams = c->grams, .slots = c->slots, .shift = 64 - bits, .mask = slots - 1 };
        memset(t.slots, 0, slots * sizeof *t.slots);
        count_hypothesis(&t, hyp, order, c->prefix);
        int32_t *prefix = c->prefix + length;
        for (int64_t r = 0; r < n_refs; prefix += refs[r++].n) matches[order - 1] += count_reference(&t, &refs[r], order, prefix, (int32_t)r);
        if (!matches[order - 1]) break;
        int64_t last = ngrams_total(hyp->n, order);
        for (int64_t i = 0; i < last; i++)
            if (c->prefix[i] != DEAD && !t.grams[c->prefix[i]].most) c->prefix[i] = DEAD;
    }
}

void ngrams_free(ngram_counter *c)
{
    free(c->grams);
    free(c->slots);
    free(c->prefix);
    *c = (ngram_counter) { 0 };
}
