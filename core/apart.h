/* What tells things of one name apart: the members of their configurations that differ. */
#ifndef TIEBREAK_CORE_APART_H
#define TIEBREAK_CORE_APART_H
#include "core/json.h"

/* One configuration. Those of one `name` and one `within` are to be told apart: a member in which
 * two of them differ is said of each thing of that name. Borrowed but for text. */
typedef struct {
    const char *name, *within;
    const json *object;
    char       *text; /* out, owned by the caller: "lr 0.001, steps 20"; "" where nothing differs */
} apart;

/* Fills the texts of n configurations; their order may change. Members named `seed` are no
 * difference; of a hash 8 digits are said, and of a null nothing. */
void tell_apart(apart *things, size_t n);
#endif
