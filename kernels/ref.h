/* The reference: every op of kernels/backend.h in plain C and f64, sums in natural order. It
 * defines what the ops mean; the contracts stand in backend.h, pair.h and expand.h. Every `real
 * *` here is a `double *`. */
#ifndef TIEBREAK_KERNELS_REF_H
#define TIEBREAK_KERNELS_REF_H
#include "kernels/backend.h"

void linear_fwd_ref(real *y, const real *x, const real *W, const real *bias, linear_dims d, bool accumulate);
void linear_bwd_x_ref(real *dx, const real *dy, const real *W, linear_dims d, bool accumulate);
void linear_bwd_w_ref(real *dW, real *dbias, const real *dy, const real *x, linear_dims d);

void pair_fwd_ref(real *y, real *h, const real *x, const pair_arrays *p, pair_dims d);
void pair_bwd_ref(real *dx, real *dA, real *dB, real *dh, const real *dy, const real *x, const real *h,
                  const pair_arrays *p, pair_dims d);
void expand_fwd_ref(const expand_job *jobs, int64_t count);
void expand_bwd_ref(const expand_job *jobs, int64_t count);

void rmsnorm_fwd_ref(real *y, real *rstd, const real *x, const real *g, norm_dims d, double eps);
void rmsnorm_bwd_ref(real *dx, real *dg, const real *dy, const real *x, const real *rstd, const real *g, norm_dims d);
void rope_ref(real *x, const int32_t *pos, const real *table, rope_dims d, bool inverse);

void attention_fwd_ref(real *o, real *lse, const real *q, const real *k, const real *v, const attention_span *spans,
                       int64_t n_spans, attention_dims d, double scale);
void attention_decode_ref(real *o, const real *q, const real *k, const real *v, const attention_span *spans, int64_t n,
                          int64_t kv_most, attention_dims d, double scale);
void attention_bwd_ref(real *dq, real *dk, real *dv, const real *d_o, const real *q, const real *k, const real *v,
                       const real *o, const real *lse, const attention_span *spans, int64_t n_spans, attention_dims d,
                       double scale);

void swiglu_fwd_ref(real *y, const real *gu, int64_t n, int64_t d);
void swiglu_bwd_ref(real *dgu, const real *dy, const real *gu, int64_t n, int64_t d);
void xent_fwd_ref(double *nll, int32_t *best, const real *logits, const int32_t *targets, int64_t n, int64_t vocab);
void xent_bwd_ref(real *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale);

void   gather_rows_ref(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
void   scatter_rows_ref(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
void   best_two_ref(top_two *top, const param *logits, int64_t n, int64_t vocab);
void   scatter_add_rows_ref(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
void   add_ref(real *dst, const real *src, int64_t count);
void   scale_ref(real *x, double a, int64_t count);
double sum_squares_ref(const real *x, int64_t count);
void   adamw_ref(real *p, real *m, real *v, const real *g, int64_t count, adamw_params h);
#endif
