#include <stdio.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "reports/report.h"

static struct {
    const char *out, *against;
    int64_t     threads;
    bool        json;
} o;

static int run(int argc, char **argv)
{
    static const option options[] = {
        { "out", OPT_STR, &o.out, .required = true, .arg = "DIR",
          .help = "folder for index.html, report.md, plots and CSV files (made if missing)" },
        { "against", OPT_STR, &o.against, .arg = "DIR",
          .help =
              "compare with the same cells and bench cases among these records; exit 1 when one differs (Holm, 5 %; bench: as `tiebreak gate` judges), 3 when none could be compared" },
        { "threads", OPT_INT, &o.threads, .min = 1, .max = 1024, .arg = "N",
          .help = "accepted everywhere; a report needs one" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout: what was read and written" },
        { 0 }
    };
    positionals p  = { .min = 1, .max = 1, .what = "RUNS, the folder of records" };
    int         rc = options_parse(&verb_report, options, argc, argv, &p);
    if (rc) return rc;
    report_counts c;
    rc = report_write(p.args[0], o.out, o.against, &c);
    if (rc) return rc;
    if (o.json) {
        json *j = json_object();
        json_set_int(j, "records", c.records);
        json_set_int(j, "evals", c.evals);
        json_set_int(j, "trains", c.trains);
        json_set_int(j, "benches", c.benches);
        json_set_int(j, "plots", c.plots);
        json_set_int(j, "compared", c.compared);
        json_set_int(j, "differ", c.differ);
        json_set_int(j, "benches_compared", c.before.compared);
        json_set_int(j, "benches_differ", c.before.differ);
        json_set_int(j, "benches_inconclusive", c.before.inconclusive);
        json_set_str(j, "out", o.out);
        json_show_line(j);
    } else {
        printf("%lld records, %lld plots: %s/index.html\n", (long long)c.records, (long long)c.plots, o.out);
    }
    if (!o.against) return OK;
    const overhead_verdicts *b = &c.before;
    if (!o.json)
        printf("%lld cells are in %s too; %lld of them differ (Holm, 5 %%)\n"
               "%lld bench cases of this machine are there too; %lld differ, %lld are inconclusive\n",
               (long long)c.compared, o.against, (long long)c.differ, (long long)b->compared, (long long)b->differ,
               (long long)b->inconclusive);
    if (c.differ + b->differ)
        return run_error(
            "report: %lld of %lld cells and %lld of %lld bench cases differ from those in %s; the tables are "
            "in %s/report.md",
            (long long)c.differ, (long long)c.compared, (long long)b->differ, (long long)b->compared, o.against, o.out);
    if (c.compared + b->compared > b->inconclusive) return OK;
    if (b->compared)
        run_error(
            "report: %lld bench cases are in %s too, all inconclusive (below five processes a side, or noisy), and no cell is",
            (long long)b->compared, o.against);
    else
        run_error("report: nothing could be compared with %s: no cell was asked for in both, and no bench case on one "
                  "machine",
                  o.against);
    return ERR_INCONCLUSIVE;
}

const verb verb_report = { "report", "records to one HTML page with plots, Markdown and CSV", "RUNS --out DIR [--json]",
                           "  tiebreak report runs/ --out report/\n  tiebreak report reports/measured/ --out report/\n",
                           run };
