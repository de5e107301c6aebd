/* What Hopper (compute capability 9.0, built for sm_90a) has beyond other GPUs, one instruction
 * a function: copies of boxes of a matrix into shared memory by the tensor memory accelerator
 * (TMA), barriers in shared memory that count bytes, and products of a warpgroup (WGMMA).
 *
 *     if (thread == 0) mbarrier_init(&full, 1);
 *     mbarrier_init_fence(); __syncthreads();
 *     producer   mbarrier_expect(&full, bytes); tma_load(tile, &map, &full, column, row);
 *     consumers  mbarrier_wait(&full, 0); wgmma_fence(); wgmma<false>(sum, a, b, add);
 *                wgmma_commit(); wgmma_finish(sum);
 *
 * Names in quotes are sections of NVIDIA's "PTX ISA". On the host,
 * kernels/cuda/emulator/emulate_hopper.h has the same functions with the same layouts; there their
 * effects come as early or as late as the hardware allows.
 *
 * For other GPUs the kernel is empty: its body stands in #if HOPPER_CODE, and hopper_refuses() is
 * asked before it is launched. */
#ifndef TIEBREAK_KERNELS_CUDA_HOPPER_H
#define TIEBREAK_KERNELS_CUDA_HOPPER_H
#include "kernels/cuda/mma.h"

#ifdef __CUDACC__
#include <cuda.h> /* types of tensor maps; the one function is asked for at run time */
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define HOPPER_CODE 1
#else
#define HOPPER_CODE 0
#endif
#else
#include "kernels/cuda/emulator/emulate_hopper.h"
#define __grid_constant__
#define HOPPER_CODE 1
#endif

static constexpr int WARPGROUP = 128; /* threads */

/* Rows of shared memory that TMA writes and WGMMA reads: 128 bytes, of which 16-byte chunk c of
 * row i lies where chunk c ^ i % 8 would ("128B swizzle"; bits 4..6 of the address are xored
 * with bits 7..9, so tiles start at multiples of 1024). */
static constexpr int SWIZZLE_ROW = 128, SWIZZLE_ATOM = 1024;

/* Describes a bf16 matrix [rows, cols] with row stride ld, from which boxes of [box_rows, box_cols]
 * are copied, or to which; box_cols * 2 <= SWIZZLE_ROW. The part of a box outside the matrix
 * arrives as zeros, and its bytes are counted too. base and the stride have to be multiples of 16
 * bytes. False after an error. */
bool tensor_map(CUtensorMap *map, const void *base, int64_t rows, int64_t cols, int64_t ld, int box_rows, int box_cols);
/* NULL, or why a kernel with HOPPER_CODE cannot run: the GPU is another one, or the library was not
 * built for it. In the second case `kernel` is empty, which shows in its registers: a kernel with
 * a body has to use at least 64. */
const char *hopper_refuses(const void *kernel);

#ifdef __CUDACC__
/* "Parallel Synchronization and Communication Instructions: mbarrier". A phase ends when as many
 * arrived as `count` says, and as many bytes came as were expected; wait returns when the phase
 * of this parity has ended. The first phase's parity is 0; the phase before it, of parity 1,
 * counts as ended. */
static __device__ inline void mbarrier_init(uint64_t *b, uint32_t count)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(count) : "memory");
}
/* Makes initialized barriers visible to TMA, whose accesses go through the async proxy. Other
 * threads need a barrier as well. */
static __device__ inline void mbarrier_init_fence(void)
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
/* Arrives, and expects bytes of this phase. */
static __device__ inline void mbarrier_expect(uint64_t *b, uint32_t bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes)
                 : "memory");
}
static __device__ inline void mbarrier_arrive(uint64_t *b)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}
static __device__ inline void mbarrier_wait(uint64_t *b, uint32_t parity)
{
    uint32_t done = 0;
    while (!done) /* try_wait suspends the thread for a while by itself */
        asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.b32 %0, 1, 0, p; }"
                     : "=r"(done)
                     : "r"(shared_address(b)), "r"(parity)
                     : "memory");
}

/* "Data Movement and Conversion Instructions: cp.async.bulk.tensor": the box whose first element
 * is [row, column] to `to`, whose bytes count on b. One thread does it. The map lies in a
 * kernel's parameters (__grid_constant__). */
