/* rope: rotary position embedding (Su et al. 2021) in Llama's rotate-half layout, in place.
 *
 *   (x_i, x_{i+h}) -> (x_i c_i - x_{i+h} s_i, x_{i+h} c_i + x_i s_i)   for i < h = head_dim / 2
 *
 * of each head. table [any, head_dim] has the cosines in the first half of a row and the sines in
 * the second; pos [n] says which row is whose. inverse: the transpose, which the backward needs. */
#ifndef TIEBREAK_KERNELS_ROPE_H
#define TIEBREAK_KERNELS_ROPE_H
#include <stdbool.h>
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t n, heads, head_dim; /* rows, heads of a row, values of a head that are turned */
    int64_t ldx;                /* row stride of x */
    int64_t ldh; /* from one head to the next: more than head_dim where only a head's first part is turned */
} rope_dims;
static inline rope_dims rope_strides(rope_dims d)
{
    if (!d.ldh) d.ldh = d.head_dim;
    if (!d.ldx) d.ldx = d.heads * d.ldh;
    return d;
}

typedef void rope_op(const backend *be, real *x, const int32_t *pos, const param *table, rope_dims d, bool inverse);
#endif
