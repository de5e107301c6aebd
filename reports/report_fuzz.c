/* A record of a stranger, its texts from the fuzzer: the first byte of the input says how they are
 * divided. The page must come or the record be refused, whatever a text holds, and gnuplot's
 * stand-in must find no line that no plot of ours has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "reports/report.h"
#include "reports/test_stand_in.h"

static char dir[] = "/tmp/tiebreak-fuzz-XXXXXX", runs[64], out[64], file[96];

static void prepare(void)
{
    char bin[64], program[96], path[4096];
    if (*file) return;
    if (!mkdtemp(dir)) abort();
    snprintf(runs, sizeof runs, "%s/runs", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    snprintf(bin, sizeof bin, "%s/bin", dir);
    snprintf(program, sizeof program, "%s/gnuplot", bin);
    snprintf(file, sizeof file, "%s/r.json", runs);
    snprintf(path, sizeof path, "%s:%s", bin, getenv("PATH"));
    if (file_make_dirs(runs) || file_make_dirs(bin)) abort();
    if (file_write_atomic(program, stand_in, strlen(stand_in)) || chmod(program, 0700)) abort();
    setenv("PATH", path, 1);
}

/* The next text of the input, up to the byte that divides it; UTF-8, and "x" where it is empty. */
static void next_text(const unsigned char **at, size_t *n, unsigned char divider, char text[64])
{
    size_t k = 0;
    while (*n && **at != divider && k < 63) text[k++] = (char)**at, ++*at, --*n;
    if (*n && **at == divider) ++*at, --*n;
    k       = utf8_valid_prefix(text, k);
    text[k] = 0;
    if (!k) text[0] = 'x', text[1] = 0;
}

static void set(json *object, record_field f, const char *text)
{
    json_replace(object, record_key(f), json_of_text(text));
}
static json *part(json *object, record_field f) { return (json *)(uintptr_t)record_get(object, f); }

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    char          texts[7][64], id[17];
    json         *r;
    report_counts c;
    if (n < 1) return 0;
    prepare();
    const unsigned char divider = *data++;
    n--;
    for (int i = 0; i < 7; i++) next_text(&data, &n, divider, texts[i]);
    if (record_read(&r, "core/golden/records/eval-full.json")) abort();
    json *asked = part(r, field_record_asked), *adapter = part(asked, field_asked_adapter),
         *metrics = part(part(r, field_record_result), field_result_metrics), *where = part(r, field_record_where),
         *first = json_take(metrics, json_members(metrics)->string);
    set(asked, field_asked_task, texts[0]);
    set(part(asked, field_asked_base), field_source_name, texts[1]);
    set(adapter, field_adapter_method, texts[2]);
    set(adapter, field_adapter_sites, texts[3]);
    set(where, field_where_cpu, texts[4]);
    set(where, field_where_os, texts[5]);
    json_set(metrics, texts[6], first);
    record_id(asked, id);
    set(r, field_record_id, id);
    if (record_write(r, file)) abort();
    json_free(r);
    error_clear();
    if (!report_write(runs, out, NULL, &c)) {
        if (c.plots != 1) abort(); /* the stand-in said no, or nothing was drawn */
    } else if (!*error_text()) {
        abort();
    }
    return 0;
}
