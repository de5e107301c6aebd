/* Any bytes as a server's answer are refused with a message, or their sums are finite. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "eval/served/completion.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const char prompt[] = "a cat sat";
enum { BORDER = 5, IDS = 3 };

static void check(int rc, const completion_sum *sum)
{
    if (rc ? !*error_text() : !isfinite(sum->ll) || sum->tokens < 1) abort();
    error_clear();
}

static void echo(const char *body, size_t n)
{
    static const int64_t at[] = { 1, 2 };
    completion_echo      e;
    completion_sum       sum;
    int                  rc = completion_read_echo(&e, body, n, "fuzz");
    if (rc) {
        if (!*error_text()) abort();
        return;
    }
    check(completion_sum_ids(&e, "fuzz", IDS, at, 2, &sum), &sum);
    check(completion_sum_text(&e, "fuzz", (slice) { prompt, sizeof prompt - 1 }, BORDER, &sum), &sum);
    check(completion_sum_text(&e, "fuzz", (slice) { prompt, sizeof prompt - 1 }, 0, &sum), &sum);
    completion_echo_free(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    completion_text text;
    char           *name;
    int64_t         positions;
    error_clear();
    echo((const char *)bytes, n);
    error_clear();
    if (completion_read_text(&text, (const char *)bytes, n, "fuzz", 8) && !*error_text()) abort();
    str_free(&text.text);
    error_clear();
    int rc = completion_read_models(&name, &positions, NULL, (const char *)bytes, n, "fuzz");
    if (rc ? !*error_text() : !name || positions < 0) abort();
    free(name);
    return 0;
}
