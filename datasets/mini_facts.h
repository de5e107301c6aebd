/* Facts of the invented world: how a text states one, how it says the same again, and what can be asked about it. The pre-training text states and
 * says again; only the question task asks. */
#ifndef TIEBREAK_DATASETS_MINI_FACTS_H
#define TIEBREAK_DATASETS_MINI_FACTS_H
#include "datasets/mini_world.h"

typedef struct {
    const char *question, *answer;
} query;

typedef struct {
    const char *fact;
    const char *again[4]; /* ends with NULL */
    query       ask[5];   /* ends with a NULL question */
} relation;

enum { RELATIONS = 6, FACTS_MAX = 4 };
extern const relation relations[RELATIONS];

/* One to four facts about as many people: fact i is relations[which[i]] in scenes[i]. */
typedef struct {
    int   n, which[FACTS_MAX];
    scene scenes[FACTS_MAX];
} fact_set;
void facts_draw(fact_set *f, rng *r, int n);
/* Append the facts in order, with a blank between them. */
void facts_say(str *out, const fact_set *f);
#endif
