/* Suggests the word a user probably meant, in messages about options, methods and tasks. */
#ifndef TIEBREAK_CORE_NEAREST_H
#define TIEBREAK_CORE_NEAREST_H

/* Returns the word of a NULL-terminated list nearest to `word`, or NULL when none is within an edit
 * distance of a third of its length plus one. */
const char *nearest_word(const char *word, const char *const *words);

/* "; did you mean NEAREST?" or, where no word is near, "". Returned by value, so that a call can
 * stand among printf's arguments: did_you_mean(word, words).text. The second form puts `before`
 * and `after` around the word. */
typedef struct {
    char text[96];
} suggestion;
suggestion did_you_mean(const char *word, const char *const *words);
suggestion did_you_mean_as(const char *word, const char *const *words, const char *before, const char *after);
#endif
