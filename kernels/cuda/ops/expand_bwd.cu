/* expand's backward on the GPU: two launches for a list of any length, one where only A, B and v
 * are trained. Contract: kernels/expand.h.
 *
 * The work is listed by gradient instead of by job. Each gradient array is one task that knows the
 * jobs that add to it. An element belongs to one thread (or to the lanes that share a row), which
 * adds what the jobs give in job order. So there are no atomics, and the bits are the same every
 * run. With untied factors every task has one job.
 *
 * du and dR have few elements, too few to fill a GPU, and each is a sum over all outputs. There a
 * job's outputs are cut into runs of PART_ROWS. Each run's sum goes to memory of its own, and a
 * second launch adds the runs in order. */
#include <stdlib.h>

#include "kernels/cuda/ops/expand.h"

static constexpr int SIDE = 16, MOST_COLUMNS = 256;
/* R_BLOCKS: about so many blocks do the dR of a job, more only where its tiles are more. */
static constexpr int64_t PART_ROWS = 256, R_BLOCKS = 32;

/* One job whose gradient a task adds. Where that is a sum over outputs, `runs` says how many runs
 * it has, whose sums begin at parts[at]. */
typedef struct {
    int     job, runs;
    int64_t at;
} expand_source;

enum { GRAD_A, GRAD_B, GRAD_V, GRAD_R, GRAD_U, GRADS };

/* One gradient array and what adds to it: sources[first .. first+count-1]. For dR and du a task of
 * the first launch is the runs of one source, and a task of the second is the array. */
typedef struct {
    int     kind, first, count;
    int64_t r, in, out; /* the largest of its jobs; only in dA may r differ */
} expand_task;

/* Elements of dR or du. */
static __host__ __device__ inline int64_t size_of(const expand_task *t)
{
    return t->kind == GRAD_R ? t->r * t->r : t->r;
}

typedef struct {
    const expand_job    *jobs;
    const expand_source *sources;
    float               *parts;
} expand_lists;

/* dA_ji += dAp_ji: a thread four of a row */
static __device__ void grad_A(const expand_lists &l, const expand_task &task, int64_t block)
{
    const expand_source *mine    = l.sources + task.first;
    const expand_job    &one     = l.jobs[mine[0].job]; /* dA and its stride are every source's */
    const int64_t        vectors = (task.in + VEC - 1) / VEC;
    int64_t              j, i;
    place_of(block * THREADS + threadIdx.x, vectors, &j, &i);
    i *= VEC;
    if (j >= task.r) return;
    float     *to   = (float *)one.dA + j * one.lda + i;
    const bool fits = vec_fits<VEC>((float *)one.dA, one.lda);
    floats4    sum  = vec_load<VEC>(to, task.in - i, fits);
    for (int t = 0; t < task.count; t++) {
        const expand_job &e = l.jobs[mine[t].job];
        if (j >= e.r) continue;
        const floats4 g = vec_load<VEC>(floats(e.dAp) + j * e.in + i, e.in - i, vec_fits<VEC>(floats(e.dAp), e.in));
        for (int k = 0; k < VEC; k++) sum.x[k] += g.x[k];
    }
    vec_store<VEC>(to, sum, task.in - i, fits);
}

/* sum_j G_nj u_j R_kj */
static __device__ float mixed_back(const expand_job &e, int64_t n, int64_t k)
{
    const float *G = floats(e.dBp) + n * e.r, *R = floats(e.R) + k * e.r;
    float        sum = 0;
    for (int64_t j = 0; j < e.r; j++) sum += G[j] * factor_u(e, j) * R[j];
    return sum;
}

/* dB_nk += s v_n sum_j G_nj u_j R_kj: a thread four elements as they lie */
static __device__ void grad_B(const expand_lists &l, const expand_task &task, int64_t block)
{
    const expand_source *mine = l.sources + task.first;
    const int64_t        r = task.r, most = task.out * r, at = (block * THREADS + threadIdx.x) * VEC;
    int64_t              n0, k0;
    if (at >= most) return;
    place_of(at, r, &n0, &k0);
    float     *to   = (float *)l.jobs[mine[0].job].dB + at;
    const bool fits = vec_fits<VEC>(to - at, 0);
    floats4    sum  = vec_load<VEC>(to, most - at, fits);
    for (int t = 0; t < task.count; t++) {
        const expand_job &e = l.jobs[mine[t].job];
        floats4           G = {};
        if (!e.R && at < e.out * r)
            G = vec_load<VEC>(floats(e.dBp) + at, e.out * r - at, vec_fits<VEC>(floats(e.dBp), 0));
        int64_t n = n0, k = k0;
        for (int i = 0; i < VEC && n < e.out; i++) {
            const float g = e.R ? mixed_back(e, n, k) : G.x[i] * factor_u(e, k);
            sum.x[i] += (float)e.s * factor_v(e, n) * g;
            if (++k == r) k = 0, n++;
        }
    }
    vec_store<VEC>(to, sum, most - at, fits);
}

