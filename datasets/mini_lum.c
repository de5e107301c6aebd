#include "datasets/mini_lum.h"

static const char *const articles[][2]     = { { "the", "da" }, { "a", "mu" } };
static const char *const prepositions[][2] = { { "at", "na" }, { "from", "vo" }, { "to", "zur" }, { "behind", "hin" } };

static const char *lum_of(const scene *s, list_id list, char letter) { return lum_word(list, s->index[(int)letter]); }

/* "the red lamp", "da Kalu roti"; no colour when color is 0. */
static void noun_phrase(lum_sentence *x, const scene *s, int article, list_id list, char noun, char color)
{
    str_printf(&x->en, " %s", articles[article][0]);
    if (color) str_printf(&x->en, " %s", s->word[(int)color]);
    str_printf(&x->en, " %s", s->word[(int)noun]);
    str_printf(&x->lum, " %s %s", articles[article][1], lum_of(s, list, noun));
    if (color) str_printf(&x->lum, " %s", lum_of(s, COLORS, color));
}

static void subject(lum_sentence *x, rng *r, const scene *s)
{
    switch (pick(r, 4)) {
    case 0: noun_phrase(x, s, pick(r, 2), JOBS, 'j', 0); break;
    case 1: noun_phrase(x, s, pick(r, 2), ANIMALS, 'n', chance(r, 0.5) ? 'f' : 0); break;
    default: str_printf(&x->en, " %s", s->word['a']), str_printf(&x->lum, " %s", s->word['a']);
    }
}

void lum_draw(lum_sentence *x, rng *r, const scene *cast)
{
    scene s = *cast;
    scene_cast(&s, r);
    str_clear(&x->en), str_clear(&x->lum);
    bool never = chance(r, 0.2), place = chance(r, 0.5), time = chance(r, 0.6);
    subject(x, r, &s);
    if (never) str_puts(&x->en, " never");
    str_printf(&x->en, " %s", s.word['r']);
    noun_phrase(x, &s, pick(r, 2), THINGS, 'o', chance(r, 0.7) ? 'c' : 0);
    if (place) {
        int p = pick(r, 4);
        str_printf(&x->en, " %s", prepositions[p][0]);
        str_printf(&x->lum, " %s", prepositions[p][1]);
        noun_phrase(x, &s, 0, PLACES, 'p', 0);
    }
    if (time) str_printf(&x->en, " %s", s.word['t']), str_printf(&x->lum, " %s", lum_of(&s, TIMES, 't'));
    if (never) str_puts(&x->lum, " nix");
    str_printf(&x->lum, " %s", lum_of(&s, DEEDS, 'r'));
    str_putc(&x->en, '.'), str_putc(&x->lum, '.');
    for (int k = 0; k < 2; k++) { /* the blank before the first word goes */
        str *t = k ? &x->lum : &x->en;
        for (size_t i = 0; i < t->n; i++) t->s[i] = t->s[i + 1];
        t->n--;
    }
}

void lum_sentence_free(lum_sentence *x) { str_free(&x->en), str_free(&x->lum); }
