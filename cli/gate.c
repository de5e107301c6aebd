/* tiebreak gate: is HEAD slower, larger or worse than BASE? */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "gate/gate.h"
#include "gate/pins.h"
#include "gate/run.h"

enum { FIELD_REAL, FIELD_CPU };
static const char *const fields[] = { [FIELD_REAL] = "real_time", [FIELD_CPU] = "cpu_time", NULL };

static gate_options q;
static struct {
    int         field;
    const char *markdown, *junit, *samples, *pins;
    int64_t     threads, seed;
    double      budget_s;
    bool        json, github, run, update_pins;
} o;

static const option options[] = {
    { "margin", OPT_NUM, &q.margin, .min = 0.001, .max = 1000, .def = "3", .arg = "PERCENT",
      .help = "how much slower, or larger, is too much" },
    { "score-margin", OPT_NUM, &q.score_margin, .min = 0.001, .max = 100, .def = "1", .arg = "POINTS",
      .help = "how much worse a score may be: points are hundredths of the metric's scale" },
    { "noise", OPT_NUM, &q.noise, .min = 0.001, .max = 1000, .arg = "PERCENT",
      .help = "standard deviation between processes, where fewer than five a side ran" },
    { "only", OPT_STR, &q.only, .arg = "RE", .help = "extended regular expression over the cases' names" },
    { "field", OPT_WORD, &o.field, .words = fields, .def = "real_time", .arg = "F",
      .help = "of Google Benchmark's entries:" },
    { "ack", OPT_STR, &q.ack, .arg = "FILE",
      .help = "accepted regressions and removed cases, a line each: NAME YYYY-MM-DD reason" },
    { "max-age-days", OPT_INT, &q.max_age_days, .min = 1, .max = 36500, .arg = "N",
      .help = "an older BASE is an error" },
    { "allow-inconclusive", OPT_FLAG, &q.allow_inconclusive,
      .help = "undecided cases do not fail the gate; they are still shown" },
    { "pins", OPT_STR, &o.pins, .arg = "FILE",
      .help =
          "pinned counts, a line each: NAME VALUE [TOLERANCE%]. HEAD's counts are judged by them; BASE is left out" },
    { "update-pins", OPT_FLAG, &o.update_pins,
      .help = "write HEAD's counts to the file of --pins instead of judging them" },
    { "run", OPT_FLAG, &o.run,
      .help = "BASE and HEAD are programs: run both in turn with the arguments after --, and judge what they write" },
    { "budget-s", OPT_NUM, &o.budget_s, .min = 1, .max = 1e6, .def = "120", .arg = "S",
      .help = "with --run: how long undecided cases may take" },
    { "samples", OPT_STR, &o.samples, .def = "gate-samples", .arg = "DIR",
      .help = "with --run: a new folder that keeps what the processes write" },
    { "seed", OPT_INT, &o.seed, .min = 0, .max = 1e15, .def = "1", .arg = "N",
      .help = "with --run: of the order of processes and of their environments" },
    { "looks", OPT_INT, &q.looks, .min = 1, .max = 100, .def = "1", .arg = "N",
      .help = "how often growing samples are judged: all intervals of all looks hold at once" },
    { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
    { "markdown", OPT_STR, &o.markdown, .arg = "FILE",
      .help = "for a pull request: the worst first, the rest collapsed" },
    { "junit", OPT_STR, &o.junit, .arg = "FILE", .help = "JUnit's XML: a test for each case" },
    { "github", OPT_FLAG, &o.github,
      .help = "workflow commands on stdout, and the Markdown appended to the file that GITHUB_STEP_SUMMARY names" },
    { "threads", OPT_INT, &o.threads, .min = 1, .max = 4096, .arg = "N",
      .help = "worker threads of the scores' tests; every core when not given" },
    { 0 }
};

static int append_summary(const str *text)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    if (!path || !*path) return OK;
    FILE *f = fopen(path, "a");
    if (!f) return run_error("%s: cannot be opened to append the job's summary", path);
    const bool whole = fwrite(str_c(text), 1, text->n, f) == text->n;
    return fclose(f) == 0 && whole ? OK : run_error("%s: the job's summary could not be written", path);
}

static int write_files(const gate_result *r)
{
    str markdown = { 0 }, junit = { 0 };
    gate_markdown(r, &markdown);
    gate_junit(r, &junit);
    int rc = o.markdown ? file_write_atomic(o.markdown, str_c(&markdown), markdown.n) : OK;
    if (!rc && o.junit) rc = file_write_atomic(o.junit, str_c(&junit), junit.n);
    if (!rc && o.github) rc = append_summary(&markdown);
    str_free(&markdown);
    str_free(&junit);
    return rc;
}

static void print(const gate_result *r)
{
    str text = { 0 };
    if (o.json)
        json_show(gate_json(r));
    else
        gate_text(r, &text);
    if (o.github) gate_annotations(r, &text);
    /* With --json stdout is that one object. */
    fwrite(str_c(&text), 1, text.n, o.json ? stderr : stdout);
    str_free(&text);
}

/* Reports and annotations say it, too, when nothing could be judged. */
static void report_error(void)
{
    gate_result r    = { .o = q };
    str         text = { 0 };
    char       *why  = mem_strdup(error_text());
    gate_say(&r, &r.problems, "%s", why);
    if (o.github) gate_annotations(&r, &text);
    fwrite(str_c(&text), 1, text.n, o.json ? stderr : stdout);
    if (!write_files(&r)) input_error("%s", why);
    gate_result_free(&r);
    str_free(&text);
    free(why);
}

