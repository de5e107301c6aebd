/* The miniature suite, made from a seed and nothing else: five tasks in the real tasks' file
 * formats, and plain text to pre-train a small base on.
 *
 *     mini_write_tasks("datasets/mini", 1);       // squad/train.json ... gsm8k/test.jsonl
 *     mini_write_corpus("corpus.jsonl", 1, 90000, "");
 *
 * The text knows the world (facts and how to say them again, talk, two languages, sums, crafts) but
 * none of the tasks' forms. */
#ifndef TIEBREAK_DATASETS_MINI_H
#define TIEBREAK_DATASETS_MINI_H
#include <stdint.h>

#include "core/str.h"

/* Writes all splits of all tasks under dir. The same seed gives the same bytes. */
int mini_write_tasks(const char *dir, uint64_t seed);
/* Writes `documents` lines of {"text": ...}. `ending` closes each text: the end-of-text token's
 * string, or "". */
int mini_write_corpus(const char *path, uint64_t seed, int64_t documents, const char *ending);
/* Appends what the tokenizer's vocabulary is counted on: documents, and the tasks' texts as models
 * see them. */
void mini_vocabulary_text(str *out, uint64_t seed);
#endif
