#include "datasets/mini_world.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const word names[]  = { { "Mira", 0 }, { "Tobo", 0 }, { "Lena", 0 }, { "Kiro", 0 }, { "Nela", 0 }, { "Pavo", 0 },
                               { "Suri", 0 }, { "Dano", 0 }, { "Rima", 0 }, { "Jolo", 0 }, { "Veda", 0 }, { "Timo", 0 },
                               { "Zara", 0 }, { "Beno", 0 }, { "Fila", 0 }, { "Ruko", 0 } };
static const word places[] = { { "mill", 0 },   { "harbor", 0 }, { "garden", 0 }, { "tower", 0 },
                               { "market", 0 }, { "forest", 0 }, { "bridge", 0 }, { "school", 0 },
                               { "farm", 0 },   { "lake", 0 },   { "inn", 0 },    { "shop", 0 } };
static const word things[] = { { "apple", "apples" }, { "lamp", "lamps" }, { "book", "books" }, { "rope", "ropes" },
                               { "shell", "shells" }, { "kite", "kites" }, { "drum", "drums" }, { "bell", "bells" },
                               { "cup", "cups" },     { "hat", "hats" },   { "key", "keys" },   { "map", "maps" },
                               { "stone", "stones" }, { "ring", "rings" }, { "cake", "cakes" }, { "ball", "balls" } };
static const word colors[] = { { "red", 0 },   { "blue", 0 },   { "green", 0 }, { "white", 0 },
                               { "black", 0 }, { "yellow", 0 }, { "gray", 0 },  { "brown", 0 } };
static const word animals[] = { { "cat", 0 }, { "dog", 0 }, { "goat", 0 }, { "horse", 0 },
                                { "fox", 0 }, { "owl", 0 }, { "hen", 0 },  { "duck", 0 } };
static const word jobs[]    = { { "baker", 0 },  { "miller", 0 }, { "sailor", 0 }, { "teacher", 0 },
                                { "farmer", 0 }, { "guard", 0 },  { "smith", 0 },  { "weaver", 0 } };
static const word times[]   = { { "today", 0 }, { "tonight", 0 }, { "early", 0 },
                                { "late", 0 },  { "soon", 0 },    { "again", 0 } };
static const word deeds[]   = { { "finds", 0 }, { "takes", 0 },  { "carries", 0 }, { "sells", 0 },
                                { "buys", 0 },  { "paints", 0 }, { "breaks", 0 },  { "wants", 0 },
                                { "hides", 0 }, { "cleans", 0 }, { "drops", 0 },   { "loves", 0 } };

#define LIST(words) (int)(sizeof(words) / sizeof *(words)), words
const word_list world[LISTS] = {
    [NAMES] = { "names", LIST(names), true },       [PLACES] = { "places", LIST(places), true },
    [THINGS] = { "things", LIST(things), true },    [COLORS] = { "colors", LIST(colors), false },
    [ANIMALS] = { "animals", LIST(animals), true }, [JOBS] = { "jobs", LIST(jobs), true },
    [TIMES] = { "times", LIST(times), false },      [DEEDS] = { "deeds", LIST(deeds), false },
};

/* --- the second language: every word has two syllables of a small stock, and no two are alike */

enum { LUM_MAX = 16, LUM_LENGTH = 8 };
static char              lum[LISTS][LUM_MAX][LUM_LENGTH];
static bool              explained[LISTS][LUM_MAX];
static const char *const first_syllable[] = { "ka",  "to",  "ru", "mi",  "dre", "sol", "ven", "ga",
                                              "bul", "fri", "ne", "hos", "ti",  "pra", "lo",  "zu" };
static const char *const last_syllable[]  = {
     "lu", "ren", "da", "mo", "sch", "ti", "bel", "ko", "nar", "fe", "sa", "wit"
};

static bool lum_taken(const char *w)
{
    for (int l = 0; l < LISTS; l++)
        for (int i = 0; i < LUM_MAX; i++)
            if (!strcasecmp(lum[l][i], w)) return true;
    return false;
}

static void lum_fill(void)
{
    rng r = rng_stream(7, "mini-lexicon");
    for (int l = 0; l < LISTS; l++)
        for (int i = 0; i < world[l].n; i++) {
            char w[LUM_LENGTH];
            do {
                snprintf(w, sizeof w, "%s%s", first_syllable[rng_below(&r, 16)], last_syllable[rng_below(&r, 12)]);
            } while (lum_taken(w));
            if (world[l].capital) w[0] = (char)(w[0] - 'a' + 'A');
            explained[l][i] = rng_uniform(&r) < 0.7;
            if (l == NAMES) snprintf(w, sizeof w, "%s", names[i].en);
            memcpy(lum[l][i], w, sizeof w);
        }
}

const char *lum_word(list_id list, int i)
{
    if (!lum[PLACES][0][0]) lum_fill();
    assert(i < world[list].n);
    return lum[list][i];
}

bool lum_explained(list_id list, int i)
{
    lum_word(list, i);
    return explained[list][i];
}

/* --- scenes */

int  pick(rng *r, int n) { return (int)rng_below(r, (uint64_t)n); }
bool chance(rng *r, double p) { return rng_uniform(r) < p; }

static const struct {
    list_id     list;
    const char *letters, *plurals;
} cast[] = { { NAMES, "abde", "" },   { PLACES, "pqwx", "" }, { THINGS, "omhk", "OMHK" }, { COLORS, "cfgi", "" },
             { ANIMALS, "nlNL", "" }, { JOBS, "jyzv", "" },   { TIMES, "tu", "" },        { DEEDS, "rs", "" } };

void scene_cast(scene *s, rng *r)
{
    for (size_t k = 0; k < sizeof cast / sizeof *cast; k++) {
        const word_list *w = &world[cast[k].list];
        int64_t          order[LUM_MAX];
        for (int i = 0; i < w->n; i++) order[i] = i;
        rng_shuffle(r, order, w->n);
        for (int i = 0; cast[k].letters[i]; i++) {
            int letter       = cast[k].letters[i];
            s->index[letter] = (int)order[i];
            s->word[letter]  = w->words[order[i]].en;
            if (*cast[k].plurals) s->word[(int)cast[k].plurals[i]] = w->words[order[i]].plural;
        }
    }
}

void scene_number(scene *s, char letter, int value)
{
    static char text[200][4];
    assert(value >= 0 && value < 200);
    snprintf(text[value], sizeof text[value], "%d", value % 200);
    s->word[(int)letter] = text[value];
}

void say(str *out, const scene *s, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c != '$') {
            str_putc(out, *c);
            continue;
        }
        const char *w = s->word[*++c & 127];
        assert(w);
        str_puts(out, w);
    }
}
