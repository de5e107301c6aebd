/* expand on the GPU: every job of a list in one launch. Contract and formulas: kernels/expand.h.
 *
 * The backward turns the list around. Jobs that share a gradient add to it in job order, so each gradient array is one task that knows its jobs, and
 * an element of it belongs to one thread (or one warp, or one block), which adds what the jobs give, one after the other. No atomics, the same bits
 * every run, and untied factors are the case of tasks with one job each. */
#include <stdlib.h>

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.h"

static __device__ const float *floats(const param *p) { return (const float *)p; }
static __device__ float        factor_u(const expand_job &e, int64_t j) { return e.u ? floats(e.u)[j] : 1; }
static __device__ float        factor_v(const expand_job &e, int64_t n) { return e.v ? floats(e.v)[n] : 1; }

/* (B R)_nj; without R it is B_nj. */
static __device__ float product_BR(const expand_job &e, int64_t n, int64_t j)
{
    const float *B = floats(e.B) + n * e.r, *R = floats(e.R);
    if (!R) return B[j];
    float sum = 0;
    for (int64_t k = 0; k < e.r; k++) sum += B[k] * R[k * e.r + j];
    return sum;
}

/* One element of one B', of type E. */
template <class E> static __device__ void expand_element(const expand_job *jobs, const int64_t *first_block, int count)
{
    const int         i  = part_of_block(first_block, count, blockIdx.x);
    const expand_job &e  = jobs[i];
    const int64_t     at = (blockIdx.x - first_block[i]) * THREADS + threadIdx.x, n = at / e.r, j = at % e.r;
    if (n < e.out) ((E *)e.Bp)[at] = product_BR(e, n, j) * ((float)e.s * factor_v(e, n)) * factor_u(e, j);
}

KERNEL __launch_bounds__(THREADS) expand_fwd_kernel(const expand_job *jobs, const int64_t *first_block, int count)
{
    expand_element<float>(jobs, first_block, count);
}
KERNEL __launch_bounds__(THREADS) expand_fwd_kernel_bf16(const expand_job *jobs, const int64_t *first_block, int count)
{
    expand_element<bf16>(jobs, first_block, count);
}

static void expand_all(const expand_job *jobs, int64_t count, void (*expand_kernel)(const expand_job *, const int64_t *, int))
{
    if (count == 0) return;
    const int64_t at_first = count * (int64_t)sizeof *jobs, bytes = at_first + count * (int64_t)sizeof(int64_t);
    char         *list        = (char *)cuda_list(bytes);
    int64_t      *first_block = (int64_t *)(list + at_first), blocks = 0;
    memcpy(list, jobs, (size_t)at_first);
    for (int64_t i = 0; i < count; i++) {
        first_block[i] = blocks;
        blocks += blocks_of(jobs[i].out * jobs[i].r, THREADS);
    }
    if (blocks == 0) return;
    const char *sent = cuda_send(bytes);
    LAUNCH(expand_kernel, (unsigned)blocks, THREADS, (const expand_job *)sent, (const int64_t *)(sent + at_first), (int)count);
}

void expand_fwd_cuda(const expand_job *jobs, int64_t count) { expand_all(jobs, count, expand_fwd_kernel); }
void expand_fwd_cuda_bf16(const expand_job *jobs, int64_t count) { expand_all(jobs, count, expand_fwd_kernel_bf16); }

/* One gradient array and the jobs that add to it: order[first .. first+count-1]. */
typedef struct {
    int     kind, first, count;
    int64_t cols; /* of dA: the widest job's */
} expand_task;

static constexpr int COLUMNS = 32, LANES = THREADS / COLUMNS, SIDE = 16;

/* dA_ji += dAp_ji: a thread an element */
static __device__ void grad_A(const expand_job *jobs, const int *order, int count, int64_t block, int64_t cols)
{
    int64_t at = block * THREADS + threadIdx.x, j = at / cols, i = at % cols;
    for (int t = 0; t < count; t++) {
        const expand_job &e = jobs[order[t]];
        if (j < e.r && i < e.in) ((float *)e.dA)[j * e.lda + i] += floats(e.dAp)[j * e.in + i];
    }
}

