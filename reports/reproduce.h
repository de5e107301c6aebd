/* Do the same cells, run again, give the same scores? Cells of two record sets are matched by
 * what was asked (seed aside) and compared. */
#ifndef TIEBREAK_REPORTS_REPRODUCE_H
#define TIEBREAK_REPORTS_REPRODUCE_H
#include "reports/quality.h"

typedef struct {
    const quality_point *here, *there;
    double               p, adjusted; /* two-sided; Holm over all matched cells */
} reproduced_cell;

typedef struct {
    reproduced_cell *cells; /* primary metrics only */
    size_t           n;
    int64_t          differ; /* adjusted p below 5 % */
} reproduction;

/* Pooled t over training seeds where the two sides have three or more runs between them; cells
 * without a training seed (the base alone) must be equal within rounding, else their items'
 * standard errors decide (normal). Borrows here and there. */
void reproduce(reproduction *r, const quality *here, const quality *there);
void reproduction_free(reproduction *r);
void reproduction_table(const reproduction *r, table *t);
#endif
