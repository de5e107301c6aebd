/* A report of a stranger: read whole, judged against itself and against another, and written in
 * every form, or refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "gate/gate.h"

static void read_report(gate_set *s, const json *doc, int *rc)
{
    if (*rc) return;
    error_clear();
    *rc = gate_read_gbench(s, doc, "report.json");
    if (*rc && !*error_text()) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    json    *doc;
    gate_set base = { .field = "real_time" }, head = { .field = "cpu_time" };
    if (json_parse(&doc, (const char *)data, n, "report.json")) return 0;
    int rc = 0;
    read_report(&base, doc, &rc);
    read_report(&head, doc, &rc);
    read_report(&head, doc, &rc);
    gate_result r = { 0 };
    for (int noise = 0; noise < 2 && !rc; noise++) {
        gate_options o = GATE_DEFAULTS;
        o.noise        = noise;
        rc             = gate_judge_sets(&r, &base, &head, &o);
        if (rc) break;
        gate_finish(&r);
        str   text = { 0 };
        json *j    = gate_json(&r);
        gate_text(&r, &text);
        gate_markdown(&r, &text);
        gate_junit(&r, &text);
        gate_annotations(&r, &text);
        json_print(j, &text, true);
        if (gate_status(&r) && !*error_text()) abort();
        json_free(j);
        str_free(&text);
        gate_result_free(&r);
    }
    gate_set_free(&base);
    gate_set_free(&head);
    json_free(doc);
    return 0;
}
