/* One side of a parallel text, segment by segment, in the forms IWSLT comes in:
 *   XML/SGML of the talks   <doc docid="805"> ... <seg id="1"> text </seg>     everything
 *   outside <seg> is passed over
 *   training form           header lines that begin with '<' (<doc docid=...>, <url>, ...), then
 *   a segment a line
 *   plain                   a segment a line
 * Segments lose the blanks at both ends; those of the XML have their entities decoded. */
#ifndef TIEBREAK_DATASETS_SEGMENTS_H
#define TIEBREAK_DATASETS_SEGMENTS_H
#include "datasets/builder.h"

typedef enum { SEGMENTS_PLAIN, SEGMENTS_TAGS, SEGMENTS_XML } segments_form;

typedef struct {
    source        s;
    segments_form form;
    text_line     at;      /* where reading goes on: at.pos, and for lines at.number */
    int64_t       line;    /* of the segment, 1-based */
    char          doc[64]; /* its talk and its id in it; "" where the form has none */
    char          id[32];
    str           text;
    int64_t       count; /* segments so far */
} segments;

segments segments_open(const char *bytes, size_t n, const char *where); /* borrows both */
/* The next segment; *more false at the end. Unclosed tags, a <seg> without id, a numeric
 * reference that is no character: ERR_INPUT with the line. */
int  segments_next(segments *g, bool *more);
void segments_close(segments *g);
/* "talk 805, segment 3" into out, as far as the form has such names; else "segment 17". */
void segments_name(const segments *g, str *out);
#endif
