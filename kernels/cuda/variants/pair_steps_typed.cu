/* Steps that touch the working type: the frozen linear's products, a pair's, and copies. Contract:
 * kernels/cuda/variants/steps.h. */
#include "kernels/cuda/ops/producer.h"
#include "kernels/cuda/variants/steps.h"
#include "kernels/cuda/working.h"

static constexpr cudaDataType TYPE = ELEMENT_DATA_TYPE;
static constexpr double       SIZE = sizeof(element);

void TYPED(base_forward)(adapted_walk *w, const adapted_linear *l, const void *W, bool accumulate)
{
    const double n = (double)l->n, in = (double)l->in, out = (double)l->out;
    const bool   adds = accumulate || l->bias;
    if (l->bias) adapted_step(w, 1, 0, SIZE * (out + n * out * (accumulate ? 2 : 1)));
    if (adapted_step(w, 1, 2 * n * in * out, SIZE * (n * in + in * out + n * out * (adds ? 2 : 1))))
        TYPED(linear_fwd_cuda)(l->y, l->x, (const real *)W, l->bias, adapted_dims(l), accumulate);
}

void TYPED(base_backward)(adapted_walk *w, const adapted_linear *l, const void *W, bool accumulate)
{
    step_gemm(
        w, false,
        { l->n, l->in, l->out, l->dy, l->ld_dy, PLAIN, W, l->in, PLAIN, l->dx, l->ld_dx, accumulate, TYPE, TYPE });
}

void TYPED(down)(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, void *h, int64_t ld)
{
    step_gemm(w, true,
              { l->n, a->p.r, l->in, l->x, l->ldx, PLAIN, a->p.A, a->p.lda, TRANSPOSED, h, ld, false, TYPE, TYPE });
}

void TYPED(up)(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, const void *h, int64_t ld,
               bool accumulate)
{
    step_gemm(w, true,
              { l->n, a->out, a->p.r, h, ld, PLAIN, a->p.B, a->p.ldb, TRANSPOSED, at<element>(l->y, a->at), l->ldy,
                accumulate, TYPE, TYPE });
}

void TYPED(grad_h)(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, void *dh, int64_t ld)
{
    step_gemm(w, true,
              { l->n, a->p.r, a->out, at<element>(l->dy, a->at), l->ld_dy, PLAIN, a->p.B, a->p.ldb, PLAIN, dh, ld,
                false, TYPE, TYPE });
}

void TYPED(grad_x)(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, const void *dh, int64_t ld,
                   bool accumulate)
{
    step_gemm(w, true,
              { l->n, l->in, a->p.r, dh, ld, PLAIN, a->p.A, a->p.lda, PLAIN, l->dx, l->ld_dx, accumulate, TYPE, TYPE });
}

void TYPED(grad_A)(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, const void *dh, int64_t ld)
{
    if (a->p.dA)
        step_gemm(
            w, true,
            { a->p.r, l->in, l->n, dh, ld, TRANSPOSED, l->x, l->ldx, PLAIN, a->p.dA, l->in, true, TYPE, CUDA_R_32F });
}

void TYPED(grad_B)(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, const void *h, int64_t ld)
{
    if (a->p.dB)
        step_gemm(w, true,
                  { a->out, a->p.r, l->n, at<element>(l->dy, a->at), l->ld_dy, TRANSPOSED, h, ld, PLAIN, a->p.dB,
                    a->p.r, true, TYPE, CUDA_R_32F });
}

void TYPED(produce)(adapted_walk *w, const adapted_linear *l, const shrink *list, int count)
{
    const adapted_source *s = l->source;
    const double          n = (double)l->n, in = (double)l->in;
    double                ranks = 0;
    for (int i = 0; i < count; i++) ranks += (double)list[i].r;
    if (adapted_step(w, 1, 2 * n * in * ranks, SIZE * ((s->gain ? 2 * n + 1 : 3 * n) * in + ranks * (in + n))))
        TYPED(produce_cuda)((real *)l->x, s, { l->n, l->in, 0, l->ldx }, list, count);
}

KERNEL __launch_bounds__(THREADS)
    TYPED(place_kernel)(element *to, int64_t ld_to, int64_t rows, int64_t cols, const element *from, int64_t ld_from,
                        int64_t used_rows, int64_t used_cols)
{
    int64_t i, j;
    place_of((int64_t)blockIdx.x * THREADS + threadIdx.x, cols, &i, &j);
    if (i < rows) to[i * ld_to + j] = i < used_rows && j < used_cols ? (float)from[i * ld_from + j] : 0;
}

void TYPED(place)(adapted_walk *w, step_place p)
{
    if (adapted_step(w, 1, 0, SIZE * ((double)p.rows * (double)p.cols + (double)p.used_rows * (double)p.used_cols)))
        LAUNCH(TYPED(place_kernel), blocks_of(p.rows * p.cols, THREADS), THREADS, (element *)p.to, p.ld_to, p.rows,
               p.cols, (const element *)p.from, p.ld_from, p.used_rows, p.used_cols);
}
