/* The result as text, JSON, Markdown, JUnit's XML and GitHub's annotations: writers over one
 * struct. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/table.h"
#include "gate/gate.h"

static bool is_score(const gate_case *c) { return c->kind == GATE_SCORE; }

static const char *word(const gate_case *c) { return c->accepted ? "accepted" : gate_word(c->j.verdict); }

/* --- what every form says */

/* The parameters that the cases were judged by, a sentence. */
static void say_rules(const gate_result *r, str *out)
{
    str_printf(out, "Margin %g %% for times and sizes, %g point%s for scores", r->o.margin, r->o.score_margin,
               r->o.score_margin == 1 ? "" : "s");
    if (r->simultaneous == 1)
        str_puts(out, "; an interval of 95 %");
    else if (r->simultaneous)
        str_printf(out, "; %lld intervals, each of %.4g %%, that hold at once in 95 %%", (long long)r->simultaneous,
                   100 * (1 - gate_alpha(r->simultaneous)));
    if (r->o.noise > 0) str_printf(out, "; noise between processes given as %g %%", r->o.noise);
    if (r->o.only) str_printf(out, "; only names that match %s", r->o.only);
    str_puts(out, ".");
}

static void say_counts(const gate_result *r, str *out)
{
    static const gate_verdict order[]  = { GATE_REGRESSED, GATE_CHANGED, GATE_INCONCLUSIVE, GATE_IMPROVED,
                                           GATE_EQUIVALENT };
    int64_t                   accepted = 0;
    bool                      any      = false;
    for (size_t i = 0; i < r->n; i++) accepted += r->cases[i].accepted != NULL;
    str_printf(out, "%zu case%s:", r->n, r->n == 1 ? "" : "s");
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        int64_t n = 0;
        for (size_t i = 0; i < r->n; i++) n += r->cases[i].j.verdict == order[k] && !r->cases[i].accepted;
        if (n) str_printf(out, "%s %lld %s", any ? "," : "", (long long)n, gate_word(order[k])), any = true;
    }
    if (accepted) str_printf(out, "%s %lld accepted", any ? "," : "", (long long)accepted);
}

static void change_of(const gate_case *c, str *out)
{
    str_printf(out, is_score(c) ? "%+.2f points" : "%+.2f %%", c->j.change);
    if (c->kind != GATE_EXACT && !isnan(c->j.low)) str_printf(out, " (%+.2f .. %+.2f)", c->j.low, c->j.high);
}

/* Why the case has its verdict, where there is something to add. */
static void say_why(const gate_case *c, str *out)
{
    if (c->accepted)
        str_printf(out, "%s, accepted until %s: %s", gate_word(c->j.verdict), c->accepted->until, c->accepted->reason);
    else
        str_puts(out, c->why);
}

/* One line on a case, for annotations and JUnit. */
static void say_case(const gate_case *c, str *out)
{
    str_printf(out, "%s %s", c->name, word(c));
    if (c->kind == GATE_EXACT) {
        str_printf(out, ": %.17g -> %.17g %s", c->base, c->head, c->unit);
    } else {
        str_puts(out, ": ");
        change_of(c, out);
        str_printf(out, ", margin %g", c->j.margin);
    }
    if (c->accepted || *c->why) {
        str_puts(out, "; ");
        say_why(c, out);
    }
}

static void fill(const gate_result *r, size_t from, size_t to, table *t)
{
    table_init(t, "gate", NULL, NULL, "verdict|case|base#|head#||change#|low#|high#|margin#|n#|noise %#|rule|why");
    for (size_t i = from; i < to; i++) {
        const gate_case *c = &r->cases[i];
        str              n = { 0 }, why = { 0 };
        if (c->j.n_base == c->j.n_head)
            str_printf(&n, "%lld", (long long)c->j.n_base);
        else
            str_printf(&n, "%lld, %lld", (long long)c->j.n_base, (long long)c->j.n_head);
        say_why(c, &why);
        table_row(t);
        table_cells(t, "%s|%s", word(c), c->name);
        if (c->kind == GATE_EXACT)
            table_cells(t, "%.17g|%.17g|%s", c->base, c->head, c->unit);
        else
            table_cells(t, "%.4g|%.4g|%s", c->base, c->head, c->unit);
        table_value(t, is_score(c) ? "%+.2f pt" : "%+.2f %%", c->j.change);
        table_value(t, "%+.2f", c->kind == GATE_EXACT ? NAN : c->j.low);
        table_value(t, "%+.2f", c->kind == GATE_EXACT ? NAN : c->j.high);
        table_value(t, "%g", c->j.margin);
        table_cells(t, "%s", n.s);
        table_value(t, "%.2f", c->j.noise);
        table_cells(t, "%s|%s", c->j.rule, str_c(&why));
        str_free(&n);
        str_free(&why);
    }
}

/* --- text */

static void list(const char *heading, const gate_texts *t, str *out)
{
    if (t->n) str_printf(out, "%s\n", heading);
    for (size_t i = 0; i < t->n; i++) str_printf(out, "  %s\n", t->items[i]);
}

