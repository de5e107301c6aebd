/* expand on the GPU: every B' of a list, and every A' that has a type of its own, in one launch.
 * Contract and formulas: kernels/expand.h. */
#include "kernels/cuda/ops/expand.h"
#include "kernels/cuda/working.h"

/* Four elements of one B', as they lie. */
static __device__ void expand_B(const expand_job &e, int64_t at)
{
    const int64_t count = e.out * e.r;
    if (at >= count) return;
    const bool        plain = !e.R;
    floats4           B     = {};
    vec<element, VEC> to    = {};
    int64_t           n, j;
    place_of(at, e.r, &n, &j);
    if (plain) B = vec_load<VEC>(floats(e.B) + at, count - at, vec_fits<VEC>(floats(e.B), 0));
    for (int i = 0; i < VEC && at + i < count; i++) {
        to.x[i] = (plain ? B.x[i] : product_BR(e, n, j)) * ((float)e.s * factor_v(e, n)) * factor_u(e, j);
        if (++j == e.r) j = 0, n++;
    }
    vec_store<VEC>((element *)e.Bp + at, to, count - at, vec_fits<VEC>((element *)e.Bp, 0));
}

/* Four elements of one A'. */
static __device__ void expand_A(const expand_job &e, int64_t at)
{
    const int64_t count = e.r * e.lda;
    if (at >= count) return;
    const floats4     A  = vec_load<VEC>(floats(e.A) + at, count - at, vec_fits<VEC>(floats(e.A), 0));
    vec<element, VEC> to = {};
    for (int i = 0; i < VEC; i++) to.x[i] = A.x[i];
    vec_store<VEC>((element *)e.Ap + at, to, count - at, vec_fits<VEC>((element *)e.Ap, 0));
}

/* A job's blocks are two parts of the list: those of B', then those of A'. */
KERNEL __launch_bounds__(THREADS)
    TYPED(expand_fwd_kernel)(const expand_job *jobs, const int64_t *first_block, int count)
{
    const int     part = part_of_block(first_block, 2 * count, blockIdx.x);
    const int64_t at   = ((blockIdx.x - first_block[part]) * THREADS + threadIdx.x) * VEC;
    if (part % 2 == 0)
        expand_B(jobs[part / 2], at);
    else
        expand_A(jobs[part / 2], at);
}

void TYPED(expand_fwd_cuda)(const expand_job *jobs, int64_t count)
{
    if (count == 0) return;
    const int64_t at_first = count * (int64_t)sizeof *jobs, bytes = at_first + 2 * count * (int64_t)sizeof(int64_t);
    char         *list        = (char *)cuda_list(bytes);
    int64_t      *first_block = (int64_t *)(list + at_first), blocks = 0;
    memcpy(list, jobs, (size_t)at_first);
    for (int64_t i = 0; i < count; i++) {
        first_block[2 * i] = blocks;
        blocks += blocks_of(jobs[i].out * jobs[i].r, VEC * THREADS);
        first_block[2 * i + 1] = blocks;
        if (jobs[i].Ap) blocks += blocks_of(jobs[i].r * jobs[i].lda, VEC * THREADS);
    }
    if (blocks == 0) return;
    const char *sent = cuda_send(bytes);
    LAUNCH(TYPED(expand_fwd_kernel), (unsigned)blocks, THREADS, (const expand_job *)sent,
           (const int64_t *)(sent + at_first), (int)count);
}
