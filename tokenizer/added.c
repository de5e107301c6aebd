/* Added tokens are found in a text before it is cut into words: the leftmost first, and of those
 * that begin at one place the longest. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tokenizer/tokenizer_private.h"

static int by_first_byte_then_longest(const void *x, const void *y)
{
    const added_token *a = x, *b = y;
    int                c = (unsigned char)a->text.s[0] - (unsigned char)b->text.s[0];
    return c ? c : (a->text.n < b->text.n) - (a->text.n > b->text.n);
}

void added_set_sort(added_set *set)
{
    qsort(set->tokens, (size_t)set->n, sizeof *set->tokens, by_first_byte_then_longest);
    int at = 0;
    for (int b = 0; b <= BYTE_IDS; b++) {
        while (at < set->n && (unsigned char)set->tokens[at].text.s[0] < b) at++;
        set->first[b] = at;
    }
}

static const added_token *longest_at(const added_set *set, const char *s, size_t left)
{
    unsigned char b = (unsigned char)*s;
    for (int i = set->first[b]; i < set->first[b + 1]; i++) {
        const added_token *a = &set->tokens[i];
        if (a->text.n <= left && !memcmp(a->text.s, s, a->text.n)) return a;
    }
    return NULL;
}

static size_t step_back(const char *s, size_t at, unsigned *cp)
{
    size_t i = at - 1;
    while (i && ((unsigned char)s[i] & 0xC0) == 0x80) i--;
    utf8_decode(s + i, at - i, cp);
    return i;
}

static bool stands_alone(const char *s, size_t n, size_t start, size_t end)
{
    unsigned cp;
    if (start && (step_back(s, start, &cp), is_word_char(cp))) return false;
    return end >= n || (utf8_decode(s + end, n - end, &cp), !is_word_char(cp));
}

int added_cut(const encoding *e, const added_set *set, const char *s, size_t n, bool first,
              int (*piece)(const encoding *e, const char *s, size_t n, bool first))
{
    size_t done = 0; /* everything before it is handed on */
    for (size_t at = 0; at < n;) {
        const added_token *a = longest_at(set, s + at, n - at);
        if (!a) {
            at++;
            continue;
        }
        size_t   start = at, end = at + a->text.n;
        unsigned cp;
        at = end; /* a match that does not count is skipped all the same */
        if (e->plain && a->special) continue;
        if (a->single_word && !stands_alone(s, n, start, end)) continue;
        if (a->lstrip)
            for (size_t i; start > done && (i = step_back(s, start, &cp), is_white(cp)); start = i) {
            }
        if (a->rstrip)
            for (int k; end < n && (k = utf8_decode(s + end, n - end, &cp), is_white(cp)); end += (size_t)k) {
            }
        int rc = start > done ? piece(e, s + done, start - done, first && !done) : OK;
        if (rc) return rc;
        ids_push(e->out, a->id);
        done = end;
    }
    return done < n ? piece(e, s + done, n - done, first && !done) : OK;
}
