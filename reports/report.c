#include "reports/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "reports/limit.h"
#include "reports/overhead.h"
#include "reports/peers.h"
#include "reports/plot.h"
#include "reports/quality.h"
#include "reports/reproduce.h"

/* What a GPU said of itself: "name NVIDIA H100, driver 580.65, ..." */
static void gpu_cell(table *t, const json *gpu)
{
    str s = { 0 };
    for (const json *c = json_members(gpu); c; c = c->next)
        if (json_text(c)) str_printf(&s, "%s%s %s", s.n ? ", " : "", c->string, json_text(c));
    table_cells(t, "%s", s.n ? s.s : "-");
    str_free(&s);
}

/* Where the records were made: one row per distinct machine and build. */
static void machines_table(json *const *records, int64_t n, table *t)
{
    table_init(
        t, "machines", "Where it was measured",
        "Every distinct machine and build among the records. A build from uncommitted changes is marked dirty: not for publication.",
        "device|CPU|threads#|system|compiler|flags|commit|dirty|records#|GPU");
    str     seen[64]  = { { 0 } };
    int64_t count[64] = { 0 }, first[64] = { 0 };
    int     kinds = 0;
    for (int64_t i = 0; i < n; i++) {
        str key = { 0 };
        json_print(record_get(records[i], field_record_where), &key, false);
        int k = 0;
        while (k < kinds && strcmp(seen[k].s, key.s)) k++;
        if (k == kinds && kinds < 64) {
            first[kinds]  = i;
            seen[kinds++] = key;
        } else {
            str_free(&key);
        }
        if (k < 64) count[k]++;
    }
    for (int k = 0; k < kinds; k++) {
        const json *w = record_get(records[first[k]], field_record_where);
        table_row(t);
        table_cells(t, "%s|%s|%lld|%s|%s|%s|%.12s|%s|%lld", record_text(w, field_where_device, "?"),
                    record_text(w, field_where_cpu, "?"), (long long)record_count(w, field_where_threads, 0),
                    record_text(w, field_where_os, "?"), record_text(w, field_where_compiler, "?"),
                    record_text(w, field_where_flags, "?"), record_text(w, field_where_commit, "?"),
                    record_flag(w, field_where_dirty) ? "dirty" : "clean", (long long)count[k]);
        gpu_cell(t, record_get(w, field_where_gpu));
        str_free(&seen[k]);
    }
}

static const char style[] =
    "body{font:16px/1.5 'DejaVu Sans',system-ui,sans-serif;color:#222;max-width:1080px;margin:2em auto;padding:0 1em}"
    "h1{font-size:1.7em;margin-bottom:.2em}h2{font-size:1.25em;margin-top:2em;border-bottom:1px solid #ccc}"
    "table{border-collapse:collapse;font-size:.85em}th,td{padding:.25em .6em;border-bottom:1px solid #e4e4e4;text-align:left;white-space:nowrap}"
    "th{border-bottom:2px solid #888}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}"
    "figure{margin:1em 0}figure svg{max-width:100%;height:auto}figcaption{font-size:.85em;color:#555}";

/* An SVG inside HTML starts at its element: the XML prolog and doctype stay out. Ids are made
 * unique per figure, since gnuplot repeats them. */
static int inline_svg(str *html, const char *dir, const plot_item *p, size_t number)
{
    char       *path  = path_join(dir, p->file);
    str         svg   = { 0 };
    int         rc    = file_read(path, 16u << 20, &svg);
    const char *start = rc ? NULL : strstr(svg.s, "<svg");
    if (!rc && !start) rc = run_error("%s: gnuplot wrote no <svg> element", path);
    str_puts(html, "<figure>\n");
    for (const char *at = start; at && *at; at++) {
        bool id = !strncmp(at, "gnuplot_plot_", strlen("gnuplot_plot_")) || !strncmp(at, "gpPt", strlen("gpPt"));
        if (id) str_printf(html, "f%zu-", number);
        str_putc(html, *at);
    }
    str_puts(html, "<figcaption>");
    html_escape(html, p->caption);
    str_puts(html, "</figcaption>\n</figure>\n");
    str_free(&svg);
    free(path);
    return rc;
}

