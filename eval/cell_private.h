/* Inside an evaluation: what it opens, and its record's two halves. */
#ifndef TIEBREAK_EVAL_CELL_PRIVATE_H
#define TIEBREAK_EVAL_CELL_PRIVATE_H
#include "core/cell.h"
#include "eval/cell.h"
#include "eval/harness.h"

/* Everything an evaluation opens. */
typedef struct {
    const eval_request *q;
    task               *task;
    dataset            *data;
    lm                 *lm;
    cell                cell;
    double              started;
} evaluation;

/* eval/open.c opens a model by its name, a folder or a URL, and checks that the request's options
 * go with that kind of model. with_tokenizer: the task is one of texts. */
int check_model_options(const eval_request *q);
int open_model(lm **out, const eval_request *q, bool with_tokenizer);

/* What is asked: the configuration, the caller's. max_new: new tokens of a text, 0 where nothing is
 * generated. */
int eval_asked(const evaluation *e, int64_t max_new, json **asked);
/* What came out. harness_s: the time the harness ran. */
json *eval_result(const evaluation *e, const harness_plan *plan, const harness_result *r, double harness_s);
#endif