/* Lanes of a warp that share `items`, as many as a warp has at most: a power of two. */
static __host__ __device__ int lanes_for(int64_t items)
{
    int lanes = 1;
    while (lanes < WARP && lanes < items) lanes *= 2;
    return lanes;
}
/* Lanes that share a row of r, four elements each. */
static __host__ __device__ int lanes_of(int64_t r) { return lanes_for((r + VEC - 1) / VEC); }

/* dv_n += s sum_j u_j (BR)_nj G_nj: some lanes of a warp an element */
static __device__ void grad_v(const expand_lists &l, const expand_task &task, int64_t block)
{
    const expand_source *mine  = l.sources + task.first;
    const int            lanes = lanes_of(task.r), lane = (int)threadIdx.x % lanes;
    const int64_t        n = block * (THREADS / lanes) + threadIdx.x / lanes;
    for (int t = 0; t < task.count; t++) {
        const expand_job &e    = l.jobs[mine[t].job];
        const bool        fits = vec_fits<VEC>(floats(e.B), e.r) && vec_fits<VEC>(floats(e.dBp), e.r);
        float             sum  = 0;
        for (int64_t j = lane * VEC; n < e.out && j < e.r; j += lanes * VEC) {
            const floats4 B = vec_BR(e, n, j, fits), G = vec_load<VEC>(floats(e.dBp) + n * e.r + j, e.r - j, fits);
            for (int i = 0; i < VEC; i++)
                if (j + i < e.r) sum += factor_u(e, j + i) * B.x[i] * G.x[i];
        }
        for (int step = lanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, step);
        if (lane == 0 && n < e.out) ((float *)e.dv)[n] += (float)e.s * sum;
    }
}

static __host__ __device__ int64_t tiles_of(int64_t r) { return (r + SIDE - 1) / SIDE * ((r + SIDE - 1) / SIDE); }

/* Sum over a run of rows of B_nk v_n G_nj: a thread does an element of a SIDE x SIDE tile. */
static __device__ void part_R(const expand_lists &l, const expand_source &source, int64_t block)
{
    const expand_job &e    = l.jobs[source.job];
    const int64_t     side = (e.r + SIDE - 1) / SIDE, run = block / tiles_of(e.r), tile = block % tiles_of(e.r);
    const int64_t     k = tile / side * SIDE + threadIdx.x / SIDE, j = tile % side * SIDE + threadIdx.x % SIDE;
    const int64_t rows = (e.out + source.runs - 1) / source.runs, first = run * rows, last = min(e.out, first + rows);
    if (k >= e.r || j >= e.r) return;
    const float *B = floats(e.B) + k, *G = floats(e.dBp) + j;
    float        sum = 0;
    for (int64_t n = first; n < last; n++) sum += B[n * e.r] * factor_v(e, n) * G[n * e.r];
    l.parts[source.at + run * e.r * e.r + k * e.r + j] = sum;
}

/* Sum over a run of rows of v_n (BR)_nj G_nj: a block does MOST_COLUMNS columns, a thread four of
 * them in every lanes-th row. */
static __device__ void part_u(const expand_lists &l, const expand_source &source, int64_t block)
{
    __shared__ float  shared[THREADS * VEC];
    const expand_job &e     = l.jobs[source.job];
    const int64_t     tiles = (e.r + MOST_COLUMNS - 1) / MOST_COLUMNS, run = block / tiles,
                  j0  = block % tiles * MOST_COLUMNS;
    const int columns = (int)min((int64_t)MOST_COLUMNS, e.r - j0), vectors = (columns + VEC - 1) / VEC,
              lanes    = THREADS / vectors;
    const int     lane = (int)threadIdx.x / vectors, column = (int)threadIdx.x % vectors * VEC;
    const int64_t first = run * PART_ROWS, last = min(e.out, first + PART_ROWS), j = j0 + column;
    const bool    fits = vec_fits<VEC>(floats(e.B), e.r) && vec_fits<VEC>(floats(e.dBp), e.r);
    floats4       sum  = {};
    for (int64_t n = first + lane; lane < lanes && n < last; n += lanes) {
        const floats4 B = vec_BR(e, n, j, fits), G = vec_load<VEC>(floats(e.dBp) + n * e.r + j, e.r - j, fits);
        const float   v = factor_v(e, n);
        for (int i = 0; i < VEC; i++) sum.x[i] += v * B.x[i] * G.x[i];
    }
    for (int i = 0; i < VEC && lane < lanes; i++) shared[lane * vectors * VEC + column + i] = sum.x[i];
    __syncthreads();
    for (int c = (int)threadIdx.x; c < columns; c += THREADS) {
        float all = 0;
        for (int i = 0; i < lanes; i++) all += shared[i * vectors * VEC + c];
        l.parts[source.at + run * e.r + j0 + c] = all;
    }
}

