/* The fast CPU ops, f32: every op of kernels/backend.h. Every `real *` here is a `float *`;
 * contracts as in backend.h, pair.h and expand.h.
 *
 * Threads own whole rows, heads or blocks of fixed size, so the bits never depend on how many
 * there are. Ops are called from one thread at a time. */
#ifndef TIEBREAK_KERNELS_CPU_H
#define TIEBREAK_KERNELS_CPU_H
#include "kernels/backend.h"

void linear_fwd_cpu(real *y, const real *x, const real *W, const real *bias, linear_dims d, bool accumulate);
void linear_bwd_x_cpu(real *dx, const real *dy, const real *W, linear_dims d, bool accumulate);
void linear_bwd_w_cpu(real *dW, real *dbias, const real *dy, const real *x, linear_dims d);

void pair_fwd_cpu(real *y, real *h, const real *x, const pair_arrays *p, pair_dims d);
void pair_bwd_cpu(real *dx, real *dA, real *dB, real *dh, const real *dy, const real *x, const real *h,
                  const pair_arrays *p, pair_dims d);
void expand_fwd_cpu(const expand_job *jobs, int64_t count);
void expand_bwd_cpu(const expand_job *jobs, int64_t count);

void rmsnorm_fwd_cpu(real *y, real *rstd, const real *x, const real *g, norm_dims d, double eps);
void rmsnorm_bwd_cpu(real *dx, real *dg, const real *dy, const real *x, const real *rstd, const real *g, norm_dims d);
void rope_cpu(real *x, const int32_t *pos, const real *table, rope_dims d, bool inverse);

void attention_fwd_cpu(real *o, real *lse, const real *q, const real *k, const real *v, const attention_span *spans,
                       int64_t n_spans, attention_dims d, double scale);
void attention_decode_cpu(real *o, const real *q, const real *k, const real *v, const attention_span *spans, int64_t n,
                          int64_t kv_most, attention_dims d, double scale);
void attention_bwd_cpu(real *dq, real *dk, real *dv, const real *d_o, const real *q, const real *k, const real *v,
                       const real *o, const real *lse, const attention_span *spans, int64_t n_spans, attention_dims d,
                       double scale);

void swiglu_fwd_cpu(real *y, const real *gu, int64_t n, int64_t d);
void swiglu_bwd_cpu(real *dgu, const real *dy, const real *gu, int64_t n, int64_t d);
void xent_fwd_cpu(double *nll, int32_t *best, const real *logits, const int32_t *targets, int64_t n, int64_t vocab);
void xent_bwd_cpu(real *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale);

void   gather_rows_cpu(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
void   scatter_rows_cpu(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
void   best_two_cpu(top_two *top, const param *logits, int64_t n, int64_t vocab);
void   scatter_add_rows_cpu(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
void   add_cpu(real *dst, const real *src, int64_t count);
void   scale_cpu(real *x, double a, int64_t count);
double sum_squares_cpu(const real *x, int64_t count);
void   adamw_cpu(real *p, real *m, real *v, const real *g, int64_t count, adamw_params h);

/* Up to this many elements of light work (some 10 microseconds) one thread does it alone: waking
 * others costs more. */
enum { CPU_ALONE = 32768 };

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Scratch of the calling OpenMP thread, at least `floats` long, 64-byte aligned; kept between
 * calls, contents undefined, one use at a time. */
float *cpu_scratch(int64_t floats);
#endif
