/* Words to choose from, in messages about options, methods and tasks: whether one is there, which
 * are, and which a user probably meant. Lists of words end with NULL. */
#ifndef TIEBREAK_CORE_NEAREST_H
#define TIEBREAK_CORE_NEAREST_H

/* The place of a word in a list; -1: it is not there. */
int word_index(const char *word, const char *const *words);
/* Returns the word of a list nearest to `word`, or NULL when none is within an edit distance of a
 * third of its length plus one. */
const char *nearest_word(const char *word, const char *const *words);

/* "; did you mean NEAREST?" or, where no word is near, "". Returned by value, so that a call can
 * stand among printf's arguments: did_you_mean(word, words).text. The second form puts `before`
 * and `after` around the word. */
typedef struct {
    char text[96];
} suggestion;
suggestion did_you_mean(const char *word, const char *const *words);
suggestion did_you_mean_as(const char *word, const char *const *words, const char *before, const char *after);

/* "A, B, C" or, with " or " before the last one, "A, B or C": as much as a message holds. */
typedef struct {
    char text[2048];
} words_text;
words_text words_listed(const char *const *words, const char *between, const char *before_last);
#endif