static __device__ inline void tma_load(void *to, const CUtensorMap *map, uint64_t *b, int column, int row)
{
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
            shared_address(to)),
        "l"((uint64_t)map), "r"(shared_address(b)), "r"(column), "r"(row)
        : "memory");
}
/* The same to the same place in every block of the cluster whose bit is set in `blocks`; the
 * bytes count on each one's own b. */
static __device__ inline void tma_load_to(void *to, const CUtensorMap *map, uint64_t *b, int column, int row,
                                          uint16_t blocks)
{
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::
            "r"(shared_address(to)),
        "l"((uint64_t)map), "r"(shared_address(b)), "r"(column), "r"(row), "h"(blocks)
        : "memory");
}
/* Stores of boxes, "cp.async.bulk.tensor", "commit_group" and "wait_group" of bulk copies: the box
 * at `from`, swizzled as it would be brought, to where its first element is [row, column]. What
 * lies outside of the matrix is not written. Before it each thread that wrote the box says so by
 * async_fence, and they meet. A thread's stores since its last commit are a group; the wait returns
 * when at most the latest LEFT groups may still read shared memory. No block may end before its
 * stores have read. */
static __device__ inline void async_fence(void) { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
static __device__ inline void tma_store(const CUtensorMap *map, const void *from, int column, int row)
{
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"((uint64_t)map),
                 "r"(shared_address(from)), "r"(column), "r"(row)
                 : "memory");
}
static __device__ inline void tma_store_commit(void) { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
template <int LEFT> static __device__ inline void tma_store_wait(void)
{
    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(LEFT) : "memory");
}
static __device__ inline void tma_prefetch(const CUtensorMap *map)
{
    asm volatile("prefetch.tensormap [%0];" ::"l"((uint64_t)map) : "memory");
}

/* Clusters of blocks along x. No block may reach into another before that one has initialized its
 * barriers, or after it has ended; cluster_sync makes sure of both. "Parallel Synchronization and
 * Communication Instructions: barrier.cluster", with its default, release and acquire. */
static __device__ inline int cluster_rank(void)
{
    uint32_t rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return (int)rank;
}
static __device__ inline void cluster_sync(void)
{
    asm volatile("barrier.cluster.arrive;" ::: "memory");
    asm volatile("barrier.cluster.wait;" ::: "memory");
}
/* The same place in another block's shared memory. */
template <class E> static __device__ inline E *cluster_at(E *p, int rank)
{
    uint64_t to;
    asm("mapa.u64 %0, %1, %2;" : "=l"(to) : "l"((uint64_t)p), "r"(rank));
    return (E *)to;
}
/* Arrives at the barrier in the same place of another block: a releasing arrival of the block's
 * own scope, the default. So it makes nobody outside of the block see what this thread wrote, and
 * whoever wants that has to fence. A stage that was read by products needs none: the products have
 * ended before the arrival (wgmma_wait), nothing was written that had to be seen, and what the
 * other block's TMA writes next waits for the barrier itself. `.release.cluster` would make it a
 * memory barrier of the whole GPU in every step (MEMBAR.ALL.GPU). */
static __device__ inline void mbarrier_arrive_at(uint64_t *b, int rank)
{
    asm volatile(
        "{ .reg .b32 there; mapa.shared::cluster.u32 there, %0, %1; mbarrier.arrive.shared::cluster.b64 _, [there]; }" ::
            "r"(shared_address(b)),
        "r"(rank)
        : "memory");
}

/* "Miscellaneous Instructions: setmaxnreg": by all threads of a warpgroup. */
template <int COUNT> static __device__ inline void registers_give(void)
{
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT));
}
template <int COUNT> static __device__ inline void registers_take(void)
{
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT));
}

/* "Asynchronous Warpgroup Level Matrix Instructions": by all threads of a warpgroup. Between the
 * first product and the wait nothing may touch its sums. */
