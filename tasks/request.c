#include "tasks/request.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tasks/encode.h"

int64_t request_context_cut(int64_t n_context, int64_t n_cont, int64_t positions)
{
    int64_t over = n_context + n_cont - (positions + 1);
    return over > 0 ? over : 0;
}

/* The prompt keeps its last positions - max_new tokens. */
static int make_generate(request *r, const tokenizer *tok, request_rules rules)
{
    int rc = encode_text(tok, slice_of(r->text.prompt), &r->input);
    if (rc) return rc;
    if (!r->input.n) {
        int32_t prefix = encode_prefix(tok);
        if (prefix < 0)
            return input_error("the prompt is empty and the tokenizer has no BOS or EOS token to begin with");
        ids_push(&r->input, prefix);
    }
    int64_t room = rules.positions - rules.max_new;
    if ((int64_t)r->input.n > room) {
        r->cut = (int64_t)r->input.n - room;
        memmove(r->input.ids, r->input.ids + r->cut, (size_t)room * sizeof *r->input.ids);
        r->input.n = (size_t)room;
    }
    r->cost = (int64_t)r->input.n;
    return OK;
}

static int make_choices(request *r, const tokenizer *tok, request_rules rules)
{
    int64_t n     = r->text.n_choices;
    slice  *texts = mem_alloc((size_t)n, sizeof *texts);
    r->choices    = mem_alloc((size_t)n, sizeof *r->choices);
    for (int64_t i = 0; i < n; i++) texts[i] = slice_of(r->text.choices[i]);
    int rc = encode_continuations(tok, slice_of(r->text.prompt), texts, n, &r->input, r->choices);
    free(texts);
    r->cost = (int64_t)r->input.n;
    for (int64_t i = 0; i < n && !rc; i++) {
        int64_t len = (int64_t)r->choices[i].n, cut = request_context_cut((int64_t)r->input.n, len, rules.positions);
        if (!len) rc = input_error("choice %lld is empty: there is nothing to score", (long long)i);
        if (len > rules.positions)
            rc = input_error("choice %lld has %lld tokens; the model takes %lld", (long long)i, (long long)len,
                             (long long)rules.positions);
        if (cut > r->cut) r->cut = cut;
        r->scored += len;
        r->cost += len;
    }
    return rc;
}

/* Every token after the first n_context is scored at the input before it. */
static void set_targets(request *r, size_t n_context)
{
    size_t n   = r->input.n;
    r->targets = mem_alloc(n, sizeof *r->targets);
    for (size_t i = 0; i + 1 < n; i++) r->targets[i] = i + 1 >= n_context ? r->input.ids[i + 1] : -1;
    r->scored  = (int64_t)(n - n_context);
    r->row     = (int64_t)n_context - 1;
    r->input.n = n - 1;
}

static int make_text(request *r, const task *t, const tokenizer *tok)
{
    ids   cont  = { 0 };
    slice text  = slice_of(r->text.target);
    bool  alone = !*r->text.prompt;
    int   rc    = OK;
    if (alone && t->rules.scores_bos) {
        int32_t prefix = encode_prefix(tok);
        if (prefix < 0) return input_error("the tokenizer has no BOS or EOS token to begin with");
        ids_push(&r->input, prefix);
        rc = encode_text(tok, text, &cont);
    } else {
        rc = encode_continuations(tok, slice_of(r->text.prompt), &text, 1, &r->input, &cont);
    }
    size_t n_context = r->input.n;
    for (size_t i = 0; i < cont.n && !rc; i++) ids_push(&r->input, cont.ids[i]);
    ids_free(&cont);
    if (!rc) set_targets(r, n_context);
    return rc;
}

static int make_target(request *r, const task *t, const data_item *item, const tokenizer *tok)
{
    train_example x;
    int           rc = task_needs_tokenizer(t) ? task_encode_text(t, &r->text, tok, &x) : task_encode(t, item, tok, &x);
    if (rc) return rc;
    int64_t last = x.n;
    while (last > 0 && x.targets[last - 1] < 0) last--;
    for (int64_t i = 0; i < last; i++) ids_push(&r->input, x.ids[i]);
    r->targets = mem_alloc((size_t)last, sizeof *r->targets);
    memcpy(r->targets, x.targets, (size_t)last * sizeof *r->targets);
    r->scored = x.n_scored;
    while (r->row < last && r->targets[r->row] < 0) r->row++;
    train_example_free(&x);
    return OK;
}

static void put_before(task_text *text, const char *shots)
{
    str whole = { 0 };
    str_printf(&whole, "%s%s", shots, text->prompt);
    free(text->prompt);
    text->prompt = whole.s;
}

/* Nothing can be counted or cut here without ids; the cost is a guess that only orders items. */
static int make_as_text(request *r, const task *t, request_kind kind)
{
    if (kind == REQUEST_TARGET)
        return input_error(
            "the targets that training learns end in the tokenizer's EOS: --metrics loss needs --tokenizer DIR");
    if (kind == REQUEST_TEXT && t->rules.scores_bos)
        return input_error("this prompt scores the text's own BOS, which needs --tokenizer DIR");
    size_t bytes = strlen(r->text.prompt);
    for (int64_t i = 0; i < r->text.n_choices; i++) {
        if (!r->text.choices[i][0]) return input_error("choice %lld is empty: there is nothing to score", (long long)i);
        bytes += strlen(r->text.choices[i]);
    }
    if (kind == REQUEST_TEXT) bytes += strlen(r->text.target);
    r->cost = (int64_t)bytes / 4 + 1;
    return OK;
}

int request_make(request *out, const task *t, const data_item *item, const char *shots, const tokenizer *tok,
                 request_rules rules)
{
    *out   = (request) { 0 };
    int rc = task_needs_tokenizer(t) ? task_render(t, item, &out->text) : OK;
    if (!rc && *shots) put_before(&out->text, shots);
    if (rules.as_text) {
        if (!rc) rc = make_as_text(out, t, rules.kind);
        if (!rc) return OK;
    }
    if (!rc && rules.kind == REQUEST_GENERATE) rc = make_generate(out, tok, rules);
    if (!rc && rules.kind == REQUEST_CHOICES) rc = make_choices(out, tok, rules);
    if (!rc && rules.kind == REQUEST_TEXT) rc = make_text(out, t, tok);
    if (!rc && rules.kind == REQUEST_TARGET) rc = make_target(out, t, item, tok);
    if (!rc && (rules.kind == REQUEST_TEXT || rules.kind == REQUEST_TARGET)) {
        int64_t n = (int64_t)out->input.n, fits = rules.positions;
        out->cut  = n <= fits ? 0 : n - out->row <= fits ? n - fits : out->row;
        out->cost = n - out->cut;
    }
    if (rc) {
        request_free(out);
        return error_context(rc, "item %s", item->id);
    }
    return OK;
}

void request_free(request *r)
{
    if (r->choices)
        for (int64_t i = 0; i < r->text.n_choices; i++) ids_free(&r->choices[i]);
    free(r->choices);
    free(r->targets);
    ids_free(&r->input);
    task_text_free(&r->text);
    *r = (request) { 0 };
}
