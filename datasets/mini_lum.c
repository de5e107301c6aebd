#include "datasets/mini_lum.h"

#include <string.h>

static const char *const articles[][2]     = { { "the", "da" }, { "a", "mu" } };
static const char *const prepositions[][2] = { { "at", "na" }, { "from", "vo" }, { "to", "zur" }, { "behind", "hin" } };

typedef struct {
    str *en, *lum;
    bool explained; /* every word so far is one that the text explains */
} writing;

static void say_lum(writing *w, const scene *s, list_id list, char letter)
{
    str_printf(w->lum, " %s", lum_word(list, s->index[(int)letter]));
    w->explained = w->explained && lum_explained(list, s->index[(int)letter]);
}

/* "the red lamp", "da Kalu roti"; no colour when color is 0. */
static void noun_phrase(writing *w, const scene *s, int article, list_id list, char noun, char color)
{
    str_printf(w->en, " %s", articles[article][0]);
    if (color) str_printf(w->en, " %s", s->word[(int)color]);
    str_printf(w->en, " %s", s->word[(int)noun]);
    str_printf(w->lum, " %s", articles[article][1]);
    say_lum(w, s, list, noun);
    if (color) say_lum(w, s, COLORS, color);
}

static void subject(writing *w, rng *r, const scene *s)
{
    switch (pick(r, 4)) {
    case 0: noun_phrase(w, s, pick(r, 2), JOBS, 'j', 0); break;
    case 1: noun_phrase(w, s, pick(r, 2), ANIMALS, 'n', chance(r, 0.5) ? 'f' : 0); break;
    default: str_printf(w->en, " %s", s->word['a']), str_printf(w->lum, " %s", s->word['a']);
    }
}

static void sentence(writing *w, rng *r)
{
    scene s;
    scene_cast(&s, r);
    bool never = chance(r, 0.2), place = chance(r, 0.5), time = chance(r, 0.6);
    subject(w, r, &s);
    if (never) str_puts(w->en, " never");
    str_printf(w->en, " %s", s.word['r']);
    noun_phrase(w, &s, pick(r, 2), THINGS, 'o', chance(r, 0.7) ? 'c' : 0);
    if (place) {
        int p = pick(r, 4);
        str_printf(w->en, " %s", prepositions[p][0]);
        str_printf(w->lum, " %s", prepositions[p][1]);
        noun_phrase(w, &s, 0, PLACES, 'p', 0);
    }
    if (time) {
        str_printf(w->en, " %s", s.word['t']);
        say_lum(w, &s, TIMES, 't');
    }
    if (never) str_puts(w->lum, " nix");
    say_lum(w, &s, DEEDS, 'r');
    str_putc(w->en, '.'), str_putc(w->lum, '.');
}

static void drop_first_byte(str *t) { memmove(t->s, t->s + 1, t->n--); }

void lum_draw(lum_sentence *x, rng *r, bool explained)
{
    writing w = { &x->en, &x->lum, true };
    do {
        w.explained = true;
        str_clear(&x->en), str_clear(&x->lum);
        sentence(&w, r);
    } while (explained && !w.explained);
    drop_first_byte(&x->en), drop_first_byte(&x->lum);
}

void lum_sentence_free(lum_sentence *x) { str_free(&x->en), str_free(&x->lum); }
