/* Contract: kernels/cuda/emulator/emulate_hopper.h. Layouts: the sections of the PTX ISA that
 * kernels/cuda/hopper.h names. */
#include "kernels/cuda/emulator/emulate_hopper.h"

#include <deque>

#include "kernels/cuda/bf16.h"
#include "kernels/cuda/emulator/emulate_memory.h"

enum { GROUP = 128, MOST_GROUPS = 8, ROWS = 64, DEPTH = 16, MOST_COLUMNS = 256, FIRST_ADDRESS = 128 };

uint32_t shared_address(const void *p)
{
    emulate_check_shared(p, 1, 1);
    return (uint32_t)((const unsigned char *)p - emulate_dynamic_shared()) + FIRST_ADDRESS;
}

/* Where an address lies in the given block of the cluster. It is checked against the thread's own
 * block, as all blocks have the same layout. */
static unsigned char *at_address_of(int rank, uint32_t address, size_t bytes)
{
    emulate_check_shared(emulate_dynamic_shared() + (int64_t)address - FIRST_ADDRESS, bytes, 1);
    return emulate_shared_of(rank) + (int64_t)address - FIRST_ADDRESS;
}
static unsigned char *at_address(uint32_t address, size_t bytes)
{
    return at_address_of(emulate_cluster_rank(), address, bytes);
}
static uint64_t *barrier_of(int rank, const uint64_t *mine)
{
    return (uint64_t *)at_address_of(rank, shared_address(mine), 8);
}

static uint32_t swizzled(uint32_t address) { return address ^ (address >> 7 & 7) << 4; }

/* --- tensor maps, by the rules in the documentation of cuTensorMapEncodeTiled */

struct map_of_2d {
    uint64_t             magic; /* MAGIC in every map that was encoded */
    const unsigned char *base;
    uint64_t             cols, rows, stride; /* stride in bytes */
    uint32_t             box_cols, box_rows;
};
static constexpr uint64_t MAGIC = 0x7453a91cu;

static CUresult encode_tiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *base,
                             const cuuint64_t *dim, const cuuint64_t *stride, const cuuint32_t *box,
                             const cuuint32_t *step, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                             CUtensorMapL2promotion, CUtensorMapFloatOOBfill)
{
    bool ok = type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 && rank == 2 && interleave == CU_TENSOR_MAP_INTERLEAVE_NONE &&
              swizzle == CU_TENSOR_MAP_SWIZZLE_128B && (uintptr_t)map % 64 == 0 && (uintptr_t)base % 16 == 0;
    for (int i = 0; i < 2; i++)
        ok = ok && dim[i] > 0 && dim[i] <= (uint64_t)1 << 32 && box[i] > 0 && box[i] <= 256 && step[i] == 1;
    ok = ok && stride[0] % 16 == 0 && stride[0] < (uint64_t)1 << 40 && stride[0] >= 2 * dim[0] &&
         2 * box[0] % 16 == 0 && 2 * box[0] <= 128;
    if (!ok) return CUDA_ERROR_INVALID_VALUE;
    const map_of_2d m = { MAGIC, (const unsigned char *)base, dim[0], dim[1], stride[0], box[0], box[1] };
    memcpy(map->opaque, &m, sizeof m);
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult *found)
{
    *found    = strcmp(symbol, "cuTensorMapEncodeTiled") == 0 ? cudaDriverEntryPointSuccess
                                                              : cudaDriverEntryPointSymbolNotFound;
    *function = (void *)encode_tiled;
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *a, const void *)
{
    a->numRegs = 168;
    return cudaSuccess;
}

static map_of_2d map_at(const CUtensorMap *map)
{
    map_of_2d m;
    memcpy(&m, map->opaque, sizeof m);
    if (m.magic != MAGIC || (uintptr_t)map % 64)
        emulate_stop("gives TMA what is no tensor map, or not aligned to 64 bytes");
    return m;
}

/* --- barriers: 8 bytes of shared memory */

struct barrier {
    uint16_t count, pending : 15, phase : 1;
    int32_t  bytes; /* expected, but not yet arrived */
};
static bool unfenced; /* a barrier was initialized, and no fence has shown it to TMA */

static barrier barrier_at(const uint64_t *b)
{
    barrier now;
    memcpy(&now, b, 8);
    if (now.count == 0xffff) emulate_stop("uses a barrier that was not initialized");
    return now;
}

