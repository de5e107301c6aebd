#include "tasks/item_stats.h"

#include <stdlib.h>

#include "core/memory.h"

int item_stats(const task_text *text, const item_answer *a, const metric_list *metrics, double *stats)
{
    slice       *references = mem_alloc((size_t)text->n_references, sizeof *references);
    int64_t     *lengths    = mem_alloc((size_t)(2 * text->n_choices), sizeof *lengths);
    int64_t     *chars = lengths, *bytes = lengths + text->n_choices;
    slice        target = slice_of(text->target ? text->target : "");
    metric_input in     = { .prediction   = a->prediction.s ? a->prediction : slice_of(""),
                            .references   = references,
                            .n_references = text->n_references,
                            .choice_ll    = a->choice_ll,
                            .choice_chars = chars,
                            .choice_bytes = bytes,
                            .n_choices    = a->choice_ll ? text->n_choices : 0,
                            .gold         = text->gold,
                            .ll           = a->ll,
                            .tokens       = a->tokens,
                            .words        = text->target ? py_resplit_words(target) : 0,
                            .bytes        = (int64_t)target.n };
    for (int64_t i = 0; i < text->n_references; i++) references[i] = slice_of(text->references[i]);
    for (int64_t i = 0; i < in.n_choices; i++) {
        slice choice = slice_of(text->choices[i] + text->delimiter);
        chars[i]     = py_length(choice);
        bytes[i]     = (int64_t)choice.n;
    }
    int k = 0;
    for (int m = 0; m < metrics->n; k += metrics->rows[m++].n_stats) metric_item(&metrics->rows[m], &in, stats + k);
    free(references);
    free(lengths);
    return k;
}
