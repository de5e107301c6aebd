/* A report of a stranger: read whole, judged against itself and against another, and written in
 * every form, or refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "gate/gate.h"

static void read_report(gate_set *s, const str *text, int *rc)
{
    if (*rc) return;
    error_clear();
    *rc = gate_read_json(s, text, "/nonexistent/report.json", true);
    if (*rc && !*error_text()) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    str      text = { 0 }, more = { 0 };
    gate_set base = { .field = "real_time" }, head = { .field = "cpu_time" };
    int      rc = 0;
    str_add(&text, (const char *)data, n);
    str_printf(&more, "%s ", str_c(&text)); /* no copy */
    read_report(&base, &text, &rc);
    read_report(&head, &text, &rc);
    read_report(&head, &more, &rc);
    gate_result r = { 0 };
    for (int noise = 0; noise < 2 && !rc; noise++) {
        gate_options o = GATE_DEFAULTS;
        o.noise        = noise;
        rc             = gate_judge_sets(&r, &base, &head, &o);
        if (rc) break;
        gate_finish(&r);
        str   out = { 0 };
        json *j   = gate_json(&r);
        gate_text(&r, &out);
        gate_markdown(&r, &out);
        gate_junit(&r, &out);
        gate_annotations(&r, &out);
        json_print(j, &out, true);
        if (gate_status(&r) && !*error_text()) abort();
        json_free(j);
        str_free(&out);
        gate_result_free(&r);
    }
    gate_set_free(&base);
    gate_set_free(&head);
    str_free(&text);
    str_free(&more);
    return 0;
}
