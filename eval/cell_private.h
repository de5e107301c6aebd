/* Inside a cell: what it opens, and its record's two halves. */
#ifndef TIEBREAK_EVAL_CELL_PRIVATE_H
#define TIEBREAK_EVAL_CELL_PRIVATE_H
#include "eval/cell.h"
#include "eval/harness.h"
#include "adapters/adapter.h"

/* Everything a cell opens. */
typedef struct {
    const eval_request *q;
    const backend      *be;
    int                 threads;
    task               *task;
    dataset            *data;
    tokenizer          *tok;
    model              *model;
    adapter            *adapter;
    decoder            *dec;
    endpoint           *served; /* instead of model and dec */
    double              started;
} cell;

/* What was asked. max_new: new tokens of a text, 0 where nothing is generated. */
int cell_asked(const cell *c, int64_t max_new, json **asked);
/* What came out. adapted: the asked adapter, or NULL; harness_s: the time the harness ran. */
json *cell_result(const cell *c, const harness_result *r, const json *adapted, double harness_s);
#endif
