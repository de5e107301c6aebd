/* Pre-training text: documents of a few sentences. Each document is of one kind, drawn at
 * random. */
#include "core/file.h"
#include "core/json.h"
#include "datasets/mini.h"
#include "datasets/mini_crafts.h"
#include "datasets/mini_facts.h"
#include "datasets/mini_lum.h"
#include "datasets/mini_tasks.h"

/* Facts, then some of them said again in other words, or asked for and told. This teaches reading,
 * looking up and copying. */
static void facts_document(str *out, rng *r)
{
    fact_set f;
    facts_draw(&f, r, 2 + pick(r, 3));
    facts_say(out, &f);
    for (int k = 3 + pick(r, 3); k > 0; k--) {
        int             i = pick(r, f.n), n = 0;
        const relation *rel = &relations[f.which[i]];
        while (n < 4 && rel->again[n]) n++;
        str_putc(out, ' ');
        if (chance(r, 0.6)) {
            say(out, &f.scenes[i], rel->again[pick(r, n)]);
        } else {
            const query *q = &rel->talk[pick(r, 2)];
            str_puts(out, "They ask ");
            say(out, &f.scenes[i], q->question);
            str_puts(out, " They say: ");
            say(out, &f.scenes[i], q->answer);
        }
    }
}

/* A talk and what came of it. */
static const char *const talks[] = {
    "$a says: Where is the $c $o? $b says: It is at the $p. $a says: I will take it to the $q $t. So $a takes the $c $o from the $p to the $q $t.",
    "$a says: Do you have the $c $o? $b says: Yes, it is at the $p. $a says: Please bring it to the $q. $b says: No, I have no time. So the $c $o "
    "stays at the $p.",
    "$a says: Do you have the $c $o? $b says: Yes, it is at the $p. $a says: Please bring it to the $q $t. $b says: Yes, I will. So $b brings the "
    "$c $o from the $p to the $q $t.",
    "$a says: How much is the $o? $b says: It is $1 coins. $a says: I give you $2 coins. $b says: Good. So $a buys the $o for $2 coins, not $1.",
    "$a says: How much is the $o? $b says: It is $1 coins. $a says: I give you $2 coins. $b says: No. So $b keeps the $o and $a keeps $2 coins.",
    "$a says: Shall we go to the $p $t? $b says: I can come $u. $a says: Good. So $a and $b meet at the $p $u.",
    "$a says: I lost my $c $n. $b says: I saw a $c $n at the $p $t. $a says: Thank you. So $a looks for the $c $n at the $p.",
    "$a says: My $o is broken. $b says: The $j at the $p can help you. $a says: Thank you. So $a takes the $o to the $j at the $p.",
};

static void talk_document(str *out, rng *r)
{
    scene s;
    scene_cast(&s, r);
    scene_number(&s, '1', 5 + pick(r, 30));
    scene_number(&s, '2', 5 + pick(r, 30));
    say(out, &s, talks[pick(r, sizeof talks / sizeof *talks)]);
}

/* Sums, written without blanks. */
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
        int first = 1 + pick(r, 25), more = 1 + pick(r, 16);
        if (i) str_putc(out, ' ');
        bool gain = chance(r, 0.5);
        scene_number(&s, '1', gain ? first : first + more), scene_number(&s, '2', more),
            scene_number(&s, '3', gain ? first + more : first);
        say(out, &s,
            gain ? "$a has $1 $O and gets $2 more. So there are $1+$2=$3 $O."
                 : "$a has $1 $O and loses $2. So there are $1-$2=$3 $O.");
    }
}

/* Sentences of the second language, some with their meaning. Only words that the text explains are
 * translated. */
static void lum_document(str *out, rng *r)
{
    for (int i = 0, n = 2 + pick(r, 2); i < n; i++) {
        lum_sentence x    = { 0 };
        bool         tell = chance(r, 0.6);
        lum_draw(&x, r, tell);
        if (i) str_putc(out, ' ');
        str_puts(out, str_c(tell || chance(r, 0.7) ? &x.lum : &x.en));
        if (tell) str_printf(out, " That is: %s", str_c(&x.en));
        lum_sentence_free(&x);
    }
}

static void glossary_document(str *out, rng *r)
{
    for (int i = 0, n = 5 + pick(r, 8); i < n; i++) {
        list_id l = (list_id)(1 + pick(r, LISTS - 1));
        int     k = pick(r, world[l].n);
        if (!lum_explained(l, k)) continue;
        if (out->n > 1) str_putc(out, ' ');
        if (chance(r, 0.5))
            str_printf(out, "%s means %s.", lum_word(l, k), world[l].words[k].en);
        else
            str_printf(out, "%s is called %s.", world[l].words[k].en, lum_word(l, k));
    }
}

/* A list said twice. Words and signs that are rare elsewhere get a place in the model's eyes, and
 * it learns to copy. */
static const char *const rare[] = { "Context:", "Question:", "Answer:", "Document:", "Summary:", "Text:", "#Person",
                                    "#:",       "<<",        ">>",      "####",      "de:",      "en:",   "Which",
                                    "What",     "Who",       "Whose",   "When",      "How",      "trade", "address",
                                    "pet",      "visitor",   "gift",    "happy",     "visit",    "does",  "did" };

static void echo_document(str *out, rng *r)
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
} kinds[] = {
    { 0.40, facts_document }, { 0.12, talk_document },     { 0.04, sums_document }, { 0.10, count_document },
    { 0.18, lum_document },   { 0.04, glossary_document }, { 0.06, echo_document }, { 0.06, craft_document }
};

static void add_document(str *out, rng *r)
{
    double u = rng_uniform(r);
    size_t k = 0, last = sizeof kinds / sizeof *kinds - 1;
    while (k < last && u >= kinds[k].share) u -= kinds[k++].share;
    str_putc(out, ' '); /* a blank first: the first word then is the same token as elsewhere */
    kinds[k].write(out, r);
}

int mini_write_corpus(const char *path, uint64_t seed, int64_t documents, const char *ending)
{
    rng r    = rng_stream(seed, "mini-corpus");
    str file = { 0 }, text = { 0 };
    for (int64_t i = 0; i < documents; i++) {
        str_clear(&text);
        add_document(&text, &r);
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
        add_document(out, &r);
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
