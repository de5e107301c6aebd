/* The records of a data file as they stand there: readers keep the fields a task needs, and logs
 * and comparisons of whole records want the rest. */
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
    const char *lists[16]; /* names that some item has more than once */
    int         n_lists;
} originals;

/* path NULL: nothing is known. Free with originals_free. */
int originals_open(originals *o, const char *path);
/* Note which names repeat in a file's items: original_or_fields then makes lists of them in
 * every item. */
void originals_find_lists(originals *o, const dataset *data);
void originals_free(originals *o);

/* The JSON object on an item's line, the caller's; NULL where the file is not one object a line. */
json *original_record(const originals *o, const data_item *item);
/* The record, or where the file has none by itself an object made from the fields: the id, each
 * field, and the lists. */
json *original_or_fields(const originals *o, const data_item *item);
/* Whether two items are equal as whole records (as Python compares two dictionaries), as far as
 * their files show them. */
bool original_equal(const originals *oa, const data_item *a, const originals *ob, const data_item *b);
#endif
