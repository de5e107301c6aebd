/* The emulator's threads: one fiber each, on one thread of the machine, changing only where CUDA
 * threads wait. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "kernels/cuda/emulator/emulate_memory.h"

enum { WARP = 32, WARPGROUP = 128, MOST_THREADS = 1024, MOST_BYTES = 32, MOST_BLOCKS = 2, STACK = 32 << 10 };
static constexpr int GUARD = 256, GUARD_BYTE = 0xa5; /* behind dynamic shared memory */

dim3 threadIdx, blockIdx, blockDim, gridDim;

typedef struct {
    void *at[5]; /* where it stopped, for __builtin_longjmp */
    dim3  index, block;
    bool  alive;
} fiber;

/* Threads that wait for each other: a block or a warp. The last to arrive releases all. */
typedef struct {
    unsigned alive, arrived, round;
} gathering;

static struct {
    const char                  *kernel;
    const std::function<void()> *thread;
    fiber                        fibers[MOST_THREADS];
    /* count: of a cluster; step: +1 or -1, the order in which threads run */
    int made, count, current, step;
    /* threads of a block, blocks of a cluster, which run together */
    int       of_block, cluster;
    gathering whole, blocks[MOST_BLOCKS], warps[MOST_THREADS / WARP], warpgroups[MOST_THREADS / WARPGROUP];
    /* values of this exchange and of the next; no thread is two ahead */
    unsigned char values[2][MOST_THREADS][MOST_BYTES];
    /* how many exchanges each thread has reached */
    unsigned exchanges[MOST_THREADS];
    int      any[MOST_BLOCKS];
    bool     warp_by_warp;
    /* has a block reached into another of its cluster since their last common barrier? */
    bool    reached;
    int64_t shared_bytes;
    /* idle: switches of fiber since any thread made progress */
    unsigned   idle, launches;
    void      *host[5];
    ucontext_t host_first;
} run;

extern unsigned char __start_emulated_shared[], __stop_emulated_shared[];
alignas(1024) static unsigned char dynamic_shared_of[MOST_BLOCKS][(EMULATE_SHARED_BYTES + GUARD + 1023) / 1024 * 1024];

int            emulate_cluster_rank(void) { return run.current / run.of_block; }
unsigned char *emulate_shared_of(int rank)
{
    if (rank < 0 || rank >= run.cluster) emulate_stop("reaches for a block that its cluster does not have");
    if (run.blocks[rank].alive == 0) emulate_stop("reaches for a block of its cluster that has ended");
    run.reached |= rank != emulate_cluster_rank();
    return dynamic_shared_of[rank];
}
unsigned char *emulate_dynamic_shared(void) { return dynamic_shared_of[emulate_cluster_rank()]; }

void emulate_stop(const char *what)
{
    fprintf(stderr, "emulated CUDA: %s, block (%u, %u, %u), thread %u: %s\n", run.kernel, blockIdx.x, blockIdx.y,
            blockIdx.z, threadIdx.x, what);
    abort();
}

/* Switches from one fiber to another. It is hidden from AddressSanitizer, which would take the
 * jump for the end of the frames on this stack. */
__attribute__((noinline, noreturn, no_sanitize("address"))) static void jump(void **to) { __builtin_longjmp(to, 1); }
__attribute__((noinline, no_sanitize("address"))) static void           change_now(void **from, void **to)
{
    if (__builtin_setjmp(from) == 0) jump(to);
}
/* Called through a pointer: the compiler may not look inside and conclude which memory and
 * registers survive while other fibers run. */
static void (*volatile change)(void **from, void **to) = change_now;

/* The next fiber alive, in the launch's order, in this one's group of `count` fibers; this one
 * itself where there is no other. */
static int next_alive(int count)
{
    const int from = run.current;
    int       at   = from;
    do at = (at + run.step + run.count) % run.count;
    while (at != from && (!run.fibers[at].alive || at / count != from / count));
    return at;
}

/* Switches to the next fiber alive, or to the host when there is none. In a cluster one block runs
 * as far as it can before another does; in every other pair of launches a warp does. So whatever
 * a thread fails to wait for has not happened yet. */
static void leave(void)
{
    int from = run.current, at = from;
    if (run.warp_by_warp && run.idle < 2u * WARP) at = next_alive(WARP);
    if (at == from && run.cluster > 1 && run.idle < 2u * (unsigned)run.of_block) at = next_alive(run.of_block);
    if (at == from) at = next_alive(run.count);
    if (!run.fibers[at].alive) {
        change(run.fibers[from].at, run.host);
    } else if (at != from) {
        run.current = at;
        threadIdx   = run.fibers[at].index;
        blockIdx    = run.fibers[at].block;
        change(run.fibers[from].at, run.fibers[at].at);
    }
}

