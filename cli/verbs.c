#include "cli/verbs.h"

#include <stddef.h>

/* A verb is one file in cli/ and one row here. */
/* clang-format off */
const verb *const verb_table[] = {
    &verb_train,
    &verb_bench,
    &verb_report,
    &verb_mini,
    &verb_count,
    &verb_adapter,
    &verb_generate,
    &verb_tokenize,
    &verb_info,
    NULL,
};
/* clang-format on */
