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

/* The rows of a verb that runs a model, whose request is q. */
/* clang-format off */
#define OPTIONS_OF_DEVICE(q)                                                                                           \
    { "device", OPT_STR, &(q).device, .def = "cpu", .arg = "NAME",                                                     \
      .help = "cpu, cuda (an NVIDIA GPU: `tiebreak info` says whether one can be used), or ref: plain C in f64, slow" }, \
    { "dtype", OPT_STR, &(q).dtype, .arg = "T",                                                                        \
      .help = "with --device cuda: f32, or bf16 (weights and activations; sums and trained numbers stay f32); "        \
              "f32 when not given" },                                                                                  \
    { "variant", OPT_STR, &(q).variant, .arg = "NAME",                                                                 \
      .help = "how a GPU computes linears with their adapters, as `tiebreak info` lists it there" },                   \
    { "threads", OPT_INT, &(q).threads, .min = 1, .max = 4096, .arg = "N",                                             \
      .help = "worker threads; every core when not given" }
/* clang-format on */

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
