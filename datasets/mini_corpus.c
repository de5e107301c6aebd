/* Pre-training text: documents of a few sentences each, one kind drawn per document. */
#include "core/file.h"
#include "core/json.h"
#include "datasets/mini.h"
#include "datasets/mini_crafts.h"
#include "datasets/mini_facts.h"
#include "datasets/mini_lum.h"
#include "datasets/mini_tasks.h"

/* Facts, then some of them said again in other words: reading, looking up, copying. */
static void facts_document(str *out, rng *r)
{
    fact_set f;
    facts_draw(&f, r, 2 + pick(r, 3));
    facts_say(out, &f);
    for (int k = 2 + pick(r, 3); k > 0; k--) {
        int             i   = pick(r, f.n);
        const relation *rel = &relations[f.which[i]];
        int             n   = 0;
        while (n < 4 && rel->again[n]) n++;
        str_putc(out, ' ');
        say(out, &f.scenes[i], rel->again[pick(r, n)]);
    }
}

/* Talk as in a play, and what came of it. */
static const char *const talks[] = {
    "$a: Where is the $c $o?\n$b: It is at the $p.\n$a: I will take it to the $q $t.\nSo $a took the $c $o from the $p to the $q.",
    "$a: Do you have the $c $o?\n$b: Yes, it is at the $p.\n$a: Please bring it to the $q.\n$b: No, I have no time.\nSo the $c $o stays at the $p.",
    ("$a: Do you have the $c $o?\n$b: Yes, it is at the $p.\n$a: Please bring it to the $q $t.\n$b: Yes, I will.\nSo $b brings the $c $o to the $q "
     "$t."),
    "$a: How much is the $o?\n$b: It is $1 coins.\n$a: I give you $2 coins.\n$b: Good.\nSo $a buys the $o for $2 coins.",
    "$a: How much is the $o?\n$b: It is $1 coins.\n$a: I give you $2 coins.\n$b: No.\nSo $b keeps the $o and $a keeps $2 coins.",
    "$a: Shall we go to the $p $t?\n$b: I can come $u.\n$a: Good.\nSo $a and $b meet at the $p $u.",
    "$a: I lost my $c $n.\n$b: I saw a $c $n at the $p $t.\n$a: Thank you.\nSo $a looks for the $n at the $p.",
    "$a: My $o is broken.\n$b: The $j at the $p can help you.\n$a: Thank you.\nSo $a takes the $o to the $j.",
};

static void talk_document(str *out, rng *r)
{
    scene s;
    scene_cast(&s, r);
    scene_number(&s, '1', 5 + pick(r, 30));
    scene_number(&s, '2', 5 + pick(r, 30));
    say(out, &s, talks[pick(r, sizeof talks / sizeof *talks)]);
}

/* Sums, written tight. */
static void sum_line(str *out, rng *r)
{
    int a = 1 + pick(r, 25), b = 1 + pick(r, 20);
    if (chance(r, 0.6))
        str_printf(out, "%d+%d=%d", a, b, a + b);
    else
        str_printf(out, "%d-%d=%d", a + b, b, a);
}

static void sums_document(str *out, rng *r)
{
    for (int i = 0, n = 6 + pick(r, 8); i < n; i++) {
        if (i) str_putc(out, ' ');
        sum_line(out, r);
    }
}

/* Counting in sentences. */
static void count_document(str *out, rng *r)
{
    for (int i = 0, n = 2 + pick(r, 2); i < n; i++) {
        scene s;
        scene_cast(&s, r);
        int first = 1 + pick(r, 25), more = 1 + pick(r, 20);
        if (i) str_putc(out, ' ');
        if (chance(r, 0.6)) {
            scene_number(&s, '1', first), scene_number(&s, '2', more), scene_number(&s, '3', first + more);
            say(out, &s, chance(r, 0.5) ? "$a has $1 $O and gets $2 more. Now there are $3 $O." : "$1 $O and $2 $M are $3 things.");
        } else {
            scene_number(&s, '1', first + more), scene_number(&s, '2', more), scene_number(&s, '3', first);
            say(out, &s, "$a has $1 $O and loses $2. Now there are $3 $O.");
        }
    }
}

