/* Any bytes as a file of predictions, of texts with references, or as a sample log: either they are
 * refused with a message, or what is read is complete. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/error.h"
#include "score/offline.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_status(int rc)
{
    if (rc && !*error_text()) abort();
    error_clear();
}

static void read_as(const char *path, prediction_kind kind, prediction_form form)
{
    predictions p;
    int         rc = predictions_read(&p, path, kind, form);
    check_status(rc);
    for (int64_t i = 0; !rc && i < p.n; i++) {
        const prediction *x = &p.items[i];
        if (!p.by_id != !x->id || (x->id && !*x->id)) abort();
        if (kind == PREDICT_TEXT && utf8_valid_prefix(x->text.s, x->text.n) != x->text.n) abort();
        if (kind == PREDICT_CHOICE && !x->ll && x->chosen < 0) abort();
        for (int64_t k = 0; k < x->n_ll; k++)
            if (!isfinite(x->ll[k])) abort();
    }
    if (!rc && !p.n) abort();
    if (!rc) predictions_free(&p);
}

/* Every score of what was accepted is a number, and the ids are distinct. */
static void check_scored(scored *s)
{
    str text = { 0 };
    if (s->n < 1 || s->metrics.n < 1) abort();
    if (scored_check_ids(s, "fuzz", NULL)) abort();
    for (int m = 0; m < s->metrics.n; m++)
        for (int64_t i = 0; i < s->n * s->metrics.rows[m].n_stats; i++)
            if (!isfinite(s->stats[m][i])) abort();
    scored_print_json(s, true, NULL, &text);
    if (utf8_valid_prefix(text.s, text.n) != text.n) abort();
    str_free(&text);
    scored_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static int  file = -1;
    static char path[64];
    scored      s;
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (ftruncate(file, 0) || pwrite(file, bytes, n, 0) != (ssize_t)n) abort();
    for (int form = PREDICTIONS_ANY; form <= PREDICTIONS_JSON; form++) {
        read_as(path, PREDICT_TEXT, (prediction_form)form);
        read_as(path, PREDICT_CHOICE, (prediction_form)form);
    }
    probabilities p;
    int           rc = probabilities_read(&p, path);
    check_status(rc);
    if (!rc) probabilities_free(&p);
    check_status(rc = scored_read(&s, path));
    if (!rc) check_scored(&s);
    check_status(
        rc = score_by_metric(&(offline_request) { .metrics = "squad-v2.0,gsm8k-flexible", .input = path }, &s, NULL));
    if (!rc) check_scored(&s);
    return 0;
}
