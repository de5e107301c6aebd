/* What every test includes: cmocka, comparisons that NaN never passes, temporary folders, and the
 * numbers of other programs (core/test_reference.h). */
#ifndef TIEBREAK_CORE_TEST_H
#define TIEBREAK_CORE_TEST_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif

#include "core/error.h"

/* Fails unless err <= tol; prints both. */
#define assert_within(err, tol)                                                                                        \
    do {                                                                                                               \
        double err_ = (err), tol_ = (tol);                                                                             \
        if (!(err_ <= tol_)) fail_msg("%s = %.6e, allowed %.1e", #err, err_, tol_);                                    \
    } while (0)
#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        if ((call) != OK) fail_msg("%s: %s", #call, error_text());                                                     \
    } while (0)
/* The call fails with ERR_INPUT and a message that holds `part`. */
#define assert_input_error(call, part)                                                                                 \
    do {                                                                                                               \
        error_clear();                                                                                                 \
        int rc_ = (call);                                                                                              \
        if (rc_ != ERR_INPUT || !strstr(error_text(), part))                                                           \
            fail_msg("%s: status %d, \"%s\"; wanted an input error with \"%s\"", #call, rc_, error_text(), part);      \
    } while (0)
#define skip_because(...)                                                                                              \
    do {                                                                                                               \
        print_message("SKIP because " __VA_ARGS__);                                                                    \
        print_message("\n");                                                                                           \
        skip();                                                                                                        \
    } while (0)

/* Code runs five to ten times slower under a sanitizer. A test that goes through many things of one
 * kind takes a part of them there. */
#if defined(__SANITIZE_ADDRESS__)
enum { TEST_PART = 5 };
#else
enum { TEST_PART = 1 };
#endif
/* $TIEBREAK_TEST_PART asks for the same under a sanitizer that the compiler does not know:
 * NVIDIA's. */
static inline int64_t test_part(int64_t n)
{
    int part = getenv("TIEBREAK_TEST_PART") ? 5 : TEST_PART;
    return (n + part - 1) / part;
}

/* ||got - want|| / ||want|| (||got|| when want is 0). Any NaN or Inf makes it NaN. */
static inline double rel_err(const double *got, const double *want, int64_t n)
{
    double d = 0, w = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(got[i]) || !isfinite(want[i])) return NAN;
        d += (got[i] - want[i]) * (got[i] - want[i]);
        w += want[i] * want[i];
    }
    return w > 0 ? sqrt(d / w) : sqrt(d);
}

/* Makes a folder for this test's files, e.g. "/tmp/tiebreak-test-abc123". The caller removes it
 * with test_rmdir. */
static inline char *test_tmpdir(void)
{
    char *p = strdup("/tmp/tiebreak-test-XXXXXX");
    if (!p || !mkdtemp(p)) fail_msg("no temporary folder");
    return p;
}
static inline void test_rmdir(char *dir)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command)) print_message("could not remove %s\n", dir);
    free(dir);
}

#include "core/test_reference.h"
#endif