void emulate_pause(const char *mistake)
{
    if (run.idle++ > 4u * MOST_THREADS) emulate_stop(mistake);
    leave();
}
void emulate_progress(void) { run.idle = 0; }
bool emulate_backwards(void) { return run.step < 0; }

static void release_if_complete(gathering *g)
{
    if (g->alive == 0 || g->arrived < g->alive) return;
    g->arrived = 0;
    g->round++;
    run.idle = 0;
}

static void wait(gathering *g)
{
    unsigned round = g->round;
    g->arrived++;
    run.idle = 0;
    release_if_complete(g);
    while (g->round == round) emulate_pause("waits at a barrier that other threads never reach");
}

void __syncthreads(void) { wait(&run.blocks[emulate_cluster_rank()]); }
void emulate_cluster_sync(void)
{
    if (run.whole.arrived + 1 == run.whole.alive) run.reached = false;
    wait(&run.whole);
}
void __syncwarp(void) { wait(&run.warps[run.current / WARP]); }

void emulate_warpgroup(void (*last)(void))
{
    gathering *g = &run.warpgroups[run.current / WARPGROUP];
    if (run.current / WARPGROUP * WARPGROUP + WARPGROUP > run.count)
        emulate_stop("does what takes a warpgroup of 128 threads");
    if (g->arrived + 1 == WARPGROUP) last();
    wait(g);
}

int __syncthreads_or(int any)
{
    const int b = emulate_cluster_rank();
    wait(&run.blocks[b]);
    run.any[b] = 0;
    wait(&run.blocks[b]);
    run.any[b] |= any != 0;
    wait(&run.blocks[b]);
    return run.any[b];
}

/* Shows the warp `bytes` at value, and gives back which exchange of this thread it is. */
static unsigned show(const void *value, size_t bytes)
{
    const int me = run.current;
    if (bytes > MOST_BYTES) emulate_stop("shows its warp a value that is too large");
    const unsigned n = ++run.exchanges[me];
    memcpy(run.values[n % 2][me], value, bytes);
    wait(&run.warps[me / WARP]);
    return n;
}
/* What another thread shows in that exchange. */
static const void *shown(int thread, unsigned n)
{
    if (thread >= run.count || run.exchanges[thread] < n)
        emulate_stop("does with its warp what takes a lane that is not there");
    return run.values[n % 2][thread];
}

void emulate_exchange(void *value, size_t bytes, int mask)
{
    const unsigned n = show(value, bytes);
    memcpy(value, shown(run.current ^ mask, n), bytes);
}

void emulate_gather(const void *value, size_t bytes, const void *all[WARP])
{
    const unsigned n = show(value, bytes);
    for (int lane = 0; lane < WARP; lane++) all[lane] = shown(run.current / WARP * WARP + lane, n);
}

int emulate_thread_number(void) { return run.current; }

void emulate_check_shared(const void *p_, size_t bytes, size_t alignment)
{
    const unsigned char *p = (const unsigned char *)p_;
    if ((uintptr_t)p % alignment) emulate_stop("an address in shared memory is not aligned");
    if (p >= __start_emulated_shared && p + bytes <= __stop_emulated_shared) return;
    if (p < emulate_dynamic_shared() || p + bytes > emulate_dynamic_shared() + run.shared_bytes)
        emulate_stop("an address is not in the block's shared memory");
}

static void fiber_body(void)
{
    fiber *f = &run.fibers[run.made];
    if (__builtin_setjmp(f->at) == 0) setcontext(&run.host_first);
    for (;;) {
        (*run.thread)();
        emulate_copy_end_of_thread();
        if (run.reached) emulate_stop("ends while its cluster may reach for its block: nobody waited for all");
        const int me         = run.current;
        run.fibers[me].alive = false;
        run.idle             = 0;
        for (gathering *g : { &run.whole, &run.blocks[me / run.of_block], &run.warps[me / WARP] }) {
            g->alive--;
            release_if_complete(g);
        }
        leave();
    }
}

static void make_fibers(int count)
{
    static unsigned char *stacks = emulate_region((size_t)MOST_THREADS * STACK, PROT_READ | PROT_WRITE);
    for (; run.made < count; run.made++) {
        ucontext_t first; /* used once, to get onto the stack */
        getcontext(&first);
        first.uc_stack.ss_sp = stacks + (size_t)run.made * STACK;
        /* the tops of the stacks are spread, or all would share the same cache sets */
        first.uc_stack.ss_size = (size_t)(STACK - run.made % 64 * 320);
        first.uc_link          = NULL;
        makecontext(&first, fiber_body, 0);
        swapcontext(&run.host_first, &first);
    }
}

