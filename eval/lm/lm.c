#include "eval/lm/lm.h"

#include <stdlib.h>

#include "core/memory.h"

void answer_sums(answer *a, int64_t n)
{
    a->n_ll   = n;
    a->ll     = mem_alloc((size_t)n, sizeof *a->ll);
    a->greedy = mem_alloc((size_t)n, sizeof *a->greedy);
    a->tokens = mem_alloc((size_t)n, sizeof *a->tokens);
    for (int64_t i = 0; i < n; i++) a->greedy[i] = true;
}

void answer_free(answer *a)
{
    str_free(&a->text);
    free(a->ll);
    free(a->greedy);
    free(a->tokens);
    *a = (answer) { 0 };
}
