/* A folder of records to one self-contained page: index.html (plots inline), report.md, and one
 * CSV per table. Records made on another machine give the same report. */
#ifndef TIEBREAK_REPORTS_REPORT_H
#define TIEBREAK_REPORTS_REPORT_H
#include "reports/overhead.h"

typedef struct {
    int64_t records, evals, trains, benches, plots;
    /* cells found in `against` too, and those of them that differ (Holm, 5 %) */
    int64_t           compared, differ;
    overhead_verdicts before; /* of the bench cases there */
} report_counts;

/* Reads every record under runs (a folder), writes into out (made if missing). against: another
 * folder of records to compare the same cells with, or NULL. ERR_INPUT when there is no record
 * to show. */
int report_write(const char *runs, const char *out, const char *against, report_counts *counts);
#endif