/* dB_nk += s v_n sum_j G_nj u_j R_kj: a thread an element */
static __device__ void grad_B(const expand_job *jobs, const int *order, int count, int64_t block)
{
    const int64_t r = jobs[order[0]].r, at = block * THREADS + threadIdx.x, n = at / r, k = at % r;
    for (int t = 0; t < count; t++) {
        const expand_job &e = jobs[order[t]];
        if (n >= e.out) continue;
        const float *G = floats(e.dBp) + n * r, *R = floats(e.R);
        float        sum = 0;
        for (int64_t j = 0; R && j < r; j++) sum += G[j] * factor_u(e, j) * R[k * r + j];
        if (!R) sum = G[k] * factor_u(e, k);
        ((float *)e.dB)[at] += (float)e.s * factor_v(e, n) * sum;
    }
}

/* dR_kj += s u_j sum_n B_nk v_n G_nj: a thread an element of a SIDE x SIDE tile */
static __device__ void grad_R(const expand_job *jobs, const int *order, int count, int64_t block)
{
    const int64_t r = jobs[order[0]].r, tiles = (r + SIDE - 1) / SIDE;
    const int64_t k = block / tiles * SIDE + threadIdx.x / SIDE, j = block % tiles * SIDE + threadIdx.x % SIDE;
    if (k >= r || j >= r) return;
    for (int t = 0; t < count; t++) {
        const expand_job &e   = jobs[order[t]];
        float             sum = 0;
        for (int64_t n = 0; n < e.out; n++) sum += floats(e.B)[n * r + k] * factor_v(e, n) * floats(e.dBp)[n * r + j];
        ((float *)e.dR)[k * r + j] += (float)e.s * factor_u(e, j) * sum;
    }
}

/* du_j += s sum_n v_n (BR)_nj G_nj: a block COLUMNS of them, its lanes every LANES-th row */
static __device__ void grad_u(const expand_job *jobs, const int *order, int count, int64_t block)
{
    __shared__ float shared[LANES][COLUMNS];
    const int64_t    r = jobs[order[0]].r, column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS, j = block * COLUMNS + column;
    for (int t = 0; t < count; t++) {
        const expand_job &e   = jobs[order[t]];
        float             sum = 0;
        for (int64_t n = lane; j < r && n < e.out; n += LANES) sum += factor_v(e, n) * product_BR(e, n, j) * floats(e.dBp)[n * r + j];
        shared[lane][column] = sum;
        __syncthreads();
        if (lane == 0 && j < r) {
            for (int l = 1; l < LANES; l++) sum += shared[l][column];
            ((float *)e.du)[j] += (float)e.s * sum;
        }
        __syncthreads();
    }
}

