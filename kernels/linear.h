/* A linear's dimensions and floors: y = x W^T. The ops are in kernels/backend.h. */
#ifndef TIEBREAK_KERNELS_LINEAR_H
#define TIEBREAK_KERNELS_LINEAR_H
#include <stdint.h>

typedef struct {
    int64_t n, in, out; /* x [n, in], y [n, out], W [out, in] */
    int64_t ldx, ldy;   /* of x and dx, of y and dy */
} linear_dims;

/* Floors of each of linear's three products, as in kernels/pair.h. */
static inline double linear_flops(linear_dims d) { return 2.0 * (double)d.n * (double)d.in * (double)d.out; }
static inline double linear_bytes(linear_dims d, double elem)
{
    double n = (double)d.n, in = (double)d.in, out = (double)d.out;
    return elem * (n * in + n * out + in * out);
}
#endif
