#include "eval/lm/identity.h"

#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"
#include "model/pack.h"

/* Few prompts and short ones, so that the check costs less than one item of most tasks. It looks at
 * a prompt's end, where the answer begins. */
enum { ITEMS = 4, ROWS = 8, TOKENS = 256 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Logits [rows, vocab] at the last rows of n tokens. */
static int logits_of(decoder *dec, const pair_arrays *pairs, const int32_t *tokens, int64_t n, int64_t rows,
                     double *logits)
{
    pack    p  = { 0 };
    int64_t at = pack_tokens(&p, tokens, n, 0, -1) + n - rows;
    for (int64_t i = 0; i < rows; i++) pack_row(&p, at + i, -1, 0);
    int rc = decoder_forward(dec, &p.batch, pairs, false);
    if (!rc) rc = decoder_logits(dec, 0, rows, logits);
    pack_free(&p);
    return rc;
}

static int64_t argmax(const double *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

int identity_probe(decoder *dec, const pair_arrays *pairs, const request *requests, int64_t n, int64_t positions,
                   adapter_delta *out)
{
    int64_t vocab   = decoder_model(dec)->cfg.vocab;
    double *base    = mem_alloc((size_t)(ROWS * vocab), sizeof *base),
           *adapted = mem_alloc((size_t)(ROWS * vocab), sizeof *adapted), sum = 0;
    int rc = OK;
    *out   = (adapter_delta) { 0 };
    for (int64_t i = 0; i < least(n, ITEMS) && !rc; i++) {
        const ids     *input  = &requests[i].input;
        int64_t        tokens = least(least((int64_t)input->n, TOKENS), positions), rows = least(tokens, ROWS);
        const int32_t *last = input->ids + input->n - tokens;
        rc                  = logits_of(dec, NULL, last, tokens, rows, base);
        if (!rc) rc = logits_of(dec, pairs, last, tokens, rows, adapted);
        for (int64_t r = 0; r < rows && !rc; r++) {
            const double *b = base + r * vocab, *a = adapted + r * vocab;
            for (int64_t v = 0; v < vocab; v++) {
                double apart       = fabs(a[v] - b[v]);
                out->max_abs_logit = fmax(out->max_abs_logit, apart);
                sum += apart;
            }
            out->argmax_changed += argmax(a, vocab) != argmax(b, vocab);
        }
        out->items++;
        out->rows += rows;
    }
    if (out->rows) out->mean_abs_logit = sum / (double)(out->rows * vocab);
    free(base);
    free(adapted);
    return rc;
}
