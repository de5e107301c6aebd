/* The safetensors file format (github.com/huggingface/safetensors): a u64 header length, a JSON
 * header, then the tensors' bytes.
 *
 *     safetensors *f;
 *     int rc = safetensors_open(&f, "base/model.safetensors");
 *     const tensor_view *t;
 *     if (!rc) rc = safetensors_get(f, "model.norm.weight", 1, (int64_t[]){ 64 }, &t);
 *     if (!rc) rc = tensor_read_f64(values, t, 0, 64);
 *     safetensors_close(f);
 *
 * The file is mapped, not read, and nothing in it is trusted. The header's length, its JSON and
 * every dtype, shape and offset are checked before the first view is handed out. Tensors must have
 * different names and cover the data without overlap or gap. A refusal is ERR_INPUT and names file
 * and tensor. */
#ifndef TIEBREAK_MODEL_SAFETENSORS_H
#define TIEBREAK_MODEL_SAFETENSORS_H
#include <stddef.h>
#include <stdint.h>

#include "core/file.h"
#include "core/json.h"

/* X(name, bytes of an element) */
#define DTYPES(X)                                                                                                      \
    X(F64, 8)                                                                                                          \
    X(F32, 4)                                                                                                          \
    X(F16, 2)                                                                                                          \
    X(BF16, 2)                                                                                                         \
    X(I64, 8) X(I32, 4) X(I16, 2) X(I8, 1) X(U64, 8) X(U32, 4) X(U16, 2) X(U8, 1) X(BOOL, 1) X(F8_E4M3, 1) X(F8_E5M2, 1)
#define DTYPE_ID(name, bytes) DT_##name,
typedef enum { DTYPES(DTYPE_ID) DT_COUNT } dtype;
#undef DTYPE_ID
const char *dtype_name(dtype d); /* "F32" */
size_t      dtype_bytes(dtype d);

enum { TENSOR_DIMS = 8 };
typedef struct {
    const char *name;
    dtype       dtype;
    int         n_dims; /* 0 means a scalar */
    int64_t     shape[TENSOR_DIMS];
    int64_t     count; /* product of shape */
    /* count * dtype_bytes bytes, little-endian, row-major. Bytes from a file may have any
     * alignment. */
    const unsigned char *bytes;
} tensor_view;

typedef struct {
    char        *path;
    file_map_t   map;
    int64_t      n;
    tensor_view *tensors;  /* sorted by name */
    json        *metadata; /* the "__metadata__" object, or NULL */
} safetensors;

int  safetensors_open(safetensors **out, const char *path);
void safetensors_close(safetensors *f); /* NULL is fine; the views become invalid */
/* The same for bytes that the caller keeps; path is for messages. */
int safetensors_parse(safetensors **out, const unsigned char *bytes, size_t n, const char *path);

const tensor_view *safetensors_find(const safetensors *f, const char *name); /* NULL when absent */
/* The tensor of that name with exactly this shape. It is ERR_INPUT when it is missing or has
 * another shape. */
int safetensors_get(const safetensors *f, const char *name, int n_dims, const int64_t *shape, const tensor_view **out);
/* ERR_INPUT naming `path` unless t has this shape. */
int tensor_check_shape(const tensor_view *t, const char *path, int n_dims, const int64_t *shape);

/* Converts elements first .. first+count-1, which may be numbers or BOOL. F8 is ERR_INPUT; F64 and
 * 64-bit integers round to the nearest. */
int tensor_read_f64(double *dst, const tensor_view *t, int64_t first, int64_t count);
int tensor_read_f32(float *dst, const tensor_view *t, int64_t first, int64_t count);

/* Writes n tensors, whose `bytes` and `count` are set and whose names differ, as the reference
 * implementation does: header padded with blanks to 8 bytes, wider dtypes first, then by name,
 * metadata {"format":"pt"}. The write is atomic. */
int safetensors_write(const char *path, const tensor_view *tensors, int64_t n);
/* A view of the caller's F32 values for safetensors_write, with 2 dimensions, or 1 where cols is
 * 0. */
tensor_view tensor_of_f32(const char *name, const float *values, int64_t rows, int64_t cols);
#endif
