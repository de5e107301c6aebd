/* What is shared while two sets are judged: gate.c pairs cases and sorts out, judge.c judges. */
#ifndef TIEBREAK_GATE_GATE_PRIVATE_H
#define TIEBREAK_GATE_GATE_PRIVATE_H
#include <regex.h>

#include "core/string_table.h"
#include "gate/gate.h"

/* One case: its samples of both sides lie one after the other. */
typedef struct {
    const char         *name;
    gate_kind           kind;
    const gate_sample **base, **head;
    int64_t             n[2];
    bool                aside;
} gate_pair;

typedef struct {
    gate_result        *r;
    const gate_set     *sets[2];
    const gate_sample **sorted[2];
    gate_pair          *pairs;
    size_t              n, cap;
    /* what differs between files, and was said */
    string_table said;
    bool         only_given;
    regex_t      only;
} gate_judging;

/* Keeps a text as long as the result. */
const char *gate_keep(gate_result *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The file of the i-th sample of a side, 0 base, 1 head. */
const gate_file *gate_file_of(const gate_judging *g, const gate_pair *p, int side, int64_t i);
/* Judges g->pairs, each of which has samples of both sides. ERR_INPUT when logs cannot be
 * compared. */
int gate_judge_pairs(gate_judging *g);
#endif
