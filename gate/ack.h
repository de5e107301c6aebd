/* Acknowledgements: regressions that are accepted until a day, for a reason.
 *
 *     # NAME YYYY-MM-DD reason
 *     fwd/lora/r=8/tokens=512 2026-03-01 the checked path costs 5 %, see the change that added it
 *
 * A line is a case's name, the last day on which it holds, and the reason. Empty lines and those
 * that begin with # are comments. */
#ifndef TIEBREAK_GATE_ACK_H
#define TIEBREAK_GATE_ACK_H
#include <stdbool.h>

#include "core/memory.h"

typedef struct {
    const char *name, *until, *reason;
    int64_t     line, ends; /* ends: the first second after it, since 1970 */
    bool        used;       /* it names a case */
} ack_entry;

typedef struct {
    const char *path;
    ack_entry  *entries;
    size_t      n, cap;
    arena       memory;
} ack_list;

/* ERR_INPUT names file and line: no date, a day that does not exist, no reason, a name that stands
 * there twice. */
int        ack_read(ack_list *l, const char *path);
void       ack_free(ack_list *l);
ack_entry *ack_find(ack_list *l, const char *name); /* NULL: there is none */
#endif
