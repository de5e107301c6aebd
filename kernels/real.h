/* `real` is an element of a backend's arrays: f64 in `ref`, f32 in `cpu` and `cuda`. It has no size here on purpose, so code above the backend
 * cannot index such arrays; real_at (kernels/backend.h) does. */
#ifndef TIEBREAK_KERNELS_REAL_H
#define TIEBREAK_KERNELS_REAL_H
typedef void real;
#endif
