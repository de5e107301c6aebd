#include "reports/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "core/string_table.h"
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
    string_table known = { 0 };
    str         *keys  = mem_alloc((size_t)n + 1, sizeof *keys);
    int64_t     *count = mem_alloc((size_t)n + 1, sizeof *count);
    for (int64_t i = 0; i < n; i++) {
        json_print(record_get(records[i], field_record_where), &keys[i], false);
        const int64_t first = string_table_put(&known, str_c(&keys[i]), keys[i].n, i);
        count[first < 0 ? i : first]++;
    }
    for (int64_t i = 0; i < n; i++) {
        if (!count[i]) continue;
        const json *w = record_get(records[i], field_record_where);
        table_row(t);
        table_cells(t, "%s|%s|%lld|%s|%s|%s|%.12s|%s|%lld", record_text(w, field_where_device, "?"),
                    record_text(w, field_where_cpu, "?"), (long long)record_count(w, field_where_threads, 0),
                    record_text(w, field_where_os, "?"), record_text(w, field_where_compiler, "?"),
                    record_text(w, field_where_flags, "?"), record_text(w, field_where_commit, "?"),
                    record_flag(w, field_where_dirty) ? "dirty" : "clean", (long long)count[i]);
        gpu_cell(t, record_get(w, field_where_gpu));
    }
    for (int64_t i = 0; i < n; i++) str_free(&keys[i]);
    string_table_free(&known);
    free(keys);
    free(count);
}

static const char style[] =
    "body{font:16px/1.5 'DejaVu Sans',system-ui,sans-serif;color:#222;max-width:1080px;margin:2em auto;padding:0 1em}"
    "h1{font-size:1.7em;margin-bottom:.2em}h2{font-size:1.25em;margin-top:2em;border-bottom:1px solid #ccc}"
    "table{border-collapse:collapse;font-size:.85em}th,td{padding:.25em .6em;border-bottom:1px solid #e4e4e4;text-align:left;white-space:nowrap}"
    "th{border-bottom:2px solid #888}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}"
    "figure{margin:1em 0}figure svg{max-width:100%;height:auto}figcaption{font-size:.85em;color:#555}";

/* An SVG inside HTML starts at its element: the XML prolog and doctype stay out. Ids are made
 * unique per figure, since gnuplot repeats them. A picture that is not there has its reason in its
 * place. */
static void figure(str *html, str *md, const char *dir, const plot_item *p, size_t number)
{
    char       *path    = path_join(dir, p->file);
    str         svg     = { 0 };
    const char *missing = p->missing, *start = NULL;
    if (!missing && file_read(path, 16u << 20, &svg)) missing = error_text();
    if (!missing && !(start = strstr(str_c(&svg), "<svg"))) missing = "gnuplot wrote no <svg> element";
    if (missing) fprintf(stderr, "report: no picture %s: %s\n", p->file, missing);
    str_puts(html, "<figure>\n");
    for (const char *at = start; at && *at; at++) {
        bool id = !strncmp(at, "gnuplot_plot_", strlen("gnuplot_plot_")) || !strncmp(at, "gpPt", strlen("gpPt"));
        if (id) str_printf(html, "f%zu-", number);
        str_putc(html, *at);
    }
    str_puts(md, missing ? "No picture: " : "![");
    markdown_escape(md, p->caption);
    if (missing) {
        str_puts(html, "<p>No picture: ");
        html_escape(html, missing);
        str_puts(html, "</p>\n");
        str_puts(md, " (");
        markdown_escape(md, missing);
        str_puts(md, ")\n\n");
    } else {
        str_printf(md, "](%s)\n\n", p->file);
    }
    str_puts(html, "<figcaption>");
    html_escape(html, p->caption);
    str_puts(html, "</figcaption>\n</figure>\n");
    str_free(&svg);
    free(path);
}

