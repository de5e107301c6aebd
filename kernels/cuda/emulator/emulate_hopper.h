/* The Hopper instructions that kernels/cuda/hopper.h wraps, on the host, with the same names and
 * the hardware's own layouts: tensor maps, barriers that count bytes, TMA's swizzled boxes, matrix
 * descriptors, fragments of a warpgroup.
 *
 * Asynchronous operations take effect at the worst time. In every other launch TMA writes at once,
 * over data that may still be read. In the launches between it writes when a thread waits for it,
 * and until then the box is NaN. What it stores it reads in the same two ways. Products read shared
 * memory when they are waited for, and until then the sums of their threads are NaN. */
#ifndef TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_HOPPER_H
#define TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_HOPPER_H
#include "kernels/cuda/emulator/emulate.h"

/* Addresses as the block's instructions see them, 18 bits. Dynamic shared memory begins at a
 * multiple of 128 bytes and no more, as on a GPU it may. */
uint32_t shared_address(const void *p);

typedef enum { CUDA_SUCCESS, CUDA_ERROR_INVALID_VALUE } CUresult;
typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;
typedef enum { CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9 } CUtensorMapDataType;
typedef enum { CU_TENSOR_MAP_INTERLEAVE_NONE } CUtensorMapInterleave;
typedef enum { CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_SWIZZLE_128B = 3 } CUtensorMapSwizzle;
typedef enum { CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3 } CUtensorMapL2promotion;
typedef enum { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE } CUtensorMapFloatOOBfill;
struct alignas(64) CUtensorMap {
    uint64_t opaque[16];
};
typedef enum { cudaDriverEntryPointSuccess, cudaDriverEntryPointSymbolNotFound } cudaDriverEntryPointQueryResult;
#define CUDART_VERSION 13000
enum { cudaEnableDefault };
struct cudaFuncAttributes {
    int numRegs;
};
cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version,
                                             unsigned long long flags, cudaDriverEntryPointQueryResult *found);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *a, const void *kernel);

void  mbarrier_init(uint64_t *b, uint32_t count);
void  mbarrier_init_fence(void);
void  mbarrier_expect(uint64_t *b, uint32_t bytes);
void  mbarrier_arrive(uint64_t *b);
void  mbarrier_wait(uint64_t *b, uint32_t parity);
void  tma_load(void *to, const CUtensorMap *map, uint64_t *b, int column, int row);
void  tma_prefetch(const CUtensorMap *map);
void  async_fence(void);
void  tma_store(const CUtensorMap *map, const void *from, int column, int row);
void  tma_store_commit(void);
void  emulate_tma_store_wait(int left);
void  mbarrier_arrive_at(uint64_t *b, int rank);
void  tma_load_to(void *to, const CUtensorMap *map, uint64_t *b, int column, int row, uint16_t blocks);
int   cluster_rank(void);
void *emulate_cluster_at(const void *p, int rank);
void  cluster_sync(void);
void  wgmma_fence(void);
void  wgmma_commit(void);
void  emulate_wgmma(float *d, int n, uint64_t a, uint64_t b, int add, bool b_n_major);
void  emulate_wgmma_wait(int left);
void  emulate_registers(int count, int step);

template <class E> E                     *cluster_at(E *p, int rank) { return (E *)emulate_cluster_at(p, rank); }
template <int LEFT> void                  tma_store_wait(void) { emulate_tma_store_wait(LEFT); }
template <int LEFT> void                  wgmma_wait(void) { emulate_wgmma_wait(LEFT); }
template <int COUNT> void                 wgmma_finish(float (&)[COUNT]) { emulate_wgmma_wait(0); }
template <bool B_N_MAJOR, int COUNT> void wgmma(float (&d)[COUNT], uint64_t a, uint64_t b, int add)
{
    emulate_wgmma(d, 2 * COUNT, a, b, add, B_N_MAJOR);
}
template <int COUNT> void registers_give(void) { emulate_registers(COUNT, -1); }
template <int COUNT> void registers_take(void) { emulate_registers(COUNT, 1); }
#endif
