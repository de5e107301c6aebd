/* The items of a data file as they stand there. Readers keep only the fields that a task needs;
 * logs and comparisons of whole items want the rest too. */
#ifndef TIEBREAK_TASKS_ORIGINAL_H
#define TIEBREAK_TASKS_ORIGINAL_H
#include "core/json.h"
#include "datasets/dataset.h"

typedef struct {
    struct {
        const char *text;
        size_t      n;
    } * lines;
    int64_t     n_lines;
    str         text;      /* the file */
    const char *lists[16]; /* names of fields that some item has more than once */
    int         n_lists;
} originals;

/* With path NULL nothing is known of the items. Free with originals_free. */
int originals_open(originals *o, const char *path);
/* Notes which names repeat in a file's items; original_or_fields then makes lists of these in every
 * item. */
void originals_find_lists(originals *o, const dataset *data);
void originals_free(originals *o);

/* The JSON object on an item's line, which the caller frees; NULL where lines are no objects. */
json *original_item(const originals *o, const data_item *item);
/* The same or, where there is no such object, one made of the id, the fields and the lists. */
json *original_or_fields(const originals *o, const data_item *item);
/* Whether two items are equal as they stand there, as Python compares two dictionaries, so far as
 * their files show them. */
bool original_equal(const originals *oa, const data_item *a, const originals *ob, const data_item *b);
#endif
