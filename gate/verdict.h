/* The verdict on one case: a number for each process in, an interval of the change and a word out.
 *
 *     gate_process *base, *head;                      one for each process of the case
 *     for (i = 0; i < 8; i++) base[i] = gate_process_of(logs_of_its_samples, n, block);
 *     gate_judgement j;
 *     gate_judge(&j, base, 8, head, 8, &(gate_rule) { .margin = 3, .cases = 12 });
 *     printf("%s %+.2f %% (%+.2f .. %+.2f)\n", gate_word(j.verdict), j.change, j.low, j.high);
 *
 * Samples within a process share its memory layout, its place and its moment, so they are no
 * replicates: a process counts once. The cases of a gate are judged together: each interval has
 * the level 1 - 0.05 / cases (Bonferroni), so that all of them hold at once in 95 % of gates. The
 * margin alone decides what a change is worth. */
#ifndef TIEBREAK_GATE_VERDICT_H
#define TIEBREAK_GATE_VERDICT_H
#include <stdbool.h>
#include <stdint.h>

/* From the best to the worst. */
typedef enum {
    GATE_IMPROVED,     /* the whole interval is better than the margin */
    GATE_EQUIVALENT,   /* the whole interval is within the margin, on both sides */
    GATE_INCONCLUSIVE, /* neither, or there is no interval */
    GATE_CHANGED,      /* a count that must stay as it is became less */
    GATE_REGRESSED     /* the whole interval is worse than the margin; a count became more */
} gate_verdict;
/* "improved", "equivalent", "inconclusive", "changed", "regressed" */
const char *gate_word(gate_verdict v);

/* One process of a case. */
typedef struct {
    double value; /* of a time: the median of the logs of its samples */
    double error; /* the standard error of that, from the samples within; 0: there is one */
    /* Processes of both sides that ran beside each other have the same number, so that drift falls
     * on both; -1: not known. */
    int64_t block;
} gate_process;

/* logs [n]: the natural logs of the samples of one process, n >= 1, finite. The error is a quarter
 * of the width of the median's 95 % interval by order statistics; of fewer than 6 samples, half of
 * their range. */
gate_process gate_process_of(const double *logs, int64_t n, int64_t block);

enum { GATE_LEAST = 5 }; /* processes a side, unless `noise` is given */

typedef struct {
    double  margin; /* percent, > 0 */
    double  noise;  /* percent: the standard deviation between processes, if known; 0: not known */
    int64_t cases;  /* how many are judged together, >= 1 */
} gate_rule;

typedef struct {
    gate_verdict verdict;
    /* Percent for times and sizes (head / base - 1, more is worse), points for scores. The
     * interval is NaN where there is none. */
    double change, low, high, margin;
    /* Which rule made the interval: "Mann-Whitney", "signed-rank", "noise given"; of scores and
     * counts others. "" where there is none. */
    const char *rule;
    int64_t     n_base, n_head; /* processes; items of a score */
    double      noise;          /* percent: the standard deviation between processes as seen; NaN below two a side */
    /* Where it is inconclusive: about how many a side (processes, items) would decide, at the noise
     * seen; 0: not known. A change that lies on the margin is never decided; the number is then
     * that for one half a margin away. */
    int64_t needs;
} gate_judgement;

/* Judges a time or a size. Every value is finite. Blocks are used where all processes have one:
 * each block that has both sides is then a pair, by signed ranks, if there are enough for its exact
 * interval; else Mann-Whitney's. Where that does not exist either, or a side has fewer than
 * GATE_LEAST processes, the noise given makes a normal interval, from the larger of it and what is
 * seen, and the errors within. Without it the case is inconclusive. */
void gate_judge(gate_judgement *out, const gate_process *base, int64_t n_base, const gate_process *head, int64_t n_head,
                const gate_rule *rule);

/* The word for an interval. more_is_worse: of times and sizes; false: of scores. NaN is
 * inconclusive. */
gate_verdict gate_decide(double low, double high, double margin, bool more_is_worse);
/* The level's alpha of one of so many cases. */
double gate_alpha(int64_t cases);
#endif
