/* The word a user probably meant: for "did you mean" in messages about options, methods, tasks. */
#ifndef TIEBREAK_CORE_NEAREST_H
#define TIEBREAK_CORE_NEAREST_H

/* The word of a NULL-terminated list nearest to `word` (edit distance at most a third of its
 * length, plus one), or NULL. */
const char *nearest_word(const char *word, const char *const *words);
#endif
