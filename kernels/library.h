/* The door of a backend that lives in a shared object (libtiebreak-cuda.so): one function, found
 * by name after dlopen.
 *
 *     backend *tiebreak_backend_open(int version, size_t table_bytes, backend_report report,
 *                                    const char *dtype, int device);
 *
 * It returns a new handle, whose working type is dtype ("f32" or "bf16"), on the device of that
 * number; its doors (kernels/door.c) are not hung yet. It returns NULL after it has given the
 * reason to `report`. A library that was built from other headers than the program is refused by
 * version and size. Errors travel by `report`, since the library has none of the program's own
 * code in it. */
#ifndef TIEBREAK_KERNELS_LIBRARY_H
#define TIEBREAK_KERNELS_LIBRARY_H
#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BACKEND_LIBRARY_VERSION = 11 };

/* core/error.h's run_error: keeps a message that says what happened and what to do; returns
 * ERR_FAILED. */
typedef int (*backend_report)(const char *format, ...);
typedef backend *(*backend_opener)(int version, size_t table_bytes, backend_report report, const char *dtype,
                                   int device);
#define BACKEND_OPENER "tiebreak_backend_open"

/* In the program: a new handle on the backend `name` (NAME, in f32, or NAME-bf16; with :N behind it
 * on visible device N instead of 0) from libtiebreak-NAME.so, which $TIEBREAK_CUDA names or which
 * lies beside the program (or one folder up, where tests find it). NULL with the reason
 * recorded. */
backend *library_open(const char *name);

#ifdef __cplusplus
}
#endif
#endif
