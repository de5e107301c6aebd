/* Sentences in two languages. Lum puts the time and the verb last and the colour after the thing,
 * as in this example with German words:
 *
 *     Mira never finds the red lamp at the mill today.
 *     Mira da Lampe rot na da Muhl heut nix findet. */
#ifndef TIEBREAK_DATASETS_MINI_LUM_H
#define TIEBREAK_DATASETS_MINI_LUM_H
#include "datasets/mini_world.h"

typedef struct {
    str en, lum;
} lum_sentence;

/* Draws a sentence into x, which holds empty or old texts. explained: uses only words that the text
 * explains (mini_world.h). */
void lum_draw(lum_sentence *x, rng *r, bool explained);
void lum_sentence_free(lum_sentence *x);
#endif