static int write_tables(const char *out, table *tables, int n, str *html, str *md)
{
    int rc = OK;
    for (int i = 0; i < n && !rc; i++) {
        if (!tables[i].n_rows) continue;
        str csv = { 0 }, name = { 0 };
        table_html(&tables[i], html);
        table_markdown(&tables[i], md);
        table_csv(&tables[i], &csv);
        str_printf(&name, "%s.csv", tables[i].file);
        rc = file_write_in(out, name.s, &csv);
        str_free(&csv);
        str_free(&name);
    }
    return rc;
}

static void count_kinds(json *const *records, int64_t n, report_counts *c)
{
    *c = (report_counts) { .records = n };
    for (int64_t i = 0; i < n; i++) {
        record_kind kind = record_kind_of(records[i]);
        c->evals += kind == RECORD_EVAL;
        c->trains += kind == RECORD_TRAIN;
        c->benches += kind == RECORD_BENCH;
    }
}

static int write_page(const char *out, const quality *q, const overhead *o, const reproduction *r, json *const *records,
                      report_counts *c)
{
    plot_list plots;
    int       rc = plot_all(&plots, q, o, out);
    if (rc) return rc;
    str html = { 0 }, md = { 0 }, summary = { 0 };
    str_printf(&summary, "%lld records: %lld scored cells, %lld trainings, %lld bench cases.", (long long)c->records,
               (long long)c->evals, (long long)c->trains, (long long)c->benches);
    str_printf(
        &html,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tiebreak report</title>\n<style>%s</style></head><body>\n"
        "<h1>Which adapter?</h1>\n<p>%s</p>\n",
        style, summary.s);
    str_printf(&md, "# Which adapter?\n\n%s\n\n", summary.s);
    table summary_rows;
    quality_summary(q, &summary_rows);
    if (!rc) rc = write_tables(out, &summary_rows, 1, &html, &md);
    table_free(&summary_rows);
    for (size_t i = 0; i < plots.n && !rc; i++) {
        rc = inline_svg(&html, out, &plots.items[i], i);
        str_printf(&md, "![%s](%s)\n\n", plots.items[i].caption, plots.items[i].file);
    }
    table tables[10];
    int   n_tables = 0;
    quality_table(q, &tables[n_tables++]);
    for (int emulated = 0; emulated < 2; emulated++) {
        limit_table(o, emulated, &tables[n_tables++]);
        many_adapters_table(o, emulated, &tables[n_tables++]);
    }
    peers_table(records, c->records, &tables[n_tables++]);
    overhead_table(o, &tables[n_tables++]);
    reproduction_table(r, &tables[n_tables++]);
    machines_table(records, c->records, &tables[n_tables++]);
    if (!rc) rc = write_tables(out, tables, n_tables, &html, &md);
    str_puts(&html, "</body></html>\n");
    if (!rc) rc = file_write_in(out, "report.md", &md);
    if (!rc) rc = file_write_in(out, "index.html", &html);
    c->plots = (int64_t)plots.n;
    for (int i = 0; i < n_tables; i++) table_free(&tables[i]);
    plot_list_free(&plots);
    str_free(&html);
    str_free(&md);
    str_free(&summary);
    return rc;
}

static void free_records(json **records, int64_t n)
{
    for (int64_t i = 0; i < n; i++) json_free(records[i]);
    free(records);
}

int report_write(const char *runs, const char *out, const char *against, report_counts *counts)
{
    json   **records = NULL, **others = NULL;
    int64_t  n = 0, n_others = 0;
    quality  q = { 0 }, before = { 0 };
    overhead o  = { 0 };
    int      rc = record_scan(&records, &n, runs);
    if (!rc && against) rc = record_scan(&others, &n_others, against);
    count_kinds(records, n, counts);
    if (!rc && !n)
        rc = input_error(
            "report: %s: holds no record; run `tiebreak eval`, `bench` or `sweep` with --out inside it first", runs);
    if (!rc) rc = quality_from_records(&q, records, n);
    if (!rc) rc = quality_from_records(&before, others, n_others);
    if (!rc) overhead_from_records(&o, records, n);
    if (!rc) rc = file_make_dirs(out);
    if (!rc) {
        reproduction r;
        reproduce(&r, &q, &before);
        counts->compared = (int64_t)r.n;
        counts->differ   = r.differ;
        rc               = write_page(out, &q, &o, &r, records, counts);
        reproduction_free(&r);
    }
    quality_free(&q);
    quality_free(&before);
    overhead_free(&o);
    free_records(records, n);
    free_records(others, n_others);
    return rc;
}
