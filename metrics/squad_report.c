#include "metrics/squad_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"

typedef double score_of(const squad_question *q);
static double  em_of(const squad_question *q) { return q->em; }
static double  f1_of(const squad_question *q) { return q->f1; }
static double  oracle_of(const squad_question *q) { return q->has_answer; }

typedef bool member(const squad_question *q);
static bool  any_question(const squad_question *q) { return q->predicted; }
static bool  answerable(const squad_question *q) { return q->predicted && q->has_answer; }
static bool  unanswerable(const squad_question *q) { return q->predicted && !q->has_answer; }

static squad_average average(const squad_question *q, int64_t n, member *is_in, double threshold)
{
    squad_average a = { 0 };
    for (int64_t i = 0; i < n; i++) {
        if (!is_in(&q[i])) continue;
        bool withdrawn = q[i].na_prob > threshold;
        a.exact += withdrawn ? !q[i].has_answer : q[i].em;
        a.f1 += withdrawn ? !q[i].has_answer : q[i].f1;
        a.total++;
    }
    a.exact = a.total ? 100.0 * a.exact / (double)a.total : NAN;
    a.f1    = a.total ? 100.0 * a.f1 / (double)a.total : NAN;
    return a;
}

static int by_probability(const void *a, const void *b)
{
    const squad_question *x = *(const squad_question *const *)a, *y = *(const squad_question *const *)b;
    if (x->na_prob != y->na_prob) return x->na_prob < y->na_prob ? -1 : 1;
    return (x->na_rank > y->na_rank) - (x->na_rank < y->na_rank);
}

/* Starts by answering nothing, then answers one question after the other, the surest first. */
static double best_threshold(const squad_question *const *sorted, int64_t n, int64_t no_answers, score_of *score,
                             double *threshold)
{
    double now = (double)no_answers, best = now;
    *threshold = 0;
    for (int64_t i = 0; i < n; i++) {
        now += sorted[i]->has_answer ? score(sorted[i]) : sorted[i]->answered ? -1 : 0;
        if (now > best) {
            best       = now;
            *threshold = sorted[i]->na_prob;
        }
    }
    return 100.0 * best / (double)n;
}

/* Precision times the step in recall, summed over the places where a threshold can lie: between
 * different probabilities. */
static double average_precision(const squad_question *const *sorted, int64_t n, int64_t with_answer, score_of *score)
{
    double right = 0, recall_before = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (sorted[i]->has_answer) right += score(sorted[i]);
        if (i + 1 < n && sorted[i]->na_prob == sorted[i + 1]->na_prob) continue;
        double precision = right / (double)(i + 1), recall = right / (double)with_answer;
        sum += precision * (recall - recall_before);
        recall_before = recall;
    }
    return with_answer ? 100.0 * sum : NAN;
}

squad_report squad_report_of(const squad_question *q, int64_t n, bool with_na_probs, double threshold)
{
    /* Without probabilities all are 0, and 0 is not above a threshold that is not negative. */
    double       limit = with_na_probs ? threshold : INFINITY;
    squad_report r     = { .all           = average(q, n, any_question, limit),
                           .has_answer    = average(q, n, answerable, limit),
                           .no_answer     = average(q, n, unanswerable, limit),
                           .with_na_probs = with_na_probs };
    if (!with_na_probs || !r.all.total) return r;
    const squad_question **sorted = mem_alloc((size_t)n, sizeof *sorted);
    int64_t                scored = 0, with_answer = 0;
    for (int64_t i = 0; i < n; i++) {
        with_answer += q[i].has_answer;
        if (q[i].predicted) sorted[scored++] = &q[i];
    }
    qsort(sorted, (size_t)scored, sizeof *sorted, by_probability);
    r.best_exact   = best_threshold(sorted, scored, n - with_answer, em_of, &r.best_exact_thresh);
    r.best_f1      = best_threshold(sorted, scored, n - with_answer, f1_of, &r.best_f1_thresh);
    r.pr_exact_ap  = average_precision(sorted, scored, with_answer, em_of);
    r.pr_f1_ap     = average_precision(sorted, scored, with_answer, f1_of);
    r.pr_oracle_ap = average_precision(sorted, scored, with_answer, oracle_of);
    free(sorted);
    return r;
}

static void set_average(json *j, const char *prefix, const squad_average *a)
{
    char name[32];
    if (!a->total) return;
    snprintf(name, sizeof name, "%sexact", prefix);
    json_set_num(j, name, a->exact);
    snprintf(name, sizeof name, "%sf1", prefix);
    json_set_num(j, name, a->f1);
    snprintf(name, sizeof name, "%stotal", prefix);
    json_set_int(j, name, a->total);
}

json *squad_report_json(const squad_report *r)
{
    json *j = json_object();
    set_average(j, "", &r->all);
    set_average(j, "HasAns_", &r->has_answer);
    set_average(j, "NoAns_", &r->no_answer);
    if (!r->with_na_probs) return j;
    json_set_num(j, "best_exact", r->best_exact);
    json_set_num(j, "best_exact_thresh", r->best_exact_thresh);
    json_set_num(j, "best_f1", r->best_f1);
    json_set_num(j, "best_f1_thresh", r->best_f1_thresh);
    json_set_num(j, "pr_exact_ap", r->pr_exact_ap);
    json_set_num(j, "pr_f1_ap", r->pr_f1_ap);
    json_set_num(j, "pr_oracle_ap", r->pr_oracle_ap);
    return j;
}