/* dv_n += s sum_j u_j (BR)_nj G_nj: a warp an element */
static __device__ void grad_v(const expand_job *jobs, const int *order, int count, int64_t block)
{
    const int64_t n = block * (THREADS / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    for (int t = 0; t < count; t++) {
        const expand_job &e = jobs[order[t]];
        if (n >= e.out) continue;
        float sum = 0;
        for (int64_t j = lane; j < e.r; j += WARP) sum += factor_u(e, j) * product_BR(e, n, j) * floats(e.dBp)[n * e.r + j];
        sum = warp_sum(sum);
        if (lane == 0) ((float *)e.dv)[n] += (float)e.s * sum;
    }
}

enum { GRAD_A, GRAD_B, GRAD_R, GRAD_U, GRAD_V, GRADS };

KERNEL __launch_bounds__(THREADS)
    expand_bwd_kernel(const expand_job *jobs, const expand_task *tasks, const int64_t *first_block, const int *order, int count)
{
    const int         i     = part_of_block(first_block, count, blockIdx.x);
    const expand_task task  = tasks[i];
    const int64_t     block = blockIdx.x - first_block[i];
    const int        *mine  = order + task.first;
    if (task.kind == GRAD_A) grad_A(jobs, mine, task.count, block, task.cols);
    if (task.kind == GRAD_B) grad_B(jobs, mine, task.count, block);
    if (task.kind == GRAD_R) grad_R(jobs, mine, task.count, block);
    if (task.kind == GRAD_U) grad_u(jobs, mine, task.count, block);
    if (task.kind == GRAD_V) grad_v(jobs, mine, task.count, block);
}

static param *gradient(const expand_job *e, int kind)
{
    param *const all[GRADS] = { e->dA, e->dB, e->dR, e->du, e->dv };
    return e->r > 0 ? all[kind] : NULL;
}

/* Blocks that one job needs for a gradient. */
static int64_t blocks_for(const expand_job *e, int kind)
{
    const int64_t tiles      = (e->r + SIDE - 1) / SIDE;
    const int64_t all[GRADS] = { blocks_of(e->r * e->in, THREADS), blocks_of(e->out * e->r, THREADS), tiles * tiles, blocks_of(e->r, COLUMNS),
                                 blocks_of(e->out, THREADS / WARP) };
    return all[kind];
}

typedef struct {
    param *to;
    int    job;
} target;

static int by_array_then_job(const void *a_, const void *b_)
{
    const target *a = (const target *)a_, *b = (const target *)b_;
    if (a->to != b->to) return (uintptr_t)a->to < (uintptr_t)b->to ? -1 : 1;
    return a->job - b->job;
}

/* The lists of a backward, in one block of memory that is sent as it is: at most GRADS tasks a job, and as many entries in their order. */
typedef struct {
    int64_t      bytes, blocks, count, n_order, at_first, at_tasks, at_order;
    int64_t     *first_block;
    expand_task *tasks;
    int         *order;
    target      *targets; /* of one kind at a time; stays on the host */
} plan;

static plan plan_new(const expand_job *jobs, int64_t count)
{
    plan p     = {};
    p.at_first = count * (int64_t)sizeof *jobs;
    p.at_tasks = p.at_first + GRADS * count * (int64_t)sizeof *p.first_block;
    p.at_order = p.at_tasks + GRADS * count * (int64_t)sizeof *p.tasks;
    p.bytes    = (p.at_order + GRADS * count * (int64_t)sizeof *p.order + 7) / 8 * 8;
    char *list = (char *)cuda_list(p.bytes + count * (int64_t)sizeof *p.targets);
    memcpy(list, jobs, (size_t)p.at_first);
    p.first_block = (int64_t *)(list + p.at_first);
    p.tasks       = (expand_task *)(list + p.at_tasks);
    p.order       = (int *)(list + p.at_order);
    p.targets     = (target *)(list + p.bytes);
    return p;
}

static void plan_kind(plan *p, const expand_job *jobs, int64_t count, int kind)
{
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        param *to = gradient(&jobs[i], kind);
        if (to) p->targets[n++] = { to, (int)i };
    }
    qsort(p->targets, (size_t)n, sizeof *p->targets, by_array_then_job);
    for (int64_t i = 0, end; i < n; i = end) {
        expand_task task   = { kind, (int)p->n_order, 0, 0 };
        int64_t     blocks = 0;
        for (end = i; end < n && p->targets[end].to == p->targets[i].to; end++) {
            const expand_job *e = &jobs[p->targets[end].job];
            if (e->in > task.cols) task.cols = e->in;
            if (blocks_for(e, kind) > blocks) blocks = blocks_for(e, kind);
            p->order[p->n_order++] = p->targets[end].job;
        }
        task.count               = (int)(end - i);
        p->first_block[p->count] = p->blocks;
        p->tasks[p->count++]     = task;
        p->blocks += blocks;
    }
}

void expand_bwd_cuda(const expand_job *jobs, int64_t count)
{
    if (count == 0) return;
    plan p = plan_new(jobs, count);
    for (int kind = 0; kind < GRADS; kind++) plan_kind(&p, jobs, count, kind);
    if (p.blocks == 0) return;
    const char *sent = cuda_send(p.bytes);
    LAUNCH(expand_bwd_kernel, (unsigned)p.blocks, THREADS, (const expand_job *)sent, (const expand_task *)(sent + p.at_tasks),
           (const int64_t *)(sent + p.at_first), (const int *)(sent + p.at_order), (int)p.count);
}
