#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score/compare.h"

enum { SHOWN = 8 }; /* the most ids in a line, unless all are asked for */

const char *compare_test_name(const compare_score *s)
{
    return s->flips ? "McNemar mid-p" : "approximate randomisation";
}

/* Whether it is one of sacreBLEU's metrics: their signature begins with the references, and
 * sacreBLEU's tests come right after those. */
static bool is_sacrebleus(const compare_metric *m)
{
    return m->row.error == STDERR_BOOTSTRAP && strstr(str_c(&m->signature), "|nrefs:");
}

static bool is_better(const compare_metric *m, const compare_score *s)
{
    return m->row.higher == (s->test.difference > 0);
}

const char *compare_verdict_text(const compare_metric *m, const compare_score *s)
{
    switch (s->verdict) {
    case VERDICT_IDENTICAL: return "identical on every item";
    case VERDICT_OPEN: return "not distinguishable";
    case VERDICT_SEEDS:
        return is_better(m, s) ? "better in these runs, not beyond the spread of training seeds"
                               : "worse in these runs, not beyond the spread of training seeds";
    case VERDICT_DIFFERENT: break;
    }
    return is_better(m, s) ? "different: better" : "different: worse";
}

/* Whether the item is right in the first system and wrong in this one, or the reverse. */
static bool flipped(const compare_metric *m, const compare_score *s, int64_t i, bool to_right)
{
    bool before = m->scores[0].stats[i] > 0.5, now = s->stats[i] > 0.5;
    return before != now && now == to_right;
}

/* --- text */

static void print_ids(const comparison *c, const compare_metric *m, const compare_score *s, bool to_right, bool all,
                      str *out)
{
    int64_t shown = 0, n = to_right ? s->counts.only_b : s->counts.only_a;
    str_printf(out, "      %-14s %lld", to_right ? "wrong -> right" : "right -> wrong", (long long)n);
    for (int64_t i = 0; i < c->n && (all || shown < SHOWN); i++)
        if (flipped(m, s, i, to_right)) str_printf(out, "%s%s", shown++ ? ", " : ": ", c->ids[i]);
    str_puts(out, shown < n ? ", ...\n" : "\n");
}

static void print_changes(const comparison *c, const compare_metric *m, const compare_score *s, bool all, str *out)
{
    if (s->flips) {
        print_ids(c, m, s, true, all, out);
        print_ids(c, m, s, false, all, out);
        return;
    }
    str_printf(out, "      items          %lld better, %lld worse, %lld equal\n", (long long)s->better,
               (long long)s->worse, (long long)(c->n - s->better - s->worse));
    for (int64_t i = 0; all && i < c->n; i++)
        if (compare_differs(s->items[i], m->scores[0].items[i]))
            str_printf(out, "        %s: %.6g -> %.6g\n", c->ids[i], m->scores[0].items[i], s->items[i]);
}

static void print_tests(const comparison *c, const compare_metric *m, const compare_score *s, str *out)
{
    str_printf(out, "      p              %.4g, %s", s->p, compare_test_name(s));
    if (c->n_systems > 2) str_printf(out, "; %.4g over %d systems (Holm)", s->p_holm, c->n_systems - 1);
    str_printf(out, "\n      other tests    ");
    if (s->flips)
        str_printf(out, "McNemar exact %.4g, approximate randomisation %.4g, ", s->p_exact, s->test.p_randomisation);
    str_printf(out, "paired bootstrap %.4g", s->test.p_bootstrap);
    if (is_sacrebleus(m))
        str_printf(out, "; as sacreBLEU counts: bootstrap %.4g, randomisation %.4g", s->test.sacrebleu_p_bootstrap,
                   s->test.sacrebleu_p_randomisation);
    str_putc(out, '\n');
}

static void print_seeds(const comparison *c, const compare_metric *m, int s, str *out)
{
    const compare_score *at = &m->scores[s];
    if (c->systems[s].n_runs < 2) return;
    str_printf(out, "      %d runs        ", c->systems[s].n_runs);
    for (int r = 0; r < c->systems[s].n_runs; r++) str_printf(out, " %.4f", at->run_values[r]);
    str_printf(out, ", sd %.4f: the training seed's part, beside ± %.4f of the items\n", at->seed_sd, at->error);
    if (s && !isnan(at->seed_p))
        str_printf(out, "      seeds          difference of mean runs ± %.4f, p %.4g (Welch's t)\n", at->seed_error,
                   at->seed_p);
}