static __device__ inline void wgmma_fence(void) { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
static __device__ inline void wgmma_commit(void) { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/* Waits until at most LEFT groups are under way. The others have read their tiles by then. */
template <int LEFT> static __device__ inline void wgmma_wait(void)
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}
/* Waits until all products are done. The compiler may not move reads of the sums ahead of this. */
template <int COUNT> static __device__ inline void wgmma_finish(float (&d)[COUNT])
{
    wgmma_wait<0>();
#pragma unroll
    for (int i = 0; i < COUNT; i++) asm volatile("" : "+f"(d[i])::"memory");
}

/* d [64, N] = A [64, 16] B [16, N], or += if `add`, bf16 to f32. A is K-major, B K-major or
 * N-major; both are descriptors of wgmma_tile. By "Register Fragments for
 * wgmma.mma_async.m64nNk16", thread t's sum d[4 j + 2 i + c] is row 16 (t / 32) + t % 32 / 4 + 8 i,
 * column 8 j + 2 (t % 4) + c. */
#define ACC_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define ACC_16(d, i) ACC_4(d, i), ACC_4(d, i + 4), ACC_4(d, i + 8), ACC_4(d, i + 12)
/* clang-format off */
template <bool B_N_MAJOR> static __device__ inline void wgmma(float (&d)[128], uint64_t a, uint64_t b, int add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %130, 0; wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
                 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"
                 "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"
                 "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"
                 "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,"
                 "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
                 "}, %128, %129, p, 1, 1, 0, %131; }"
                 : ACC_16(d, 0), ACC_16(d, 16), ACC_16(d, 32), ACC_16(d, 48), ACC_16(d, 64), ACC_16(d, 80),
                   ACC_16(d, 96), ACC_16(d, 112)
                 : "l"(a), "l"(b), "r"(add), "n"(B_N_MAJOR ? 1 : 0)
                 : "memory");
}
template <bool B_N_MAJOR> static __device__ inline void wgmma(float (&d)[64], uint64_t a, uint64_t b, int add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %66, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
                 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
                 "}, %64, %65, p, 1, 1, 0, %67; }"
                 : ACC_16(d, 0), ACC_16(d, 16), ACC_16(d, 32), ACC_16(d, 48)
                 : "l"(a), "l"(b), "r"(add), "n"(B_N_MAJOR ? 1 : 0)
                 : "memory");
}
template <bool B_N_MAJOR> static __device__ inline void wgmma(float (&d)[32], uint64_t a, uint64_t b, int add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
                 "}, %32, %33, p, 1, 1, 0, %35; }"
                 : ACC_16(d, 0), ACC_16(d, 16)
                 : "l"(a), "l"(b), "r"(add), "n"(B_N_MAJOR ? 1 : 0)
                 : "memory");
}
template <bool B_N_MAJOR> static __device__ inline void wgmma(float (&d)[16], uint64_t a, uint64_t b, int add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %18, 0; wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
                 "}, %16, %17, p, 1, 1, 0, %19; }"
                 : ACC_16(d, 0)
                 : "l"(a), "l"(b), "r"(add), "n"(B_N_MAJOR ? 1 : 0)
                 : "memory");
}
template <bool B_N_MAJOR> static __device__ inline void wgmma(float (&d)[8], uint64_t a, uint64_t b, int add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %10, 0; wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7"
                 "}, %8, %9, p, 1, 1, 0, %11; }"
                 : ACC_4(d, 0), ACC_4(d, 4)
                 : "l"(a), "l"(b), "r"(add), "n"(B_N_MAJOR ? 1 : 0)
                 : "memory");
}
/* clang-format on */
#endif

/* A matrix descriptor, "Matrix Descriptor Format" and "Shared Memory Matrix Layout", with 128B
 * swizzle:
 *   bits 0-13    address             bits 16-29   leading offset
 *   bits 32-45   stride offset       these three in units of 16 bytes
 *   bits 49-51   base offset, 0 as tiles start at multiples of SWIZZLE_ATOM
 *   bits 62-63   swizzle, 1
 * K-major: rows of 64 elements of k lie one below the other. `stride` leads from 8 rows to the next
 * 8; `leading` is not used. The next 16 of k lie 32 bytes further.
 * N-major: there is a row of 64 elements of n for each k. `stride` leads from 8 k to the next 8,
 * `leading` from 64 n to the next 64. The next 16 of k lie 2 * SWIZZLE_ATOM further. */
static __device__ inline uint64_t wgmma_tile(const void *tile, uint32_t leading, uint32_t stride)
{
    return (uint64_t)(shared_address(tile) >> 4 & 0x3fff) | (uint64_t)(leading >> 4 & 0x3fff) << 16 |
           (uint64_t)(stride >> 4 & 0x3fff) << 32 | (uint64_t)1 << 62;
}
#endif
