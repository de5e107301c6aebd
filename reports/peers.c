#include "reports/peers.h"

#include <math.h>
#include <string.h>

#include "core/record.h"

static const char *text_at(const json *obj, const char *key)
{
    const char *text = json_text(json_find(obj, key));
    return text ? text : "";
}

static double number_at(const json *obj, const char *key) { return json_number(json_find(obj, key)); }

static bool is_peer(const json *record)
{
    return !strcmp(record_text(record, field_record_kind, ""), "peer") &&
           json_has(record_get(record, field_record_asked), "comparison");
}
static bool is_rehearsal(const json *record)
{
    return json_is_true(json_find(record_get(record, field_record_where), "rehearsal"));
}

static void describe(const json *asked, str *s)
{
    double out = number_at(asked, "d_out"), in = number_at(asked, "d_in"), tokens = number_at(asked, "tokens");
    if (isfinite(out) && isfinite(in)) str_printf(s, "%.0fx%.0f", out, in);
    if (isfinite(tokens)) str_printf(s, "%s%.0f tokens", s->n ? ", " : "", tokens);
    if (*text_at(asked, "precision")) str_printf(s, "%s%s", s->n ? ", " : "", text_at(asked, "precision"));
}

void peers_table(json *const *records, int64_t n, table *t)
{
    table_init(
        t, "peers", "Beside other code on the same GPU",
        "Ratio: the other's time over ours (of tokens/s: ours over the other's; of memory: the other's over ours), "
        "taken in turn in one run. More is better for ours.",
        "comparison|peer|method|what|precision|compiled|device|ratio#|95 % low#|95 % high#|ours");
    for (int64_t i = 0; i < n; i++) {
        if (!is_peer(records[i])) continue;
        const json *a = record_get(records[i], field_record_asked), *r = record_get(records[i], field_record_result);
        double      ratio = number_at(r, "ratio"), low = number_at(r, "ratio_low"), high = number_at(r, "ratio_high");
        str         what = { 0 };
        describe(a, &what);
        table_row(t);
        table_cell(t, "%s%s%s%s", is_rehearsal(records[i]) ? "REHEARSAL, nothing measured: " : "",
                   text_at(a, "comparison"), *text_at(a, "op") ? ", " : "", text_at(a, "op"));
        table_cell(t, "%s", text_at(a, "peer"));
        table_cell(t, "%s", text_at(a, "method"));
        table_cell(t, "%s", str_c(&what));
        table_cell(t, "%s", text_at(a, "precision"));
        table_cell(t, json_is_true(json_find(a, "compiled")) ? "compiled" : "eager");
        table_cell(t, "%s", record_text(record_get(records[i], field_record_where), field_where_device, ""));
        double numbers[] = { ratio, isfinite(low) ? low : ratio, isfinite(high) ? high : ratio };
        for (int k = 0; k < 3; k++) {
            if (isfinite(numbers[k]))
                table_cell(t, "%.3f", numbers[k]);
            else
                table_cell(t, "-");
        }
        table_cell(t, "%s", text_at(r, "ours"));
        str_free(&what);
    }
}