/* A table without rows leaves none of an earlier report. */
static int write_tables(const char *out, table *tables, int n, str *html, str *md)
{
    int rc = OK;
    for (int i = 0; i < n && !rc; i++) {
        str csv = { 0 }, name = { 0 };
        str_printf(&name, "%s.csv", tables[i].file);
        if (tables[i].n_rows && !tables[i].csv_only) {
            table_html(&tables[i], html);
            table_markdown(&tables[i], md);
        }
        if (tables[i].n_rows) {
            table_csv(&tables[i], &csv);
            rc = file_write_in(out, name.s, &csv);
        } else {
            char *old = path_join(out, name.s);
            unlink(old);
            free(old);
        }
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

/* What a page is made from. */
typedef struct {
    json       **records, **others, **unfinished; /* others: those compared with */
    int64_t      n, n_others, n_unfinished;
    quality      q, q_before;
    overhead     o, o_before;
    reproduction r;
} material;

static int write_page(const char *out, material *m, report_counts *c)
{
    plot_list plots;
    int       rc = plot_all(&plots, &m->q, &m->o, out);
    if (rc) return rc;
    int64_t drawn = 0;
    str     html = { 0 }, md = { 0 }, summary = { 0 };
    str_printf(&summary, "%lld records: %lld scored cells, %lld trainings, %lld bench cases.", (long long)c->records,
               (long long)c->evals, (long long)c->trains, (long long)c->benches);
    if (m->q.copies)
        str_printf(&summary, " %lld scored cells or trainings stand there more than once and count once%s.",
                   (long long)m->q.copies,
                   m->q.conflicts ? "; NOT ALL COPIES SAY THE SAME, the first by path counts" : "");
    if (m->o.copies)
        str_printf(&summary, " %lld bench records stand there more than once and count once.", (long long)m->o.copies);
    str_printf(
        &html,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tiebreak report</title>\n<style>%s</style></head><body>\n"
        "<h1>Which adapter?</h1>\n<p>%s</p>\n",
        style, summary.s);
    str_printf(&md, "# Which adapter?\n\n%s\n\n", summary.s);
    table summary_rows;
    quality_summary(&m->q, &summary_rows);
    if (!rc) rc = write_tables(out, &summary_rows, 1, &html, &md);
    table_free(&summary_rows);
    for (size_t i = 0; i < plots.n && !rc; i++) {
        figure(&html, &md, out, &plots.items[i], i);
        drawn += !plots.items[i].missing;
    }
    table tables[14];
    int   n_tables = 0;
    quality_table(&m->q, &tables[n_tables++]);
    quality_unscored_table(&m->q, &tables[n_tables++]);
    unfinished_table(m->unfinished, m->n_unfinished, &tables[n_tables++]);
    quality_runs_table(&m->q, &tables[n_tables++]);
    for (int emulated = 0; emulated < 2; emulated++) {
        limit_table(&m->o, emulated, &tables[n_tables++]);
        many_adapters_table(&m->o, emulated, &tables[n_tables++]);
    }
    peers_table(m->records, m->n, &tables[n_tables++]);
    overhead_table(&m->o, &tables[n_tables++]);
    reproduction_table(&m->r, &tables[n_tables++]);
    c->before = overhead_against(&m->o, &m->o_before, &tables[n_tables++]);
    machines_table(m->records, m->n, &tables[n_tables++]);
    if (!rc) rc = write_tables(out, tables, n_tables, &html, &md);
    str_puts(&html, "</body></html>\n");
    if (!rc) rc = file_write_in(out, "report.md", &md);
    if (!rc) rc = file_write_in(out, "index.html", &html);
    c->plots = drawn;
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
    material m  = { 0 };
    int      rc = record_scan(&m.records, &m.n, runs);
    if (!rc && against) rc = record_scan(&m.others, &m.n_others, against);
    if (!rc) rc = record_scan_unfinished(&m.unfinished, &m.n_unfinished, runs);
    count_kinds(m.records, m.n, counts);
    if (!rc && !m.n)
        rc = input_error(
            "report: %s: holds no record; run `tiebreak eval`, `bench` or `sweep` with --out inside it first", runs);
    if (!rc) {
        quality_from_records(&m.q, m.records, m.n);
        quality_from_records(&m.q_before, m.others, m.n_others);
        overhead_from_records(&m.o, m.records, m.n);
        overhead_from_records(&m.o_before, m.others, m.n_others);
        rc = file_make_dirs(out);
    }
    if (!rc) {
        reproduce(&m.r, &m.q, &m.q_before);
        counts->compared = (int64_t)m.r.n;
        counts->differ   = m.r.differ;
        rc               = write_page(out, &m, counts);
        reproduction_free(&m.r);
    }
    quality_free(&m.q);
    quality_free(&m.q_before);
    overhead_free(&m.o);
    overhead_free(&m.o_before);
    free_records(m.records, m.n);
    free_records(m.others, m.n_others);
    free_records(m.unfinished, m.n_unfinished);
    return rc;
}
