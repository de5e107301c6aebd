/* Items of the five miniature tasks as text. mini_write_tasks puts them into files. */
#ifndef TIEBREAK_DATASETS_MINI_TASKS_H
#define TIEBREAK_DATASETS_MINI_TASKS_H
#include "core/rng.h"
#include "core/str.h"

/* text[0] is the input, by which items are told apart; each task says what the others are. */
typedef struct {
    str     text[6];
    int64_t number;
} mini_item;
void mini_item_clear(mini_item *x);
void mini_item_free(mini_item *x);

/* frame: the item as a model meets it, with $0.. for the texts; the vocabulary is counted on it. */
typedef struct {
    const char *name;
    void (*draw)(mini_item *x, rng *r);
    const char *frame;
} mini_task;
enum { MINI_SQUAD, MINI_DIALOGSUM, MINI_IWSLT, MINI_HELLASWAG, MINI_GSM8K, MINI_TASKS };
extern const mini_task mini_tasks[MINI_TASKS];
void                   mini_item_say(str *out, const mini_item *x, const mini_task *task);
#endif
