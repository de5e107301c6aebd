/* tiebreak score: score predictions made elsewhere, without a model, and compare systems. */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/progress.h"
#include "metrics/paired.h"
#include "score/compare.h"
#include "score/offline.h"
#include "tasks/task.h"

static offline_request q;
typedef struct {
    int     tokenize, smooth, multi, form;
    int64_t char_order, word_order, beta;
    /* given: an option of the metrics, one of the predictions of a task */
    bool    for_metrics, for_task;
    bool    json, per_item, verbose, confidence, compare, common;
    int64_t resamples, seed; /* resamples 0: sacreBLEU's numbers */
} words_and_flags;
static words_and_flags o;
enum { SYSTEMS = 16 };

static const char *const forms[] = {
    [PREDICTIONS_ANY] = "any", [PREDICTIONS_LINES] = "lines", [PREDICTIONS_JSON] = "json", NULL
};

static const option options[] = {
    { "task", OPT_STR, &q.task, .arg = "T", .help = "by task: a task's JSON file, or one of",
      .name_in_table = task_builtin_name },
    { "data", OPT_STR, &q.data, .arg = "FILE", .help = "the task's data file, in its original format" },
    { "predictions", OPT_STR, &q.predictions, .arg = "FILE",
      .help = "SQuAD's {id: answer}; one prediction a line; JSON lines {\"id\": 1, \"prediction\": \"...\"};\n"
              "a sample log of this program or of lm-evaluation-harness; for choices the index or\n"
              "all log-likelihoods; - is stdin" },
    { "form", OPT_WORD, &o.form, .words = forms, .given = &o.for_task, .def = "any", .arg = "F",
      .help = "of the predictions (any: what the first line looks like):" },
    { "limit", OPT_INT, &q.limit, .given = &o.for_task, .min = 1, .max = 1e15, .arg = "N",
      .help = "only the first N items of the data" },
    { "prompt", OPT_STR, &q.prompt, .given = &o.for_task, .arg = "NAME",
      .help = "prompt variant of the task: it says what the choices are" },
    { "rules", OPT_STR, &q.rules, .given = &o.for_task, .arg = "R",
      .help = "SQuAD: v1.1 or v2.0; by the data when not given" },
    { "na-probs", OPT_STR, &q.na_probs, .given = &o.for_task, .arg = "FILE",
      .help = "SQuAD 2.0: probabilities {id: p} that there is no answer" },
    { "na-threshold", OPT_NUM, &q.na_threshold, .given = &o.for_task, .def = "1", .arg = "X",
      .help = "SQuAD 2.0: a probability above it means no answer" },
    { "metric", OPT_STR, &q.metrics, .arg = "LIST",
      .help = "names with commas, with --task instead of the task's own; of", .name_in_table = metric_list_name },
    { "input", OPT_STR, &q.input, .arg = "FILE",
      .help = "by metric: JSON lines {\"id\": 1, \"prediction\": \"...\", \"references\": [\"...\"]}; - is stdin" },
    { "tokenize", OPT_WORD, &o.tokenize, .words = bleu_tokenizer_names, .given = &o.for_metrics, .def = "13a",
      .arg = "T", .help = "BLEU:" },
    { "smooth", OPT_WORD, &o.smooth, .words = bleu_smoothing_names, .given = &o.for_metrics, .def = "exp", .arg = "S",
      .help = "BLEU:" },
    { "smooth-value", OPT_NUM, &q.options.smooth_value, .given = &o.for_metrics, .arg = "X",
      .help = "BLEU: of floor (0.1 when not given) and add-k (1)" },
    { "effective-order", OPT_FLAG, &q.options.effective_order, .given = &o.for_metrics,
      .help = "BLEU: leave out orders that the texts are too short for" },
    { "lowercase", OPT_FLAG, &q.options.lowercase, .given = &o.for_metrics,
      .help = "BLEU, chrF: compare lower-cased texts" },
    { "char-order", OPT_INT, &o.char_order, .given = &o.for_metrics, .arg = "N",
      .help = "chrF: longest character n-gram; 6 when not given" },
    { "word-order", OPT_INT, &o.word_order, .given = &o.for_metrics, .arg = "N",
      .help = "chrF: longest word n-gram; the metric's when not given" },
    { "beta", OPT_INT, &o.beta, .given = &o.for_metrics, .arg = "N",
      .help = "chrF: weight of recall; 2 when not given" },
    { "whitespace", OPT_FLAG, &q.options.whitespace, .given = &o.for_metrics, .help = "chrF: keep blanks" },
    { "eps-smoothing", OPT_FLAG, &q.options.eps_smoothing, .given = &o.for_metrics,
      .help = "chrF: epsilon smoothing instead of the effective order" },
    { "stemmer", OPT_FLAG, &q.options.stemmer, .given = &o.for_metrics,
      .help = "ROUGE: Porter's stemmer, as NLTK has it" },
    { "multi", OPT_WORD, &o.multi, .words = metric_multi_names, .given = &o.for_metrics, .def = "max", .arg = "M",
      .help = "ROUGE with several references:" },
    { "compare", OPT_FLAG, &o.compare,
      .help = "compare systems, the first is the baseline: sample logs or folders of runs, also NAME=RUN,RUN (seeds)" },
    { "common", OPT_FLAG, &o.common, .help = "compare: only the items that all systems have" },
    { "confidence", OPT_FLAG, &o.confidence,
      .help = "BLEU, chrF: bootstrap interval, mean and half width, as sacreBLEU" },
    { "seed", OPT_INT, &o.seed, .def = "12345", .min = 0, .max = 1e15, .arg = "N",
      .help = "of resampling; sacreBLEU's when not given" },
    { "resamples", OPT_INT, &o.resamples, .min = 1, .max = 1e7, .arg = "N",
      .help = "of a bootstrap and of a randomisation; 1000 and 10000 when not given" },
    { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
    { "per-item", OPT_FLAG, &o.per_item, .help = "with --json or --compare: every item's scores too" },
    { "verbose", OPT_FLAG, &o.verbose, .help = "say on stderr where the time went" },
    { 0 }
};

static int set_options(void)
{
    q.options.tokenize   = (bleu_tokenizer)o.tokenize;
    q.options.smooth     = (bleu_smoothing)o.smooth;
    q.options.multi      = (metric_multi)o.multi;
    q.options.char_order = (int)o.char_order;
    q.options.word_order = (int)o.word_order;
    q.options.beta       = (int)o.beta;
    q.form               = (prediction_form)o.form;
    return metric_options_check(&q.options, "score");
}

static void print_report(const json *report)
{
    printf("  as the official script says it:\n");
    for (const json *m = json_members(report); m; m = m->next)
        if (json_is_number(m)) printf("  %-22s %10.4f\n", m->string, json_number(m));
}

static void print(const scored *s, const squad_report *report)
{
    str   text = { 0 };
    json *more = json_object();
    if (report->all.total) json_set(more, "squad-v2.0", squad_report_json(report));
    if (o.json)
        scored_print_json(s, o.per_item, more, &text);
    else
        scored_print_table(s, &text);
    fwrite(text.s, 1, text.n, stdout);
    if (!o.json && more->child) print_report(more->child);
    json_free(more);
    str_free(&text);
}

static int check_ways(const positionals *logs)
{
    if (o.per_item && !o.json) return input_error("score: --per-item goes with --json");
    if (o.for_metrics && !q.metrics)
        return input_error("score: options of metrics go with --metric LIST: %s",
                           q.task ? "the task's own metrics have the task's own options"
                                  : "`tiebreak score --help` has examples");
    if (o.for_task && !q.task)
        return input_error("score: --form, --limit, --prompt, --rules, --na-probs and --na-threshold go with --task T");
    if (logs->n > 1)
        return input_error("score: \"%s\": one sample log is shown at a time; --compare A B compares them",
                           logs->args[1]);
    if (logs->n && (q.input || q.metrics || q.task || q.data || q.predictions))
        return input_error(
            "score: \"%s\": a sample log alone shows the scores in it; its texts are scored anew with --task T --data FILE --predictions %s",
            logs->args[0], logs->args[0]);
    if (logs->n) return OK;
    if (q.input && (q.task || q.data || q.predictions))
        return input_error("score: --input goes with --metric alone; --task has --data and --predictions");
    if (q.task && !(q.data && q.predictions))
        return input_error("score: --task %s: needs --data FILE and --predictions FILE", q.task);
    if (!q.task && (q.data || q.predictions)) return input_error("score: --data and --predictions go with --task T");
    if (!q.task && !(q.metrics && q.input))
        return input_error(
            "score: say what to score: --task T --data FILE --predictions FILE, or --metric LIST --input FILE, or a sample log; "
            "`tiebreak score --help` has examples");
    return OK;
}

static int compare_systems(const positionals *systems)
{
    compare_options asked = { .draws = PAIRED_DEFAULTS, .common = o.common };
    comparison      c;
    str             text = { 0 };
    asked.draws.seed     = (uint64_t)o.seed;
    if (o.resamples) asked.draws.resamples = asked.draws.randomisations = o.resamples;
    int rc = compare_run(&c, systems->args, systems->n, &asked);
    if (rc) return error_context(rc, "--compare");
    if (o.json)
        json_show(compare_json(&c, o.per_item));
    else
        compare_print(&c, o.per_item, &text);
    fwrite(str_c(&text), 1, text.n, stdout);
    str_free(&text);
    comparison_free(&c);
    return OK;
}

static int read_log(scored *s, const char *path, offline_time *time)
{
    double start = clock_s();
    int    rc    = scored_read(s, path);
    *time        = (offline_time) { .read_s = clock_s() - start };
    return rc;
}

/* log: the sample log whose scores are shown; NULL: predictions are scored. */
static int score_one(const char *log)
{
    scored       s;
    squad_report report = { 0 };
    offline_time time;
    int          rc = log      ? read_log(&s, log, &time)
                      : q.task ? score_by_task(&q, &s, &report, &time)
                               : score_by_metric(&q, &s, &time);
    if (rc) return rc;
    if (o.verbose)
        fprintf(stderr, "score: %lld items read in %.3f s, scored in %.4f s of processor time\n", (long long)s.n,
                time.read_s, time.score_s);
    if (o.confidence) s.resamples = o.resamples ? o.resamples : PAIRED_DEFAULTS.resamples;
    s.seed = (uint64_t)o.seed;
    print(&s, &report);
    scored_free(&s);
    return OK;
}

static int run(int argc, char **argv)
{
    q                = (offline_request) { 0 };
    o                = (words_and_flags) { 0 };
    positionals logs = { .max = SYSTEMS };
    int         rc   = options_parse(&verb_score, options, argc, argv, &logs);
    if (rc) return rc;
    if (o.compare) return compare_systems(&logs);
    rc = check_ways(&logs);
    if (!rc) rc = set_options();
    return rc ? rc : score_one(logs.n ? logs.args[0] : NULL);
}

const verb verb_score = {
    "score", "score predictions made elsewhere, without a model",
    "--task T --data FILE --predictions FILE | --metric LIST --input FILE | LOG | --compare A B ...",
    "  tiebreak score --task squad --data dev-v2.0.json --predictions preds.json --na-probs na.json\n"
    "  tiebreak score --task hellaswag --data hellaswag_val.jsonl --predictions samples_hellaswag_2026-01-31.jsonl\n"
    "  tiebreak score --metric bleu,chrf --input translations.jsonl\n"
    "  tiebreak score --metric rougeL --stemmer --multi max --input summaries.jsonl --json --per-item\n"
    "  tiebreak score runs/lora\n"
    "  tiebreak score --compare runs/base runs/lora vera=runs/vera/s0/eval,runs/vera/s1/eval\n",
    run
};