KERNEL __launch_bounds__(THREADS)
    expand_bwd_kernel(expand_lists l, const expand_task *tasks, const int64_t *first_block, int count)
{
    const int         i     = part_of_block(first_block, count, blockIdx.x);
    const expand_task task  = tasks[i];
    const int64_t     block = blockIdx.x - first_block[i];
    if (task.kind == GRAD_A) grad_A(l, task, block);
    if (task.kind == GRAD_B) grad_B(l, task, block);
    if (task.kind == GRAD_V) grad_v(l, task, block);
    if (task.kind == GRAD_R) part_R(l, l.sources[task.first], block);
    if (task.kind == GRAD_U) part_u(l, l.sources[task.first], block);
}

/* du_j += s sum of its runs,  dR_kj += s u_j sum of its runs. Some lanes of a warp share an
 * element: each adds up the runs of some jobs, and the results are added in job order. One thread
 * alone would add thousands of runs where all jobs share one array. */
KERNEL __launch_bounds__(THREADS)
    expand_add_kernel(expand_lists l, const expand_task *tasks, const int64_t *first_block, int count)
{
    const int            i     = part_of_block(first_block, count, blockIdx.x);
    const expand_task    task  = tasks[i];
    const expand_source *mine  = l.sources + task.first;
    const bool           is_R  = task.kind == GRAD_R;
    const int            lanes = lanes_for(task.count), lane = (int)threadIdx.x % lanes;
    const int64_t at = (blockIdx.x - first_block[i]) * (THREADS / lanes) + threadIdx.x / lanes, size = size_of(&task);
    float *to = (float *)(is_R ? l.jobs[mine[0].job].dR : l.jobs[mine[0].job].du) + at, total = at < size ? *to : 0;
    for (int t0 = 0; t0 < task.count; t0 += lanes) {
        const int t    = t0 + lane;
        float     gain = 0;
        if (t < task.count && at < size) {
            const expand_job &e   = l.jobs[mine[t].job];
            const float      *run = l.parts + mine[t].at + at;
            float             sum = 0;
            for (int k = 0; k < mine[t].runs; k++) sum += run[k * size];
            gain = (float)e.s * (is_R ? factor_u(e, at % task.r) : 1) * sum;
        }
        for (int k = 0; k < lanes; k++) { /* all lanes of the warp are here */
            const float next = __shfl_sync(ALL_LANES, gain, k, lanes);
            if (t0 + k < task.count) total += next;
        }
    }
    if (lane == 0 && at < size) *to = total;
}

/* --- the lists, on the host */

static param *gradient(const expand_job *e, int kind)
{
    param *const all[GRADS] = { e->dA, e->dB, e->dv, e->dR, e->du };
    return e->r > 0 ? all[kind] : NULL;
}

static int runs_of(const expand_job *e, int kind)
{
    const int64_t most   = blocks_of(e->out, PART_ROWS),
                  wanted = R_BLOCKS / tiles_of(e->r) > 1 ? R_BLOCKS / tiles_of(e->r) : 1;
    return (int)(kind == GRAD_U || most < wanted ? most : wanted);
}

