/* Plots through gnuplot, as SVG files: quality against trained parameters, kernel overhead
 * against rank. */
#ifndef TIEBREAK_REPORTS_PLOT_H
#define TIEBREAK_REPORTS_PLOT_H
#include "reports/overhead.h"
#include "reports/quality.h"

typedef struct {
    char *file, *caption; /* file name inside the report's folder */
    char *missing;        /* why the picture could not be drawn; NULL: it is there */
} plot_item;

typedef struct {
    plot_item *items;
    size_t     n, cap;
} plot_list;

/* Removes the pictures of an earlier report in dir, then draws one plot for each column of scores
 * and base (its primary metric), and for each machine and (device, shape, site, tokens, op, type,
 * mode): against rank, and where variants were timed one across them. The gnuplot scripts stay
 * beside the SVGs (plots/NAME.gp), so a plot can be restyled by hand: gnuplot NAME.gp there. A
 * picture that gnuplot cannot draw costs that picture. */
int  plot_all(plot_list *list, const quality *q, const overhead *o, const char *dir);
void plot_list_free(plot_list *list);
#endif
