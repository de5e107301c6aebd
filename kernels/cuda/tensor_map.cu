/* Tensor maps, and who can use them. Contract: kernels/cuda/hopper.h. */
#include "kernels/cuda/hopper.h"

typedef CUresult (*encode_function)(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *base,
                                    const cuuint64_t *dim, const cuuint64_t *stride, const cuuint32_t *box,
                                    const cuuint32_t *step, CUtensorMapInterleave interleave,
                                    CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                    CUtensorMapFloatOOBfill fill);

/* From the driver that runs, so that the library loads where there is none. NULL after an error. */
static encode_function encoder(void)
{
    static void                    *function;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSuccess;
    if (function) return (encode_function)function;
#if CUDART_VERSION >= 12050
    if (!CUDA_OK(
            cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found)))
        return NULL;
#else
    if (!CUDA_OK(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found))) return NULL;
#endif
    if (found == cudaDriverEntryPointSuccess) return (encode_function)function;
    function = NULL;
    cuda_ok(cudaErrorInsufficientDriver, "looking for cuTensorMapEncodeTiled", __FILE__, __LINE__);
    return NULL;
}

bool tensor_map(CUtensorMap *map, const void *base, int64_t rows, int64_t cols, int64_t ld, int box_rows, int box_cols)
{
    const cuuint64_t dim[2] = { (cuuint64_t)cols, (cuuint64_t)rows }, stride[1] = { (cuuint64_t)ld * 2 };
    const cuuint32_t box[2] = { (cuuint32_t)box_cols, (cuuint32_t)box_rows }, step[2] = { 1, 1 };
    if (cuda_failed()) return false;
    encode_function encode = encoder();
    if (!encode) return false;
    if (encode(map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, (void *)(uintptr_t)base, dim, stride, box, step,
               CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
               CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS)
        return true;
    return cuda_ok(cudaErrorInvalidValue,
                   "cuTensorMapEncodeTiled (an address or row stride that is no multiple of 16 bytes?)", __FILE__,
                   __LINE__);
}

const char *hopper_refuses(const void *kernel)
{
    cudaFuncAttributes a;
    if (cuda->capability != 90) return "needs compute capability 9.0";
    const bool found = cudaFuncGetAttributes(&a, kernel) == cudaSuccess;
    cudaGetLastError(); /* that the function is not found is no failure */
    if (!found || a.numRegs < 64) return "needs a library built for sm_90a";
    return NULL;
}
