/* Two builds on this machine, judged while they run: `tiebreak gate --run`.
 *
 *     gate_run run = { .programs = { "old/bench", "new/bench" }, .args = args, .n_args = 2,
 *                      .samples = "gate-samples", .budget_s = 120, .seed = 1 };
 *     int rc = gate_run_judge(&result, &base, &head, &run, &rules);
 *
 * A block is four processes in the order base, head, head, base, or the other way round, by lot.
 * Each is started anew: its addresses are the system's choice, and a variable of random length in
 * its environment moves its stack. Neighbours in a block, one of each build, are a pair: what the
 * machine does meanwhile falls on both.
 *
 * Blocks are taken in stages. After each, the cases are judged, and while one is undecided and the
 * budget lasts, the next stage has about as many blocks as it needs. Looking at the data several
 * times would find more than there is, so the intervals hold over all GATE_LOOKS looks together.
 *
 * A block during which other processes took more than a tenth of a core is counted as disturbed. It
 * is taken again, for as long as that has cost less than a third of the budget. */
#ifndef TIEBREAK_GATE_RUN_H
#define TIEBREAK_GATE_RUN_H
#include "gate/gate.h"

enum { GATE_LOOKS = 4 };

typedef struct {
    /* What is asked. In args, {out} stands for the file that a process writes its report to, and
     * {dir} for a folder of its own. Without either, what is needed is added: `--out {dir}` after
     * the verbs bench, train and eval; to others, taken for programs of Google Benchmark,
     * --benchmark_out={out} --benchmark_out_format=json. */
    const char  *programs[2]; /* base, head */
    char *const *args;
    int64_t      n_args;
    const char  *samples; /* the folder that keeps them, in base/block-N/ and head/block-N/ */
    double       budget_s;
    uint64_t     seed; /* of the order and of the environment's length */
    /* What came out. */
    int64_t blocks, disturbed, retaken; /* those in use; of these disturbed; others, taken again */
    int64_t looks;
    int     core;    /* that all processes were pinned to; -1: none */
    double  cores;   /* that the program keeps busy, by its first process */
    double  spent_s; /* since the start */
    double  others;  /* the cores that other processes kept busy, on average over all blocks */
} gate_run;

/* Runs and judges. The samples are added to the sets, which the result borrows from, and what the
 * run was like to the result's notes. ERR_INPUT: a folder that holds samples already, a program
 * that cannot be started. ERR_FAILED: a process that failed or was killed; the message says how it
 * ended, and where its output is. */
int gate_run_judge(gate_result *r, gate_set *base, gate_set *head, gate_run *run, const gate_options *rules);

/* The number in the last part "block-N" of a path to a sample; -1: there is none. So `gate BASE
 * HEAD` on a folder of samples finds the pairs again. */
int64_t gate_run_block(const char *path);
#endif
