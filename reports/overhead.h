/* Kernel overhead from bench records: what the adapter adds to the base GEMM timed in the same run. */
#ifndef TIEBREAK_REPORTS_OVERHEAD_H
#define TIEBREAK_REPORTS_OVERHEAD_H
#include "core/json.h"
#include "reports/table.h"

typedef struct {
    const char *op, *method, *shape, *site, *device, *dtype, *cpu; /* strings live in the records */
    const char *mode, *variant;                                    /* "hot", "cold" or ""; of kernels/variant.h or "" */
    bool        tied;
    int64_t     rank, d_in, d_out, tokens;
    double      overhead, low, high; /* fractions of the base GEMM's time, 95 % interval */
    double      base_us, flop_share; /* median time of the base GEMM; adapter FLOPs / base FLOPs */
    int64_t     n;                   /* paired samples */
} overhead_point;

typedef struct {
    overhead_point *points; /* sorted by device, type, shape, site, tokens, op, mode, method, rank */
    size_t          n, cap;
} overhead;

int  overhead_from_records(overhead *o, json *const *records, int64_t n);
void overhead_free(overhead *o);
void overhead_table(const overhead *o, table *t);
#endif
