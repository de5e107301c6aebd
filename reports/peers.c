#include "reports/peers.h"

#include <math.h>
#include <string.h>

#include "reports/goals.h"

/* The least ratio to be reached; NaN: the record says it. precision NULL: either. Of the rows of
 * a comparison without torch.compile. */
static const struct {
    const char *goal, *comparison, *method, *precision;
    double      least;
} goals[] = {
    { "a LoRA layer's training step beside PEFT's default (f32 adapters)", "layer", "lora", "default", 1.3 },
    { "a LoRA layer's training step beside PEFT all in bf16: 0.95 of floor(eager) / floor(best)", "layer", "lora",
      "bf16", NAN },
    { "a VeRA layer's training step beside PEFT's default", "layer", "vera", "default", 2 },
    { "a Tied-LoRA layer's training step beside an eager one", "layer", "tied-lora", "default", 2 },
    { "fine-tuning of a Llama-2-7B shape beside PEFT, tokens/s", "train", "lora", NULL, 1.5 },
    { "decoding of a Llama-2-7B shape beside PEFT, tokens/s", "generate", "lora", NULL, 3 },
    { "peak device memory of that fine-tuning, PEFT's over ours", "memory", "lora", NULL, 1 },
};

static const char *text_at(const json *obj, const char *key)
{
    const json *j = json_find(obj, key);
    return cJSON_IsString(j) ? j->valuestring : "";
}

static double number_at(const json *obj, const char *key)
{
    const json *j = json_find(obj, key);
    return cJSON_IsNumber(j) ? j->valuedouble : NAN;
}

static bool is_peer(const json *record)
{
    return !strcmp(text_at(record, "kind"), "peer") && json_has(json_find(record, "asked"), "comparison");
}
static bool is_rehearsal(const json *record)
{
    return cJSON_IsTrue(json_find(json_find(record, "where"), "rehearsal"));
}

static goal_value ratio_of(const json *record)
{
    const json *r   = json_find(record, "result");
    double      low = number_at(r, "ratio_low"), high = number_at(r, "ratio_high"), value = number_at(r, "ratio");
    return (goal_value) { value, isfinite(low) ? low : value, isfinite(high) ? high : value };
}

static bool fits(const json *record, size_t g)
{
    const json *a = json_find(record, "asked");
    return is_peer(record) && !is_rehearsal(record) && !strcmp(text_at(a, "comparison"), goals[g].comparison) &&
           !strcmp(text_at(a, "method"), goals[g].method) &&
           (!goals[g].precision || !strcmp(text_at(a, "precision"), goals[g].precision)) &&
           !cJSON_IsTrue(json_find(a, "compiled")) && strcmp(text_at(a, "op"), "decode") != 0;
}

static void describe(const json *asked, str *s)
{
    double out = number_at(asked, "d_out"), in = number_at(asked, "d_in"), tokens = number_at(asked, "tokens");
    if (isfinite(out) && isfinite(in)) str_printf(s, "%.0fx%.0f", out, in);
    if (isfinite(tokens)) str_printf(s, "%s%.0f tokens", s->n ? ", " : "", tokens);
    if (*text_at(asked, "precision")) str_printf(s, "%s%s", s->n ? ", " : "", text_at(asked, "precision"));
}

void peer_goals(json *const *records, int64_t n, table *t)
{
    for (size_t g = 0; g < sizeof goals / sizeof *goals; g++) {
        int found = 0;
        for (int64_t i = 0; i < n; i++) {
            if (!fits(records[i], g)) continue;
            const json *result = json_find(records[i], "result");
            double      least  = isfinite(goals[g].least) ? goals[g].least : number_at(result, "goal");
            goal_value  v      = ratio_of(records[i]);
            str         what   = { 0 };
            describe(json_find(records[i], "asked"), &what);
            table_row(t);
            table_cell(t, "%s", goals[g].goal);
            table_cell(t, "%s%s%s", goals[g].method, what.n ? ", " : "", str_c(&what));
            table_cell(t, "at least %.3g", least);
            table_cell(t, "%.3f", v.value);
            table_cell(t, "%.3f .. %.3f", v.low, v.high);
            table_cell(t, "%s", isfinite(least) ? goal_verdict(v, least, false) : "not measured");
            str_free(&what);
            found++;
        }
        if (found) continue;
        table_row(t);
        table_cell(t, "%s", goals[g].goal);
        table_cell(t, "%s", goals[g].method);
        if (isfinite(goals[g].least))
            table_cell(t, "at least %.3g", goals[g].least);
        else
            table_cell(t, "as measured");
        table_cell(t, "not run on a GPU");
        table_cell(t, "-");
        table_cell(t, "not measured");
    }
}

void peers_table(json *const *records, int64_t n, table *t)
{
    table_init(
        t, "peers", "Beside other code on the same GPU",
        "Ratio: the other's time over ours (of tokens/s: ours over the other's; of memory: the other's over ours), taken in turn in one run. More is "
        "better for ours.",
        "comparison|peer|method|what|precision|compiled|device|ratio#|95 % low#|95 % high#|ours");
    for (int64_t i = 0; i < n; i++) {
        if (!is_peer(records[i])) continue;
        const json *a = json_find(records[i], "asked"), *w = json_find(records[i], "where");
        goal_value  v    = ratio_of(records[i]);
        str         what = { 0 };
        describe(a, &what);
        table_row(t);
        table_cell(t, "%s%s%s%s", is_rehearsal(records[i]) ? "REHEARSAL, nothing measured: " : "",
                   text_at(a, "comparison"), *text_at(a, "op") ? ", " : "", text_at(a, "op"));
        table_cell(t, "%s", text_at(a, "peer"));
        table_cell(t, "%s", text_at(a, "method"));
        table_cell(t, "%s", str_c(&what));
        table_cell(t, "%s", text_at(a, "precision"));
        table_cell(t, cJSON_IsTrue(json_find(a, "compiled")) ? "compiled" : "eager");
        table_cell(t, "%s", text_at(w, "device"));
        double numbers[] = { v.value, v.low, v.high };
        for (int k = 0; k < 3; k++) {
            if (isfinite(numbers[k]))
                table_cell(t, "%.3f", numbers[k]);
            else
                table_cell(t, "-");
        }
        table_cell(t, "%s", text_at(json_find(records[i], "result"), "ours"));
        str_free(&what);
    }
}
