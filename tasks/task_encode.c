/* Turns one item into a training example. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tasks/encode.h"
#include "tasks/task.h"

static void set_example(train_example *x, const int32_t *tokens, int64_t n, int64_t n_prompt)
{
    *x = (train_example) { .ids     = mem_alloc((size_t)n + 1, sizeof *x->ids),
                           .targets = mem_alloc((size_t)n + 1, sizeof *x->targets),
                           .n       = n };
    for (int64_t i = 0; i < n; i++) {
        bool scored   = i + 1 < n && i + 1 >= n_prompt;
        x->ids[i]     = tokens[i];
        x->targets[i] = scored ? tokens[i + 1] : -1;
        x->n_scored += scored;
    }
}

/* A label names the token at its own place, so the one at i is predicted at i - 1. */
static void set_labelled(train_example *x, const data_item *item)
{
    set_example(x, item->token_ids, item->n_tokens, item->n_tokens);
    for (int64_t i = 0; i + 1 < x->n; i++) {
        x->targets[i] = item->token_labels[i + 1] < 0 ? -1 : item->token_labels[i + 1];
        x->n_scored += x->targets[i] >= 0;
    }
}

int task_encode_text(const task *t, const task_text *text, const tokenizer *tok, train_example *out)
{
    ids    all = { 0 }, rest = { 0 };
    slice  target = slice_of(text->target);
    int    rc     = encode_continuations(tok, slice_of(text->prompt), &target, 1, &all, &rest);
    size_t n      = all.n;
    *out          = (train_example) { 0 };
    for (size_t i = 0; i < rest.n && !rc; i++) ids_push(&all, rest.ids[i]);
    if (!rc && t->rules.append_eos && tokenizer_eos(tok) >= 0) ids_push(&all, tokenizer_eos(tok));
    if (!rc) set_example(out, all.ids, (int64_t)all.n, (int64_t)n);
    ids_free(&all);
    ids_free(&rest);
    return rc;
}

int task_encode(const task *t, const data_item *item, const tokenizer *tok, train_example *out)
{
    *out = (train_example) { 0 };
    if (item->token_ids) {
        set_labelled(out, item);
        return OK;
    }
    task_text text;
    int       rc = task_render(t, item, &text);
    if (rc) return rc;
    rc = task_encode_text(t, &text, tok, out);
    task_text_free(&text);
    return rc;
}

void train_example_free(train_example *x)
{
    free(x->ids);
    free(x->targets);
    *x = (train_example) { 0 };
}
