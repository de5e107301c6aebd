/* What one side of a gate holds: files, each of one process, and what they say of cases.
 *
 *     gate_set s = { .field = "real_time" };
 *     int rc = gate_set_read(&s, "bench/base");           a folder, searched through, or one file
 *     if (!rc) rc = gate_set_add(&s, "more.json", 3);     one more, of block 3
 *     gate_set_free(&s);
 *
 * Known are our records (bench, train, eval), sample logs (ours and lm-evaluation-harness's) and
 * Google Benchmark's JSON of any version from 1.5 on. */
#ifndef TIEBREAK_GATE_SET_H
#define TIEBREAK_GATE_SET_H
#include "core/json.h"
#include "core/memory.h"
#include "core/string_table.h"
#include "gate/verdict.h"

/* What must be the same on both sides, or they cannot be compared. set.c has a row of each. */
typedef enum {
    FACT_BUILD,
    FACT_DTYPE,
    FACT_FORM, /* record or Google Benchmark's file: one run may have written both */
    FACT_MACHINE,
    FACT_THREADS,
    FACT_CLOCK,
    FACT_POWER,
    FACT_DATA,
    GATE_FACTS
} gate_fact;
typedef struct {
    const char *name;
    bool        of_times_only;
} gate_fact_row;
extern const gate_fact_row gate_fact_rows[GATE_FACTS];

typedef enum { GATE_TIME, GATE_SCORE, GATE_EXACT } gate_kind;
extern const char *const gate_kind_words[]; /* "time", "score", "exact" */

typedef struct {
    const char *path;
    int64_t     made;              /* seconds since 1970; -1: not known */
    int64_t     block;             /* -1: not known */
    const char *facts[GATE_FACTS]; /* NULL: not known */
    double      mhz;               /* of a processor that keeps its clock; 0: not known */
    /* A training, an evaluation or a sample log; "" and NULL of others, whose cases have whole
     * names. Its cases' names begin with the stem, "eval/gsm8k"; with the variant, "lora-r8", where
     * a side has several of one stem, and with the members of `asked` in which those still differ.
     * adapter: the same text is the same kind of adapter. log: a sample log to compare scores
     * by. */
    const char *stem, *variant, *adapter, *log;
    json       *asked;
} gate_file;

/* What one file says of one case. */
typedef struct {
    int64_t      file;
    const char  *part; /* of the case's name, after its file's stem */
    const char  *name; /* whole: by gate_set_names */
    gate_kind    kind;
    gate_process process; /* of a time: of ns, of the ratio to the base GEMM, of tokens/s, of bytes */
    double       count;   /* of an exact case; of a score the scale of its metric, 0: it has none */
    const char  *unit;
    bool         inverted; /* more is better: the process's value is that of the inverse */
    /* Throughput and memory of a run that was made for its scores. */
    bool aside;
    /* Why the case has no sample here, a sentence; NULL: it has one. */
    const char *problem;
} gate_sample;

/* Zeroed but for `field`. */
typedef struct {
    const char  *field; /* of Google Benchmark's entries: "real_time" or "cpu_time" */
    gate_file   *files;
    gate_sample *samples;
    size_t       n_files, n_samples, files_cap, samples_cap;
    int64_t      copies, skipped; /* files: the same content again, and JSON of another kind */
    const char  *first_skipped;
    string_table contents;
    arena        memory; /* owns the texts */
} gate_set;

/* Reads all files of a folder, or a file. ERR_INPUT names file, place and reason: a folder or file
 * that cannot be read, is empty, cut off, malformed or too large, a record that was edited, an
 * entry that is not what it should be. Of a folder JSON files of other kinds are counted as
 * skipped; a file named by itself must be of a known one. */
int gate_set_read(gate_set *s, const char *path);
/* Adds one file, which ran in that block (>= 0), or -1. */
int gate_set_add(gate_set *s, const char *path, int64_t block);
/* Gives all cases of both sides their whole names; judging does so. */
void gate_set_names(gate_set *base, gate_set *head);
void gate_set_free(gate_set *s);

/* For readers: a new file, zeroed but for its path, and a new sample of the newest file. */
gate_file   *gate_set_file(gate_set *s, const char *path);
gate_sample *gate_set_sample(gate_set *s, const char *part, gate_kind kind);
const char  *gate_set_text(gate_set *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON file's text. alone: it was named by itself, so it must be of a known kind. */
int gate_read_json(gate_set *s, const str *text, const char *path, bool alone);
/* Google Benchmark's report. A case is a run name, its samples are the repetitions. */
int gate_read_gbench(gate_set *s, const json *doc, const char *path);
/* One of our records. */
int gate_read_record(gate_set *s, const json *record, const char *path);
/* A sample log without a record. root: the folder that is searched through, "" for a file. */
int gate_read_log(gate_set *s, const char *path, const char *root);
#endif
