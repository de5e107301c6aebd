/* Pins: counts that must not change without a word, in a text file that is reviewed with the code.
 *
 *     # NAME VALUE [TOLERANCE%]
 *     count/lora/trainable 98304
 *     instructions/op/pair_fwd 1204511 0.5%
 *
 * A name may hold blanks: the value is the last word, or the one before the tolerance. Empty lines
 * and those that begin with # are comments. The same form with the ending .counts is what programs
 * write of one run; `gate` reads it like a record.
 *
 *     pin_list pins;
 *     int rc = pins_read(&pins, "gate/pins.txt");
 *     if (!rc) rc = pins_judge(&result, &pins, &head, &options);
 *     pins_free(&pins); */
#ifndef TIEBREAK_GATE_PINS_H
#define TIEBREAK_GATE_PINS_H
#include "gate/gate.h"

typedef struct {
    const char *name;
    double      value;
    double      tolerance; /* percent of the value; 0: it must be the same */
    int64_t     line;
    bool        met; /* the run has it */
} pin;

typedef struct {
    const char  *path;
    pin         *pins;
    size_t       n, cap;
    string_table names;
    arena        memory;
} pin_list;

/* ERR_INPUT names file and line: no value, one that is no number from 0 to 2^53, a tolerance that
 * is no percentage from 0 to 100, a name that stands there twice, a file without a single pin. */
int pins_read(pin_list *p, const char *path);
/* The same of a text; path is for messages. */
int  pins_parse(pin_list *p, const char *text, size_t n, const char *path);
void pins_free(pin_list *p);

/* Adds a case for each pin, judged by HEAD's exact cases: equivalent within the tolerance, else
 * regressed (more) or changed (less). A pin that HEAD lacks, and an exact case of HEAD that is not
 * pinned, is a problem by name. o->only leaves out others on both sides; ERR_INPUT where it is no
 * regular expression or leaves nothing. */
int pins_judge(gate_result *r, pin_list *p, gate_set *head, const gate_options *o);

/* Writes HEAD's exact cases to the file: comments, order and tolerances stay, pins that HEAD lacks
 * go, new ones come last, with the tolerance of pins whose names begin with the same word before a
 * slash. ERR_INPUT where two files of HEAD differ in a count. */
int pins_update(const char *path, gate_set *head);

/* Reads a file of counts as one more file of the set. */
int gate_read_counts(gate_set *s, const char *path);
#endif
