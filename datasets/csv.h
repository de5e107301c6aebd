/* CSV after RFC 4180: quoted values may hold commas, newlines and doubled quotes; rows end in LF or
 * CRLF.
 *
 *     csv c = csv_open(bytes, n, "train.csv");
 *     while (!(rc = csv_next(&c, &more)) && more) puts(str_c(&c.value[0]));
 *     csv_close(&c); */
#ifndef TIEBREAK_DATASETS_CSV_H
#define TIEBREAK_DATASETS_CSV_H
#include <stdint.h>

#include "core/str.h"

enum { CSV_COLUMNS = 32 };

typedef struct {
    const char *bytes, *where;
    size_t      n, at;
    int64_t     line;               /* where the latest row begins, 1-based */
    int64_t     next_line;          /* where the next row begins */
    str         value[CSV_COLUMNS]; /* of the latest row */
    int         n_values;
} csv;

csv csv_open(const char *bytes, size_t n, const char *where); /* borrows both */
/* Reads the next row; *more is false at the end. An open quote, text after a closing one and too
 * many values are ERR_INPUT with the line. Empty lines are skipped. */
int  csv_next(csv *c, bool *more);
void csv_close(csv *c);
/* The column of that name when the latest row is the header, or -1. */
int csv_column(const csv *c, const char *name);
#endif
