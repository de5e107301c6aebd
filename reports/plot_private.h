/* What the plots share. */
#ifndef TIEBREAK_REPORTS_PLOT_PRIVATE_H
#define TIEBREAK_REPORTS_PLOT_PRIVATE_H
#include "reports/plot.h"

/* Colour and marker of the i-th curve: different ones for the first PLOT_CURVES. The colours are
 * Okabe and Ito's, told apart with any colour vision; the marker is gnuplot's `pt`. */
enum { PLOT_CURVES = 48 };
const char *plot_color(int i);
int         plot_marker(int i);

/* Different names in the order of their first occurrence; -1 where PLOT_CURVES are there already,
 * which `left_out` counts. Zeroed, it is empty. Names are borrowed. */
typedef struct {
    const char *name[PLOT_CURVES];
    int         n, left_out;
} plot_names;
int plot_index(plot_names *l, const char *name);
/* A name as a legend has room for it: a long one, as a method's spec, is cut and numbered. */
void plot_label(str *s, const char *name, int i);

/* A plot while it is put together; zeroed, it is empty. */
typedef struct {
    str         script;  /* gnuplot's data blocks and settings */
    str         series;  /* what its plot command draws */
    str         title;   /* as it stands above the plot; captions repeat it */
    str         caption; /* below the plot, on the page */
    str         file;    /* the name of its files */
    const char *missing; /* why there is nothing to draw; NULL: gnuplot draws it */
    int         width, height;
} chart;
/* Adds the text as a string of gnuplot's; the terminal takes no character of it as markup. */
void chart_quote(str *s, const char *text);
/* Adds something to draw. Its title follows the format, "" is none. */
void chart_series(chart *c, const char *title, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Writes the script, runs gnuplot, remembers the SVG or why there is none; frees the chart's
 * strings in any case. ERR_FAILED only where the script cannot be written. */
int chart_finish(chart *c, plot_list *list, const char *dir);

/* Cases of one device, shape, site, op, tokens, type and mode. */
typedef struct {
    const overhead_point *points;
    size_t                n;
} panel;
/* A point a variant and method, at the rank at which most variants were measured. Nothing where
 * none was. */
int plot_variants(plot_list *list, panel cases, const char *dir);
/* "cuda bf16 llama2-7b, qkv 12288x4096, 1 tokens: decode, cold" */
void plot_case_name(str *s, const overhead_point *p);
/* A file's name from the panel's own, and what before it tells its plots apart. */
void plot_case_file(str *s, const char *kind, const overhead_point *p);
#endif
