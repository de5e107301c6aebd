/* Porter's stemmer as NLTK's PorterStemmer runs it by default (NLTK_EXTENSIONS, nltk 3.10):
 * google rouge_score stems with this one.
 * It is not the algorithm of the 1980 paper: irregular words, four-letter -ies/-ied, y -> i only
 * after a consonant, alli first, fulli and logi added. */
#ifndef TIEBREAK_METRICS_PORTER_H
#define TIEBREAK_METRICS_PORTER_H
#include <stddef.h>

/* word: n lower-case ASCII letters and digits. The stem replaces it; returns its length, which
 * may be 0 and is never above n. */
size_t porter_stem(char *word, size_t n);
#endif
