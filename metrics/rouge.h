/* ROUGE as google rouge_score 0.1.2 computes it, the code behind Hugging Face's `rouge` and T5. The
 * F-measure has beta 1.
 *
 * Tokens are lower case; every run of characters outside [a-z0-9] is a blank; tokens of more than
 * three characters are Porter-stemmed if asked for (metrics/porter.h). */
#ifndef TIEBREAK_METRICS_ROUGE_H
#define TIEBREAK_METRICS_ROUGE_H
#include "metrics/metric.h"

typedef struct {
    double precision, recall, f;
} rouge_score;

/* order 1..9: ROUGE-n by clipped n-gram counts. ROUGE_L: one longest common subsequence over all
 * tokens; newlines do not count. ROUGE_LSUM: sentences are lines; for each sentence of the
 * reference, the union of its LCS positions over the prediction's sentences, each token counted
 * while both sides have some left. */
enum { ROUGE_L = -1, ROUGE_LSUM = -2, ROUGE_ORDER_MAX = 9 };
/* The reference with the highest F counts, the first on ties, as in rouge_score's score_multi.
 * n >= 1. */
rouge_score rouge(const slice *references, int64_t n, slice prediction, int order, bool stem);
#endif
