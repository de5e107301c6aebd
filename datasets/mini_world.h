/* The invented world of the miniature suite: its words, its second language, and sentences made
 * from templates.
 *
 *     scene s = { 0 };
 *     scene_cast(&s, r);                        // people, things, places: all different
 *     say(out, &s, "$a has a $c $o. ");         // "Mira has a red kite. "
 *
 * Everything is drawn from the caller's random stream, except that the second language's words come
 * from a stream of their own and are always the same. */
#ifndef TIEBREAK_DATASETS_MINI_WORLD_H
#define TIEBREAK_DATASETS_MINI_WORLD_H
#include <stdbool.h>

#include "core/rng.h"
#include "core/str.h"

typedef struct {
    const char *en, *plural; /* only things have a plural */
} word;
typedef struct {
    const char *about;
    int         n;
    const word *words;
    bool        capital; /* nouns of the second language are written with a capital */
} word_list;

/* The lists a letter of a template can stand for. */
typedef enum { NAMES, PLACES, THINGS, COLORS, ANIMALS, JOBS, TIMES, DEEDS, LISTS } list_id;
extern const word_list world[LISTS];

/* The word of the second language ("Lum") for world[list].words[i]; names are the same in both.
 * Valid for the life of the process. */
const char *lum_word(list_id list, int i);
/* Whether the pre-training text explains the word ("Kalu means lamp."). The other words occur there
 * only in sentences, and the translation task teaches them. */
bool lum_explained(list_id list, int i);

/* What the letters of a template stand for: $a..$z, $A..$Z. */
typedef struct {
    const char *word[128];
    int         index[128]; /* the word's place in its list */
} scene;

int  pick(rng *r, int n);
bool chance(rng *r, double p);
/* Fills the letters: people a b d e; places p q w x; things o m h k with plurals O M H K; colours c
 * f g i; animals n l with plurals N L; jobs j y z v; times t u; deeds r s. Letters of one list are
 * all different. */
void scene_cast(scene *s, rng *r);
/* Sets a letter to a number 0..199 as a text, which lives as long as the process. */
void scene_number(scene *s, char letter, int value);
/* Appends the template with every $letter replaced. */
void say(str *out, const scene *s, const char *text);
#endif