static const struct {
    const char *key, *heading;
    size_t      offset;
} lists[] = {
    { "missing", "In BASE and not in HEAD:", offsetof(gate_result, missing) },
    { "new", "In HEAD alone, not judged:", offsetof(gate_result, fresh) },
    { "unjudged",
      "Not judged, for want of processes (5 a side, or --noise PERCENT):", offsetof(gate_result, unjudged) },
    { "notes", "To be known:", offsetof(gate_result, notes) },
    { "errors", "Errors:", offsetof(gate_result, problems) },
};
enum { LISTS = sizeof lists / sizeof *lists };

static const gate_texts *list_of(const gate_result *r, int i)
{
    return (const gate_texts *)(const void *)((const char *)r + lists[i].offset);
}

void gate_text(const gate_result *r, str *out)
{
    if (r->n) {
        table t;
        fill(r, 0, r->n, &t);
        table_plain(&t, out);
        table_free(&t);
        str_putc(out, '\n');
    }
    say_rules(r, out);
    str_putc(out, '\n');
    for (int i = 0; i < LISTS; i++) list(lists[i].heading, list_of(r, i), out);
    say_counts(r, out);
    str_printf(out, " -> %s\n", gate_overall(r));
}

/* --- JSON */

static json *case_json(const gate_case *c)
{
    json *j = json_object();
    json_set_str(j, "name", c->name);
    json_set_str(j, "kind", gate_kind_words[c->kind]);
    json_set_str(j, "verdict", gate_word(c->j.verdict));
    json_set_num(j, "change", c->j.change);
    json_set_num(j, "low", c->j.low);
    json_set_num(j, "high", c->j.high);
    json_set_num(j, "margin", c->j.margin);
    json_set_int(j, "n_base", c->j.n_base);
    json_set_int(j, "n_head", c->j.n_head);
    json_set_num(j, "base", c->base);
    json_set_num(j, "head", c->head);
    json_set_str(j, "unit", c->unit);
    json_set_str(j, "rule", c->j.rule);
    if (c->kind == GATE_TIME) json_set_num(j, "noise", c->j.noise);
    if (is_score(c)) {
        json_set_num(j, "p", c->p);
        json_set_str(j, "test", c->test);
    }
    if (*c->why) json_set_str(j, "why", c->why);
    if (c->j.needs) json_set_int(j, "needs", c->j.needs);
    if (c->accepted) {
        json *ack = json_object();
        json_set_str(ack, "until", c->accepted->until);
        json_set_str(ack, "reason", c->accepted->reason);
        json_set(j, "accepted", ack);
    }
    return j;
}

json *gate_json(const gate_result *r)
{
    json *j = json_object(), *cases = json_array(), *rules = json_object();
    json_set_str(j, "verdict", gate_overall(r));
    for (size_t i = 0; i < r->n; i++) json_push(cases, case_json(&r->cases[i]));
    json_set(j, "cases", cases);
    for (int i = 0; i < LISTS; i++) {
        json *texts = json_array();
        for (size_t k = 0; k < list_of(r, i)->n; k++) json_push(texts, json_of_text(list_of(r, i)->items[k]));
        json_set(j, lists[i].key, texts);
    }
    json_set_num(rules, "margin", r->o.margin);
    json_set_num(rules, "score_margin", r->o.score_margin);
    json_set_num(rules, "noise", r->o.noise > 0 ? r->o.noise : NAN);
    json_set_int(rules, "intervals", r->simultaneous);
    json_set_num(rules, "level", 1 - gate_alpha(r->simultaneous));
    json_set(j, "judged_by", rules);
    return j;
}

/* --- Markdown */

static void markdown_list(const char *heading, const gate_texts *t, str *out)
{
    if (!t->n) return;
    str_printf(out, "**%s**\n\n", heading);
    for (size_t i = 0; i < t->n; i++) {
        str_puts(out, "- ");
        markdown_escape(out, t->items[i]);
        str_putc(out, '\n');
    }
    str_putc(out, '\n');
}

/* How many cases stand open, before those that are fine or accepted. */
static size_t open_cases(const gate_result *r)
{
    size_t n = 0;
    while (n < r->n && !r->cases[n].accepted && r->cases[n].j.verdict >= GATE_INCONCLUSIVE) n++;
    return n;
}

/* A comment on GitHub holds 65,536 characters. */
enum { MARKDOWN_ROWS = 120 };

static void markdown_rows(const gate_result *r, size_t from, size_t to, str *out)
{
    const size_t end = to - from > MARKDOWN_ROWS ? from + MARKDOWN_ROWS : to;
    table        t;
    fill(r, from, end, &t);
    table_markdown(&t, out);
    table_free(&t);
    if (end < to) str_printf(out, "and %zu more, which the job's log shows\n\n", to - end);
}

