#include "cli/verbs.h"

#include <stddef.h>

/* A verb is one file in cli/ and one row here. */
const verb *const verb_table[] = {
    &verb_count,   /* what a method costs on paper */
    &verb_train,   /* one cell */
    &verb_eval,    /* what an adapter scores */
    &verb_score,   /* what another program's predictions score */
    &verb_sweep,   /* many */
    &verb_bench,   /* kernels */
    &verb_gate,    /* is one side worse */
    &verb_report,  /* what it all says */
    &verb_adapter, /* adapter folders */
    &verb_generate, &verb_tokenize, &verb_base, &verb_mini, &verb_info, NULL,
};