static void store(uint64_t *b, barrier now)
{
    if (now.pending == 0 && now.bytes == 0) {
        now.phase ^= 1;
        now.pending = now.count;
    }
    memcpy(b, &now, 8);
    emulate_progress();
}

void mbarrier_init(uint64_t *b, uint32_t count)
{
    const barrier now = { (uint16_t)count, (uint16_t)(count & 0x7fff), 0, 0 };
    emulate_check_shared(b, 8, 8);
    if (count == 0 || count > 1024) emulate_stop("initializes a barrier for no thread, or more than a block has");
    memcpy(b, &now, 8);
    unfenced = true;
}

void mbarrier_init_fence(void) { unfenced = false; }

static void arrive(uint64_t *b, int32_t bytes)
{
    barrier now = barrier_at(b);
    if (now.pending == 0) emulate_stop("arrives at a barrier where all have arrived");
    now.bytes += bytes;
    now.pending--;
    store(b, now);
}
void  mbarrier_expect(uint64_t *b, uint32_t bytes) { arrive(barrier_of(emulate_cluster_rank(), b), (int32_t)bytes); }
void  mbarrier_arrive(uint64_t *b) { arrive(barrier_of(emulate_cluster_rank(), b), 0); }
void  mbarrier_arrive_at(uint64_t *b, int rank) { arrive(barrier_of(rank, b), 0); }
int   cluster_rank(void) { return emulate_cluster_rank(); }
void *emulate_cluster_at(const void *p, int rank) { return at_address_of(rank, shared_address(p), 1); }
void  cluster_sync(void) { emulate_cluster_sync(); }

/* --- copies of boxes */

struct box_copy {
    int       rank; /* of the block it goes to */
    uint32_t  to;
    map_of_2d map;
    uint64_t *b;
    int       column, row;
};
static std::deque<box_copy> copies;

static uint32_t box_bytes(const map_of_2d &m) { return m.box_cols * m.box_rows * 2; }

/* A row's elements inside the matrix are one run; the box is zero elsewhere. */
static void copy_row(const box_copy &c, uint32_t r)
{
    alignas(16) unsigned char bytes[128] = { 0 };
    const map_of_2d          &m          = c.map;
    const int64_t             row = (int64_t)c.row + r, first = c.column < 0 ? -(int64_t)c.column : 0,
                  inside = (int64_t)m.cols - c.column;
    const int64_t last   = inside < m.box_cols ? inside : m.box_cols;
    if (row >= 0 && row < (int64_t)m.rows && first < last) {
        const unsigned char *from = m.base + row * (int64_t)m.stride + 2 * (c.column + first);
        emulate_check_device(from, 2 * (size_t)(last - first), 2);
        memcpy(bytes + 2 * first, from, 2 * (size_t)(last - first));
    }
    for (uint32_t i = 0; i < m.box_cols * 2; i += 16)
        memcpy(at_address_of(c.rank, swizzled(c.to + r * m.box_cols * 2 + i), 16), bytes + i, 16);
}

static void finish(const box_copy &c)
{
    for (uint32_t r = 0; r < c.map.box_rows; r++) copy_row(c, r);
    barrier now = barrier_at(c.b);
    now.bytes -= (int32_t)box_bytes(c.map);
    store(c.b, now);
}

void tma_prefetch(const CUtensorMap *map) { map_at(map); }

static void load_to(int rank, void *to, const CUtensorMap *map, uint64_t *b, int column, int row)
{
    const box_copy c = { rank, shared_address(to), map_at(map), barrier_of(rank, b), column, row };
    barrier_at(c.b);
    if (unfenced) emulate_stop("gives TMA a barrier without a fence behind its initialization");
    if (c.to % 128) emulate_stop("gives TMA an address that is not aligned to 128 bytes");
    if (!emulate_backwards()) {
        finish(c);
        return;
    }
    memset(at_address_of(rank, c.to, box_bytes(c.map)), 0xff, box_bytes(c.map));
    copies.push_back(c);
}

void tma_load(void *to, const CUtensorMap *map, uint64_t *b, int column, int row)
{
    load_to(emulate_cluster_rank(), to, map, b, column, row);
}

void tma_load_to(void *to, const CUtensorMap *map, uint64_t *b, int column, int row, uint16_t blocks)
{
    for (int rank = 0; rank < 16; rank++)
        if (blocks >> rank & 1) load_to(rank, to, map, b, column, row);
}

static void finish_one(const uint64_t *b)
{
    for (auto c = copies.begin(); c != copies.end(); ++c) {
        if (c->b != b) continue;
        const box_copy one = *c;
        copies.erase(c);
        finish(one);
        return;
    }
}