/* Blocks of a task in the first launch. runs: those of its one job, in dR and du. */
static int64_t blocks_for(const expand_task *t, int runs)
{
    const int64_t all[GRADS] = { blocks_of(t->r * blocks_of(t->in, VEC), THREADS),
                                 blocks_of(t->out * t->r, VEC * THREADS), blocks_of(t->out, THREADS / lanes_of(t->r)),
                                 runs * tiles_of(t->r), runs * blocks_of(t->r, MOST_COLUMNS) };
    return all[t->kind];
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

/* Tasks of one launch. */
typedef struct {
    int64_t      count, blocks;
    int64_t     *first_block;
    expand_task *tasks;
} stage;

/* The lists of a backward, in one block of memory that is sent as it is. Each stage has at most
 * GRADS tasks for a job, and there are at most as many sources. */
typedef struct {
    int64_t        bytes, n_sources, parts;
    char          *list;
    stage          first, add;
    expand_source *sources;
    target        *targets; /* those of one kind at a time; not sent */
} plan;

static plan plan_new(const expand_job *jobs, int64_t count)
{
    const int64_t most = GRADS * count, at_first = count * (int64_t)sizeof *jobs,
                  at_tasks   = at_first + 2 * most * (int64_t)sizeof(int64_t),
                  at_sources = at_tasks + 2 * most * (int64_t)sizeof(expand_task);
    plan p                   = {};
    p.bytes                  = at_sources + most * (int64_t)sizeof(expand_source);
    p.list                   = (char *)cuda_list(p.bytes + count * (int64_t)sizeof *p.targets);
    p.first.first_block      = (int64_t *)(p.list + at_first);
    p.add.first_block        = p.first.first_block + most;
    p.first.tasks            = (expand_task *)(p.list + at_tasks);
    p.add.tasks              = p.first.tasks + most;
    p.sources                = (expand_source *)(p.list + at_sources);
    p.targets                = (target *)(p.list + p.bytes);
    memcpy(p.list, jobs, (size_t)at_first);
    return p;
}

static void add_task(stage *s, expand_task task, int64_t blocks)
{
    s->first_block[s->count] = s->blocks;
    s->tasks[s->count++]     = task;
    s->blocks += blocks;
}

static void plan_kind(plan *p, const expand_job *jobs, int64_t count, int kind)
{
    const bool in_runs = kind == GRAD_R || kind == GRAD_U;
    int64_t    n       = 0;
    for (int64_t i = 0; i < count; i++) {
        param *to = gradient(&jobs[i], kind);
        if (to) p->targets[n++] = { to, (int)i };
    }
    qsort(p->targets, (size_t)n, sizeof *p->targets, by_array_then_job);
    for (int64_t i = 0, end; i < n; i = end) {
        expand_task task = { kind, (int)p->n_sources, 0, 0, 0, 0 };
        for (end = i; end < n && p->targets[end].to == p->targets[i].to; end++) {
            const expand_job *e    = &jobs[p->targets[end].job];
            const expand_task own  = { kind, (int)p->n_sources, 1, e->r, e->in, e->out };
            const int         runs = in_runs ? runs_of(e, kind) : 0;
            if (in_runs) add_task(&p->first, own, blocks_for(&own, runs));
            p->sources[p->n_sources++] = { p->targets[end].job, runs, p->parts };
            p->parts += runs * size_of(&own);
            task.count++;
            if (e->r > task.r) task.r = e->r;
            if (e->in > task.in) task.in = e->in;
            if (e->out > task.out) task.out = e->out;
        }
        if (in_runs)
            add_task(&p->add, task, blocks_of(size_of(&task), THREADS / lanes_for(task.count)));
        else
            add_task(&p->first, task, blocks_for(&task, 0));
    }
}

void expand_bwd_cuda(const expand_job *jobs, int64_t count)
{
    if (count == 0) return;
    plan p = plan_new(jobs, count);
    for (int kind = 0; kind < GRADS; kind++) plan_kind(&p, jobs, count, kind);
    if (p.first.blocks == 0) return;
    const char        *sent = cuda_send(p.bytes);
    const expand_lists l    = { (const expand_job *)sent, (const expand_source *)(sent + ((char *)p.sources - p.list)),
                             p.parts ? (float *)cuda_scratch(SCRATCH_PARTS, p.parts * (int64_t)sizeof(float)) : NULL };
    LAUNCH(expand_bwd_kernel, (unsigned)p.first.blocks, THREADS, l,
           (const expand_task *)(sent + ((char *)p.first.tasks - p.list)),
           (const int64_t *)(sent + ((char *)p.first.first_block - p.list)), (int)p.first.count);
    if (p.add.count == 0) return;
    LAUNCH(expand_add_kernel, (unsigned)p.add.blocks, THREADS, l,
           (const expand_task *)(sent + ((char *)p.add.tasks - p.list)),
           (const int64_t *)(sent + ((char *)p.add.first_block - p.list)), (int)p.add.count);
}