static void lum_story_document(str *out, rng *r)
{
    scene s;
    scene_cast(&s, r);
    for (int i = 0, n = 2 + pick(r, 3); i < n; i++) {
        lum_sentence x = { 0 };
        lum_draw(&x, r, &s);
        if (i) str_putc(out, ' ');
        str_puts(out, str_c(chance(r, 0.75) ? &x.lum : &x.en));
        lum_sentence_free(&x);
    }
}

static void glossary_document(str *out, rng *r)
{
    for (int i = 0, n = 5 + pick(r, 8); i < n; i++) {
        list_id l = (list_id)(1 + pick(r, LISTS - 1));
        int     k = pick(r, world[l].n);
        if (!lum_explained(l, k)) continue;
        if (out->n) str_putc(out, ' ');
        if (chance(r, 0.5))
            str_printf(out, "%s means %s.", lum_word(l, k), world[l].words[k].en);
        else
            str_printf(out, "%s is called %s.", world[l].words[k].en, lum_word(l, k));
    }
}

/* A list said twice: words and signs that are rare elsewhere get a place in the model's eyes, and copying is learned. */
static const char *const rare[] = { "Context:", "Question:", "Answer:", "Document:", "Summary:", "Text:", "#Person", "#:",   "<<",  ">>",
                                    "####",     "de:",       "en:",     "Which",     "What",     "Who",   "Whose",   "When", "How", "trade",
                                    "address",  "pet",       "visitor", "gift",      "happy",    "visit", "does",    "did" };
static void              echo_document(str *out, rng *r)
{
    str line = { 0 };
    for (int i = 0, n = 3 + pick(r, 8); i < n; i++) {
        list_id l = (list_id)pick(r, LISTS);
        str_putc(&line, ' ');
        if (chance(r, 0.4))
            str_puts(&line, rare[pick(r, sizeof rare / sizeof *rare)]);
        else if (chance(r, 0.3))
            str_printf(&line, "%d", pick(r, 60));
        else if (chance(r, 0.3))
            str_puts(&line, lum_word(l, pick(r, world[l].n)));
        else
            str_puts(&line, world[l].words[pick(r, world[l].n)].en);
    }
    str_printf(out, "Say:%s ; again:%s", str_c(&line), str_c(&line));
    if (chance(r, 0.4)) str_printf(out, " ; again:%s", str_c(&line));
    str_free(&line);
}

static const struct {
    double share;
    void (*write)(str *out, rng *r);
} kinds[] = { { 0.30, facts_document },     { 0.16, talk_document },     { 0.08, sums_document }, { 0.10, count_document },
              { 0.12, lum_story_document }, { 0.06, glossary_document }, { 0.10, echo_document }, { 0.08, craft_document } };

void mini_document(str *out, rng *r)
{
    double u = rng_uniform(r);
    size_t k = 0, last = sizeof kinds / sizeof *kinds - 1;
    while (k < last && u >= kinds[k].share) u -= kinds[k++].share;
    kinds[k].write(out, r);
}

int mini_write_corpus(const char *path, uint64_t seed, int64_t documents, const char *ending)
{
    rng r    = rng_stream(seed, "mini-corpus");
    str file = { 0 }, text = { 0 };
    for (int64_t i = 0; i < documents; i++) {
        str_clear(&text);
        mini_document(&text, &r);
        str_puts(&text, ending);
        str_puts(&file, "{\"text\": ");
        json_quote(&file, str_c(&text), text.n);
        str_puts(&file, "}\n");
    }
    int rc = file_write_atomic(path, str_c(&file), file.n);
    str_free(&file);
    str_free(&text);
    return rc;
}

void mini_vocabulary_text(str *out, uint64_t seed)
{
    enum { DOCUMENTS = 6000, ITEMS = 1200 };
    rng       r = rng_stream(seed, "mini-vocabulary");
    mini_item x = { 0 };
    for (int i = 0; i < DOCUMENTS; i++) {
        mini_document(out, &r);
        str_putc(out, '\n');
    }
    for (int t = 0; t < MINI_TASKS; t++)
        for (int i = 0; i < ITEMS; i++) {
            mini_item_clear(&x);
            mini_tasks[t].draw(&x, &r);
            mini_item_say(out, &x, &mini_tasks[t]);
        }
    mini_item_free(&x);
}