static void print_score(const comparison *c, const compare_metric *m, int s, bool per_item, str *out)
{
    const compare_score *at = &m->scores[s];
    str_printf(out, "  %s%s\n      value          %.4f", c->systems[s].name, s ? "" : " (baseline)", at->value);
    if (!isnan(at->error)) str_printf(out, " ± %.4f", at->error);
    if (!isnan(at->range.low))
        str_printf(out, ", 95 %% %.4f .. %.4f (%s)", at->range.low, at->range.high, at->range.rule);
    str_putc(out, '\n');
    if (s) {
        str_printf(out, "      difference     %+.4f", at->test.difference);
        if (!isnan(at->difference_error)) str_printf(out, " ± %.4f", at->difference_error);
        str_printf(out, ", 95 %% %+.4f .. %+.4f (paired bootstrap)\n", at->test.gap.low, at->test.gap.high);
        print_tests(c, m, at, out);
        print_changes(c, m, at, per_item, out);
    }
    print_seeds(c, m, s, out);
    if (s) str_printf(out, "      -> %s\n", compare_verdict_text(m, at));
}

void compare_print(const comparison *c, bool per_item, str *out)
{
    str_printf(out, "%lld items; each system against %s; %lld resamples, %lld randomisations, seed %llu\n",
               (long long)c->n, c->systems[0].name, (long long)c->options.draws.resamples,
               (long long)c->options.draws.randomisations, (unsigned long long)c->options.draws.seed);
    for (int k = 0; k < c->n_metrics; k++) {
        const compare_metric *m = &c->metrics[k];
        str_printf(out, "\n%s (%s is better)   %s\n", m->row.name, m->row.higher ? "higher" : "lower",
                   str_c(&m->signature));
        for (int s = 0; s < c->n_systems; s++) print_score(c, m, s, per_item, out);
    }
    if (c->n_metrics > 1 && c->n_systems > 1)
        str_puts(out, "\np-values are adjusted over systems, not over metrics: choose the metric before looking.\n");
}

/* --- JSON */

/* Ids stay numbers where every id of the first log is one. */
static json *id_json(const comparison *c, int64_t i)
{
    return c->systems[0].runs[0].numbers ? json_of_number(strtod(c->ids[i], NULL)) : json_of_text(c->ids[i]);
}

static json *flips_json(const comparison *c, const compare_metric *m, const compare_score *s, bool to_right, bool all)
{
    json   *j = json_object(), *ids = json_array();
    int64_t shown = 0;
    json_set_int(j, "n", to_right ? s->counts.only_b : s->counts.only_a);
    for (int64_t i = 0; i < c->n && (all || shown < SHOWN); i++) {
        if (!flipped(m, s, i, to_right)) continue;
        json_push(ids, id_json(c, i));
        shown++;
    }
    json_set(j, "ids", ids);
    return j;
}

static void set_share(json *j, const comparison *c, const compare_metric *m, const compare_score *s, bool per_item)
{
    json *test = json_object(), *flips = json_object();
    json_set_int(test, "both", s->counts.both);
    json_set_int(test, "only_baseline", s->counts.only_a);
    json_set_int(test, "only_system", s->counts.only_b);
    json_set_int(test, "neither", s->counts.neither);
    json_set_num(test, "p_exact", s->p_exact);
    json_set_num(test, "p_mid", s->p_mid);
    json_set(j, "mcnemar", test);
    json_set(flips, "wrong_to_right", flips_json(c, m, s, true, per_item));
    json_set(flips, "right_to_wrong", flips_json(c, m, s, false, per_item));
    json_set(j, "flips", flips);
}

static void set_signature(json *j, const char *key, const comparison *c, const compare_metric *m, const char *procedure,
                          int64_t draws)
{
    str own = { 0 };
    signature_of_draws(str_c(&m->signature), procedure, draws, c->options.draws.seed, &own);
    json_set_str(j, key, str_c(&own));
    str_free(&own);
}

/* Adds what sacreBLEU prints for the same two systems. */
static void set_sacrebleu(json *j, const comparison *c, const compare_metric *m, const paired_result *t)
{
    json *own = json_object();
    json_set_num(own, "mean", t->b_mean);
    json_set_num(own, "ci", (t->b_interval.high - t->b_interval.low) / 2);
    json_set_num(own, "baseline_mean", t->a_mean);
    json_set_num(own, "baseline_ci", (t->a_interval.high - t->a_interval.low) / 2);
    json_set_num(own, "p_bootstrap", t->sacrebleu_p_bootstrap);
    set_signature(own, "signature_bootstrap", c, m, "bs", c->options.draws.resamples);
    json_set_num(own, "p_randomisation", t->sacrebleu_p_randomisation);
    set_signature(own, "signature_randomisation", c, m, "ar", c->options.draws.randomisations);
    json_set(j, "sacrebleu", own);
}

