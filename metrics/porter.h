/* Porter's stemmer as NLTK's PorterStemmer runs it by default (NLTK_EXTENSIONS, nltk 3.10), which
 * google rouge_score stems with. It differs from the algorithm of the 1980 paper: it has irregular
 * words and rules for four-letter -ies and -ied, turns y into i only after a consonant, tries alli
 * first, and adds fulli and logi. */
#ifndef TIEBREAK_METRICS_PORTER_H
#define TIEBREAK_METRICS_PORTER_H
#include <stddef.h>

/* word holds n lower-case ASCII letters and digits, and the stem replaces it. Returns the stem's
 * length: 0 is possible, more than n is not. */
size_t porter_stem(char *word, size_t n);
#endif
