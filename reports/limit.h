/* How close to the hardware's limit the adapter kernels of a GPU come: the floor table, and many
 * adapters in one batch. Times of an emulated device never stand in these tables as measured:
 * they have tables of their own that say so. */
#ifndef TIEBREAK_REPORTS_LIMIT_H
#define TIEBREAK_REPORTS_LIMIT_H
#include "reports/overhead.h"

/* A row for each case, method and rank; a column for each variant with its overhead over the base
 * GEMM of the same block, cold, hot and back to back, and its kernels. emulated: the table of a
 * rehearsal, empty when there was none. */
void limit_table(const overhead *o, bool emulated, table *t);
/* Cases with more than one adapter in a batch: bytes and time over the base. Its file is
 * tenants.csv. */
void many_adapters_table(const overhead *o, bool emulated, table *t);
#endif
