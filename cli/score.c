/* tiebreak score: score predictions made elsewhere, without a model. */
#include <stdio.h>
#include <string.h>

#include "cli/score_compare.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "eval/offline.h"

static offline_request q;
static struct {
    const char *tokenize, *smooth, *multi;
    int64_t     char_order, word_order, beta;
    bool        json, per_item, verbose;
} o;
static score_compare_options compare;
enum { SYSTEMS = 16 };

/* A word of the reference tools to the number that the metrics know it by. */
static int word(const char *name, const char *given, const char *const *words, int *out)
{
    str all = { 0 };
    for (int i = 0; words[i]; i++) {
        if (!strcmp(words[i], given)) {
            *out = i;
            str_free(&all);
            return OK;
        }
        str_printf(&all, "%s%s", i ? ", " : "", words[i]);
    }
    int rc = input_error("score: --%s %s: must be one of %s", name, given, str_c(&all));
    str_free(&all);
    return rc;
}

static int set_options(void)
{
    static const char *const tokenizers[] = { [BLEU_13A] = "13a", [BLEU_INTL] = "intl", [BLEU_CHAR] = "char", [BLEU_NONE] = "none", NULL };
    static const char *const smoothings[] = {
        [BLEU_EXP] = "exp", [BLEU_FLOOR] = "floor", [BLEU_ADD_K] = "add-k", [BLEU_NO_SMOOTHING] = "none", NULL
    };
    static const char *const multis[] = { [REFERENCES_MAX] = "max", [REFERENCES_FIRST] = "first", [REFERENCES_MEAN] = "mean", NULL };
    int                      tokenize = 0, smooth = 0, multi = 0, rc = word("tokenize", o.tokenize, tokenizers, &tokenize);
    if (!rc) rc = word("smooth", o.smooth, smoothings, &smooth);
    if (!rc) rc = word("multi", o.multi, multis, &multi);
    q.options.tokenize   = (bleu_tokenizer)tokenize;
    q.options.smooth     = (bleu_smoothing)smooth;
    q.options.multi      = (metric_multi)multi;
    q.options.char_order = (int)o.char_order;
    q.options.word_order = (int)o.word_order;
    q.options.beta       = (int)o.beta;
    return rc;
}

static void print(const scored *s)
{
    str text = { 0 };
    if (o.json)
        scored_print_json(s, o.per_item, &text);
    else
        scored_print_table(s, &text);
    fwrite(text.s, 1, text.n, stdout);
    str_free(&text);
}

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "metric", OPT_STR, &q.metrics, .arg = "LIST",
          .help = "by metric: names with commas, as bleu,chrf,chrf++,rouge1,rouge2,rougeL,rougeLsum,\n"
                  "squad-v1.1,squad-v2.0,gsm8k-strict,gsm8k-flexible" },
        { "input", OPT_STR, &q.input, .arg = "FILE",
          .help = "JSON lines {\"id\": 1, \"prediction\": \"...\", \"references\": [\"...\"]}; - is stdin" },
        { "tokenize", OPT_STR, &o.tokenize, .def = "13a", .arg = "T", .help = "BLEU: 13a, intl, char, none" },
        { "smooth", OPT_STR, &o.smooth, .def = "exp", .arg = "S", .help = "BLEU: exp, floor, add-k, none" },
        { "smooth-value", OPT_NUM, &q.options.smooth_value, .min = 0, .max = 1e6, .arg = "X", .help = "BLEU: of floor (0.1) and add-k (1)" },
        { "effective-order", OPT_FLAG, &q.options.effective_order, .help = "BLEU: leave out orders that the texts are too short for" },
        { "lowercase", OPT_FLAG, &q.options.lowercase, .help = "BLEU, chrF: compare lower-cased texts" },
        { "char-order", OPT_INT, &o.char_order, .min = 0, .max = 6, .arg = "N", .help = "chrF: longest character n-gram; 0: the metric's, 6" },
        { "word-order", OPT_INT, &o.word_order, .min = 0, .max = 2, .arg = "N", .help = "chrF: longest word n-gram; 0: the metric's" },
        { "beta", OPT_INT, &o.beta, .min = 0, .max = 100, .arg = "N", .help = "chrF: weight of recall; 0: the metric's, 2" },
        { "whitespace", OPT_FLAG, &q.options.whitespace, .help = "chrF: keep blanks" },
        { "eps-smoothing", OPT_FLAG, &q.options.eps_smoothing, .help = "chrF: epsilon smoothing instead of the effective order" },
        { "stemmer", OPT_FLAG, &q.options.stemmer, .help = "ROUGE: Porter's stemmer, as NLTK has it" },
        { "multi", OPT_STR, &o.multi, .def = "max", .arg = "M", .help = "ROUGE with several references: first, mean or max" },
        { "compare", OPT_FLAG, &compare.on,
          .help = "compare systems, the first is the baseline: sample logs or folders of runs, also NAME=RUN,RUN (seeds)" },
        { "common", OPT_FLAG, &compare.common, .help = "compare: only the items that all systems have" },
        { "seed", OPT_INT, &compare.seed, .def = "12345", .min = 0, .max = 1e15, .arg = "N",
          .help = "compare: of resampling; sacreBLEU's when not given" },
        { "resamples", OPT_INT, &compare.resamples, .min = 1, .max = 1e7, .arg = "N",
          .help = "compare: of the bootstrap and of the randomisation; 1000 and 10000 when not given" },
        { "calibrate", OPT_INT, &compare.calibrate, .min = 100, .max = 1e6, .arg = "TRIALS",
          .help = "print how often the paired tests call equal systems different, over so many simulated pairs (2000 is usual)" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
        { "per-item", OPT_FLAG, &o.per_item, .help = "with --json or --compare: every item's scores too" },
        { "verbose", OPT_FLAG, &o.verbose, .help = "say on stderr where the time went" },
        { 0 }
    };
    scored       s;
    offline_time time;
    q                   = (offline_request) { 0 };
    positionals systems = { .max = SYSTEMS };
    int         rc      = options_parse(&verb_score, table, argc, argv, &systems);
    if (rc) return rc;
    compare.json     = o.json;
    compare.per_item = o.per_item;
    if (compare.on) return score_compare(&compare, &systems);
    if (compare.calibrate) return score_calibrate(&compare);
    if (systems.n) return input_error("score: \"%s\": not understood here; systems are compared with --compare A B", systems.args[0]);
    if ((rc = set_options())) return rc;
    if (!q.metrics || !q.input) return input_error("score: --metric LIST and --input FILE are needed; `tiebreak score --help` shows how to call it");
    if ((rc = score_by_metric(&q, &s, &time))) return error_context(rc, "score");
    if (o.verbose) fprintf(stderr, "score: %lld items read in %.3f s, scored in %.3f s\n", (long long)s.n, time.read_s, time.score_s);
    print(&s);
    scored_free(&s);
    return OK;
}

const verb verb_score = { "score", "score predictions made elsewhere, without a model", "--metric LIST --input FILE.jsonl | --compare A B [C ...]",
                          "  tiebreak score --metric bleu,chrf --input translations.jsonl\n"
                          "  tiebreak score --metric rougeL --stemmer --multi max --input summaries.jsonl --json --per-item\n"
                          "  tiebreak score --compare runs/base runs/lora vera=runs/vera/s0/eval,runs/vera/s1/eval\n",
                          run };
