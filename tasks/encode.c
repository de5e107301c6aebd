#include "tasks/encode.h"

#include <string.h>

#include "core/error.h"

static int begins_with_bos(const tokenizer *t, slice text, bool *yes)
{
    int32_t bos  = tokenizer_bos(t);
    str     word = { 0 };
    *yes         = false;
    if (bos < 0) return OK;
    int rc = tokenizer_decode(t, &bos, 1, false, &word);
    *yes   = !rc && word.n && text.n >= word.n && !memcmp(text.s, word.s, word.n);
    str_free(&word);
    return rc;
}

int encode_text(const tokenizer *t, slice text, ids *out)
{
    bool has_bos;
    int  rc = begins_with_bos(t, text, &has_bos);
    return rc ? rc : tokenizer_encode(t, text.s, text.n, !has_bos, out);
}

int32_t encode_prefix(const tokenizer *t)
{
    int32_t bos = tokenizer_bos(t);
    return bos >= 0 ? bos : tokenizer_eos(t);
}

static int push_prefix(const tokenizer *t, ids *context_ids)
{
    int32_t prefix = encode_prefix(t);
    if (prefix < 0)
        return input_error("the context is empty and the tokenizer has no BOS or EOS token to stand for it");
    ids_push(context_ids, prefix);
    return OK;
}

static int after_nothing(const tokenizer *t, const slice *conts, int64_t n, ids *context_ids, ids *conts_ids)
{
    int rc = push_prefix(t, context_ids);
    for (int64_t i = 0; i < n && !rc; i++) {
        ids *c = &conts_ids[i];
        rc     = tokenizer_encode(t, conts[i].s, conts[i].n, false, c);
        /* A continuation that spells the prefix token brings its own context. */
        if (!rc && c->n && c->ids[0] == context_ids->ids[0]) memmove(c->ids, c->ids + 1, --c->n * sizeof *c->ids);
    }
    return rc;
}

int encode_continuations(const tokenizer *t, slice context, const slice *conts, int64_t n, ids *context_ids,
                         ids *conts_ids)
{
    if (!context.n) return after_nothing(t, conts, n, context_ids, conts_ids);
    slice  kept   = py_rstrip(context);
    str    whole  = { 0 };
    ids    all    = { 0 };
    int    rc     = encode_text(t, kept, context_ids);
    size_t n_kept = context_ids->n;
    if (!rc && !n_kept) rc = push_prefix(t, context_ids);
    for (int64_t i = 0; i < n && !rc; i++) {
        str_clear(&whole);
        ids_clear(&all);
        str_add(&whole, context.s, context.n);
        str_add(&whole, conts[i].s, conts[i].n);
        rc = encode_text(t, (slice) { whole.s, whole.n }, &all);
        for (size_t k = n_kept; k < all.n && !rc; k++) ids_push(&conts_ids[i], all.ids[k]);
        if (!rc && !conts_ids[i].n) rc = tokenizer_encode(t, whole.s + kept.n, whole.n - kept.n, false, &conts_ids[i]);
    }
    str_free(&whole);
    ids_free(&all);
    return rc;
}