static void set_difference(json *j, const comparison *c, const compare_metric *m, const compare_score *s, bool per_item)
{
    json *items = json_object();
    json_set_num(j, "difference", s->test.difference);
    json_set_num(j, "difference_stderr", s->difference_error);
    json_set(j, "difference_interval", json_of_numbers((const double[]) { s->test.gap.low, s->test.gap.high }, 2));
    json_set_str(j, "test", compare_test_name(s));
    json_set_num(j, "p", s->p);
    json_set_num(j, "p_holm", s->p_holm);
    json_set_str(j, "verdict", compare_verdict_text(m, s));
    json_set_num(j, "p_bootstrap", s->test.p_bootstrap);
    json_set_num(j, "p_randomisation", s->test.p_randomisation);
    json_set_num(j, "seed_difference_stderr", s->seed_error);
    json_set_num(j, "seed_p", s->seed_p);
    json_set_int(items, "better", s->better);
    json_set_int(items, "worse", s->worse);
    json_set_int(items, "equal", c->n - s->better - s->worse);
    json_set(j, "changed", items);
    if (s->flips) set_share(j, c, m, s, per_item);
    if (is_sacrebleus(m)) set_sacrebleu(j, c, m, &s->test);
}

static json *score_json(const comparison *c, const compare_metric *m, int s, bool per_item)
{
    const compare_score *at = &m->scores[s];
    json                *j  = json_object();
    json_set_str(j, "name", c->systems[s].name);
    json_set_num(j, "value", at->value);
    json_set_num(j, "stderr", at->error);
    json_set(j, "interval", json_of_numbers((const double[]) { at->range.low, at->range.high }, 2));
    json_set_str(j, "interval_rule", at->range.rule);
    json_set(j, "runs", json_of_numbers(at->run_values, c->systems[s].n_runs));
    json_set_num(j, "seed_sd", at->seed_sd);
    if (s) set_difference(j, c, m, at, per_item);
    return j;
}

static json *metric_json(const comparison *c, const compare_metric *m, bool per_item)
{
    json *j = json_object(), *systems = json_array();
    json_set_str(j, "signature", str_c(&m->signature));
    json_set_str(j, "better", m->row.higher ? "higher" : "lower");
    for (int s = 0; s < c->n_systems; s++) json_push(systems, score_json(c, m, s, per_item));
    json_set(j, "systems", systems);
    return j;
}

static json *items_json(const comparison *c)
{
    json *items = json_array();
    for (int64_t i = 0; i < c->n; i++) {
        json *one = json_object();
        json_set(one, "id", id_json(c, i));
        for (int k = 0; k < c->n_metrics; k++) {
            json *values = json_array();
            for (int s = 0; s < c->n_systems; s++) json_push(values, json_of_number(c->metrics[k].scores[s].items[i]));
            json_set(one, c->metrics[k].row.name, values);
        }
        json_push(items, one);
    }
    return items;
}

json *compare_json(const comparison *c, bool per_item)
{
    json *j = json_object(), *systems = json_array(), *metrics = json_object();
    json_set_int(j, "n", c->n);
    json_set_str(j, "baseline", c->systems[0].name);
    json_set_int(j, "resamples", c->options.draws.resamples);
    json_set_int(j, "randomisations", c->options.draws.randomisations);
    json_set_int(j, "seed", (int64_t)c->options.draws.seed);
    json_set_str(j, "adjustment", "holm over systems");
    for (int s = 0; s < c->n_systems; s++) {
        json *one = json_object(), *runs = json_array();
        json_set_str(one, "name", c->systems[s].name);
        for (int r = 0; r < c->systems[s].n_runs; r++) json_push(runs, json_of_text(c->systems[s].runs[r].name));
        json_set(one, "runs", runs);
        json_push(systems, one);
    }
    json_set(j, "systems", systems);
    for (int k = 0; k < c->n_metrics; k++)
        json_set(metrics, c->metrics[k].row.name, metric_json(c, &c->metrics[k], per_item));
    json_set(j, "metrics", metrics);
    if (per_item) json_set(j, "items", items_json(c));
    return j;
}
