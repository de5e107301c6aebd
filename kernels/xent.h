/* xent: cross-entropy over rows of logits [n, vocab] with targets [n]. Target -1 asks for nothing.
 *
 *   xent_fwd   nll[i] = logsumexp(row i) - row i[target i], 0 for target -1; best[i] = argmax of
 *              row i, the first of equals. best may be NULL. nll is f64, on the device
 *   xent_bwd   in place: logits become (softmax(logits) - onehot(target)) scale, and 0 for target
 *              -1. nll is as in xent_fwd, to the bit, or NULL: training wants both, and rows of
 *              logits are long
 *
 * The gradient is of the working type, as the products take it. Where that is smaller than the
 * logits', a row of the gradient begins where the row of logits did, in a stride of wide_ld reals
 * (kernels/backend.h), and what follows it in the stride means nothing. */
#ifndef TIEBREAK_KERNELS_XENT_H
#define TIEBREAK_KERNELS_XENT_H
#include <stdint.h>

#include "kernels/real.h"

typedef void xent_fwd_op(const backend *be, double *nll, int32_t *best, const param *logits, const int32_t *targets,
                         int64_t n, int64_t vocab);
typedef void xent_bwd_op(const backend *be, param *logits, double *nll, const int32_t *targets, int64_t n,
                         int64_t vocab, double scale);
#endif