void gate_markdown(const gate_result *r, str *out)
{
    const size_t open    = open_cases(r);
    const char  *overall = gate_overall(r);
    str          counts = { 0 }, rules = { 0 };
    say_counts(r, &counts);
    say_rules(r, &rules);
    str_printf(out, "## Gate: %s\n\n", r->problems.n || r->missing.n ? "not usable as it is" : overall);
    markdown_escape(out, str_c(&counts));
    str_puts(out, "\n\n");
    markdown_list(lists[4].heading, &r->problems, out);
    markdown_list(lists[0].heading, &r->missing, out);
    if (open) markdown_rows(r, 0, open, out);
    if (open < r->n) {
        str_printf(out, "<details><summary>%zu more, within the margin, improved or accepted</summary>\n\n",
                   r->n - open);
        markdown_rows(r, open, r->n, out);
        str_puts(out, "</details>\n\n");
    }
    for (int i = 1; i < 4; i++) markdown_list(lists[i].heading, list_of(r, i), out);
    markdown_escape(out, str_c(&rules));
    str_putc(out, '\n');
    str_free(&counts);
    str_free(&rules);
}

/* --- JUnit */

static void xml_attribute(str *out, const char *name, const char *value)
{
    str_printf(out, " %s=\"", name);
    html_escape(out, value);
    str_putc(out, '"');
}

/* A test of JUnit's; element NULL: it passed. */
static void xml_test(str *out, const char *name, const char *element, const char *message)
{
    str_puts(out, "  <testcase classname=\"tiebreak.gate\"");
    xml_attribute(out, "name", name);
    str_puts(out, ">");
    if (element) {
        str_printf(out, "<%s", element);
        xml_attribute(out, "message", message);
        str_puts(out, "/>");
    } else {
        str_puts(out, "<system-out>");
        html_escape(out, message);
        str_puts(out, "</system-out>");
    }
    str_puts(out, "</testcase>\n");
}

/* What a case is in JUnit's words. */
static const char *element_of(const gate_result *r, const gate_case *c)
{
    if (c->accepted || c->j.verdict < GATE_INCONCLUSIVE) return NULL;
    if (c->j.verdict == GATE_INCONCLUSIVE) return r->o.allow_inconclusive ? "skipped" : "error";
    return "failure";
}

void gate_junit(const gate_result *r, str *out)
{
    int64_t failures = 0, skipped = 0, errors = (int64_t)(r->problems.n + r->missing.n);
    for (size_t i = 0; i < r->n; i++) {
        const char *element = element_of(r, &r->cases[i]);
        failures += element && !strcmp(element, "failure");
        errors += element && !strcmp(element, "error");
        skipped += element && !strcmp(element, "skipped");
    }
    str_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    str_printf(out,
               "<testsuite name=\"tiebreak gate\" tests=\"%zu\" failures=\"%lld\" errors=\"%lld\" skipped=\"%lld\">\n",
               r->n + r->problems.n + r->missing.n, (long long)failures, (long long)errors, (long long)skipped);
    for (size_t i = 0; i < r->n; i++) {
        str text = { 0 };
        say_case(&r->cases[i], &text);
        xml_test(out, r->cases[i].name, element_of(r, &r->cases[i]), text.s);
        str_free(&text);
    }
    for (size_t i = 0; i < r->problems.n; i++) xml_test(out, "the gate itself", "error", r->problems.items[i]);
    for (size_t i = 0; i < r->missing.n; i++) xml_test(out, r->missing.items[i], "error", "in BASE and not in HEAD");
    str_puts(out, "</testsuite>\n");
}

/* --- GitHub */

/* The escapes of workflow commands: of a message, and of a property, which ends at a comma or a
 * colon. */
static void command_escape(str *out, const char *s, bool property)
{
    for (; *s; s++) {
        if (*s == '%' || *s == '\r' || *s == '\n' || (property && (*s == ':' || *s == ',')))
            str_printf(out, "%%%02X", (unsigned char)*s);
        else
            str_putc(out, *s);
    }
}

static void command(str *out, const char *level, const char *title, const char *message)
{
    str_printf(out, "::%s title=", level);
    command_escape(out, title, true);
    str_puts(out, "::");
    command_escape(out, message, false);
    str_putc(out, '\n');
}

void gate_annotations(const gate_result *r, str *out)
{
    for (size_t i = 0; i < r->problems.n; i++) command(out, "error", "gate", r->problems.items[i]);
    for (size_t i = 0; i < r->missing.n; i++) {
        str text = { 0 };
        str_printf(&text, "%s: in BASE and not in HEAD", r->missing.items[i]);
        command(out, "error", "gate", text.s);
        str_free(&text);
    }
    for (size_t i = 0; i < r->n; i++) {
        const gate_case *c       = &r->cases[i];
        const char      *element = element_of(r, c);
        str              text    = { 0 };
        if (!element && !c->accepted) continue;
        say_case(c, &text);
        command(out,
                element && !strcmp(element, "failure") ? "error"
                : c->accepted                          ? "notice"
                                                       : "warning",
                c->name, text.s);
        str_free(&text);
    }
    for (size_t i = 0; i < r->notes.n; i++) command(out, "notice", "gate", r->notes.items[i]);
}
