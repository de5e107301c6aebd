#include "eval/porter.h"

#include <stdbool.h>
#include <string.h>

/* A word being stemmed, in place: at most one step makes it longer (-at -> -ate), never past what it was. */
typedef struct {
    char  *s;
    size_t n;
} stem;

/* Porter's consonants: not a, e, i, o, u, and not y after a consonant. after: whether a consonant stands before c (false at the start). */
static bool is_consonant(char c, bool after) { return c == 'y' ? !after : !(c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u'); }

/* Whether letter `at` is one: a run of y's alternates. */
static bool consonant_at(const stem *w, size_t at)
{
    size_t start = at;
    while (start > 0 && w->s[start] == 'y') start--;
    bool c = is_consonant(w->s[start], false);
    for (; start < at; start++) c = !c;
    return c;
}

/* m of the first n letters: the number of vowel-consonant changes. */
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

static bool ends_double_consonant(const stem *w) { return w->n >= 2 && w->s[w->n - 1] == w->s[w->n - 2] && consonant_at(w, w->n - 1); }

/* *o: consonant, vowel, consonant other than w, x, y; or a whole stem of vowel, consonant. */
static bool ends_cvc(const stem *w, size_t n)
{
    if (n == 2) return !consonant_at(w, 0) && consonant_at(w, 1);
    return n >= 3 && consonant_at(w, n - 3) && !consonant_at(w, n - 2) && consonant_at(w, n - 1) && !strchr("wxy", w->s[n - 1]);
}

static bool ends_with(const stem *w, const char *suffix)
{
    size_t k = strlen(suffix);
    return w->n >= k && !memcmp(w->s + w->n - k, suffix, k);
}

static void replace(stem *w, const char *suffix, const char *by)
{
    w->n -= strlen(suffix);
    memcpy(w->s + w->n, by, strlen(by));
    w->n += strlen(by);
}

typedef struct {
    const char *suffix, *by;
} rule;

/* The first suffix that matches decides: replaced when the stem's measure is above `above`, else the word stays and no other rule is tried. */
static void apply(stem *w, const rule *rules, int above)
{
    for (const rule *r = rules; r->suffix; r++) {
        if (!ends_with(w, r->suffix)) continue;
        if (measure(w, w->n - strlen(r->suffix)) > above) replace(w, r->suffix, r->by);
        return;
    }
}

static void step1a(stem *w)
{
    static const rule plural[] = { { "sses", "ss" }, { "ies", "i" }, { "ss", "ss" }, { "s", "" }, { 0 } };
    if (w->n == 4 && ends_with(w, "ies"))
        replace(w, "ies", "ie");
    else
        apply(w, plural, -1);
}

static void step1b(stem *w)
{
    static const rule add_e[] = { { "at", "ate" }, { "bl", "ble" }, { "iz", "ize" }, { 0 } };
    if (ends_with(w, "ied")) {
        replace(w, "ied", w->n == 4 ? "ie" : "i");
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
        if (!ends_with(w, r->suffix)) continue;
        replace(w, r->suffix, r->by);
        return;
    }
    if (ends_double_consonant(w)) {
        if (!strchr("lsz", w->s[w->n - 1])) w->n--;
    } else if (measure(w, w->n) == 1 && ends_cvc(w, w->n)) {
        replace(w, "", "e");
    }
}

static void step1c(stem *w)
{
    if (ends_with(w, "y") && w->n >= 3 && consonant_at(w, w->n - 2)) w->s[w->n - 1] = 'i';
}

static void step2(stem *w)
{
    static const rule rules[] = { { "ational", "ate" }, { "tional", "tion" },
                                  { "enci", "ence" },   { "anci", "ance" },
                                  { "izer", "ize" },    { "bli", "ble" },
                                  { "alli", "al" },     { "entli", "ent" },
                                  { "eli", "e" },       { "ousli", "ous" },
                                  { "ization", "ize" }, { "ation", "ate" },
                                  { "ator", "ate" },    { "alism", "al" },
                                  { "iveness", "ive" }, { "fulness", "ful" },
                                  { "ousness", "ous" }, { "aliti", "al" },
                                  { "iviti", "ive" },   { "biliti", "ble" },
                                  { "fulli", "ful" },   { 0 } };
    if (ends_with(w, "alli") && measure(w, w->n - 4) > 0) replace(w, "alli", "al");
    if (ends_with(w, "logi")) {
        /* The l counts as part of the stem, so that geo- and theo- behave like archaeo-. No suffix of the table ends in -logi. */
        if (measure(w, w->n - 3) > 0) w->n--;
        return;
    }
    apply(w, rules, 0);
}

static void step3(stem *w)
{
    static const rule rules[] = { { "icate", "ic" }, { "ative", "" }, { "alize", "al" }, { "iciti", "ic" },
                                  { "ical", "ic" },  { "ful", "" },   { "ness", "" },    { 0 } };
    apply(w, rules, 0);
}

static void step4(stem *w)
{
    static const rule rules[] = { { "al", "" },  { "ance", "" },  { "ence", "" }, { "er", "" },  { "ic", "" }, { "able", "" }, { "ible", "" },
                                  { "ant", "" }, { "ement", "" }, { "ment", "" }, { "ent", "" }, { "ou", "" }, { "ism", "" },  { "ate", "" },
                                  { "iti", "" }, { "ous", "" },   { "ive", "" },  { "ize", "" }, { 0 } };
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

static const char *irregular(const char *word, size_t n)
{
    static const rule forms[] = { { "sky", "sky" },        { "skies", "sky" },       { "dying", "die" },        { "lying", "lie" },
                                  { "tying", "tie" },      { "news", "news" },       { "innings", "inning" },   { "inning", "inning" },
                                  { "outings", "outing" }, { "outing", "outing" },   { "cannings", "canning" }, { "canning", "canning" },
                                  { "howe", "howe" },      { "proceed", "proceed" }, { "exceed", "exceed" },    { "succeed", "succeed" } };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strlen(forms[i].suffix) == n && !memcmp(forms[i].suffix, word, n)) return forms[i].by;
    return NULL;
}

size_t porter_stem(char *word, size_t n)
{
    const char *known = irregular(word, n);
    if (known) {
        memcpy(word, known, strlen(known));
        return strlen(known);
    }
    if (n <= 2) return n;
    stem w = { word, n };
    step1a(&w);
    step1b(&w);
    step1c(&w);
    step2(&w);
    step3(&w);
    step4(&w);
    step5(&w);
    return w.n;
}
