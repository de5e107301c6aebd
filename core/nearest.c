#include "core/nearest.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int edit_distance(const char *a, const char *b)
{
    int n = (int)strlen(a), m = (int)strlen(b), row[64];
    if (m >= 64) return 64;
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0]       = i;
        for (int j = 1; j <= m; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]), gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j]   = change < gap ? change : gap;
        }
    }
    return row[m];
}

int word_index(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], word)) return i;
    return -1;
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *best   = NULL;
    int         length = (int)strlen(word), least = length / 3 + 2;
    for (; *words; words++) {
        int d = edit_distance(word, *words);
        if (d < least) least = d, best = *words;
        if (length >= 3 && !strncmp(word, *words, (size_t)length) && !best) best = *words;
    }
    return best;
}

suggestion did_you_mean_as(const char *word, const char *const *words, const char *before, const char *after)
{
    const char *near = nearest_word(word, words);
    suggestion  s    = { "" };
    if (near) snprintf(s.text, sizeof s.text, "; did you mean %s%s%s?", before, near, after);
    return s;
}

suggestion did_you_mean(const char *word, const char *const *words) { return did_you_mean_as(word, words, "", ""); }

words_text words_listed(const char *const *words, const char *between, const char *before_last)
{
    words_text list = { "" };
    size_t     n    = 0;
    for (int i = 0; words[i] && n < sizeof list.text; i++)
        n += (size_t)snprintf(list.text + n, sizeof list.text - n, "%s%s",
                              !i             ? ""
                              : words[i + 1] ? between
                                             : before_last,
                              words[i]);
    return list;
}
