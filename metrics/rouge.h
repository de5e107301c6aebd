/* ROUGE as google rouge_score 0.1.2 computes it (the code behind Hugging Face's `rouge` and T5).
 * F-measure with beta 1.
 *
 * Tokens: lower case, every run outside [a-z0-9] a blank, optionally Porter-stemmed
 * (metrics/porter.h) when longer than three characters. */
#ifndef TIEBREAK_METRICS_ROUGE_H
#define TIEBREAK_METRICS_ROUGE_H
#include "metrics/metric.h"

typedef struct {
    double precision, recall, f;
} rouge_score;

/* order 1..9: ROUGE-n by clipped n-gram counts. ROUGE_L: one longest common subsequence over all
 * tokens, newlines ignored. ROUGE_LSUM: sentences are lines; per reference sentence the union of
 * its LCS positions over the prediction's, each token counted while both sides have some left. */
enum { ROUGE_L = -1, ROUGE_LSUM = -2, ROUGE_ORDER_MAX = 9 };
rouge_score rouge(slice reference, slice prediction, int order, bool stem);
/* The reference with the highest F (the first on ties) gives the score: rouge_score's
 * score_multi. n >= 1. */
rouge_score rouge_multi(const slice *references, int64_t n, slice prediction, int order, bool stem);

/* rows of the metric table: F; the row's order says which ROUGE, its options whether to stem and
 * what becomes of several references */
void rouge_sign(const metric *m, int64_t n_refs, str *out);
void rouge_item(const metric *m, const metric_input *in, double *stats);
#endif
