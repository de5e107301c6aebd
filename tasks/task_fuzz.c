/* Any bytes as a task file are refused with a message, or they open and then render an item or say
 * which field it lacks. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tasks/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void render(const task *t)
{
    static field    fields[] = { { "question", "[a] b  c", 8 }, { "answer", "", 0 }, { "ending", "x", 1 },
                                 { "ending", "\xC3\x9Fy", 3 },  { "label", "1", 1 }, { "text", "t", 1 } };
    const data_item item     = { .id = "0", .line = 1, .n_fields = sizeof fields / sizeof *fields, .fields = fields };
    task_text       x;
    error_clear();
    if (task_render(t, &item, &x)) {
        if (!*error_text()) abort();
        return;
    }
    if (!x.prompt || !x.target ||
        (x.n_choices && (x.gold < 0 || x.gold >= x.n_choices || strcmp(x.target, x.choices[x.gold]) != 0)))
        abort();
    task_text_free(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    task *t;
    error_clear();
    int rc = task_parse(&t, (const char *)bytes, n, "fuzz.json", NULL);
    if (rc && !*error_text()) abort();
    if (!rc) render(t);
    task_close(t);
    return 0;
}