void mbarrier_wait(uint64_t *b, uint32_t parity)
{
    if (parity > 1) emulate_stop("waits for a phase whose parity is neither 0 nor 1");
    while (barrier_at(b).phase == parity) {
        finish_one(b);
        if (barrier_at(b).phase == parity) emulate_pause("waits for a phase of a barrier that never ends");
    }
}

/* --- stores of boxes */

struct box_store {
    int       group;
    uint32_t  from;
    map_of_2d map;
    int       column, row;
};
static struct storer {
    bool                  fenced; /* since the last store by a thread of its warp */
    int                   group;
    std::deque<box_store> under_way;
} storers[MOST_GROUPS * GROUP];

/* Writes the part of a row that is inside the matrix. */
static void store_row(const box_store &s, uint32_t r)
{
    const map_of_2d &m   = s.map;
    const int64_t    row = (int64_t)s.row + r;
    for (uint32_t i = 0; i < m.box_cols; i++) {
        const int64_t column = (int64_t)s.column + i;
        if (row < 0 || row >= (int64_t)m.rows || column < 0 || column >= (int64_t)m.cols) continue;
        unsigned char *to = (unsigned char *)(uintptr_t)m.base + row * (int64_t)m.stride + 2 * column;
        emulate_check_device(to, 2, 2);
        memcpy(to, at_address(swizzled(s.from + (r * m.box_cols + i) * 2), 2), 2);
    }
}
static void finish(const box_store &s)
{
    for (uint32_t r = 0; r < s.map.box_rows; r++) store_row(s, r);
}

void async_fence(void) { storers[emulate_thread_number()].fenced = true; }

void tma_store(const CUtensorMap *map, const void *from, int column, int row)
{
    storer         *mine = &storers[emulate_thread_number()], *warp = &storers[emulate_thread_number() / 32 * 32];
    const box_store s = { mine->group, shared_address(from), map_at(map), column, row };
    if (s.from % 128) emulate_stop("gives TMA an address that is not aligned to 128 bytes");
    for (int lane = 0; lane < 32; lane++) {
        if (!warp[lane].fenced)
            emulate_stop("stores by TMA before all threads of the warp have fenced what they wrote");
        warp[lane].fenced = false;
    }
    if (emulate_backwards())
        mine->under_way.push_back(s);
    else
        finish(s);
}

void tma_store_commit(void) { storers[emulate_thread_number()].group++; }

void emulate_tma_store_wait(int left)
{
    storer *mine = &storers[emulate_thread_number()];
    while (!mine->under_way.empty() && mine->under_way.front().group < mine->group - left) {
        finish(mine->under_way.front());
        mine->under_way.pop_front();
    }
}

/* --- products of a warpgroup */

struct product {
    uint64_t a, b;
    int      n, add, group;
    bool     b_n_major;
};
static struct warpgroup {
    float              *sums[GROUP];
    bool                fenced[GROUP], flying; /* flying: the sums are here, not with the threads */
    product             asked;                 /* by the first thread to come */
    int                 came, group;
    std::deque<product> under_way;
    float               d[ROWS][MOST_COLUMNS];
} warpgroups[MOST_GROUPS];

static warpgroup &mine(void) { return warpgroups[emulate_thread_number() / GROUP]; }

/* "Register Fragments for wgmma.mma_async.m64nNk16". */
static float *sum_of(warpgroup &w, int thread, int i)
{
    return &w.d[16 * (thread / 32) + thread % 32 / 4 + 8 * (i / 2 % 2)][8 * (i / 4) + 2 * (thread % 4) + i % 2];
}

/* "Matrix Descriptor Format", "Shared Memory Matrix Layout": where element `at` along the
 * leading dimension in line `line` lies. K-major: lines are rows of A or columns of B, and lie
 * below each other, eight to an atom. MN-major: lines are k, and 64 elements are as wide as an
 * atom. */
static float element(uint64_t descriptor, bool mn_major, int mn, int k)
{
    const uint32_t start = (uint32_t)(descriptor & 0x3fff) << 4, leading = (uint32_t)(descriptor >> 16 & 0x3fff) << 4,
                   stride = (uint32_t)(descriptor >> 32 & 0x3fff) << 4;
    const uint32_t linear = mn_major ? start + (uint32_t)(mn / 64) * leading + (uint32_t)(k / 8) * stride +
                                           (uint32_t)(k % 8 * 128 + mn % 64 * 2)
                                     : start + (uint32_t)(mn / 8) * stride + (uint32_t)(mn % 8 * 128 + k * 2);
    bf16           x;
    memcpy(&x, at_address(swizzled(linear), 2), 2);
    return x;
}

