#include "cli/score_compare.h"

#include <stdio.h>

#include "core/error.h"
#include "metrics/calibrate.h"
#include "score/compare.h"

int score_compare(const score_compare_options *o, const positionals *systems)
{
    compare_options options = { .draws = PAIRED_DEFAULTS, .common = o->common };
    comparison      c;
    str             text = { 0 };
    options.draws.seed   = (uint64_t)o->seed;
    if (o->resamples) options.draws.resamples = options.draws.randomisations = o->resamples;
    int rc = compare_run(&c, systems->args, systems->n, &options);
    if (rc) return error_context(rc, "--compare");
    if (o->json) {
        json *j = compare_json(&c, o->per_item);
        json_print(j, &text, true);
        json_free(j);
    } else {
        compare_print(&c, o->per_item, &text);
    }
    fwrite(text.s, 1, text.n, stdout);
    str_free(&text);
    comparison_free(&c);
    return OK;
}

int score_calibrate(const score_compare_options *o)
{
    calibration c;
    str         text = { 0 };
    calibration_run(&c, o->calibrate, (uint64_t)o->seed);
    if (o->json) {
        json *j = calibration_json(&c);
        json_print(j, &text, true);
        json_free(j);
    } else {
        calibration_print(&c, &text);
    }
    fwrite(text.s, 1, text.n, stdout);
    str_free(&text);
    return calibration_holds(&c)
               ? OK
               : run_error(
                     "--calibrate: a test that comparisons go by alarms outside 3..7 %% of equal pairs, beyond chance");
}
