/* CSV after RFC 4180: quoted cells hold commas, newlines and doubled quotes; records end in LF
 * or CRLF.
 *
 *     csv c = csv_open(bytes, n, "train.csv");
 *     while (!(rc = csv_next(&c, &more)) && more) puts(str_c(&c.cell[0]));
 *     csv_close(&c); */
#ifndef TIEBREAK_DATASETS_CSV_H
#define TIEBREAK_DATASETS_CSV_H
#include <stdint.h>

#include "core/str.h"

enum { CSV_COLUMNS = 32 };

typedef struct {
    const char *bytes, *where;
    size_t      n, at;
    int64_t     line;              /* where the latest record begins, 1-based */
    int64_t     next_line;         /* where the next one begins */
    str         cell[CSV_COLUMNS]; /* of the latest record */
    int         n_cells;
} csv;

csv csv_open(const char *bytes, size_t n, const char *where); /* borrows both */
/* The next record; *more false at the end. An open quote, text after a closing one, too many
 * cells: ERR_INPUT with the line. Empty lines are passed over. */
int  csv_next(csv *c, bool *more);
void csv_close(csv *c);
/* The column of that name in the latest record (the header), or -1. */
int csv_column(const csv *c, const char *name);
#endif
