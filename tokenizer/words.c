/* The pre-tokenizer: each step cuts every word of the step before, and the last hands words to
 * BPE. */
#include <string.h>

#include "core/error.h"
#include "tokenizer/tokenizer_private.h"

static int cut(tokenizer *t, int step, const char *s, size_t n, bool first, ids *out);

/* The parts of one word as they come: the matches and what lies between. A part waits until it is
 * known whether the next one joins it. */
typedef struct {
    tokenizer  *t;
    int         step;
    const char *s;
    bool        first, waiting, was_match;
    size_t      from, to; /* the waiting part */
    ids        *out;
} cutter;

static int hand_on(cutter *c)
{
    if (!c->waiting) return OK;
    c->waiting = false;
    return c->to > c->from ? cut(c->t, c->step + 1, c->s + c->from, c->to - c->from, c->first && !c->from, c->out) : OK;
}

static int add_part(cutter *c, size_t from, size_t to, bool is_match)
{
    static const bool joins[][2][2] = { /* [behaviour][was a match][is a match] */
                                        [SPLIT_CONTIGUOUS]     = { { true, false }, { false, true } },
                                        [SPLIT_MERGE_PREVIOUS] = { { false, true }, { false, false } },
                                        [SPLIT_MERGE_NEXT]     = { { false, false }, { true, false } }
    };
    const split_step *p = &c->t->split[c->step];
    if (p->invert) is_match = !is_match;
    int rc = OK;
    if (c->waiting && joins[p->behaviour][c->was_match][is_match]) {
        c->to = to;
    } else {
        rc      = hand_on(c);
        c->from = from;
        c->to   = to;
        /* a removed part leaves nothing waiting */
        c->waiting = !(p->behaviour == SPLIT_REMOVED && is_match);
    }
    c->was_match = is_match;
    return rc;
}

static int cut_pattern(tokenizer *t, int step, const char *s, size_t n, bool first, ids *out)
{
    cutter     c    = { .t = t, .step = step, .s = s, .first = first, .out = out };
    regex_scan scan = { .code = t->split[step].code, .s = s, .n = n };
    size_t     done = 0;
    int        rc   = OK;
    while (regex_next(t, &scan)) {
        if (scan.start > done && !rc) rc = add_part(&c, done, scan.start, false);
        if (!rc) rc = add_part(&c, scan.start, scan.end, true);
        done = scan.end;
    }
    if (!rc) rc = scan.rc;
    if (!rc && done < n) rc = add_part(&c, done, n, false);
    return rc ? rc : hand_on(&c);
}

static bool begins_with(const char *s, size_t n, span with) { return n >= with.n && !memcmp(s, with.s, with.n); }

/* Writes the word as the step's pattern sees it, with marks for blanks and with a prefix. Returns
 * false when the word stays as it is. */
static bool rewrite(const split_step *p, const char *s, size_t n, bool first, str *out)
{
    bool wanted = p->prefix.n && (p->scheme == PREFIX_ALWAYS || (p->scheme == PREFIX_FIRST && first));
    bool blanks = p->blank.n && memchr(s, ' ', n);
    bool prefix = wanted && !begins_with(s, n, p->prefix) && !(p->blank.n && s[0] == ' ');
    if (!prefix && !blanks) return false;
    if (prefix) str_add(out, p->prefix.s, p->prefix.n);
    for (size_t i = 0; i < n; i++) {
        if (blanks && s[i] == ' ')
            str_add(out, p->blank.s, p->blank.n);
        else
            str_putc(out, s[i]);
    }
    return true;
}

static int cut(tokenizer *t, int step, const char *s, size_t n, bool first, ids *out)
{
    if (step == t->n_split) {
        tokenizer_word(t, s, n, out);
        return OK;
    }
    const split_step *p    = &t->split[step];
    str               text = { 0 };
    if (rewrite(p, s, n, first, &text)) {
        s = text.s;
        n = text.n;
    }
    int rc = p->code ? cut_pattern(t, step, s, n, first, out) : cut(t, step + 1, s, n, first, out);
    str_free(&text);
    return rc;
}

int tokenizer_words(tokenizer *t, const char *s, size_t n, bool first, ids *out) { return cut(t, 0, s, n, first, out); }
