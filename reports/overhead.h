/* Kernel overhead from bench records: what the adapter adds to the base GEMM timed in the same
 * run. */
#ifndef TIEBREAK_REPORTS_OVERHEAD_H
#define TIEBREAK_REPORTS_OVERHEAD_H
#include "core/json.h"
#include "core/table.h"

typedef struct {
    const char *id; /* the record's: the hash of what was asked */

    const char *op, *method, *shape, *site, *device, *dtype, *cpu; /* strings live in the records */
    /* "hot", "cold", "back-to-back" or ""; of kernels/variant.h or "" */
    const char *mode, *variant;
    /* what the device calls itself, "" where the record does not say */
    const char *gpu;
    /* the GPU, or the processor where there is none. Times of two machines are never
     * put together. */
    const char *machine;
    /* which adapters a batch's rows take: "different", "same", "zipf"; "" where there is one */
    const char *popularity;
    bool        tied;
    bool        emulated;  /* on an emulated device: the times mean nothing */
    bool        settled;   /* the device's clock had settled before the samples */
    int         same_bits; /* 1, 0, or -1: not looked at */
    int64_t     rank, d_in, d_out, tokens, adapters;
    /* fractions of the base GEMM's time, 95 % interval */
    double overhead, low, high;
    /* median time of the base GEMM; adapter FLOPs / base FLOPs */
    double base_us, flop_share;
    /* median time with the adapter; its bytes / base's, each array counted once */
    double case_us, byte_share;
    /* bytes of a variant's own steps over the base's, of many adapters; else NaN */
    double moved;
    /* The floors' overhead, and floor / median of the case. Older records lack this and all that
     * follows: NaN. */
    double floor, share;
    /* Kernels where the record has them (graph nodes), else launches. waited: the host's clock
     * around one call. */
    double launches, base_launches, waited_us;
    double calls, empty_us; /* in a sample; what was taken off it */
    /* The fastest variant's, measured again in a block of its own; else NaN. */
    double  again, again_low, again_high;
    int64_t n; /* paired samples */
} overhead_point;

typedef struct {
    /* Sorted by machine, device, type, shape, site, tokens, op, mode, variant, method, rank,
     * adapters. */
    overhead_point *points;
    size_t          n, cap;
    int64_t         copies; /* records left out because they stand there twice */
} overhead;

bool overhead_on_gpu(const overhead_point *p); /* or on an emulated one; the CPU is no GPU */
/* Collects the bench records among those that record_read gave; other kinds are passed over. */
void overhead_from_records(overhead *o, json *const *records, int64_t n);
void overhead_free(overhead *o);
void overhead_table(const overhead *o, table *t);
/* The same cases on the same machine, measured before, judged as gate/verdict.h says: a record is
 * one process. differ: regressed or improved. Cases that only another machine measured are not
 * compared. */
typedef struct {
    int64_t compared, differ, inconclusive;
} overhead_verdicts;
overhead_verdicts overhead_against(const overhead *here, const overhead *there, table *t);
#endif