/* Runs the blocks of one cluster, from `first` on; without clusters that is one block. */
static void run_blocks(dim3 first)
{
    memset(__start_emulated_shared, 0xff, (size_t)(__stop_emulated_shared - __start_emulated_shared));
    for (int b = 0; b < run.cluster; b++) {
        memset(dynamic_shared_of[b], 0xff, (size_t)run.shared_bytes);
        memset(dynamic_shared_of[b] + run.shared_bytes, GUARD_BYTE, GUARD);
        run.blocks[b] = { (unsigned)run.of_block, 0, 0 };
    }
    run.whole   = { (unsigned)run.count, 0, 0 };
    run.reached = false;
    for (int w = 0; w * WARP < run.count; w++)
        run.warps[w] = { (unsigned)(run.count - w * WARP < WARP ? run.count - w * WARP : WARP), 0, 0 };
    for (int w = 0; w * WARPGROUP < run.count; w++) run.warpgroups[w] = { WARPGROUP, 0, 0 };
    for (int t = 0; t < run.count; t++) {
        const unsigned i    = (unsigned)(t % run.of_block);
        run.fibers[t].alive = true;
        run.exchanges[t]    = 0;
        run.fibers[t].index = dim3(i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y);
        run.fibers[t].block = dim3(first.x + (unsigned)(t / run.of_block), first.y, first.z);
    }
    run.current = run.step > 0 ? 0 : run.count - 1;
    threadIdx   = run.fibers[run.current].index;
    blockIdx    = run.fibers[run.current].block;
    change(run.host, run.fibers[run.current].at);
    emulate_hopper_end();
    for (int b = 0; b < run.cluster; b++)
        for (int i = 0; i < GUARD; i++)
            if (dynamic_shared_of[b][run.shared_bytes + i] != GUARD_BYTE)
                emulate_stop("wrote past its dynamic shared memory");
    for (unsigned char *p = __start_emulated_shared; run.cluster > 1 && p < __stop_emulated_shared; p++)
        if (*p != 0xff) emulate_stop("has static shared memory in a cluster, which is not emulated");
}

static void run_grid(const char *name, dim3 grid, dim3 block, int64_t shared_bytes, int cluster,
                     const std::function<void()> &thread)
{
    int64_t blocks   = (int64_t)grid.x * grid.y * grid.z;
    run.kernel       = name;
    run.thread       = &thread;
    run.shared_bytes = shared_bytes;
    run.of_block     = (int)(block.x * block.y * block.z);
    run.cluster      = cluster;
    run.count        = run.of_block * cluster;
    run.warp_by_warp = run.launches / 2 % 2;
    run.step         = run.launches++ % 2 ? -1 : 1;
    gridDim          = grid;
    blockDim         = block;
    if (blocks == 0 || run.count == 0 || run.count > MOST_THREADS || grid.y > 65535 || grid.z > 65535)
        emulate_stop("a grid or block no GPU would take");
    if (shared_bytes < 0 || shared_bytes > EMULATE_SHARED_BYTES) emulate_stop("more shared memory than any GPU has");
    if (cluster > 1 && (cluster > MOST_BLOCKS || grid.x % (unsigned)cluster || run.of_block % WARPGROUP))
        emulate_stop("a cluster that does not divide its grid, or is not emulated");
    make_fibers(run.count);
    emulate_memory_open();
    for (int64_t i = 0; i < blocks / cluster; i++) {
        int64_t b = (run.step > 0 ? i : blocks / cluster - 1 - i) * cluster;
        run_blocks(dim3((unsigned)(b % grid.x), (unsigned)(b / grid.x % grid.y), (unsigned)(b / grid.x / grid.y)));
    }
}

/* A fault that a rehearsal plants, TIEBREAK_EMULATE_FAULT=KIND:KERNEL, in place of the kernel's
 * work. */
static void planted_fault(const char *name)
{
    static const char *const fault = getenv("TIEBREAK_EMULATE_FAULT");
    const char *const        colon = fault ? strchr(fault, ':') : NULL;
    if (!colon || strcmp(colon + 1, name)) return;
    if (!strncmp(fault, "crash:", 6)) abort();
    if (!strncmp(fault, "lost:", 5)) emulate_lose_device();
    while (!strncmp(fault, "hang:", 5)) pause();
}

static int cluster_of_next = 1;
void       emulate_cluster(int blocks) { cluster_of_next = blocks; }

void emulate_run(const char *name, dim3 grid, dim3 block, int64_t shared_bytes, const std::function<void()> &thread,
                 const std::function<void()> &check)
{
    const int cluster = cluster_of_next;
    cluster_of_next   = 1;
    check();
    const auto run = [=] {
        check();
        planted_fault(name);
        run_grid(name, grid, block, shared_bytes, cluster, thread);
    };
    emulate_launched(emulate_enqueue(run, cudaGraphNodeTypeKernel));
}
