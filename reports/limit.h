/* How close to the hardware's limit the adapter kernels of a GPU come: the floor table, many
 * adapters in one batch, and what was to be reached. Times of an emulated device never stand in
 * these tables as measured: they have tables of their own that say so, and meet no goal. */
#ifndef TIEBREAK_REPORTS_LIMIT_H
#define TIEBREAK_REPORTS_LIMIT_H
#include "reports/overhead.h"

/* A row a case, method and rank; a column a variant with its overhead over the base GEMM of the
 * same block, cold and hot, and its launches. Cases that a GPU has to show are there whether
 * they were measured or not. emulated: the table of a rehearsal, empty when there was none. */
void limit_table(const overhead *o, bool emulated, table *t);
/* Cases with more than one adapter in a batch: bytes and time over the base. */
void tenants_table(const overhead *o, bool emulated, table *t);
/* Goals, and met, missed, not separable or not measured. records: those of kind "peer" among
 * them are read too. */
void goals_table(const overhead *o, json *const *records, int64_t n, table *t);
#endif