static void check_descriptor(uint64_t d)
{
    if (d >> 62 != 1) emulate_stop("gives a product a matrix that is not in 128-byte swizzle: no other is emulated");
    if (d & 0x3fffc000c000c000u)
        emulate_stop("gives a product a descriptor with bits that have to be zero, or a base offset");
    if (d << 4 >> 7 & 7)
        emulate_stop(
            "gives a product a matrix that begins at no multiple of 1024 bytes, without saying so as its base offset");
}

static float a[ROWS][DEPTH], b[DEPTH][MOST_COLUMNS]; /* of the product that is done */

/* The innermost loop, so it is hidden from sanitizers, which would make it slow. */
__attribute__((no_sanitize("address", "undefined"))) static void add_rows(float *to, const float *factors, int n)
{
    for (int k = 0; k < DEPTH; k++)
        for (int j = 0; j < n; j++) to[j] += factors[k] * b[k][j];
}

static void multiply(warpgroup &w, const product &p)
{
    for (int k = 0; k < DEPTH; k++) {
        for (int i = 0; i < ROWS; i++) a[i][k] = element(p.a, false, i, k);
        for (int j = 0; j < p.n; j++) b[k][j] = element(p.b, p.b_n_major, j, k);
    }
    for (int i = 0; i < ROWS; i++) {
        if (!p.add) memset(w.d[i], 0, sizeof w.d[i]);
        add_rows(w.d[i], a[i], p.n);
    }
}

static void start_product(void)
{
    warpgroup &w = mine();
    for (int t = 0; t < GROUP && !w.flying; t++)
        for (int i = 0; i < w.asked.n / 2; i++) {
            *sum_of(w, t, i) = w.sums[t][i];
            memset(&w.sums[t][i], 0xff, sizeof(float));
        }
    w.flying = true;
    w.came   = 0;
    w.under_way.push_back(w.asked);
}

void wgmma_fence(void) { mine().fenced[emulate_thread_number() % GROUP] = true; }

void emulate_wgmma(float *d, int n, uint64_t a, uint64_t b, int add, bool b_n_major)
{
    warpgroup    &w = mine();
    const int     t = emulate_thread_number() % GROUP;
    const product p = { a, b, n, add != 0, w.group, b_n_major };
    check_descriptor(a);
    check_descriptor(b);
    if (!w.fenced[t]) emulate_stop("starts a product without a fence before it");
    if (w.flying && w.sums[t] != d)
        emulate_stop("adds to other sums while products are under way, which is not emulated");
    if (w.came++ == 0) w.asked = p;
    if (w.asked.a != a || w.asked.b != b || w.asked.n != n || w.asked.add != p.add)
        emulate_stop("threads of a warpgroup want different products");
    w.sums[t] = d;
    emulate_warpgroup(start_product);
}

void wgmma_commit(void)
{
    emulate_warpgroup([] { mine().group++; });
}

static int  groups_left;
static void finish_products(void)
{
    warpgroup &w = mine();
    while (!w.under_way.empty() && w.under_way.front().group < w.group - groups_left) {
        multiply(w, w.under_way.front());
        w.under_way.pop_front();
    }
    if (!w.under_way.empty() || !w.flying) return;
    for (int t = 0; t < GROUP; t++) {
        for (int i = 0; i < w.asked.n / 2; i++) w.sums[t][i] = *sum_of(w, t, i);
        w.fenced[t] = false;
    }
    w.flying = false;
}

void emulate_wgmma_wait(int left)
{
    groups_left = left;
    emulate_warpgroup(finish_products);
}

void emulate_registers(int count, int)
{
    if (count % 8 || count < 24 || count > 256)
        emulate_stop("asks for a number of registers that is no multiple of 8 from 24 to 256");
    emulate_warpgroup([] {});
}

void emulate_hopper_end(void)
{
    if (!copies.empty()) emulate_stop("ends while TMA copies");
    for (auto &s : storers) {
        if (!s.under_way.empty()) emulate_stop("ends while TMA reads what it stores");
        s.group = 0, s.fenced = false;
    }
    for (auto &w : warpgroups) {
        if (w.flying) emulate_stop("ends while products are under way");
        w.group = 0;
    }
}
