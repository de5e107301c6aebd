#include "reports/peers.h"

#include <math.h>
#include <string.h>

#include "core/record.h"

static bool is_peer(const json *record)
{
    return !strcmp(record_text(record, field_record_kind, ""), "peer") &&
           record_get(record_get(record, field_record_asked), field_comparison_comparison);
}

/* "4096x4096, 8 tokens, bf16": as much of it as the record has. */
static void describe(const json *asked, str *s)
{
    double      out = record_number(asked, field_comparison_d_out), in = record_number(asked, field_comparison_d_in);
    double      tokens    = record_number(asked, field_comparison_tokens);
    const char *precision = record_text(asked, field_comparison_precision, "");
    if (isfinite(out) && isfinite(in)) str_printf(s, "%.0fx%.0f", out, in);
    if (isfinite(tokens)) str_printf(s, "%s%.0f tokens", s->n ? ", " : "", tokens);
    const char *shape = record_text(asked, field_comparison_shape, "");
    double      batch = record_number(asked, field_comparison_batch);
    if (*shape) str_item(s, ", ", shape);
    if (isfinite(batch)) str_printf(s, "%sbatch %.0f", s->n ? ", " : "", batch);
    if (*precision) str_item(s, ", ", precision);
}

static void add_row(const json *record, table *t)
{
    const json *a = record_get(record, field_record_asked), *r = record_get(record, field_record_result),
               *where = record_get(record, field_record_where);
    const char *op    = record_text(a, field_comparison_op, "");
    double      ratio = record_number(r, field_compared_ratio), low = record_number(r, field_compared_ratio_low),
           high = record_number(r, field_compared_ratio_high);
    str what    = { 0 };
    describe(a, &what);
    table_row(t);
    table_cells(
        t, "%s%s%s%s|%s|%s|%s|%s|%s|%s",
        record_flag(where, field_where_rehearsal) ? "REHEARSAL, nothing measured: " : "",
        record_text(a, field_comparison_comparison, ""), *op ? ", " : "", op, record_text(a, field_comparison_peer, ""),
        record_text(a, field_comparison_method, ""), str_c(&what), record_text(a, field_comparison_precision, ""),
        record_flag(a, field_comparison_compiled) ? "compiled" : "eager", record_text(where, field_where_device, ""));
    table_cells(t, "%s|%s|%s|%s", table_number("%.3f", ratio).text,
                table_number("%.3f", isfinite(low) ? low : ratio).text,
                table_number("%.3f", isfinite(high) ? high : ratio).text, record_text(r, field_compared_ours, ""));
    str_free(&what);
}

void peers_table(json *const *records, int64_t n, table *t)
{
    table_init(
        t, "peers", "Beside other code on the same machine",
        "Ratio: the other's time over ours (of tokens/s: ours over the other's; of memory: the other's over ours), "
        "taken in turn in one run. More is better for ours. The range is the 95 % interval of a layer's ratio, and of a "
        "model's the smallest and largest of its rounds.",
        "comparison|peer|method|what|precision|compiled|device|ratio#|low#|high#|ours");
    for (int64_t i = 0; i < n; i++)
        if (is_peer(records[i])) add_row(records[i], t);
}
