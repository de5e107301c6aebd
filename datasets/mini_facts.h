/* Facts of the invented world: how a text states one, how it says the same again, how people talk
 * about it, and what the question task asks. The pre-training text never has the task's wordings,
 * and people in it reply with a sentence. */
#ifndef TIEBREAK_DATASETS_MINI_FACTS_H
#define TIEBREAK_DATASETS_MINI_FACTS_H
#include "datasets/mini_world.h"

typedef struct {
    const char *question, *answer;
} query;

typedef struct {
    const char *fact;
    const char *again[4]; /* ends with NULL */
    /* Question and reply in the text; like `ask`, it ends with a NULL question. */
    query talk[3];
    query ask[5]; /* question and answer in the task; the answer is a piece of the fact */
} relation;

enum { RELATIONS = 6, FACTS_MAX = 4 };
extern const relation relations[RELATIONS];

/* One to four facts, each about another person: fact i is relations[which[i]] in scenes[i]. */
typedef struct {
    int   n, which[FACTS_MAX];
    scene scenes[FACTS_MAX];
} fact_set;
void facts_draw(fact_set *f, rng *r, int n);
/* Draws one to four facts about one person, no two of them with a piece of the same kind (two
 * places, two colours), so that a question has one answer. */
void facts_draw_about_one(fact_set *f, rng *r, int n);
/* Appends the facts in order, with a blank between them. */
void facts_say(str *out, const fact_set *f);
#endif
