/* A cell: one configuration, asked for by its id, that is new, started or finished where its record
 * goes.
 *
 *     cell c;
 *     int  rc = cell_look(&c, RECORD_TRAIN, "runs/a", config);       // takes config
 *     if (!rc && c.state != CELL_FINISHED) {
 *         rc = cell_begin(&c);
 *         ... work, and files in runs/a by which a killed cell goes on ...
 *         if (!rc) rc = cell_finish(&c, result, "cpu", 2, NULL);     // takes result
 *     }
 *     if (!rc) ... c.record ...
 *     cell_close(&c);
 *
 * A training and an evaluation have a folder of their own. It holds cell.json from the first moment
 * on, the configuration as it will be in the record, and record.json in the end: a folder that
 * holds this is finished. Bench cases share a folder, each with one file, bench-ID.json, and
 * nothing before it. */
#ifndef TIEBREAK_CORE_CELL_H
#define TIEBREAK_CORE_CELL_H
#include "core/record.h"

typedef enum { CELL_NEW, CELL_STARTED, CELL_FINISHED } cell_state;

typedef struct {
    record_kind kind;
    const char *out;    /* the folder, not owned; NULL: the record is written nowhere */
    json       *asked;  /* the configuration */
    char        id[17]; /* its hash */
    cell_state  state;
    json       *record; /* of a finished cell, else NULL */
    int         lock;   /* cell.json's descriptor while it is held for this process, else 0 */
} cell;                 /* a zeroed struct may be closed */

/* What `out` holds of this cell. ERR_INPUT when it holds another one, saying what differs, or files
 * that are not a cell's; nothing there is touched. Takes asked. cell_close in any case. */
int cell_look(cell *c, record_kind kind, const char *out, json *asked);
/* Makes the folder and holds it for this process; ERR_BUSY when another process works there. */
int cell_begin(cell *c);
/* Makes the record, writes it, and removes what only an unfinished cell needs. The arguments are
 * record_new's. */
int cell_finish(cell *c, json *result, const char *device, int threads, json *gpu);
/* The record, for the caller to keep; NULL when there is none. */
json *cell_take_record(cell *c);
void  cell_close(cell *c);

/* Appends "adapter.lr is 0.001 there and 0.002 here", up to three members; nothing when equal. */
void cell_difference(const json *there, const json *here, str *out);
#endif