/* What is judged: two sides, two programs, or one side by pins. */
typedef struct {
    const char *base, *head; /* base NULL: there are pins alone */
    gate_run   *run;         /* NULL: nothing is run */
} request;

static int judge(gate_result *r, gate_set *base, gate_set *head, const request *what)
{
    pin_list pins = { 0 };
    int      rc   = OK;
    if (what->run) {
        rc = gate_run_judge(r, base, head, what->run, &q);
    } else {
        if (what->base) rc = gate_set_read(base, what->base);
        if (!rc) rc = gate_set_read(head, what->head);
        if (!rc && what->base) rc = gate_judge_sets(r, base, head, &q);
    }
    if (!rc && o.pins) rc = pins_read(&pins, o.pins);
    if (!rc && o.pins) rc = pins_judge(r, &pins, head, &q);
    pins_free(&pins);
    return rc;
}

static int report(const request *what)
{
    gate_set    base = { .field = fields[o.field] }, head = { .field = fields[o.field] };
    gate_result r  = { 0 };
    int         rc = judge(&r, &base, &head, what);
    if (!rc) {
        gate_finish(&r);
        print(&r);
        rc               = write_files(&r);
        const int status = gate_status(&r);
        rc               = status ? status : rc;
    } else {
        report_error();
    }
    gate_result_free(&r);
    gate_set_free(&base);
    gate_set_free(&head);
    return rc;
}

static int update_pins(const char *head_path)
{
    gate_set head = { .field = fields[o.field] };
    int      rc   = gate_set_read(&head, head_path);
    if (!rc) rc = pins_update(o.pins, &head);
    gate_set_free(&head);
    return rc;
}

/* Cuts the arguments of the programs off, which follow "--". */
static void split_arguments(int *argc, char **argv, gate_run *run)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--")) continue;
        run->args   = argv + i + 1;
        run->n_args = *argc - i - 1;
        *argc       = i;
    }
}

static int run(int argc, char **argv)
{
    q = (gate_options) { 0 };
    memset(&o, 0, sizeof o);
    gate_run    programs = { 0 };
    positionals sides    = { .min = 1, .max = 2, .what = "HEAD, or BASE and HEAD, folders of records or of reports" };
    split_arguments(&argc, argv, &programs);
    int rc = options_parse(&verb_gate, options, argc, argv, &sides);
    if (rc) return rc;
    if (o.update_pins && (!o.pins || sides.n != 1 || o.run))
        return input_error(
            "gate: --update-pins: needs --pins FILE and one side: tiebreak gate HEAD --pins FILE --update-pins");
    if (programs.args && !o.run)
        return input_error("gate: what follows -- goes to the programs of --run, and there is no --run");
    if (sides.n < 2 && (o.run || !o.pins))
        return input_error("gate: HEAD is missing: two sides are compared; only with --pins FILE one is judged alone");
    if (sides.n < 2 && q.ack)
        return input_error("gate: --ack: is for comparisons; a pin that may change is written anew: --update-pins");
    if (o.threads) omp_set_num_threads((int)o.threads);
    if (o.update_pins) return update_pins(sides.args[0]);
    const request what   = { .base = sides.n == 2 ? sides.args[0] : NULL,
                             .head = sides.args[sides.n - 1],
                             .run  = o.run ? &programs : NULL };
    programs.programs[0] = sides.args[0], programs.programs[1] = sides.args[1];
    programs.samples = o.samples, programs.budget_s = o.budget_s, programs.seed = (uint64_t)o.seed;
    return report(&what);
}

const verb verb_gate = {
    "gate", "whether HEAD is slower, larger or worse than BASE, for CI",
    "BASE HEAD [--margin PERCENT] [--score-margin POINTS]",
    "  # Each side: ten processes of the same benchmarks, run in turn (A B B A ...), a file of each\n"
    "  for i in 0 1 2 3 4 5 6 7 8 9; do\n"
    "    ./bench-base --benchmark_out=base/$i.json --benchmark_repetitions=5\n"
    "    ./bench-head --benchmark_out=head/$i.json --benchmark_repetitions=5\n"
    "  done\n"
    "  tiebreak gate base head --margin 3 --markdown gate.md\n"
    "  # The same by one command: both programs on this machine, in turn, until all is decided\n"
    "  tiebreak gate --run ./bench-base ./bench-head --budget-s 300 -- --benchmark_filter=BM_parse --benchmark_repetitions=5\n"
    "  tiebreak gate --run old/tiebreak build/tiebreak -- bench --threads 1 --filter 'fwd/lora/r=8/shape=mini'\n"
    "  # Counts that may not change without a word\n"
    "  tiebreak gate build/pins --pins gate/pins.txt\n"
    "  # An adapter may be at most one point worse, on the same items\n"
    "  tiebreak gate runs/base runs/lora --score-margin 1 --only exact_match\n"
    "\n"
    "verdicts, by the interval of the change (all intervals hold at once in 95 % of gates):\n"
    "  regressed      the whole interval is beyond the margin            exit status 1\n"
    "  changed        a count that must stay as it is became less        exit status 1\n"
    "  inconclusive   the margin lies within the interval                exit status 3\n"
    "  equivalent     the whole interval is within the margin            exit status 0\n"
    "  improved       the whole interval is beyond the margin, better    exit status 0\n"
    "  A case that is in BASE and not in HEAD, another build, dtype or machine, an expired\n"
    "  acknowledgement: exit status 2, whatever the rest says.\n"
    "\n"
    "what is read: records of `bench`, `train` and `eval` with their sample logs, lm-evaluation-harness's\n"
    "samples_*.jsonl, Google Benchmark's JSON of any program. A file is one process: its repetitions\n"
    "count once, so run the program several times.\n",
    run
};
