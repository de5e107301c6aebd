/* GSM8K (openai/grade-school-math): JSON lines of question and answer. The answer is a worked
 * solution that ends in "#### NUMBER". */
#include "datasets/builder.h"

static int item(builder *b, const json *obj, const char *where, int64_t line)
{
    builder_begin(b, NULL, line);
    int rc = builder_add_member(b, obj, where, "question", "question");
    if (!rc) rc = builder_add_member(b, obj, where, "answer", "answer");
    if (!rc) builder_end(b);
    return rc;
}

int read_gsm8k(builder *b, const source *s) { return each_json_item(b, s, item); }
