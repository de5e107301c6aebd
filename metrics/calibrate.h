/* How often the paired tests are wrong, found by simulating pairs of equal systems and pairs with a
 * planted difference.
 *
 *     calibration c;
 *     calibration_run(&c, 2000, 1);
 *     calibration_print(&c, &text);
 *
 * The tests are those of metrics/paired.h, run as a comparison runs them but with fewer draws. */
#ifndef TIEBREAK_METRICS_CALIBRATE_H
#define TIEBREAK_METRICS_CALIBRATE_H
#include "core/json.h"
#include "metrics/interval.h"

enum { CALIBRATION_CASES = 3, CALIBRATION_TESTS = 8 };

/* One test on one kind of data. */
typedef struct {
    bool used;
    /* shares of trials with p <= 0.05: of equal systems, of systems with the planted difference */
    double   alarms, found;
    interval alarms_range, found_range;
} calibration_rate;

typedef struct {
    int64_t  trials, power_trials; /* power is measured on a quarter of the trials */
    uint64_t seed;
    /* the planted difference: its mean over the trials */
    double           planted[CALIBRATION_CASES];
    calibration_rate rates[CALIBRATION_CASES][CALIBRATION_TESTS];
} calibration;

/* The names of the kinds of data and of the tests. */
const char *calibration_case_name(int k);
const char *calibration_test_name(int t);
/* Whether a comparison goes by this test on such data. */
bool calibration_recommended(int k, int t);

/* Gives the same numbers for the same trials and seed on any number of threads. */
void calibration_run(calibration *c, int64_t trials, uint64_t seed);
/* Whether every recommended test may alarm in 3..7 % of equal pairs: false when one of their
 * intervals lies outside. */
bool calibration_holds(const calibration *c);

void  calibration_print(const calibration *c, str *out);
json *calibration_json(const calibration *c);
#endif
