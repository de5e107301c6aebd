/* Options of a verb: one table drives parsing, bounds, defaults and --help.
 *
 *     static struct { const char *model; int64_t rank; bool json; } o;
 *     static const option table[] = {
 *         { "model", OPT_STR, &o.model, .required = true, .arg = "DIR", .help = "base model" },
 *         { "rank", OPT_INT, &o.rank, .min = 0, .max = 65536, .def = "8", .arg = "N",
 *           .help = "rank r of the adapter" },
 *         { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
 *         { 0 } };
 *     int rc = options_parse(&verb_train, table, argc, argv, NULL); */
#ifndef TIEBREAK_CLI_OPTIONS_H
#define TIEBREAK_CLI_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

#include "core/nearest.h"
#include "sweep/grid.h"

/* A value is a bool, const char *, int64_t or double; of a word the int that is its place in
 * `words`. */
typedef enum { OPT_FLAG, OPT_STR, OPT_INT, OPT_NUM, OPT_WORD } option_kind;

typedef struct {
    const char *name; /* without "--"; NULL ends the table */
    option_kind kind;
    void       *value;
    double      min, max; /* OPT_INT, OPT_NUM, inclusive; both 0: any */
    const char *def;      /* parsed like an argument; NULL: left as it is */
    const char *arg;      /* "N", "DIR", ... as shown by --help */
    const char *help;     /* one line or more */
    /* OPT_WORD: what is allowed, NULL at the end; --help lists it */
    const char *const *words;
    /* The i-th name of a table elsewhere, NULL past the end; --help lists them. */
    const char *(*name_in_table)(int i);
    bool     required;
    bool    *given; /* set when the option stands on the command line; may be NULL */
    grid_use in_grid;
} option;

typedef struct {
    const char *name, *about;          /* "train", "fine-tune one adapter" */
    const char *usage;                 /* what follows the verb: "--model DIR --task T ..." */
    const char *examples;              /* commands worth pasting, a line each */
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
} verb;

/* Positional arguments, in order. */
typedef struct {
    const char *args[16];
    int         n, min, max;
    const char *what; /* "RUNS": for messages */
} positionals;

/* Parse argv[1..]. --help prints and returns OPTIONS_HELP. Unknown options suggest the nearest;
 * "--opt=value" works; every message names the verb. Every table implicitly has --help. */
enum { OPTIONS_HELP = -1 };
int options_parse(const verb *v, const option *table, int argc, char **argv, positionals *p);

/* The verbs; NULL past the end. */
extern const verb *const verb_table[];
#endif
