#include "metrics/porter.h"

#include <stdbool.h>
#include <string.h>

/* A word being stemmed in place. At most one step makes it longer (-at -> -ate), never longer than
 * the word was at first. */
typedef struct {
    char  *s;
    size_t n;
} stem;

/* Porter's consonants: not a, e, i, o, u, and not y after a consonant. after: whether a consonant
 * stands before c; false at the start. */
static bool is_consonant(char c, bool after)
{
    return c == 'y' ? !after : !(c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u');
}

/* Whether letter `at` is a consonant: in a run of y's they alternate. */
static bool consonant_at(const stem *w, size_t at)
{
    size_t start = at;
    while (start > 0 && w->s[start] == 'y') start--;
    bool c = is_consonant(w->s[start], false);
    for (; start < at; start++) c = !c;
    return c;
}

/* Porter's m of the first n letters: the number of changes from vowel to consonant. */
static int measure(const stem *w, size_t n)
{
    int  m      = 0;
    bool before = true;
    for (size_t i = 0; i < n; i++) {
        bool c = is_consonant(w->s[i], i && before);
        m += c && !before;
        before = c;
    }
    return m;
}

static bool contains_vowel(const stem *w, size_t n)
{
    bool c = false;
    for (size_t i = 0; i < n; i++)
        if (!(c = is_consonant(w->s[i], c))) return true;
    return false;
}

static bool ends_double_consonant(const stem *w)
{
    return w->n >= 2 && w->s[w->n - 1] == w->s[w->n - 2] && consonant_at(w, w->n - 1);
}

/* Porter's *o: the stem ends in consonant, vowel, and a consonant other than w, x, y; or it is a
 * vowel and a consonant only. */
static bool ends_cvc(const stem *w, size_t n)
{
    if (n == 2) return !consonant_at(w, 0) && consonant_at(w, 1);
    return n >= 3 && consonant_at(w, n - 3) && !consonant_at(w, n - 2) && consonant_at(w, n - 1) &&
           !strchr("wxy", w->s[n - 1]);
}

/* Compares from the last letter on, where most words already differ. */
static inline bool ends_with_n(const stem *w, const char *suffix, size_t k)
{
    if (w->n < k) return false;
    for (size_t i = 1; i <= k; i++)
        if (w->s[w->n - i] != suffix[k - i]) return false;
    return true;
}
#define ends_with(w, suffix) ends_with_n(w, suffix, sizeof(suffix) - 1)

static void replace(stem *w, size_t suffix, const char *by, size_t n)
{
    w->n -= suffix;
    for (size_t i = 0; i < n; i++) w->s[w->n++] = by[i];
}

typedef struct {
    const char *suffix, *by;
    size_t      k, n; /* their lengths */
} rule;
#define RULE(suffix, by)                                                                                               \
    {                                                                                                                  \
        suffix, by, sizeof(suffix) - 1, sizeof(by) - 1                                                                 \
    }

/* The first suffix that matches decides: it is replaced when the stem's measure is above `above`;
 * else the word stays, and no other rule is tried. */
static void apply(stem *w, const rule *rules, int above)
{
    for (const rule *r = rules; r->suffix; r++) {
        if (!ends_with_n(w, r->suffix, r->k)) continue;
        if (measure(w, w->n - r->k) > above) replace(w, r->k, r->by, r->n);
        return;
    }
}

static void step1a(stem *w)
{
    static const rule plural[] = { RULE("sses", "ss"), RULE("ies", "i"), RULE("ss", "ss"), RULE("s", ""), { 0 } };
    if (w->n == 4 && ends_with(w, "ies"))
        w->n--; /* leaves -ie */
    else
        apply(w, plural, -1);
}

static void step1b(stem *w)
{
    static const rule add_e[] = { RULE("at", "ate"), RULE("bl", "ble"), RULE("iz", "ize"), { 0 } };
    if (ends_with(w, "ied")) {
        w->n -= w->n == 4 ? 1 : 2; /* leaves -ie or -i */
        return;
    }
    if (ends_with(w, "eed")) {
        if (measure(w, w->n - 3) > 0) w->n--;
        return;
    }
    if (ends_with(w, "ed") && contains_vowel(w, w->n - 2))
        w->n -= 2;
    else if (ends_with(w, "ing") && contains_vowel(w, w->n - 3))
        w->n -= 3;
    else
        return;
    for (const rule *r = add_e; r->suffix; r++) {
        if (!ends_with_n(w, r->suffix, r->k)) continue;
        replace(w, r->k, r->by, r->n);
        return;
    }
    if (ends_double_consonant(w)) {
        if (!strchr("lsz", w->s[w->n - 1])) w->n--;
    } else if (measure(w, w->n) == 1 && ends_cvc(w, w->n)) {
        w->s[w->n++] = 'e';
    }
}

static void step1c(stem *w)
{
    if (ends_with(w, "y") && w->n >= 3 && consonant_at(w, w->n - 2)) w->s[w->n - 1] = 'i';
}

static void step2(stem *w)
{
    static const rule rules[] = { RULE("ational", "ate"), RULE("tional", "tion"),
                                  RULE("enci", "ence"),   RULE("anci", "ance"),
                                  RULE("izer", "ize"),    RULE("bli", "ble"),
                                  RULE("alli", "al"),     RULE("entli", "ent"),
                                  RULE("eli", "e"),       RULE("ousli", "ous"),
                                  RULE("ization", "ize"), RULE("ation", "ate"),
                                  RULE("ator", "ate"),    RULE("alism", "al"),
                                  RULE("iveness", "ive"), RULE("fulness", "ful"),
                                  RULE("ousness", "ous"), RULE("aliti", "al"),
                                  RULE("iviti", "ive"),   RULE("biliti", "ble"),
                                  RULE("fulli", "ful"),   { 0 } };
    if (ends_with(w, "alli") && measure(w, w->n - 4) > 0) w->n -= 2;
    if (ends_with(w, "logi")) {
        /* The l counts as part of the stem, so that geo- and theo- behave like archaeo-. No
         * suffix of the table ends in -logi. */
        if (measure(w, w->n - 3) > 0) w->n--;
        return;
    }
    apply(w, rules, 0);
}

static void step3(stem *w)
{
    static const rule rules[] = { RULE("icate", "ic"), RULE("ative", ""), RULE("alize", "al"), RULE("iciti", "ic"),
                                  RULE("ical", "ic"),  RULE("ful", ""),   RULE("ness", ""),    { 0 } };
    apply(w, rules, 0);
}

static void step4(stem *w)
{
    static const rule rules[] = { RULE("al", ""),
                                  RULE("ance", ""),
                                  RULE("ence", ""),
                                  RULE("er", ""),
                                  RULE("ic", ""),
                                  RULE("able", ""),
                                  RULE("ible", ""),
                                  RULE("ant", ""),
                                  RULE("ement", ""),
                                  RULE("ment", ""),
                                  RULE("ent", ""),
                                  RULE("ou", ""),
                                  RULE("ism", ""),
                                  RULE("ate", ""),
                                  RULE("iti", ""),
                                  RULE("ous", ""),
                                  RULE("ive", ""),
                                  RULE("ize", ""),
                                  { 0 } };
    if (ends_with(w, "ion")) {
        if (measure(w, w->n - 3) > 1 && strchr("st", w->s[w->n - 4])) w->n -= 3;
        return;
    }
    apply(w, rules, 1);
}

static void step5(stem *w)
{
    if (ends_with(w, "e")) {
        int m = measure(w, w->n - 1);
        if (m > 1 || (m == 1 && !ends_cvc(w, w->n - 1))) w->n--;
    }
    if (ends_with(w, "ll") && measure(w, w->n - 1) > 1) w->n--;
}

static bool irregular(stem *w)
{
    static const rule forms[] = { RULE("sky", "sky"),        RULE("skies", "sky"),        RULE("dying", "die"),
                                  RULE("lying", "lie"),      RULE("tying", "tie"),        RULE("news", "news"),
                                  RULE("innings", "inning"), RULE("inning", "inning"),    RULE("outings", "outing"),
                                  RULE("outing", "outing"),  RULE("cannings", "canning"), RULE("canning", "canning"),
                                  RULE("howe", "howe"),      RULE("proceed", "proceed"),  RULE("exceed", "exceed"),
                                  RULE("succeed", "succeed") };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (w->n != forms[i].k || !ends_with_n(w, forms[i].suffix, forms[i].k)) continue;
        replace(w, forms[i].k, forms[i].by, forms[i].n);
        return true;
    }
    return false;
}

size_t porter_stem(char *word, size_t n)
{
    stem w = { word, n };
    if (n <= 2 || irregular(&w)) return w.n;
    step1a(&w);
    step1b(&w);
    step1c(&w);
    step2(&w);
    step3(&w);
    step4(&w);
    step5(&w);
    return w.n;
}
