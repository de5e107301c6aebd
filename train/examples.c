#include "train/examples.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static int refuse_empty(const examples *x, const char *path, int64_t in_file, int64_t max_length)
{
    if (!in_file) return input_error("%s: holds no items", path);
    if (x->n)
        return input_error("%s: none of its %lld items has a scored token; there is nothing to learn", path,
                           (long long)x->n);
    return input_error(
        "%s: all %lld items are longer than %lld tokens (the longest: %lld); raise --max-length or take a model with more positions",
        path, (long long)in_file, (long long)max_length, (long long)x->longest);
}

int examples_read(examples *out, const task *t, const char *path, const tokenizer *tok, int64_t max_length)
{
    dataset *d;
    *out   = (examples) { 0 };
    int rc = task_read(t, path, &d);
    if (rc) return rc;
    out->items = mem_alloc((size_t)d->n, sizeof *out->items);
    memcpy(out->sha256, d->sha256, sizeof out->sha256);
    for (int64_t i = 0; i < d->n; i++) {
        train_example e;
        if ((rc = task_encode(t, &d->items[i], tok, &e))) {
            error_context(rc, "%s", path);
            break;
        }
        if (e.n > out->longest) out->longest = e.n;
        if (e.n > max_length) {
            out->too_long++;
            train_example_free(&e);
            continue;
        }
        out->unscored += !e.n_scored;
        out->scored_tokens += e.n_scored;
        out->items[out->n++] = e;
    }
    if (!rc && !out->scored_tokens) rc = refuse_empty(out, path, d->n, max_length);
    dataset_free(d);
    if (rc) examples_free(out);
    return rc;
}

void examples_free(examples *x)
{
    for (int64_t i = 0; i < x->n; i++) train_example_free(&x->items[i]);
    free(x->items);
    *x = (examples) { 0 };
}

int64_t example_length(const train_example *e)
{
    int64_t n = e->n;
    while (n && e->targets[n - 1] < 0) n--;
    return n;
}

void example_pack(pack *p, const train_example *e)
{
    const int64_t n = example_length(e);
    if (!n) return;
    const int64_t at = pack_tokens(p, e->ids, n, 0, -1);
    for (int64_t i = 0; i < n; i++)
        if (e->targets[i] >= 0) pack_row(p, at + i, e->targets[i], 0);
}
